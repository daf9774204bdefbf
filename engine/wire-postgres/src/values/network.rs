//! `inet`, `cidr` and hardware addresses in binary format (`network_send`, src/backend/utils/adt/network.c):
//! family, bits, whether it is a cidr, address. Refuses a family whose address has another length.

use super::cursor::Cursor;
use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

/// `PGSQL_AF_INET`, `PGSQL_AF_INET6` (src/include/utils/inet.h).
pub(super) const V4: u8 = 2;
pub(super) const V6: u8 = 3;

/// Prints an `inet`, or a `cidr`, which always shows its bits.
pub(super) fn address(raw: &[u8], cidr: bool, out: &mut impl Write) -> Option<()> {
    let mut cursor = Cursor::new(raw);
    let (family, bits, _is_cidr) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    let length = cursor.u8()?;
    let most = match (family, length) {
        (V4, 4) => {
            write!(out, "{}", Ipv4Addr::from(cursor.array::<4>()?)).ok()?;
            32
        }
        (V6, 16) => {
            v6(Ipv6Addr::from(cursor.array::<16>()?), out).ok()?;
            128
        }
        _ => return None,
    };
    if !cursor.is_empty() || bits > most {
        return None;
    }
    match cidr || bits != most {
        true => write!(out, "/{bits}").ok(),
        false => Some(()),
    }
}

/// PostgreSQL still writes the deprecated IPv4-compatible form.
fn v6(address: Ipv6Addr, out: &mut impl Write) -> fmt::Result {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            write!(out, "::{}", Ipv4Addr::new(a, b, c, d))
        }
        _ => write!(out, "{address}"),
    }
}

/// Prints a `macaddr` or `macaddr8`.
pub(super) fn hardware(raw: &[u8], out: &mut impl Write) -> fmt::Result {
    let mut colon = "";
    for byte in raw {
        write!(out, "{colon}{byte:02x}")?;
        colon = ":";
    }
    Ok(())
}
