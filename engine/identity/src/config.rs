//! What an operator says about an issuer. No field that weighs on security has a silent default but the
//! ones of [`IssuerConfig::new`], which are the strict ones.
//!
//! It refuses symmetric algorithms by having no word for them.

use portcullis_model::{Kind, limits};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Signature algorithms a remote issuer may use (RFC 7518 section 3.1, RFC 8037). `none` and HMAC cannot
/// be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of RFC 7518")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// A text that names no algorithm we verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the algorithm is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Ok(match name {
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "EdDSA" => Self::EdDSA,
            _ => return Err(UnknownAlgorithm),
        })
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::RS256,
            Algorithm::RS384 => Self::RS384,
            Algorithm::RS512 => Self::RS512,
            Algorithm::PS256 => Self::PS256,
            Algorithm::PS384 => Self::PS384,
            Algorithm::PS512 => Self::PS512,
            Algorithm::ES256 => Self::ES256,
            Algorithm::ES384 => Self::ES384,
            Algorithm::EdDSA => Self::EdDSA,
        }
    }
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jwks {
    /// `<issuer>/.well-known/openid-configuration` names them.
    Discover,
    /// This address holds them.
    Url(String),
    /// Here they are: for issuers the gateway cannot reach (a cluster's service accounts).
    Inline(serde_json::Value),
}

/// One rule that reads the kind of an actor off a claim. The first that matches wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindRule {
    /// The claim, as in [`ClaimMap::groups`].
    pub claim: String,
    /// The value it must equal, or hold if it is a list. None: the claim only has to be there.
    pub value: Option<String>,
    /// The kind it then is.
    pub kind: Kind,
}

/// Which claims mean what. A claim is named exactly (`groups`, `https://corp/groups`) or, when the name
/// begins with `/`, as a JSON pointer (RFC 6901) into the claims (`/realm_access/roles`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimMap {
    /// A list of strings: the groups.
    pub groups: Option<String>,
    /// A display name, used when there is no verified e-mail. Anything with an `@` is not taken from it.
    pub name: Option<String>,
    /// An e-mail address; it becomes the name only when `email_verified` is true.
    pub email: Option<String>,
    /// Kinds.
    pub kinds: Vec<KindRule>,
    /// The subject of the person who answers for a machine identity.
    pub owner: Option<String>,
    /// The issuer of that person; this issuer when not said.
    pub owner_issuer: Option<String>,
}

/// A claim that every token of an issuer must have: it pins a public issuer, whose tokens anybody can get,
/// to the part of it that is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Required {
    /// The claim, as in [`ClaimMap::groups`].
    pub claim: String,
    /// It must be one of these, or hold one if it is a list.
    pub values: Vec<String>,
}

/// What names the authority behind a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `iss` (RFC 7519 section 4.1.1).
    Issuer,
    /// The trust domain in `sub`: a JWT-SVID need not have an `iss` (SPIFFE JWT-SVID section 3.1).
    TrustDomain,
}

/// One issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerConfig {
    /// What it is called here ("corp", "github").
    pub name: String,
    /// `iss`, exactly; `spiffe://trust-domain` with [`Naming::TrustDomain`].
    pub issuer: String,
    /// How its tokens are told from those of others.
    pub naming: Naming,
    /// Our names: `aud` must contain one.
    pub audiences: Vec<String>,
    /// Names (`aud`) for which its tokens are accepted with a key that they are bound to, and only so (OpenPubkey).
    pub openpubkey_clients: Vec<String>,
    /// Clients that may have asked for the token (`azp`). When not empty, `azp` must be one of these; when a
    /// token has several audiences, `azp` must be one of these or of `audiences`.
    pub authorized_parties: Vec<String>,
    /// What it signs with.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub jwks: Jwks,
    /// Its claims.
    pub claims: ClaimMap,
    /// The kind of an actor that no rule fits.
    pub kind: Kind,
    /// Kinds that may come from this issuer at all.
    pub kinds: Vec<Kind>,
    /// What every token must say.
    pub required: Vec<Required>,
    /// Each token is good for one use; it then needs a `jti`.
    pub single_use: bool,
    /// Claims that policy may see.
    pub allowed_claims: Vec<String>,
    /// `typ` that the header must have (`at+jwt`, RFC 9068). None: the usual ones, or no `typ`.
    pub require_typ: Option<String>,
    /// How long after `iat` a token may be used, whatever `exp` says.
    pub max_age: Option<Duration>,
    /// Tolerated difference of clocks, both ways.
    pub skew: Duration,
    /// PEM file of the only authorities trusted for its TLS; the public ones when none.
    pub ca_file: Option<PathBuf>,
    /// Between two fetches that unknown keys may cause.
    pub cool_down: Duration,
}

impl IssuerConfig {
    /// An issuer found by discovery, with the strict settings: RS256, ES256 and EdDSA, 60 s of skew, no
    /// groups, no claims for policy. `kind` is what its tokens stand for when no rule says otherwise.
    #[must_use]
    pub fn new(name: &str, issuer: &str, audience: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            naming: Naming::Issuer,
            audiences: vec![audience.to_owned()],
            openpubkey_clients: Vec::new(),
            authorized_parties: Vec::new(),
            algorithms: vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            jwks: Jwks::Discover,
            claims: ClaimMap {
                groups: None,
                name: None,
                email: Some("email".to_owned()),
                kinds: Vec::new(),
                owner: None,
                owner_issuer: None,
            },
            kind,
            kinds: vec![Kind::Agent, Kind::Ci, Kind::Human, Kind::Service],
            required: Vec::new(),
            single_use: false,
            allowed_claims: Vec::new(),
            require_typ: None,
            max_age: None,
            skew: Duration::from_secs(60),
            ca_file: None,
            cool_down: limits::JWKS_COOL_DOWN,
        }
    }
}
