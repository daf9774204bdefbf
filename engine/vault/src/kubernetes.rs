//! Logins to Kubernetes API servers: a bearer token or a client certificate by reference, a token of a ServiceAccount
//! that is made with it for each session, and whom the cluster shall take the gateway for. What stands by reference is
//! read anew whenever it is needed, so that a projected token that the kubelet renews is always the current one, and it
//! is armed with the tripwire while it is known.
//!
//! It refuses a token that can be guessed, unless the operator says that he knows, and it never lets a client say who
//! it is: names are those of the verified identity.

mod account;
mod certificate;

pub use account::SessionAccount;
pub use certificate::ClientCertificate;

use crate::error::{Unavailable, VaultError};
use crate::postgres::SideTls;
use crate::secrets::{Held, Source};
use crate::static_login::Weak;
use account::{Maker, Tokens};
use certificate::Showing;
use parking_lot::Mutex;
use portcullis_gate::{BoxFuture, ClusterKey, Impersonated, UpstreamTls};
use portcullis_model::{Fault, Session};
use portcullis_stream::{Armed, Tripwires};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How sessions log in to one cluster.
pub struct ClusterLogin {
    /// The token; without one a client certificate says who the gateway is.
    pub token: Option<Source>,
    /// That certificate, by reference; without it the connection's own.
    pub certificate: Option<ClientCertificate>,
    /// Whose tokens sessions carry in the place of the gateway's own.
    pub account: Option<SessionAccount>,
    /// How the way to the cluster is protected, as far as no certificate by reference says otherwise.
    pub tls: SideTls,
    /// What the operator said about weak tokens.
    pub weak: Weak,
    /// Whom the cluster takes the gateway for; without it for the gateway itself.
    pub impersonate: Option<Impersonation>,
    /// Where tokens are armed.
    pub tripwires: Tripwires,
}

/// How names in the cluster are made of names of identities.
#[derive(Clone, Debug)]
pub struct Impersonation {
    /// In front of the provider's name and the subject.
    pub user_prefix: String,
    /// In front of each group; `{provider}` in it is the name of the provider that says so.
    pub group_prefix: String,
}

impl ClusterLogin {
    /// A credential for one session.
    ///
    /// # Errors
    /// When token or certificate cannot be read, the token is weak and that is not allowed, or the cluster makes none.
    pub async fn credential(&self, session: &Session) -> Result<Arc<dyn ClusterKey>, VaultError> {
        // Where names are impersonated the role that policy names is a group.
        let role = session.target.role.as_deref();
        let role = role.filter(|_| self.impersonate.is_none());
        if let (Some(role), None) = (role, &self.account) {
            // Whoever is named by policy is whom the session is to be, or it is not to be.
            let why = Unavailable::NotConfigured("credential.cluster.service_account".to_owned());
            let named = format!("of the role {}", portcullis_model::escape_line(role));
            return Err(VaultError::Unavailable(named, why));
        }
        let account = self.account.as_ref().map(|account| account.named(role));
        let tripwires = || self.tripwires.clone();
        let key = Key {
            token: self.token.clone(),
            weak: self.weak,
            tripwires: tripwires(),
            impersonated: self.impersonate.as_ref().map(|names| names.of(session)),
            current: Mutex::new(None),
            showing: self
                .certificate
                .clone()
                .map(|written| Showing::of(written, tripwires())),
            tls: self.tls.clone(),
            minted: account
                .transpose()?
                .map(|account| Tokens::of(account, tripwires())),
        };
        // What is not there is found out before anything is promised.
        key.settings().await?;
        key.presented().await?;
        Ok(Arc::new(key))
    }
}

/// What stands for the provider's name in the prefix of groups.
const PROVIDER: &str = "{provider}";

impl Impersonation {
    /// Provider, subject and groups of the identity; in the place of its groups the role that policy names. Subjects are
    /// the provider's to give: without its name in front, one could give another one's.
    fn of(&self, session: &Session) -> Impersonated {
        let identity = &session.identity;
        let prefix = self.group_prefix.replace(PROVIDER, &identity.provider);
        let prefixed = |group: &String| format!("{prefix}{group}");
        let groups = match &session.target.role {
            Some(role) => vec![role.clone()],
            None => identity.groups.iter().map(prefixed).collect(),
        };
        // They land in the cluster's own audit log (k8s.io/client-go transport: keys are percent-encoded).
        let named = |name: &str, value: String| (format!("portcullis.dev%2f{name}"), value);
        let mut extra = vec![
            named("session", session.id.to_string()),
            named("issuer", identity.principal.issuer.clone()),
        ];
        let actors = identity.actors.iter();
        extra.extend(actors.map(|who| named("actor", format!("{} {}", who.issuer, who.subject))));
        let (provider, subject) = (&identity.provider, &identity.principal.subject);
        Impersonated {
            user: format!("{}{provider}:{subject}", self.user_prefix),
            groups,
            extra,
        }
    }
}

struct Key {
    token: Option<Source>,
    weak: Weak,
    tripwires: Tripwires,
    impersonated: Option<Impersonated>,
    current: Mutex<Option<Known>>,
    showing: Option<Showing>,
    tls: SideTls,
    minted: Option<Tokens>,
}

/// The token as it was read last.
struct Known {
    secret: Held,
    _armed: Option<Armed>,
}

impl Key {
    /// The token that the cluster is shown.
    async fn presented(&self) -> Result<Option<Zeroizing<String>>, VaultError> {
        let Some(tokens) = &self.minted else {
            return self.current().await;
        };
        let maker = async {
            Ok(Maker {
                own: self.current().await?,
                tls: match self.settings().await? {
                    Some(config) => SideTls::Require(config),
                    None => self.tls.clone(),
                },
            })
        };
        tokens.current(maker).await.map(Some)
    }

    /// TLS that shows the certificate by reference.
    async fn settings(&self) -> Result<Option<Arc<rustls::ClientConfig>>, VaultError> {
        match &self.showing {
            Some(showing) => showing.tls().await.map(Some),
            None => Ok(None),
        }
    }

    /// The gateway's own token as it is now. What was armed stays armed until another one is.
    async fn current(&self) -> Result<Option<Zeroizing<String>>, VaultError> {
        let Some(reference) = &self.token else {
            return Ok(None);
        };
        let read = reference.read().await?;
        let mut current = self.current.lock();
        let same = |known: &Known| known.secret.expose() == read.expose();
        if !current.as_ref().is_some_and(same) {
            let armed = match (self.tripwires.arm(read.expose()), self.weak) {
                (Ok(armed), _) => Some(armed),
                (Err(_), Weak::Allow) => None,
                (Err(_), Weak::Refuse) => return Err(VaultError::Weak(reference.to_string())),
            };
            *current = Some(Known {
                secret: read,
                _armed: armed,
            });
        }
        let bytes = current.as_ref().map(|known| known.secret.expose());
        let text = std::str::from_utf8(bytes.unwrap_or_default())
            .map_err(|_| VaultError::Secret(reference.to_string()))?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }
}

impl ClusterKey for Key {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Box<dyn AsRef<str> + Send + Sync>>, Fault>> {
        Box::pin(async {
            let token = self.presented().await?;
            Ok(token.map(|token| Box::new(token) as Box<dyn AsRef<str> + Send + Sync>))
        })
    }

    fn tls(&self) -> BoxFuture<'_, Result<Option<UpstreamTls>, Fault>> {
        Box::pin(async {
            let settings = self.settings().await?;
            Ok(settings.map(|config| UpstreamTls::Require(config)))
        })
    }

    fn impersonates(&self) -> Option<&Impersonated> {
        self.impersonated.as_ref()
    }
}

#[cfg(test)]
mod tests;
