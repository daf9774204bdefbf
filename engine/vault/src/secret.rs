//! A secret: bytes with one home.
//!
//! It exists so that a value lives as shortly as can be. It refuses to be printed, compared or cloned.

use crate::error::VaultError;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portcullis_model::limits;
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

/// Random bytes in a minted secret.
const MINTED_BYTES: usize = 32;

/// Bytes that are wiped when dropped.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// 256 random bits as 43 letters, digits, `-` and `_`.
    pub(crate) fn random() -> Result<Self, VaultError> {
        let bytes = random::<MINTED_BYTES>()?;
        Ok(Self::new(URL_SAFE_NO_PAD.encode(*bytes).into_bytes()))
    }

    /// One of a length that a secret may have, or nothing.
    pub(crate) fn bounded(bytes: &[u8]) -> Option<Self> {
        (1..=limits::SECRET_BYTES_MAX)
            .contains(&bytes.len())
            .then(|| Self::new(bytes.to_vec()))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// As text, if it is some.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    SystemRandom::new()
        .fill(&mut *bytes)
        .map_err(|_| VaultError::Random)?;
    Ok(bytes)
}

/// A JSON document whose texts are wiped when it is dropped.
pub(crate) struct Wiped(pub(crate) Value);

impl Wiped {
    /// Reads it and wipes what it was read from.
    pub(crate) fn read(text: Vec<u8>) -> Option<Self> {
        let text = Zeroizing::new(text);
        serde_json::from_slice(&text).ok().map(Self)
    }

    /// A text member, by a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.0.pointer(pointer).and_then(Value::as_str)
    }

    /// A member of the object at a pointer, as a secret.
    pub(crate) fn secret(&self, pointer: &str, member: &str) -> Option<Secret> {
        let object = self.0.pointer(pointer)?.as_object()?;
        match object.get(member)? {
            Value::String(text) => Secret::bounded(text.as_bytes()),
            Value::Number(number) => Secret::bounded(number.to_string().as_bytes()),
            _ => None,
        }
    }

    /// A number of seconds.
    pub(crate) fn seconds(&self, pointer: &str) -> Option<u64> {
        self.0.pointer(pointer).and_then(Value::as_u64)
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The bytes of a key that is written as hexadecimal digits or in base64.
pub(crate) fn decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // Sized up front: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let hexadecimal = text.iter().all(u8::is_ascii_hexdigit);
    let length = match hexadecimal {
        true => {
            let nibble = |b: u8| {
                char::from(b)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            if !text.len().is_multiple_of(2) {
                return None;
            }
            for (to, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
                let [high, low] = pair else { return None };
                *to = nibble(*high)? << 4 | nibble(*low)?;
            }
            text.len() / 2
        }
        false => STANDARD
            .decode_slice(text, &mut bytes)
            .or_else(|_| URL_SAFE.decode_slice(text, &mut bytes))
            .ok()?,
    };
    bytes.truncate(length);
    Some(bytes)
}
