//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as a server (RFC 5802, 7677; channel binding `tls-server-end-point`,
//! RFC 5929), without I/O. Who has no login gets the same challenges, made up from the name alone, and is
//! refused at the same place: names cannot be tried out. It refuses a client that was talked out of channel
//! binding (`y`), another authorisation identity, extensions, and proofs of any other exchange.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// The least that RFC 7677 asks for: a login's secret has 256 bits, and more would slow down nobody else.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("invariant: not zero");
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
/// A client's message; its nonce and binding are far smaller.
const MESSAGE_BYTES_MAX: usize = 1024;

/// With channel binding.
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";
/// Without.
pub const PLAIN: &str = "SCRAM-SHA-256";

type Key = Zeroizing<[u8; 32]>;

/// The exchange has failed. Why is nobody's business but the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// No randomness.
    #[error("draw a nonce")]
    Random,
    /// A message that is none, or has what is not accepted here.
    #[error("read the client's message")]
    Message,
    /// The channel is not the one the client thinks it is.
    #[error("match the channel that the client is bound to")]
    Binding,
    /// The proof does not fit.
    #[error("accept the proof")]
    Proof,
}

/// What is kept of a secret: enough to check a proof, not enough to make one.
pub(crate) struct Verifier {
    salt: [u8; SALT_BYTES],
    stored: Key,
    server: Key,
}

impl Verifier {
    /// Of a fresh secret.
    pub(crate) fn of(secret: &[u8]) -> Result<Self, Unproved> {
        let salt = random()?;
        let mut salted: Key = Zeroizing::new([0; 32]);
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, ITERATIONS, &salt, secret, &mut *salted);
        let client = key(sign(&*salted, b"Client Key").as_ref());
        Ok(Self {
            salt,
            stored: key(digest::digest(&digest::SHA256, &*client).as_ref()),
            server: key(sign(&*salted, b"Server Key").as_ref()),
        })
    }

    /// For a name that has none: the same salt each time, and keys that nothing proves.
    pub(crate) fn mock(pepper: &[u8; 32], name: &str) -> Self {
        let part = |what: &str| sign(pepper, format!("{what}\0{name}").as_bytes());
        let mut salt = [0; SALT_BYTES];
        for (to, from) in salt.iter_mut().zip(part("salt").as_ref()) {
            *to = *from;
        }
        Self {
            salt,
            stored: key(part("stored").as_ref()),
            server: key(part("server").as_ref()),
        }
    }
}

impl Clone for Verifier {
    fn clone(&self) -> Self {
        Self {
            salt: self.salt,
            stored: self.stored.clone(),
            server: self.server.clone(),
        }
    }
}

/// One exchange, after the client's first message.
pub(crate) struct Exchange {
    verifier: Verifier,
    /// What the client has to send as `c=`.
    channel: String,
    nonce: String,
    /// `client-first-message-bare "," server-first-message`.
    said: String,
}

impl Exchange {
    /// Takes client-first-message, and makes server-first-message. `binding` is the channel's own, where
    /// binding was offered.
    pub(crate) fn begin(
        verifier: Verifier,
        mechanism: &str,
        message: &[u8],
        binding: Option<&[u8]>,
    ) -> Result<(Self, Vec<u8>), Unproved> {
        let text = readable(message)?;
        let (flag, rest) = text.split_once(',').ok_or(Unproved::Message)?;
        let channel = match (flag, mechanism, binding) {
            ("p=tls-server-end-point", PLUS, Some(data)) => {
                [b"p=tls-server-end-point,,".as_slice(), data].concat()
            }
            // It could have been bound, and somebody on the way has told it otherwise.
            ("y", PLAIN, Some(_)) => return Err(Unproved::Binding),
            ("n", PLAIN, _) => b"n,,".to_vec(),
            ("y", PLAIN, None) => b"y,,".to_vec(),
            _ => return Err(Unproved::Message),
        };
        // No authorisation identity: what somebody may do is policy's answer.
        let bare = rest.strip_prefix(',').ok_or(Unproved::Message)?;
        let mut parts = bare.split(',');
        let name = parts.next().and_then(|part| part.strip_prefix("n="));
        let theirs = parts.next().and_then(|part| part.strip_prefix("r="));
        let (Some(_), Some(theirs), None) = (name, theirs, parts.next()) else {
            return Err(Unproved::Message);
        };
        let graphic = |b: u8| matches!(b, 0x21..=0x2b | 0x2d..=0x7e);
        if theirs.len() < 16 || !theirs.bytes().all(graphic) {
            return Err(Unproved::Message);
        }
        let ours: [u8; NONCE_BYTES] = random()?;
        let nonce = format!("{theirs}{}", STANDARD.encode(ours));
        let salt = STANDARD.encode(verifier.salt);
        let first = format!("r={nonce},s={salt},i={ITERATIONS}");
        let exchange = Self {
            said: format!("{bare},{first}"),
            channel: STANDARD.encode(channel),
            verifier,
            nonce,
        };
        Ok((exchange, first.into_bytes()))
    }

    /// Takes client-final-message, and makes server-final-message: the client has proved that it knows the
    /// secret, on this channel, in this exchange.
    pub(crate) fn finish(self, message: &[u8]) -> Result<Vec<u8>, Unproved> {
        let text = readable(message)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Unproved::Message)?;
        let mut parts = without_proof.split(',');
        let channel = parts.next().and_then(|part| part.strip_prefix("c="));
        let nonce = parts.next().and_then(|part| part.strip_prefix("r="));
        let (Some(channel), Some(nonce), None) = (channel, nonce, parts.next()) else {
            return Err(Unproved::Message);
        };
        equal(channel, &self.channel).map_err(|()| Unproved::Binding)?;
        equal(nonce, &self.nonce).map_err(|()| Unproved::Proof)?;
        let proof = STANDARD.decode(proof).map_err(|_| Unproved::Message)?;
        let proof = <[u8; 32]>::try_from(proof).map_err(|_| Unproved::Message)?;
        let signed = format!("{},{without_proof}", self.said);
        let signature = sign(&*self.verifier.stored, signed.as_bytes());
        let mut client: Key = Zeroizing::new([0; 32]);
        for ((to, a), b) in client.iter_mut().zip(proof).zip(signature.as_ref()) {
            *to = a ^ b;
        }
        let stored = digest::digest(&digest::SHA256, &*client);
        verify_slices_are_equal(stored.as_ref(), &*self.verifier.stored)
            .map_err(|_| Unproved::Proof)?;
        let answer = sign(&*self.verifier.server, signed.as_bytes());
        Ok(format!("v={}", STANDARD.encode(answer)).into_bytes())
    }
}

fn readable(message: &[u8]) -> Result<&str, Unproved> {
    match message.len() <= MESSAGE_BYTES_MAX {
        true => std::str::from_utf8(message).map_err(|_| Unproved::Message),
        false => Err(Unproved::Message),
    }
}

fn equal(a: &str, b: &str) -> Result<(), ()> {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).map_err(|_| ())
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn key(bytes: &[u8]) -> Key {
    let mut key: Key = Zeroizing::new([0; 32]);
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = *from;
    }
    key
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Unproved> {
    let mut bytes = [0; N];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map(|()| bytes).map_err(|_| Unproved::Random)
}

#[cfg(test)]
pub(crate) mod tests;
