//! One whole world: server, issuer, gateway, and people with tokens.

use crate::cluster::{self, Cluster, random_word};
use crate::gateway::{Gateway, program};
use crate::issuer::{Issuer, Person};
use crate::kubernetes::certificate;
use crate::process::free_port;
use crate::psql::Shown;
use crate::sample;
use crate::scratch::Scratch;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a world is set up.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The server.
    pub cluster: cluster::Options,
    /// `debug` or `release`.
    pub profile: String,
    /// `minted` or `static`.
    pub credential: &'static str,
    /// Policy packs, as YAML list items; empty for the shipped set.
    pub packs: String,
    /// Policy data, as YAML; empty for the demo's.
    pub data: String,
    /// Plugins, as YAML list items; empty for the shipped set, `none` for no plugin.
    pub plugins: String,
    /// Further top-level YAML; `{at}` is the folder with `tenant-key`, a key for masks.
    pub more: String,
    /// Further issuers, as YAML list items.
    pub issuers: String,
    /// Further listeners, as YAML list items; `{at}` is the folder with `tls.crt` and `tls.key`.
    pub listeners: String,
    /// Further connections, as YAML list items; `{port}` and `{tls}` are those of the server.
    pub connections: String,
    /// What the gateway finds in its environment besides.
    pub environment: Vec<(String, String)>,
    /// Port of the HTTPS listener; the kernel's choice when 0.
    pub portal: u16,
    /// Labels of the connection `orders`.
    pub labels: String,
    /// False: the leg to the server is plain although the server has TLS (benches: one TLS leg for all).
    pub upstream_tls: bool,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            cluster: cluster::Options::default(),
            profile: std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "debug".to_owned()),
            credential: "minted",
            packs: String::new(),
            data: String::new(),
            plugins: String::new(),
            more: String::new(),
            issuers: String::new(),
            listeners: String::new(),
            connections: String::new(),
            environment: Vec::new(),
            portal: 0,
            labels: "{ env: prod, app: orders }".to_owned(),
            upstream_tls: true,
        }
    }
}

/// A running world.
#[derive(Debug)]
pub struct World {
    // Dropped in this order: the gateway sweeps its roles while the server still runs.
    /// The gateway.
    pub gateway: Gateway,
    /// The issuer.
    pub issuer: Issuer,
    /// The server behind the gateway.
    pub cluster: Cluster,
    /// Password of the role that mints: a canary, it must never show anywhere.
    pub admin_password: String,
    folder: Scratch,
    profile: String,
    environment: Vec<(String, String)>,
    metrics: u16,
}

/// The workspace, found from this crate.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .map_or_else(|| here.to_owned(), Path::to_owned)
}

impl World {
    /// Starts everything.
    ///
    /// # Errors
    /// When a part does not start; its log is in the error.
    pub fn start(options: &WorldOptions) -> Result<Self> {
        let workspace = workspace();
        let binary = program(&workspace, &options.profile)?;
        let folder = Scratch::new("world")?;
        let cluster = Cluster::start(&workspace, &options.cluster)?;
        let admin_password = random_word();
        sample::fill(&cluster, &admin_password)?;
        let issuer = Issuer::start(&binary, folder.path())?;
        let (port, metrics) = (free_port()?, free_port()?);
        certificate(folder.path(), "tls")?;
        fs::write(folder.path().join("data.yaml"), data(options))?;
        fs::write(folder.path().join("tenant-key"), random_word().repeat(2))?;
        let config = folder.path().join("portcullis.yaml");
        fs::write(
            &config,
            configuration(options, folder.path(), &cluster, &issuer, port, metrics),
        )?;
        let more = options.environment.iter();
        let mut environment: Vec<_> = more.map(|(k, v)| (k.as_str(), v.as_str())).collect();
        environment.push(("ORDERS_ADMIN_PASSWORD", admin_password.as_str()));
        let gateway = Gateway::start(&binary, &config, port, metrics, &environment)?;
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Ok(Self {
            profile: options.profile.clone(),
            environment: environment.iter().map(owned).collect(),
            metrics,
            gateway,
            issuer,
            cluster,
            admin_password,
            folder,
        })
    }

    /// Starts the gateway again, which has ended, with the same configuration and state.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn restart(&mut self) -> Result<()> {
        let binary = program(&workspace(), &self.profile)?;
        let config = self.folder.path().join("portcullis.yaml");
        let environment: Vec<_> = self
            .environment
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let (port, metrics) = (self.gateway.port, self.metrics);
        self.gateway = Gateway::start(&binary, &config, port, metrics, &environment)?;
        Ok(())
    }

    /// A token for somebody.
    ///
    /// # Errors
    /// When the issuer refuses.
    pub fn token(&self, person: &Person) -> Result<String> {
        self.issuer.token(person)
    }

    /// `psql` through the gateway, as somebody, with the token in the place of the password.
    #[must_use]
    pub fn psql(&self, login: &str, token: &str, database: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .arg("-X")
            .arg(self.dsn(login, database))
            .env("PGPASSWORD", token);
        command
            .env("PGCONNECT_TIMEOUT", "20")
            .env_remove("PGSERVICE");
        command
    }

    /// The connection string of a client.
    #[must_use]
    pub fn dsn(&self, login: &str, database: &str) -> String {
        format!(
            "host=localhost hostaddr=127.0.0.1 port={} user={login} dbname={database} sslmode=verify-full sslrootcert={}",
            self.gateway.port,
            self.certificate().display()
        )
    }

    /// The gateway's certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    /// One statement, as somebody, and what `psql` showed.
    ///
    /// # Errors
    /// When `psql` cannot be started.
    pub fn ask(&self, person: &Person, database: &str, sql: &str) -> Result<Shown> {
        let token = self.token(person)?;
        let mut command = self.psql("anybody", &token, database);
        Shown::by(command.args(["-v", "VERBOSITY=default", "-c", sql])).context("run psql")
    }

    /// The gateway's HTTPS listener; its port is the kernel's choice, so that a second gateway may run with the
    /// same configuration.
    ///
    /// # Errors
    /// When the gateway does not say where it listens.
    pub fn portal(&self) -> Result<String> {
        let status = self.gateway.json(&["status"])?;
        let listeners = status["listeners"].as_array().into_iter().flatten();
        let mut named = listeners.filter_map(|l| l.as_str()?.strip_prefix("https "));
        let address = named.next().context("the gateway has an HTTPS listener")?;
        let (_, port) = address.rsplit_once(':').context("an address has a port")?;
        Ok(format!("https://localhost:{port}"))
    }

    /// The folder of the world.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The policy data of the sample company.
pub const DATA: &str = include_str!("data.yaml");

/// The same, where engineers ask for what is in production first, and may go ahead in an emergency: a review of that is due
/// after so many seconds. `more` is more of the rule.
#[must_use]
pub fn data_with_requests(more: &str, review_seconds: u32) -> String {
    let requests = format!(
        "access_requests: {{production: {{labels: {{env: prod}}, groups: [engineers], approver_groups: [dba], {more}\
         break_glass: {{groups: [engineers], reviewer_groups: [dba], review_seconds: {review_seconds}}}}}}}"
    );
    DATA.replace("\nconfig:\n", &format!("\nconfig:\n  {requests}\n"))
}

/// Every shipped pack.
pub const PACKS: &str = "    - builtin: access
    - builtin: agents_read_only
    - builtin: destructive_sql
    - builtin: prod_ddl_approval
    - builtin: write_approval
    - builtin: mask_pii
    - builtin: approve
";

fn data(options: &WorldOptions) -> &str {
    if options.data.is_empty() {
        DATA
    } else {
        &options.data
    }
}

/// How the leg to the server is protected, as YAML.
fn upstream_tls(options: &WorldOptions, cluster: &Cluster) -> String {
    match options.cluster.tls && options.upstream_tls {
        true if options.cluster.auth == "cert" => format!(
            "verify-full\n    ca: {}\n    client_certificate: {}\n    client_key: {}",
            cluster.certificate().display(),
            cluster.client("crt").display(),
            cluster.client("key").display(),
        ),
        true => format!("verify-full\n    ca: {}", cluster.certificate().display()),
        false => "disable".to_owned(),
    }
}

fn further(options: &WorldOptions, cluster: &Cluster, tls: &str) -> String {
    let connections = options.connections.replace("{tls}", tls);
    connections.replace("{port}", &cluster.port.to_string())
}

fn listeners(options: &WorldOptions, folder: &Path) -> String {
    let at = folder.display().to_string();
    options.listeners.replace("{at}", &at)
}

/// How the gateway logs in to `orders`.
fn credential(options: &WorldOptions) -> String {
    match options.credential {
        "static" => {
            "static: { user: pc_admin, password: \"env:ORDERS_ADMIN_PASSWORD\", allow_weak: false }"
                .to_owned()
        }
        _ => format!(
            "mint: {{ admin_user: {}, admin_password: \"env:ORDERS_ADMIN_PASSWORD\", parent: {}, read_only_parent: {}, ttl: 15m }}",
            sample::ADMIN,
            sample::PARENT,
            sample::PARENT_READ_ONLY
        ),
    }
}

fn configuration(
    options: &WorldOptions,
    folder: &Path,
    cluster: &Cluster,
    issuer: &Issuer,
    port: u16,
    metrics: u16,
) -> String {
    let at = folder.display();
    let tls = upstream_tls(options, cluster);
    let credential = credential(options);
    let packs = Some(options.packs.as_str()).filter(|packs| !packs.is_empty());
    let packs = packs.unwrap_or(PACKS);
    let plugins = match options.plugins.as_str() {
        "" => "plugins:\n  - builtin: mask-secrets\n  - builtin: mask-pii\n  - builtin: classify-sql\n".to_owned(),
        "none" => "plugins: []\n".to_owned(),
        plugins => format!("plugins:\n{plugins}"),
    };
    let more = options.more.replace("{at}", &at.to_string());
    let (labels, url, server) = (&options.labels, issuer.url(), cluster.port);
    let (issuers, portal) = (&options.issuers, options.portal);
    let listeners = listeners(options, folder);
    let connections = further(options, cluster, &tls);
    format!(
        "node: world
state_dir: {at}/state
listeners:
  - protocol: postgres
    address: 127.0.0.1:{port}
    tls: {{ certificate: {at}/tls.crt, key: {at}/tls.key }}
  - protocol: https
    address: 127.0.0.1:{portal}
    tls: {{ certificate: {at}/tls.crt, key: {at}/tls.key }}
{listeners}issuers:
  - name: dev
    issuer: {url}
    audiences: [portcullis]
    algorithms: [ES256]
    kind: {{ claim: kind }}
    groups_claim: groups
{issuers}connections:
  - name: orders
    protocol: postgres
    labels: {labels}
    host: localhost
    port: {server}
    database: orders
    tls: {tls}
    credential:
      {credential}
{connections}policies:
  packs:
{packs}  data: {at}/data.yaml
{plugins}admin:
  socket: {at}/admin.sock
  metrics: 127.0.0.1:{metrics}
{more}"
    )
}
