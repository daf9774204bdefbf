//! A login that is handed out, or is not after all: what becomes of the refresh token that somebody came with.
//!
//! The login that one goes on with is used up when the new proof of it is on record, and not before: whoever cannot have
//! it keeps what they had. It refuses to hand out a login that somebody else has gone on with meanwhile.

use super::{SignIn, SignedIn, reused};
use portcullis_model::{Denial, Identity};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The refresh token that somebody came with.
pub(super) enum Before {
    /// None, or that of no login that goes on.
    Nothing,
    /// Of a login that goes on in this one: good until this one is handed out.
    Good(Zeroizing<String>),
    /// Used for this one.
    Used(Zeroizing<String>),
}

impl SignIn {
    /// Whose login goes on with this refresh token.
    #[must_use]
    pub fn whose(&self, refresh: &str) -> Option<Arc<Identity>> {
        self.store.whose(refresh, (self.clock)())
    }

    /// It is on record and about to be handed out: the refresh token of the login that goes on in it is used now.
    ///
    /// # Errors
    /// When it was used meanwhile: somebody else may have it, so the login is over, and this one with it.
    pub fn hand_out(&self, signed_in: &SignedIn) -> Result<(), Denial> {
        match &signed_in.before {
            Before::Good(refresh) if !self.store.spend(refresh, (self.clock)()) => {
                self.store.forget(&signed_in.identity);
                Err(reused())
            }
            _ => Ok(()),
        }
    }

    /// It cannot be handed out: what somebody came with is as good as it was.
    pub fn take_back(&self, signed_in: &SignedIn) {
        let used = match &signed_in.before {
            Before::Used(refresh) => Some(refresh.as_str()),
            Before::Nothing | Before::Good(_) => None,
        };
        if let Some(own) = &signed_in.refresh {
            self.store.take_back(own, used);
        }
    }
}
