//! Who acts, as verified: never what a client says of itself. Built by `identity` from a proof and by
//! nothing else on the data path.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

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
}
