//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as a client (RFC 5802, RFC 7677), and PostgreSQL's verifier.
//!
//! It exists beside the driver's because keys are wiped here and the server's wishes are bounded. It
//! refuses a nonce that does not extend ours, more iterations than [`limits::SCRAM_ITERATIONS_MAX`],
//! extensions, and a server that cannot prove that it knows the secret.

use crate::error::VaultError;
use crate::secret::Secret;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::limits;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// PostgreSQL's own default (`SCRAM_SHA_256_DEFAULT_ITERATIONS`); a minted secret has 256 bits anyway.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("invariant: not zero");
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
/// A server's message; its salt and nonce are far smaller.
const MESSAGE_BYTES_MAX: usize = 4096;

type Key = Zeroizing<[u8; 32]>;

/// What the server said that cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScramError {
    #[error("draw a nonce")]
    Random,
    #[error("read the server's message")]
    Message,
    #[error("accept the server's nonce")]
    Nonce,
    #[error("accept the server's number of iterations")]
    Iterations,
    #[error("verify the server's signature")]
    Signature,
    #[error("take a step that is not next")]
    Order,
}

/// How the exchange is bound to the TLS connection.
pub(crate) enum Binding {
    /// No TLS, or no hash for its certificate: `n`.
    None,
    /// TLS, but the server does not offer binding: `y`, so that a server that did sees the downgrade.
    NotOffered,
    /// `p=tls-server-end-point`.
    EndPoint(Vec<u8>),
}

impl Binding {
    fn header(&self) -> &'static str {
        match self {
            Self::None => "n,,",
            Self::NotOffered => "y,,",
            Self::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    fn encoded(&self) -> String {
        let mut input = self.header().as_bytes().to_vec();
        if let Self::EndPoint(data) = self {
            input.extend_from_slice(data);
        }
        STANDARD.encode(input)
    }
}

/// One exchange.
pub(crate) struct Scram {
    nonce: String,
    binding: Binding,
    expected: Option<Vec<u8>>,
}

impl Scram {
    /// Begins, with a fresh nonce.
    pub(crate) fn new(binding: Binding) -> Result<Self, ScramError> {
        let mut nonce = [0_u8; NONCE_BYTES];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| ScramError::Random)?;
        Ok(Self {
            nonce: STANDARD.encode(nonce),
            binding,
            expected: None,
        })
    }

    /// client-first-message. PostgreSQL takes the user from the startup packet.
    pub(crate) fn first(&self) -> Vec<u8> {
        format!("{}n=,r={}", self.binding.header(), self.nonce).into_bytes()
    }

    /// client-final-message, in answer to server-first-message.
    pub(crate) fn last(
        &mut self,
        server_first: &[u8],
        password: &Secret,
    ) -> Result<Vec<u8>, ScramError> {
        if self.expected.is_some() {
            return Err(ScramError::Order);
        }
        let server = ServerFirst::read(server_first)?;
        let extended = server.nonce.strip_prefix(&self.nonce);
        if extended.is_none_or(str::is_empty) {
            return Err(ScramError::Nonce);
        }
        let keys = Keys::derive(password, &server.salt, server.iterations);
        let without_proof = format!("c={},r={}", self.binding.encoded(), server.nonce);
        let signed = format!("n=,r={},{},{without_proof}", self.nonce, server.text);
        let signature = sign(&*keys.stored(), signed.as_bytes());
        let proof: Zeroizing<Vec<u8>> = Zeroizing::new(
            keys.client
                .iter()
                .zip(signature.as_ref())
                .map(|(a, b)| a ^ b)
                .collect(),
        );
        self.expected = Some(sign(&*keys.server, signed.as_bytes()).as_ref().to_vec());
        Ok(format!("{without_proof},p={}", STANDARD.encode(&*proof)).into_bytes())
    }

    /// Checks server-final-message: only then has the server proved that it knows the secret too.
    pub(crate) fn verify(&mut self, server_final: &[u8]) -> Result<(), ScramError> {
        let expected = self.expected.take().ok_or(ScramError::Order)?;
        let signature = std::str::from_utf8(server_final)
            .ok()
            .and_then(|text| text.strip_prefix("v="))
            .and_then(|text| STANDARD.decode(text.split(',').next()?).ok())
            .ok_or(ScramError::Signature)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&signature, &expected)
            .map_err(|_| ScramError::Signature)
    }
}

struct ServerFirst<'a> {
    text: &'a str,
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    /// `r=…,s=…,i=…`, in this order; `m=` (a mandatory extension) and anything else first is refused.
    fn read(message: &'a [u8]) -> Result<Self, ScramError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(ScramError::Message);
        }
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Message)?;
        let mut parts = text.split(',');
        let mut part = |name: &str| {
            parts
                .next()
                .and_then(|p| p.strip_prefix(name))
                .ok_or(ScramError::Message)
        };
        let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| ScramError::Iterations)?;
        if iterations.get() > limits::SCRAM_ITERATIONS_MAX {
            return Err(ScramError::Iterations);
        }
        Ok(Self {
            text,
            nonce,
            salt: STANDARD.decode(salt).map_err(|_| ScramError::Message)?,
            iterations,
        })
    }
}

struct Keys {
    client: Key,
    server: Key,
}

impl Keys {
    fn derive(password: &Secret, salt: &[u8], iterations: NonZeroU32) -> Self {
        let prepared = prepare(password.expose());
        let mut salted: Key = Zeroizing::new([0; 32]);
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            salt,
            &prepared,
            &mut *salted,
        );
        Self {
            client: key(&sign(&*salted, b"Client Key")),
            server: key(&sign(&*salted, b"Server Key")),
        }
    }

    fn stored(&self) -> Key {
        let mut stored: Key = Zeroizing::new([0; 32]);
        stored.copy_from_slice(digest::digest(&digest::SHA256, &*self.client).as_ref());
        stored
    }
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn key(tag: &hmac::Tag) -> Key {
    let mut key: Key = Zeroizing::new([0; 32]);
    key.copy_from_slice(tag.as_ref());
    key
}

/// SASLprep (RFC 4013), or the bytes as they are where it does not apply: what PostgreSQL does.
fn prepare(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let prepared = std::str::from_utf8(password)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok());
    Zeroizing::new(match prepared {
        Some(text) => text.into_owned().into_bytes(),
        None => password.to_vec(),
    })
}

/// What PostgreSQL stores for a password (`SCRAM-SHA-256$…`, src/common/scram-common.c): sent in place of
/// the password, so that no log of the server ever holds one.
pub(crate) fn verifier(password: &Secret) -> Result<String, VaultError> {
    let mut salt = [0_u8; SALT_BYTES];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| VaultError::Random)?;
    let keys = Keys::derive(password, &salt, ITERATIONS);
    Ok(format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(*keys.stored()),
        STANDARD.encode(*keys.server),
    ))
}

#[cfg(test)]
mod tests;
