//! Logging in to SSH servers: a certificate of minutes for every session, or a key or password by reference where the
//! host trusts no authority; and knowing that the server is the right one.
//!
//! It refuses to hand a private key out: whoever speaks the protocol brings what is to be signed.

mod authority;
mod fixed;
mod host_key;
mod hosts;
mod lines;

pub use authority::{Authority, Bearing, CertificateRequest};
pub use fixed::{FixedKey, FixedPassword};
pub use host_key::host_key;
pub use hosts::{KnownHosts, KnownHostsError, Trust};

use crate::error::VaultError;
use crate::secret::{Secret, SecretRef};
use portcullis_stream::{Armed, Tripwires};
use ssh_key::encoding::Encode as _;
use ssh_key::{PrivateKey, Signature};

/// Reads a private key, in OpenSSH's own form and without a passphrase.
fn read_key(reference: &SecretRef, tripwires: &Tripwires) -> Result<Loaded, VaultError> {
    let secret = reference.resolve()?;
    let failed = || VaultError::SshKey(reference.to_string());
    let key = PrivateKey::from_openssh(secret.expose()).map_err(|_| failed())?;
    match key.is_encrypted() {
        true => Err(failed()),
        false => Ok(Loaded {
            _armed: armed(&secret, tripwires),
            key,
        }),
    }
}

/// A key, matched in all output for as long as it lives.
struct Loaded {
    key: PrivateKey,
    _armed: Vec<Armed>,
}

/// The lines of a key's file that hold its secret part: in a terminal the line breaks are others. The first lines are
/// the same in many keys.
fn armed(secret: &Secret, tripwires: &Tripwires) -> Vec<Armed> {
    const SAME_LINES: usize = 3;
    const LINE_BYTES_MIN: usize = 40;
    secret
        .expose()
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
