//! Who and what has been revoked, in memory: principals, sessions, tokens.
//!
//! It exists because a JWT cannot be taken back. It refuses to forget early, and to grow without bound: a
//! full list is an error that the operator sees, not a revocation that is dropped.

use parking_lot::RwLock;
use portcullis_model::{Identity, Principal, SessionId, Timestamp, limits};
use std::collections::HashMap;

/// One thing that is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revocation {
    /// An identity, also where it acts for another or owns a machine.
    Principal(Principal),
    /// One session.
    Session(SessionId),
    /// One token.
    Token {
        /// `iss`.
        issuer: String,
        /// `jti`.
        id: String,
    },
}

/// The list is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many revocations are in force")]
pub struct Full;

/// The list. The binary asks it at every login and when it changes.
pub struct Revocations {
    list: RwLock<HashMap<Revocation, Timestamp>>,
    changed: tokio::sync::watch::Sender<u64>,
}

impl Revocations {
    /// Nothing is revoked.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "no security answer has a default"
    )]
    pub fn new() -> Self {
        Self {
            list: RwLock::new(HashMap::new()),
            changed: tokio::sync::watch::Sender::new(0),
        }
    }

    /// Revokes until a moment (for a token: its `exp` and the skew). A longer one already in force stays.
    ///
    /// # Errors
    /// [`Full`] when [`limits::REVOCATIONS_MAX`] are in force.
    pub fn revoke(&self, what: Revocation, until: Timestamp, now: Timestamp) -> Result<(), Full> {
        let mut list = self.list.write();
        if list.len() >= limits::REVOCATIONS_MAX && !list.contains_key(&what) {
            list.retain(|_, until| *until > now);
            if list.len() >= limits::REVOCATIONS_MAX {
                return Err(Full);
            }
        }
        let entry = list.entry(what).or_insert(until);
        *entry = until.max(*entry);
        drop(list);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Takes a revocation back; true when it was in force.
    pub fn restore(&self, what: &Revocation) -> bool {
        self.list.write().remove(what).is_some()
    }

    /// What revokes this identity or session, if anything does.
    #[must_use]
    pub fn covers(
        &self,
        identity: &Identity,
        session: Option<SessionId>,
        now: Timestamp,
    ) -> Option<Revocation> {
        let list = self.list.read();
        if list.is_empty() {
            return None;
        }
        let principals = std::iter::once(&identity.principal)
            .chain(&identity.actors)
            .chain(&identity.owner)
            .map(|p| Revocation::Principal(p.clone()));
        let token = identity.token_id.iter().map(|id| Revocation::Token {
            issuer: identity.principal.issuer.clone(),
            id: id.clone(),
        });
        let origins = crate::session::origins(identity).into_iter();
        let origins = origins.map(|origin| Revocation::Token {
            issuer: origin.issuer,
            id: origin.id,
        });
        principals
            .chain(token)
            .chain(origins)
            .chain(session.map(Revocation::Session))
            .find(|what| list.get(what).is_some_and(|until| *until > now))
    }

    /// Tells when the list has grown: live sessions are then to be asked about again.
    #[must_use]
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What is in force, and until when.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<(Revocation, Timestamp)> {
        let list = self.list.read();
        list.iter()
            .filter(|(_, until)| **until > now)
            .map(|(what, until)| (what.clone(), *until))
            .collect()
    }
}
