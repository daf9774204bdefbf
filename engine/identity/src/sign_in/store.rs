//! What is under way between a provider, a browser and a command line, and who is logged in: all of it in
//! memory, bounded, and found by the digest of a secret, never by the secret.
//!
//! A place is kept for everybody: where it is full, the address that has begun the most logins loses its oldest.
//! It refuses everything twice: a state, a code, a refresh token. It tells a code that never was from one
//! with a wrong verifier to nobody.

use crate::saml::SamlPending;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use portcullis_model::{Denial, Identity, Timestamp, limits};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

/// What refresh tokens begin with, so that scanners recognise one.
const REFRESH: &str = "pcr_";

type Key = [u8; 32];

/// 256 random bits.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub(super) fn draw() -> Result<Self, Denial> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).map_err(|_| {
            Denial::new(
                "fault/gateway",
                "the gateway cannot log anybody in right now",
            )
            .hint("Try again in a minute.")
        })?;
        Ok(Self(bytes))
    }

    /// In letters.
    pub(super) fn shown(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.0))
    }

    /// A part of it, as the name of something that is no secret.
    pub(super) fn name(&self) -> String {
        let mut text = URL_SAFE_NO_PAD.encode(*self.0);
        text.truncate(22);
        text
    }
}

fn key(secret: &str) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    key
}

/// What has to fit when a browser comes back.
pub(super) enum Expected {
    /// From an OpenID provider.
    Code {
        nonce: Zeroizing<String>,
        verifier: Zeroizing<String>,
        /// The provider has announced that it says who it is (RFC 9207 section 3).
        names_itself: bool,
    },
    /// From a SAML provider.
    Response(Box<SamlPending>),
}

/// A browser that is at the provider.
pub(super) struct Browser {
    pub provider: String,
    pub expected: Expected,
    /// When a new proof was asked for, if it was.
    pub anew: Option<Timestamp>,
    pub back: super::Back,
    pub challenge: String,
    pub state: String,
}

/// Somebody who has logged in and has no token yet.
pub(super) struct Taken {
    pub identity: Identity,
    pub refresh: Option<Zeroizing<String>>,
    pub provider: String,
}

impl Taken {
    pub(super) fn new(
        identity: Identity,
        refresh: Option<Zeroizing<String>>,
        provider: &str,
    ) -> Self {
        Self {
            identity,
            refresh,
            provider: provider.to_owned(),
        }
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Kept {
    pub identity: Arc<Identity>,
    pub provider: String,
    /// The provider's refresh token.
    pub refresh: Zeroizing<String>,
    pub until: Timestamp,
}

/// A login that waits for its command line, or for another device.
struct Waiting {
    challenge: String,
    answer: Option<Result<Taken, Denial>>,
    until: Timestamp,
    /// Who began it, until it is answered.
    from: Option<IpAddr>,
    /// Who asks the provider meanwhile.
    asking: Option<Asking>,
}

/// Nobody asks on when nobody waits any longer.
struct Asking(AbortHandle);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A login that nobody has answered.
#[derive(Clone, Copy)]
enum Pending {
    Browser(Key),
    Device(Key),
}

/// A refresh token that was used.
struct Used {
    /// Whose login it was of.
    identity: Arc<Identity>,
    until: Timestamp,
    /// It was used once more, so the login is over, whatever is under way in it.
    over: bool,
}

/// What comes of using a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// It was good until now.
    Now,
    /// It was used before: somebody else may have it.
    Before,
    /// It is good for nothing: it has run out, or its login has ended or made room for another.
    Nothing,
}

#[derive(Default)]
struct State {
    browsers: HashMap<Key, (Browser, Timestamp, IpAddr)>,
    waiting: HashMap<Key, Waiting>,
    kept: HashMap<Key, Kept>,
    /// Refresh tokens that were used.
    used: HashMap<Key, Used>,
}

impl State {
    fn sweep(&mut self, now: Timestamp) {
        self.browsers.retain(|_, (_, until, _)| *until > now);
        self.waiting.retain(|_, waiting| waiting.until > now);
        self.kept.retain(|_, kept| kept.until > now);
        self.used.retain(|_, used| used.until > now);
    }

    /// Logins that nobody has answered: who began them, until when they are good.
    fn pending(&self) -> impl Iterator<Item = (IpAddr, Timestamp, Pending)> {
        let browsers = self.browsers.iter();
        let browsers =
            browsers.map(|(key, (_, until, from))| (*from, *until, Pending::Browser(*key)));
        let devices = self.waiting.iter().filter_map(|(key, waiting)| {
            Some((waiting.from?, waiting.until, Pending::Device(*key)))
        });
        browsers.chain(devices)
    }

    /// Makes room for one more. Whoever has begun the most loses the oldest: a flood from one address pushes itself
    /// out, and nobody else.
    fn room(&mut self, now: Timestamp) {
        if self.pending().count() < limits::LOGINS_PENDING_MAX {
            return;
        }
        self.sweep(now);
        while self.pending().count() >= limits::LOGINS_PENDING_MAX {
            let mut begun: HashMap<IpAddr, usize> = HashMap::new();
            for (from, _, _) in self.pending() {
                *begun.entry(from).or_default() += 1;
            }
            let most = begun.values().copied().max();
            let greedy = |from: &IpAddr| begun.get(from).copied() == most;
            let theirs = self.pending().filter(|(from, _, _)| greedy(from));
            match theirs.min_by_key(|(_, until, _)| *until).map(|p| p.2) {
                Some(Pending::Browser(key)) => drop(self.browsers.remove(&key)),
                Some(Pending::Device(key)) => drop(self.waiting.remove(&key)),
                None => return,
            }
        }
    }

    /// Makes room for a code. Whoever comes back from a provider was let in already; only a minute's worth of codes
    /// that nobody has fetched has a bound.
    fn room_for_a_code(&mut self, now: Timestamp) {
        if self.waiting.len() < limits::LOGINS_PENDING_MAX * 2 {
            return;
        }
        self.sweep(now);
        while self.waiting.len() >= limits::LOGINS_PENDING_MAX * 2 {
            let codes = self.waiting.iter().filter(|(_, w)| w.from.is_none());
            match codes.min_by_key(|(_, w)| w.until).map(|(key, _)| *key) {
                Some(key) => drop(self.waiting.remove(&key)),
                None => return,
            }
        }
    }

    /// A refresh token is used: it is remembered as such, and what it was good for is the caller's.
    fn spend(&mut self, presented: Key, now: Timestamp) -> Option<Kept> {
        let kept = self.kept.remove(&presented).filter(|k| k.until > now)?;
        if self.used.len() >= limits::REVOCATIONS_MAX {
            self.sweep(now);
        }
        let used = Used {
            identity: Arc::clone(&kept.identity),
            until: kept.until,
            over: false,
        };
        self.used.insert(presented, used);
        Some(kept)
    }

    /// A refresh token that was used before is there again: whose login ends with that.
    fn again(&mut self, presented: &Key, now: Timestamp) -> Option<Arc<Identity>> {
        let used = self.used.get_mut(presented).filter(|u| u.until > now)?;
        used.over = true;
        let identity = Arc::clone(&used.identity);
        self.end(&identity);
        Some(identity)
    }

    /// A refresh token that was used is good again, unless somebody else has used it meanwhile.
    fn restore(&mut self, used: Key, kept: Kept) {
        if self.used.get(&used).is_none_or(|used| used.over) {
            return;
        }
        self.used.remove(&used);
        self.kept.insert(used, kept);
    }

    /// Ends a login and everything it could be continued with.
    fn end(&mut self, identity: &Identity) {
        let same = |other: &Identity| other.token_id == identity.token_id;
        self.kept.retain(|_, kept| !same(&kept.identity));
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Store {
    state: Mutex<State>,
}

impl Store {
    /// A browser goes to the provider, on behalf of a command line at this address.
    pub(super) fn begin(&self, state: &str, browser: Browser, from: IpAddr, now: Timestamp) {
        let mut all = self.state.lock();
        all.room(now);
        let until = now.after(limits::LOGIN_PENDING_MAX);
        all.browsers.insert(key(state), (browser, until, from));
    }

    /// It comes back, once.
    pub(super) fn back(&self, state: &str, now: Timestamp) -> Result<Browser, Denial> {
        let found = self.state.lock().browsers.remove(&key(state));
        match found.filter(|(_, until, _)| *until > now) {
            Some((browser, _, _)) => Ok(browser),
            None => Err(Denial::new(
                "login/unknown",
                "this login was not begun here, took too long, or is done",
            )
            .hint("Begin again: portcullis login")),
        }
    }

    /// A code for the command line.
    pub(super) fn hand_over(
        &self,
        challenge: String,
        taken: Taken,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, Denial> {
        let code = Secret::draw()?.shown();
        let waiting = Waiting {
            challenge,
            answer: Some(Ok(taken)),
            until: now.after(limits::LOGIN_CODE_MAX),
            from: None,
            asking: None,
        };
        let mut all = self.state.lock();
        all.room_for_a_code(now);
        all.waiting.insert(key(&code), waiting);
        Ok(code)
    }

    /// What the command line gets for it. Whatever is wrong, the code is gone.
    pub(super) fn fetch(
        &self,
        code: &str,
        verifier: &str,
        now: Timestamp,
    ) -> Result<Taken, Denial> {
        let waiting = self.state.lock().waiting.remove(&key(code));
        let waiting = waiting.filter(|w| w.until > now && proves(&w.challenge, verifier));
        match waiting.and_then(|w| w.answer) {
            Some(answer) => answer,
            None => Err(unknown()),
        }
    }

    /// A login on another device begins.
    pub(super) fn wait_for(
        &self,
        challenge: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Secret, Denial> {
        let id = Secret::draw()?;
        let mut all = self.state.lock();
        all.room(now);
        let waiting = Waiting {
            challenge: challenge.to_owned(),
            answer: None,
            until: now.after(limits::LOGIN_PENDING_MAX),
            from: Some(from),
            asking: None,
        };
        all.waiting.insert(key(&id.shown()), waiting);
        Ok(id)
    }

    /// Who asks the provider for it. It stops when the login is pushed out.
    pub(super) fn asked_by(&self, id: &Secret, asking: AbortHandle) {
        let mut all = self.state.lock();
        let asking = Asking(asking);
        if let Some(waiting) = all.waiting.get_mut(&key(&id.shown())) {
            waiting.asking = Some(asking);
        }
    }

    /// It has not begun after all.
    pub(super) fn never_mind(&self, id: &Secret) {
        self.state.lock().waiting.remove(&key(&id.shown()));
    }

    /// How many are waited for, or for somebody to fetch them.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// It was confirmed, or refused.
    pub(super) fn confirm(&self, id: &Secret, answer: Result<Taken, Denial>, now: Timestamp) {
        let mut all = self.state.lock();
        // What was answered and never fetched is not among the pending ones that have a bound.
        all.sweep(now);
        if let Some(waiting) = all.waiting.get_mut(&key(&id.shown())) {
            waiting.answer = Some(answer);
            waiting.from = None;
            waiting.until = now.after(limits::LOGIN_CODE_MAX);
        }
    }

    /// Where it stands; `None` while nobody has confirmed.
    pub(super) fn poll(
        &self,
        id: &str,
        verifier: &str,
        now: Timestamp,
    ) -> Result<Option<Taken>, Denial> {
        let mut all = self.state.lock();
        let good = |w: &Waiting| w.until > now && proves(&w.challenge, verifier);
        let found = all.waiting.get(&key(id)).filter(|w| good(w));
        match found.map(|w| w.answer.is_some()) {
            None => Err(unknown()),
            Some(false) => Ok(None),
            Some(true) => match all.waiting.remove(&key(id)).and_then(|w| w.answer) {
                Some(answer) => answer.map(Some),
                None => Err(unknown()),
            },
        }
    }

    /// Keeps somebody logged in: the refresh token for it. The one `before`, in whose place it comes, takes no room and makes
    /// none: it is good until that is handed out.
    pub(super) fn keep(
        &self,
        kept: Kept,
        before: Option<&str>,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, Denial> {
        let before = before.map(key);
        let token = Zeroizing::new(format!("{REFRESH}{}", *Secret::draw()?.shown()));
        let mut all = self.state.lock();
        let who = &kept.identity.principal;
        let other = |of: &Key| Some(of) != before.as_ref();
        let mine = |of: &Key, k: &Kept| other(of) && k.identity.principal == *who;
        let all_others = |all: &State| all.kept.keys().filter(|of| other(of)).count();
        let theirs = |all: &State| all.kept.iter().filter(|(of, k)| mine(of, k)).count();
        if all_others(&all) >= limits::SIGNED_IN_MAX
            || theirs(&all) >= limits::SIGNED_IN_PER_IDENTITY_MAX
        {
            all.sweep(now);
        }
        if theirs(&all) >= limits::SIGNED_IN_PER_IDENTITY_MAX {
            // The oldest of one's own goes: nobody locks herself out by logging in.
            let mine = all.kept.iter().filter(|(of, k)| mine(of, k));
            let oldest = mine.min_by_key(|(_, k)| k.until).map(|(key, _)| *key);
            oldest.and_then(|key| all.kept.remove(&key));
        }
        if all_others(&all) >= limits::SIGNED_IN_MAX {
            return Err(Denial::new("login/full", "too many people are logged in")
                .hint("Tell the operator."));
        }
        all.kept.insert(key(&token), kept);
        Ok(token)
    }

    /// The name of a login that goes on in a new proof of the same person. None where there is no such login, or it is
    /// somebody else's. Nothing is used by asking.
    pub(super) fn goes_on(&self, refresh: &str, who: &Identity, now: Timestamp) -> Option<String> {
        let theirs = self.whose(refresh, now)?;
        let same = theirs.principal == who.principal;
        theirs.token_id.clone().filter(|_| same)
    }

    /// Whose login a refresh token goes on with.
    pub(super) fn whose(&self, refresh: &str, now: Timestamp) -> Option<Arc<Identity>> {
        let all = self.state.lock();
        let kept = all.kept.get(&key(refresh)).filter(|k| k.until > now)?;
        Some(Arc::clone(&kept.identity))
    }

    /// A refresh token is used up. One that was before ends its login.
    pub(super) fn spend(&self, refresh: &str, now: Timestamp) -> Spent {
        let mut all = self.state.lock();
        let presented = key(refresh);
        match all.spend(presented, now) {
            Some(_) => Spent::Now,
            None => match all.again(&presented, now) {
                Some(_) => Spent::Before,
                None => Spent::Nothing,
            },
        }
    }

    /// Whose login has ended with this refresh token, since it was used before. One that is good stays so.
    pub(super) fn again(&self, refresh: &str, now: Timestamp) -> Option<Arc<Identity>> {
        self.state.lock().again(&key(refresh), now)
    }

    /// True when a refresh token that was used for something was used for something else as well meanwhile.
    pub(super) fn is_over(&self, refresh: &str) -> bool {
        let all = self.state.lock();
        all.used.get(&key(refresh)).is_some_and(|used| used.over)
    }

    /// A refresh token is presented. The inner error is a token that was used before: its login is over.
    pub(super) fn present(
        &self,
        refresh: &str,
        now: Timestamp,
    ) -> Result<Result<Kept, Arc<Identity>>, Denial> {
        let mut all = self.state.lock();
        let presented = key(refresh);
        if let Some(kept) = all.spend(presented, now) {
            return Ok(Ok(kept));
        }
        all.again(&presented, now).map(Err).ok_or_else(unknown)
    }

    /// The provider has given another refresh token for a login whose own was put back meanwhile.
    pub(super) fn renew(&self, refresh: &str, theirs: &Zeroizing<String>) {
        if let Some(kept) = self.state.lock().kept.get_mut(&key(refresh)) {
            kept.refresh = theirs.clone();
        }
    }

    /// Nothing came of it: the same token may be presented again.
    pub(super) fn put_back(&self, kept: Kept, refresh: &str) {
        self.state.lock().restore(key(refresh), kept);
    }

    /// What was kept is not handed out: its refresh token goes, and the one that was `used` for it is good again.
    pub(super) fn take_back(&self, own: &str, used: Option<&str>) {
        let mut all = self.state.lock();
        let (kept, used) = (all.kept.remove(&key(own)), used.map(key));
        if let (Some(kept), Some(used)) = (kept, used) {
            all.restore(used, kept);
        }
    }

    /// Somebody leaves: whose login it was, by any of its refresh tokens.
    pub(super) fn leave(&self, refresh: &str) -> Option<Arc<Identity>> {
        let mut all = self.state.lock();
        let presented = key(refresh);
        let kept = all.kept.remove(&presented).map(|kept| kept.identity);
        let identity = kept.or_else(|| {
            let used = all.used.get(&presented);
            used.map(|used| Arc::clone(&used.identity))
        })?;
        all.end(&identity);
        Some(identity)
    }

    /// A login is over, because somebody said so.
    pub(super) fn forget(&self, identity: &Identity) {
        self.state.lock().end(identity);
    }
}

/// RFC 7636 section 4.6.
fn proves(challenge: &str, verifier: &str) -> bool {
    let fits = (43..=128).contains(&verifier.len());
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    fits && verify_slices_are_equal(made.as_bytes(), challenge.as_bytes()).is_ok()
}

/// One answer for everything, so that nobody learns what was wrong.
fn unknown() -> Denial {
    Denial::new(
        "login/unknown",
        "this login was not begun here, took too long, or is done",
    )
    .hint("Begin again: portcullis login")
}
