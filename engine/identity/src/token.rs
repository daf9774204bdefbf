//! One JWT (RFC 7519, RFC 8725), from text to proven claims.
//!
//! It exists so that every trap of token verification is closed in one place, [`Unverified::prove`], and
//! pinned by a test. Header and claims are parsed once, strictly, and it is these that are checked, signed
//! over and used. It refuses to take anything that decides about trust from the token: not the algorithm,
//! not the key, not the address of a key.

use crate::config::{Algorithm, IssuerConfig, Naming};
use crate::key_set::Key;
use crate::refused::{Code, Refused};
use crate::spiffe;
use crate::strict_json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Timestamp, limits};
use serde_json::{Map, Value};

/// The last second that a claim may name: 2255, so that nanoseconds fit.
const SECONDS_MAX: i64 = 9_000_000_000;
const LOGIN_HINT: &str =
    "Get a fresh token from your identity provider and put it where the password goes.";

/// A token as it came: readable, and nothing more.
pub(crate) struct Unverified<'a> {
    signed: &'a str,
    signature: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// A token whose claims fit an issuer, and whose signature has not been looked at.
pub(crate) struct Fitting<'a> {
    token: Unverified<'a>,
    /// `alg`, which is on the issuer's list.
    pub(crate) algorithm: Algorithm,
    /// `kid`.
    pub(crate) key: Option<String>,
    subject: String,
    expires: Timestamp,
}

/// Claims that a configured issuer has signed for us.
pub(crate) struct Proven {
    pub(crate) claims: Map<String, Value>,
    pub(crate) subject: String,
    pub(crate) expires: Timestamp,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    pub(crate) fn read(token: &'a str) -> Result<Self, Refused> {
        if token.len() > limits::PROOF_BYTES_MAX {
            return Err(Refused::new(
                Code::Size,
                "the token is too long",
                "Ask for a token with fewer claims.",
            ));
        }
        let malformed = || {
            Refused::new(
                Code::Malformed,
                "the password is not a token of an identity provider",
                LOGIN_HINT,
            )
        };
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let part = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            strict_json::object(&bytes).ok()
        };
        Ok(Self {
            signed,
            signature,
            header: part(header).ok_or_else(malformed)?,
            claims: part(claims).ok_or_else(malformed)?,
        })
    }

    /// `iss`, to look the issuer up: one string, never a list.
    fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// True when this issuer answers for the token, if anybody does.
    pub(crate) fn is_of(&self, config: &IssuerConfig) -> bool {
        match config.naming {
            Naming::Issuer => self.issuer() == Some(config.issuer.as_str()),
            Naming::TrustDomain => {
                let subject = self.claims.get("sub").and_then(Value::as_str);
                subject.is_some_and(|id| spiffe::belongs(id, &config.issuer))
            }
        }
    }

    /// Everything about the token that does not need a key. What fails here never causes a fetch.
    pub(crate) fn fit(self, config: &IssuerConfig, now: Timestamp) -> Result<Fitting<'a>, Refused> {
        let (algorithm, key) = self.check_header(config)?;
        if !self.is_of(config) {
            return Err(unknown_issuer());
        }
        self.check_audience(config)?;
        let expires = self.check_times(config, now)?;
        let subject = self.subject()?;
        Ok(Fitting {
            algorithm,
            key,
            subject,
            expires,
            token: self,
        })
    }

    fn check_header(&self, config: &IssuerConfig) -> Result<(Algorithm, Option<String>), Refused> {
        // RFC 7515 section 4.1.11: what we do not understand and is critical. We understand none.
        if self.header.contains_key("crit") || self.header.contains_key("b64") {
            return Err(Refused::new(
                Code::Critical,
                "the token needs an extension that the gateway does not know",
                "Ask the identity provider for a plain JWT.",
            ));
        }
        let algorithm = self.header.get("alg").and_then(Value::as_str);
        let algorithm = algorithm
            .and_then(|name| name.parse().ok())
            .filter(|algorithm| config.algorithms.contains(algorithm))
            .ok_or_else(|| {
                Refused::new(
                    Code::Algorithm,
                    "the token is signed with an algorithm that is not allowed for its issuer",
                    "The operator allows algorithms per issuer.",
                )
            })?;
        self.check_type(config)?;
        let key = match self.header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= limits::TOKEN_NAME_BYTES_MAX => Some(id.clone()),
            Some(_) => return Err(unknown_key()),
        };
        Ok((algorithm, key))
    }

    /// RFC 8725 section 3.11: a logout token or a DPoP proof is no access token.
    fn check_type(&self, config: &IssuerConfig) -> Result<(), Refused> {
        let plain = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.strip_prefix("application/")
                .unwrap_or(&name)
                .to_owned()
        };
        let found = self.header.get("typ").map(|typ| typ.as_str().map(plain));
        let good = match (&config.require_typ, found) {
            (Some(required), Some(Some(found))) => plain(required) == found,
            (Some(_), _) | (None, Some(None)) => false,
            (None, Some(Some(found))) => ["jwt", "at+jwt", "jose"].contains(&found.as_str()),
            (None, None) => true,
        };
        match good {
            true => Ok(()),
            false => Err(Refused::new(
                Code::Type,
                "the token is of another type than the gateway takes",
                "Present an access token or an ID token.",
            )),
        }
    }

    fn check_audience(&self, config: &IssuerConfig) -> Result<(), Refused> {
        let wrong = || {
            Refused::new(
                Code::Audience,
                "the token is not for this gateway",
                "Ask the identity provider for a token with the gateway's audience.",
            )
        };
        let audiences: Vec<&str> = match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several
                .iter()
                .map(Value::as_str)
                .collect::<Option<_>>()
                .ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        if !audiences
            .iter()
            .any(|a| config.audiences.iter().any(|b| a == b))
        {
            return Err(wrong());
        }
        let party = match self.claims.get("azp") {
            None => None,
            Some(Value::String(party)) => Some(party),
            Some(_) => return Err(wrong_party()),
        };
        let several = audiences.len() > 1;
        if !several && config.authorized_parties.is_empty() {
            return Ok(());
        }
        let ours = |party: &&String| {
            config.authorized_parties.contains(party)
                || (config.authorized_parties.is_empty() && config.audiences.contains(party))
        };
        party.filter(ours).map(|_| ()).ok_or_else(wrong_party)
    }

    fn check_times(&self, config: &IssuerConfig, now: Timestamp) -> Result<Timestamp, Refused> {
        let now = now.seconds();
        let skew = i64::try_from(config.skew.as_secs()).unwrap_or(SECONDS_MAX);
        let expires = self.seconds("exp")?.ok_or_else(|| {
            Refused::new(
                Code::Claims,
                "the token does not say when it expires",
                "The gateway takes only tokens that expire.",
            )
        })?;
        if now >= expires.saturating_add(skew) {
            return Err(Refused::new(
                Code::Expired,
                "the token has expired",
                LOGIN_HINT,
            ));
        }
        if self.seconds("nbf")?.is_some_and(|at| at > now + skew) {
            return Err(Refused::new(
                Code::NotYet,
                "the token is not valid yet",
                "Check the clocks of this machine, the gateway and the identity provider.",
            ));
        }
        let issued = self.seconds("iat")?;
        if issued.is_some_and(|at| at > now + skew) {
            return Err(Refused::new(
                Code::Future,
                "the token was issued in the future",
                "Check the clocks of this machine, the gateway and the identity provider.",
            ));
        }
        let mut ends = expires;
        if let Some(most) = config.max_age {
            let most = i64::try_from(most.as_secs()).unwrap_or(SECONDS_MAX);
            let issued = issued.ok_or_else(|| {
                Refused::new(
                    Code::IssuedAt,
                    "the token does not say when it was issued",
                    "The gateway limits the age of tokens from this issuer.",
                )
            })?;
            if now - issued > most.saturating_add(skew) {
                return Err(Refused::new(
                    Code::TooOld,
                    "the token is too old",
                    LOGIN_HINT,
                ));
            }
            // What is made from the token must not outlive the age that it is good for.
            ends = ends.min(issued.saturating_add(most));
        }
        Ok(Timestamp(ends * 1_000_000_000))
    }

    /// A NumericDate (RFC 7519 section 2), if it is there.
    fn seconds(&self, claim: &str) -> Result<Option<i64>, Refused> {
        let Some(value) = self.claims.get(claim) else {
            return Ok(None);
        };
        numeric_date(value).map(Some).ok_or_else(|| {
            Refused::new(
                Code::Claims,
                "a time in the token is no time",
                "Report this to whoever runs the identity provider.",
            )
        })
    }

    fn subject(&self) -> Result<String, Refused> {
        match self.claims.get("sub") {
            Some(Value::String(subject))
                if !subject.is_empty() && subject.len() <= limits::TOKEN_NAME_BYTES_MAX =>
            {
                Ok(subject.clone())
            }
            _ => Err(Refused::new(
                Code::Subject,
                "the token does not say whom it stands for",
                "The gateway needs the claim `sub`.",
            )),
        }
    }
}

impl Fitting<'_> {
    /// Checks the signature with the issuer's keys: the one way to proven claims.
    pub(crate) fn prove(self, keys: &[&Key]) -> Result<Proven, Refused> {
        let signed = keys.iter().any(|key| {
            jsonwebtoken::crypto::verify(
                self.token.signature,
                self.token.signed.as_bytes(),
                &key.verifying,
                self.algorithm.into(),
            )
            .unwrap_or(false)
        });
        match signed {
            true => Ok(Proven {
                claims: self.token.claims,
                subject: self.subject,
                expires: self.expires,
            }),
            false => Err(Refused::new(
                Code::Signature,
                "the token's signature is wrong",
                LOGIN_HINT,
            )),
        }
    }
}

/// Seconds since the epoch, whole; fractions are cut off.
pub(crate) fn numeric_date(value: &Value) -> Option<i64> {
    let seconds = match value.as_i64() {
        Some(whole) => whole,
        None => {
            let seconds = value.as_f64()?;
            if !(0.0..=SECONDS_MAX as f64).contains(&seconds) {
                return None;
            }
            seconds as i64
        }
    };
    (0..=SECONDS_MAX).contains(&seconds).then_some(seconds)
}

pub(crate) fn unknown_issuer() -> Refused {
    Refused::new(
        Code::Issuer,
        "the gateway does not know who issued this token",
        "Present a token of an issuer that the operator has configured.",
    )
}

pub(crate) fn unknown_key() -> Refused {
    Refused::new(
        Code::Key,
        "the token is signed with a key that its issuer does not publish",
        LOGIN_HINT,
    )
}

fn wrong_party() -> Refused {
    Refused::new(
        Code::Party,
        "the token was issued to a client that may not use this gateway",
        "The operator lists the clients (`azp`) whose tokens are taken.",
    )
}
