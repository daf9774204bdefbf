//! The development issuer, as a process: a stand-in for an identity provider, and loudly so.

use crate::process::{Server, free_port, run};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Somebody with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// `sub`.
    pub subject: &'static str,
    /// `human`, `agent`, `ci`, `service`.
    pub kind: &'static str,
    /// Groups.
    pub groups: &'static [&'static str],
}

/// An AI agent that reports on orders.
pub const AGENT: Person = Person {
    subject: "report-bot",
    kind: "agent",
    groups: &["data-agents"],
};
/// An engineer.
pub const ANA: Person = Person {
    subject: "ana@example.com",
    kind: "human",
    groups: &["engineers"],
};
/// A database administrator, who approves.
pub const BEA: Person = Person {
    subject: "bea@example.com",
    kind: "human",
    groups: &["dba"],
};
/// The data protection officer, who sees personal data.
pub const DORA: Person = Person {
    subject: "dora@example.com",
    kind: "human",
    groups: &["engineers", "dpo"],
};
/// Of a team that sees its own part of a cluster.
pub const CLEO: Person = Person {
    subject: "cleo@example.com",
    kind: "human",
    groups: &["shop-team"],
};
/// In no group at all.
pub const EVE: Person = Person {
    subject: "eve@example.com",
    kind: "human",
    groups: &[],
};

/// A running development issuer.
#[derive(Debug)]
pub struct Issuer {
    server: Server,
    program: std::path::PathBuf,
    /// Its port.
    pub port: u16,
}

impl Issuer {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &Path, folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .args(["dev-issuer", "--address"])
            .arg(format!("127.0.0.1:{port}"));
        let mut server = Server::start(
            "the development issuer",
            command,
            &folder.join("issuer.log"),
            "TERM",
        )?;
        server.wait_for_port(port, Duration::from_secs(60))?;
        Ok(Self {
            server,
            program: program.to_owned(),
            port,
        })
    }

    /// Its issuer URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A token for somebody, good for an hour.
    ///
    /// # Errors
    /// When the issuer refuses.
    pub fn token(&self, person: &Person) -> Result<String> {
        self.token_with(person, &[])
    }

    /// A token with further arguments of `dev-issuer token`.
    ///
    /// # Errors
    /// When the issuer refuses.
    pub fn token_with(&self, person: &Person, more: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command
            .args(["dev-issuer", "token", "--address"])
            .arg(format!("127.0.0.1:{}", self.port));
        command.args(["--subject", person.subject, "--kind", person.kind]);
        for group in person.groups {
            command.args(["--group", group]);
        }
        let output = run(command.args(more)).context("ask the development issuer for a token")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The words of a shell that print a token of a login of now: what a vote takes.
    #[must_use]
    pub fn asks_for(&self, person: &Person) -> String {
        let groups: Vec<_> = person
            .groups
            .iter()
            .map(|group| format!(" --group {group}"))
            .collect();
        format!(
            "{} dev-issuer token --address 127.0.0.1:{} --subject {} --kind {}{}",
            self.program.display(),
            self.port,
            person.subject,
            person.kind,
            groups.concat()
        )
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}
