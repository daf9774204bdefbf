//! One framed message, and what it means. `wire` is always the exact bytes: what is judged, recorded
//! and forwarded is one and the same thing.

use crate::call::Call;
use crate::class::Class;
use crate::facts::StatementFacts;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The client of the gateway.
    Client,
    /// The server behind it.
    Upstream,
}

/// The protocols of the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Kubernetes API.
    Kubernetes,
    /// PostgreSQL v3.
    Postgres,
    /// SSH.
    Ssh,
}

/// What a request is when it is judged: for SQL where in its life the statement is, elsewhere what carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Simple query: text, no parameters, runs at once.
    Query,
    /// Extended query, Parse: text, parameters still unknown. Nothing of the user's runs yet.
    Parse,
    /// Extended query, Bind: text and parameters. Planning runs immutable functions: hold before this.
    Bind,
    /// Extended query, Execute: judged again, because time has passed since Bind.
    Execute,
    /// FunctionCall: an OID and arguments, no text.
    Call,
    /// SSH `exec`: the command line as the server's shell gets it.
    Exec,
    /// SSH shell: a line as it was typed, best effort: what the terminal makes of it may be another.
    ShellLine,
    /// SSH `subsystem`: its name.
    Subsystem,
    /// One SFTP operation: [`crate::call::FileOperation`] as JSON.
    Sftp,
    /// Kubernetes: the request, [`crate::call::Call`] as JSON.
    Request,
    /// Kubernetes `exec`: the command's words as a JSON array.
    PodExec,
    /// A command of PostgreSQL's replication protocol, on a connection that was opened for it.
    Replicate,
    /// SSH: something of a channel that the client asks for: `shell`, `pty xterm`, `forward 10.0.0.7:5432`, `agent`.
    Channel,
}

impl Stage {
    /// All of them, each at its number in the plugin contract. Numbers are only ever added.
    pub const ALL: [Self; 13] = [
        Self::Query,
        Self::Parse,
        Self::Bind,
        Self::Execute,
        Self::Call,
        Self::Exec,
        Self::ShellLine,
        Self::Subsystem,
        Self::Sftp,
        Self::Request,
        Self::PodExec,
        Self::Replicate,
        Self::Channel,
    ];

    /// The protocol whose messages have it.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Query
            | Self::Parse
            | Self::Bind
            | Self::Execute
            | Self::Call
            | Self::Replicate => Protocol::Postgres,
            Self::Exec | Self::ShellLine | Self::Subsystem | Self::Sftp | Self::Channel => {
                Protocol::Ssh
            }
            Self::Request | Self::PodExec => Protocol::Kubernetes,
        }
    }
}

/// A bound parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Type OID, 0 when the server inferred it and we do not know.
    pub type_oid: u32,
    /// Text form if it could be decoded; the raw bytes otherwise.
    pub value: Option<Bytes>,
    /// True when `value` is binary that we could not decode.
    pub opaque: bool,
}

/// Transaction status as of the last ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transaction {
    /// `I`.
    Idle,
    /// `T`.
    Open,
    /// `E`.
    Failed,
}

/// The state a statement runs in, as far as the gateway knows it. A vote is void when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Transaction status.
    pub transaction: Transaction,
    /// `current_user`, when known.
    pub role: Option<String>,
    /// `search_path`, when known.
    pub search_path: Option<String>,
    /// Settings changed in this session, lower-case name to value (`None`: changed to something
    /// that was no literal).
    pub settings: BTreeMap<String, Option<String>>,
    /// Temporary relations that shadow others, as probed before a hold.
    pub shadows: Vec<String>,
}

impl Context {
    /// A fresh session.
    #[must_use]
    pub fn new() -> Self {
        Self {
            transaction: Transaction::Idle,
            role: None,
            search_path: None,
            settings: BTreeMap::new(),
            shadows: Vec::new(),
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// A statement to be judged.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The text: valid UTF-8 without NUL, shared with the name maps.
    pub text: Arc<str>,
    /// Where in its life it is.
    pub stage: Stage,
    /// Bound parameters (stage Bind and Execute, or the arguments of a Call).
    pub parameters: Vec<Parameter>,
    /// What EXECUTE, FETCH or CALL resolve to, from the connection's own maps. A name that could not
    /// be resolved is `None` and makes the message `Unknown`.
    pub resolved: Vec<(String, Option<Arc<StatementFacts>>)>,
    /// Stage Call: the function's OID.
    pub function: Option<u32>,
    /// Stage Replicate: what the protocol itself knows of the command, which is no SQL.
    pub known: Option<Arc<StatementFacts>>,
}

/// A request that is no SQL: a command line, an operation on files, a call to an API, a channel that is asked for.
/// The host has no grammar for it; what it does is what the classifiers say.
#[derive(Clone, Debug)]
pub struct Command {
    /// What classifiers, policies and approvers read: valid UTF-8 without NUL. See [`Stage`].
    pub text: Arc<str>,
    /// What carries it.
    pub stage: Stage,
    /// The same in parts, for policies.
    pub subject: Subject,
    /// What the protocol itself knows of it: a floor that plugins may raise. Without it a command that no plugin
    /// is interested in is `Unknown`.
    pub known: Option<Class>,
    /// Byte ranges of `text` that are secrets by grammar: masked in the record and in the policy's input.
    pub secrets: Vec<Range<u32>>,
    /// What else it depends on (environment, headers that are kept, the digest of a body): an approval is bound to it
    /// as well as to the exact bytes.
    pub bound: Bytes,
}

/// The parts of a [`Command`], as policies read them in `command.statements`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Something for a shell, or for the server in its place.
    Shell(ShellCommand),
    /// A request to an API.
    Call(Box<Call>),
}

/// A command for a remote host, in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellCommand {
    /// `exec`, `shell`, `subsystem`, `typed`, `sftp`, `forward`, …
    pub mode: &'static str,
    /// Program and arguments, where the text is plain words that every shell reads alike; else empty.
    pub argv: Vec<String>,
    /// Files it names, where that is known.
    pub paths: Vec<String>,
    /// Options among the arguments.
    pub flags: Vec<String>,
    /// It runs as somebody else.
    pub privileged: bool,
}

/// One request of a client: exact bytes and meaning.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it means.
    pub body: Body,
    /// The exact bytes.
    pub wire: Bytes,
}

/// What a client's message means.
#[derive(Clone, Debug)]
pub enum Body {
    /// Carries no user content and changes nothing by itself: Sync, Flush, Describe, Close, Terminate.
    Control(&'static str),
    /// The same about something that has a name: Describe, Close, and Execute of what Bind was judged for.
    Named {
        /// `describe`, `close`, `execute`.
        control: &'static str,
        /// The portal or statement, cut at PostgreSQL's 63 bytes of a name.
        name: Arc<str>,
        /// Execute: the row limit; 0 is none.
        rows: i32,
    },
    /// SQL.
    Statement(Statement),
    /// A request that is no SQL.
    Command(Command),
    /// A chunk of a stream that was judged when it opened (COPY data, standard input). Recorded masked and counted.
    Upload(Bytes),
    /// What was typed at a terminal. A password may be among it, so it is recorded by its length alone unless the
    /// terminal showed it; what is echoed stands in the output anyway.
    Typed {
        /// The bytes.
        bytes: Bytes,
        /// The terminal has shown it.
        shown: bool,
    },
    /// A chunk of a stream that nobody can read here. It passes only where policy lets it.
    Opaque {
        /// `scp`, `rsync`, `git`, `sftp`, `forward`: the word by which policy lets it pass.
        stream: &'static str,
        /// The bytes.
        bytes: Bytes,
    },
}
