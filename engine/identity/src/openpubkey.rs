//! PK tokens of OpenPubkey, as `opkssh` carries them in the certificate of an SSH user: an ID token of the provider, whose
//! nonce commits to a key, and a second signature over the same claims by that key. Nobody has to run anything for it: the
//! provider signs what it always signs, and whoever holds the key is whom the ID token names.
//!
//! It refuses everything but that one form: an ID token signed by a configured issuer for a client that the operator has
//! named, still good, whose nonce is the hash of the header that names the key, and the same key in the certificate. Other
//! commitments (`aud`, GQ signatures, `cnf`), cosigners and refreshed tokens are none.

use crate::claims;
use crate::issuers::Issuers;
use crate::refused::{Code, Refused};
use crate::strict_json;
use crate::token::{Unverified, unknown_issuer};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA3_256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Identity, limits};
use serde_json::{Map, Value};

const AGAIN: &str = "Log in again: opkssh login";

/// The public key of an SSH user, as far as it can be that of a PK token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundKey {
    /// Ed25519 (RFC 8709).
    Ed25519(Vec<u8>),
    /// A point of P-256, uncompressed (RFC 5656).
    P256(Vec<u8>),
}

impl BoundKey {
    /// Reads a key in SSH's wire form; `None` for any other kind.
    #[must_use]
    pub fn of_ssh(blob: &[u8]) -> Option<Self> {
        let (name, rest) = string(blob)?;
        match name {
            b"ssh-ed25519" => match string(rest)? {
                (key, []) if key.len() == 32 => Some(Self::Ed25519(key.to_vec())),
                _ => None,
            },
            b"ecdsa-sha2-nistp256" => {
                let (curve, rest) = string(rest)?;
                match string(rest)? {
                    (point, []) if curve == b"nistp256" && point.len() == 65 => {
                        (point.first() == Some(&4)).then(|| Self::P256(point.to_vec()))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Reads a JWK (RFC 7517) that says its algorithm.
    fn of_jwk(jwk: &Map<String, Value>, algorithm: &str) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let part = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text(name)?).ok()?;
            (bytes.len() == 32).then_some(bytes)
        };
        if text("alg") != Some(algorithm) || jwk.contains_key("d") {
            return None;
        }
        match (algorithm, text("kty")?, text("crv")?) {
            ("EdDSA", "OKP", "Ed25519") => Some(Self::Ed25519(part("x")?)),
            ("ES256", "EC", "P-256") => {
                Some(Self::P256([&[4][..], &part("x")?, &part("y")?].concat()))
            }
            _ => None,
        }
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

/// A PK token, taken apart: the provider's token, and the key that has signed the same claims.
struct PkToken {
    id_token: String,
    key: BoundKey,
    /// What the nonce may be: the hash of the header that names the key.
    commitments: [String; 2],
}

impl PkToken {
    /// `payload:header:signature:header:signature`, each in base64url.
    fn read(token: &str) -> Result<Self, Refused> {
        if token.len() > limits::PROOF_BYTES_MAX {
            return Err(Refused::new(
                Code::Size,
                "the PK token is too long",
                "Ask for a token with fewer claims.",
            ));
        }
        if token.contains('.') {
            return Err(Refused::new(
                Code::Type,
                "the PK token was refreshed, and the gateway takes only such as were logged in for",
                AGAIN,
            ));
        }
        let mut parts = token.split(':');
        let mut part = || parts.next().ok_or_else(malformed);
        let payload = part()?;
        let signed = [(part()?, part()?), (part()?, part()?)];
        if parts.next().is_some() {
            return Err(Refused::new(
                Code::Type,
                "the PK token has other signatures than those of the provider and of the client",
                "Log in without a cosigner.",
            ));
        }
        // The provider's comes first, in every client.
        let [(op, op_signature), (cic, cic_signature)] = signed;
        let (provider, instance) = (header(op)?, header(cic)?);
        let is_instance =
            |header: &Map<String, Value>| header.get("typ").and_then(Value::as_str) == Some("CIC");
        if is_instance(&provider) || !is_instance(&instance) {
            return Err(malformed());
        }
        let id_token = format!("{op}.{payload}.{op_signature}");
        Self::bound(id_token, payload, (cic, cic_signature), &instance)
    }

    fn bound(
        id_token: String,
        payload: &str,
        (header, signature): (&str, &str),
        instance: &Map<String, Value>,
    ) -> Result<Self, Refused> {
        let algorithm = instance.get("alg").and_then(Value::as_str);
        let key = instance.get("upk").and_then(Value::as_object);
        let key = algorithm.zip(key);
        let key = key.and_then(|(algorithm, jwk)| BoundKey::of_jwk(jwk, algorithm));
        let random = instance.get("rz").and_then(Value::as_str);
        // Without it the nonce could be worked out from the key.
        let random = random.is_some_and(|rz| (32..=256).contains(&rz.len()));
        let critical = instance.contains_key("crit") || instance.contains_key("b64");
        let key = key.filter(|_| random && !critical).ok_or_else(malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        let message = format!("{header}.{payload}");
        if !key.has_signed(message.as_bytes(), &signature) {
            return Err(Refused::new(
                Code::Signature,
                "the PK token is not signed by the key that it names",
                AGAIN,
            ));
        }
        let written = URL_SAFE_NO_PAD.decode(header).map_err(|_| malformed())?;
        // Clients hash the header with its members in order; most write it so too.
        let ordered = ordered(&Value::Object(instance.clone())).to_string();
        Ok(Self {
            id_token,
            key,
            commitments: [hash(&written), hash(ordered.as_bytes())],
        })
    }
}

fn header(text: &str) -> Result<Map<String, Value>, Refused> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
    strict_json::object(&bytes).map_err(|_| malformed())
}

/// Members of every object by name, as Go writes a map.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<_> = members.iter().collect();
            names.sort_by_key(|(name, _)| name.as_str());
            let members = names.into_iter().map(|(n, v)| (n.clone(), ordered(v)));
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(ordered).collect()),
        plain => plain.clone(),
    }
}

fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA3_256, bytes))
}

fn malformed() -> Refused {
    Refused::new(
        Code::Malformed,
        "the certificate holds no PK token that the gateway can read",
        AGAIN,
    )
}

impl Issuers {
    /// True when some issuer's tokens are accepted with a key.
    #[must_use]
    pub fn binds_keys(&self) -> bool {
        self.configs().any(|c| !c.openpubkey_clients.is_empty())
    }

    /// The identity that a PK token proves, now, for whoever has proved to hold this key.
    ///
    /// # Errors
    /// [`Refused`], as for any token, and when it is bound to no key or to another one.
    pub async fn verify_bound(&self, token: &str, key: &BoundKey) -> Result<Identity, Refused> {
        let bound = PkToken::read(token)?;
        if bound.key != *key {
            return Err(Refused::new(
                Code::Key,
                "the PK token is bound to another key than the certificate's",
                AGAIN,
            ));
        }
        let read = Unverified::read(&bound.id_token)?;
        let config = self.configs().find(|config| read.is_of(config));
        let config = config.filter(|config| !config.openpubkey_clients.is_empty());
        let mut config = config.ok_or_else(unknown_issuer)?.clone();
        // Tokens of these clients are worth nothing without the key.
        config.audiences = std::mem::take(&mut config.openpubkey_clients);
        config.authorized_parties.clear();
        config.require_typ = None;
        let now = self.now();
        let proven = self.prove_as(read, &config, now).await?;
        let nonce = proven.claims.get("nonce").and_then(Value::as_str);
        let nonce = nonce.unwrap_or_default().as_bytes();
        let commits = bound
            .commitments
            .iter()
            .any(|hash| verify_slices_are_equal(hash.as_bytes(), nonce).is_ok());
        match commits {
            true => claims::identity(&config, proven, now),
            false => Err(Refused::new(
                Code::Nonce,
                "the provider has not signed for the key of the certificate",
                AGAIN,
            )),
        }
    }
}
