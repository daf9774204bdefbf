//! Scalars in binary format to the text that PostgreSQL prints for them. Refuses (`None`) a length that is
//! not the type's: the value is then treated as opaque.

use super::oid::Typed;
use super::printed::Printed;
use super::{datetime, floats, network, numeric};
use std::fmt::{self, Write};

/// Prints a scalar; `None` when the bytes are not one.
pub(super) fn print(typed: Typed, raw: &[u8], out: &mut Printed) -> Option<()> {
    let done = match typed {
        Typed::Bool => match raw {
            [0] => out.write_str("f"),
            [_] => out.write_str("t"),
            _ => return None,
        },
        Typed::Char => match raw {
            [byte] if byte.is_ascii() => out.write_char(char::from(*byte)),
            // A high bit is no UTF-8 by itself; the backend shows it like this since version 16.
            [byte] => write!(out, "\\{byte:03o}"),
            _ => return None,
        },
        Typed::Int2 => write!(out, "{}", i16::from_be_bytes(raw.try_into().ok()?)),
        Typed::Int4 => write!(out, "{}", i32::from_be_bytes(raw.try_into().ok()?)),
        Typed::Int8 => write!(out, "{}", i64::from_be_bytes(raw.try_into().ok()?)),
        Typed::Unsigned | Typed::Registered => {
            write!(out, "{}", u32::from_be_bytes(raw.try_into().ok()?))
        }
        Typed::Xid8 => write!(out, "{}", u64::from_be_bytes(raw.try_into().ok()?)),
        Typed::Float4 => out.write_str(&floats::single(f32::from_be_bytes(raw.try_into().ok()?))),
        Typed::Float8 => out.write_str(&floats::double(f64::from_be_bytes(raw.try_into().ok()?))),
        Typed::Numeric => return numeric::text(raw, out),
        Typed::Money => money(i64::from_be_bytes(raw.try_into().ok()?), out),
        Typed::Uuid => uuid(raw.try_into().ok()?, out),
        Typed::Date => datetime::date(i32::from_be_bytes(raw.try_into().ok()?), out),
        Typed::Time => datetime::time(i64::from_be_bytes(raw.try_into().ok()?), out),
        Typed::TimeTz => {
            let (micros, west) = raw.split_first_chunk::<8>()?;
            let west = i32::from_be_bytes(west.try_into().ok()?);
            datetime::time_with_zone(i64::from_be_bytes(*micros), west, out)
        }
        Typed::Timestamp => datetime::timestamp(i64::from_be_bytes(raw.try_into().ok()?), "", out),
        Typed::TimestampTz => {
            datetime::timestamp(i64::from_be_bytes(raw.try_into().ok()?), "+00", out)
        }
        Typed::Interval => return interval(raw, out),
        Typed::Inet => return network::address(raw, false, out),
        Typed::Cidr => return network::address(raw, true, out),
        Typed::MacAddr if raw.len() == 6 => network::hardware(raw, out),
        Typed::MacAddr8 if raw.len() == 8 => network::hardware(raw, out),
        Typed::MacAddr | Typed::MacAddr8 => return None,
        Typed::Lsn => lsn(u64::from_be_bytes(raw.try_into().ok()?), out),
    };
    done.ok()
}

/// Cents; the currency and its decimals are the server's locale, which we do not know.
fn money(cents: i64, out: &mut impl Write) -> fmt::Result {
    let sign = if cents < 0 { "-" } else { "" };
    let amount = cents.unsigned_abs();
    write!(out, "{sign}{}.{:02}", amount / 100, amount % 100)
}

fn uuid(raw: [u8; 16], out: &mut impl Write) -> fmt::Result {
    for (index, byte) in raw.iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        };
        write!(out, "{dash}{byte:02x}")?;
    }
    Ok(())
}

fn interval(raw: &[u8], out: &mut impl Write) -> Option<()> {
    let (micros, rest) = raw.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    datetime::interval(
        i64::from_be_bytes(*micros),
        i32::from_be_bytes(*days),
        i32::from_be_bytes(months.try_into().ok()?),
        out,
    )
    .ok()
}

fn lsn(position: u64, out: &mut impl Write) -> fmt::Result {
    write!(out, "{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}
