//! Connections on which nobody has logged in yet: how many there may be, and who has failed often enough to wait
//! (sshd_config(5), `MaxStartups` and `PerSourcePenalties`). Time is an argument. It refuses to remember more sources than
//! its bound: the oldest go first.

use parking_lot::Mutex;
use portcullis_model::Timestamp;
use portcullis_model::limits::{
    SSH_PENALTY, SSH_PENALTY_FAILURES, SSH_PENALTY_SOURCES_MAX, SSH_STARTUPS_MAX,
    SSH_STARTUPS_PER_SOURCE_MAX,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The door's memory.
pub(crate) struct Startups {
    slots: Arc<Semaphore>,
    sources: Mutex<BTreeMap<IpAddr, Failures>>,
    /// Slots that each source has: no more sources than slots.
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// A place among those who have not logged in yet, until it is dropped.
pub(crate) struct Slot {
    from: IpAddr,
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        match taken.get_mut(&self.from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.from);
            }
        }
    }
}

impl Startups {
    pub(crate) fn new() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(SSH_STARTUPS_MAX)),
            sources: Mutex::new(BTreeMap::new()),
            taken: Arc::default(),
        }
    }

    /// A slot until login, unless there is none, or the source has to wait or has its share of them: whoever says nothing
    /// keeps nobody else out.
    pub(crate) fn enter(&self, from: IpAddr, now: Timestamp) -> Option<Slot> {
        let from = group(from);
        let waits =
            self.sources.lock().get(&from).is_some_and(|f| {
                f.count >= SSH_PENALTY_FAILURES && now < f.last.after(SSH_PENALTY)
            });
        if waits {
            return None;
        }
        let mut taken = self.taken.lock();
        if taken
            .get(&from)
            .is_some_and(|count| *count >= SSH_STARTUPS_PER_SOURCE_MAX)
        {
            return None;
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        *taken.entry(from).or_insert(0) += 1;
        drop(taken);
        Some(Slot {
            from,
            taken: Arc::clone(&self.taken),
            _slot: slot,
        })
    }

    /// A login failed.
    pub(crate) fn failed(&self, from: IpAddr, now: Timestamp) {
        let mut sources = self.sources.lock();
        sources.retain(|_, f| now < f.last.after(SSH_PENALTY));
        if sources.len() >= SSH_PENALTY_SOURCES_MAX
            && let Some(oldest) = sources
                .iter()
                .min_by_key(|(_, f)| f.last)
                .map(|(ip, _)| *ip)
        {
            sources.remove(&oldest);
        }
        let failures = sources.entry(group(from)).or_insert(Failures {
            count: 0,
            last: now,
        });
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    /// A login succeeded: whoever mistyped is forgiven.
    pub(crate) fn succeeded(&self, from: IpAddr) {
        self.sources.lock().remove(&group(from));
    }
}

/// Whoever has an IPv6 address has a whole /64 of them.
fn group(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let net = u128::from(v6) >> 64 << 64;
            IpAddr::V6(net.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    #[test]
    fn who_fails_often_has_to_wait_and_a_success_forgives() {
        let door = Startups::new();
        let from: IpAddr = "192.0.2.7".parse().unwrap();
        for _ in 0..SSH_PENALTY_FAILURES {
            assert!(door.enter(from, at(0)).is_some());
            door.failed(from, at(0));
        }
        assert!(door.enter(from, at(1)).is_none());
        assert!(door.enter("192.0.2.8".parse().unwrap(), at(1)).is_some());
        let later = i64::try_from(SSH_PENALTY.as_secs()).unwrap() + 1;
        assert!(door.enter(from, at(later)).is_some());
        door.succeeded(from);
        assert!(door.enter(from, at(1)).is_some());
    }

    #[test]
    fn neighbours_in_one_network_of_ipv6_share_a_penalty() {
        let door = Startups::new();
        for host in 0..SSH_PENALTY_FAILURES {
            door.failed(format!("2001:db8::{host:x}").parse().unwrap(), at(0));
        }
        assert!(
            door.enter("2001:db8::ffff".parse().unwrap(), at(1))
                .is_none()
        );
        assert!(
            door.enter("2001:db8:0:1::1".parse().unwrap(), at(1))
                .is_some()
        );
    }

    #[test]
    fn one_silent_source_takes_its_share_of_the_slots_and_no_more() {
        let door = Startups::new();
        let silent: IpAddr = "192.0.2.7".parse().unwrap();
        let tries = 0..SSH_STARTUPS_MAX * 2;
        let held: Vec<_> = tries.filter_map(|_| door.enter(silent, at(0))).collect();
        assert_eq!(held.len(), SSH_STARTUPS_PER_SOURCE_MAX);
        assert!(door.enter("192.0.2.8".parse().unwrap(), at(0)).is_some());
        // The same for a whole network of IPv6.
        let hosts = (0..SSH_STARTUPS_MAX).map(|n| format!("2001:db8::{n:x}").parse().unwrap());
        let held6: Vec<_> = hosts.filter_map(|from| door.enter(from, at(0))).collect();
        assert_eq!(held6.len(), SSH_STARTUPS_PER_SOURCE_MAX);
        drop(held);
        assert!(door.enter(silent, at(0)).is_some());
    }

    #[test]
    fn slots_and_memory_are_bounded() {
        let door = Startups::new();
        let from: IpAddr = "192.0.2.7".parse().unwrap();
        let sources = (0..255_u8).map(|n| IpAddr::from([192, 0, 2, n]));
        let slots: Vec<_> = sources.filter_map(|from| door.enter(from, at(0))).collect();
        assert_eq!(slots.len(), SSH_STARTUPS_MAX);
        assert!(door.enter(from, at(0)).is_none());
        drop(slots);
        assert!(door.taken.lock().is_empty());
        assert!(door.enter(from, at(0)).is_some());
        for n in 0..u32::try_from(SSH_PENALTY_SOURCES_MAX).unwrap() + 100 {
            door.failed(IpAddr::V4(n.into()), at(0));
        }
        assert!(door.sources.lock().len() <= SSH_PENALTY_SOURCES_MAX);
    }
}
