//! Cancel keys: the gateway's own process numbers and random keys, one pair per session. A key is
//! compared in constant time, wrong ones are counted by where they come from, and what is cancelled is
//! this session's statement upstream, never anything that a number of the upstream's names. It refuses
//! to let one address slow down what another one cancels.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use portcullis_model::{Blame, Fault, Timestamp};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Length of a key under protocol 3.0.
const KEY_SHORT: usize = 4;
/// Length of a key under protocol 3.2, as PostgreSQL 18 makes it.
const KEY_LONG: usize = 32;
/// Wrong keys per second and source, before even a right short one from there has to wait for the next
/// second: 2^32 keys then take a guesser eight years. A long key cannot be guessed and never waits.
const WRONG_PER_SECOND_MAX: u32 = 16;
/// Sources counted apart within a second; all others count as one.
const SOURCES_MAX: usize = 4096;

/// All sessions that can be cancelled.
#[derive(Default)]
pub struct Keys {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<u32, (Vec<u8>, Arc<Bell>)>,
    second: i64,
    wrong: HashMap<IpAddr, u32>,
}

/// Rings when the client asks for a cancel.
#[derive(Default)]
pub struct Bell {
    rung: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// One session's key; given back on drop.
pub struct Key {
    keys: Arc<Keys>,
    process: u32,
    key: Vec<u8>,
    bell: Arc<Bell>,
}

impl Keys {
    /// A new pair.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn issue(self: &Arc<Self>, long: bool) -> Result<Key, Fault> {
        let random = SystemRandom::new();
        let broken = |_| Fault::bare(Blame::Gateway, "draw random bytes");
        let mut key = vec![0; if long { KEY_LONG } else { KEY_SHORT }];
        random.fill(&mut key).map_err(broken)?;
        let bell = Arc::new(Bell::default());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let process = loop {
            let mut number = [0; 4];
            random.fill(&mut number).map_err(broken)?;
            // Clients print it as a positive number.
            let number = u32::from_be_bytes(number) >> 1;
            if number != 0 && !state.sessions.contains_key(&number) {
                break number;
            }
        };
        state.sessions.insert(process, (key.clone(), bell.clone()));
        Ok(Key {
            keys: self.clone(),
            process,
            key,
            bell,
        })
    }

    /// A CancelRequest came in. Nobody is told whether it fitted, as with PostgreSQL.
    pub fn cancel(&self, process: u32, key: &[u8], from: IpAddr, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.second != now.seconds() {
            state.second = now.seconds();
            state.wrong.clear();
        }
        let bell = state.sessions.get(&process).and_then(|(right, bell)| {
            verify_slices_are_equal(right, key)
                .is_ok()
                .then(|| bell.clone())
        });
        let wrong = state.wrong_from(from);
        match bell {
            Some(bell) if key.len() == KEY_LONG || *wrong < WRONG_PER_SECOND_MAX => bell.ring(),
            Some(_) => {}
            None => *wrong = wrong.saturating_add(1),
        }
    }
}

impl State {
    /// How many wrong keys came from there within this second.
    fn wrong_from(&mut self, from: IpAddr) -> &mut u32 {
        let source = source(from);
        let counted = self.wrong.len() < SOURCES_MAX || self.wrong.contains_key(&source);
        let source = match counted {
            true => source,
            false => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        self.wrong.entry(source).or_default()
    }
}

/// Who counts as one: an address, or the /64 that whoever has an IPv6 address usually has all of.
fn source(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

impl Bell {
    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        let waker = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        match self.rung.swap(false, Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Key {
    /// Body of BackendKeyData.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process
    }

    /// The secret part.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.key
    }

    /// Ready once for each request that came in.
    pub fn poll_rung(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.poll(cx)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let mut state = self
            .keys
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.sessions.remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn rung(key: &Key) -> bool {
        key.poll_rung(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn only_the_right_key_rings_and_only_its_own_bell() {
        let keys = Arc::new(Keys::default());
        let (ana, bea) = (keys.issue(false).unwrap(), keys.issue(true).unwrap());
        assert_eq!((ana.secret().len(), bea.secret().len()), (4, 32));
        keys.cancel(ana.process(), bea.secret(), HERE, Timestamp(0));
        keys.cancel(ana.process(), &ana.secret()[..3], HERE, Timestamp(0));
        assert!(!rung(&ana) && !rung(&bea));
        keys.cancel(ana.process(), ana.secret(), HERE, Timestamp(0));
        assert!(rung(&ana) && !rung(&ana) && !rung(&bea));
    }

    #[test]
    fn guessing_is_slow_where_it_comes_from_and_nowhere_else() {
        let keys = Arc::new(Keys::default());
        let (short, long) = (keys.issue(false).unwrap(), keys.issue(true).unwrap());
        let there: [IpAddr; 2] = ["10.0.0.2".parse().unwrap(), "fd00::1".parse().unwrap()];
        for _ in 0..WRONG_PER_SECOND_MAX {
            keys.cancel(short.process(), b"wrong", HERE, Timestamp(0));
        }
        keys.cancel(short.process(), short.secret(), HERE, Timestamp(1));
        assert!(!rung(&short));
        keys.cancel(long.process(), long.secret(), HERE, Timestamp(1));
        assert!(rung(&long));
        for from in there {
            keys.cancel(short.process(), short.secret(), from, Timestamp(1));
            assert!(rung(&short), "{from}");
        }
        keys.cancel(
            short.process(),
            short.secret(),
            HERE,
            Timestamp(1_000_000_000),
        );
        assert!(rung(&short));
    }

    #[test]
    fn right_keys_are_not_counted() {
        let keys = Arc::new(Keys::default());
        let ana = keys.issue(false).unwrap();
        for _ in 0..=WRONG_PER_SECOND_MAX {
            keys.cancel(ana.process(), ana.secret(), HERE, Timestamp(0));
            assert!(rung(&ana));
        }
    }

    #[test]
    fn one_network_counts_as_one_source_and_sources_are_bounded() {
        let keys = Arc::new(Keys::default());
        let ana = keys.issue(false).unwrap();
        for host in 0..WRONG_PER_SECOND_MAX {
            let from = Ipv6Addr::from_bits((0xfd00 << 112) | u128::from(host)).into();
            keys.cancel(ana.process(), b"wrong", from, Timestamp(0));
        }
        let neighbour = "fd00::ffff".parse().unwrap();
        keys.cancel(ana.process(), ana.secret(), neighbour, Timestamp(0));
        assert!(!rung(&ana));
        for address in 0..2 * u32::try_from(SOURCES_MAX).unwrap() {
            let from = std::net::Ipv4Addr::from_bits(address).into();
            keys.cancel(ana.process(), b"wrong", from, Timestamp(0));
        }
        assert_eq!(keys.state.lock().unwrap().wrong.len(), SOURCES_MAX + 1);
    }

    #[test]
    fn a_key_is_given_back() {
        let keys = Arc::new(Keys::default());
        drop(keys.issue(false).unwrap());
        assert!(keys.state.lock().unwrap().sessions.is_empty());
    }
}
