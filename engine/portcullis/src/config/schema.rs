//! The words of `portcullis.yaml`, as types. The JSON Schema of the file is generated from here, and the
//! comments on the fields are what an editor shows. A key that is not here is an error: a misspelt
//! `allow_weak` must not pass as "not set". Nothing here reads a file, an environment or a clock.

use super::approvals::Approvals;
use super::cluster::{ClusterCertificate, SessionAccount};
use super::console::Console;
use super::duration::Period;
use super::issuer::Issuer;
use super::journal::Keeping;
use super::login::Login;
use super::secret::SecretRef;
use super::secrets::SecretBackends;
use portcullis_model::Control;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The configuration of one gateway node.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's name in records and metrics.
    pub node: String,
    /// Folder for the journal, keys, compiled plugins and the admin socket. Created with mode 0700.
    pub state_dir: PathBuf,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Whose tokens are accepted.
    pub issuers: Vec<Issuer>,
    /// How people log in, and agents act for them; without it, only tokens of the issuers are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Pages for people and a JSON API, on the https listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<Console>,
    /// Where secrets are fetched from, besides files and variables.
    #[serde(default)]
    pub secrets: SecretBackends,
    /// What clients may ask for, by name.
    #[serde(default)]
    pub connections: Vec<Connection>,
    /// Who may do what. Without a pack that grants, everything is refused.
    pub policies: Policies,
    /// Plugins that classify requests and mask responses, in no particular order.
    #[serde(default)]
    pub plugins: Vec<Plugin>,
    /// What masks are made with.
    #[serde(default)]
    pub masking: Masking,
    /// Who is told of requests for approval, and how they answer.
    #[serde(default)]
    pub approvals: Approvals,
    /// How sessions are recorded.
    #[serde(default)]
    pub recording: Recording,
    /// What becomes of the record once it is written.
    #[serde(default)]
    pub journal: Keeping,
    /// How long sessions live.
    #[serde(default)]
    pub session: SessionLife,
    /// The admin socket, health and metrics.
    #[serde(default)]
    pub admin: Admin,
    /// What is logged, and how.
    #[serde(default)]
    pub log: Log,
}

/// A protocol of the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// PostgreSQL, protocol 3.
    Postgres,
    /// SSH, protocol 2.
    Ssh,
    /// The API of Kubernetes: `https://GATEWAY/NAME` in a kubeconfig.
    Kubernetes,
    /// HTTPS, for what clients ask of the gateway itself: `portcullis token database`.
    Https,
}

/// Where clients connect.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// What is spoken here.
    pub protocol: Wire,
    /// Address and port.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The certificate shown to clients. Tokens travel over this connection: it may be missing on
    /// loopback only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// Accept clients without TLS, on a loopback address only.
    #[serde(default)]
    pub allow_plaintext_on_loopback: bool,
    /// SSH: files with private host keys in OpenSSH's form. One is made in `state_dir` when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_keys: Vec<PathBuf>,
    /// SSH: files with certificates for these keys, so that one `@cert-authority` line of clients is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_certificates: Vec<PathBuf>,
    /// SSH: agree on keys in ways that resist quantum computers, and in no others. Clients need ML-KEM for that: OpenSSH 9.9.
    #[serde(default)]
    pub post_quantum: bool,
    /// SSH: for so long a key that a client holds stands for whoever has logged in beside it (token, sign-in, certificate), from
    /// the same address: ansible and git do not prompt then. At most `1h`; left out, no key is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember_keys: Option<Period>,
    /// PostgreSQL only: tokens come by OAUTHBEARER (libpq 18), and no passwords do. Clients that know only
    /// passwords need another listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<ListenerOauth>,
    /// Connections at once; more wait in the kernel's queue.
    #[serde(default = "connections_max")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_connections: usize,
}

fn connections_max() -> usize {
    5000
}

/// Where clients of an OAUTHBEARER listener get their tokens.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerOauth {
    /// The `name` of one of `issuers`.
    pub issuer: String,
    /// What clients ask it for.
    #[serde(default = "oauth_scope")]
    pub scope: String,
}

fn oauth_scope() -> String {
    "openid".to_owned()
}

/// The certificate of a listener: files, or one made at start for loopback.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// PEM file with the certificate chain, the listener's own first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Make a certificate at start. On a loopback address only: nobody could verify it elsewhere.
    #[serde(default)]
    pub self_signed: bool,
}

/// Something clients may ask for by name.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The name: what clients give as database name, or behind the login as in `ssh LOGIN@NAME@GATEWAY`.
    pub name: String,
    /// What is spoken there.
    pub protocol: Wire,
    /// Labels for policies.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Host name or address.
    pub host: String,
    /// Port; the protocol's own when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database there; the connection's name when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// How the way there is protected. The names are libpq's.
    #[serde(default)]
    pub tls: TlsMode,
    /// PEM file with the authorities that the server's certificate must come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM file with a certificate to show to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<PathBuf>,
    /// PEM file with its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
    /// SSH: how the gateway knows the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_keys: Option<HostKeys>,
    /// SSH: the least level of control of every session, whatever policy says: `record`, `assist`, `exec-only`, `argv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ControlName>")]
    pub control: Option<Control>,
    /// How the gateway logs in. The client never sees it.
    pub credential: Credential,
}

impl Connection {
    /// The port, as given or as usual.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.protocol {
            Wire::Postgres => 5432,
            Wire::Ssh => 22,
            Wire::Https | Wire::Kubernetes => 443,
        })
    }
}

/// The levels, for the schema only: the model knows no JSON Schema.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "describes `portcullis_model::Control` to editors")]
enum ControlName {
    Record,
    Assist,
    ExecOnly,
    Argv,
}

/// How an SSH host is known. Exactly one of `known_hosts` and `pinned`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostKeys {
    /// A `known_hosts` file, with hashed names, `@cert-authority` and `@revoked` lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<PathBuf>,
    /// Write down a host that is not in the file when it is seen first. Whoever stands in its place then is trusted.
    #[serde(default)]
    pub accept_new: bool,
    /// The host's public keys, as in a `.pub` file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<String>,
}

/// How the way to a server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// No TLS: loopback only.
    Disable,
    /// TLS without looking at the certificate: stops listeners, not impostors.
    Require,
    /// The certificate must come from a known authority.
    VerifyCa,
    /// The same, and it must be the host's own.
    #[default]
    VerifyFull,
}

/// How the gateway logs in to a target. Exactly one: `mint`, `vault`, `rds_iam` or `static` for PostgreSQL, `certificate`,
/// `key` or `static` for SSH, `cluster` for Kubernetes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// A role of its own for every session, dropped at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mint: Option<Mint>,
    /// PostgreSQL: a login that a Vault server makes for every session, revoked at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultRole>,
    /// PostgreSQL at AWS: a token of a quarter of an hour for every session, which IAM vouches for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rds_iam: Option<RdsIam>,
    /// One login for all. Only where minting is not possible.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub fixed: Option<StaticLogin>,
    /// SSH: a certificate of minutes for every session, by the gateway's own authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<SshCertificate>,
    /// SSH: one private key for all. Only where the host trusts no authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SshKeyLogin>,
    /// Kubernetes: who the gateway is in the cluster, and whom the cluster shall take it for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterLogin>,
}

/// A login to a cluster. Exactly one of `token`, `client_certificate` and the connection's own `client_certificate` is who
/// the gateway is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterLogin {
    /// A bearer token. It is read anew whenever it is needed: a projected token of a ServiceAccount renews itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// Accept a token that can be guessed. It is then not searched for in answers.
    #[serde(default)]
    pub allow_weak: bool,
    /// A client certificate by reference. It is read anew for every connection to the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClusterCertificate>,
    /// A ServiceAccount whose tokens sessions carry: one for each, of minutes, made with the gateway's own login
    /// (TokenRequest), which is used for nothing else then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<SessionAccount>,
    /// Have the cluster take every request for the client's own (`Impersonate-User`, `Impersonate-Group`), so that its
    /// own rights and audit log hold for the person. Without it the cluster sees the gateway alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<Impersonate>,
    /// What stands in front of every path there, where the API server is behind a proxy: `/k8s/clusters/c-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
}

/// How names in the cluster are made.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impersonate {
    /// In front of the name of the client's provider and the subject of its token: `portcullis:corp:ana`. Not empty, and
    /// not `system:`.
    #[serde(default = "name_prefix")]
    pub user_prefix: String,
    /// In front of each of its groups; `{provider}` stands for the provider's name, so that no provider gives away the
    /// groups of another: `portcullis:corp:sre`. Where policy names a role (`{"type": "credential", "role": …}`) that is the one
    /// group, as it is written.
    #[serde(default = "groups_prefix")]
    pub group_prefix: String,
}

fn name_prefix() -> String {
    "portcullis:".to_owned()
}

fn groups_prefix() -> String {
    "portcullis:{provider}:".to_owned()
}

/// A certificate for each session.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshCertificate {
    /// The login on the host, unless policy names another (`{"type": "credential", "role": …}`).
    pub user: String,
    /// The authority's private key, in OpenSSH's form. Hosts trust its public half: `TrustedUserCAKeys`. Exactly one of
    /// `authority`, `agent` and `vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<SecretRef>,
    /// The passphrase of that key, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<SecretRef>,
    /// An ssh-agent that has the authority's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<SshAgent>,
    /// An SSH engine of a Vault server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultRole>,
    /// How long a certificate is good for. It is renewed while its session lasts.
    #[serde(default = "certificate_ttl")]
    pub ttl: Period,
    /// Addresses of the gateway, as hosts see it: certificates are good from there alone. Any when not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_addresses: Vec<String>,
}

fn certificate_ttl() -> Period {
    Period(Duration::from_secs(5 * 60))
}

/// An ssh-agent, and which of its keys is meant.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshAgent {
    /// Its socket.
    pub socket: PathBuf,
    /// The authority's public key, as in a `.pub` file.
    pub public_key: String,
}

/// A role of an engine of a Vault server.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultRole {
    /// One of `secrets.vault`.
    pub server: String,
    /// The mount of the engine: `database`, `ssh`.
    pub mount: String,
    /// The role there.
    pub role: String,
}

/// A database user that IAM vouches for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RdsIam {
    /// One of `secrets.aws`.
    pub account: String,
    /// The database user, which has the role `rds_iam`.
    pub user: String,
}

/// One private key for all sessions.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshKeyLogin {
    /// The login on the host, unless policy names another.
    pub user: String,
    /// The private key, in OpenSSH's form.
    pub private_key: SecretRef,
    /// Its passphrase, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<SecretRef>,
}

/// A role for each session.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mint {
    /// A login that may create roles and grant the parent.
    pub admin_user: String,
    /// Its password.
    pub admin_password: SecretRef,
    /// The role that sessions run as.
    pub parent: String,
    /// The role of sessions that may only read: its rights are what the server enforces. Without it such
    /// a session gets the parent's rights and a setting that it could change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_parent: Option<String>,
    /// After this time the server refuses the minted login, whatever happened to the gateway.
    #[serde(default = "mint_ttl")]
    pub ttl: Period,
}

fn mint_ttl() -> Period {
    Period(Duration::from_secs(15 * 60))
}

/// One login for all sessions.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticLogin {
    /// The login.
    pub user: String,
    /// Its password.
    pub password: SecretRef,
    /// Accept a password that can be guessed. It is then not searched for in responses: a mask that
    /// answers guesses would be an oracle.
    #[serde(default)]
    pub allow_weak: bool,
}

/// The policy packs that decide.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// The packs. They never see each other; a denial in one is final.
    pub packs: Vec<Pack>,
    /// A file of data for all packs (`data.yaml`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
}

/// One policy pack: a shipped one by name, a folder, or a bundle.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// A pack that ships with the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<String>,
    /// A folder of `.rego` files, or an OPA bundle (`.tar.gz`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A PEM file with the public key that the bundle has to be signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_key: Option<PathBuf>,
    /// Evaluated and recorded, never enforced.
    #[serde(default)]
    pub dry_run: bool,
}

/// One plugin: a shipped one by name, or a file that is pinned by its digest, signed by a trusted key, or both.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// A plugin that ships with the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<String>,
    /// A WebAssembly component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The file's SHA-256 in hex. `portcullis plugin pin FILE` prints it, or writes it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Public keys, as `portcullis plugin keygen` prints them: one of them must have signed the file, in FILE.sig.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_keys: Vec<String>,
    /// The name that its manifest must have. Needed with `trusted_keys` alone: a key may sign more than one plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its configuration, checked against the schema in its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
}

/// What masks are made with.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Masking {
    /// The key of the methods `tenant_token` and `tenant_hash`: at least 256 random bits, as 64 hexadecimal digits or
    /// in base64. Without it these methods redact. Another key makes other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_key: Option<SecretRef>,
}

/// How sessions are recorded.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recording {
    /// What happens to a session whose record cannot be written.
    pub on_failure: OnRecordingFailure,
    /// MiB that one identity may record in an hour: one client must not fill the disk for all.
    pub per_identity_mib_per_hour: u64,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            on_failure: OnRecordingFailure::Block,
            per_identity_mib_per_hour: 1024,
        }
    }
}

/// What happens to a session whose record cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRecordingFailure {
    /// Nothing moves, and the session ends.
    Block,
}

/// How long sessions live.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionLife {
    /// What happens when the token that opened a session expires.
    pub on_token_expiry: OnTokenExpiry,
    /// How much longer a session may go on with `on_token_expiry: grace`.
    pub grace: Period,
    /// The longest life of any session.
    pub max: Period,
    /// At shutdown sessions may go on for this long before they are ended.
    pub drain: Period,
}

impl Default for SessionLife {
    fn default() -> Self {
        Self {
            on_token_expiry: OnTokenExpiry::Continue,
            grace: Period(Duration::from_secs(5 * 60)),
            max: Period(Duration::from_secs(8 * 3600)),
            drain: Period(Duration::from_secs(30)),
        }
    }
}

/// What happens when the token that opened a session expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnTokenExpiry {
    /// The session ends with the token.
    Close,
    /// The session goes on, up to its longest life.
    Continue,
    /// The session ends after `grace`.
    Grace,
}

/// The admin socket, health and metrics.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Unix socket for `portcullis status` and the like; `admin.sock` in `state_dir` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Loopback address for `/metrics`, `/healthz` and `/readyz`; none when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub metrics: Option<SocketAddr>,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people, or for machines.
    pub format: LogFormat,
    /// The least severity that is logged.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: LogLevel::Info,
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

/// The severities, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The JSON Schema of the file, as committed in `config.schema.json`.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    schema["title"] = serde_json::json!("portcullis.yaml");
    schema
}
