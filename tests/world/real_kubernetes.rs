//! A cluster with a real API server behind a gateway: kube-apiserver 1.20 out of Debian's source package, compiled here,
//! etcd, and a kubelet that only has streams (`kubernetes/kubelet.py`).
//!
//! It refuses to run what was not built, and never asks anything but the loopback address.

mod build;

pub use build::{Built, built, found};

use crate::cluster::random_word;
use crate::debian::kubectl_1_32;
use crate::gateway::{Gateway, program};
use crate::issuer::{ANA, Issuer, Person};
use crate::kubernetes::{ClusterOptions, certificate, configured};
use crate::process::{Server, free_port, run};
use crate::psql::Shown;
use crate::scratch::Scratch;
use crate::world::workspace;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What is in the cluster.
const OBJECTS: &str = include_str!("real_kubernetes/objects.yaml");

/// A running API server, with what is behind it.
#[derive(Debug)]
struct Cluster {
    _servers: Vec<Server>,
    port: u16,
}

impl Cluster {
    fn start(at: &Path, gateway: &str, root: &str) -> Result<(Self, u16)> {
        let Built { etcd, api_server } = found(&workspace())?;
        let tokens = format!("{gateway},gateway,1,gateways\n{root},root,2,system:masters\n");
        fs::write(at.join("tokens.csv"), tokens)?;
        run(Command::new("openssl")
            .args(["genrsa", "-out"])
            .arg(at.join("accounts.key"))
            .arg("2048"))?;
        let (clients, peers) = (free_port()?, free_port()?);
        let (port, kubelet) = (free_port()?, free_port()?);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let mut store = Command::new(etcd);
        store
            .arg("--data-dir")
            .arg(at.join("etcd"))
            .args(["--listen-client-urls", &url(clients)])
            .args(["--advertise-client-urls", &url(clients)])
            .args(["--listen-peer-urls", &url(peers)])
            .args(["--initial-advertise-peer-urls", &url(peers)])
            .args(["--initial-cluster", &format!("default={}", url(peers))]);
        let store = Server::start("etcd", store, &at.join("etcd.log"), "TERM")?;
        let file = |name: &str| at.join(name).display().to_string();
        let mut server = Command::new(api_server);
        server.args([
            format!("--etcd-servers={}", url(clients)),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", file("certificates")),
            format!("--tls-cert-file={}", file("api.crt")),
            format!("--tls-private-key-file={}", file("api.key")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            format!("--service-account-key-file={}", file("accounts.key")),
            format!(
                "--service-account-signing-key-file={}",
                file("accounts.key")
            ),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/24".to_owned(),
            // No controller makes the accounts that it would want.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ]);
        let server = Server::start("kube-apiserver", server, &at.join("api.log"), "TERM")?;
        let mut streams = Command::new("python3");
        streams
            .arg(workspace().join("tests/world/kubernetes/kubelet.py"))
            .arg(at.join("api.crt"))
            .arg(at.join("api.key"))
            .arg(kubelet.to_string());
        let streams = Server::start("the kubelet", streams, &at.join("kubelet.log"), "TERM")?;
        let cluster = Self {
            _servers: vec![server, streams, store],
            port,
        };
        Ok((cluster, kubelet))
    }
}

/// A real cluster and a gateway before it.
#[derive(Debug)]
pub struct RealCluster {
    /// The gateway.
    pub gateway: Gateway,
    issuer: Issuer,
    cluster: Cluster,
    root: String,
    kubectl: PathBuf,
    folder: Scratch,
}

impl RealCluster {
    /// Starts everything.
    ///
    /// # Errors
    /// When a part is not built or does not start.
    pub fn start() -> Result<Self> {
        let profile = std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "debug".to_owned());
        let binary = program(&workspace(), &profile)?;
        let kubectl = kubectl_1_32(&workspace())?;
        let folder = Scratch::new("real-cluster")?;
        let at = folder.path();
        certificate(at, "tls")?;
        certificate(at, "api")?;
        let (token, root) = (random_word(), random_word());
        let (cluster, kubelet) = Cluster::start(at, &token, &root)?;
        let issuer = Issuer::start(&binary, at)?;
        let (port, metrics) = (free_port()?, free_port()?);
        let options = ClusterOptions::default();
        let config = configured(at, (cluster.port, &issuer), (port, metrics), &options)?;
        let environment = [("PROD_TOKEN", token.as_str())];
        let gateway = Gateway::start(&binary, &config, port, metrics, &environment)?;
        let world = Self {
            gateway,
            issuer,
            cluster,
            root,
            kubectl,
            folder,
        };
        world.fill(kubelet)?;
        Ok(world)
    }

    /// Waits until the server is ready, and puts objects into it.
    fn fill(&self, kubelet: u16) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let ready = self.directly(&["get", "--raw", "/readyz"])?;
            let seeded = self.directly(&["get", "clusterrole", "cluster-admin"])?;
            if ready.code == 0 && seeded.code == 0 {
                break;
            }
            if Instant::now() > until {
                let log = fs::read_to_string(self.folder.path().join("api.log"))?;
                bail!("the API server does not come up: {}\n{log}", ready.all());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        let file = self.folder.path().join("objects.yaml");
        fs::write(&file, OBJECTS)?;
        let node = format!(
            "{{\"status\":{{\"addresses\":[{{\"type\":\"InternalIP\",\"address\":\"127.0.0.1\"}}],\
             \"daemonEndpoints\":{{\"kubeletEndpoint\":{{\"Port\":{kubelet}}}}}}}}}"
        );
        let running = r#"{"status":{"phase":"Running","podIP":"10.0.0.1"}}"#;
        let status = ["--subresource=status", "--type=merge", "-p"];
        for arguments in [
            vec!["apply", "-f", file.to_str().context("a path")?],
            [&["patch", "node", "node-1"][..], &status, &[&node]].concat(),
            [
                &["patch", "pod", "cart-0", "-n", "shop"][..],
                &status,
                &[running],
            ]
            .concat(),
            [
                &["patch", "pod", "spdy-0", "-n", "old"][..],
                &status,
                &[running],
            ]
            .concat(),
        ] {
            let done = self.directly(&arguments)?;
            ensure!(done.code == 0, "{arguments:?}: {}", done.all());
        }
        Ok(())
    }

    /// `kubectl` past the gateway, as somebody who may do anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn directly(&self, arguments: &[&str]) -> Result<Shown> {
        Shown::by(&mut self.straight(arguments)).context("run kubectl")
    }

    /// The same, not started.
    #[must_use]
    pub fn straight(&self, arguments: &[&str]) -> Command {
        let server = format!("https://localhost:{}", self.cluster.port);
        self.kubectl(&server, "api.crt", &self.root, arguments)
    }

    /// `kubectl` through the gateway, as Ana, who may do anything in the cluster.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn through(&self, arguments: &[&str]) -> Result<Shown> {
        self.as_somebody(&ANA, arguments)
    }

    /// The same as somebody else.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn as_somebody(&self, person: &Person, arguments: &[&str]) -> Result<Shown> {
        Shown::by(&mut self.command(person, arguments)?).context("run kubectl")
    }

    /// The same, not started.
    ///
    /// # Errors
    /// When the issuer refuses.
    pub fn command(&self, person: &Person, arguments: &[&str]) -> Result<Command> {
        let server = format!("https://localhost:{}/prod", self.gateway.port);
        let token = self.issuer.token(person)?;
        Ok(self.kubectl(&server, "tls.crt", &token, arguments))
    }

    fn kubectl(&self, server: &str, ca: &str, token: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .arg(format!("--server={server}"))
            .arg(format!(
                "--certificate-authority={}",
                self.file(ca).display()
            ))
            .arg(format!("--token={token}"))
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", "/dev/null");
        command
    }

    /// A file of this world.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
