//! How often an address may come to the HTTPS listener. Every request there costs a signature check or a key
//! derivation, and nobody has to prove anything to make one. It refuses without an answer: who comes this
//! often is no person.

use parking_lot::Mutex;
use portcullis_model::limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);

/// Counts by address, in windows of a minute.
pub(super) struct Turnstile {
    most: u32,
    seen: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Turnstile {
    /// So many times a minute.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            seen: Mutex::new(HashMap::new()),
        }
    }

    /// True while the address has not used up its minute.
    pub(super) fn passes(&self, address: IpAddr, now: Instant) -> bool {
        let mut seen = self.seen.lock();
        if seen.len() >= limits::PORTAL_ADDRESSES_MAX {
            seen.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            // Still full: whoever is new waits, so that a flood from many addresses is bounded too.
            if seen.len() >= limits::PORTAL_ADDRESSES_MAX && !seen.contains_key(&block(address)) {
                return false;
            }
        }
        let (since, count) = seen.entry(block(address)).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= self.most
    }
}

/// What one customer has: an IPv4 address, or a /64 of IPv6.
pub(crate) fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (!0 << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_others_are_served() {
        let (turnstile, now) = (
            Turnstile::new(limits::PORTAL_REQUESTS_PER_MINUTE),
            Instant::now(),
        );
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (flood, same) = (address("2001:db8::1"), address("2001:db8::2"));
        for _ in 0..limits::PORTAL_REQUESTS_PER_MINUTE {
            assert!(turnstile.passes(flood, now));
        }
        assert!(!turnstile.passes(flood, now));
        assert!(!turnstile.passes(same, now), "the same /64");
        assert!(turnstile.passes(address("2001:db8:1::1"), now));
        assert!(turnstile.passes(flood, now + WINDOW));
    }

    #[test]
    fn the_table_is_bounded() {
        let (turnstile, now) = (
            Turnstile::new(limits::PORTAL_REQUESTS_PER_MINUTE),
            Instant::now(),
        );
        for n in 0..limits::PORTAL_ADDRESSES_MAX as u32 {
            assert!(turnstile.passes(IpAddr::V4(n.into()), now));
        }
        let new = IpAddr::V4(u32::MAX.into());
        assert!(!turnstile.passes(new, now));
        assert!(
            turnstile.passes(IpAddr::V4(0.into()), now),
            "who is counted goes on"
        );
        assert!(turnstile.passes(new, now + WINDOW));
    }
}
