//! From `connections:` to something a session can be opened on. The way to a target (login, catalog, TLS)
//! is kept over reloads while it stays the same: its vault knows which logins are alive, and another one
//! would take them for orphans.

use super::secrets::Keyring;
use super::tls::{SideOf, upstream_tls};
use super::{Broken, kubernetes, ssh};
use crate::config::{Connection as Written, Loaded, TlsMode, Wire};
use crate::front_desk::{Connection, Login, Opening};
use parking_lot::Mutex;
use portcullis_console::ConnectionRow;
use portcullis_gate::{BoxFuture, Catalog, Credential, PostgresWay, UpstreamTls, Way};
use portcullis_model::{Fault, Protocol, Replication, SessionId, Target, limits};
use portcullis_vault::{
    Access, AdminLogin, Channel, DatabaseLogins, DatabaseRole, MintRequest, PostgresCatalog,
    PostgresVault, RdsLogins, RdsRole, SideLogin, StaticLogin, Weak,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// The ways to all targets.
pub struct Lines {
    keyring: Keyring,
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
    pub fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
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
                login: ssh::login(written, loaded, &self.keyring),
                catalog: Arc::new(ssh::NoCatalog),
                tls: UpstreamTls::Disable,
                _tasks: Vec::new(),
            });
        }
        let tls = upstream_tls(written, loaded)?;
        if written.protocol == Wire::Kubernetes {
            return Ok(Line {
                login: kubernetes::login(written, &tls, loaded, &self.keyring),
                catalog: Arc::new(ssh::NoCatalog),
                tls,
                _tasks: Vec::new(),
            });
        }
        let tripwires = &self.keyring.tripwires;
        let admin = AdminLogin {
            host: written.host.clone(),
            port: written.port(),
            database: database(written).to_owned(),
            login: self.side(written, loaded),
            tls: tls.side(),
        };
        let age = limits::CATALOG_AGE_MAX;
        let catalog = PostgresCatalog::new(admin.clone(), tripwires.clone(), age);
        let catalog = Arc::new(catalog);
        let mut tasks = vec![AbortOnDropHandle::new(tokio::spawn(
            Arc::clone(&catalog).maintain(),
        ))];
        let login: Arc<dyn Login> = match &written.credential.mint {
            Some(mint) => {
                // The prefix of its roles comes from this name: two targets on one server must not take
                // each other's for orphans.
                let node = format!("{}/{}", loaded.config.node, written.name);
                let vault = PostgresVault::new(&node, admin, tripwires.clone());
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
            None => Arc::new(Lent {
                name: role(written).unwrap_or_default(),
                lender: self.lender(written, loaded),
                catalog: Arc::clone(&catalog),
            }),
        };
        Ok(Line {
            login,
            catalog: catalog as Arc<dyn Catalog>,
            tls,
            _tasks: tasks,
        })
    }

    /// Who reads the catalog, and mints.
    fn side(&self, written: &Written, loaded: &Loaded) -> SideLogin {
        let fixed = |user: &String, password| SideLogin::Fixed {
            user: user.clone(),
            password: self.keyring.at(password, loaded),
        };
        match (&written.credential.mint, self.lender(written, loaded)) {
            (Some(mint), _) => fixed(&mint.admin_user, &mint.admin_password),
            (None, Lender::Vault(logins)) => SideLogin::Leased(logins),
            (None, Lender::Rds(logins)) => SideLogin::Rds(logins),
            (None, Lender::Static(_)) => {
                let login = written.credential.fixed.as_ref();
                let login = login.expect("invariant: the check wants exactly one");
                fixed(&login.user, &login.password)
            }
        }
    }

    /// Whoever gives logins that the gateway does not make itself.
    fn lender(&self, written: &Written, loaded: &Loaded) -> Lender {
        let (credential, channel) = (&written.credential, channel(written));
        let secrets = self.keyring.secrets.clone();
        let tripwires = self.keyring.tripwires.clone();
        match (&credential.vault, &credential.rds_iam, &credential.fixed) {
            (Some(role), _, _) => {
                let role = DatabaseRole {
                    server: role.server.clone(),
                    mount: role.mount.clone(),
                    role: role.role.clone(),
                };
                Lender::Vault(DatabaseLogins::new(role, channel, secrets, tripwires))
            }
            (None, Some(rds), _) => {
                let role = RdsRole {
                    account: rds.account.clone(),
                    user: rds.user.clone(),
                    host: written.host.clone(),
                    port: written.port(),
                };
                Lender::Rds(RdsLogins::new(role, channel, secrets, tripwires))
            }
            (None, None, login) => {
                // A minted login has none of these, and nobody asks this one then.
                let (user, password, allow) = match (login, &credential.mint) {
                    (Some(login), _) => (&login.user, &login.password, login.allow_weak),
                    (None, Some(mint)) => (&mint.admin_user, &mint.admin_password, false),
                    (None, None) => unreachable!("invariant: the check wants exactly one"),
                };
                let weak = match allow {
                    true => Weak::Allow,
                    false => Weak::Refuse,
                };
                let password = self.keyring.at(password, loaded);
                Lender::Static(StaticLogin::new(user, password, channel, weak, tripwires))
            }
        }
    }
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

/// Who a session is there, unless policy says otherwise.
fn role(written: &Written) -> Option<String> {
    let credential = &written.credential;
    match written.protocol {
        Wire::Ssh => return Some(ssh::user(written).to_owned()),
        Wire::Kubernetes => return kubernetes::role(written),
        Wire::Https | Wire::Postgres => {}
    }
    let minted = credential.mint.as_ref().map(|mint| &mint.parent);
    let lent = credential.vault.as_ref().map(|role| &role.role);
    let vouched = credential.rds_iam.as_ref().map(|rds| &rds.user);
    let fixed = credential.fixed.as_ref().map(|login| &login.user);
    minted.or(lent).or(vouched).or(fixed).cloned()
}

fn connection(written: &Written, line: &Line) -> Connection {
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
            role: role(written),
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
        credential: match &written.credential {
            credential if credential.mint.is_some() => "mint".to_owned(),
            credential if credential.vault.is_some() => "vault".to_owned(),
            credential if credential.rds_iam.is_some() => "rds-iam".to_owned(),
            _ => "static".to_owned(),
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

/// Whoever gives logins that the gateway does not make itself.
enum Lender {
    /// A Vault server: one for each session.
    Vault(DatabaseLogins),
    /// IAM: a token for each session.
    Rds(RdsLogins),
    /// One login for all.
    Static(StaticLogin),
}

/// A login that is lent.
struct Lent {
    name: String,
    lender: Lender,
    catalog: Arc<PostgresCatalog>,
}

impl Login for Lent {
    fn name(&self, _: SessionId) -> String {
        self.name.clone()
    }

    fn open<'a>(&'a self, opening: Opening<'a>) -> BoxFuture<'a, Result<Way, Fault>> {
        Box::pin(async move {
            know(&self.catalog, &opening.session.target.name).await;
            let credential = match &self.lender {
                // Policy may have named another role there.
                Lender::Vault(logins) => {
                    let role = opening.session.target.role.as_deref();
                    logins.credential(role).await?
                }
                Lender::Rds(logins) => logins.credential().await?,
                Lender::Static(login) => login.credential().await?,
            };
            Ok(way(opening, credential))
        })
    }

    fn settle(&self, _: Duration) -> BoxFuture<'_, usize> {
        Box::pin(async { 0 })
    }
}
