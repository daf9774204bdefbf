//! `journal:` what becomes of the record once it is written. Nothing in here is in the data path.

use super::duration::Period;
use super::secret::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What becomes of the record once it is written.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keeping {
    /// Keep an index beside the record, for searches, lists and the console. It holds commands in their masked form.
    pub index: bool,
    /// What payloads (commands, answers, decisions) are recorded as. Who came when, to what, and how it ended is in clear.
    pub payloads: Payloads,
    /// With `payloads: recipients`: age recipients (`age1…`), each of whom can read the record. The gateway cannot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// How long payloads are kept; all hashes and who came when stay. Sessions under a hold are kept whole.
    pub retention: Retain,
    /// Copies outside of the gateway's power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// Who is told what happens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<SinkConfig>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            index: true,
            payloads: Payloads::Clear,
            recipients: Vec::new(),
            retention: Retain::default(),
            copies: None,
            sinks: Vec::new(),
        }
    }
}

/// What payloads are recorded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Payloads {
    /// As they are.
    Clear,
    /// Under a key for each session, which the gateway holds until the session is shredded: copies become unreadable too.
    Keys,
    /// Under a key for each session that only `recipients` can open.
    Recipients,
}

/// How long payloads are kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retain {
    /// So long after a session has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Period>,
    /// So many MiB of record; then the oldest sessions go first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mib: Option<u64>,
}

/// Copies of closed segments and of checkpoints in a bucket of S3, or of what speaks like it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copies {
    /// The account under `secrets.aws` that may write there.
    pub account: String,
    /// The bucket.
    pub bucket: String,
    /// Before every name: `gw-1/`.
    #[serde(default)]
    pub prefix: String,
    /// Objects are locked so long (Object Lock, compliance mode): nobody can change them. The bucket has to offer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_days: Option<u32>,
    /// A segment that is open for so long is closed, to be copied.
    #[serde(default = "segment_every")]
    pub segment_every: Period,
    /// What happens while copies cannot be made.
    #[serde(default)]
    pub on_failure: OnCopyFailure,
    /// With `on_failure: block`: so long they may fail first.
    #[serde(default = "block_after")]
    pub block_after: Period,
}

fn segment_every() -> Period {
    Period(Duration::from_secs(15 * 60))
}

fn block_after() -> Period {
    Period(Duration::from_secs(3600))
}

/// What happens while copies cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnCopyFailure {
    /// `status` and metrics say so; sessions go on. Nothing is lost: it is copied later.
    #[default]
    Warn,
    /// Nobody is admitted any more, until copies are made again.
    Block,
}

/// Somebody who is told what happens: one of `syslog`, `http` and `otlp`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// Its name: letters, digits and dashes.
    pub name: String,
    /// Syslog over TLS (RFC 5424, RFC 5425).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<SyslogSink>,
    /// OCSF events as lines of JSON, by POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSink>,
    /// OpenTelemetry logs (OTLP/HTTP, JSON).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<HttpSink>,
}

/// A collector that speaks syslog.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyslogSink {
    /// Its name or address, as its certificate has it.
    pub host: String,
    /// Its port.
    #[serde(default = "syslog_port")]
    pub port: u16,
    /// File with the authorities that its certificate has to come from; the public ones without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

fn syslog_port() -> u16 {
    6514
}

/// A collector that speaks HTTP.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSink {
    /// Where to; https, or http to this machine. With `otlp`, `/v1/logs` is added.
    pub url: String,
    /// What goes into `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// File with the authorities that its certificate has to come from; the public ones without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}
