//! A real OpenBao server (the open fork of HashiCorp Vault, same HTTP API), in memory, with TLS by an authority of its
//! own. It differs from production in keeping nothing: its storage is in memory and it is never sealed.

use crate::install;
use crate::process::{Server, free_port};
use crate::psql::Shown;
use crate::world::workspace;
use crate::{cluster::random_word, process::run};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Further attempts to start it.
const ATTEMPTS: usize = 3;

/// A running server.
#[derive(Debug)]
pub struct OpenBao {
    server: Server,
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    root: String,
}

impl OpenBao {
    /// Starts it; its files go into `folder`.
    ///
    /// # Errors
    /// When it cannot be had, or does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        let program = install::openbao(&workspace())?;
        let mut tried = Self::attempt(&program, folder);
        for _ in 0..ATTEMPTS {
            // It takes the port behind its own for itself, which somebody else may have been given.
            match tried {
                Ok(bao) => return Ok(bao),
                Err(_) => tried = Self::attempt(&program, folder),
            }
        }
        tried
    }

    fn attempt(program: &Path, folder: &Path) -> Result<Self> {
        let port = free_port()?;
        // The one behind it, which the server takes too, is handed out to nobody else.
        free_port()?;
        let root = random_word();
        let mut command = Command::new(program);
        command
            .args(["server", "-dev", "-dev-tls", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .arg(format!("-dev-tls-cert-dir={}", folder.display()))
            .env("BAO_DEV_ROOT_TOKEN_ID", &root)
            .env("HOME", folder);
        let mut server = Server::start("OpenBao", command, &folder.join("openbao.log"), "TERM")?;
        server.wait_for_port(port, Duration::from_secs(60))?;
        let mut bao = Self {
            server,
            program: program.to_owned(),
            folder: folder.to_owned(),
            port,
            root,
        };
        let until = Instant::now() + Duration::from_secs(30);
        while bao.try_run(&["token", "lookup"])?.code != 0 {
            ensure!(
                bao.server.runs() && Instant::now() < until,
                "OpenBao is not ready:\n{}",
                bao.server.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(bao)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The authority of its certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        let named = |name: &str| self.folder.join(name);
        [named("vault-ca.pem"), named("bao-ca.pem")]
            .into_iter()
            .find(|path| path.is_file())
            .unwrap_or_else(|| named("vault-ca.pem"))
    }

    /// One of its commands as its administrator: what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let shown = self.try_run(arguments)?;
        ensure!(
            shown.code == 0,
            "bao {} failed: {}",
            arguments.join(" "),
            shown.all()
        );
        Ok(shown.out.trim().to_owned())
    }

    fn try_run(&self, arguments: &[&str]) -> Result<Shown> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("BAO_ADDR", self.url())
            .env("BAO_CACERT", self.ca())
            .env("BAO_TOKEN", &self.root)
            .env("HOME", &self.folder);
        Shown::by(&mut command).context("run bao")
    }

    /// An AppRole that may do what `policy` says; its role id, and a secret id.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn approle(&self, name: &str, policy: &str) -> Result<(String, String)> {
        let file = self.folder.join(format!("{name}.hcl"));
        std::fs::write(&file, policy)?;
        self.run(&["policy", "write", name, &file.display().to_string()])?;
        if !self.run(&["auth", "list"])?.contains("approle/") {
            self.run(&["auth", "enable", "approle"])?;
        }
        let role = format!("auth/approle/role/{name}");
        let policies = format!("token_policies={name}");
        self.run(&[
            "write",
            &role,
            &policies,
            "token_ttl=10m",
            "token_max_ttl=1h",
        ])?;
        let role_id = self.run(&["read", "-field=role_id", &format!("{role}/role-id")])?;
        let path = format!("{role}/secret-id");
        let secret_id = self.run(&["write", "-f", "-field=secret_id", &path])?;
        Ok((role_id, secret_id))
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Stops it from answering, as a broken network would: connections are made, and nothing comes.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.server.pid().to_string();
        run(Command::new("kill").args([signal, &pid])).map(drop)
    }
}
