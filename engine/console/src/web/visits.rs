//! Who is logged in here, and who is on the way: all of it in memory, bounded, and found by the digest of a cookie,
//! never by the cookie. A restart ends every visit.
//!
//! It refuses what is over: by time, by idleness, by logout. It keeps no more visits of one identity than it has to;
//! the oldest makes room.

use super::drafts::{Draft, Drafts};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::{Mutex, RwLock};
use portcullis_model::{Identity, Principal, Timestamp, limits};
use std::collections::HashMap;
use std::net::IpAddr;
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
    /// A login counts that does not say when it was: the operator takes any.
    pub unsaid: bool,
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
    /// What was typed here.
    pub drafts: Drafts,
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
    fn counts(&self, now: Timestamp, by: Asked) -> bool {
        let mut used = self.used.lock();
        if by == Asked::Person {
            used.last = now;
        }
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

/// Who has made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Somebody did something.
    Person,
    /// A page that is open has asked for itself again: nobody need be there.
    Again,
}

/// The secrets of a login.
pub(super) struct Drawn {
    pub cookie: Zeroizing<String>,
    pub state: Zeroizing<String>,
    verifier: Zeroizing<String>,
}

impl Drawn {
    /// New ones.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            cookie: draw()?,
            state: draw()?,
            verifier: draw()?,
        })
    }

    /// What the entrance is told of the verifier.
    pub(super) fn challenge(&self) -> String {
        challenge(&self.verifier)
    }
}

/// How a login was begun.
#[derive(Clone)]
pub(super) struct Way {
    pub provider: Option<String>,
    pub next: String,
    /// The address it was begun from, as it is counted.
    pub from: IpAddr,
    /// The visit of this browser before.
    pub before: Option<Key>,
    /// What was typed in it, once it is known that the same person is back.
    pub typed: Option<Draft>,
}

/// Somebody who is at a provider.
pub(super) struct Pending {
    state: Zeroizing<String>,
    pub verifier: Zeroizing<String>,
    pub way: Way,
    until: Timestamp,
}

/// Makes room for one more. Whoever has begun the most loses the oldest: a flood from one address pushes itself out, and
/// nobody else.
fn room(pending: &mut HashMap<Key, Pending>, now: Timestamp) {
    if pending.len() < limits::LOGINS_PENDING_MAX {
        return;
    }
    pending.retain(|_, p| p.until > now);
    while pending.len() >= limits::LOGINS_PENDING_MAX {
        let mut begun: HashMap<IpAddr, usize> = HashMap::new();
        for p in pending.values() {
            *begun.entry(p.way.from).or_default() += 1;
        }
        let most = begun.values().copied().max();
        let theirs = pending
            .iter()
            .filter(|(_, p)| begun.get(&p.way.from).copied() == most);
        let oldest = theirs.min_by_key(|(_, p)| p.until).map(|(key, _)| *key);
        let Some(oldest) = oldest else { return };
        pending.remove(&oldest);
    }
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

    /// A login has begun.
    pub(super) fn begin(&self, drawn: Drawn, way: Way, now: Timestamp) {
        let mut pending = self.pending.lock();
        room(&mut pending, now);
        pending.insert(
            key(&drawn.cookie),
            Pending {
                state: drawn.state,
                verifier: drawn.verifier,
                way,
                until: now.after(limits::LOGIN_PENDING_MAX),
            },
        );
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
        way: &Way,
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
            provider: way.provider.clone(),
            tokens: tokio::sync::Mutex::new(tokens),
            drafts: Drafts::with(way.typed.clone()),
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
    pub(super) fn find(&self, cookie: &str, now: Timestamp, by: Asked) -> Known {
        let key = key(cookie);
        let mut open = self.open.lock();
        let Some(visit) = open.get(&key).cloned() else {
            return Known::Nobody;
        };
        if visit.is_over(now, self.stay.idle) {
            open.remove(&key);
            return Known::Nobody;
        }
        match visit.counts(now, by) {
            true => Known::Visit(visit),
            false => Known::Busy,
        }
    }

    /// What was typed in a visit before, where it is the same person's.
    pub(super) fn typed(&self, before: &Key, who: &Principal, now: Timestamp) -> Option<Draft> {
        let visit = self.open.lock().get(before).cloned()?;
        let same = visit.identity().principal == *who;
        same.then(|| visit.drafts.take(now)).flatten()
    }

    /// True when there is a visit for this cookie. Nothing is counted.
    pub(super) fn knows(&self, cookie: &str) -> bool {
        self.open.lock().contains_key(&key(cookie))
    }

    /// Somebody leaves.
    pub(super) fn leave(&self, whose: &Key) -> Option<Arc<Visit>> {
        self.open.lock().remove(whose)
    }

    /// True while this visit goes on.
    pub(super) fn holds(&self, visit: &Arc<Visit>, now: Timestamp) -> bool {
        let open = self.open.lock();
        let there = open.values().any(|open| Arc::ptr_eq(open, visit));
        there && !visit.is_over(now, self.stay.idle)
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
        unsaid: false,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp(0).after(Duration::from_secs(seconds))
    }

    fn way(from: u32) -> Way {
        Way {
            provider: None,
            next: "/console".to_owned(),
            from: IpAddr::V4(from.into()),
            before: None,
            typed: None,
        }
    }

    fn enter(visits: &Visits, name: &str, now: Timestamp) -> Zeroizing<String> {
        let tokens = Tokens {
            token: Zeroizing::new("t".to_owned()),
            refresh: None,
        };
        visits
            .enter(Arc::new(person(name)), tokens, &way(1), now)
            .expect("drawn")
    }

    fn there(visits: &Visits, cookie: &str, now: Timestamp) -> bool {
        matches!(visits.find(cookie, now, Asked::Person), Known::Visit(_))
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
        assert!(visits.leave(&key(&cookie)).is_some());
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
            let drawn = Drawn::new().expect("drawn");
            let told = (drawn.cookie.clone(), drawn.state.clone(), drawn.challenge());
            visits.begin(drawn, way(1), at(0));
            told
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
    fn a_flood_of_logins_pushes_itself_out_and_nobody_else() {
        let visits = Visits::new(STAY);
        let begin = |from: u32, second: u64| {
            let drawn = Drawn::new().expect("drawn");
            let told = (drawn.cookie.clone(), drawn.state.clone());
            visits.begin(drawn, way(from), at(second));
            told
        };
        let (cookie, state) = begin(1, 0);
        let (first, first_state) = begin(2, 1);
        for _ in 0..limits::LOGINS_PENDING_MAX + 8 {
            begin(2, 2);
        }
        assert!(visits.back(&first, &first_state, at(3)).is_none());
        assert!(visits.back(&cookie, &state, at(3)).is_some());
        assert!(visits.pending.lock().len() < limits::LOGINS_PENDING_MAX);
    }

    #[test]
    fn a_page_that_asks_for_itself_again_does_not_keep_a_visit_from_idleness() {
        let visits = Visits::new(STAY);
        let cookie = enter(&visits, "ana", at(0));
        let again = |second| match visits.find(&cookie, at(second), Asked::Again) {
            Known::Visit(visit) => Some(visit),
            Known::Busy | Known::Nobody => None,
        };
        let visit = again(50).expect("not idle yet");
        assert!(visits.holds(&visit, at(60)));
        assert!(
            !visits.holds(&visit, at(61)),
            "what is watched ends as well"
        );
        assert!(again(61).is_none());
    }

    #[test]
    fn whoever_asks_too_often_waits() {
        let visits = Visits::new(STAY);
        let cookie = enter(&visits, "ana", at(0));
        for _ in 0..limits::CONSOLE_REQUESTS_PER_MINUTE {
            assert!(there(&visits, &cookie, at(1)));
        }
        assert!(matches!(
            visits.find(&cookie, at(1), Asked::Person),
            Known::Busy
        ));
        assert!(there(&visits, &cookie, at(60)));
    }
}
