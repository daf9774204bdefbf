//! Bare SSH keys that stand, for some minutes, for whoever has logged in beside them, so that ansible and git do not prompt.
//! What is kept is the identity exactly as it was verified: neither its end nor the moment of its proof moves, and policy,
//! revocations and trust in its issuer are asked about anew each time.
//!
//! It refuses another key, another address, anything past the identity's own end, and growing without bound: the oldest goes.
//! Nothing of it is on disk, and nothing outlives the process.

use super::{Desk, revoked};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use parking_lot::Mutex;
use portcullis_gate::Bearer;
use portcullis_model::limits::{SSH_REMEMBER_KEYS_MAX, SSH_REMEMBERED_KEYS_MAX};
use portcullis_model::{Denial, Identity, SessionId, Timestamp};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A key, and where it is worth something.
type Place = ([u8; 32], IpAddr);

/// Whom it stands for.
#[derive(Clone)]
struct Bound {
    identity: Arc<Identity>,
    session: SessionId,
    since: Timestamp,
    until: Timestamp,
}

/// The keys that are remembered.
#[derive(Default)]
pub struct Keys {
    bound: Mutex<HashMap<Place, Bound>>,
}

impl Keys {
    fn bind(&self, key: &[u8], bearer: Bearer, now: Timestamp) {
        let within = bearer.within.min(SSH_REMEMBER_KEYS_MAX);
        let until = now.after(within).min(bearer.identity.expires);
        if until <= now {
            return;
        }
        let place = place(key, bearer.from);
        let mut bound = self.bound.lock();
        if bound.len() >= SSH_REMEMBERED_KEYS_MAX && !bound.contains_key(&place) {
            bound.retain(|_, bound| bound.until > now);
            let oldest = bound.iter().min_by_key(|(_, bound)| bound.since);
            let oldest = oldest.map(|(place, _)| *place);
            if let Some(oldest) = oldest.filter(|_| bound.len() >= SSH_REMEMBERED_KEYS_MAX) {
                bound.remove(&oldest);
            }
        }
        let fresh = Bound {
            identity: bearer.identity,
            session: bearer.session,
            since: now,
            until,
        };
        bound.insert(place, fresh);
    }

    fn of(&self, key: &[u8], from: IpAddr, now: Timestamp) -> Option<Bound> {
        let place = place(key, from);
        let mut bound = self.bound.lock();
        let found = bound.get(&place)?;
        if found.until <= now {
            bound.remove(&place);
            return None;
        }
        Some(found.clone())
    }

    fn drop_where(&self, gone: impl Fn(&Bound) -> bool) {
        self.bound.lock().retain(|_, bound| !gone(bound));
    }
}

impl Desk {
    /// Has a key stand for somebody who was admitted beside it.
    pub(super) fn bind_key(&self, key: &[u8], bearer: Bearer) {
        tracing::info!(session = %bearer.session, key = fingerprint(key), "a key is remembered");
        self.keys.bind(key, bearer, (self.clock)());
    }

    /// True when a key may stand for somebody.
    pub(super) fn knows_key(&self, key: &[u8], from: IpAddr) -> bool {
        self.keys.of(key, from, (self.clock)()).is_some()
    }

    /// Whom a key stands for, that the client has proved to hold. `seen` becomes the identity.
    pub(super) fn bearer(
        &self,
        key: &[u8],
        from: IpAddr,
        seen: &mut Option<Arc<Identity>>,
    ) -> Result<Arc<Identity>, Denial> {
        let now = (self.clock)();
        let bound = self.keys.of(key, from, now).ok_or_else(unknown)?;
        *seen = Some(Arc::clone(&bound.identity));
        self.verify.trusts(&bound.identity)?;
        let covers = |bound: &Bound| {
            let session = Some(bound.session);
            self.revocations.covers(&bound.identity, session, now)
        };
        if covers(&bound).is_some() {
            self.keys.drop_where(|bound| covers(bound).is_some());
            return Err(revoked());
        }
        Ok(bound.identity)
    }

    /// Forgets the keys of whoever is revoked now: taking a revocation back does not bring them back.
    pub fn forget_revoked_keys(&self) {
        let now = (self.clock)();
        self.keys.drop_where(|bound| {
            let session = Some(bound.session);
            let covered = self.revocations.covers(&bound.identity, session, now);
            covered.is_some()
        });
    }
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
    use std::time::Duration;

    const MINUTES: Duration = Duration::from_secs(600);

    fn here() -> IpAddr {
        IpAddr::from([192, 0, 2, 7])
    }

    fn bearer(from: IpAddr, within: Duration) -> Bearer {
        Bearer {
            identity: Arc::new(identity("ana")),
            session: SessionId(1),
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
        keys.bind(b"hers", bearer(here(), MINUTES), at(0));
        let found = keys.of(b"hers", here(), at(599)).expect("remembered");
        assert_eq!(*found.identity, identity("ana"));
        assert!(keys.of(b"hers", here(), at(600)).is_none());
        assert!(keys.bound.lock().is_empty());
    }

    #[test]
    fn another_key_and_another_address_stand_for_nobody() {
        let keys = Keys::default();
        keys.bind(b"hers", bearer(here(), MINUTES), at(0));
        assert!(keys.of(b"his", here(), at(1)).is_none());
        let there = IpAddr::from([192, 0, 2, 8]);
        assert!(keys.of(b"hers", there, at(1)).is_none());
        // The same address, as a listener of both families sees it.
        let mapped = "::ffff:192.0.2.7".parse().expect("an address");
        assert!(keys.of(b"hers", mapped, at(1)).is_some());
    }

    #[test]
    fn a_key_never_stands_for_longer_than_the_token_is_good_or_the_bound_allows() {
        let keys = Keys::default();
        // The token ends at 3600.
        keys.bind(b"hers", bearer(here(), MINUTES), at(3500));
        assert!(keys.of(b"hers", here(), at(3599)).is_some());
        assert!(keys.of(b"hers", here(), at(3600)).is_none());
        keys.bind(b"hers", bearer(here(), MINUTES), at(3600));
        assert!(keys.bound.lock().is_empty(), "the token is no longer good");
        let mut long = bearer(here(), Duration::from_secs(86_400));
        let mut lasting = identity("ana");
        lasting.expires = at(86_400);
        long.identity = Arc::new(lasting);
        keys.bind(b"hers", long, at(0));
        assert!(keys.of(b"hers", here(), at(3599)).is_some());
        assert!(keys.of(b"hers", here(), at(3600)).is_none());
    }

    #[test]
    fn there_is_a_bound_and_the_oldest_goes() {
        let keys = Keys::default();
        keys.bind(b"first", bearer(here(), MINUTES), at(0));
        for number in 0..SSH_REMEMBERED_KEYS_MAX {
            keys.bind(&number.to_be_bytes(), bearer(here(), MINUTES), at(1));
        }
        assert_eq!(keys.bound.lock().len(), SSH_REMEMBERED_KEYS_MAX);
        assert!(keys.of(b"first", here(), at(2)).is_none());
        assert!(keys.of(&7_usize.to_be_bytes(), here(), at(2)).is_some());
        // Those that are over go before any that is not.
        keys.bind(b"late", bearer(here(), MINUTES), at(700));
        assert_eq!(keys.bound.lock().len(), 1);
    }

    #[test]
    fn a_fingerprint_reads_as_that_of_ssh_keygen() {
        let empty = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(fingerprint(b""), empty);
    }
}
