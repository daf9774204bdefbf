//! `.signatures.json` of a bundle: one JWS over the digests of all files. ES256, EdDSA and RS256 with a
//! public key; nothing that shares a secret, nothing that is `none`, and SHA-256 or better for the files.
//! The algorithm has to fit the key: the key decides, the header only says which.

use super::{MANIFEST, Members, SIGNATURES};
use aws_lc_rs::digest::{Algorithm, Context, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Signatures {
    signatures: Vec<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Payload {
    files: Vec<Signed>,
}

#[derive(Deserialize)]
struct Signed {
    name: String,
    hash: String,
    algorithm: String,
}

/// Verifies the signature, and that the files are exactly the signed ones. Who has signed is known by the SHA-256 of the
/// public key (its DER), in hexadecimal.
pub(super) fn verify(
    members: &Members,
    signatures: &[u8],
    key: &PathBuf,
) -> Result<String, String> {
    let pem = std::fs::read_to_string(key)
        .map_err(|e| format!("the key {} cannot be read: {e}", key.display()))?;
    let key =
        public_key(&pem).ok_or_else(|| format!("{} holds no PEM public key", key.display()))?;
    let signatures: Signatures = serde_json::from_slice(signatures)
        .map_err(|e| format!("{SIGNATURES} is no list of signatures: {e}"))?;
    let [token] = signatures.signatures.as_slice() else {
        let count = signatures.signatures.len();
        return Err(format!(
            "{SIGNATURES} holds {count} signatures, one is expected"
        ));
    };
    let payload = checked(token, &key)?;
    let mut unsigned: BTreeMap<&str, &[u8]> = members
        .iter()
        .filter(|(name, _)| *name != SIGNATURES)
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    for file in &payload.files {
        let name = file.name.trim_start_matches('/');
        let bytes = unsigned
            .remove(name)
            .ok_or_else(|| format!("{name} is signed and not in the bundle"))?;
        if !hashes_to(name, bytes, file)? {
            return Err(format!("{name} is not what was signed"));
        }
    }
    match unsigned.keys().next() {
        Some(name) => Err(format!("{name} is in the bundle and not signed")),
        None => Ok(hex::encode(digest(&SHA256, &key))),
    }
}

/// The DER of `-----BEGIN PUBLIC KEY-----`.
fn public_key(pem: &str) -> Option<Vec<u8>> {
    let body = pem
        .split_once("-----BEGIN PUBLIC KEY-----")?
        .1
        .split_once("-----END PUBLIC KEY-----")?
        .0;
    let text: String = body.split_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// The payload of a token whose signature holds.
fn checked(token: &str, key: &[u8]) -> Result<Payload, String> {
    let no_token = || "the signature is no compact JWS".to_owned();
    let (signed, signature) = token.rsplit_once('.').ok_or_else(no_token)?;
    let (header, payload) = signed.split_once('.').ok_or_else(no_token)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| no_token());
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| no_token())?;
    let signature = decode(signature)?;
    let parsed = match header.alg.as_str() {
        "ES256" => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key),
        "EdDSA" => ParsedPublicKey::new(&ED25519, key),
        "RS256" => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key),
        other => {
            let shown: String = other.chars().take(16).collect();
            return Err(format!(
                "signed with {shown}; ES256, EdDSA and RS256 are accepted"
            ));
        }
    };
    let parsed =
        parsed.map_err(|_| format!("the key is none for {}, which the bundle says", header.alg))?;
    parsed
        .verify_sig(signed.as_bytes(), &signature)
        .map_err(|_| "the signature does not hold for this key".to_owned())?;
    serde_json::from_slice(&decode(payload)?)
        .map_err(|_| "the signature covers no list of files".to_owned())
}

fn hashes_to(name: &str, bytes: &[u8], signed: &Signed) -> Result<bool, String> {
    let algorithm: &'static Algorithm = match signed.algorithm.as_str() {
        "SHA-256" => &SHA256,
        "SHA-384" => &SHA384,
        "SHA-512" => &SHA512,
        _ => {
            return Err(format!(
                "the digest of {name} is not SHA-256, SHA-384 or SHA-512"
            ));
        }
    };
    let mut context = Context::new(algorithm);
    let last = name.rsplit('/').next().unwrap_or(name);
    if matches!(last, "data.json" | "data.yaml" | MANIFEST) {
        let value: Value = serde_yaml::from_slice(bytes)
            .map_err(|_| format!("{name} is neither JSON nor YAML"))?;
        canonical(&value, &mut context);
    } else {
        context.update(bytes);
    }
    Ok(hex::encode(context.finish().as_ref()) == signed.hash.to_ascii_lowercase())
}

/// Documents are signed by what they say, not by how they are spaced: keys in order, no blanks.
fn canonical(value: &Value, context: &mut Context) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            context.update(b"{");
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    context.update(b",");
                }
                context.update(Value::from(key.as_str()).to_string().as_bytes());
                context.update(b":");
                canonical(&fields[key], context);
            }
            context.update(b"}");
        }
        Value::Array(items) => {
            context.update(b"[");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    context.update(b",");
                }
                canonical(item, context);
            }
            context.update(b"]");
        }
        plain => context.update(plain.to_string().as_bytes()),
    }
}
