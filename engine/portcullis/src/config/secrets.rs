//! The words of `secrets:`: where references to secrets lead. Nothing here holds a secret; what opens a backend is
//! itself a reference, to something on this machine.

use super::duration::Period;
use super::secret::SecretRef;
use portcullis_model::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Where secrets are fetched from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretBackends {
    /// How long a secret that was fetched is used before it is fetched again. Files, variables and the store are read
    /// at every use.
    pub ttl: Period,
    /// The encrypted store, for `store:NAME`. `portcullis secret set NAME` writes into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<SecretStore>,
    /// Commands that print a secret, for `command:NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<String, SecretCommand>,
    /// Servers of HashiCorp Vault or OpenBao, for `vault:NAME/PATH#FIELD`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vault: BTreeMap<String, VaultServer>,
    /// AWS accounts, for `aws:NAME/SECRET`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aws: BTreeMap<String, AwsAccount>,
    /// The cluster that the gateway runs in, for `kubernetes:NAMESPACE/NAME#KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<ClusterSecrets>,
}

impl Default for SecretBackends {
    fn default() -> Self {
        Self {
            ttl: Period(limits::SECRET_CACHED_FOR),
            store: None,
            commands: BTreeMap::new(),
            vault: BTreeMap::new(),
            aws: BTreeMap::new(),
            kubernetes: None,
        }
    }
}

/// The encrypted store.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretStore {
    /// The file.
    pub path: PathBuf,
    /// Its key: 256 random bits, as 64 hexadecimal digits or in base64, kept somewhere else than the file.
    pub key: SecretRef,
}

/// A command that prints a secret as a member of a JSON object.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretCommand {
    /// The program, by its whole path, and its arguments. There is no shell.
    pub argv: Vec<String>,
    /// All of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How long it may take.
    #[serde(default = "command_timeout")]
    pub timeout: Period,
}

fn command_timeout() -> Period {
    Period(Duration::from_secs(10))
}

/// A server of HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultServer {
    /// `https://HOST:8200`.
    pub address: String,
    /// The namespace of everything that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// PEM file with the authorities that the server's certificate must come from; the public ones without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The mount of the KV engine, version 2.
    #[serde(default = "kv_mount")]
    pub kv_mount: String,
    /// How the gateway logs in.
    pub auth: VaultAuth,
}

fn kv_mount() -> String {
    "secret".to_owned()
}

/// How the gateway logs in to a Vault server. Exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VaultAuth {
    /// A token that somebody else made. It is renewed as long as that is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// AppRole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approle: Option<VaultAppRole>,
    /// A JWT of the platform, for the JWT method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<VaultJwt>,
    /// The gateway's own ServiceAccount, for the Kubernetes method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<VaultKubernetes>,
}

/// AppRole.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultAppRole {
    /// The mount.
    #[serde(default = "approle_mount")]
    pub mount: String,
    /// Which role. It is no secret by itself.
    pub role_id: String,
    /// Its secret.
    pub secret_id: SecretRef,
}

fn approle_mount() -> String {
    "approle".to_owned()
}

/// The JWT method.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultJwt {
    /// The mount.
    #[serde(default = "jwt_mount")]
    pub mount: String,
    /// Which role.
    pub role: String,
    /// The token. It is read anew at every login.
    pub token: SecretRef,
}

fn jwt_mount() -> String {
    "jwt".to_owned()
}

/// The Kubernetes method.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultKubernetes {
    /// The mount.
    #[serde(default = "kubernetes_mount")]
    pub mount: String,
    /// Which role.
    pub role: String,
    /// The ServiceAccount's token.
    #[serde(default = "mounted_token")]
    pub token: SecretRef,
}

fn kubernetes_mount() -> String {
    "kubernetes".to_owned()
}

fn mounted_token() -> SecretRef {
    let mounted = "file:/var/run/secrets/kubernetes.io/serviceaccount/token";
    mounted.parse().expect("invariant: it is a reference")
}

/// An AWS account in a region.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsAccount {
    /// `eu-central-1`.
    pub region: String,
    /// In the place of AWS's own endpoints, where there is a private one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// PEM file with the authorities that the endpoint's certificate must come from; the public ones without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Where the gateway's own credentials come from. Exactly one of `from` and `keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AwsFrom>,
    /// The gateway's own keys, by reference. Only where the gateway runs outside of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<AwsKeys>,
}

/// Where AWS puts credentials for a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AwsFrom {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    Environment,
    /// The instance's role, from its metadata (IMDSv2).
    Instance,
    /// A role for a token of another platform: `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`, as EKS sets them.
    WebIdentity,
}

/// Keys of an IAM user, or of a role that somebody else assumes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsKeys {
    /// It is no secret by itself.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: SecretRef,
    /// With keys that end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretRef>,
}

/// The API of the cluster that the gateway runs in.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSecrets {
    /// In the place of what `KUBERNETES_SERVICE_HOST` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// In the place of the mounted authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// In the place of the mounted token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}
