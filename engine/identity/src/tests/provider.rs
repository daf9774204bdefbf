//! A tiny identity provider under the tests' control: keys of three kinds, a key set that can be changed,
//! a server that counts and can be switched off.

use crate::config::{Algorithm, IssuerConfig, Jwks};
use crate::issuers::Issuers;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use portcullis_gate::Clock;
use portcullis_model::{Kind, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://idp.example";
pub(super) const AUDIENCE: &str = "portcullis";

/// A clock that tests move.
#[derive(Clone)]
pub(super) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOW)))
    }

    pub(super) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn clock(&self) -> Clock {
        let hands = self.clone();
        Arc::new(move || Timestamp(hands.0.load(Ordering::SeqCst) * 1_000_000_000))
    }
}

pub(super) enum Signer {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(super) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(super) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(super) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
                pair.sign(padding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    pub(super) fn jwk(&self, id: &str) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = |pair: &EcdsaKeyPair, curve: &str| {
            let point = pair.public_key().as_ref().to_vec();
            let half = point.len() / 2;
            json!({"kty": "EC", "crv": curve, "kid": id, "use": "sig",
                   "x": encode(&point[1..=half]), "y": encode(&point[half + 1..])})
        };
        match self {
            Self::P256(pair) => point(pair, "P-256"),
            Self::P384(pair) => point(pair, "P-384"),
            Self::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "kid": id,
                                          "x": encode(pair.public_key().as_ref())}),
            Self::Rsa(pair) => {
                let n = pair
                    .public_key()
                    .modulus()
                    .big_endian_without_leading_zero();
                let e = pair
                    .public_key()
                    .exponent()
                    .big_endian_without_leading_zero();
                json!({"kty": "RSA", "alg": "RS256", "kid": id, "n": encode(n), "e": encode(e)})
            }
        }
    }

    /// The public key in DER: what an alg-confusion attack takes for an HMAC secret.
    pub(super) fn public_der(&self) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            _ => Vec::new(),
        }
    }
}

pub(super) fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with exactly these parts.
pub(super) fn token(signer: &Signer, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

pub(super) fn header(signer: &Signer, id: &str) -> Value {
    json!({"alg": signer.algorithm(), "typ": "JWT", "kid": id})
}

/// Claims that prove `ana`.
pub(super) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "iat": NOW, "exp": NOW + 600})
}

/// `value` with one member changed; null takes it away.
pub(super) fn with(mut value: Value, name: &str, member: Value) -> Value {
    let object = value.as_object_mut().unwrap();
    match member {
        Value::Null => object.remove(name),
        member => object.insert(name.to_owned(), member),
    };
    value
}

pub(super) fn config(jwks: Jwks) -> IssuerConfig {
    let mut config = IssuerConfig::new("corp", ISSUER, AUDIENCE, Kind::Human);
    config.algorithms = vec![
        Algorithm::RS256,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
    config.jwks = jwks;
    config
}

pub(super) fn inline(keys: &[(&Signer, &str)]) -> Jwks {
    let keys: Vec<Value> = keys.iter().map(|(signer, id)| signer.jwk(id)).collect();
    Jwks::Inline(json!({ "keys": keys }))
}

pub(super) fn issuers(config: IssuerConfig, hands: &Hands) -> Arc<Issuers> {
    Issuers::new(vec![config], hands.clock()).unwrap()
}

/// A loopback server with one document per path.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) requests: Arc<AtomicUsize>,
    answer: Arc<Mutex<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves `answer` (a whole HTTP response) to every request.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(String::new()));
        let requests = Arc::new(AtomicUsize::new(0));
        let (shown, counted) = (answer.clone(), requests.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let text = shown.lock().clone();
                let mut buffer = [0; 4096];
                let _ = socket.read(&mut buffer).await;
                let _ = socket.write_all(text.as_bytes()).await;
            }
        });
        Self {
            url,
            requests,
            answer,
            task,
        }
    }

    pub(super) fn publish(&self, keys: &[Value]) {
        self.document(&json!({ "keys": keys }));
    }

    pub(super) fn document(&self, document: &Value) {
        let body = document.to_string();
        self.raw(&format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ));
    }

    pub(super) fn raw(&self, response: &str) {
        *self.answer.lock() = response.to_owned();
    }

    pub(super) fn fetches(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(super) fn stop(&self) {
        self.task.abort();
    }
}
