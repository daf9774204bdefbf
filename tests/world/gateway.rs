//! The gateway as a process: started from a configuration file, spoken to by its own command line.

use crate::process::{Server, which};
use crate::psql::Shown;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    program: PathBuf,
    config: PathBuf,
    /// Port of the PostgreSQL listener.
    pub port: u16,
    /// Port of health and metrics.
    pub metrics: u16,
    folder: PathBuf,
}

impl Gateway {
    /// Starts it with a configuration that is already written.
    ///
    /// # Errors
    /// When it does not get ready; its log is in the error.
    pub fn start(
        program: &Path,
        config: &Path,
        port: u16,
        metrics: u16,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let folder = config
            .parent()
            .context("find the configuration's folder")?
            .to_owned();
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(config);
        for (key, value) in environment {
            command.env(key, value);
        }
        let mut server =
            Server::start("the gateway", command, &folder.join("gateway.log"), "TERM")?;
        server.wait_for_port(port, Duration::from_secs(60))?;
        let gateway = Self {
            server,
            program: program.to_owned(),
            config: config.to_owned(),
            port,
            metrics,
            folder,
        };
        gateway.until_ready()?;
        Ok(gateway)
    }

    /// Runs one of its administration commands against it.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn admin(&self, arguments: &[&str]) -> Result<Shown> {
        self.admin_as(None, arguments)
    }

    /// The same with a token in the environment, as an approver would.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn admin_as(&self, token: Option<&str>, arguments: &[&str]) -> Result<Shown> {
        let mut command = self.command(arguments);
        if let Some(token) = token {
            command.env("PORTCULLIS_TOKEN", token);
        }
        Shown::by(&mut command).context("run an administration command")
    }

    /// Makes sure that today's policies decide what is on record as they did, and that there are so many decisions.
    ///
    /// # Errors
    /// When they do not.
    pub fn replays_unchanged(&self, least: u64) -> Result<()> {
        let shown = self.admin(&["policy", "replay", "--strict", "--json"])?;
        let answer: serde_json::Value = serde_json::from_str(&shown.out)
            .with_context(|| format!("what replay says: {}", shown.all()))?;
        let none = ["changes", "other_obligations", "unreadable"];
        ensure!(
            shown.code == 0 && none.iter().all(|what| answer[what] == 0),
            "nothing changes: {answer:#}"
        );
        let decisions = answer["decisions"].as_u64().unwrap_or_default();
        ensure!(decisions >= least, "connects and commands: {answer:#}");
        Ok(())
    }

    /// An administration command, to be run by the caller.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("PORTCULLIS_CONFIG", &self.config);
        command.env_remove("PORTCULLIS_TOKEN");
        command
    }

    /// An administration command whose standard output is JSON.
    ///
    /// # Errors
    /// When it fails or prints no JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let mut all = arguments.to_vec();
        all.push("--json");
        let shown = self.admin(&all)?;
        if shown.code != 0 {
            bail!(
                "portcullis {} failed ({}): {}",
                arguments.join(" "),
                shown.code,
                shown.err
            );
        }
        serde_json::from_str(&shown.out).with_context(|| {
            format!(
                "read the JSON of portcullis {}: {}",
                arguments.join(" "),
                shown.out
            )
        })
    }

    /// Waits for a pending approval and returns its id.
    ///
    /// # Errors
    /// When none appears in time.
    pub fn pending(&self, within: Duration) -> Result<String> {
        let until = Instant::now() + within;
        loop {
            let list = self.json(&["approvals", "list"])?;
            let rows = list.as_array().or_else(|| list["approvals"].as_array());
            let pending = rows.into_iter().flatten().find(|a| {
                a["state"]
                    .as_str()
                    .is_some_and(|s| s.eq_ignore_ascii_case("pending"))
            });
            if let Some(id) = pending.and_then(|a| a["id"].as_str()) {
                return Ok(id.to_owned());
            }
            if Instant::now() > until {
                bail!("no approval is pending: {list}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its folder: configuration, state, log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the record.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        self.server.signal(name);
    }

    /// Waits for its end and returns the exit code.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self, within: Duration) -> Result<Option<i32>> {
        self.server.wait(within)
    }

    /// A page of the health and metrics listener.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn page(&self, path: &str) -> Result<String> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.metrics))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(page)
    }

    fn until_ready(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match self.page("/readyz") {
                Ok(page) if page.starts_with("HTTP/1.1 200") => return Ok(()),
                answer if Instant::now() > until => {
                    bail!("the gateway does not get ready: {answer:?}\n{}", self.log())
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// The gateway's binary: `PORTCULLIS_BIN`, or what `cargo` built last in the given profile.
///
/// # Errors
/// When it is not there.
pub fn program(workspace: &Path, profile: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PORTCULLIS_BIN") {
        return Ok(path.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from);
    let path = target.join(profile).join("portcullis");
    if !path.is_file() {
        bail!(
            "{} is not built: run `cargo xtask test` or `cargo xtask demo`",
            path.display()
        );
    }
    anyhow::ensure!(
        which("psql").is_some(),
        "psql is missing: install postgresql-client"
    );
    Ok(path)
}
