//! Who acts, as verified: never what a client says of itself. Built by `identity` from a proof and by
//! nothing else on the data path.

use crate::{Timestamp, limits};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What kind of actor it is. Only a human may vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An AI agent.
    Agent,
    /// A CI job.
    Ci,
    /// A person.
    Human,
    /// Any other workload.
    Service,
}

/// The key of an identity: issuer and subject together, never an e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Principal {
    /// `iss`, exactly as configured.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

/// A verified identity with its claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Issuer and subject.
    pub principal: Principal,
    /// The configured name of the issuer ("corp", "github").
    pub provider: String,
    /// Human, agent, ci or service.
    pub kind: Kind,
    /// What people call it: a verified e-mail, else the subject.
    pub name: String,
    /// Groups, as mapped from the token.
    pub groups: Vec<String>,
    /// Verified claims on the issuer's allow-list.
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// RFC 8693 `act`, outermost actor first: who acts on behalf of `principal`.
    pub actors: Vec<Principal>,
    /// The person who answers for a machine identity, where the token names one.
    pub owner: Option<Principal>,
    /// `auth_time`, when the person last proved it, if the token says so.
    pub authenticated: Option<Timestamp>,
    /// `amr` (RFC 8176).
    pub methods: Vec<String>,
    /// `acr`.
    pub assurance: Option<String>,
    /// `jti`, for revocation.
    pub token_id: Option<String>,
    /// `exp`.
    pub expires: Timestamp,
}

impl Identity {
    /// True when `other` is this identity, one of its actors, or the person who owns it: nobody of
    /// these may approve what the identity asks for.
    #[must_use]
    pub fn involves(&self, other: &Principal) -> bool {
        self.principal == *other
            || self.actors.contains(other)
            || self.owner.as_ref() == Some(other)
    }

    /// True when this says that it was proved within this time. What does not say when, or names a moment that is to
    /// come, is not known to be fresh.
    #[must_use]
    pub fn proved_within(&self, time: Duration, now: Timestamp) -> bool {
        let recent = |at: Timestamp| at <= now.after(limits::PROOF_SKEW) && now.since(at) <= time;
        self.authenticated.is_some_and(recent)
    }
}

/// The token in the values of a request's `Authorization` headers (RFC 6750 section 2.1): there is one, its scheme is
/// Bearer in any case (RFC 9110 section 11.1), and it is not longer than [`limits::PROOF_BYTES_MAX`].
#[must_use]
pub fn bearer<'h>(values: impl IntoIterator<Item = &'h [u8]>) -> Option<&'h str> {
    let mut values = values.into_iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let token = token.trim();
    let fits = !token.is_empty() && token.len() <= limits::PROOF_BYTES_MAX;
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_that_is_old_to_come_or_unsaid_is_not_fresh() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        let fresh = |authenticated: Option<i64>| {
            let who = Identity {
                principal: Principal {
                    issuer: "https://idp.example".to_owned(),
                    subject: "ana".to_owned(),
                },
                provider: "corp".to_owned(),
                kind: Kind::Human,
                name: String::new(),
                groups: Vec::new(),
                claims: serde_json::Map::new(),
                actors: Vec::new(),
                owner: None,
                authenticated: authenticated.map(at),
                methods: Vec::new(),
                assurance: None,
                token_id: None,
                expires: at(5000),
            };
            who.proved_within(Duration::from_secs(900), at(1000))
        };
        for (said, good) in [
            (Some(1000), true),
            (Some(100), true),
            (Some(1060), true),
            (Some(99), false),
            (Some(1061), false),
            (Some(9_000_000_000), false),
            (None, false),
        ] {
            assert_eq!(fresh(said), good, "{said:?}");
        }
    }

    #[test]
    fn a_bearer_token_stands_alone_in_any_case_and_within_the_bound() {
        let read = |values: &[&'static str]| bearer(values.iter().map(|v| v.as_bytes()));
        assert_eq!(read(&["Bearer a"]), Some("a"));
        assert_eq!(read(&["bEARER  a "]), Some("a"));
        for none in [
            &[][..],
            &["Bearer a", "Bearer a"],
            &["Basic a"],
            &["Bearer"],
            &["Bearer "],
            &["Bearera"],
        ] {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!(bearer([&b"Bearer \xff"[..]]), None);
        let long = format!("Bearer {}", "x".repeat(limits::PROOF_BYTES_MAX + 1));
        assert_eq!(bearer([long.as_bytes()]), None);
    }
}
