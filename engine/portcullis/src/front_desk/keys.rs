//! Bare SSH keys that stand, for some minutes, for whoever has logged in beside them, so that ansible and git do not prompt.
//! What is kept is the identity exactly as it was verified: neither its end nor the moment of its proof moves, and policy,
//! revocations and trust in its issuer are asked about anew each time.
//!
//! It refuses another key, another address, anything past the identity's own end, and growing without bound: the oldest of
//! one's own goes, and where there is no room for anybody's, a key is not remembered. Nothing of it is on disk, and nothing
//! outlives the process.

use super::{Desk, revoked};
use crate::registry::Live;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use parking_lot::Mutex;
use portcullis_gate::Bearer;
use portcullis_model::limits::{
    SSH_REMEMBER_KEYS_MAX, SSH_REMEMBERED_KEYS_MAX, SSH_REMEMBERED_KEYS_PER_IDENTITY_MAX,
};
use portcullis_model::{Denial, Identity, Timestamp};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A key, and where it is worth something.
type Place = ([u8; 32], IpAddr);

/// Whom it stands for.
#[derive(Clone)]
struct Bound {
    identity: Arc<Identity>,
    since: Timestamp,
    until: Timestamp,
}

/// The keys that are remembered.
#[derive(Default)]
pub struct Keys {
    bound: Mutex<HashMap<Place, Bound>>,
}

impl Keys {
    /// True when it is remembered. `lives` is asked where nobody can end a session and forget its keys meanwhile.
    fn bind(
        &self,
        key: &[u8],
        bearer: Bearer,
        now: Timestamp,
        lives: impl FnOnce() -> bool,
    ) -> bool {
        let within = bearer.within.min(SSH_REMEMBER_KEYS_MAX);
        let until = now.after(within).min(bearer.identity.expires);
        if until <= now {
            return false;
        }
        let place = place(key, bearer.from);
        let mut bound = self.bound.lock();
        if !lives() {
            tracing::info!("a key is not remembered: its session has been ended");
            return false;
        }
        // Whoever it stood for before has it no more, whether there is room or not.
        bound.remove(&place);
        if bound.len() >= SSH_REMEMBERED_KEYS_MAX {
            bound.retain(|_, bound| bound.until > now);
        }
        let theirs = bound.iter();
        let mut theirs: Vec<_> = theirs
            .filter(|(_, bound)| same(&bound.identity, &bearer.identity))
            .map(|(place, bound)| (bound.since, *place))
            .collect();
        // The oldest of one's own go: nobody takes anybody else's place.
        theirs.sort_unstable();
        let over = (theirs.len() + 1).saturating_sub(SSH_REMEMBERED_KEYS_PER_IDENTITY_MAX);
        for (_, place) in theirs.iter().take(over) {
            bound.remove(place);
        }
        if bound.len() >= SSH_REMEMBERED_KEYS_MAX {
            tracing::warn!("a key is not remembered: there are too many");
            return false;
        }
        let fresh = Bound {
            identity: bearer.identity,
            since: now,
            until,
        };
        bound.insert(place, fresh);
        true
    }

    /// Whom a key stands for, where keys are remembered for so long.
    fn of(&self, key: &[u8], from: IpAddr, within: Duration, now: Timestamp) -> Option<Bound> {
        let place = place(key, from);
        let mut bound = self.bound.lock();
        let found = bound.get(&place)?;
        if found.until <= now {
            bound.remove(&place);
            return None;
        }
        // Another listener may remember it for longer than this one.
        (found.since.after(within) > now).then(|| found.clone())
    }

    /// Forgets these, and does what goes with it before any other key is remembered.
    fn drop_where<T>(&self, gone: impl Fn(&Bound) -> bool, then: impl FnOnce() -> T) -> T {
        let mut bound = self.bound.lock();
        bound.retain(|_, bound| !gone(bound));
        then()
    }
}

impl Desk {
    /// Has a key stand for somebody who was admitted beside it, unless that session has been ended meanwhile.
    pub(super) fn bind_key(&self, key: &[u8], bearer: Bearer) {
        let (session, from) = (bearer.session, bearer.from);
        let lives = || {
            let live = self.registry.find(session);
            live.is_some_and(|live| !live.is_severed())
        };
        if self.keys.bind(key, bearer, (self.clock)(), lives) {
            tracing::info!(%from, key = fingerprint(key), "a key is remembered");
        }
    }

    /// True when a key may stand for somebody.
    pub(super) fn knows_key(&self, key: &[u8], from: IpAddr, within: Duration) -> bool {
        self.keys.of(key, from, within, (self.clock)()).is_some()
    }

    /// Whom a key stands for, that the client has proved to hold. `seen` becomes the identity.
    pub(super) fn bearer(
        &self,
        key: &[u8],
        (from, within): (IpAddr, Duration),
        seen: &mut Option<Arc<Identity>>,
    ) -> Result<Arc<Identity>, Denial> {
        let now = (self.clock)();
        let bound = self.keys.of(key, from, within, now).ok_or_else(unknown)?;
        *seen = Some(Arc::clone(&bound.identity));
        self.verify.trusts(&bound.identity)?;
        let covers = |who: &Identity| self.revocations.covers(who, None, now).is_some();
        if covers(&bound.identity) {
            self.forget_keys_where(covers, || ());
            return Err(revoked());
        }
        Ok(bound.identity)
    }

    /// Has a revocation that is in force end what stands on it: keys that are remembered, and then the sessions, so that nobody
    /// who is cut off comes back by a key; taking the revocation back does not bring keys back. Returns how many sessions.
    pub fn end_revoked(&self, now: Timestamp) -> usize {
        let covers = |who: &Identity| self.revocations.covers(who, None, now).is_some();
        let sever = || {
            self.registry.sever(|live| {
                let session = &live.session;
                let covered = self
                    .revocations
                    .covers(&session.identity, Some(session.id), now);
                covered.map(|_| revoked())
            })
        };
        self.forget_keys_where(covers, sever)
    }

    /// Ends a session, and forgets the keys that stand for whoever had it: neither comes first for anybody, so that no key is
    /// remembered in between.
    pub fn send_away(&self, live: &Live, denial: Denial) {
        let who = &live.session.identity;
        self.forget_keys_where(|held| same(held, who), || live.sever(denial));
    }

    /// Forgets the keys that stand for this identity: whoever is sent away logs in before coming back.
    pub fn forget_keys_of(&self, who: &Identity) {
        self.forget_keys_where(|held| same(held, who), || ());
    }

    /// Forgets the keys that stand for identities of which this is true, and ends what goes with them before another key is
    /// remembered: one of a session that was about to end would bring its client back.
    pub(super) fn forget_keys_where<T>(
        &self,
        gone: impl Fn(&Identity) -> bool,
        then: impl FnOnce() -> T,
    ) -> T {
        self.keys.drop_where(|bound| gone(&bound.identity), then)
    }
}

/// The same person or program, acting for the same others.
fn same(one: &Identity, other: &Identity) -> bool {
    (&one.principal, &one.actors) == (&other.principal, &other.actors)
}

/// A key's name as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, key)))
}

fn place(key: &[u8], from: IpAddr) -> Place {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key).as_ref());
    (hash, from.to_canonical())
}

fn unknown() -> Denial {
    Denial::new("identity/key", "this key stands for nobody here and now")
        .hint("Log in with a token once; where keys are remembered, this one then is.")
}

#[cfg(test)]
mod unit {
    use super::super::tests::identity;
    use super::*;
    use portcullis_model::SessionId;

    const MINUTES: Duration = Duration::from_secs(600);

    fn here() -> IpAddr {
        IpAddr::from([192, 0, 2, 7])
    }

    fn bearer(from: IpAddr, within: Duration) -> Bearer {
        Bearer {
            identity: Arc::new(identity("ana")),
            session: SessionId(7),
            from,
            within,
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp(0).after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_key_stands_for_whoever_logged_in_beside_it_until_its_minutes_are_over() {
        let keys = Keys::default();
        keys.bind(b"hers", bearer(here(), MINUTES), at(0), || true);
        let found = keys
            .of(b"hers", here(), MINUTES, at(599))
            .expect("remembered");
        assert_eq!(*found.identity, identity("ana"));
        assert!(keys.of(b"hers", here(), MINUTES, at(600)).is_none());
        assert!(keys.bound.lock().is_empty());
    }

    #[test]
    fn another_key_and_another_address_stand_for_nobody() {
        let keys = Keys::default();
        keys.bind(b"hers", bearer(here(), MINUTES), at(0), || true);
        assert!(keys.of(b"his", here(), MINUTES, at(1)).is_none());
        let there = IpAddr::from([192, 0, 2, 8]);
        assert!(keys.of(b"hers", there, MINUTES, at(1)).is_none());
        // The same address, as a listener of both families sees it.
        let mapped = "::ffff:192.0.2.7".parse().expect("an address");
        assert!(keys.of(b"hers", mapped, MINUTES, at(1)).is_some());
    }

    #[test]
    fn a_key_never_stands_for_longer_than_the_token_is_good_or_the_bound_allows() {
        let keys = Keys::default();
        // The token ends at 3600.
        keys.bind(b"hers", bearer(here(), MINUTES), at(3500), || true);
        assert!(
            keys.of(b"hers", here(), SSH_REMEMBER_KEYS_MAX, at(3599))
                .is_some()
        );
        assert!(
            keys.of(b"hers", here(), SSH_REMEMBER_KEYS_MAX, at(3600))
                .is_none()
        );
        keys.bind(b"hers", bearer(here(), MINUTES), at(3600), || true);
        assert!(keys.bound.lock().is_empty(), "the token is no longer good");
        let mut long = bearer(here(), Duration::from_secs(86_400));
        let mut lasting = identity("ana");
        lasting.expires = at(86_400);
        long.identity = Arc::new(lasting);
        keys.bind(b"hers", long, at(0), || true);
        assert!(
            keys.of(b"hers", here(), SSH_REMEMBER_KEYS_MAX, at(3599))
                .is_some()
        );
        assert!(
            keys.of(b"hers", here(), SSH_REMEMBER_KEYS_MAX, at(3600))
                .is_none()
        );
    }

    #[test]
    fn there_is_a_bound_and_the_oldest_goes() {
        let keys = Keys::default();
        let of = |name: &str| Bearer {
            identity: Arc::new(identity(name)),
            ..bearer(here(), MINUTES)
        };
        keys.bind(b"dora's", of("dora"), at(0), || true);
        keys.bind(b"first", of("ana"), at(0), || true);
        for number in 0..SSH_REMEMBERED_KEYS_PER_IDENTITY_MAX {
            keys.bind(&number.to_be_bytes(), of("ana"), at(1), || true);
        }
        let own = SSH_REMEMBERED_KEYS_PER_IDENTITY_MAX;
        assert_eq!(keys.bound.lock().len(), own + 1);
        assert!(keys.of(b"first", here(), MINUTES, at(2)).is_none());
        assert!(keys.of(b"dora's", here(), MINUTES, at(2)).is_some());
        assert!(
            keys.of(&7_usize.to_be_bytes(), here(), MINUTES, at(2))
                .is_some()
        );
        // Where there is no room at all, whoever comes last is not remembered, and puts nobody out.
        for number in own + 1..SSH_REMEMBERED_KEYS_MAX {
            let bound = Bound {
                identity: Arc::new(identity("somebody")),
                since: at(1),
                until: at(1).after(MINUTES),
            };
            let place = place(&number.to_be_bytes(), here());
            keys.bound.lock().insert(place, bound);
        }
        assert_eq!(keys.bound.lock().len(), SSH_REMEMBERED_KEYS_MAX);
        keys.bind(b"late", of("eve"), at(2), || true);
        assert!(keys.of(b"late", here(), MINUTES, at(2)).is_none());
        assert!(keys.of(b"dora's", here(), MINUTES, at(2)).is_some());
        // A key that has stood for somebody else stands for nobody then.
        keys.bind(b"dora's", of("ana"), at(2), || true);
        keys.bind(b"more", of("eve"), at(2), || true);
        assert!(keys.of(b"more", here(), MINUTES, at(3)).is_some());
        // Those that are over go before any that is not.
        keys.bind(b"late", of("eve"), at(700), || true);
        assert_eq!(keys.bound.lock().len(), 1);
    }

    #[test]
    fn a_listener_that_remembers_for_less_takes_no_older_key_of_another() {
        let keys = Keys::default();
        keys.bind(b"hers", bearer(here(), MINUTES), at(0), || true);
        let minute = Duration::from_secs(60);
        assert!(keys.of(b"hers", here(), minute, at(59)).is_some());
        assert!(keys.of(b"hers", here(), minute, at(60)).is_none());
        assert!(keys.of(b"hers", here(), MINUTES, at(60)).is_some());
        // Nor one of another that remembers for less than it does itself.
        keys.bind(b"hers", bearer(here(), minute), at(0), || true);
        assert!(keys.of(b"hers", here(), MINUTES, at(60)).is_none());
    }

    #[test]
    fn whoever_is_sent_away_is_forgotten_and_who_acts_for_her_is_somebody_else() {
        let keys = Keys::default();
        let mut acting = identity("ana");
        acting.actors.push(identity("bot").principal);
        keys.bind(b"hers", bearer(here(), MINUTES), at(0), || true);
        let acts = Bearer {
            identity: Arc::new(acting),
            ..bearer(here(), MINUTES)
        };
        keys.bind(b"its", acts, at(0), || true);
        keys.drop_where(|bound| same(&bound.identity, &identity("ana")), || ());
        assert!(keys.of(b"hers", here(), MINUTES, at(1)).is_none());
        assert!(keys.of(b"its", here(), MINUTES, at(1)).is_some());
    }

    #[test]
    fn no_key_of_a_session_that_has_been_ended_is_remembered_nor_does_it_put_another_out() {
        let keys = Keys::default();
        keys.bind(b"hers", bearer(here(), MINUTES), at(0), || true);
        let late = keys.bind(b"late", bearer(here(), MINUTES), at(1), || false);
        assert!(!late, "it is not said to be remembered");
        keys.bind(b"hers", bearer(here(), MINUTES), at(300), || false);
        assert!(keys.of(b"late", here(), MINUTES, at(2)).is_none());
        assert!(keys.of(b"hers", here(), MINUTES, at(599)).is_some());
        assert!(keys.of(b"hers", here(), MINUTES, at(600)).is_none());
    }

    #[test]
    fn nothing_is_remembered_while_keys_are_forgotten_and_their_session_ended() {
        let keys = Keys::default();
        keys.drop_where(
            |_| true,
            || assert!(keys.bound.try_lock().is_none(), "a key could be bound"),
        );
        keys.bind(b"hers", bearer(here(), MINUTES), at(0), || {
            assert!(keys.bound.try_lock().is_none(), "keys could be forgotten");
            true
        });
    }

    #[test]
    fn a_fingerprint_reads_as_that_of_ssh_keygen() {
        let empty = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(fingerprint(b""), empty);
    }
}
