//! Logins to Kubernetes API servers: a bearer token by reference, and whom the cluster shall take the gateway for. The
//! token is read anew whenever it is needed, so that a projected token that the kubelet renews is always the current
//! one, and it is armed with the tripwire while it is known.
//!
//! It refuses a token that can be guessed, unless the operator says that he knows, and it never lets a client say who
//! it is: names are those of the verified identity.

use crate::error::VaultError;
use crate::secrets::{Held, Source};
use crate::static_login::Weak;
use parking_lot::Mutex;
use portcullis_gate::{BoxFuture, ClusterKey, Impersonated};
use portcullis_model::{Fault, Session};
use portcullis_stream::{Armed, Tripwires};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How sessions log in to one cluster.
pub struct ClusterLogin {
    /// The token; without one the client certificate of the connection says who the gateway is.
    pub token: Option<Source>,
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
    /// When the token cannot be read, or is weak and that is not allowed.
    pub async fn credential(&self, session: &Session) -> Result<Arc<dyn ClusterKey>, VaultError> {
        let key = Key {
            token: self.token.clone(),
            weak: self.weak,
            tripwires: self.tripwires.clone(),
            impersonated: self.impersonate.as_ref().map(|names| names.of(session)),
            current: Mutex::new(None),
        };
        key.current().await?;
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
}

/// The token as it was read last.
struct Known {
    secret: Held,
    _armed: Option<Armed>,
}

impl Key {
    /// The token as it is now. What was armed stays armed until another one is.
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
            let token = self.current().await?;
            Ok(token.map(|token| Box::new(token) as Box<dyn AsRef<str> + Send + Sync>))
        })
    }

    fn impersonates(&self) -> Option<&Impersonated> {
        self.impersonated.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::Tripwire as _;
    use portcullis_model::{
        Client, Identity, Kind, Principal, Protocol, SessionId, Target, Timestamp,
    };
    use std::collections::BTreeMap;

    fn session(role: Option<&str>) -> Session {
        let identity = Identity {
            principal: Principal {
                issuer: "https://idp".to_owned(),
                subject: "ana".to_owned(),
            },
            provider: "corp".to_owned(),
            kind: Kind::Human,
            name: "Ana".to_owned(),
            groups: vec!["engineers".to_owned(), "sre".to_owned()],
            claims: serde_json::Map::new(),
            actors: Vec::new(),
            owner: None,
            authenticated: None,
            methods: Vec::new(),
            assurance: None,
            token_id: None,
            expires: Timestamp(0),
        };
        Session {
            id: SessionId(7),
            identity: Arc::new(identity),
            login: String::new(),
            target: Arc::new(Target {
                name: "prod".to_owned(),
                protocol: Protocol::Kubernetes,
                labels: BTreeMap::new(),
                database: None,
                role: role.map(str::to_owned),
            }),
            client: Client {
                address: "127.0.0.1:1".parse().unwrap(),
                program: None,
                tls: None,
            },
            started: Timestamp(0),
            node: "n".to_owned(),
            reason: None,
            ticket: None,
            access_request: None,
        }
    }

    fn login(path: &std::path::Path, tripwires: &Tripwires) -> ClusterLogin {
        ClusterLogin {
            token: Some(Source::of_file(path)),
            weak: Weak::Refuse,
            impersonate: Some(Impersonation {
                user_prefix: "pc:".to_owned(),
                group_prefix: "pc:".to_owned(),
            }),
            tripwires: tripwires.clone(),
        }
    }

    #[tokio::test]
    async fn a_token_is_read_anew_and_armed_while_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let (first, second) = ("q8Zr4kT1vX9mB2nL7cW5pY3s", "h6Jd0gF4tR8eK1uN3xV9aM5b");
        std::fs::write(&path, first).unwrap();
        let tripwires = Tripwires::new();
        let key = login(&path, &tripwires)
            .credential(&session(None))
            .await
            .unwrap();
        let read = async || (*key.bearer().await.unwrap().unwrap()).as_ref().to_owned();
        assert_eq!(read().await, first);
        assert_eq!(tripwires.hits(first.as_bytes()).len(), 1);
        std::fs::write(&path, second).unwrap();
        assert_eq!(read().await, second);
        assert_eq!(tripwires.hits(second.as_bytes()).len(), 1);
        drop(key);
        assert!(tripwires.hits(second.as_bytes()).is_empty());
    }

    #[tokio::test]
    async fn weak_and_missing_tokens_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let tripwires = Tripwires::new();
        assert!(
            login(&path, &tripwires)
                .credential(&session(None))
                .await
                .is_err()
        );
        std::fs::write(&path, "hunter2").unwrap();
        assert!(
            login(&path, &tripwires)
                .credential(&session(None))
                .await
                .is_err()
        );
    }

    #[test]
    fn the_cluster_takes_us_for_the_verified_identity() {
        let names = Impersonation {
            user_prefix: "pc:".to_owned(),
            group_prefix: "pc:".to_owned(),
        };
        let who = names.of(&session(None));
        assert_eq!(who.user, "pc:corp:ana");
        assert_eq!(who.groups, ["pc:engineers", "pc:sre"]);
        assert_eq!(who.extra[0].0, "portcullis.dev%2fsession");
        // Who acts for her, the current actor first.
        let mut acting = session(None);
        let mut identity = (*acting.identity).clone();
        for subject in ["bot", "planner"] {
            identity.actors.push(Principal {
                issuer: "https://agents".to_owned(),
                subject: subject.to_owned(),
            });
        }
        acting.identity = Arc::new(identity);
        let extra = names.of(&acting).extra;
        let actors = extra
            .iter()
            .filter(|(name, _)| name == "portcullis.dev%2factor");
        assert_eq!(
            actors.map(|(_, who)| who.as_str()).collect::<Vec<_>>(),
            ["https://agents bot", "https://agents planner"]
        );
        // The same group of another provider is another one.
        let apart = Impersonation {
            user_prefix: "pc:".to_owned(),
            group_prefix: "pc:{provider}:".to_owned(),
        };
        let groups = apart.of(&session(None)).groups;
        assert_eq!(groups, ["pc:corp:engineers", "pc:corp:sre"]);
        // Policy names a role: it stands in the place of the groups.
        assert_eq!(names.of(&session(Some("viewers"))).groups, ["viewers"]);
    }
}
