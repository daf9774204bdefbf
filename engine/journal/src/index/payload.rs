//! The members of payloads that the index looks at. Everything may be missing: an older record has less.

use serde::Deserialize;
use serde_json::Value;

#[derive(Default, Deserialize)]
pub(super) struct Admitted {
    #[serde(default)]
    pub(super) session: Session,
    pub(super) connect: Option<Connect>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    pub(super) identity: Identity,
    pub(super) target: Target,
    pub(super) client: Client,
    pub(super) node: String,
    pub(super) login: String,
    pub(super) reason: Option<String>,
    pub(super) ticket: Option<String>,
    pub(super) access_request: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Identity {
    pub(super) principal: Principal,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) groups: Value,
    pub(super) actors: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Principal {
    pub(super) issuer: String,
    pub(super) subject: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) protocol: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Client {
    pub(super) address: String,
    pub(super) program: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Connect {
    pub(super) rule: String,
    pub(super) revision: String,
}

#[derive(Deserialize)]
pub(super) struct Decided {
    pub(super) base: Option<RestsOn>,
    pub(super) stage: Option<String>,
    pub(super) verdict: Option<String>,
    #[serde(default)]
    pub(super) rule: String,
    #[serde(default)]
    pub(super) class: Class,
    pub(super) approval: Option<Approval>,
    #[serde(default)]
    pub(super) input: Input,
}

#[derive(Deserialize)]
pub(super) struct RestsOn {
    pub(super) sequence: u64,
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Class {
    pub(super) effect: String,
    pub(super) risk: String,
}

impl Default for Class {
    fn default() -> Self {
        Self {
            effect: "unknown".to_owned(),
            risk: String::new(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Approval {
    #[serde(default)]
    pub(super) id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Input {
    pub(super) command: Command,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Command {
    pub(super) text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) id: Option<String>,
    pub(super) request: Option<String>,
    pub(super) request_sha256: Option<String>,
    pub(super) ticket: Option<String>,
    pub(super) denial: Option<Denied>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Denied {
    pub(super) rule: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Ended {
    pub(super) reason: String,
    pub(super) interrupted: bool,
    pub(super) commands: Option<u64>,
    pub(super) denied: Option<u64>,
    pub(super) rows: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) effects: Option<Effects>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Effects {
    pub(super) read: Option<u64>,
    pub(super) write: Option<u64>,
    pub(super) destroy: Option<u64>,
    pub(super) escalate: Option<u64>,
    pub(super) unknown: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub(super) event: String,
    pub(super) detail: Value,
    pub(super) denial: Value,
}

/// A string of a payload; empty where there is none.
pub(super) fn text<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
