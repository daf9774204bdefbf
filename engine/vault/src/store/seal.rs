//! Sealing: two keys derived from the store's key and salt (HKDF-SHA256), AES-256-GCM-SIV with random nonces. Nonces
//! that repeat would show that two values are the same, and no more.

use super::StoreError;
use crate::secret::{Secret, decoded, random};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::limits;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A sealed text: nonce and ciphertext with its tag, in base64.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Sealed(String);

impl Sealed {
    pub(super) fn nothing() -> Self {
        Self(String::new())
    }

    pub(super) fn digest(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, self.0.as_bytes()))
    }
}

/// The keys of one store.
pub(super) struct Keys {
    entries: LessSafeKey,
    manifest: LessSafeKey,
    salt: String,
}

impl Keys {
    pub(super) fn derive(key: &Secret, salt: &str) -> Result<Self, StoreError> {
        let key = decoded(key.expose()).ok_or(StoreError::Key)?;
        let lengths = limits::TENANT_KEY_BYTES_MIN..=limits::TENANT_KEY_BYTES_MAX;
        if !lengths.contains(&key.len()) {
            return Err(StoreError::Key);
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, salt.as_bytes()).extract(&key);
        let derive = |purpose: &'static [u8]| {
            let mut bytes = Zeroizing::new([0_u8; 32]);
            root.expand(&[b"portcullis/store/v1/", purpose], &AES_256_GCM_SIV)
                .and_then(|okm| okm.fill(&mut *bytes))
                .and_then(|()| UnboundKey::new(&AES_256_GCM_SIV, &*bytes))
                .map(LessSafeKey::new)
                .map_err(|_| StoreError::Key)
        };
        Ok(Self {
            entries: derive(b"entries")?,
            manifest: derive(b"manifest")?,
            salt: salt.to_owned(),
        })
    }

    pub(super) fn seal(
        &self,
        name: &str,
        revision: u64,
        value: &Secret,
    ) -> Result<Sealed, StoreError> {
        seal(&self.entries, self.bound(name, revision), value.expose())
    }

    pub(super) fn open(
        &self,
        name: &str,
        revision: u64,
        sealed: &Sealed,
    ) -> Result<Secret, StoreError> {
        open(&self.entries, self.bound(name, revision), sealed)
    }

    pub(super) fn seal_manifest(&self, manifest: &[u8]) -> Result<Sealed, StoreError> {
        seal(&self.manifest, self.bound("", 0), manifest)
    }

    pub(super) fn open_manifest(&self, sealed: &Sealed) -> Result<Secret, StoreError> {
        open(&self.manifest, self.bound("", 0), sealed)
    }

    /// What a sealed text is bound to, each part with its length.
    fn bound(&self, name: &str, revision: u64) -> Vec<u8> {
        let mut bound = b"portcullis/store/v1".to_vec();
        for part in [
            self.salt.as_bytes(),
            name.as_bytes(),
            &revision.to_be_bytes(),
        ] {
            bound.extend((part.len() as u64).to_be_bytes());
            bound.extend(part);
        }
        bound
    }
}

fn seal(key: &LessSafeKey, bound: Vec<u8>, text: &[u8]) -> Result<Sealed, StoreError> {
    let nonce = random::<NONCE_LEN>().map_err(|_| StoreError::Random)?;
    // Room for the tag: a buffer that grows leaves copies behind.
    let mut sealed = Vec::with_capacity(text.len() + AES_256_GCM_SIV.tag_len());
    sealed.extend_from_slice(text);
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(*nonce),
        Aad::from(bound),
        &mut sealed,
    )
    .map_err(|_| StoreError::Sealed)?;
    let mut out = nonce.to_vec();
    out.extend(sealed);
    Ok(Sealed(STANDARD.encode(out)))
}

fn open(key: &LessSafeKey, bound: Vec<u8>, sealed: &Sealed) -> Result<Secret, StoreError> {
    let bytes = STANDARD.decode(&sealed.0).map_err(|_| StoreError::Form)?;
    let mut bytes = Zeroizing::new(bytes);
    let (nonce, text) = bytes
        .split_at_mut_checked(NONCE_LEN)
        .ok_or(StoreError::Form)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| StoreError::Form)?;
    let opened = key
        .open_in_place(nonce, Aad::from(bound), text)
        .map_err(|_| StoreError::Sealed)?;
    Ok(Secret::new(opened.to_vec()))
}
