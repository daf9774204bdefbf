//! The words of `issuers:`. What a preset fills in is filled in before anything is checked, and shows in
//! `portcullis config show`. It refuses to have a default where two providers differ.

use super::duration::Period;
use super::presets::Preset;
use portcullis_model::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Whose tokens are accepted.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// A short name for records and policies.
    pub name: String,
    /// A platform whose tokens are known: it fills in every key that is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The exact value of `iss`; discovery starts here. With `preset: spiffe` the trust domain,
    /// `spiffe://NAME`. Presets of platforms with one issuer know it.
    #[serde(default)]
    pub issuer: String,
    /// A token must be meant for one of these (`aud`).
    pub audiences: Vec<String>,
    /// Clients (`aud`) whose tokens are accepted in a certificate of `opkssh` over SSH, bound to its key, and nowhere else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openpubkey_clients: Vec<String>,
    /// Clients whose tokens are accepted (`azp`); any when not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorized_parties: Vec<String>,
    /// Signature algorithms accepted; RS256 and ES256 when not given. `none` and shared-key ones never are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// A file with the issuer's keys (JWK Set), for issuers that the gateway cannot reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// The address of the issuer's keys (JWK Set), for issuers without discovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// PEM file with the authorities that the issuer's own certificate must come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How human, agent, ci and service are told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindRule>,
    /// Kinds that may come from this issuer; all when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<KindName>>")]
    pub kinds: Option<Vec<Kind>>,
    /// What every token must say: claim, and the values of which it must have one. It pins an issuer that
    /// gives tokens to the whole world to your part of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub require: BTreeMap<String, Values>,
    /// The claim that lists groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// The claim with a name to show; an e-mail address counts when `email_verified` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_claim: Option<String>,
    /// The claim that names the person who answers for a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_claim: Option<String>,
    /// The `iss` of that person, when it is another issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_issuer: Option<String>,
    /// Further claims that policies may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<String>>,
    /// The `typ` that a token must have, such as `at+jwt` (RFC 9068).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Each token is good for one connection. It then needs a `jti`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub single_use: bool,
    /// Clocks may differ by this much; at most five minutes.
    #[serde(default = "clock_skew")]
    pub clock_skew: Period,
    /// Tokens older than this are refused, whatever their `exp` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Period>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn clock_skew() -> Period {
    Period(Duration::from_secs(60))
}

/// One value, or several of which one is enough.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Values {
    /// This one.
    One(String),
    /// One of these.
    Several(Vec<String>),
}

impl Values {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// Signature algorithms with a public key (RFC 7518).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of RFC 7518")]
pub enum Algorithm {
    ES256,
    ES384,
    EdDSA,
    PS256,
    PS384,
    PS512,
    RS256,
    RS384,
    RS512,
}

/// How the kind of an actor is found: from one claim that says it, or from rules, the first that fits, and
/// else the fixed one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindRule {
    /// A claim that says `human`, `agent`, `ci` or `service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Rules over other claims, tried in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<KindOf>,
    /// Everybody from this issuer is of this kind, or everybody whom no rule fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KindName>")]
    pub fixed: Option<Kind>,
}

/// One rule about the kind of an actor.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindOf {
    /// The claim.
    pub claim: String,
    /// What it must be; being there is enough when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The kind that it then is.
    #[schemars(with = "KindName")]
    pub kind: Kind,
}

/// The kinds, for the schema only: the model knows no JSON Schema.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes `portcullis_model::Kind` to editors")]
enum KindName {
    Agent,
    Ci,
    Human,
    Service,
}
