//! A secret, and a reference to one.
//!
//! It exists so that configuration holds names, never values, and a value lives as shortly as can be. It
//! refuses to be printed, compared or cloned.

use crate::error::VaultError;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::limits;
use portcullis_stream::strength;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;
use zeroize::Zeroizing;

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
        let mut bytes = Zeroizing::new([0_u8; MINTED_BYTES]);
        SystemRandom::new()
            .fill(&mut *bytes)
            .map_err(|_| VaultError::Random)?;
        Ok(Self::new(URL_SAFE_NO_PAD.encode(*bytes).into_bytes()))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Where a secret is: `env:NAME` or `file:/path`. Safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; a final newline is not part of the secret.
    File(PathBuf),
}

impl FromStr for SecretRef {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path.into())),
            _ => Err(VaultError::Reference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl SecretRef {
    /// The gateway's own secret as a client of a login provider, read now. It is the one kind that leaves this
    /// crate: it opens no target.
    ///
    /// # Errors
    /// As [`SecretRef::resolve`], and when it is no text.
    pub fn client_secret(&self) -> Result<Zeroizing<String>, VaultError> {
        let secret = self.resolve()?;
        let text = std::str::from_utf8(secret.expose());
        text.map(|text| Zeroizing::new(text.to_owned()))
            .map_err(|_| VaultError::Secret(self.to_string()))
    }

    /// Reads the secret, now: a rotated file is seen by the next session.
    ///
    /// # Errors
    /// [`VaultError::Secret`] when it is not there, empty, or longer than [`limits::SECRET_BYTES_MAX`].
    pub fn resolve(&self) -> Result<Secret, VaultError> {
        let failed = || VaultError::Secret(self.to_string());
        let secret = match self {
            Self::Env(name) => {
                use std::os::unix::ffi::OsStringExt as _;
                let value = std::env::var_os(name).ok_or_else(failed)?;
                Secret::new(value.into_vec())
            }
            Self::File(path) => {
                if let Some(warning) = self.exposed() {
                    tracing::warn!(secret = %self, "{warning}");
                }
                let file = std::fs::File::open(path).map_err(|_| failed())?;
                // Sized up front: a buffer that grows leaves copies behind.
                let mut bytes = Zeroizing::new(Vec::with_capacity(limits::SECRET_BYTES_MAX + 2));
                file.take(limits::SECRET_BYTES_MAX as u64 + 2)
                    .read_to_end(&mut bytes)
                    .map_err(|_| failed())?;
                let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                Secret::new(line.to_vec())
            }
        };
        let length = secret.expose().len();
        match (1..=limits::SECRET_BYTES_MAX).contains(&length) {
            true => Ok(secret),
            false => Err(failed()),
        }
    }

    /// For `check`: the estimated bits of the secret when it is too weak to be matched in output.
    ///
    /// # Errors
    /// [`VaultError::Secret`] when it cannot be read.
    pub fn weak(&self) -> Result<Option<u32>, VaultError> {
        let bits = strength(self.resolve()?.expose());
        Ok((bits < limits::TRIPWIRE_BITS_MIN).then_some(bits))
    }

    /// What is wrong with how it is kept, if anything: for `check`.
    #[must_use]
    pub fn exposed(&self) -> Option<&'static str> {
        use std::os::unix::fs::PermissionsExt as _;
        let Self::File(path) = self else {
            return None;
        };
        let mode = std::fs::metadata(path).ok()?.permissions().mode();
        (mode & 0o077 != 0).then_some("the secret's file can be read by others; use mode 0600")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back_and_anything_else_is_refused() {
        for good in ["env:PGPASSWORD", "file:/run/secrets/pg"] {
            assert_eq!(good.parse::<SecretRef>().unwrap().to_string(), good);
        }
        for bad in ["", "env:", "file:relative", "hunter2", "vault:secret"] {
            assert!(bad.parse::<SecretRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_is_read_without_its_newline_and_told_when_it_is_exposed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "k3y with space \r\n").unwrap();
        let reference = SecretRef::File(path.clone());
        assert_eq!(
            reference.resolve().ok().unwrap().expose(),
            b"k3y with space "
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(reference.exposed().is_some());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(reference.exposed().is_none());
        std::fs::write(&path, "\n").unwrap();
        assert!(reference.resolve().is_err());
    }
}
