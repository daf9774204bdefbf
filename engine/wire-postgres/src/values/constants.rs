//! What stands in the place of a scalar that must not be shown: one constant per type, in the format of
//! the cell, so that every client's codec still decodes it.
//!
//! | type | text | binary |
//! |---|---|---|
//! | integers, oid, xid, cid, floats | `0` | zero bytes |
//! | numeric | `0` | no digits |
//! | money | `$0.00` | zero bytes |
//! | bool | `f` | `0` |
//! | `"char"` | edited as text | `*` |
//! | reg* | `-` | zero |
//! | uuid | nil | nil |
//! | date, timestamp, timestamptz | `1970-01-01`, midnight, `+00` | the same |
//! | time, timetz | `00:00:00`, `+00` | the same |
//! | interval | `00:00:00` | zero |
//! | inet, cidr | `0.0.0.0`, `0.0.0.0/32` | the same |
//! | macaddr, macaddr8, pg_lsn | zeros | zeros |
//! | json, jsonb | the marker as a JSON string | the same |
//! | arrays of text, arrays of others | `{marker}`, `{}` | the same |
//! | ranges, records, geometry, full text, bits, unknown binary | NULL | NULL |
//!
//! 1970 and not year 1: Python and Java clients shift a `timestamptz` into a local zone, and year 1 has
//! nowhere to go. The spellings are those of `DateStyle = ISO`. Refuses to invent a plausible value:
//! a constant is recognisable.

use super::network::V4;
use super::oid::Typed;

/// The constant in text format.
pub(super) fn text(typed: Typed) -> &'static [u8] {
    match typed {
        Typed::Bool => b"f",
        Typed::Char => b"*",
        Typed::Int2 | Typed::Int4 | Typed::Int8 | Typed::Unsigned | Typed::Xid8 => b"0",
        Typed::Float4 | Typed::Float8 | Typed::Numeric => b"0",
        Typed::Registered => b"-",
        Typed::Money => b"$0.00",
        Typed::Uuid => b"00000000-0000-0000-0000-000000000000",
        Typed::Date => b"1970-01-01",
        Typed::Time | Typed::Interval => b"00:00:00",
        Typed::TimeTz => b"00:00:00+00",
        Typed::Timestamp => b"1970-01-01 00:00:00",
        Typed::TimestampTz => b"1970-01-01 00:00:00+00",
        Typed::Inet => b"0.0.0.0",
        Typed::Cidr => b"0.0.0.0/32",
        Typed::MacAddr => b"00:00:00:00:00:00",
        Typed::MacAddr8 => b"00:00:00:00:00:00:00:00",
        Typed::Lsn => b"0/0",
    }
}

/// 1970-01-01 in days and microseconds since 2000-01-01.
const DATE: [u8; 4] = (-10_957_i32).to_be_bytes();
const TIMESTAMP: [u8; 8] = (-946_684_800_000_000_i64).to_be_bytes();

/// The constant in binary format.
pub(super) fn binary(typed: Typed) -> &'static [u8] {
    match typed {
        Typed::Bool => &[0],
        Typed::Char => b"*",
        Typed::Int2 => &[0; 2],
        Typed::Int4 | Typed::Float4 | Typed::Unsigned | Typed::Registered => &[0; 4],
        Typed::Int8 | Typed::Float8 | Typed::Xid8 | Typed::Money | Typed::Lsn => &[0; 8],
        Typed::Numeric | Typed::Time | Typed::MacAddr8 => &[0; 8],
        Typed::TimeTz => &[0; 12],
        Typed::Uuid | Typed::Interval => &[0; 16],
        Typed::Date => &DATE,
        Typed::Timestamp | Typed::TimestampTz => &TIMESTAMP,
        Typed::Inet => &[V4, 32, 0, 4, 0, 0, 0, 0],
        Typed::Cidr => &[V4, 32, 1, 4, 0, 0, 0, 0],
        Typed::MacAddr => &[0; 6],
    }
}
