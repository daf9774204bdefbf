//! Classifiers: what a request does, graded. The answer is joined with what the gateway established itself
//! and with every other classifier's; the worse always wins, so a classifier can raise and never lower.

use crate::facts::Facts;
use crate::{ConfigError, Rule, Stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::ops::{BitOr, Range};

/// Grades requests. One instance works for one stream; an idle one may be dropped and built again.
pub trait Classifier: Sized + 'static {
    /// Its configuration; use `#[serde(deny_unknown_fields)]`, or [`crate::NoConfig`].
    type Config: DeserializeOwned;
    /// Builds it.
    ///
    /// # Errors
    /// When the configuration makes no sense: the plugin is then not loaded.
    fn configure(config: Self::Config) -> Result<Self, ConfigError>;
    /// A stream begins.
    fn open(&mut self, stream: &Stream) {
        let _ = stream;
    }
    /// What this request does. Must be deterministic; [`Opinion::unknown`] or `panic!` when it cannot tell.
    fn classify(&mut self, message: &Message<'_>) -> Opinion;
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Protocol {
    /// Kubernetes API.
    Kubernetes = 0,
    /// PostgreSQL.
    Postgres = 1,
    /// SSH.
    Ssh = 2,
}

impl Protocol {
    /// The protocol with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Kubernetes),
            1 => Some(Self::Postgres),
            2 => Some(Self::Ssh),
            _ => None,
        }
    }
}

/// What a message is: for SQL where in its life the statement is, elsewhere what carries the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Stage {
    /// Simple query.
    Query = 0,
    /// Extended query: text, parameters still unknown.
    Parse = 1,
    /// Extended query: text and parameters.
    Bind = 2,
    /// Extended query: judged again before it runs.
    Execute = 3,
    /// FunctionCall: no text.
    Call = 4,
    /// SSH `exec`: the command line as the server's shell gets it.
    Exec = 5,
    /// SSH shell: a line as it was typed, best effort: what the terminal makes of it may be another.
    ShellLine = 6,
    /// SSH `subsystem`: its name.
    Subsystem = 7,
    /// One SFTP operation: [`crate::call::FileOperation`] as JSON.
    Sftp = 8,
    /// Kubernetes: the request, [`crate::call::Call`] as JSON.
    Request = 9,
    /// Kubernetes `exec`: the command's words as a JSON array.
    PodExec = 10,
    /// A command of PostgreSQL's replication protocol, which is no SQL.
    Replicate = 11,
    /// SSH: something of a channel that the client asks for: `shell`, `pty xterm`, `forward 10.0.0.7:5432`, `agent`.
    Channel = 12,
}

impl Stage {
    /// The stage with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Query),
            1 => Some(Self::Parse),
            2 => Some(Self::Bind),
            3 => Some(Self::Execute),
            4 => Some(Self::Call),
            5 => Some(Self::Exec),
            6 => Some(Self::ShellLine),
            7 => Some(Self::Subsystem),
            8 => Some(Self::Sftp),
            9 => Some(Self::Request),
            10 => Some(Self::PodExec),
            11 => Some(Self::Replicate),
            12 => Some(Self::Channel),
            _ => None,
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    protocol: Protocol,
    stage: Stage,
    text: &'a str,
    facts: Facts,
}

impl<'a> Message<'a> {
    /// A message from its parts.
    #[must_use]
    pub fn new(protocol: Protocol, stage: Stage, text: &'a str, facts: Facts) -> Self {
        Self {
            protocol,
            stage,
            text,
            facts,
        }
    }

    /// Where it comes from.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where in its life it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What is to be graded: SQL and command lines as the client sent them, JSON where [`Stage`] says so.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// What the gateway established with the server's own grammar. They are a floor: no need to repeat
    /// what they say, and no way to contradict it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// What a message does to its target, ordered by danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Reads only.
    Read,
    /// Changes data.
    Write,
    /// Destroys data or structure.
    Destroy,
    /// Changes who may do what.
    Escalate,
    /// Could not be established.
    Unknown,
}

/// A graded opinion, least to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing to say.
    None,
    /// Noted.
    Low,
    /// Worth a look.
    Medium,
    /// Should be approved.
    High,
    /// Should not happen.
    Critical,
}

/// What a message does, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Verbs(pub u32);

impl Verbs {
    /// Reads data.
    pub const READ: Self = Self(1);
    /// Changes data.
    pub const WRITE: Self = Self(1 << 1);
    /// Changes structure.
    pub const DDL: Self = Self(1 << 2);
    /// Changes rights or roles.
    pub const DCL: Self = Self(1 << 3);
    /// Runs code or programs.
    pub const EXEC: Self = Self(1 << 4);
    /// Bulk transfer.
    pub const COPY: Self = Self(1 << 5);
    /// Touches files of the server.
    pub const FILE: Self = Self(1 << 6);
    /// Opens network connections from the server.
    pub const NET: Self = Self(1 << 7);
    /// Changes privileges of the running session.
    pub const PRIV: Self = Self(1 << 8);
    /// Session settings and transaction control.
    pub const SESSION: Self = Self(1 << 9);
    /// Administers the server.
    pub const ADMIN: Self = Self(1 << 10);

    /// True when all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of its bits.
    pub fn names(self) -> Vec<&'static str> {
        const NAMES: [&str; 11] = [
            "read", "write", "ddl", "dcl", "exec", "copy", "file", "net", "priv", "session",
            "admin",
        ];
        let set = |bit: &usize| self.0 & 1 << bit != 0;
        (0..NAMES.len()).filter(set).map(|bit| NAMES[bit]).collect()
    }
}

impl BitOr for Verbs {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Something a message touches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub struct Object {
    /// `table`, `function`, `database`, `role`, …
    pub kind: String,
    /// Schema as written, if written.
    pub schema: Option<String>,
    /// Name.
    pub name: String,
    /// True when it is written, created or dropped rather than read.
    pub write: bool,
}

/// The answer of a classifier. Starts harmless; every call can only raise it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The worst effect.
    pub effect: Effect,
    /// The worst risk.
    pub risk: Risk,
    /// All verbs.
    pub verbs: Verbs,
    /// Stable labels for policies: lower case, digits, `-._/:`, at most 64 bytes each.
    pub labels: BTreeSet<String>,
    /// Rules that matched, with the byte range of the text.
    pub findings: Vec<(Rule, Range<usize>)>,
    /// What it touches.
    pub objects: BTreeSet<Object>,
}

impl Opinion {
    /// Nothing to add to what the gateway knows.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            effect: Effect::Read,
            risk: Risk::None,
            verbs: Verbs::default(),
            labels: BTreeSet::new(),
            findings: Vec::new(),
            objects: BTreeSet::new(),
        }
    }

    /// It could not be established: the worst effect.
    #[must_use]
    pub fn unknown(label: &str) -> Self {
        Self::nothing()
            .effect(Effect::Unknown)
            .risk(Risk::Critical)
            .label(label)
    }

    /// At least this effect.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = self.effect.max(effect);
        self
    }

    /// At least this risk.
    #[must_use]
    pub fn risk(mut self, risk: Risk) -> Self {
        self.risk = self.risk.max(risk);
        self
    }

    /// These verbs too.
    #[must_use]
    pub fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = self.verbs | verbs;
        self
    }

    /// This label too.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.labels.insert(label.to_owned());
        self
    }

    /// A rule matched at this byte range of the text.
    #[must_use]
    pub fn finding(mut self, rule: Rule, range: Range<usize>) -> Self {
        self.findings.push((rule, range));
        self
    }

    /// It touches this.
    #[must_use]
    pub fn object(mut self, object: Object) -> Self {
        self.objects.insert(object);
        self
    }

    /// The worse of both, with everything both have said.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.effect = self.effect.max(other.effect);
        self.risk = self.risk.max(other.risk);
        self.verbs = self.verbs | other.verbs;
        self.labels.extend(other.labels);
        self.findings.extend(other.findings);
        self.objects.extend(other.objects);
        self
    }
}
