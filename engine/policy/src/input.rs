//! The `input` document `portcullis/v1`: everything a policy gets to know, and nothing else.
//!
//! One Rust type is the source of the JSON that rules read, of `policies/input.schema.json`, and of the
//! check that a rule only reads what exists. Every field is always present: unknown is `null`, never
//! missing, because `not input.x.y` on a missing field is *true* in Rego. It refuses to carry a secret:
//! texts arrive masked, and nothing here can reach a credential.

mod build;
mod document;
mod schema;
mod values;

pub use build::{ApproveQuestion, ConnectQuestion, ConsoleQuestion};
pub(crate) use document::{Document, Section, Standing};
pub use schema::schema;
pub(crate) use schema::{Known, Paths, Step, Typed};

use portcullis_model::{
    Effect, Kind, Object, Predicate, Protocol, Risk, Stage, Transaction, facts,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The version that every document carries.
pub const VERSION: &str = "portcullis/v1";

type Text<'a> = Cow<'a, str>;
type Texts<'a> = Cow<'a, [String]>;

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "portcullis/v1")]
pub struct Input<'a> {
    /// Always `portcullis/v1`.
    pub version: Text<'a>,
    /// What is asked.
    pub action: Action,
    /// Who asks.
    pub identity: Identity<'a>,
    /// What it is asked about; null for `console`.
    pub connection: Option<Connection<'a>>,
    /// The session. At `connect` it does not exist yet: `id`, `login` and `started_ns` are null.
    pub session: Session<'a>,
    /// What the client wishes for; null but for `connect`.
    pub connect: Option<Connect<'a>>,
    /// The command; null but for `command` and `response`.
    pub command: Option<Command<'a>>,
    /// The state the command runs in; null but for `command` and `response`.
    pub context: Option<Context<'a>>,
    /// The vote that is to be cast; null but for `approve`.
    pub approval: Option<Approval<'a>>,
    /// What the session has done so far; zero where there is no session. Rules that read it are never
    /// cached.
    pub history: History,
    /// The request itself.
    pub request: Request<'a>,
}

/// The stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Action {
    /// May this identity open this target?
    Connect,
    /// May this command run?
    Command,
    /// What is to be done to a response? Reserved: today the obligations of the command decide.
    Response,
    /// May this person vote?
    Approve,
    /// Which roles does this identity have in the console?
    Console,
}

/// Issuer and subject: the only key of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Principal<'a> {
    /// `iss`.
    pub issuer: Text<'a>,
    /// `sub`.
    pub subject: Text<'a>,
}

/// A verified identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Identity<'a> {
    /// `iss`.
    pub issuer: Text<'a>,
    /// `sub`.
    pub subject: Text<'a>,
    /// The configured name of the issuer.
    pub provider: Text<'a>,
    /// `human`, `agent`, `ci` or `service`.
    #[schemars(schema_with = "schema::kind")]
    pub kind: Kind,
    /// What people call it; not unique, not to be compared.
    pub name: Text<'a>,
    /// Groups, as mapped from the token.
    pub groups: Texts<'a>,
    /// Verified claims on the issuer's allow-list.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub claims: Cow<'a, Map<String, Value>>,
    /// RFC 8693 `act`, outermost first: who acts on behalf of the subject.
    pub actors: Vec<Principal<'a>>,
    /// The person who answers for a machine identity.
    pub owner: Option<Principal<'a>>,
    /// How and when it was authenticated.
    pub auth: Auth<'a>,
}

/// How and when an identity was authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Auth<'a> {
    /// `auth_time`, in nanoseconds since the epoch.
    pub time_ns: Option<i64>,
    /// `amr`.
    pub methods: Texts<'a>,
    /// `acr`.
    pub assurance: Option<Text<'a>>,
    /// `exp`, in nanoseconds since the epoch.
    pub expires_ns: i64,
}

/// What is acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connection<'a> {
    /// The name clients use.
    pub name: Text<'a>,
    /// `postgres`, `ssh` or `kubernetes`.
    #[schemars(schema_with = "schema::protocol")]
    pub protocol: Protocol,
    /// Labels from the configuration.
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Cow<'a, BTreeMap<String, String>>,
    /// PostgreSQL: the database.
    pub database: Option<Text<'a>>,
    /// The upstream role of the configuration.
    pub role: Option<Text<'a>>,
}

/// The session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session<'a> {
    /// `s-…`.
    pub id: Option<String>,
    /// When it was admitted, in nanoseconds since the epoch.
    pub started_ns: Option<i64>,
    /// The upstream login in use.
    pub login: Option<Text<'a>>,
    /// The reason the client gave.
    pub reason: Option<Text<'a>>,
    /// The ticket it belongs to: set in the session, or named when it connected.
    pub ticket: Option<Text<'a>>,
    /// What its system says of the ticket; null where no system is configured, or no ticket named.
    #[serde(default)]
    pub ticket_check: Option<TicketCheck<'a>>,
    /// The approved access request that opened it.
    pub access_request: Option<Text<'a>>,
}

/// What a ticket system says of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketCheck<'a> {
    /// The system that was asked, by its name in the configuration; null where none keeps such tickets.
    pub system: Option<Text<'a>>,
    /// It is there, and every check of the configuration holds.
    pub valid: bool,
    /// Why it is not valid.
    pub reason: Option<Text<'a>>,
    /// The fields that the configuration names.
    #[schemars(with = "BTreeMap<String, String>")]
    pub fields: Cow<'a, BTreeMap<String, String>>,
}

/// What a client wishes for when it connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connect<'a> {
    /// The login name it asked for: a wish, no identity.
    pub login: Option<Text<'a>>,
    /// Startup settings, already on the allow-list.
    #[schemars(with = "BTreeMap<String, String>")]
    pub settings: Cow<'a, BTreeMap<String, String>>,
    /// It wants a replication connection, which is opaque to masking.
    pub replication: bool,
}

/// A command: what it means, and how it is worded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Command<'a> {
    /// What it means.
    #[serde(flatten)]
    pub meaning: Meaning<'a>,
    /// How it is worded.
    #[serde(flatten)]
    pub wording: Wording<'a>,
}

/// What a command means. Rules that read only this part are cached across literals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Meaning<'a> {
    /// Whether all of it was parsed and understood.
    pub parse: Parsed,
    /// Where in its life it is.
    #[schemars(schema_with = "schema::stage")]
    pub stage: Stage,
    /// The worst effect, of facts and plugins.
    #[schemars(schema_with = "schema::effect")]
    pub effect: Effect,
    /// The worst risk.
    #[schemars(schema_with = "schema::risk")]
    pub risk: Risk,
    /// What it does: `read`, `write`, `ddl`, `dcl`, `exec`, `copy`, `file`, `net`, `priv`, `session`, `admin`.
    pub verbs: Vec<Text<'a>>,
    /// Stable labels of all statements and plugins.
    #[schemars(with = "BTreeSet<String>")]
    pub labels: Cow<'a, BTreeSet<String>>,
    /// What plugins found.
    pub findings: Vec<Finding<'a>>,
    /// One for each statement; what PREPARE and DECLARE hold follows as a statement of its own. A command that is
    /// no SQL is one.
    pub statements: Vec<Statement<'a>>,
}

/// How a command is worded. Secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wording<'a> {
    /// The text, cut at 64 KiB.
    pub text: Text<'a>,
    /// True when `text` was cut.
    pub truncated: bool,
    /// Bound parameters in text form; null for NULL and for what could not be read.
    pub parameters: Cow<'a, [Option<String>]>,
    /// SHA-256 of the exact bytes, hex.
    pub digest: Text<'a>,
}

/// Whether a command was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Parsed {
    /// All of it was understood.
    Ok,
    /// It holds something opaque: a function body, dynamic SQL, a name that did not resolve.
    Partial,
    /// The server's grammar rejects it.
    Failed,
}

/// What a plugin found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding<'a> {
    /// `name@version`.
    pub plugin: Text<'a>,
    /// The rule's name from its manifest.
    pub rule: Text<'a>,
}

/// The facts of one statement, from the server's own grammar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Statement<'a> {
    /// Upper-case keyword: SELECT, DELETE, DROP, …
    pub verb: Text<'a>,
    /// The worst category found anywhere in it.
    #[schemars(schema_with = "schema::category")]
    pub class: facts::Category,
    /// The floor of its effect.
    #[schemars(schema_with = "schema::effect")]
    pub effect: Effect,
    /// DDL: TABLE, DATABASE, ROLE, …
    pub object_type: Option<Text<'a>>,
    /// Relations, functions and other objects it names.
    #[schemars(schema_with = "schema::objects")]
    pub objects: Cow<'a, [Object]>,
    /// Columns named anywhere, as written.
    pub columns: Texts<'a>,
    /// `missing` and `constant` (`WHERE true`) both mean all rows.
    #[schemars(schema_with = "schema::predicate")]
    pub predicate: Predicate,
    /// Functions called, lower case, qualified as written.
    pub functions: Texts<'a>,
    /// Stable labels: `drop-database`, `copy-program`, …
    #[schemars(with = "BTreeSet<String>")]
    pub labels: Cow<'a, BTreeSet<String>>,
    /// What all its parts do.
    pub verbs: Vec<Text<'a>>,
    /// Settings it changes.
    pub settings: Vec<Setting<'a>>,
    /// What else it does to the session: `begin`, `commit`, `rollback`, `savepoint`, `set`, `reset`,
    /// `prepare`, `execute`, `deallocate`, `declare`, `fetch`, `close`, `channel`.
    pub changes: Vec<Text<'a>>,
    /// COPY, if it is one.
    pub copy: Option<Copying<'a>>,
    /// SSH: the command as the remote shell would read it; null elsewhere.
    pub shell: Option<Shell<'a>>,
    /// Kubernetes: the request; null elsewhere.
    pub call: Option<Call<'a>>,
}

/// A command for a remote shell. `verb` of its statement is the program's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shell<'a> {
    /// Program and arguments, where the text is plain words that every shell reads alike and holds no secret; else
    /// empty: then only labels and the text say what it does.
    pub argv: Texts<'a>,
    /// `exec`, `shell`, `pty`, `subsystem`, `sftp`, `forward`, `streamlocal`, `remote-forward`, `remote-streamlocal`, `agent`, `x11`, or `typed` for a line at a prompt.
    pub mode: Text<'a>,
    /// Files and folders it names, made absolute where that is known.
    pub paths: Texts<'a>,
    /// Options among the arguments, long ones in full, short ones apart.
    pub flags: Texts<'a>,
    /// It runs as somebody else, by sudo and the like.
    pub privileged: bool,
}

/// A request to a Kubernetes API. `verb` of its statement is the API's verb in upper case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Call<'a> {
    /// API group; empty for the core.
    pub group: Text<'a>,
    /// `pods`, `secrets`, …; null for paths that are no resource.
    pub resource: Option<Text<'a>>,
    /// `exec`, `log`, `token`, …
    pub subresource: Option<Text<'a>>,
    /// Null for what belongs to the whole cluster, and for all namespaces.
    pub namespace: Option<Text<'a>>,
    /// Null for a list.
    pub name: Option<Text<'a>>,
    /// Exec: the words of the command.
    pub command: Texts<'a>,
    /// Port-forward: the ports named so far. kubectl names each when it is first used, and is judged again then.
    pub ports: Cow<'a, [u16]>,
}

/// A setting that a statement changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting<'a> {
    /// Lower case.
    pub name: Text<'a>,
    /// Null when it is no literal, or RESET.
    pub value: Option<Text<'a>>,
    /// SET LOCAL.
    pub local: bool,
}

/// What a COPY moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Copying<'a> {
    /// `in` for COPY FROM, `out` for COPY TO.
    pub direction: Direction,
    /// Schema of the relation, as written.
    pub schema: Option<Text<'a>>,
    /// The relation; null when it copies a query.
    pub table: Option<Text<'a>>,
    /// Columns listed; empty means all.
    pub columns: Texts<'a>,
    /// `text`, `csv` or `binary`.
    pub format: Text<'a>,
    /// It reads or writes a file of the server, or runs a program there.
    pub server_side: bool,
}

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// COPY FROM.
    In,
    /// COPY TO.
    Out,
}

/// The state a command runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Context<'a> {
    /// `idle`, `open` or `failed`.
    #[schemars(schema_with = "schema::transaction")]
    pub transaction: Transaction,
    /// `current_user`, when known.
    pub role: Option<Text<'a>>,
    /// `search_path`, when known.
    pub search_path: Option<Text<'a>>,
    /// Settings changed in this session; null where the value was no literal.
    #[schemars(with = "BTreeMap<String, Option<String>>")]
    pub settings: Cow<'a, BTreeMap<String, Option<String>>>,
    /// Temporary relations that shadow others.
    pub shadows: Texts<'a>,
}

/// A vote that somebody wants to cast. The voter is `input.identity`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval<'a> {
    /// The approval's id.
    pub id: Text<'a>,
    /// Who asked.
    pub requester: Identity<'a>,
    /// What is required.
    pub requirement: Requirement<'a>,
    /// What the approver is shown; secrets masked, cut at 64 KiB.
    pub shown: Text<'a>,
    /// True for an access request at connect, false for a held command.
    pub access: bool,
    /// The worst effect of what is held.
    #[schemars(schema_with = "schema::effect")]
    pub effect: Effect,
    /// Its labels.
    #[schemars(with = "BTreeSet<String>")]
    pub labels: Cow<'a, BTreeSet<String>>,
    /// Who has voted already.
    pub votes: Vec<Principal<'a>>,
    /// When it lapses, in nanoseconds since the epoch.
    pub expires_ns: i64,
}

/// What an approval requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requirement<'a> {
    /// The rule that asked.
    pub rule: Text<'a>,
    /// Its message.
    pub msg: Text<'a>,
    /// Groups that may vote.
    pub approver_groups: Texts<'a>,
    /// Distinct people needed.
    pub approvers: u32,
    /// How long it may be pending.
    pub ttl_seconds: u64,
    /// It wants a ticket.
    pub ticket: bool,
}

/// What came before: this session, and this identity within the last hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Statements judged in this session, the present one included.
    pub commands: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Rows released.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
    /// Statements let through, by their worst effect.
    pub effects: Effects,
    /// When somebody last approved something here, in nanoseconds since the epoch.
    pub last_approval_ns: Option<i64>,
    /// This identity, in all its sessions on this node, within the last hour (up to five minutes more).
    pub identity_hour: Hour,
}

/// What an identity did within the last hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hour {
    /// Sessions admitted.
    pub sessions: u64,
    /// Statements judged.
    pub commands: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Rows released.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
    /// Statements let through, by their worst effect.
    pub effects: Effects,
}

/// Statements by effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Effects {
    /// Reads only.
    pub read: u64,
    /// Changes data.
    pub write: u64,
    /// Destroys data or structure.
    pub destroy: u64,
    /// Changes who may do what.
    pub escalate: u64,
    /// Could not be established.
    pub unknown: u64,
}

/// The request itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request<'a> {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin<'a>,
    /// The gateway's clock, in nanoseconds since the epoch. Rules that read it are never cached.
    pub time_ns: i64,
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin<'a> {
    /// The gateway node.
    pub node: Option<Text<'a>>,
    /// Peer address.
    pub source_ip: Option<String>,
    /// What the client calls itself: a claim, not a fact.
    pub program: Option<Text<'a>>,
    /// `TLSv1.3` and the like; null for none.
    pub tls: Option<Text<'a>>,
}
