//! Everybody the approval desk talks to: `channels/stand_in.py`, with a real SMTP server in it. What the stand-ins do not
//! prove stands in `tests/README.md`.

use crate::install;
use crate::process::{Server, free_port};
use crate::world::workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What webhooks and callbacks are signed with.
pub const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The running stand-ins.
#[derive(Debug)]
pub struct Channels {
    _server: Server,
    folder: PathBuf,
    /// Port of HTTP.
    pub http: u16,
    /// Port of SMTP.
    pub smtp: u16,
}

impl Channels {
    /// Starts them.
    ///
    /// # Errors
    /// When they cannot be had, or do not start.
    pub fn start(folder: &Path) -> Result<Self> {
        let packages = install::mail_sink(&workspace())?;
        let (http, smtp) = (free_port()?, free_port()?);
        let mut command = Command::new("python3");
        command
            .arg(workspace().join("tests/world/channels/stand_in.py"))
            .arg(folder)
            .args([http.to_string(), smtp.to_string()])
            .arg(WHSEC)
            .env("PYTHONPATH", packages);
        let mut server = Server::start(
            "the stand-ins",
            command,
            &folder.join("stand-ins.log"),
            "TERM",
        )?;
        server.wait_for_port(http, Duration::from_secs(60))?;
        Ok(Self {
            _server: server,
            folder: folder.to_owned(),
            http,
            smtp,
        })
    }

    /// The address of something at the stand-ins.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// Lets receiver and ticket systems answer 503, or not any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn down(&self, down: bool) -> Result<()> {
        let file = self.folder.join("down");
        match down {
            true => std::fs::write(file, "")?,
            false => std::fs::remove_file(file)?,
        }
        Ok(())
    }

    /// Everything of one kind that has arrived.
    #[must_use]
    pub fn got(&self, kind: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("log.jsonl")).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|entry| entry["kind"] == kind).collect()
    }

    /// Waits for something of one kind.
    ///
    /// # Errors
    /// When it does not arrive in time.
    pub fn wait_for(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if let Some(found) = self.got(kind).into_iter().find(|entry| fits(entry)) {
                return Ok(found);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let all = self.got(kind);
        bail!("no such {kind} has arrived; there are {all:?}")
    }

    /// The one entry of one kind that fits.
    ///
    /// # Errors
    /// When it does not arrive in time.
    pub fn about(&self, kind: &str, id: &str) -> Result<Value> {
        self.wait_for(kind, |entry| entry.to_string().contains(id))
            .with_context(|| format!("wait for {kind} about {id}"))
    }
}
