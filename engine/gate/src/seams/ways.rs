//! The ways upstream, as each protocol needs them: where to dial, and what proves there who we are. No secret's bytes
//! are in them: what stands for a credential answers challenges, and the bytes stay in `vault`.

use super::{BoxFuture, Credential, Upstream, UpstreamTls};
use portcullis_model::{Control, Fault, Protocol, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The way upstream, as each protocol needs it.
pub enum Way {
    /// PostgreSQL.
    Postgres(PostgresWay),
    /// SSH.
    Ssh(SshWay),
    /// Kubernetes.
    Kubernetes(KubernetesWay),
}

impl Way {
    /// The protocol it is for.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Postgres(_) => Protocol::Postgres,
            Self::Ssh(_) => Protocol::Ssh,
            Self::Kubernetes(_) => Protocol::Kubernetes,
        }
    }
}

/// The way to a PostgreSQL server.
pub struct PostgresWay {
    /// The credential.
    pub credential: Box<dyn Credential>,
    /// Where to dial.
    pub upstream: Upstream,
    /// The upstream database.
    pub database: String,
    /// Startup settings to send upstream, after policy.
    pub settings: BTreeMap<String, String>,
}

/// The way to an SSH server. It may be dialled more than once within a session.
pub struct SshWay {
    /// Proves who we are. Dropping it ends the credential.
    pub key: Arc<dyn SshKey>,
    /// Where to dial.
    pub upstream: Upstream,
    /// The port that was configured: known hosts are looked up by it.
    pub port: u16,
    /// The login there.
    pub login: String,
    /// Verifies who the server is.
    pub hosts: Arc<dyn HostKeys>,
    /// How much of the session is under control.
    pub control: Control,
    /// Makes logins for one errand each, where that can be. On the level that approves words `key` is good for none then.
    pub errands: Option<Arc<dyn SshErrands>>,
}

/// What a login is made for that is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshErrand<'a> {
    /// One command, whatever is asked for on the way to the host.
    Command(&'a str),
    /// A channel from which the host leads back to the client.
    Back(SshBack),
}

/// What leads back to the client from a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SshBack {
    /// To its agent.
    pub agent: bool,
    /// To its display.
    pub x11: bool,
}

impl SshBack {
    /// Whether anything does.
    #[must_use]
    pub fn any(self) -> bool {
        self.agent || self.x11
    }
}

/// Makes logins for one errand.
pub trait SshErrands: Send + Sync {
    /// A login for this errand: for one connection, and for minutes.
    ///
    /// # Errors
    /// When it could not be made.
    fn key<'a>(&'a self, errand: SshErrand<'a>) -> BoxFuture<'a, Result<Arc<dyn SshKey>, Fault>>;
}

/// A login to SSH servers. The secret's bytes stay in `vault`.
pub trait SshKey: Send + Sync {
    /// What to offer, or say, when logging in.
    ///
    /// # Errors
    /// When nothing can be offered (any more): a certificate could not be made, a secret could not be read.
    fn offer<'a>(&'a self) -> BoxFuture<'a, Result<SshOffer, Fault>>;
    /// Signs what an offered key has to sign (RFC 4252 section 7): the signature's blob.
    ///
    /// # Errors
    /// When the key cannot sign.
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault>;
}

/// What is offered to an SSH server.
pub enum SshOffer {
    /// A certificate, in the form of a `.pub` file, whose key [`SshKey::sign`] has.
    Certificate(String),
    /// A public key, in the form of a `.pub` file, likewise.
    Key(String),
    /// A password.
    Password(Box<dyn AsRef<str> + Send>),
}

/// Verifies SSH servers.
pub trait HostKeys: Send + Sync {
    /// The algorithms of the keys that are known for this server, best first; empty when that does not matter.
    fn algorithms(&self, host: &str, port: u16) -> Vec<String>;
    /// Whether this is the server's own key or a certificate for it, each in the form of a `.pub` file.
    ///
    /// # Errors
    /// When it is not, or not known: nobody logs in then.
    fn verify(&self, host: &str, port: u16, key: &str, now: Timestamp) -> Result<(), Fault>;
}

/// The way to a Kubernetes API server. It may be dialled more than once within a session.
pub struct KubernetesWay {
    /// Proves who we are. Dropping it ends the credential.
    pub key: Arc<dyn ClusterKey>,
    /// Where to dial.
    pub upstream: Upstream,
    /// What stands in front of every path there; empty as good as always.
    pub prefix: String,
}

/// A login to an API server. The secret's bytes stay in `vault`.
pub trait ClusterKey: Send + Sync {
    /// The token, `None` where a client certificate says who we are.
    ///
    /// # Errors
    /// When it cannot be read or had (any more).
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Box<dyn AsRef<str> + Send + Sync>>, Fault>>;
    /// For a connection that is to be made: TLS that shows who we are, `None` where the way's own will do.
    ///
    /// # Errors
    /// When the certificate cannot be read (any more).
    fn tls(&self) -> BoxFuture<'_, Result<Option<UpstreamTls>, Fault>> {
        Box::pin(async { Ok(None) })
    }
    /// Whom the cluster shall take us for.
    fn impersonates(&self) -> Option<&Impersonated>;
}

/// Somebody in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonated {
    /// `Impersonate-User`.
    pub user: String,
    /// `Impersonate-Group`.
    pub groups: Vec<String>,
    /// `Impersonate-Extra-…`, names percent-encoded.
    pub extra: Vec<(String, String)>,
}
