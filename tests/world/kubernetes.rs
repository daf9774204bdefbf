//! A cluster behind a gateway: the stand-in API server, the gateway with a Kubernetes listener, and real `kubectl`.
//!
//! It refuses to run without `kubectl`, and it proves nothing about what only a real API server does: see
//! `tests/README.md`.

mod packs;
mod record;
mod terminal;

pub use record::text;
pub use terminal::waits_for;

use crate::cluster::random_word;
use crate::gateway::{Gateway, program};
use crate::issuer::{Issuer, Person};
use crate::process::{Server, free_port, run, which};
use crate::psql::Shown;
use crate::scratch::Scratch;
use crate::world::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What policy says in this world.
const PACK: &str = r#"# METADATA
# title: Deleting a pod needs a second person
# description: What this world asks of people who work with its cluster.
package portcullis.packs.clusters

import rego.v1

# METADATA
# title: Somebody deletes a pod
approval contains {
	"rule": "clusters/delete",
	"msg": "a pod is deleted",
	"approver_groups": ["dba"],
	"ttl_seconds": 60,
} if {
	input.action == "command"
	"cluster-delete" in input.command.labels
	some statement in input.command.statements
	statement.call.resource == "pods"
	not "shop-team" in input.identity.groups
}

# METADATA
# title: A command that waits for its answer, and one that comes back for it
approval contains {
	"rule": sprintf("clusters/%s", [word]),
	"msg": "a command in a container",
	"approver_groups": ["dba"],
	"ttl_seconds": 60,
	"mode": mode,
} if {
	input.action == "command"
	some statement in input.command.statements
	statement.call.subresource == "exec"
	word := statement.call.command[0]
	mode := {"uptime": "hold", "date": "defer"}[word]
}

# METADATA
# title: A map that goes when people have said so; whoever deletes it comes back for the answer
approval contains {
	"rule": "clusters/later",
	"msg": "a map is deleted",
	"approver_groups": ["dba"],
	"ttl_seconds": 60,
	"mode": "defer",
} if {
	input.action == "command"
	some statement in input.command.statements
	"cluster-delete" in input.command.labels
	statement.call.name == "later"
}

# METADATA
# title: Of events the record keeps that they were read
obligation contains {"type": "record", "level": "metadata"} if {
	input.action == "command"
	some statement in input.command.statements
	statement.call.resource == "events"
}

# METADATA
# title: Nobody opens a shell
deny contains {
	"rule": "clusters/shell",
	"msg": "shells in pods are not for this world",
	"hint": "Name the command to run.",
} if {
	input.action == "command"
	"interactive-shell" in input.command.labels
}
"#;

/// Whom it lets in.
const DATA: &str = include_str!("kubernetes/data.yaml");

/// A running stand-in for an API server.
#[derive(Debug)]
pub struct ApiServer {
    _server: Server,
    /// Its port.
    pub port: u16,
    /// The token that it wants: a canary, no client may see it.
    pub token: String,
    log: PathBuf,
}

impl ApiServer {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(folder: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        Self::start_with(folder, certificate, key, &[])
    }

    /// The same with settings of its own, which stand at its beginning: `API_…`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(
        folder: &Path,
        certificate: &Path,
        key: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let script = workspace().join("tests/world/kubernetes/api_server.py");
        Self::by(&script, folder, certificate, key, settings)
    }

    /// Starts another one, which takes the same arguments.
    fn by(
        script: &Path,
        folder: &Path,
        certificate: &Path,
        key: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let (log, port_file) = (folder.join("requests.jsonl"), folder.join("api.port"));
        let token = random_word();
        let mut command = Command::new("python3");
        command
            .arg(script)
            .args([certificate, key, &port_file])
            .env("API_TOKEN", &token)
            .env("API_LOG", &log)
            .envs(settings.iter().copied());
        let server = Server::start("the API server", command, &folder.join("api.log"), "TERM")?;
        let until = Instant::now() + Duration::from_secs(60);
        let port = loop {
            match fs::read_to_string(&port_file) {
                Ok(port) => break port.trim().parse().context("read the API server's port")?,
                Err(_) if Instant::now() > until => {
                    bail!("the API server does not start:\n{}", server.log())
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        Ok(Self {
            _server: server,
            port,
            token,
            log,
        })
    }

    /// Every request that has reached it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).context("read a request"))
            .collect()
    }

    /// Those whose line begins like this: `DELETE /api/v1/…`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn asked(&self, beginning: &str) -> Result<usize> {
        let line = |r: &Value| {
            let text = |key: &str| r[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("method"), text("target"))
        };
        let requests = self.requests()?;
        Ok(requests
            .iter()
            .filter(|r| line(r).starts_with(beginning))
            .count())
    }
}

/// How a world with a cluster differs from the usual one.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The server.
    pub script: PathBuf,
    /// The policies' data.
    pub data: String,
    /// Packs beside those that every world has, as lines of the configuration.
    pub packs: &'static str,
    /// Packs of the usual ones that are left out.
    pub without: &'static [&'static str],
    /// Settings of the server, which stand at its beginning: `API_…`.
    pub settings: &'static [(&'static str, &'static str)],
    /// More listeners, as YAML; `{at}` is the world's folder.
    pub listener: String,
    /// More issuers, as YAML.
    pub issuers: String,
    /// More YAML behind everything: `login:`.
    pub more: String,
    /// `release` or `debug`; empty for what the environment says.
    pub profile: String,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            script: workspace().join("tests/world/kubernetes/api_server.py"),
            data: DATA.to_owned(),
            packs: VIEW,
            without: &[],
            settings: &[],
            listener: String::new(),
            issuers: String::new(),
            more: String::new(),
            profile: String::new(),
        }
    }
}

/// The pack that filters.
pub const VIEW: &str = "    - builtin: cluster_view\n";

/// A running world with a cluster.
#[derive(Debug)]
pub struct ClusterWorld {
    /// The gateway.
    pub gateway: Gateway,
    /// The issuer.
    pub issuer: Issuer,
    /// The cluster.
    pub api: ApiServer,
    folder: Scratch,
}

impl ClusterWorld {
    /// Starts everything.
    ///
    /// # Errors
    /// When a part does not start, or `kubectl` is missing.
    pub fn start() -> Result<Self> {
        Self::with(&ClusterOptions::default())
    }

    /// Starts everything, otherwise than usual.
    ///
    /// # Errors
    /// When a part does not start, or `kubectl` is missing.
    pub fn with(options: &ClusterOptions) -> Result<Self> {
        ensure!(
            which("kubectl").is_some(),
            "kubectl is missing: install it, 1.31 or newer"
        );
        let profile = match options.profile.as_str() {
            "" => std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "debug".to_owned()),
            profile => profile.to_owned(),
        };
        let binary = program(&workspace(), &profile)?;
        let folder = Scratch::new("cluster")?;
        let at = folder.path();
        certificate(at, "tls")?;
        certificate(at, "api")?;
        let (certificate, key) = (at.join("api.crt"), at.join("api.key"));
        let api = ApiServer::by(&options.script, at, &certificate, &key, options.settings)?;
        let issuer = Issuer::start(&binary, at)?;
        let (port, metrics) = (free_port()?, free_port()?);
        let config = configured(at, (api.port, &issuer), (port, metrics), options)?;
        let environment = [("PROD_TOKEN", api.token.as_str())];
        let gateway = Gateway::start(&binary, &config, port, metrics, &environment)?;
        Ok(Self {
            gateway,
            issuer,
            api,
            folder,
        })
    }

    /// `kubectl` through the gateway, as somebody.
    ///
    /// # Errors
    /// When the issuer refuses.
    pub fn kubectl(&self, person: &Person, arguments: &[&str]) -> Result<Command> {
        self.kubectl_of(Path::new("kubectl"), person, arguments)
    }

    /// Another `kubectl` than the machine's.
    ///
    /// # Errors
    /// When the issuer refuses.
    pub fn kubectl_of(
        &self,
        program: &Path,
        person: &Person,
        arguments: &[&str],
    ) -> Result<Command> {
        let token = self.issuer.token(person)?;
        let mut command = Command::new(program);
        command
            .arg(format!(
                "--server=https://localhost:{}/prod",
                self.gateway.port
            ))
            .arg(format!(
                "--certificate-authority={}",
                self.certificate().display()
            ))
            .arg(format!("--token={token}"))
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", "/dev/null");
        Ok(command)
    }

    /// The same, run to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn ask(&self, person: &Person, arguments: &[&str]) -> Result<Shown> {
        Shown::by(&mut self.kubectl(person, arguments)?).context("run kubectl")
    }

    /// Where the world keeps its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The gateway's certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }
}

/// A certificate for this machine, and its key: `NAME.crt`, `NAME.key`.
///
/// # Errors
/// When openssl fails.
pub fn certificate(folder: &Path, name: &str) -> Result<()> {
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.crt"))))?;
    Ok(())
}

/// Writes the policies and the configuration of a gateway before a cluster.
pub(crate) fn configured(
    at: &Path,
    (server, issuer): (u16, &Issuer),
    (port, metrics): (u16, u16),
    options: &ClusterOptions,
) -> Result<PathBuf> {
    for (name, pack) in [("clusters", PACK), ("streams", packs::STREAMS)] {
        fs::create_dir_all(at.join(name))?;
        fs::write(at.join(name).join(format!("{name}.rego")), pack)?;
    }
    fs::write(at.join("data.yaml"), &options.data)?;
    let config = at.join("portcullis.yaml");
    let text = configuration(at, server, issuer, port, metrics);
    let mut text = text.replace(
        "    - builtin: approve\n",
        &format!("    - builtin: approve\n{}", options.packs),
    );
    for pack in options.without {
        text = text.replace(&format!("    - builtin: {pack}\n"), "");
    }
    let listener = options.listener.replace("{at}", &at.display().to_string());
    let text = text
        .replacen("issuers:\n", &format!("{listener}issuers:\n"), 1)
        .replacen(
            "connections:\n",
            &format!("{}connections:\n", options.issuers),
            1,
        );
    fs::write(&config, text + &options.more)?;
    Ok(config)
}

fn configuration(folder: &Path, server: u16, issuer: &Issuer, port: u16, metrics: u16) -> String {
    let (at, url) = (folder.display(), issuer.url());
    format!(
        "node: world
state_dir: {at}/state
listeners:
  - protocol: kubernetes
    address: 127.0.0.1:{port}
    tls: {{ certificate: {at}/tls.crt, key: {at}/tls.key }}
issuers:
  - name: dev
    issuer: {url}
    audiences: [portcullis]
    algorithms: [ES256]
    kind: {{ claim: kind }}
    groups_claim: groups
connections:
  - name: prod
    protocol: kubernetes
    labels: {{ env: prod, app: shop }}
    host: localhost
    port: {server}
    tls: verify-full
    ca: {at}/api.crt
    credential:
      cluster: {{ token: \"env:PROD_TOKEN\", impersonate: {{ user_prefix: \"pc:\" }} }}
policies:
  packs:
    - builtin: access
    - builtin: agent_secrets
    - builtin: agents_read_only
    - builtin: destructive_commands
    - builtin: mask_pii
    - builtin: approve
    - path: {at}/clusters
    - path: {at}/streams
  data: {at}/data.yaml
plugins:
  - builtin: mask-secrets
  - builtin: mask-pii
  - builtin: classify-kubernetes
admin:
  socket: {at}/admin.sock
  metrics: 127.0.0.1:{metrics}
"
    )
}
