//! Connections on which nobody has proved anything yet, counted by address. The console keeps a connection open, so that
//! without a bound one address could hold all that the listener has. It refuses one more of these to whoever has many
//! open; who is known is not counted.

use super::turnstile::block;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// How many there are, by address.
pub(super) struct Strangers {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Strangers {
    /// So many for each address.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            open: Mutex::default(),
        })
    }

    /// One more, where the address has room.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Stranger> {
        let from = block(address);
        let mut open = self.open.lock();
        let count = open.entry(from).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Stranger(Mutex::new(Some(Counted {
            all: Arc::clone(self),
            from,
        }))))
    }
}

/// A connection; it is counted until somebody is known on it, or it ends.
pub(super) struct Stranger(Mutex<Option<Counted>>);

impl Stranger {
    /// Somebody has proved who they are.
    pub(super) fn is_known_now(&self) {
        self.0.lock().take();
    }

    /// True once somebody has.
    pub(super) fn is_known(&self) -> bool {
        self.0.lock().is_none()
    }
}

struct Counted {
    all: Arc<Strangers>,
    from: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.all.open.lock();
        if let Some(count) = open.get_mut(&self.from) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_so_many_connections_until_it_proves_something() {
        let strangers = Strangers::new(2);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (greedy, same) = (address("2001:db8::1"), address("2001:db8::2"));
        let first = strangers.enter(greedy).expect("room");
        let second = strangers.enter(same).expect("room");
        assert!(strangers.enter(greedy).is_none(), "the same /64");
        let other = strangers.enter(address("192.0.2.1"));
        assert!(other.is_some());
        assert!(!first.is_known());
        first.is_known_now();
        assert!(first.is_known());
        let third = strangers.enter(greedy);
        assert!(third.is_some(), "who is known is not counted");
        drop((first, second, third, other));
        assert!(strangers.open.lock().is_empty(), "nothing is left");
    }
}
