//! Kubernetes, put together: the way to a cluster, and who the gateway is there. It refuses nothing by itself: what a
//! connection needs is checked where the configuration is read.

use super::secrets::Keyring;
use super::tls::SideOf as _;
use crate::config::{ClusterLogin as Written, Connection, Loaded, TlsMode};
use crate::front_desk::{Login, Opening};
use portcullis_console::ConnectionRow;
use portcullis_gate::{BoxFuture, KubernetesWay, UpstreamTls, Way};
use portcullis_model::{Fault, SessionId};
use portcullis_vault::{
    ClientCertificate, ClusterLogin, Impersonation, SessionAccount, SideTls, Weak,
};
use std::sync::Arc;
use std::time::Duration;

/// How sessions log in to a cluster.
pub(super) fn login(
    written: &Connection,
    tls: &UpstreamTls,
    loaded: &Loaded,
    keyring: &Keyring,
) -> Arc<dyn Login> {
    let cluster = written.credential.cluster.as_ref();
    let cluster = cluster.expect("invariant: the check wants `cluster`");
    Arc::new(Cluster {
        prefix: cluster.path_prefix.clone().unwrap_or_default(),
        login: cluster_login(written, cluster, tls, loaded, keyring),
    })
}

/// The same in the vault's words.
fn cluster_login(
    connection: &Connection,
    written: &Written,
    tls: &UpstreamTls,
    loaded: &Loaded,
    keyring: &Keyring,
) -> ClusterLogin {
    let token = written.token.as_ref();
    ClusterLogin {
        token: token.map(|token| keyring.at(token, loaded)),
        certificate: client_certificate(written, tls, loaded, keyring),
        account: service_account(connection, written, keyring),
        tls: tls.side(),
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

/// The certificate by reference, if there is one.
pub(crate) fn client_certificate(
    written: &Written,
    tls: &UpstreamTls,
    loaded: &Loaded,
    keyring: &Keyring,
) -> Option<ClientCertificate> {
    let shown = written.client_certificate.as_ref()?;
    // The check wants TLS where a certificate is to be shown.
    let SideTls::Require(tls) = tls.side() else {
        return None;
    };
    Some(ClientCertificate {
        certificate: keyring.at(&shown.certificate, loaded),
        key: keyring.at(&shown.key, loaded),
        tls,
    })
}

fn service_account(
    connection: &Connection,
    written: &Written,
    keyring: &Keyring,
) -> Option<SessionAccount> {
    let account = written.service_account.as_ref()?;
    let scheme = match connection.tls {
        TlsMode::Disable => "http",
        _ => "https",
    };
    let host = match connection.host.contains(':') {
        true => format!("[{}]", connection.host),
        false => connection.host.clone(),
    };
    let prefix = written.path_prefix.as_deref().unwrap_or_default();
    Some(SessionAccount {
        namespace: account.namespace.clone(),
        name: account.name.clone(),
        audiences: account.audiences.clone(),
        ttl: account.ttl.0,
        address: format!("{scheme}://{host}:{}{prefix}", connection.port()),
        clock: keyring.clock.clone(),
    })
}

/// The account that sessions are, where it is not a person that the cluster is to see.
pub(super) fn role(written: &Connection) -> Option<String> {
    let cluster = written.credential.cluster.as_ref()?;
    let account = cluster.service_account.as_ref()?;
    let named = cluster.impersonate.is_none();
    named.then(|| account.name.clone())
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
        credential: match cluster {
            Some(cluster) if cluster.impersonate.is_some() => "impersonate".to_owned(),
            Some(cluster) if cluster.service_account.is_some() => "service-account".to_owned(),
            Some(cluster) if cluster.token.is_some() => "token".to_owned(),
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
        match (&self.login.impersonate, &self.login.account) {
            (Some(_), _) => "impersonated".to_owned(),
            // Which one is the session's role.
            (None, Some(account)) => format!("system:serviceaccount:{}", account.namespace),
            (None, None) => "the gateway".to_owned(),
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
