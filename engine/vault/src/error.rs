//! What the vault fails at. `Display` never prints a cause: a server's message can quote what it was sent.

use portcullis_model::{Blame, Fault};

/// A failure of the vault, named after the operation.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A secret reference that is none.
    #[error("read a secret reference: it is `env:NAME` or `file:/path`")]
    Reference,
    /// A secret could not be read.
    #[error("read the secret {0}")]
    Secret(String),
    /// A static secret is too weak to be matched in output.
    #[error("use the secret {0}: it is weak; make it longer and random, or set allow_weak")]
    Weak(String),
    /// What should be a key is none.
    #[error(
        "use the key {0}: it has at least 256 random bits, as 64 hexadecimal digits or in base64; `openssl rand -hex 32` makes one"
    )]
    Key(String),
    /// The side connection to a target.
    #[error("connect to the target as administrator")]
    Connect(#[source] tokio_postgres::Error),
    /// No role of that name.
    #[error("find the role {0} on the target")]
    NoParent(String),
    /// A role that no session may run as.
    #[error(
        "use the role {0}: sessions never run as a role with SUPERUSER, CREATEROLE or REPLICATION"
    )]
    Privileged(String),
    /// A name with a NUL byte, or an empty one.
    #[error("quote a name")]
    Name,
    /// No randomness.
    #[error("draw random bytes")]
    Random,
    /// An SSH key could not be read.
    #[error("read the SSH key {0}: it is a private key in OpenSSH's form, without a passphrase")]
    SshKey(String),
    /// Nothing could be signed.
    #[error("sign for an SSH server")]
    Sign,
    /// Creating the session's role.
    #[error("create a role for the session")]
    Mint(#[source] tokio_postgres::Error),
    /// Ending it.
    #[error("end a session's role")]
    End(#[source] tokio_postgres::Error),
    /// A session of the role does not go away.
    #[error("end a session's role: its connections are still there")]
    Lingers,
    /// Looking for orphans.
    #[error("look for orphaned roles")]
    Sweep(#[source] tokio_postgres::Error),
    /// Reading the catalog.
    #[error("read the catalog")]
    Catalog(#[source] tokio_postgres::Error),
    /// The catalog is too big, or took too long.
    #[error("read the catalog within its bounds")]
    CatalogBounds,
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        let blame = match error {
            VaultError::Reference
            | VaultError::Secret(_)
            | VaultError::Weak(_)
            | VaultError::Key(_)
            | VaultError::Name
            | VaultError::SshKey(_)
            | VaultError::Sign
            | VaultError::Random => Blame::Gateway,
            _ => Blame::Upstream,
        };
        Fault::new(blame, "provide a credential or the catalog", error)
    }
}
