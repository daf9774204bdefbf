//! Logins that somebody else made: a private key or a password by reference. They are read for every session anew, so
//! that a rotated file is seen, and refused where they cannot be read.

use super::{KeyFile, Loaded, authority, read_key};
use crate::error::VaultError;
use crate::secrets::{Held, Source};
use crate::static_login::Weak;
use portcullis_gate::{BoxFuture, SshKey, SshOffer};
use portcullis_model::Fault;
use portcullis_stream::{Armed, Tripwires};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A private key by reference.
pub struct FixedKey {
    key: KeyFile,
    tripwires: Tripwires,
}

impl FixedKey {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(key: KeyFile, tripwires: Tripwires) -> Self {
        Self { key, tripwires }
    }

    /// A credential for one session.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub async fn credential(&self) -> Result<Arc<dyn SshKey>, VaultError> {
        let loaded = read_key(&self.key, &self.tripwires).await?;
        let public = loaded.key.public_key().to_openssh();
        let public = public.map_err(|_| VaultError::SshKey(self.key.key.to_string()))?;
        Ok(Arc::new(Key { loaded, public }))
    }
}

struct Key {
    loaded: Loaded,
    public: String,
}

impl SshKey for Key {
    fn offer<'a>(&'a self) -> BoxFuture<'a, Result<SshOffer, Fault>> {
        Box::pin(async { Ok(SshOffer::Key(self.public.clone())) })
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(authority::sign(&self.loaded.key, data)?)
    }
}

/// A password by reference.
pub struct FixedPassword {
    password: Source,
    weak: Weak,
    tripwires: Tripwires,
}

impl FixedPassword {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(password: Source, weak: Weak, tripwires: Tripwires) -> Self {
        Self {
            password,
            weak,
            tripwires,
        }
    }

    /// A credential for one session.
    ///
    /// # Errors
    /// When the secret cannot be read, or is weak and that is not allowed.
    pub async fn credential(&self) -> Result<Arc<dyn SshKey>, VaultError> {
        let password = self.password.read().await?;
        let armed = match (self.tripwires.arm(password.expose()), self.weak) {
            (Ok(armed), _) => Some(armed),
            (Err(_), Weak::Allow) => None,
            (Err(_), Weak::Refuse) => return Err(VaultError::Weak(self.password.to_string())),
        };
        Ok(Arc::new(Password {
            password,
            _armed: armed,
        }))
    }
}

struct Password {
    password: Held,
    _armed: Option<Armed>,
}

impl SshKey for Password {
    fn offer<'a>(&'a self) -> BoxFuture<'a, Result<SshOffer, Fault>> {
        Box::pin(async {
            let text = std::str::from_utf8(self.password.expose())
                .map_err(|_| VaultError::Secret("of an SSH login".to_owned()))?;
            Ok(SshOffer::Password(Box::new(Zeroizing::new(
                text.to_owned(),
            ))))
        })
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Fault> {
        Err(VaultError::Sign.into())
    }
}
