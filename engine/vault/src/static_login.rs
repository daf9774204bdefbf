//! A login that somebody else made: user and password, where the target cannot do better.
//!
//! It exists for targets on which the gateway may not create roles. It refuses to keep the password
//! between sessions, and a password so weak that matching it in output would confirm a guess, unless the
//! operator says that he knows.

use crate::error::VaultError;
use crate::login::{Accepts, Channel, Login};
use crate::secret::Secret;
use crate::secrets::Source;
use portcullis_gate::Credential;
use portcullis_stream::Tripwires;

/// What the operator said about weak secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    /// Refuse them.
    Refuse,
    /// Use them (`allow_weak`): they are then not matched in output.
    Allow,
}

/// A static login.
pub struct StaticLogin {
    user: String,
    password: Source,
    channel: Channel,
    weak: Weak,
    tripwires: Tripwires,
}

impl StaticLogin {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(
        user: &str,
        password: Source,
        channel: Channel,
        weak: Weak,
        tripwires: Tripwires,
    ) -> Self {
        Self {
            user: user.to_owned(),
            password,
            channel,
            weak,
            tripwires,
        }
    }

    /// A credential for one session. The password is read now, and wiped with the credential.
    ///
    /// # Errors
    /// When the secret cannot be read, or is weak and that is not allowed.
    pub async fn credential(&self) -> Result<Box<dyn Credential>, VaultError> {
        let password = self.password.read().await?;
        let armed = match (self.tripwires.arm(password.expose()), self.weak) {
            (Ok(armed), _) => Some(armed),
            (Err(_), Weak::Allow) => None,
            (Err(_), Weak::Refuse) => return Err(VaultError::Weak(self.password.to_string())),
        };
        Ok(Box::new(Login::new(
            self.user.clone(),
            Secret::new(password.expose().to_vec()),
            self.channel,
            Accepts::Any,
            armed,
        )))
    }

    /// For `check`: the estimated bits of the secret when it is too weak to be matched.
    ///
    /// # Errors
    /// When the secret cannot be read.
    pub async fn weak(&self) -> Result<Option<u32>, VaultError> {
        self.password.weak().await
    }
}
