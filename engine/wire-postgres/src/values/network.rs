//! `inet`, `cidr` and hardware addresses in binary format (`network_send`, src/backend/utils/adt/network.c):
//! family, bits, whether it is a cidr, address. Refuses a family whose address has another length.

use super::cursor::Cursor;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `PGSQL_AF_INET`, `PGSQL_AF_INET6` (src/include/utils/inet.h).
pub(super) const V4: u8 = 2;
const V6: u8 = 3;

/// The text of an `inet`, or of a `cidr`, which always shows its bits.
pub(super) fn address(raw: &[u8], cidr: bool) -> Option<String> {
    let mut cursor = Cursor::new(raw);
    let (family, bits, _is_cidr) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    let length = cursor.u8()?;
    let (text, most) = match (family, length) {
        (V4, 4) => (Ipv4Addr::from(cursor.array::<4>()?).to_string(), 32),
        (V6, 16) => (v6(Ipv6Addr::from(cursor.array::<16>()?)), 128),
        _ => return None,
    };
    if !cursor.is_empty() || bits > most {
        return None;
    }
    Some(match cidr || bits != most {
        true => format!("{text}/{bits}"),
        false => text,
    })
}

/// PostgreSQL still writes the deprecated IPv4-compatible form.
fn v6(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            format!("::{}", Ipv4Addr::new(a, b, c, d))
        }
        _ => address.to_string(),
    }
}

/// The text of a `macaddr` or `macaddr8`.
pub(super) fn hardware(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len() * 3);
    for (index, byte) in raw.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02x}");
    }
    text
}
