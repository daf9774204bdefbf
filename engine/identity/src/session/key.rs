//! The key that session tokens are signed with: Ed25519, in a file of the state folder that only the gateway
//! may read. It refuses a file that others can read, and never shows its private half.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A PKCS#8 document of an Ed25519 key has 83 bytes.
const KEY_BYTES_MAX: u64 = 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error("keep the key of session tokens in {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("use the key in {}: others may read it; chmod 600 it, or delete it for a new one", .0.display())]
    Open(PathBuf),
    /// It is no key.
    #[error(
        "use the key of session tokens: it is no Ed25519 key in PKCS#8; delete it for a new one"
    )]
    Unusable,
}

/// The key.
pub struct SessionKey {
    pair: Ed25519KeyPair,
    id: String,
}

impl SessionKey {
    /// The key in this file; a new one when there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let file = match OpenOptions::new().read(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::create(path),
            Err(error) => return Err(failed(error)),
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Open(path.to_owned()));
        }
        let mut document = Zeroizing::new(Vec::with_capacity(128));
        file.take(KEY_BYTES_MAX)
            .read_to_end(&mut document)
            .map_err(failed)?;
        Self::read(&document)
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Unusable)?;
        // Made beside and linked: of two that start at once, one key wins.
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .map_err(failed)?;
        file.write_all(document.as_ref()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let linked = std::fs::hard_link(&beside, path);
        std::fs::remove_file(&beside).map_err(failed)?;
        match linked {
            Ok(()) => Self::read(document.as_ref()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            Err(error) => Err(failed(error)),
        }
    }

    fn read(document: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| KeyError::Unusable)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        // RFC 7638 section 3.2, RFC 8037 appendix A.3.
        let named = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, named.as_bytes()));
        Ok(Self { pair, id })
    }

    /// `kid`: the key's thumbprint.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Its public half (RFC 8032).
    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(super) fn jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref()),
        })
    }
}
