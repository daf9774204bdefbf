//! Logins that the gateway issues itself: a name and a random secret for somebody whose token it has just
//! verified, good for minutes, for clients that prove a password without showing it (SCRAM, channel binding).
//!
//! Only a verifier of the secret is kept. It refuses to outlive the token, to issue without bound, and to
//! tell a name that never was from a secret that is wrong.

use crate::scram::{Exchange, PLAIN, PLUS, Unproved, Verifier, random};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use portcullis_gate::{Clock, ISSUED_LOGIN, Offer, Waiting};
use portcullis_model::{Denial, Identity, Timestamp, limits};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What their secrets begin with, so that scanners recognise one.
const SECRET: &str = "pcs_";

/// A login, as its owner gets to see it, once.
pub struct Issued {
    /// The name.
    pub name: String,
    /// The secret.
    pub secret: Zeroizing<String>,
    /// When it ends.
    pub until: Timestamp,
}

struct Login {
    identity: Arc<Identity>,
    verifier: Verifier,
    until: Timestamp,
}

/// Logins in force.
pub struct Logins {
    list: RwLock<HashMap<String, Login>>,
    /// Makes up challenges for names that have none.
    pepper: [u8; 32],
    clock: Clock,
}

impl Logins {
    /// None yet.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(clock: Clock) -> Result<Self, Unproved> {
        Ok(Self {
            list: RwLock::new(HashMap::new()),
            pepper: random()?,
            clock,
        })
    }

    /// A login for somebody whose token has just been verified.
    ///
    /// # Errors
    /// When too many are in force, or the token ends first.
    pub fn issue(&self, identity: &Arc<Identity>, lasts: Duration) -> Result<Issued, Denial> {
        let now = (self.clock)();
        let until = now
            .after(lasts.clamp(limits::LOGIN_SECRET_MIN, limits::LOGIN_SECRET_MAX))
            .min(identity.expires);
        if until <= now {
            return Err(Denial::new("identity/expired", "the token has expired")
                .hint("Get a fresh token and try again."));
        }
        let broken = |_: Unproved| {
            Denial::new(
                "fault/gateway",
                "the gateway cannot issue a login right now",
            )
            .hint("Try again in a minute.")
        };
        let name = format!("{ISSUED_LOGIN}{}", letters(random().map_err(broken)?));
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(random().map_err(broken)?);
        let secret = Zeroizing::new(format!("{SECRET}{}", URL_SAFE_NO_PAD.encode(*bytes)));
        let verifier = Verifier::of(secret.as_bytes()).map_err(broken)?;
        let login = Login {
            identity: Arc::clone(identity),
            verifier,
            until,
        };
        self.keep(&name, login, now)?;
        Ok(Issued {
            name,
            secret,
            until,
        })
    }

    fn keep(&self, name: &str, login: Login, now: Timestamp) -> Result<(), Denial> {
        let mut list = self.list.write();
        list.retain(|_, login| login.until > now);
        let who = &login.identity.principal;
        let theirs = list
            .values()
            .filter(|l| l.identity.principal == *who)
            .count();
        if theirs >= limits::LOGINS_PER_IDENTITY_MAX || list.len() >= limits::LOGINS_MAX {
            return Err(Denial::new(
                "identity/logins",
                "too many logins of this identity are in force",
            )
            .hint("Use one that you have, or wait until they have ended."));
        }
        list.insert(name.to_owned(), login);
        Ok(())
    }

    /// Who proves to own this login. `binding` is that of the client's channel, where it has one.
    ///
    /// # Errors
    /// The same denial whatever was wrong.
    pub async fn prove(
        &self,
        name: &str,
        binding: Option<&[u8]>,
        waiting: &mut dyn Waiting,
    ) -> Result<Arc<Identity>, Denial> {
        let (verifier, known) = self.find(name);
        let mechanisms: &[&'static str] = match binding {
            Some(_) => &[PLUS, PLAIN],
            None => &[PLAIN],
        };
        let gone = |_| refused();
        let reply = waiting
            .prove(Offer::Begin(mechanisms))
            .await
            .map_err(gone)?;
        let mechanism = reply.mechanism.unwrap_or_default();
        let begun = Exchange::begin(verifier, &mechanism, &reply.data, binding);
        let (exchange, challenge) = begun.map_err(unproved)?;
        let reply = waiting
            .prove(Offer::Continue(&challenge))
            .await
            .map_err(gone)?;
        let answer = exchange.finish(&reply.data).map_err(unproved)?;
        let (identity, until) = known.ok_or_else(refused)?;
        if until <= (self.clock)() {
            return Err(refused());
        }
        waiting.prove(Offer::End(&answer)).await.map_err(gone)?;
        Ok(identity)
    }

    fn find(&self, name: &str) -> (Verifier, Option<(Arc<Identity>, Timestamp)>) {
        let list = self.list.read();
        match list.get(name) {
            Some(login) => (
                login.verifier.clone(),
                Some((Arc::clone(&login.identity), login.until)),
            ),
            None => (Verifier::mock(&self.pepper, name), None),
        }
    }
}

/// One answer for everything, so that nobody learns what was wrong.
fn refused() -> Denial {
    Denial::new(
        "identity/login",
        "the login is not known, has ended, or its secret is wrong",
    )
    .hint("Get a new one: portcullis token database")
}

fn unproved(why: Unproved) -> Denial {
    tracing::debug!(%why, "an issued login was not proved");
    refused()
}

/// Lower-case letters and digits, 100 bits of them: a name that needs no quotes anywhere.
fn letters(bytes: [u8; 20]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let letter = |byte: u8| {
        ALPHABET
            .get(usize::from(byte & 31))
            .copied()
            .unwrap_or(b'0')
    };
    bytes.iter().map(|byte| char::from(letter(*byte))).collect()
}

#[cfg(test)]
mod tests;
