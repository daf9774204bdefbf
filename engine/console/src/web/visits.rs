//! Who is logged in here, and who is on the way: all of it in memory, bounded, and found by the digest of a cookie,
//! never by the cookie. A restart ends every visit.
//!
//! It refuses what is over: by time, by idleness, by logout. It keeps no more visits of one identity than it has to;
//! the oldest makes room.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::{Mutex, RwLock};
use portcullis_model::{Identity, Timestamp, limits};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Requests are counted over so long.
const WINDOW: Duration = Duration::from_secs(60);

/// The digest of a secret.
pub(super) type Key = [u8; 32];

/// How long somebody stays.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    /// A visit ends when nothing was asked for so long.
    pub idle: Duration,
    /// And after so long in any case.
    pub longest: Duration,
    /// A vote needs a proof that is no older.
    pub fresh: Duration,
}

/// A secret of 256 bits, in letters.
pub(super) fn draw() -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(&mut *bytes).ok()?;
    Some(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// The digest of a secret, in letters (RFC 7636 section 4.2).
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

pub(super) fn key(secret: &str) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    key
}

/// Compares in a time that says nothing about where they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

/// Tokens of a login.
pub(super) struct Tokens {
    pub token: Zeroizing<String>,
    pub refresh: Option<Zeroizing<String>>,
}

/// Somebody who is logged in.
pub(super) struct Visit {
    /// What every form carries.
    pub csrf: Zeroizing<String>,
    /// When the login was.
    pub begun: Timestamp,
    /// Which provider, so that a fresh login goes there.
    pub provider: Option<String>,
    /// Over a refresh they change: one at a time.
    pub tokens: tokio::sync::Mutex<Tokens>,
    identity: RwLock<Arc<Identity>>,
    until: Timestamp,
    used: Mutex<Used>,
}

struct Used {
    last: Timestamp,
    since: Timestamp,
    count: u32,
}

impl Visit {
    pub(super) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity.read())
    }

    pub(super) fn renew(&self, identity: Arc<Identity>) {
        *self.identity.write() = identity;
    }

    /// False when it asks too often.
    fn counts(&self, now: Timestamp) -> bool {
        let mut used = self.used.lock();
        used.last = now;
        if now.since(used.since) >= WINDOW {
            (used.since, used.count) = (now, 0);
        }
        used.count = used.count.saturating_add(1);
        used.count <= limits::CONSOLE_REQUESTS_PER_MINUTE
    }

    fn is_over(&self, now: Timestamp, idle: Duration) -> bool {
        now >= self.until || now.since(self.used.lock().last) > idle
    }
}

/// Somebody who is at a provider.
pub(super) struct Pending {
    pub state: Zeroizing<String>,
    pub verifier: Zeroizing<String>,
    pub provider: Option<String>,
    pub next: String,
    until: Timestamp,
}

/// All of them.
pub(super) struct Visits {
    stay: Stay,
    open: Mutex<HashMap<Key, Arc<Visit>>>,
    pending: Mutex<HashMap<Key, Pending>>,
}

/// What a cookie is good for.
pub(super) enum Known {
    /// Somebody.
    Visit(Arc<Visit>),
    /// Somebody who asks too often.
    Busy,
    /// Nobody.
    Nobody,
}

impl Visits {
    pub(super) fn new(stay: Stay) -> Self {
        Self {
            stay,
            open: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    pub(super) fn stay(&self) -> Stay {
        self.stay
    }

    /// A login begins; the cookie for it.
    pub(super) fn begin(
        &self,
        provider: Option<String>,
        next: String,
        now: Timestamp,
    ) -> Option<(Zeroizing<String>, Zeroizing<String>, String)> {
        let (cookie, state, verifier) = (draw()?, draw()?, draw()?);
        let challenge = challenge(&verifier);
        let mut pending = self.pending.lock();
        if pending.len() >= limits::LOGINS_PENDING_MAX {
            pending.retain(|_, p| p.until > now);
        }
        if pending.len() >= limits::LOGINS_PENDING_MAX {
            let oldest = pending.iter().min_by_key(|(_, p)| p.until).map(|(k, _)| *k);
            oldest.and_then(|key| pending.remove(&key));
        }
        pending.insert(
            key(&cookie),
            Pending {
                state: state.clone(),
                verifier,
                provider,
                next,
                until: now.after(limits::LOGIN_PENDING_MAX),
            },
        );
        Some((cookie, state, challenge))
    }

    /// The browser is back. Once.
    pub(super) fn back(&self, cookie: &str, state: &str, now: Timestamp) -> Option<Pending> {
        let pending = self.pending.lock().remove(&key(cookie))?;
        (pending.until > now && same(&pending.state, state)).then_some(pending)
    }

    /// Somebody is in; the cookie for it.
    pub(super) fn enter(
        &self,
        identity: Arc<Identity>,
        tokens: Tokens,
        provider: Option<String>,
        now: Timestamp,
    ) -> Option<Zeroizing<String>> {
        let (cookie, csrf) = (draw()?, draw()?);
        let mut open = self.open.lock();
        let idle = self.stay.idle;
        open.retain(|_, visit| !visit.is_over(now, idle));
        let own = |visit: &Visit| visit.identity().principal == identity.principal;
        for bound in [
            (limits::VISITS_PER_IDENTITY_MAX, true),
            (limits::VISITS_MAX, false),
        ] {
            let (most, mine) = bound;
            let of = open.iter().filter(|(_, visit)| !mine || own(visit));
            let oldest = of.clone().min_by_key(|(_, v)| v.begun).map(|(key, _)| *key);
            if of.count() >= most {
                oldest.and_then(|key| open.remove(&key));
            }
        }
        let visit = Visit {
            csrf,
            begun: now,
            provider,
            tokens: tokio::sync::Mutex::new(tokens),
            identity: RwLock::new(identity),
            until: now.after(self.stay.longest),
            used: Mutex::new(Used {
                last: now,
                since: now,
                count: 0,
            }),
        };
        open.insert(key(&cookie), Arc::new(visit));
        Some(cookie)
    }

    /// Whose cookie that is.
    pub(super) fn find(&self, cookie: &str, now: Timestamp) -> Known {
        let key = key(cookie);
        let mut open = self.open.lock();
        let Some(visit) = open.get(&key).cloned() else {
            return Known::Nobody;
        };
        if visit.is_over(now, self.stay.idle) {
            open.remove(&key);
            return Known::Nobody;
        }
        match visit.counts(now) {
            true => Known::Visit(visit),
            false => Known::Busy,
        }
    }

    /// True when there is a visit for this cookie. Nothing is counted.
    pub(super) fn knows(&self, cookie: &str) -> bool {
        self.open.lock().contains_key(&key(cookie))
    }

    /// Somebody leaves.
    pub(super) fn leave(&self, cookie: &str) -> Option<Arc<Visit>> {
        self.open.lock().remove(&key(cookie))
    }

    /// True while this visit goes on.
    pub(super) fn holds(&self, visit: &Arc<Visit>, now: Timestamp) -> bool {
        let open = self.open.lock();
        let there = open.values().any(|open| Arc::ptr_eq(open, visit));
        there && now < visit.until
    }

    /// This visit is over.
    pub(super) fn end(&self, visit: &Arc<Visit>) {
        self.open.lock().retain(|_, open| !Arc::ptr_eq(open, visit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::person;

    const STAY: Stay = Stay {
        idle: Duration::from_secs(60),
        longest: Duration::from_secs(600),
        fresh: Duration::from_secs(60),
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp(0).after(Duration::from_secs(seconds))
    }

    fn enter(visits: &Visits, name: &str, now: Timestamp) -> Zeroizing<String> {
        let tokens = Tokens {
            token: Zeroizing::new("t".to_owned()),
            refresh: None,
        };
        visits
            .enter(Arc::new(person(name)), tokens, None, now)
            .expect("drawn")
    }

    fn there(visits: &Visits, cookie: &str, now: Timestamp) -> bool {
        matches!(visits.find(cookie, now), Known::Visit(_))
    }

    #[test]
    fn a_visit_ends_by_idleness_by_time_and_by_leaving() {
        let visits = Visits::new(STAY);
        let cookie = enter(&visits, "ana", at(0));
        assert!(there(&visits, &cookie, at(50)));
        assert!(there(&visits, &cookie, at(100)), "it was used meanwhile");
        assert!(!there(&visits, &cookie, at(161)), "idle");
        assert!(!there(&visits, &cookie, at(162)), "for good");
        let cookie = enter(&visits, "ana", at(0));
        for second in (0..600).step_by(30) {
            assert!(there(&visits, &cookie, at(second)));
        }
        assert!(!there(&visits, &cookie, at(600)), "time is up");
        let cookie = enter(&visits, "ana", at(0));
        assert!(visits.leave(&cookie).is_some());
        assert!(!there(&visits, &cookie, at(1)));
        assert!(!there(&visits, "guess", at(1)));
    }

    #[test]
    fn the_oldest_visit_of_an_identity_makes_room() {
        let visits = Visits::new(STAY);
        let first = enter(&visits, "ana", at(0));
        let other = enter(&visits, "bea", at(0));
        for second in 1..=limits::VISITS_PER_IDENTITY_MAX as u64 {
            enter(&visits, "ana", at(second));
        }
        assert!(!visits.knows(&first));
        assert!(visits.knows(&other));
    }

    #[test]
    fn a_login_comes_back_once_with_its_own_state() {
        let visits = Visits::new(STAY);
        let begin = || {
            visits
                .begin(None, "/console".to_owned(), at(0))
                .expect("drawn")
        };
        let (cookie, state, challenge) = begin();
        assert_eq!(challenge.len(), 43);
        assert!(visits.back("guess", &state, at(1)).is_none());
        assert!(visits.back(&cookie, &state, at(1)).is_some());
        assert!(visits.back(&cookie, &state, at(1)).is_none(), "twice");
        let (cookie, ..) = begin();
        assert!(visits.back(&cookie, "guess", at(1)).is_none());
        let (cookie, state, _) = begin();
        assert!(visits.back(&cookie, &state, at(600)).is_none(), "late");
    }

    #[test]
    fn whoever_asks_too_often_waits() {
        let visits = Visits::new(STAY);
        let cookie = enter(&visits, "ana", at(0));
        for _ in 0..limits::CONSOLE_REQUESTS_PER_MINUTE {
            assert!(there(&visits, &cookie, at(1)));
        }
        assert!(matches!(visits.find(&cookie, at(1)), Known::Busy));
        assert!(there(&visits, &cookie, at(60)));
    }
}
