//! A login that is handed out, or is not after all: what becomes of the refresh token that somebody came with.
//!
//! The login that one goes on with is used up when the new proof of it is on record, and not before: whoever cannot have
//! it keeps what they had, and so does whoever hangs up while their provider is asked. It refuses to hand out a login that somebody else has gone on with meanwhile.

use super::provider::{Given, Provider, Unserved};
use super::store::{Kept, Spent, Store};
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

/// A refresh token that was presented. Until something has come of it, it is good again with the end of this, whatever ends
/// it: a client that hangs up would be taken for a thief with its next word.
pub(super) struct Presented {
    store: Arc<Store>,
    refresh: Zeroizing<String>,
    kept: Kept,
    used_up: bool,
}

impl Presented {
    pub(super) fn new(store: &Arc<Store>, refresh: &str, kept: Kept) -> Self {
        Self {
            store: Arc::clone(store),
            refresh: Zeroizing::new(refresh.to_owned()),
            kept,
            used_up: false,
        }
    }

    pub(super) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Asks its provider who it is now. That goes on to its end, whether anybody waits for it or not: what a provider gives
    /// in its turn may be good once, too.
    pub(super) async fn ask(&mut self, provider: &Arc<Provider>) -> Result<Given, Unserved> {
        let (provider, store) = (Arc::clone(provider), Arc::clone(&self.store));
        let (refresh, theirs) = (self.refresh.clone(), self.kept.refresh.clone());
        let asked = tokio::spawn(async move {
            let given = provider.refresh(&theirs).await;
            if let Ok(Some(next)) = given.as_ref().map(|given| &given.refresh) {
                store.renew(&refresh, next);
            }
            given
        });
        let given = asked
            .await
            .map_err(|_| Unserved::Answer("it was not read to its end".to_owned()))??;
        if let Some(next) = &given.refresh {
            self.kept.refresh = next.clone();
        }
        Ok(given)
    }

    /// Something has come of it, or nothing will.
    pub(super) fn use_up(mut self) -> Arc<Identity> {
        self.used_up = true;
        Arc::clone(&self.kept.identity)
    }
}

impl Drop for Presented {
    fn drop(&mut self) {
        if !self.used_up {
            self.store.put_back(self.kept.clone(), &self.refresh);
        }
    }
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
    /// When it was used meanwhile: somebody else may have it, so the login is over, and this one with it. Also when the login
    /// has ended meanwhile.
    pub fn hand_out(&self, signed_in: &SignedIn) -> Result<(), Denial> {
        let spent = match &signed_in.before {
            Before::Nothing => return Ok(()),
            Before::Good(refresh) => self.store.spend(refresh, (self.clock)()),
            Before::Used(refresh) if self.store.is_over(refresh) => Spent::Before,
            Before::Used(_) => return Ok(()),
        };
        let own = signed_in.refresh.as_deref();
        match spent {
            Spent::Now => Ok(()),
            // It has run out, or made room for another login of the same person: nobody has used it.
            Spent::Nothing if own.is_none_or(|own| self.whose(own).is_some()) => Ok(()),
            Spent::Nothing => Err(over()),
            Spent::Before => {
                self.store.forget(&signed_in.identity);
                Err(reused())
            }
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

fn over() -> Denial {
    Denial::new("login/ended", "this login has ended meanwhile")
        .hint("Log in again: portcullis login")
}
