//! A JSON Web Key Set (RFC 7517) as verification keys.
//!
//! It refuses nothing as a whole: a key that we cannot use (another curve, for encryption, symmetric, too
//! short) is skipped, so that one exotic key does not lock everybody out.

use crate::config::{Algorithm, Naming};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use portcullis_model::limits;
use serde_json::Value;

/// One key.
pub(crate) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(crate) verifying: DecodingKey,
}

/// The usable keys of an issuer.
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

/// Why a set has no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The token names a key that is not there: perhaps the issuer has rotated.
    Unknown,
    /// The token names none, and there are several.
    Unnamed,
    /// The key is there, but not for this algorithm.
    Algorithm,
}

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

impl KeySet {
    /// The keys of a document, the first [`limits::JWKS_KEYS_MAX`] of them. None when it is no key set.
    pub(crate) fn read(document: &Value, naming: Naming) -> Option<Self> {
        let listed = document.get("keys")?.as_array()?;
        let ours = listed.iter().filter(|jwk| is_for(jwk, naming));
        let keys = ours.filter_map(key).take(limits::JWKS_KEYS_MAX);
        Some(Self {
            keys: keys.collect(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that may have signed a token with this `kid` and `alg`: nearly always one.
    pub(crate) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<&Key>, NoKey> {
        let named: Vec<&Key> = match (id, self.keys.as_slice()) {
            (None, [only]) => vec![only],
            // A lone key without a name is meant, whatever the token calls it.
            (Some(_), [only]) if only.id.is_none() => vec![only],
            (None, []) => return Err(NoKey::Unknown),
            (None, _) => return Err(NoKey::Unnamed),
            (Some(id), keys) => keys
                .iter()
                .filter(|k| k.id.as_deref() == Some(id))
                .collect(),
        };
        if named.is_empty() {
            return Err(NoKey::Unknown);
        }
        let fit: Vec<&Key> = named
            .into_iter()
            .filter(|k| k.algorithms.contains(&algorithm))
            .collect();
        match fit.is_empty() {
            true => Err(NoKey::Algorithm),
            false => Ok(fit),
        }
    }
}

/// A key of a trust domain says that it signs JWT-SVIDs (SPIFFE Trust Domain and Bundle section 4.2.2), so
/// that the authority of its certificates cannot; any other is for signatures, or does not say.
fn is_for(jwk: &Value, naming: Naming) -> bool {
    let purpose = jwk.get("use").map(Value::as_str);
    match naming {
        Naming::TrustDomain => purpose == Some(Some("jwt-svid")),
        Naming::Issuer => matches!(purpose, None | Some(Some("sig" | "jwt-svid"))),
    }
}

fn key(jwk: &Value) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let verifies = match jwk.get("key_ops") {
        None => true,
        Some(operations) => operations
            .as_array()
            .is_some_and(|list| list.iter().any(|o| o == "verify")),
    };
    if !verifies {
        return None;
    }
    let (mut algorithms, verifying) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (RSA.to_vec(), rsa(text("n")?, text("e")?)?),
        ("EC", Some("P-256")) => (vec![Algorithm::ES256], ec(text("x")?, text("y")?, 32)?),
        ("EC", Some("P-384")) => (vec![Algorithm::ES384], ec(text("x")?, text("y")?, 48)?),
        ("OKP", Some("Ed25519")) => (vec![Algorithm::EdDSA], ed25519(text("x")?)?),
        _ => return None,
    };
    if let Some(declared) = jwk.get("alg") {
        let declared: Algorithm = declared.as_str()?.parse().ok()?;
        algorithms.retain(|a| *a == declared);
    }
    let id = match jwk.get("kid") {
        None => None,
        Some(id) => Some(id.as_str()?.to_owned()),
    };
    Some(Key {
        id,
        algorithms,
        verifying,
    })
}

/// Moduli under 2048 bits are refused again by the verifier.
fn rsa(n: &str, e: &str) -> Option<DecodingKey> {
    let modulus = URL_SAFE_NO_PAD.decode(n).ok()?;
    if !(256..=1024).contains(&modulus.len()) {
        return None;
    }
    DecodingKey::from_rsa_components(n, e).ok()
}

fn ec(x: &str, y: &str, length: usize) -> Option<DecodingKey> {
    let right = |part: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .is_ok_and(|b| b.len() == length)
    };
    if !right(x) || !right(y) {
        return None;
    }
    DecodingKey::from_ec_components(x, y).ok()
}

fn ed25519(x: &str) -> Option<DecodingKey> {
    let key = URL_SAFE_NO_PAD.decode(x).ok()?;
    (key.len() == 32).then(|| DecodingKey::from_ed_der(&key))
}
