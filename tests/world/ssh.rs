//! One world of SSH: a real OpenSSH server, a gateway in front of it, and people with tokens.

use crate::gateway::{Gateway, program};
use crate::host::{self, Host};
use crate::issuer::{Issuer, Person};
use crate::process::free_port;
use crate::psql::Shown;
use crate::scratch::Scratch;
use crate::world::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How it is set up.
#[derive(Clone, Debug, Default)]
pub struct SshOptions {
    /// More YAML of the connection `web-1`.
    pub connection: String,
    /// How the gateway logs in to `web-1`, as YAML; empty for a certificate by the host's authority.
    pub credential: String,
    /// Policy data, as YAML; empty for the usual.
    pub data: String,
    /// Another line of known hosts for the gateway; empty for the server's own.
    pub known: String,
    /// How the gateway knows the host, as YAML; `{at}` is the world's folder. Empty for the file with `known`.
    pub host_keys: String,
    /// Packs of the usual ones that are left out.
    pub without: &'static [&'static str],
    /// `release` or `debug`; empty for what the environment says.
    pub profile: String,
    /// More YAML behind everything: `login:`.
    pub more: String,
    /// More YAML of the listener.
    pub listener: String,
    /// More issuers, as YAML.
    pub issuers: String,
}

/// A program that says `TEST_TOKEN` to whoever asks for a password (`SSH_ASKPASS`), in this folder.
///
/// # Errors
/// When it cannot be written.
pub fn askpass(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("askpass");
    fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$TEST_TOKEN\"\n")?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

/// A running world.
#[derive(Debug)]
pub struct SshWorld {
    /// The gateway.
    pub gateway: Gateway,
    /// The issuer.
    pub issuer: Issuer,
    /// The server behind the gateway.
    pub host: Host,
    /// Port of the SSH listener.
    pub port: u16,
    folder: Scratch,
}

impl SshWorld {
    /// Starts everything.
    ///
    /// # Errors
    /// When a part does not start; its log is in the error.
    pub fn start(options: &SshOptions) -> Result<Self> {
        let profile = match options.profile.as_str() {
            "" => std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "debug".to_owned()),
            profile => profile.to_owned(),
        };
        let binary = program(&workspace(), &profile)?;
        let folder = Scratch::new("ssh-world")?;
        let at = folder.path();
        let host = Host::start()?;
        let issuer = Issuer::start(&binary, at)?;
        let (port, metrics) = (free_port()?, free_port()?);
        let known = match options.known.as_str() {
            "" => host.known()?,
            known => known.to_owned(),
        };
        fs::write(at.join("known_hosts"), known)?;
        host::keygen(&at.join("gateway_host"))?;
        let data = match options.data.as_str() {
            "" => DATA,
            data => data,
        };
        fs::write(at.join("data.yaml"), data)?;
        fs::create_dir_all(at.join("packs/deploys"))?;
        fs::write(at.join("packs/deploys/deploys.rego"), DEPLOYS)?;
        let config = at.join("portcullis.yaml");
        fs::write(
            &config,
            configuration(options, at, &host, &issuer, port, metrics),
        )?;
        let gateway = Gateway::start(&binary, &config, port, metrics, &[])?;
        let client_known = host::known(port, &at.join("gateway_host.pub"))?;
        fs::write(at.join("known_gateway"), client_known)?;
        askpass(at)?;
        Ok(Self {
            gateway,
            issuer,
            host,
            port,
            folder,
        })
    }

    /// The folder of the world.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where clients find the gateway's host key.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.folder().join("known_gateway")
    }

    /// `ssh` to the gateway with a token in the place of the password; the destination is still to be given.
    #[must_use]
    pub fn client(&self, token: &str) -> Command {
        let mut command = host::client(&self.known_hosts(), self.port);
        command
            .args([
                "-o",
                "PubkeyAuthentication=no",
                "-o",
                "NumberOfPasswordPrompts=1",
            ])
            .env("SSH_ASKPASS", self.folder().join("askpass"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", ":none")
            .env("TEST_TOKEN", token);
        command
    }

    /// `ssh` to `web-1` as somebody, with these arguments behind the destination.
    ///
    /// # Errors
    /// When the issuer refuses.
    pub fn ssh(&self, person: &Person, before: &[&str], command: &[&str]) -> Result<Command> {
        let token = self.issuer.token(person)?;
        let mut ssh = self.client(&token);
        let login = &self.host.login;
        ssh.args(before)
            .arg(format!("{login}@web-1@127.0.0.1"))
            .args(command);
        Ok(ssh)
    }

    /// A connection that is kept open for others to share, and the option by which they do.
    ///
    /// # Errors
    /// When `ssh` cannot be started, or does not log in.
    pub fn shared(&self, person: &Person) -> Result<(Child, String)> {
        let socket = self.folder().join("mux");
        let mux = format!("ControlPath={}", socket.display());
        let mut ssh = self.ssh(person, &["-M", "-o", &mux], &["sleep 60"])?;
        ssh.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut first = ssh.spawn().context("start ssh")?;
        let until = Instant::now() + Duration::from_secs(60);
        while !socket.exists() {
            if Instant::now() > until {
                first.kill()?;
                bail!("no connection to share");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok((first, mux))
    }

    /// One command, as somebody, and what was shown.
    ///
    /// # Errors
    /// When `ssh` cannot be started.
    pub fn run(&self, person: &Person, command: &str) -> Result<Shown> {
        Shown::by(&mut self.ssh(person, &[], &[command])?).context("run ssh")
    }
}

/// The policies' data of the sample hosts.
pub const DATA: &str = "\
access:
  groups:
    data-agents: [web-agents]
    engineers: [web-people]
    dba: [web-people]
    dpo: [web-people]
  bindings:
    web-agents: {kinds: [agent], protocols: [ssh], labels: {app: web}, session_max_seconds: 3600}
    web-people: {protocols: [ssh], labels: {app: web}, opaque: [scp, sftp, forward]}
config:
  mask:
    readers: [dpo]
";

/// Deploying needs a second person.
const DEPLOYS: &str = r#"# METADATA
# title: Deploying needs a second person
# schemas:
#   - input: schema.input
package portcullis.packs.deploys

import rego.v1

# METADATA
# title: The deploy script
approval contains {
	"rule": "deploys/script",
	"msg": "a deploy",
	"approver_groups": ["dba"],
} if {
	input.action == "command"
	some statement in input.command.statements
	statement.shell.argv[0] == "./deploy.sh"
}

# METADATA
# title: A script that is sent again once somebody has said yes
approval contains {
	"rule": "deploys/later",
	"msg": "a deploy at night",
	"approver_groups": ["dba"],
	"mode": "defer",
} if {
	input.action == "command"
	some statement in input.command.statements
	statement.shell.argv[0] == "./nightly.sh"
}
"#;

const PACKS: [&str; 6] = [
    "access",
    "destructive_commands",
    "persistence",
    "agent_secrets",
    "mask_pii",
    "approve",
];

fn configuration(
    options: &SshOptions,
    folder: &Path,
    host: &Host,
    issuer: &Issuer,
    port: u16,
    metrics: u16,
) -> String {
    let (at, url, server) = (folder.display(), issuer.url(), host.port);
    let (login, connection) = (&host.login, &options.connection);
    let (listener, issuers, more) = (&options.listener, &options.issuers, &options.more);
    let packs = PACKS
        .iter()
        .filter(|pack| !options.without.contains(pack))
        .map(|pack| format!("    - builtin: {pack}\n"))
        .collect::<String>();
    let authority = host.authority();
    let authority = authority.display();
    let host_keys = match options.host_keys.as_str() {
        "" => format!("{{ known_hosts: {at}/known_hosts }}"),
        host_keys => host_keys.replace("{at}", &at.to_string()),
    };
    let credential = match options.credential.as_str() {
        "" => format!(
            "certificate: {{ user: {login}, authority: \"file:{authority}\", source_addresses: [127.0.0.1] }}"
        ),
        credential => credential.replace("{login}", login),
    };
    format!(
        "node: world
state_dir: {at}/state
listeners:
  - protocol: ssh
    address: 127.0.0.1:{port}
    host_keys: [{at}/gateway_host]
{listener}issuers:
  - name: dev
    issuer: {url}
    audiences: [portcullis]
    algorithms: [ES256]
    kind: {{ claim: kind }}
    groups_claim: groups
{issuers}connections:
  - name: web-1
    protocol: ssh
    labels: {{ app: web, env: staging }}
    host: 127.0.0.1
    port: {server}
    host_keys: {host_keys}
    credential:
      {credential}
{connection}policies:
  packs:
{packs}    - path: {at}/packs/deploys
  data: {at}/data.yaml
plugins:
  - builtin: mask-secrets
  - builtin: mask-pii
  - builtin: classify-shell
admin:
  socket: {at}/admin.sock
  metrics: 127.0.0.1:{metrics}
{more}"
    )
}
