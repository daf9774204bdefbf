//! The key that tokens and hashes are made with that are the same in all sessions of a tenant. It is written as text,
//! so that an environment variable can hold it, and matched in all output like every other secret of the gateway.
//!
//! It refuses what is no key: a passphrase that somebody made up has not the bits that it looks like.

use crate::error::VaultError;
use crate::secret::SecretRef;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portcullis_model::limits;
use portcullis_stream::{Armed, Tripwires};
use zeroize::Zeroizing;

/// Bytes of a key, wiped when dropped.
pub struct TenantKeyBytes(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for TenantKeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads a key, and has it matched in output as long as the guard is kept.
///
/// # Errors
/// [`VaultError::Secret`] when it cannot be read, [`VaultError::Key`] when it is not at least 256 bits in hexadecimal
/// digits or base64.
pub fn tenant_key(
    reference: &SecretRef,
    tripwires: &Tripwires,
) -> Result<(TenantKeyBytes, Armed), VaultError> {
    let secret = reference.resolve()?;
    let no_key = || VaultError::Key(reference.to_string());
    let bytes = decoded(secret.expose()).ok_or_else(no_key)?;
    let lengths = limits::TENANT_KEY_BYTES_MIN..=limits::TENANT_KEY_BYTES_MAX;
    if !lengths.contains(&bytes.0.len()) {
        return Err(no_key());
    }
    let armed = tripwires.arm(secret.expose()).map_err(|_| no_key())?;
    Ok((bytes, armed))
}

fn decoded(text: &[u8]) -> Option<TenantKeyBytes> {
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
    Some(TenantKeyBytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, text).unwrap();
        match tenant_key(&SecretRef::File(path), &Tripwires::new()) {
            Ok((bytes, _)) => Ok(bytes.as_ref().to_vec()),
            Err(error) => Err(error.to_string()),
        }
    }

    const HEX: &str = "a3f1c2d4e5968778695a4b3c2d1e0ff00f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn a_key_is_read_in_hexadecimal_digits_and_base64() {
        let bytes = read(&format!("{HEX}\n")).unwrap();
        assert_eq!((bytes.len(), bytes[0], bytes[31]), (32, 0xa3, 0xf0));
        assert_eq!(read(&HEX.to_uppercase()).unwrap(), bytes);
        for text in [
            "o/HC1OWWh3hpWks8LR4P8A8eLTxLWml4h5altMPS4fA=",
            "o/HC1OWWh3hpWks8LR4P8A8eLTxLWml4h5altMPS4fA",
            "o_HC1OWWh3hpWks8LR4P8A8eLTxLWml4h5altMPS4fA=",
        ] {
            assert_eq!(read(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for text in [
            "",
            "correct horse battery staple and some more words",
            &HEX[..62],
            &HEX[..63],
            "c2hvcnQ=",
            &HEX.repeat(40),
        ] {
            let error = read(text).expect_err(text);
            assert!(text.len() < 8 || !error.contains(&text[..8]), "{error}");
        }
    }

    #[test]
    fn a_key_is_matched_in_output_as_long_as_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, HEX).unwrap();
        let tripwires = Tripwires::new();
        let (_, armed) = tenant_key(&SecretRef::File(path), &tripwires).ok().unwrap();
        let output = format!("key={HEX};");
        let hits = portcullis_gate::Tripwire::hits(&tripwires, output.as_bytes());
        assert_eq!(hits, [(4, 68)]);
        drop(armed);
        assert!(portcullis_gate::Tripwire::hits(&tripwires, output.as_bytes()).is_empty());
    }
}
