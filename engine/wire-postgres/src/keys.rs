//! Cancel keys: the gateway's own process numbers and random keys, one pair per session. A key is
//! compared in constant time, guesses are counted, and what is cancelled is this session's statement
//! upstream, never anything that a number of the upstream's names.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use portcullis_model::{Blame, Fault, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Length of a key under protocol 3.0.
const KEY_SHORT: usize = 4;
/// Length of a key under protocol 3.2, as PostgreSQL 18 makes it.
const KEY_LONG: usize = 32;
/// Wrong keys per second, over all sessions, before even right ones have to wait for the next second:
/// 2^32 keys then take a guesser eight years.
const WRONG_PER_SECOND_MAX: u32 = 16;

/// All sessions that can be cancelled.
#[derive(Default)]
pub struct Keys {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<u32, (Vec<u8>, Arc<Bell>)>,
    second: i64,
    wrong: u32,
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
    pub fn cancel(&self, process: u32, key: &[u8], now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.second != now.seconds() {
            state.second = now.seconds();
            state.wrong = 0;
        }
        if state.wrong >= WRONG_PER_SECOND_MAX {
            return;
        }
        let bell = state.sessions.get(&process).and_then(|(right, bell)| {
            verify_slices_are_equal(right, key)
                .is_ok()
                .then(|| bell.clone())
        });
        match bell {
            Some(bell) => bell.ring(),
            None => state.wrong += 1,
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

    fn rung(key: &Key) -> bool {
        key.poll_rung(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn only_the_right_key_rings_and_only_its_own_bell() {
        let keys = Arc::new(Keys::default());
        let (ana, bea) = (keys.issue(false).unwrap(), keys.issue(true).unwrap());
        assert_eq!((ana.secret().len(), bea.secret().len()), (4, 32));
        keys.cancel(ana.process(), bea.secret(), Timestamp(0));
        keys.cancel(ana.process(), &ana.secret()[..3], Timestamp(0));
        assert!(!rung(&ana) && !rung(&bea));
        keys.cancel(ana.process(), ana.secret(), Timestamp(0));
        assert!(rung(&ana) && !rung(&ana) && !rung(&bea));
    }

    #[test]
    fn guessing_is_slow() {
        let keys = Arc::new(Keys::default());
        let ana = keys.issue(false).unwrap();
        for _ in 0..WRONG_PER_SECOND_MAX {
            keys.cancel(ana.process(), b"wrong", Timestamp(0));
        }
        keys.cancel(ana.process(), ana.secret(), Timestamp(1));
        assert!(!rung(&ana));
        keys.cancel(ana.process(), ana.secret(), Timestamp(1_000_000_000));
        assert!(rung(&ana));
    }

    #[test]
    fn a_key_is_given_back() {
        let keys = Arc::new(Keys::default());
        drop(keys.issue(false).unwrap());
        assert!(keys.state.lock().unwrap().sessions.is_empty());
    }
}
