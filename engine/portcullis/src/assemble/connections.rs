//! From `connections:` to something a session can be opened on. The way to a target (login, catalog, TLS)
//! is kept over reloads while it stays the same: its vault knows which logins are alive, and another one
//! would take them for orphans.

use super::tls::{SideOf, upstream_tls};
use super::{Broken, kubernetes, ssh};
use crate::config::{
    Connection as Written, Loaded, Mint, StaticLogin as WrittenLogin, TlsMode, Wire,
};
use crate::front_desk::{Connection, Login, Opening};
use parking_lot::Mutex;
use portcullis_console::ConnectionRow;
use portcullis_gate::{BoxFuture, Catalog, Clock, Credential, PostgresWay, UpstreamTls, Way};
use portcullis_model::{Fault, Protocol, Replication, SessionId, Target, limits};
use portcullis_stream::Tripwires;
use portcullis_vault::{
    Access, AdminLogin, Channel, MintRequest, PostgresCatalog, PostgresVault, StaticLogin, Weak,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// The ways to all targets.
pub struct Lines {
    tripwires: Tripwires,
    clock: Clock,
    open: Mutex<BTreeMap<String, Arc<Line>>>,
}

/// The way to one target.
pub struct Line {
    login: Arc<dyn Login>,
    catalog: Arc<dyn Catalog>,
    tls: UpstreamTls,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Lines {
    /// None yet.
    #[must_use]
    pub fn new(tripwires: Tripwires, clock: Clock) -> Self {
        Self {
            tripwires,
            clock,
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// All connections of a configuration, by name. Lines that it no longer has are closed once their
    /// sessions are over. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When a certificate or key cannot be used; nothing has changed then.
    pub fn connections(
        &self,
        loaded: &Loaded,
    ) -> Result<BTreeMap<String, Arc<Connection>>, Broken> {
        let mut open = self.open.lock();
        let mut kept = BTreeMap::new();
        let mut connections = BTreeMap::new();
        for written in &loaded.config.connections {
            let key = fingerprint(written, loaded);
            let line = match open.get(&key) {
                Some(line) => Arc::clone(line),
                None => Arc::new(self.line(written, loaded)?),
            };
            kept.insert(key, Arc::clone(&line));
            connections.insert(written.name.clone(), Arc::new(connection(written, &line)));
        }
        *open = kept;
        Ok(connections)
    }

    /// The logins of all lines.
    #[must_use]
    pub fn logins(&self) -> Vec<Arc<dyn Login>> {
        let open = self.open.lock();
        open.values().map(|line| Arc::clone(&line.login)).collect()
    }

    fn line(&self, written: &Written, loaded: &Loaded) -> Result<Line, Broken> {
        if written.protocol == Wire::Ssh {
            return Ok(Line {
                login: ssh::login(written, loaded, &self.tripwires, &self.clock),
                catalog: Arc::new(ssh::NoCatalog),
                tls: UpstreamTls::Disable,
                _tasks: Vec::new(),
            });
        }
        let tls = upstream_tls(written, loaded)?;
        if written.protocol == Wire::Kubernetes {
            return Ok(Line {
                login: kubernetes::login(written, loaded, &self.tripwires),
                catalog: Arc::new(ssh::NoCatalog),
                tls,
                _tasks: Vec::new(),
            });
        }
        let (user, password) = match (&written.credential.mint, &written.credential.fixed) {
            (Some(mint), _) => (&mint.admin_user, &mint.admin_password),
            (None, Some(login)) => (&login.user, &login.password),
            (None, None) => unreachable!("invariant: the check wants exactly one"),
        };
        let admin = AdminLogin {
            host: written.host.clone(),
            port: written.port(),
            database: database(written).to_owned(),
            user: user.clone(),
            password: password.for_vault(loaded.folder()),
            tls: tls.side(),
        };
        let age = limits::CATALOG_AGE_MAX;
        let catalog = PostgresCatalog::new(admin.clone(), self.tripwires.clone(), age);
        let catalog = Arc::new(catalog);
        let mut tasks = vec![AbortOnDropHandle::new(tokio::spawn(
            Arc::clone(&catalog).maintain(),
        ))];
        let login: Arc<dyn Login> = match &written.credential.mint {
            Some(mint) => {
                // The prefix of its roles comes from this name: two targets on one server must not take
                // each other's for orphans.
                let node = format!("{}/{}", loaded.config.node, written.name);
                let vault = PostgresVault::new(&node, admin, self.tripwires.clone());
                tasks.push(AbortOnDropHandle::new(tokio::spawn(sweep(vault.clone()))));
                Arc::new(Minted {
                    vault,
                    parent: mint.parent.clone(),
                    read_only_parent: mint.read_only_parent.clone(),
                    valid_for: mint.ttl.0,
                    channel: channel(written),
                    catalog: Arc::clone(&catalog),
                })
            }
            None => Arc::new(self.fixed(written, loaded, &catalog)),
        };
        Ok(Line {
            login,
            catalog: catalog as Arc<dyn Catalog>,
            tls,
            _tasks: tasks,
        })
    }

    fn fixed(&self, written: &Written, loaded: &Loaded, catalog: &Arc<PostgresCatalog>) -> Fixed {
        let login = written.credential.fixed.as_ref();
        let login = login.expect("invariant: the check wants exactly one");
        Fixed {
            user: login.user.clone(),
            login: static_login(login, loaded, channel(written), self.tripwires.clone()),
            catalog: Arc::clone(catalog),
        }
    }
}

/// A static login as configured; `check` asks it how weak its secret is.
#[must_use]
pub(crate) fn static_login(
    login: &WrittenLogin,
    loaded: &Loaded,
    channel: Channel,
    tripwires: Tripwires,
) -> StaticLogin {
    let weak = if login.allow_weak {
        Weak::Allow
    } else {
        Weak::Refuse
    };
    let password = login.password.for_vault(loaded.folder());
    StaticLogin::new(&login.user, password, channel, weak, tripwires)
}

/// Everything that makes a way to a target another one. Labels do not, and neither does the name of the
/// certificate's file when its contents are the same: a renewed certificate is a new way.
fn fingerprint(written: &Written, loaded: &Loaded) -> String {
    let file = |path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .and_then(|path| std::fs::read(loaded.path(path)).ok())
    };
    serde_json::json!([
        written.name,
        written.host,
        written.port(),
        database(written),
        written.tls,
        file(&written.ca),
        file(&written.client_certificate),
        written.credential,
        written.host_keys,
        written.control,
    ])
    .to_string()
}

fn connection(written: &Written, line: &Line) -> Connection {
    let role = match (&written.credential.mint, &written.credential.fixed) {
        _ if written.protocol == Wire::Ssh => Some(ssh::user(written).to_owned()),
        (Some(Mint { parent, .. }), _) => Some(parent.clone()),
        (None, fixed) => fixed.as_ref().map(|login| login.user.clone()),
    };
    Connection {
        target: Arc::new(Target {
            name: written.name.clone(),
            protocol: match written.protocol {
                Wire::Kubernetes => Protocol::Kubernetes,
                Wire::Ssh => Protocol::Ssh,
                Wire::Https | Wire::Postgres => Protocol::Postgres,
            },
            labels: written.labels.clone(),
            database: matches!(written.protocol, Wire::Https | Wire::Postgres)
                .then(|| database(written).to_owned()),
            role,
        }),
        host: written.host.clone(),
        port: written.port(),
        tls: line.tls.clone(),
        login: Arc::clone(&line.login),
        catalog: Arc::clone(&line.catalog),
    }
}

/// As it stands in a list.
#[must_use]
pub fn connection_row(written: &Written) -> ConnectionRow {
    match written.protocol {
        Wire::Ssh => return ssh::row(written),
        Wire::Kubernetes => return kubernetes::row(written),
        Wire::Https | Wire::Postgres => {}
    }
    let tls = serde_json::to_value(written.tls).unwrap_or_default();
    ConnectionRow {
        name: written.name.clone(),
        protocol: "postgres".to_owned(),
        address: format!("{}:{}", written.host, written.port()),
        database: database(written).to_owned(),
        credential: match written.credential.mint {
            Some(_) => "mint".to_owned(),
            None => "static".to_owned(),
        },
        tls: tls.as_str().unwrap_or_default().to_owned(),
        labels: written.labels.clone(),
    }
}

/// The database there.
#[must_use]
pub(crate) fn database(written: &Written) -> &str {
    written.database.as_deref().unwrap_or(&written.name)
}

/// Whether a listener on the way could learn a password.
#[must_use]
pub(crate) fn channel(written: &Written) -> Channel {
    let loopback = written.host == "localhost"
        || written
            .host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    match written.tls {
        TlsMode::VerifyCa | TlsMode::VerifyFull => Channel::Protected,
        TlsMode::Disable | TlsMode::Require if loopback => Channel::Protected,
        TlsMode::Disable | TlsMode::Require => Channel::Open,
    }
}

/// Ends what an earlier run left behind.
async fn sweep(vault: PostgresVault) {
    match vault.sweep().await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "roles that an earlier run left behind were ended"),
        Err(error) => tracing::warn!(%error, "orphaned roles could not be looked for"),
    }
}

/// Without it, what the catalog does not know is masked: the session opens all the same.
async fn know(catalog: &PostgresCatalog, target: &str) {
    if let Err(error) = catalog.load().await {
        tracing::warn!(target_name = target, %error, "the catalog could not be read");
    }
}

/// The way to a PostgreSQL server.
fn way(opening: Opening<'_>, credential: Box<dyn Credential>) -> Way {
    let database = opening.session.target.database.clone();
    Way::Postgres(PostgresWay {
        credential,
        upstream: opening.upstream,
        database: database.unwrap_or_default(),
        settings: opening.settings,
    })
}

/// A role for each session.
struct Minted {
    vault: PostgresVault,
    parent: String,
    read_only_parent: Option<String>,
    valid_for: Duration,
    channel: Channel,
    catalog: Arc<PostgresCatalog>,
}

impl Login for Minted {
    fn name(&self, id: SessionId) -> String {
        self.vault.role(id)
    }

    fn open<'a>(&'a self, opening: Opening<'a>) -> BoxFuture<'a, Result<Way, Fault>> {
        let (session, granted) = (opening.session, opening.granted);
        let role = session.target.role.as_ref().unwrap_or(&self.parent);
        let request = MintRequest {
            session: session.id,
            parent: role.clone(),
            access: match granted.read_only {
                true => Access::ReadOnly {
                    parent: self.read_only_parent.clone(),
                },
                false => Access::Full,
            },
            replication: granted.replication != Replication::Refused,
            valid_for: self.valid_for,
            channel: self.channel,
        };
        Box::pin(async move {
            let known = know(&self.catalog, &session.target.name);
            let (minted, ()) = tokio::join!(self.vault.mint(&request), known);
            Ok(way(opening, minted?))
        })
    }

    fn settle(&self, within: Duration) -> BoxFuture<'_, usize> {
        Box::pin(self.vault.drain(within))
    }
}

/// One login for all.
struct Fixed {
    user: String,
    login: StaticLogin,
    catalog: Arc<PostgresCatalog>,
}

impl Login for Fixed {
    fn name(&self, _: SessionId) -> String {
        self.user.clone()
    }

    fn open<'a>(&'a self, opening: Opening<'a>) -> BoxFuture<'a, Result<Way, Fault>> {
        Box::pin(async move {
            know(&self.catalog, &opening.session.target.name).await;
            let credential = self.login.credential()?;
            Ok(way(opening, credential))
        })
    }

    fn settle(&self, _: Duration) -> BoxFuture<'_, usize> {
        Box::pin(async { 0 })
    }
}
