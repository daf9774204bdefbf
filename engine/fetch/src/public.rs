//! Which addresses belong to the public network. It refuses everything that is somebody's own, or nobody's: loopback,
//! private, link-local (where clouds keep the metadata of a machine), shared, reserved, multicast, and all of these in the
//! clothes of IPv6 (IANA special-purpose registries, RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// True when this is an address of the public network.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => four(ip),
        IpAddr::V6(ip) => six(ip),
    }
}

fn four(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let own = ip.is_loopback() || ip.is_private() || ip.is_link_local() || a == 0;
    let shared = a == 100 && (64..128).contains(&b);
    let reserved = a >= 224 || (a == 192 && b == 0 && c == 0) || (a == 198 && (b & 0xfe) == 18);
    let relay = a == 192 && b == 88 && c == 99;
    !(own || shared || reserved || relay || ip.is_documentation())
}

fn six(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let [a, b, _, _, _, marked, high, end] = parts;
    let low = u32::from(high) << 16 | u32::from(end);
    // IPv4 inside: mapped, compatible, NAT64. What a translator makes of it is what is reached.
    let zeros = parts.iter().take(5).all(|part| *part == 0);
    if zeros && (marked == 0xffff || marked == 0) {
        return marked == 0xffff && four(Ipv4Addr::from(low));
    }
    if a == 0x64 && b == 0xff9b {
        return false;
    }
    // 6to4 and Teredo carry an address of the other kind.
    let tunnels = a == 0x2002 || (a == 0x2001 && b == 0);
    let documentation = a == 0x2001 && b == 0xdb8;
    // Global unicast, and nothing else.
    a & 0xe000 == 0x2000 && !tunnels && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_reserved_addresses_are_not_public_in_any_clothes() {
        for own in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "203.0.113.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "2001:db8::1",
            "fec0::1",
        ] {
            assert!(!is_public(own.parse().unwrap()), "{own}");
        }
        for public in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
