//! Kubernetes, put together: the way to a cluster, and who the gateway is there. It refuses nothing by itself: what a
//! connection needs is checked where the configuration is read.

use super::secrets::Keyring;
use crate::config::{ClusterLogin as Written, Connection, Loaded};
use crate::front_desk::{Login, Opening};
use portcullis_console::ConnectionRow;
use portcullis_gate::{BoxFuture, KubernetesWay, Way};
use portcullis_model::{Fault, SessionId};
use portcullis_vault::{ClusterLogin, Impersonation, Weak};
use std::sync::Arc;
use std::time::Duration;

/// How sessions log in to a cluster.
pub(super) fn login(written: &Connection, loaded: &Loaded, keyring: &Keyring) -> Arc<dyn Login> {
    let cluster = written.credential.cluster.as_ref();
    let cluster = cluster.expect("invariant: the check wants `cluster`");
    Arc::new(Cluster {
        prefix: cluster.path_prefix.clone().unwrap_or_default(),
        login: cluster_login(cluster, loaded, keyring),
    })
}

/// The same in the vault's words.
fn cluster_login(written: &Written, loaded: &Loaded, keyring: &Keyring) -> ClusterLogin {
    let token = written.token.as_ref();
    ClusterLogin {
        token: token.map(|token| keyring.at(token, loaded)),
        weak: match written.allow_weak {
            true => Weak::Allow,
            false => Weak::Refuse,
        },
        impersonate: written.impersonate.as_ref().map(|names| Impersonation {
            user_prefix: names.user_prefix.clone(),
            group_prefix: names.group_prefix.clone(),
        }),
        tripwires: keyring.tripwires.clone(),
    }
}

/// As it stands in a list.
pub(super) fn row(written: &Connection) -> ConnectionRow {
    let cluster = written.credential.cluster.as_ref();
    let tls = serde_json::to_value(written.tls).unwrap_or_default();
    ConnectionRow {
        name: written.name.clone(),
        protocol: "kubernetes".to_owned(),
        address: format!("{}:{}", written.host, written.port()),
        database: String::new(),
        credential: match cluster.map(|c| (c.impersonate.is_some(), c.token.is_some())) {
            Some((true, _)) => "impersonate".to_owned(),
            Some((false, true)) => "token".to_owned(),
            _ => "certificate".to_owned(),
        },
        tls: tls.as_str().unwrap_or_default().to_owned(),
        labels: written.labels.clone(),
    }
}

struct Cluster {
    prefix: String,
    login: ClusterLogin,
}

impl Login for Cluster {
    fn name(&self, _: SessionId) -> String {
        match self.login.impersonate {
            Some(_) => "impersonated".to_owned(),
            None => "the gateway".to_owned(),
        }
    }

    fn open<'a>(&'a self, opening: Opening<'a>) -> BoxFuture<'a, Result<Way, Fault>> {
        Box::pin(async move {
            Ok(Way::Kubernetes(KubernetesWay {
                key: self.login.credential(opening.session).await?,
                upstream: opening.upstream,
                prefix: self.prefix.clone(),
            }))
        })
    }

    fn settle(&self, _: Duration) -> BoxFuture<'_, usize> {
        Box::pin(async { 0 })
    }
}
