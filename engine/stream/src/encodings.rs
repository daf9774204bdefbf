//! The forms in which a secret may stand in output: as it is, base64 in each alignment and both alphabets,
//! hexadecimal, percent-encoded, JSON-escaped.
//!
//! It exists so that `SELECT encode(…)`, a basic-auth header or a URL does not carry a secret past the
//! matcher. It refuses to guess at ciphers, compression or text broken over lines: those are named in the
//! threat model.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use std::ops::Deref;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// One form of a secret, wiped on drop.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Needle(Vec<u8>);

impl Deref for Needle {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

const UNPADDED: GeneralPurposeConfig = GeneralPurposeConfig::new().with_encode_padding(false);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, UNPADDED);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, UNPADDED);

impl From<&[u8]> for Needle {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// Every form of `secret`, without repetitions.
pub(crate) fn needles(secret: &[u8]) -> Vec<Needle> {
    let mut all: Vec<Needle> = vec![Needle(secret.to_vec())];
    for offset in 0..3 {
        all.push(base64_at(secret, offset, &STANDARD));
        all.push(base64_at(secret, offset, &URL_SAFE));
    }
    let lower = hex::encode(secret).into_bytes();
    all.push(Needle(lower.to_ascii_uppercase()));
    all.push(Needle(lower));
    all.push(percent(secret, "0123456789ABCDEF", |b| {
        b.is_ascii_alphanumeric() || b"-._~".contains(&b)
    }));
    all.push(percent(secret, "0123456789abcdef", |b| {
        b.is_ascii_alphanumeric() || b"-._~".contains(&b)
    }));
    // encodeURI and many a form encoder leave these alone.
    all.push(percent(secret, "0123456789ABCDEF", |b| {
        b.is_ascii_alphanumeric() || b"-._~!*'()".contains(&b)
    }));
    if let Some(escaped) = json(secret) {
        all.push(escaped);
    }
    all.sort();
    all.dedup();
    all
}

/// The characters of base64 that depend on the secret alone when `offset` bytes stand before it in its
/// group of three, whatever stands around it.
fn base64_at(secret: &[u8], offset: usize, engine: &GeneralPurpose) -> Needle {
    let mut padded = Zeroizing::new(vec![0_u8; offset]);
    padded.reserve_exact(secret.len());
    padded.extend_from_slice(secret);
    let encoded = Zeroizing::new(engine.encode(&*padded).into_bytes());
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    Needle(encoded.get(first..last).unwrap_or_default().to_vec())
}

fn percent(secret: &[u8], digits: &str, plain: impl Fn(u8) -> bool) -> Needle {
    let digits = digits.as_bytes();
    let digit = |n: u8| digits.get(usize::from(n)).copied().unwrap_or(b'0');
    let mut out = Vec::with_capacity(secret.len() * 3);
    for &byte in secret {
        match plain(byte) {
            true => out.push(byte),
            false => out.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    Needle(out)
}

/// The secret inside a JSON string, where that looks different.
fn json(secret: &[u8]) -> Option<Needle> {
    if !secret
        .iter()
        .any(|b| matches!(b, b'"' | b'\\' | b'/' | 0..=0x1f))
    {
        return None;
    }
    let mut out = Vec::with_capacity(secret.len() * 2);
    for &byte in secret {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\t' => out.extend(b"\\t"),
            _ => out.push(byte),
        }
    }
    Some(Needle(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_whatever_stands_before_and_after() {
        let secret = b"K7vQ9wZ2xR4tB8nM3p";
        let forms = needles(secret);
        for before in 0..7 {
            for after in 0..7 {
                let mut text = vec![b'x'; before];
                text.extend_from_slice(secret);
                text.extend(std::iter::repeat_n(b'y', after));
                for engine in [STANDARD, URL_SAFE] {
                    let encoded = engine.encode(&text).into_bytes();
                    assert!(
                        forms
                            .iter()
                            .any(|f| encoded.windows(f.len()).any(|w| w == &**f)),
                        "{before} before, {after} after"
                    );
                }
            }
        }
    }

    #[test]
    fn each_form_appears_once() {
        let forms = needles(b"K7vQ9wZ2xR4tB8nM3p");
        let unique: std::collections::HashSet<&[u8]> = forms.iter().map(|f| &**f).collect();
        assert_eq!(forms.len(), unique.len());
        assert!(forms.iter().all(|f| f.len() >= 18));
    }
}
