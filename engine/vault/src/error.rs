//! What the vault fails at. `Display` never prints a cause: a server's message can quote what it was sent.

use portcullis_model::{Blame, Fault};

/// A failure of the vault, named after the operation.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A secret reference that is none.
    #[error(
        "a secret is named, never written down: use {}",
        crate::reference::FORMS
    )]
    Reference,
    /// A secret could not be read.
    #[error("read the secret {0}")]
    Secret(String),
    /// A secret could not be fetched.
    #[error("fetch the secret {0}: {1}")]
    Unavailable(String, #[source] Unavailable),
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
    /// A client certificate that cannot be shown.
    #[error(
        "use the client certificate {0}: certificates in PEM (X.509 version 3), and the private key of the first one in PEM without a passphrase"
    )]
    ClientCertificate(String),
    /// An SSH key could not be read.
    #[error(
        "read the SSH key {0}: it is a private key in OpenSSH's form, with a passphrase where one is named and without one otherwise"
    )]
    SshKey(String),
    /// The passphrase is another one.
    #[error("open the SSH key {0}: the passphrase does not fit")]
    Passphrase(String),
    /// An agent that does not sign.
    #[error("have an ssh-agent sign: {0}")]
    Agent(&'static str),
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

/// Why a secret could not be fetched, in words that hold nothing of what was sent or answered.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// What the reference names is not in the configuration.
    #[error("`{0}` is not in the configuration")]
    NotConfigured(String),
    /// There is none.
    #[error("there is none of that name")]
    Missing,
    /// No such member, or nothing in it.
    #[error("it has no such field, or the field is empty, too long or no text")]
    Field,
    /// The way there.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[source] portcullis_fetch::FetchError),
    /// It took too long.
    #[error("it took too long")]
    Late,
    /// Another session has just tried.
    #[error("it could not be had a moment ago, for another session; the log says why")]
    Recently,
    /// The server said no.
    #[error("the server answered {}", answered(*.0))]
    Status(u16),
    /// The gateway could not log in there.
    #[error("the server refused the gateway's own login ({0})")]
    Login(u16),
    /// The gateway's own credential for the server.
    #[error("the gateway's own credential for that server cannot be read")]
    Credential,
    /// An answer that nobody can read.
    #[error("the server's answer is not what its interface promises")]
    Answer,
    /// A certificate for something else.
    #[error(
        "the certificate permits something else than was asked for; look at the role's settings"
    )]
    OtherCertificate,
    /// A credential for another time.
    #[error(
        "what it gives has ended already, or lasts longer than was asked for; compare the clocks"
    )]
    OtherTime,
    /// A command that does not run.
    #[error("the command cannot be started or read")]
    Start(#[source] std::io::Error),
    /// A command that fails.
    #[error("the command failed{}", status(*.0))]
    Exit(Option<i32>),
    /// A command that prints something else.
    #[error("the command printed no JSON object, or more than 256 KiB")]
    Output,
    /// The encrypted store.
    #[error("{0}")]
    Store(#[source] crate::store::StoreError),
}

impl Unavailable {
    /// Whether it may be another answer in a moment, without anybody changing the configuration.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Late | Self::Recently => true,
            Self::Status(status) | Self::Login(status) => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// The same where it happened while logging in.
    pub(crate) fn at_login(self) -> Self {
        match self {
            Self::Status(status @ 400..=403) => Self::Login(status),
            other => other,
        }
    }
}

fn answered(status: u16) -> String {
    let meaning = match status {
        400 => "it does not understand the request, or the role does not allow it",
        401 | 403 => "the gateway may not do that there",
        404 => "there is nothing of that name, or its version was deleted",
        429 => "too many requests",
        503 => "it is sealed, or in standby",
        _ => "it has no secret to give right now",
    };
    format!("{status}: {meaning}")
}

fn status(code: Option<i32>) -> String {
    code.map_or_else(String::new, |code| format!(" (exit status {code})"))
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        let blame = match error {
            VaultError::Reference
            | VaultError::Secret(_)
            | VaultError::Unavailable(..)
            | VaultError::Weak(_)
            | VaultError::Key(_)
            | VaultError::Name
            | VaultError::ClientCertificate(_)
            | VaultError::SshKey(_)
            | VaultError::Passphrase(_)
            | VaultError::Agent(_)
            | VaultError::Sign
            | VaultError::Random => Blame::Gateway,
            _ => Blame::Upstream,
        };
        Fault::new(blame, "provide a credential or the catalog", error)
    }
}
