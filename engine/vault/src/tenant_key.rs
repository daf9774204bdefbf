//! The key that tokens and hashes are made with that are the same in all sessions of a tenant. It is written as text,
//! so that an environment variable can hold it, and matched in all output like every other secret of the gateway.
//!
//! It refuses what is no key: a passphrase that somebody made up has not the bits that it looks like.

use crate::error::VaultError;
use crate::secret::decoded;
use crate::secrets::Source;
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

/// Reads a key, and has it matched in output as long as the guard is kept.
///
/// # Errors
/// [`VaultError::Secret`] when it cannot be read, [`VaultError::Key`] when it is not at least 256 bits in hexadecimal
/// digits or base64.
pub async fn tenant_key(
    source: &Source,
    tripwires: &Tripwires,
) -> Result<(TenantKeyBytes, Armed), VaultError> {
    let secret = source.read().await?;
    let no_key = || VaultError::Key(source.to_string());
    let bytes = decoded(secret.expose()).ok_or_else(no_key)?;
    let bytes = TenantKeyBytes(bytes);
    let lengths = limits::TENANT_KEY_BYTES_MIN..=limits::TENANT_KEY_BYTES_MAX;
    if !lengths.contains(&bytes.0.len()) {
        return Err(no_key());
    }
    let armed = tripwires.arm(secret.expose()).map_err(|_| no_key())?;
    Ok((bytes, armed))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, text).unwrap();
        match tenant_key(&Source::of_file(&path), &Tripwires::new()).await {
            Ok((bytes, _)) => Ok(bytes.as_ref().to_vec()),
            Err(error) => Err(error.to_string()),
        }
    }

    const HEX: &str = "a3f1c2d4e5968778695a4b3c2d1e0ff00f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[tokio::test]
    async fn a_key_is_read_in_hexadecimal_digits_and_base64() {
        let bytes = read(&format!("{HEX}\n")).await.unwrap();
        assert_eq!((bytes.len(), bytes[0], bytes[31]), (32, 0xa3, 0xf0));
        assert_eq!(read(&HEX.to_uppercase()).await.unwrap(), bytes);
        for text in [
            "o/HC1OWWh3hpWks8LR4P8A8eLTxLWml4h5altMPS4fA=",
            "o/HC1OWWh3hpWks8LR4P8A8eLTxLWml4h5altMPS4fA",
            "o_HC1OWWh3hpWks8LR4P8A8eLTxLWml4h5altMPS4fA=",
        ] {
            assert_eq!(read(text).await.unwrap(), bytes, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_no_key_is_refused_and_not_repeated() {
        for text in [
            "",
            "correct horse battery staple and some more words",
            &HEX[..62],
            &HEX[..63],
            "c2hvcnQ=",
            &HEX.repeat(40),
        ] {
            let error = read(text).await.expect_err(text);
            assert!(text.len() < 8 || !error.contains(&text[..8]), "{error}");
        }
    }

    #[tokio::test]
    async fn a_key_is_matched_in_output_as_long_as_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, HEX).unwrap();
        let tripwires = Tripwires::new();
        let (_, armed) = tenant_key(&Source::of_file(&path), &tripwires)
            .await
            .ok()
            .unwrap();
        let output = format!("key={HEX};");
        let hits = portcullis_gate::Tripwire::hits(&tripwires, output.as_bytes());
        assert_eq!(hits, [(4, 68)]);
        drop(armed);
        assert!(portcullis_gate::Tripwire::hits(&tripwires, output.as_bytes()).is_empty());
    }
}
