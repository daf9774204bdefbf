//! What a pack says, read strictly: a field that is not known is a wrong shape, because a misspelt
//! `approver_groupz` must not become an approval by anybody.

mod terms;

use crate::failure::Failure;
use portcullis_model::{
    Budget, Chat, Control, Filter, JsonPath, Predicates, RecordLevel, Strategy, limits,
};
use regorus::Value;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::time::Duration;
pub(crate) use terms::{BreakGlass, Escalate, ReuseForm};

/// The four sets of one pack for one input.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub grants: Vec<Grant>,
    pub denials: Vec<Deny>,
    pub approvals: Vec<Approval>,
    pub obligations: Vec<Obligation>,
}

/// The stage a grant is for. Without one it is for opening and using a target, never for a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GrantFor {
    Connect,
    Command,
    Response,
    Approve,
    Console,
}

/// `grant contains {"rule", "msg"?, "action"?, "role"?}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub rule: String,
    #[serde(default)]
    pub msg: String,
    #[serde(default)]
    pub action: Option<GrantFor>,
    /// For the console: the role that is given.
    #[serde(default)]
    pub role: Option<String>,
}

/// The roles that there are in the console. Whoever has none sees what is their own.
pub const ROLES: [&str; 3] = ["approver", "auditor", "operator"];

/// `deny contains {"rule", "msg", "hint"?, "retry_after"?}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deny {
    pub rule: String,
    pub msg: String,
    #[serde(default)]
    pub hint: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

/// Hold the bytes, or refuse with an id and let a rerun pass once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    #[default]
    Hold,
    Defer,
}

/// `approval contains {"rule", "msg", "approver_groups", …}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    pub rule: String,
    pub msg: String,
    #[serde(default)]
    pub hint: Option<String>,
    pub approver_groups: Vec<String>,
    #[serde(default = "one")]
    pub approvers: u32,
    #[serde(default = "hold_seconds")]
    pub ttl_seconds: u64,
    #[serde(default = "execution_seconds")]
    pub execution_ttl_seconds: u64,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub in_transaction: bool,
    #[serde(default)]
    pub ticket: bool,
    #[serde(default)]
    pub distinct_groups: bool,
    #[serde(default)]
    pub escalate: Option<Escalate>,
    #[serde(default)]
    pub reuse: Option<ReuseForm>,
    #[serde(default)]
    pub access_ttl_seconds: Option<u64>,
    #[serde(default)]
    pub break_glass: Option<BreakGlass>,
    #[serde(default)]
    pub chat: Chat,
}

fn one() -> u32 {
    1
}

fn hold_seconds() -> u64 {
    limits::HOLD_MAX.as_secs()
}

fn execution_seconds() -> u64 {
    5 * 60
}

/// `obligation contains {"type": …}`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Obligation {
    Mask(Mask),
    Record(RecordLevel),
    RowLimit(u64),
    ByteLimit(u64),
    Budget(Budget),
    ReadOnly,
    SessionMax(Duration),
    Credential(String),
    FunctionCall(bool),
    Replication(bool, Option<bool>),
    Control(Control),
    Opaque(Vec<String>, bool),
    Filter(Filter),
    Label(String),
}

/// What is masked, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mask {
    pub what: Masked,
    pub method: Strategy,
    pub tests: Tests,
}

/// Whether statements may test what is masked, and who may approve one that does.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tests {
    pub predicates: Predicates,
    pub approver_groups: Vec<String>,
}

/// What is masked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Masked {
    Entities(Vec<String>),
    Column(Column),
}

/// A column, or the part of it that a path says, where it holds documents.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub schema: String,
    pub table: String,
    pub column: String,
    pub tag: String,
    #[serde(default)]
    pub path: Option<JsonPath>,
}

impl Said {
    /// Reads the object that the entry rule of a pack made of its sets.
    pub(crate) fn read(value: &Value) -> Result<Self, Failure> {
        let sets = value.as_object().map_err(|_| Failure::shape("sets"))?;
        let mut said = Self::default();
        let mut count = 0;
        for (name, set) in sets.iter() {
            let name = name.as_string().map_err(|_| Failure::shape("sets"))?;
            for item in items(name, set)? {
                count += 1;
                if count > limits::POLICY_SAID_MAX {
                    return Err(Failure::shape(name));
                }
                match name.as_ref() {
                    "grant" => said.grants.push(form(name, item)?),
                    "deny" => said.denials.push(form(name, item)?),
                    "approval" => said.approvals.push(form(name, item)?),
                    "obligation" => said.obligations.push(obligation(item)?),
                    _ => return Err(Failure::shape("sets")),
                }
            }
        }
        said.check()
    }

    fn check(self) -> Result<Self, Failure> {
        let rules = self.grants.iter().map(|g| &g.rule);
        let rules = rules.chain(self.denials.iter().map(|d| &d.rule));
        let mut rules = rules.chain(self.approvals.iter().map(|a| &a.rule));
        if rules.any(|rule| !is_rule(rule)) {
            return Err(Failure::shape("rule"));
        }
        let sound = |a: &Approval| {
            (1..=limits::APPROVERS_MAX).contains(&a.approvers)
                && a.ttl_seconds > 0
                && a.execution_ttl_seconds > 0
                && a.terms_are_sound()
        };
        // A grant for the console gives one role; no other grant gives any.
        let gives = |grant: &Grant| match (grant.action, &grant.role) {
            (Some(GrantFor::Console), Some(role)) => ROLES.contains(&role.as_str()),
            (Some(GrantFor::Console), None) => false,
            (_, role) => role.is_none(),
        };
        if !self.grants.iter().all(gives) {
            return Err(Failure::shape("grant"));
        }
        match self.approvals.iter().all(sound) {
            true => Ok(self),
            false => Err(Failure::shape("approval")),
        }
    }
}

/// A path such as `sql/drop-database`. The gateway's own roots are not for packs.
pub(crate) fn is_rule(rule: &str) -> bool {
    let ours = ["policy/", "default/", "fault/", "portcullis/", "approval/"];
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    rule.len() <= 128 && rule.split('/').all(part) && !ours.iter().any(|o| rule.starts_with(o))
}

fn items<'v>(name: &str, set: &'v Value) -> Result<Vec<&'v Value>, Failure> {
    match set {
        Value::Set(items) => Ok(items.iter().collect()),
        Value::Array(items) => Ok(items.iter().collect()),
        _ => Err(Failure::shape(name)),
    }
}

fn form<T: DeserializeOwned>(name: &str, item: &Value) -> Result<T, Failure> {
    let json = serde_json::to_value(item).map_err(|_| Failure::shape(name))?;
    fields(name, json)
}

fn fields<T: DeserializeOwned>(name: &str, json: Json) -> Result<T, Failure> {
    serde_json::from_value(json).map_err(|error| {
        let unknown = error.to_string().starts_with("unknown field");
        Failure::shape(if unknown { UNKNOWN_FIELD } else { name })
    })
}

/// Where a shape is wrong because of a field that does not exist.
const UNKNOWN_FIELD: &str = "a field that is not known";

/// True when an object of this set may have a field of this name. The forms above say so themselves: a
/// list of names beside them would fall behind.
pub(crate) fn knows(set: &str, kind: Option<&str>, field: &str) -> bool {
    let probe = || Json::Object([(field.to_owned(), Json::Null)].into_iter().collect());
    let wrong = match (set, kind) {
        ("grant", _) => fields::<Grant>(set, probe()).err(),
        ("deny", _) => fields::<Deny>(set, probe()).err(),
        ("approval", _) => fields::<Approval>(set, probe()).err(),
        ("obligation", Some(kind)) if !matches!(field, "type" | "rule" | "msg") => {
            read_obligation(kind, probe()).err()
        }
        _ => None,
    };
    wrong != Some(Failure::shape(UNKNOWN_FIELD))
}

/// True when the gateway knows this obligation.
pub(crate) fn is_obligation(kind: &str) -> bool {
    !matches!(read_obligation(kind, Json::Null), Ok(None))
}

fn obligation(item: &Value) -> Result<Obligation, Failure> {
    let wrong = || Failure::shape("obligation");
    let mut json: Json = form("obligation", item)?;
    let fields = json.as_object_mut().ok_or_else(wrong)?;
    let Some(Json::String(kind)) = fields.remove("type") else {
        return Err(wrong());
    };
    // For whoever reads the record of the rule; nothing depends on them.
    for note in ["rule", "msg"] {
        if fields.remove(note).is_some_and(|v| !v.is_string()) {
            return Err(wrong());
        }
    }
    read_obligation(&kind, json)?.ok_or_else(Failure::unknown_obligation)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByteCount {
    bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    level: RecordLevel,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    allow: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opaque {
    allow: bool,
    opaque: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Streams {
    streams: Vec<String>,
    allow: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Levelled {
    level: Control,
}

/// Streams of which nothing can be masked; the last four lead back to the client, and pass by their names alone.
const STREAMS: [&str; 10] = [
    "forward",
    "git",
    "rsync",
    "scp",
    "sftp",
    "streamlocal",
    "agent",
    "remote-forward",
    "remote-streamlocal",
    "x11",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn read_obligation(kind: &str, json: Json) -> Result<Option<Obligation>, Failure> {
    fn fields<T: DeserializeOwned>(json: Json) -> Result<T, Failure> {
        self::fields("obligation", json)
    }
    Ok(Some(match kind {
        "mask" => Obligation::Mask(mask(fields(json)?)?),
        "record" => Obligation::Record(fields::<Level>(json)?.level),
        "row_limit" => Obligation::RowLimit(fields::<Rows>(json)?.rows),
        "byte_limit" => Obligation::ByteLimit(fields::<ByteCount>(json)?.bytes),
        "budget" => Obligation::Budget(fields(json)?),
        "read_only" => {
            fields::<Nothing>(json)?;
            Obligation::ReadOnly
        }
        "session_max_seconds" => {
            Obligation::SessionMax(Duration::from_secs(fields::<Seconds>(json)?.seconds))
        }
        "credential" => match fields::<Role>(json)?.role {
            role if role.is_empty() => return Err(Failure::shape("obligation")),
            role => Obligation::Credential(role),
        },
        "function_call" => Obligation::FunctionCall(fields::<Allow>(json)?.allow),
        "replication" => {
            let form = fields::<Opaque>(json)?;
            Obligation::Replication(form.allow, form.opaque)
        }
        "control" => Obligation::Control(fields::<Levelled>(json)?.level),
        "opaque" => {
            let form = fields::<Streams>(json)?;
            let known = |s: &String| STREAMS.contains(&s.as_str());
            if form.streams.is_empty() || !form.streams.iter().all(known) {
                return Err(Failure::shape("obligation"));
            }
            Obligation::Opaque(form.streams, form.allow)
        }
        "filter" => match fields::<Filter>(json)? {
            filter if filter.is_sound() => Obligation::Filter(filter),
            _ => return Err(Failure::shape("obligation")),
        },
        "label" => Obligation::Label(fields::<Label>(json)?.label),
        _ => return Ok(None),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskForm {
    selector: Selector,
    method: Strategy,
    predicates: Option<Predicates>,
    approver_groups: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selector {
    entity: Option<String>,
    entities: Option<Vec<String>>,
    column: Option<Column>,
}

fn mask(form: MaskForm) -> Result<Mask, Failure> {
    let what = match form.selector {
        Selector {
            entity: Some(entity),
            entities: None,
            column: None,
        } => Masked::Entities(vec![entity]),
        Selector {
            entity: None,
            entities: Some(entities),
            column: None,
        } => Masked::Entities(entities),
        Selector {
            entity: None,
            entities: None,
            column: Some(column),
        } => Masked::Column(column),
        _ => return Err(Failure::shape("obligation")),
    };
    let tests = Tests {
        predicates: form.predicates.unwrap_or_default(),
        approver_groups: form.approver_groups.unwrap_or_default(),
    };
    // Groups that approve what is not asked for would be a mistake, and so would a test of no column.
    let meant = match (&what, tests.predicates) {
        (Masked::Column(_), Predicates::Approve) => true,
        (Masked::Column(_), _) => tests.approver_groups.is_empty(),
        (Masked::Entities(_), _) => form.predicates.is_none() && tests.approver_groups.is_empty(),
    };
    let sound = match &what {
        _ if !meant => false,
        Masked::Entities(names) => !names.is_empty() && names.iter().all(|name| is_entity(name)),
        Masked::Column(column) => [&column.schema, &column.table, &column.column, &column.tag]
            .iter()
            .all(|part| !part.is_empty()),
    };
    match sound {
        true => Ok(Mask {
            what,
            method: form.method,
            tests,
        }),
        false => Err(Failure::shape("obligation")),
    }
}

/// `EMAIL`, `CREDIT_CARD`, or `*` for all.
fn is_entity(name: &str) -> bool {
    name == "*"
        || !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
