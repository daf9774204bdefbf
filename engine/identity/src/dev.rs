//! The development issuer: an identity provider in a box, for the quick start and for tests.
//!
//! NOT FOR PRODUCTION: it gives a token to whoever asks. It exists so that a newcomer sees the whole path
//! within a minute, and so that tests can rotate keys. It refuses to listen anywhere but on loopback, to
//! answer a web page, and it says what it is on every page it serves.

mod server;

use crate::config::{Algorithm, ClaimMap, IssuerConfig, KindRule};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use portcullis_gate::Clock;
use portcullis_model::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The audience of its tokens when none is asked for.
pub const AUDIENCE: &str = "portcullis";
/// What every page and log line says.
pub const WARNING: &str =
    "DEVELOPMENT ISSUER: gives a token to whoever asks. Never use it in production.";

/// Keys published at a time: the signing one and those before it.
const KEYS_MAX: usize = 2;
const LIFETIME_SECONDS: i64 = 3600;

/// Somebody the issuer knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevIdentity {
    /// `sub`.
    pub subject: String,
    /// `kind`.
    pub kind: Kind,
    /// `groups`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// `email`, marked as verified.
    #[serde(default)]
    pub email: Option<String>,
    /// `owner`: the subject of the person who answers for a machine.
    #[serde(default)]
    pub owner: Option<String>,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// Asked to listen where others can reach it.
    #[error("listen: the development issuer listens on loopback only")]
    NotLoopback,
    /// The address is taken.
    #[error("listen on the address")]
    Listen(#[source] std::io::Error),
    /// No key.
    #[error("generate a key")]
    Key,
}

/// The issuer.
pub struct DevIssuer {
    url: String,
    identities: Vec<DevIdentity>,
    keys: RwLock<Vec<DevKey>>,
    clock: Clock,
    listener: TcpListener,
}

struct DevKey {
    id: String,
    pair: EcdsaKeyPair,
}

impl DevIssuer {
    /// Listens on a loopback address (port 0 for any). With no `identities`, anybody can be had a token
    /// for; with some, only these. Call [`DevIssuer::serve`] to answer.
    ///
    /// # Errors
    /// [`DevError`], among others for an address that is not loopback.
    pub async fn bind(
        address: SocketAddr,
        identities: Vec<DevIdentity>,
        clock: Clock,
    ) -> Result<Arc<Self>, DevError> {
        if !address.ip().is_loopback() {
            return Err(DevError::NotLoopback);
        }
        let listener = TcpListener::bind(address).await.map_err(DevError::Listen)?;
        let address = listener.local_addr().map_err(DevError::Listen)?;
        Ok(Arc::new(Self {
            url: format!("http://{address}"),
            identities,
            keys: RwLock::new(vec![DevKey::generate()?]),
            clock,
            listener,
        }))
    }

    /// Its `iss`, which is its address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.url
    }

    /// How a gateway is told to trust it: groups, e-mail, kinds and owner mapped.
    #[must_use]
    pub fn config(&self, name: &str) -> IssuerConfig {
        let rule = |value: &str, kind| KindRule {
            claim: "kind".to_owned(),
            value: Some(value.to_owned()),
            kind,
        };
        let mut config = IssuerConfig::new(name, &self.url, AUDIENCE, Kind::Service);
        config.algorithms = vec![Algorithm::ES256];
        config.claims = ClaimMap {
            groups: Some("groups".to_owned()),
            name: None,
            email: Some("email".to_owned()),
            kinds: vec![
                rule("human", Kind::Human),
                rule("agent", Kind::Agent),
                rule("ci", Kind::Ci),
                rule("service", Kind::Service),
            ],
            owner: Some("owner".to_owned()),
            owner_issuer: None,
        };
        config
    }

    /// A signed token. `claims` may override everything; what is missing is filled in: `iss`, `aud`,
    /// `iat`, `exp` in an hour, `jti`.
    #[must_use]
    pub fn mint(&self, claims: &Value) -> String {
        let keys = self.keys.read();
        let key = keys.last().expect("invariant: there is always a key");
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": key.id});
        self.sign_with(key, &header, claims)
    }

    /// A new signing key; the one before stays published once more.
    ///
    /// # Errors
    /// [`DevError::Key`].
    pub fn rotate(&self) -> Result<(), DevError> {
        let key = DevKey::generate()?;
        let mut keys = self.keys.write();
        keys.push(key);
        if keys.len() > KEYS_MAX {
            keys.remove(0);
        }
        Ok(())
    }

    /// The claims of a known identity, or of anybody when none are configured.
    fn claims_of(&self, subject: &str) -> Option<Map<String, Value>> {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), subject.into());
        if self.identities.is_empty() {
            return Some(claims);
        }
        let known = self.identities.iter().find(|i| i.subject == subject)?;
        claims.insert("kind".to_owned(), json!(known.kind));
        claims.insert("groups".to_owned(), json!(known.groups));
        if let Some(email) = &known.email {
            claims.insert("email".to_owned(), json!(email));
            claims.insert("email_verified".to_owned(), json!(true));
        }
        if let Some(owner) = &known.owner {
            claims.insert("owner".to_owned(), json!(owner));
        }
        Some(claims)
    }

    fn sign_with(&self, key: &DevKey, header: &Value, claims: &Value) -> String {
        let now = (self.clock)().seconds();
        let mut all = Map::new();
        all.insert("iss".to_owned(), json!(self.url));
        all.insert("aud".to_owned(), json!(AUDIENCE));
        all.insert("iat".to_owned(), json!(now));
        all.insert("auth_time".to_owned(), json!(now));
        all.insert("exp".to_owned(), json!(now + LIFETIME_SECONDS));
        all.insert("jti".to_owned(), json!(random_name()));
        all.extend(claims.as_object().cloned().unwrap_or_default());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(&Value::Object(all)));
        let signature = key
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("invariant: a generated key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.keys.read().iter().map(DevKey::jwk).collect();
        json!({ "keys": keys })
    }
}

impl DevKey {
    fn generate() -> Result<Self, DevError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Ok(Self {
            id: random_name(),
            pair: pair.map_err(|_| DevError::Key)?,
        })
    }

    fn jwk(&self) -> Value {
        // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
        let point = self.pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

fn random_name() -> String {
    let mut bytes = [0; 12];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("invariant: the system has randomness");
    format!("dev-{}", URL_SAFE_NO_PAD.encode(bytes))
}
