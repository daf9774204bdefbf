//! Mail servers with TLS and a login: `channels/mail.py`, over aiosmtpd. They start only where a test asks for them. What
//! they heard in the clear they tell too; what came over TLS, the password with it, they keep to themselves.

use crate::install;
use crate::process::{Server, run};
use crate::world::workspace;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Who logs in.
pub const USER: &str = "gateway";
/// With what.
pub const PASSWORD: &str = "nine-Lives-of-a-Mail-cat";

/// One of them.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// Its name in the log.
    pub name: &'static str,
    /// Its port.
    pub port: u16,
    /// `starttls`, `implicit`, `stripped` or `injects`.
    pub how: &'static str,
    /// Name of its certificate, without the ending.
    pub certificate: &'static str,
    /// The one mechanism to log in that it offers.
    pub only: Option<&'static str>,
}

/// The running servers.
#[derive(Debug)]
pub struct MailServers {
    _server: Server,
    folder: PathBuf,
}

impl MailServers {
    /// Starts them; their certificates are in the folder.
    ///
    /// # Errors
    /// When they do not start.
    pub fn start(folder: &Path, servers: &[MailServer]) -> Result<Self> {
        let packages = install::mail_sink(&workspace())?;
        let file = |name: &str, ending: &str| folder.join(format!("{name}.{ending}"));
        let each = servers.iter().map(|server| {
            let mut each = json!({
                "name": server.name, "port": server.port, "how": server.how,
                "certificate": file(server.certificate, "crt"), "key": file(server.certificate, "key"),
            });
            if let Some(only) = server.only {
                each["only"] = json!(only);
            }
            each
        });
        let list = Value::Array(each.collect());
        fs::write(folder.join("servers.json"), list.to_string())?;
        let ready = folder.join("ready");
        let _ = fs::remove_file(&ready);
        let mut command = Command::new("python3");
        command
            .arg(workspace().join("tests/world/channels/mail.py"))
            .arg(folder)
            .arg(USER)
            .env("MAIL_PASSWORD", PASSWORD)
            .env("PYTHONPATH", packages);
        let log = folder.join("mail.log");
        let server = Server::start("the mail servers", command, &log, "TERM")?;
        let until = Instant::now() + Duration::from_secs(60);
        while !ready.exists() {
            if Instant::now() > until {
                bail!(
                    "the mail servers do not start: {}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self {
            _server: server,
            folder: folder.to_owned(),
        })
    }

    /// Has them refuse every login, or not any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn refuse(folder: &Path, refuse: bool) -> Result<()> {
        let file = folder.join("refuse");
        match refuse {
            true => fs::write(file, "")?,
            false => fs::remove_file(file)?,
        }
        Ok(())
    }

    /// Everything of one kind: `plain`, `login`, `mail`.
    #[must_use]
    pub fn got(&self, kind: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("mail.jsonl")).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|entry| entry["kind"] == kind).collect()
    }

    /// The mail about something that one of them has taken in.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn mail(&self, server: &str, about: &str) -> Result<Value> {
        // The longest pause that a receiver rests after the failures of a minute or two is one of forty seconds.
        let until = Instant::now() + Duration::from_secs(120);
        let fits = |mail: &Value| mail["server"] == server && mail.to_string().contains(about);
        loop {
            if let Some(found) = self.got("mail").into_iter().find(&fits) {
                return Ok(found);
            }
            if Instant::now() > until {
                bail!("no mail has come to {server}: {:?}", self.got("mail"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A certificate that vouches for itself, for this host name: `NAME.crt`, `NAME.key`.
///
/// # Errors
/// When openssl fails.
pub fn certificate(folder: &Path, name: &str, host: &str) -> Result<()> {
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj"])
        .arg(format!("/CN={name}"))
        .arg("-addext")
        .arg(format!("subjectAltName=DNS:{host}"))
        // rustls refuses a certificate authority as a server.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.crt"))))
    .context("make a certificate")?;
    Ok(())
}
