//! Where secrets are kept before there is a gateway: OpenBao, AWS, a cluster, files, a command, the encrypted store.

use super::TTL;
use anyhow::{Context, Result, ensure};
use portcullis_tests::aws::{Aws, REGION};
use portcullis_tests::cluster::random_word;
use portcullis_tests::issuer::AGENT;
use portcullis_tests::kubernetes::ApiServer;
use portcullis_tests::openbao::OpenBao;
use portcullis_tests::process::run;
use portcullis_tests::scratch::private;
use portcullis_tests::{Scratch, World};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the gateway may do at OpenBao.
const POLICY: &str = r#"
path "secret/data/databases/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }
path "ssh/sign/*" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"#;

/// Where secrets are kept, before there is a gateway.
pub(super) struct Keepers {
    folder: Scratch,
    pub(super) bao: OpenBao,
    aws: Aws,
    cluster: ApiServer,
    role_id: String,
    /// What opens the keepers: canaries.
    pub(super) openers: Vec<(&'static str, String)>,
}

impl Keepers {
    pub(super) fn start() -> Result<Self> {
        let folder = Scratch::new("keepers")?;
        let at = folder.path();
        let bao = OpenBao::start(at)?;
        bao.run(&["secrets", "enable", "database"])?;
        let (role_id, secret_id) = bao.approle("gateway", POLICY)?;
        let aws = Aws::start(at)?;
        let (certificate, private_key) = (at.join("cluster.crt"), at.join("cluster.key"));
        self_signed(&certificate, &private_key)?;
        let cluster = ApiServer::start(at, &certificate, &private_key)?;
        private(&at.join("cluster-token"), &cluster.token)?;
        let key = hex(&random_word())?;
        private(&at.join("store-key"), &key)?;
        private(&at.join("secret-id"), &secret_id)?;
        private(&at.join("aws-key"), &aws.secret_access_key)?;
        let openers = vec![
            ("the store's key", key),
            ("the secret id", secret_id),
            ("the AWS key", aws.secret_access_key.clone()),
            ("the cluster's token", cluster.token.clone()),
        ];
        Ok(Self {
            folder,
            bao,
            aws,
            cluster,
            role_id,
            openers,
        })
    }

    pub(super) fn at(&self) -> &Path {
        self.folder.path()
    }

    /// The section `secrets:`.
    pub(super) fn backends(&self) -> String {
        let at = self.at().display();
        format!(
            "secrets:
  ttl: {}s
  store: {{ path: {at}/secrets.store, key: \"file:{at}/store-key\" }}
  commands:
    keeper: {{ argv: [/bin/cat, {at}/keeper.json] }}
  vault:
    main:
      address: {}
      ca: {}
      auth: {{ approle: {{ role_id: {}, secret_id: \"file:{at}/secret-id\" }} }}
    platform:
      address: {}
      ca: {}
      auth: {{ jwt: {{ role: gateway, token: \"file:{at}/platform-token\" }} }}
  aws:
    prod:
      region: {REGION}
      endpoint: {}
      keys: {{ access_key_id: {}, secret_access_key: \"file:{at}/aws-key\" }}
  kubernetes:
    address: https://localhost:{}
    ca: {at}/cluster.crt
    token: \"file:{at}/cluster-token\"
",
            TTL.as_secs(),
            self.bao.url(),
            self.bao.ca().display(),
            self.role_id,
            self.bao.url(),
            self.bao.ca().display(),
            self.aws.url(),
            self.aws.access_key_id,
            self.cluster.port,
        )
    }

    /// Puts a password where its connection looks for it.
    pub(super) fn put(&self, world: Option<&World>, name: &str, password: &str) -> Result<()> {
        let at = self.at();
        let document = serde_json::json!({"user": name, "password": password}).to_string();
        match name {
            "by-file" => private(&at.join("by-file"), password),
            "by-systemd" => private(&at.join("credentials/by-systemd"), password),
            "by-command" => private(&at.join("keeper.json"), &document),
            "by-store" => match world {
                Some(world) => store(world, "databases/by-store", password),
                None => Ok(()),
            },
            "by-vault" | "by-jwt" => {
                let value = format!("password={password}");
                let path = format!("databases/{name}");
                let put = ["kv", "put", "-mount=secret", &path, &value];
                self.bao.run(&put).map(drop)
            }
            "by-aws" => self.aws.put("databases/by-aws", &document),
            "by-cluster" => self.put_secret(world.is_some(), password),
            _ => Ok(()),
        }
    }
}

impl Keepers {
    /// The server takes tokens of the world's issuer for the gateway's platform.
    pub(super) fn trust_platform(&self, world: &World) -> Result<()> {
        let issuer = world.issuer.url();
        self.bao.run(&["auth", "enable", "jwt"])?;
        self.bao.run(&[
            "write",
            "auth/jwt/config",
            &format!("jwks_url={issuer}/jwks"),
            &format!("bound_issuer={issuer}"),
            "jwt_supported_algs=ES256",
        ])?;
        self.bao.run(&[
            "write",
            "auth/jwt/role/gateway",
            "role_type=jwt",
            "bound_audiences=portcullis",
            "user_claim=sub",
            "token_policies=gateway",
            "token_ttl=10m",
        ])?;
        private(&self.at().join("platform-token"), &world.token(&AGENT)?)
    }

    /// A Secret of the cluster, made or replaced.
    fn put_secret(&self, there: bool, password: &str) -> Result<()> {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(password);
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "by-cluster", "namespace": "shop"},
            "data": {"password": encoded},
        });
        let (method, name) = if there {
            ("PUT", "/by-cluster")
        } else {
            ("POST", "")
        };
        let port = self.cluster.port;
        run(Command::new("curl")
            .args(["-fsS", "-X", method, "--cacert"])
            .arg(self.at().join("cluster.crt"))
            .args(["-H", "Content-Type: application/json", "-H"])
            .arg(format!("Authorization: Bearer {}", self.cluster.token))
            .args(["-d", &secret.to_string()])
            .arg(format!(
                "https://localhost:{port}/api/v1/namespaces/shop/secrets{name}"
            )))
        .map(drop)
    }
}

fn self_signed(certificate: &Path, key: &Path) -> Result<()> {
    run(Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate))
    .map(drop)
}

/// `portcullis secret set`, with the value on standard input.
fn store(world: &World, name: &str, value: &str) -> Result<()> {
    let mut child = world
        .gateway
        .command(&["secret", "set", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("run portcullis secret set")?;
    let mut input = child.stdin.take().context("write to it")?;
    input.write_all(value.as_bytes())?;
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "the store takes {name}");
    Ok(())
}

/// 256 bits as the store wants its key.
fn hex(seed: &str) -> Result<String> {
    let made = run(Command::new("openssl").args(["rand", "-hex", "32"]))?;
    let key = String::from_utf8(made.stdout)?.trim().to_owned();
    ensure!(key.len() == 64, "a key of 64 digits, {seed}");
    Ok(key)
}
