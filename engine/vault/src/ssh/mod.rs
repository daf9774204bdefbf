//! Logging in to SSH servers: a certificate of minutes for every session, or a key or password by reference where the
//! host trusts no authority; and knowing that the server is the right one.
//!
//! It refuses to hand a private key out: whoever speaks the protocol brings what is to be signed.

mod agent;
mod authority;
mod fixed;
mod host_key;
mod hosts;
mod lines;

pub use agent::Agent;
#[cfg(test)]
pub(crate) use authority::fresh;
pub use authority::{Authority, Bearing, CertificateRequest, Signer};
pub use fixed::{FixedKey, FixedPassword};
pub use host_key::host_key;
pub use hosts::{KnownHosts, KnownHostsError, Trust};

use crate::error::VaultError;
use crate::secrets::Source;
use portcullis_stream::{Armed, Tripwires};
use ssh_key::encoding::Encode as _;
use ssh_key::{PrivateKey, Signature};

/// A private key in OpenSSH's own form, and what opens it where it has a passphrase.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The key.
    pub key: Source,
    /// Its passphrase.
    pub passphrase: Option<Source>,
}

/// Reads a private key.
async fn read_key(file: &KeyFile, tripwires: &Tripwires) -> Result<Loaded, VaultError> {
    let secret = file.key.read().await?;
    let failed = || VaultError::SshKey(file.key.to_string());
    let key = PrivateKey::from_openssh(secret.expose()).map_err(|_| failed())?;
    let armed = armed(secret.expose(), tripwires);
    let key = match (&file.passphrase, key.is_encrypted()) {
        (None, false) => key,
        (None, true) | (Some(_), false) => return Err(failed()),
        (Some(passphrase), true) => {
            let passphrase = passphrase.read().await?;
            // Deriving the key takes a good part of a second on purpose.
            let opened =
                tokio::task::spawn_blocking(move || key.decrypt(passphrase.expose())).await;
            let wrong = || VaultError::Passphrase(file.key.to_string());
            opened.ok().and_then(Result::ok).ok_or_else(wrong)?
        }
    };
    Ok(Loaded { key, _armed: armed })
}

/// A key, matched in all output for as long as it lives.
struct Loaded {
    key: PrivateKey,
    _armed: Vec<Armed>,
}

/// The lines of a key's file that hold its secret part: in a terminal the line breaks are others. The first lines are
/// the same in many keys.
fn armed(secret: &[u8], tripwires: &Tripwires) -> Vec<Armed> {
    const SAME_LINES: usize = 3;
    const LINE_BYTES_MIN: usize = 40;
    secret
        .split(|b| *b == b'\n')
        .skip(SAME_LINES)
        .filter(|line| line.len() >= LINE_BYTES_MIN)
        .filter_map(|line| tripwires.arm(line.trim_ascii()).ok())
        .collect()
}

/// The signature as SSH carries it: algorithm and value.
fn blob(signature: &Signature) -> Result<Vec<u8>, VaultError> {
    signature.encode_vec().map_err(|_| VaultError::Sign)
}
