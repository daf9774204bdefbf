//! Scalars in binary format to the text that PostgreSQL prints for them. Refuses (`None`) a length that is
//! not the type's: the value is then treated as opaque.

use super::oid::Typed;
use super::{datetime, floats, network, numeric};

/// The text of a scalar; `None` when the bytes are not one.
pub(super) fn text(typed: Typed, raw: &[u8]) -> Option<Vec<u8>> {
    let text = match typed {
        Typed::Bool => match raw {
            [0] => "f".to_owned(),
            [_] => "t".to_owned(),
            _ => return None,
        },
        Typed::Char => return character(raw),
        Typed::Int2 => i16::from_be_bytes(raw.try_into().ok()?).to_string(),
        Typed::Int4 => i32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Typed::Int8 => i64::from_be_bytes(raw.try_into().ok()?).to_string(),
        Typed::Unsigned | Typed::Registered => u32::from_be_bytes(raw.try_into().ok()?).to_string(),
        Typed::Xid8 => u64::from_be_bytes(raw.try_into().ok()?).to_string(),
        Typed::Float4 => floats::single(f32::from_be_bytes(raw.try_into().ok()?)),
        Typed::Float8 => floats::double(f64::from_be_bytes(raw.try_into().ok()?)),
        Typed::Numeric => {
            let mut out = Vec::with_capacity(raw.len() * 2);
            numeric::text(raw, &mut out)?;
            return Some(out);
        }
        Typed::Money => money(i64::from_be_bytes(raw.try_into().ok()?)),
        Typed::Uuid => uuid(raw.try_into().ok()?),
        Typed::Date => datetime::date(i32::from_be_bytes(raw.try_into().ok()?)),
        Typed::Time => datetime::time(i64::from_be_bytes(raw.try_into().ok()?))?,
        Typed::TimeTz => {
            let (micros, west) = raw.split_first_chunk::<8>()?;
            let west = i32::from_be_bytes(west.try_into().ok()?);
            datetime::time_with_zone(i64::from_be_bytes(*micros), west)?
        }
        Typed::Timestamp => datetime::timestamp(i64::from_be_bytes(raw.try_into().ok()?), ""),
        Typed::TimestampTz => datetime::timestamp(i64::from_be_bytes(raw.try_into().ok()?), "+00"),
        Typed::Interval => interval(raw)?,
        Typed::Inet => network::address(raw, false)?,
        Typed::Cidr => network::address(raw, true)?,
        Typed::MacAddr if raw.len() == 6 => network::hardware(raw),
        Typed::MacAddr8 if raw.len() == 8 => network::hardware(raw),
        Typed::MacAddr | Typed::MacAddr8 => return None,
        Typed::Lsn => lsn(u64::from_be_bytes(raw.try_into().ok()?)),
    };
    Some(text.into_bytes())
}

/// `"char"`: one byte, shown as the backend does; a high bit is no UTF-8 by itself.
fn character(raw: &[u8]) -> Option<Vec<u8>> {
    match raw {
        [byte] if byte.is_ascii() => Some(vec![*byte]),
        [byte] => Some(format!("\\{byte:03o}").into_bytes()),
        _ => None,
    }
}

/// Cents; the currency and its decimals are the server's locale, which we do not know.
fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let amount = cents.unsigned_abs();
    format!("{sign}{}.{:02}", amount / 100, amount % 100)
}

fn uuid(raw: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(raw));
    let mut text = String::with_capacity(36);
    for (index, digit) in digits.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

fn interval(raw: &[u8]) -> Option<String> {
    let (micros, rest) = raw.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    Some(datetime::interval(
        i64::from_be_bytes(*micros),
        i32::from_be_bytes(*days),
        i32::from_be_bytes(months.try_into().ok()?),
    ))
}

fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}
