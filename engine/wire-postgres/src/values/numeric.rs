//! `numeric` in binary format (`numeric_send`, src/backend/utils/adt/numeric.c): base-10000 digits, weight
//! of the first, sign, display scale. Refuses to print what ten bytes on the wire can ask for (131 072
//! digits): beyond a bound of zeros the number is written with an exponent.

use super::cursor::Cursor;
use super::printed::Printed;
use std::fmt::Write as _;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const MINUS_INFINITE: u16 = 0xf000;
/// `NUMERIC_DSCALE_MASK`.
const SCALE_MAX: u16 = 0x3fff;
/// Groups of four zeros that are printed beyond the digits that are there.
const PADDING_GROUPS_MAX: i32 = 16;

/// Prints a numeric.
pub(super) fn text(raw: &[u8], out: &mut Printed) -> Option<()> {
    let mut cursor = Cursor::new(raw);
    let count = cursor.count()?;
    let weight = i32::from(cursor.i16()?);
    let sign = cursor.u16()?;
    let scale = cursor.u16().filter(|s| *s <= SCALE_MAX)?;
    let mut digits = smallvec::SmallVec::<[u16; 16]>::new();
    for _ in 0..count {
        digits.push(cursor.u16().filter(|d| *d < 10_000)?);
    }
    if !cursor.is_empty() {
        return None;
    }
    match sign {
        0 => {}
        NEGATIVE => push(out, "-")?,
        NAN => return push(out, "NaN"),
        INFINITE => return push(out, "Infinity"),
        MINUS_INFINITE => return push(out, "-Infinity"),
        _ => return None,
    }
    let count = i32::try_from(count).ok()?;
    let sparse = weight >= count + PADDING_GROUPS_MAX
        || weight < -PADDING_GROUPS_MAX
        || i32::from(scale) > 4 * (count + PADDING_GROUPS_MAX);
    match sparse {
        true => exponential(&digits, weight, out),
        false => positional(&digits, weight, usize::from(scale), out),
    }
}

fn push(out: &mut Printed, text: &str) -> Option<()> {
    out.write_str(text).ok()
}

/// As `numeric_out` prints it.
fn positional(digits: &[u16], weight: i32, scale: usize, out: &mut Printed) -> Option<()> {
    let group = |index: i32| {
        let found = usize::try_from(index).ok().and_then(|i| digits.get(i));
        found.copied().unwrap_or(0)
    };
    if weight < 0 {
        push(out, "0")?;
    }
    for index in 0..=weight {
        match index {
            0 => write!(out, "{}", group(0)).ok()?,
            _ => write!(out, "{:04}", group(index)).ok()?,
        }
    }
    if scale > 0 {
        push(out, ".")?;
        let end = out.len() + scale;
        let mut index = weight + 1;
        while out.len() < end {
            write!(out, "{:04}", group(index)).ok()?;
            index += 1;
        }
        out.truncate(end);
    }
    Some(())
}

/// All digits that are there, and an exponent.
fn exponential(digits: &[u16], weight: i32, out: &mut Printed) -> Option<()> {
    let mut written: String = digits.iter().map(|d| format!("{d:04}")).collect();
    written.drain(..written.bytes().take_while(|b| *b == b'0').count());
    if written.is_empty() {
        return push(out, "0");
    }
    let exponent = (weight + 1 - i32::try_from(digits.len()).ok()?) * 4;
    push(out, &format!("{written}e{exponent}"))
}
