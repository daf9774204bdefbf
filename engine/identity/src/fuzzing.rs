//! What lies behind a signature, for the fuzz targets; compiled for nobody else. A provider that signs
//! nonsense must find a parser that is as total as the one in front of the signature.

use crate::config::IssuerConfig;
use crate::refused::Refused;
use crate::token::Proven;
use crate::{claims, strict_json};
use portcullis_model::{Identity, Timestamp};
use serde_json::{Map, Value};

/// One JSON object, strictly; `None` when it is none.
#[must_use]
pub fn object(text: &[u8]) -> Option<Map<String, Value>> {
    strict_json::object(text).ok()
}

/// The identity that these claims would prove, had somebody signed them.
///
/// # Errors
/// [`Refused`], as for a signed token.
pub fn identity(config: &IssuerConfig, claims: Map<String, Value>) -> Result<Identity, Refused> {
    let proven = Proven {
        claims,
        subject: "fuzz".to_owned(),
        expires: Timestamp(0),
    };
    claims::identity(config, proven)
}

/// True when a SAML response would be let through to the verifier.
#[must_use]
pub fn plain(response: &str) -> bool {
    crate::saml::plain(response)
}
