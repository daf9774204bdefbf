//! What lies behind a signature, for the fuzz targets; compiled for nobody else. A provider that signs
//! nonsense must find a parser that is as total as the one in front of the signature.

use crate::certificates::{CertificateSettings, Certificates, POSSESSION, Wanted};
use crate::config::IssuerConfig;
use crate::refused::Refused;
use crate::token::Proven;
use crate::{claims, strict_json};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{Identity, Timestamp};
use serde_json::{Map, Value};
use std::net::IpAddr;

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
    claims::identity(config, proven, Timestamp(0))
}

/// True when a SAML response would be let through to the verifier.
#[must_use]
pub fn plain(response: &str) -> bool {
    crate::saml::plain(response)
}

/// Somebody who has logged in.
#[must_use]
pub fn somebody() -> Identity {
    let config = IssuerConfig::new(
        "corp",
        "https://idp.example",
        "portcullis",
        portcullis_model::Kind::Human,
    );
    let proven = Proven {
        claims: Map::new(),
        subject: "ana".to_owned(),
        expires: Timestamp(i64::MAX),
    };
    claims::identity(&config, proven, Timestamp(0)).expect("no claims are good claims")
}

/// The wire forms of two certificates that were issued for a key of the moment.
#[must_use]
pub fn certified(
    certificates: &Certificates,
    settings: CertificateSettings,
    from: IpAddr,
) -> Vec<Vec<u8>> {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let mut message = POSSESSION.to_vec();
    message.extend_from_slice(digest(&SHA256, b"token").as_ref());
    let signature = pair.sign(&message);
    let wanted = Wanted {
        token: "token",
        identity: &somebody(),
        key: pair.public_key().as_ref(),
        signature: signature.as_ref(),
        from,
    };
    let made = certificates.issue(&wanted, settings).expect("it is ours");
    let body: String = made.x509.lines().filter(|l| !l.starts_with("--")).collect();
    let line = made.ssh.split(' ').nth(1).expect("a line");
    [body.as_str(), line]
        .map(|text| STANDARD.decode(text).expect("base64"))
        .to_vec()
}
