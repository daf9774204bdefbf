//! AWS as moto plays it, with IAM enforced: requests are verified with botocore's own implementation of Signature
//! Version 4, and answered as policies say. It differs from AWS in keeping nothing.

use crate::install;
use crate::process::{Server, free_port};
use crate::psql::Shown;
use crate::world::workspace;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running server.
#[derive(Debug)]
pub struct Aws {
    server: Server,
    python: PathBuf,
    port: u16,
    /// The access key of the user `gateway`, who may read secrets and nothing else.
    pub access_key_id: String,
    /// Its secret: a canary.
    pub secret_access_key: String,
}

/// The region of everything.
pub const REGION: &str = "eu-central-1";

impl Aws {
    /// Starts it and makes the user.
    ///
    /// # Errors
    /// When it cannot be had, or does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        let python = install::python(&workspace())?;
        let port = free_port()?;
        let mut command = Command::new(&python);
        command
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .env("HOME", folder);
        let mut server = Server::start("moto", command, &folder.join("moto.log"), "TERM")?;
        server.wait_for_port(port, Duration::from_secs(60))?;
        let mut aws = Self {
            server,
            python,
            port,
            access_key_id: String::new(),
            secret_access_key: String::new(),
        };
        let keys = aws.setup(&["user"])?;
        let (id, secret) = keys.split_once(' ').context("two words are keys")?;
        aws.access_key_id = id.to_owned();
        aws.secret_access_key = secret.to_owned();
        aws.setup(&["enforce"])?;
        Ok(aws)
    }

    /// Its endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Puts a secret's value, as an administrator would.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn put(&self, name: &str, value: &str) -> Result<()> {
        self.setup(&["secret", name, value]).map(drop)
    }

    /// Its port, for whoever stands in between.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a bucket that offers Object Lock, which `gateway` may write to and not read.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn bucket(&self, name: &str) -> Result<()> {
        self.setup(&["bucket", name]).map(drop)
    }

    /// What is in a bucket: name, lock and size, one a line.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn objects(&self, name: &str) -> Result<String> {
        self.setup(&["objects", name])
    }

    /// Fetches what is in a bucket under a prefix.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn download(&self, name: &str, prefix: &str, folder: &Path) -> Result<()> {
        let folder = folder.display().to_string();
        self.setup(&["download", name, prefix, &folder]).map(drop)
    }

    fn setup(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.python);
        command
            .arg(workspace().join("tests/world/aws/setup.py"))
            .arg(self.url())
            .args(arguments)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "administrator")
            .env("AWS_SECRET_ACCESS_KEY", "administrator");
        let shown = Shown::by(&mut command).context("set up moto")?;
        ensure!(
            shown.code == 0,
            "moto refuses {arguments:?}: {}\n{}",
            shown.all(),
            self.server.log()
        );
        Ok(shown.out.trim().to_owned())
    }
}
