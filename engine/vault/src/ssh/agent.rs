//! An authority whose key is in an ssh-agent (draft-ietf-sshm-ssh-agent, sections 4.5 and 5.1): a hardware token, or a
//! process of another user. What is to be signed goes there; the key never comes here.

use crate::error::VaultError;
use ssh_key::encoding::{Decode as _, Encode as _};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, PublicKey, Signature};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// RSA keys sign with SHA-512, never with SHA-1.
const RSA_SHA2_512: u32 = 4;
/// Whoever has to touch a token needs a moment.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// An agent's socket, and which of its keys is the authority.
#[derive(Clone, Debug)]
pub struct Agent {
    socket: PathBuf,
    key: PublicKey,
}

impl Agent {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the key is not as in a `.pub` file.
    pub fn new(socket: PathBuf, public_key: &str) -> Result<Self, VaultError> {
        let key = PublicKey::from_openssh(public_key.trim());
        let key =
            key.map_err(|_| VaultError::Agent("the public key is not as in a `.pub` file"))?;
        Ok(Self { socket, key })
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.key
    }

    fn ask(&self, data: &[u8]) -> Result<Signature, VaultError> {
        let broken = |what: &'static str| move |_| VaultError::Agent(what);
        let mut blob = Vec::new();
        let encoded = self.key.key_data().encode(&mut blob);
        encoded.map_err(|_| VaultError::Sign)?;
        let flags = match self.key.algorithm() {
            Algorithm::Rsa { .. } => RSA_SHA2_512,
            _ => 0,
        };
        let mut request = vec![SIGN_REQUEST];
        for part in [blob.as_slice(), data] {
            let length = u32::try_from(part.len()).map_err(|_| VaultError::Sign)?;
            request.extend(length.to_be_bytes());
            request.extend(part);
        }
        request.extend(flags.to_be_bytes());
        let mut socket = UnixStream::connect(&self.socket)
            .map_err(|_| VaultError::Agent("nobody listens at its socket"))?;
        let silent = broken("it does not answer");
        socket.set_read_timeout(Some(ANSWER_MAX)).map_err(silent)?;
        socket.set_write_timeout(Some(ANSWER_MAX)).map_err(silent)?;
        let length = u32::try_from(request.len()).map_err(|_| VaultError::Sign)?;
        socket.write_all(&length.to_be_bytes()).map_err(silent)?;
        socket.write_all(&request).map_err(silent)?;
        let mut length = [0_u8; 4];
        socket.read_exact(&mut length).map_err(silent)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            return Err(VaultError::Agent("its answer is too long"));
        }
        let mut answer = vec![0_u8; length];
        socket.read_exact(&mut answer).map_err(silent)?;
        let Some((&SIGN_RESPONSE, rest)) = answer.split_first() else {
            return Err(VaultError::Agent(
                "it does not have the key, or may not use it",
            ));
        };
        let nonsense = || VaultError::Agent("its answer is no signature");
        let signature = rest.get(4..).ok_or_else(nonsense)?;
        Signature::decode(&mut &*signature).map_err(|_| nonsense())
    }
}

impl signature::Signer<Signature> for Agent {
    fn try_sign(&self, data: &[u8]) -> Result<Signature, signature::Error> {
        let signature = self.ask(data).map_err(signature::Error::from_source)?;
        match signature.algorithm() {
            // SHA-1: an agent that knows no other is of no use.
            Algorithm::Rsa { hash: None } => Err(signature::Error::new()),
            _ => Ok(signature),
        }
    }
}

impl From<&Agent> for KeyData {
    fn from(agent: &Agent) -> Self {
        agent.key.key_data().clone()
    }
}
