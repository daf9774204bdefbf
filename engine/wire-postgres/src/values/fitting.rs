//! What of a replacement fits a scalar type: a token of an integer is an integer, a token of a UUID a UUID, in the format
//! of the cell. Refuses everything else, a marker above all: the type's constant stands there then.

use super::constants;
use super::network::{V4, V6};
use super::oid::Typed;
use std::net::IpAddr;

/// Digits of a numeric that is taken: more are no number that anybody meant.
const NUMERIC_DIGITS_MAX: usize = 1000;

/// In text format: the replacement if it is of the type, else the constant.
pub(super) fn text(typed: Typed, replacement: Option<&[u8]>) -> Vec<u8> {
    match replacement.filter(|text| packed(typed, text).is_some()) {
        Some(text) => text.to_vec(),
        None => constants::text(typed).to_vec(),
    }
}

/// The same in binary format.
pub(super) fn binary(typed: Typed, replacement: Option<&[u8]>) -> Vec<u8> {
    replacement
        .and_then(|text| packed(typed, text))
        .unwrap_or_else(|| constants::binary(typed).to_vec())
}

/// A text of the type in binary format; `None` when it is none.
fn packed(typed: Typed, text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    match typed {
        Typed::Int2 => Some(integer::<i16>(text)?.to_be_bytes().to_vec()),
        Typed::Int4 => Some(integer::<i32>(text)?.to_be_bytes().to_vec()),
        Typed::Int8 => Some(integer::<i64>(text)?.to_be_bytes().to_vec()),
        Typed::Unsigned => Some(integer::<u32>(text)?.to_be_bytes().to_vec()),
        Typed::Xid8 => Some(integer::<u64>(text)?.to_be_bytes().to_vec()),
        Typed::Float4 => Some(decimal::<f32>(text)?.to_be_bytes().to_vec()),
        Typed::Float8 => Some(decimal::<f64>(text)?.to_be_bytes().to_vec()),
        Typed::Numeric => numeric(text),
        Typed::Uuid => uuid(text),
        Typed::Inet => address(text),
        Typed::MacAddr => hardware(text),
        Typed::Bool
        | Typed::Char
        | Typed::Registered
        | Typed::Money
        | Typed::Date
        | Typed::Time
        | Typed::TimeTz
        | Typed::Timestamp
        | Typed::TimestampTz
        | Typed::Interval
        | Typed::Cidr
        | Typed::MacAddr8
        | Typed::Lsn => None,
    }
}

/// `-12`, `3.50`, as the server prints them: what may have a point says so.
fn plain(text: &str, point: bool) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match unsigned.split_once('.') {
        Some((whole, fraction)) => point && all(whole) && all(fraction),
        None => all(unsigned),
    }
}

fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| plain(text, false))
}

fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| plain(text, true))
}

/// `numeric_recv` (src/backend/utils/adt/numeric.c): base-10000 digits, weight of the first, sign, display scale.
fn numeric(text: &str) -> Option<Vec<u8>> {
    if !plain(text, true) || text.len() > NUMERIC_DIGITS_MAX {
        return None;
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let front = (4 - whole.len() % 4) % 4;
    let behind = (4 - fraction.len() % 4) % 4;
    let zeros = |n| std::iter::repeat_n(b'0', n);
    let digits: Vec<u8> = zeros(front)
        .chain(whole.bytes())
        .chain(fraction.bytes())
        .chain(zeros(behind))
        .collect();
    let group = |four: &[u8]| four.iter().fold(0_u16, |n, d| n * 10 + u16::from(d - b'0'));
    let groups: Vec<u16> = digits.chunks(4).map(group).collect();
    let first = groups.iter().position(|g| *g != 0).unwrap_or(groups.len());
    let last = groups
        .iter()
        .rposition(|g| *g != 0)
        .map_or(first, |at| at + 1);
    let kept = groups.get(first..last)?;
    let before = i16::try_from((whole.len() + front) / 4).ok()?;
    let weight = match kept.is_empty() {
        true => 0,
        false => before - 1 - i16::try_from(first).ok()?,
    };
    let negative = text.starts_with('-') && !kept.is_empty();
    let mut out = Vec::with_capacity(8 + kept.len() * 2);
    out.extend_from_slice(&i16::try_from(kept.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&if negative { 0x4000_u16 } else { 0 }.to_be_bytes());
    out.extend_from_slice(&u16::try_from(fraction.len()).ok()?.to_be_bytes());
    for group in kept {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Some(out)
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let dashes = |(at, byte): (usize, &u8)| matches!(at, 8 | 13 | 18 | 23) == (*byte == b'-');
    if text.len() != 36 || !text.as_bytes().iter().enumerate().all(dashes) {
        return None;
    }
    pairs(text.bytes().filter(|b| *b != b'-'))
}

fn hardware(text: &str) -> Option<Vec<u8>> {
    let colons = |(at, byte): (usize, &u8)| (at % 3 == 2) == (*byte == b':');
    if text.len() != 17 || !text.as_bytes().iter().enumerate().all(colons) {
        return None;
    }
    pairs(text.bytes().filter(|b| *b != b':'))
}

/// Two hexadecimal digits a byte.
fn pairs(digits: impl Iterator<Item = u8>) -> Option<Vec<u8>> {
    let nibbles: Vec<u8> = digits
        .map(|b| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        })
        .collect::<Option<_>>()?;
    let byte = |pair: &[u8]| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble);
    Some(nibbles.chunks(2).map(byte).collect())
}

/// One host, as `inet_send` writes it.
fn address(text: &str) -> Option<Vec<u8>> {
    Some(match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => [&[V4, 32, 0, 4], v4.octets().as_slice()].concat(),
        IpAddr::V6(v6) => [&[V6, 128, 0, 16], v6.octets().as_slice()].concat(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::binary;
    use crate::values::printed::Printed;

    /// What the binary form prints as.
    fn printed(typed: Typed, text: &str) -> Option<String> {
        let mut out = Printed::default();
        binary::print(typed, &packed(typed, text.as_bytes())?, &mut out)?;
        Some(String::from_utf8_lossy(out.bytes()).into_owned())
    }

    #[test]
    fn what_fits_a_type_reads_back_as_itself() {
        for (typed, text) in [
            (Typed::Int2, "-32768"),
            (Typed::Int4, "2147483647"),
            (Typed::Int8, "-9223372036854775808"),
            (Typed::Unsigned, "4294967295"),
            (Typed::Float8, "12.5"),
            (Typed::Numeric, "0"),
            (Typed::Numeric, "0.00"),
            (Typed::Numeric, "7"),
            (Typed::Numeric, "-12345.6"),
            (Typed::Numeric, "10000"),
            (Typed::Numeric, "0.00012345"),
            (Typed::Numeric, "123456789012345678901234567890.000100"),
            (Typed::Uuid, "0a1b2c3d-4e5f-8789-90ab-cdef01234567"),
            (Typed::Inet, "240.1.2.3"),
            (Typed::Inet, "2001:db8::1"),
            (Typed::MacAddr, "02:00:5e:10:00:ff"),
        ] {
            assert_eq!(printed(typed, text).as_deref(), Some(text), "{typed:?}");
            assert_eq!(super::text(typed, Some(text.as_bytes())), text.as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_the_constant() {
        for (typed, text) in [
            (Typed::Int2, "32768"),
            (Typed::Int4, "[pc-masked:card]"),
            (Typed::Int4, "+1"),
            (Typed::Int4, "4.0"),
            (Typed::Int8, ""),
            (Typed::Unsigned, "-1"),
            (Typed::Float8, "NaN"),
            (Typed::Float8, "1e5"),
            (Typed::Numeric, "1."),
            (Typed::Numeric, "Infinity"),
            (Typed::Uuid, "0a1b2c3d4e5f878990abcdef01234567"),
            (Typed::Uuid, "za1b2c3d-4e5f-8789-90ab-cdef01234567"),
            (Typed::Inet, "10.0.0.0/8"),
            (Typed::MacAddr, "02-00-5e-10-00-ff"),
            (Typed::Date, "2026-11-27"),
            (Typed::Bool, "t"),
        ] {
            let text = Some(text.as_bytes());
            assert_eq!(super::text(typed, text), constants::text(typed));
            assert_eq!(super::binary(typed, text), constants::binary(typed));
        }
        assert_eq!(super::text(Typed::Uuid, None), constants::text(Typed::Uuid));
    }
}
