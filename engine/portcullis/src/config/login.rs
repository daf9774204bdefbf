//! The words of `login:`: where people log in, and how long that lasts.

use super::duration::Period;
use super::secret::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Logging in with `portcullis login`, and session tokens. It needs an https listener.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The https listener as browsers and clients reach it, without a path: `https://gateway.example:6443`. It
    /// is `iss` and `aud` of session tokens; `URL/v1/login/callback` is what providers send browsers back to.
    pub url: String,
    /// Where people log in.
    #[serde(default)]
    pub providers: Vec<LoginProvider>,
    /// SAML providers that people log in at, in a browser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saml: Vec<SamlProvider>,
    /// How long a session token is good for; it is refreshed by itself.
    #[serde(default = "session")]
    pub session: Period,
    /// After this long people prove themselves anew.
    #[serde(default = "longest")]
    pub longest: Period,
    /// Let agents exchange a person's token and their own for one that acts for the person (RFC 8693).
    #[serde(default)]
    pub exchange: bool,
    /// Give whoever has logged in a certificate for TLS and one for SSH beside the token, and take them as proof on the
    /// postgres, kubernetes and ssh listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PeopleCertificates>,
}

/// Certificates of people. Their keys stay on their machines.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeopleCertificates {
    /// How long they are good for; never longer than the token. They are renewed with it.
    #[serde(default = "certificates_ttl")]
    pub ttl: Period,
    /// They are good from the address alone that has asked for them. Not for people whose address changes, or who reach
    /// the listeners through different ones.
    #[serde(default)]
    pub same_address: bool,
}

fn certificates_ttl() -> Period {
    Period(Duration::from_secs(3600))
}

fn session() -> Period {
    Period(Duration::from_secs(3600))
}

fn longest() -> Period {
    Period(Duration::from_secs(12 * 3600))
}

/// A provider that people log in at.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginProvider {
    /// The `name` of one of `issuers`.
    pub issuer: String,
    /// The gateway's client there.
    pub client_id: String,
    /// Its secret, where the provider has given it one. PKCE is used either way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretRef>,
    /// What is asked for besides `openid`. `offline_access` lets tokens be refreshed.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
}

fn scopes() -> Vec<String> {
    ["profile", "email", "offline_access"]
        .map(str::to_owned)
        .into()
}

/// A SAML 2.0 provider. It posts its response to `URL/v1/login/saml`; the gateway's metadata for it are at
/// `URL/v1/login/saml/NAME`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamlProvider {
    /// A short name for records and policies.
    pub name: String,
    /// The provider's entity id: the issuer of its people in policies and records.
    pub entity: String,
    /// A file with its metadata, and so the certificates that it signs with.
    pub metadata: PathBuf,
    /// The attribute that names people for good; a NameID that is not transient when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_attribute: Option<String>,
    /// The attribute that lists groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_attribute: Option<String>,
    /// The attribute with a name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_attribute: Option<String>,
}
