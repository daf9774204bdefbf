//! A certified OpenID provider from npm with a company in it, as a process, and a browser without a screen to
//! log in with. It differs from production in one thing: whoever is chosen is logged in without a password.

use crate::install;
use crate::process::{Server, free_port, run};
use crate::psql::Shown;
use crate::world::workspace;
use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    server: Server,
    port: u16,
}

/// Our client's secret there: a canary, it must never show anywhere.
pub const CLIENT_SECRET: &str = "a-secret-of-tests-that-is-long-enough";

impl Provider {
    /// Starts it for a gateway at this address.
    ///
    /// # Errors
    /// When npm cannot install it, or it does not start.
    pub fn start(folder: &Path, gateway: &str) -> Result<Self> {
        let modules = install::oidc_provider(&workspace())?;
        let port = free_port()?;
        let mut command = Command::new("node");
        command
            .arg(workspace().join("tests/world/oidc/provider.mjs"))
            .arg(port.to_string())
            .arg(gateway)
            .current_dir(modules);
        let log = folder.join("oidc.log");
        let mut server = Server::start("the OpenID provider", command, &log, "TERM")?;
        server.wait_for_port(port, Duration::from_secs(30))?;
        Ok(Self { server, port })
    }

    /// Its `iss`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Changes something: `user=bea`, `groups=`, `agents=`, `lock=ana`, `rotate=soft`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn control(&self, what: &str) -> Result<()> {
        let url = format!("{}/control?{what}", self.url());
        run(Command::new("curl").args(["-fsS", "-X", "POST", &url])).map(drop)
    }

    /// Nobody is answered any more, until [`Provider::up`].
    ///
    /// # Errors
    /// When it goes on.
    pub fn down(&self) -> Result<()> {
        self.server.signal("USR2");
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            ensure!(Instant::now() < until, "the provider goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// It answers again, with all that it knew.
    ///
    /// # Errors
    /// When it does not.
    pub fn up(&mut self) -> Result<()> {
        self.server.signal("USR2");
        self.server
            .wait_for_port(self.port, Duration::from_secs(60))
    }

    /// The token of the agent `report-bot`, by client credentials.
    ///
    /// # Errors
    /// When it refuses.
    pub fn agent(&self) -> Result<String> {
        let url = format!("{}/token", self.url());
        let output = run(Command::new("curl").args([
            "-fsS",
            "-u",
            "report-bot:another-secret-of-tests-long-enough",
            "-d",
            "grant_type=client_credentials",
            &url,
        ]))?;
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let token = answer["access_token"].as_str();
        token.map(str::to_owned).context("a token is in the answer")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// Goes to an address as a browser would, trusting this authority.
///
/// # Errors
/// When node cannot be started.
pub fn browse(url: &str, ca: &Path) -> Result<Shown> {
    let mut command = Command::new("node");
    command
        .arg(workspace().join("tests/world/oidc/browser.mjs"))
        .arg(url)
        .env("NODE_EXTRA_CA_CERTS", ca);
    Shown::by(&mut command).context("run the browser")
}
