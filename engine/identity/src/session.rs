//! Session tokens: what the gateway gives to somebody after a login, signed with a key of its own (Ed25519,
//! RFC 8037), good for an hour or so and for this gateway only. It says who that is exactly as the provider
//! said it: the same issuer and subject, so that policy, records and revocations know one person by one name.
//!
//! It refuses to be taken for anything else: its `typ` is its own, its issuer and audience are the gateway,
//! and no configured issuer may have that name. Every token of one login carries the login's id, by which
//! all of them are revoked at once.

mod exchange;
mod key;
mod narrow;

pub use exchange::{Delegation, delegate};
pub use key::{KeyError, SessionKey};
pub(crate) use narrow::origins;
pub use narrow::{MINE, Narrowing, Origin};

use crate::config::{Algorithm, IssuerConfig, Naming};
use crate::key_set::KeySet;
use crate::refused::{Code, Refused};
use crate::token::Unverified;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_gate::Clock;
use portcullis_model::{Identity, Kind, Timestamp, limits};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use zeroize::Zeroizing;

/// RFC 8725 section 3.11: a type of its own.
const TYPE: &str = "portcullis-session+jwt";
/// Who it stands for, as the model has it.
const WHO: &str = "portcullis";

/// Signs session tokens and verifies them.
pub struct SessionTokens {
    key: SessionKey,
    keys: KeySet,
    config: IssuerConfig,
    clock: Clock,
}

/// What stands in the token about whoever it stands for. Everything else is standard claims.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    identity: Identity,
}

impl SessionTokens {
    /// Tokens of the gateway at `url`, its own name for itself.
    ///
    /// # Errors
    /// [`KeyError`] when its public key cannot be read back.
    pub fn new(key: SessionKey, url: &str, clock: Clock) -> Result<Self, KeyError> {
        let mut config = IssuerConfig::new("portcullis", url, url, Kind::Service);
        config.algorithms = vec![Algorithm::EdDSA];
        config.require_typ = Some(TYPE.to_owned());
        config.skew = Duration::ZERO;
        let keys = KeySet::read(&json!({ "keys": [key.jwk()] }), Naming::Issuer);
        Ok(Self {
            keys: keys
                .filter(|set| set.len() == 1)
                .ok_or(KeyError::Unusable)?,
            key,
            config,
            clock,
        })
    }

    /// The gateway's own name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// The public key, as a key set for whoever wants to verify session tokens.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        json!({ "keys": [self.key.jwk()] })
    }

    /// A token for this identity until its `expires`. Its `token_id` names the login.
    ///
    /// # Errors
    /// When it would be longer than a proof may be.
    pub fn issue(&self, identity: &Identity) -> Result<Zeroizing<String>, Refused> {
        let now = (self.clock)().seconds();
        let header = json!({"alg": "EdDSA", "typ": TYPE, "kid": self.key.id()});
        let mut claims = json!({
            "iss": self.config.issuer, "aud": self.config.issuer,
            "sub": identity.principal.subject, "iat": now, "exp": identity.expires.seconds(),
            "sid": identity.token_id, WHO: Who { identity: identity.clone() },
        });
        if let Some(chain) = exchange::act(&identity.actors) {
            claims["act"] = chain;
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        let token = Zeroizing::new(format!("{signed}.{signature}"));
        match token.len() <= limits::PROOF_BYTES_MAX {
            true => Ok(token),
            false => Err(Refused::new(
                Code::Size,
                "the identity has too many groups and claims for a session token",
                "Ask the operator to limit the groups and claims that are mapped.",
            )),
        }
    }

    /// Who a session token of ours stands for; none when it is somebody else's token.
    ///
    /// # Errors
    /// [`Refused`] when it claims to be ours and is not, or no longer.
    pub fn verify(&self, token: &str) -> Option<Result<Identity, Refused>> {
        let token = Unverified::read(token).ok()?;
        if !token.is_of(&self.config) {
            return None;
        }
        Some(self.read(token))
    }

    fn read(&self, token: Unverified<'_>) -> Result<Identity, Refused> {
        let token = token.fit(&self.config, (self.clock)())?;
        let keys = self
            .keys
            .candidates(token.key.as_deref(), token.algorithm)
            .map_err(|_| crate::token::unknown_key())?;
        let proven = token.prove(&keys)?;
        let who = proven.claims.get(WHO).cloned().unwrap_or_default();
        let Who { mut identity } = serde_json::from_value(who).map_err(|_| {
            Refused::new(
                Code::Claims,
                "the session token is of another version of the gateway",
                "Log in again: portcullis login",
            )
        })?;
        identity.expires = Timestamp(identity.expires.0.min(proven.expires.0));
        Ok(identity)
    }
}

#[cfg(test)]
mod tests;
