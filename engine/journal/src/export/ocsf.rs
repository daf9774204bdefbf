//! Entries as events of the Open Cybersecurity Schema Framework: sessions and logins as Authentication (3002), commands as
//! API Activity (6003), tripped wires as Detection Finding (2004).
//!
//! Refuses what the schema has no place for by leaving it in `unmapped`, never by bending a field. No entry that only
//! carries bytes becomes an event.

use super::{is, json, string};
use crate::NODE;
use crate::error::Error;
use crate::frame::kind_name;
use crate::read::ReadEntry;
use portcullis_gate::EntryKind;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;

/// The version of the schema that is written.
pub const OCSF_VERSION: &str = "1.6.0";

/// Who and what, by session, from its first entry.
#[derive(Default)]
pub struct Actors(HashMap<u128, Value>);

/// Writes entries as OCSF events, one JSON document a line.
///
/// # Errors
/// [`Error::WriteReplay`], and what reading the entries says.
pub fn export_ocsf(
    entries: impl Iterator<Item = Result<ReadEntry, Error>>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut actors = Actors::default();
    for entry in entries {
        if let Some(event) = event(&entry?, &mut actors) {
            writeln!(out, "{event}").map_err(Error::WriteReplay)?;
        }
    }
    Ok(())
}

/// The event of an entry, if it is one. `actors` remembers who a session belongs to.
pub fn event(entry: &ReadEntry, actors: &mut Actors) -> Option<Value> {
    let json = json(entry);
    if is(entry, EntryKind::Admit) {
        actors.0.insert(entry.session.0, json["session"].clone());
    }
    let session = actors.0.get(&entry.session.0).cloned().unwrap_or_default();
    let event = if is(entry, EntryKind::Admit) {
        authentication(entry, &session, 1, "Logon", true)
    } else if is(entry, EntryKind::End) {
        actors.0.remove(&entry.session.0);
        let mut event = authentication(entry, &session, 2, "Logoff", true);
        put(&mut event, "status_detail", json["reason"].clone());
        event
    } else if is(entry, EntryKind::Decision) {
        command(entry, &session, &json)
    } else if is(entry, EntryKind::Security) {
        finding(entry, &session, &json)
    } else if entry.session == NODE {
        node(entry, &json)?
    } else {
        return None;
    };
    Some(event)
}

/// The members that every event has.
fn base(entry: &ReadEntry, session: &Value, class: (u64, &str), activity: (u64, &str)) -> Value {
    let (uid, name) = class;
    let mut event = json!({
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "Portcullis", "vendor_name": "Portcullis", "version": env!("CARGO_PKG_VERSION")},
            "uid": format!("{}-{}", entry.session, entry.sequence),
            "log_name": kind_name(entry.kind), "sequence": entry.leaf,
        },
        "time": entry.at.0.div_euclid(1_000_000),
        "class_uid": uid, "class_name": name,
        "category_uid": uid / 1000,
        "activity_id": activity.0, "activity_name": activity.1,
        "type_uid": uid * 100 + activity.0,
        "severity_id": 1, "severity": "Informational",
        "unmapped": {"session": entry.session, "entry": entry.sequence, "leaf": entry.leaf},
    });
    if session.is_object() {
        put(
            &mut event,
            "actor",
            json!({"user": user(session), "session": {
                "uid": entry.session, "created_time": session["started"].as_i64().map(|ns| ns.div_euclid(1_000_000)),
                "issuer": session.pointer("/identity/principal/issuer"),
            }}),
        );
        let address = string(session, "/client/address");
        if let Some((ip, port)) = address.rsplit_once(':') {
            let ip = ip.trim_matches(['[', ']']);
            put(
                &mut event,
                "src_endpoint",
                json!({"ip": ip, "port": port.parse::<u16>().ok()}),
            );
        }
        put(
            &mut event,
            "dst_endpoint",
            json!({"name": session.pointer("/target/name"), "svc_name": session.pointer("/target/protocol")}),
        );
    }
    event
}

fn user(session: &Value) -> Value {
    // 1 is a person, 4 a service.
    let person = string(session, "/identity/kind") == "human";
    let (id, name) = if person { (1, "User") } else { (4, "Service") };
    let groups = session
        .pointer("/identity/groups")
        .and_then(Value::as_array);
    let groups: Vec<_> = groups
        .into_iter()
        .flatten()
        .map(|g| json!({"name": g}))
        .collect();
    json!({
        "name": session.pointer("/identity/name"), "uid": session.pointer("/identity/principal/subject"),
        "domain": session.pointer("/identity/principal/issuer"), "type_id": id, "type": name, "groups": groups,
    })
}

fn authentication(
    entry: &ReadEntry,
    session: &Value,
    activity: u64,
    name: &str,
    ok: bool,
) -> Value {
    let mut event = base(entry, session, (3002, "Authentication"), (activity, name));
    put(&mut event, "user", user(session));
    put(&mut event, "is_remote", json!(true));
    status(&mut event, ok);
    event
}

/// A command that was judged, as API Activity: create, read, update, delete, or other.
fn command(entry: &ReadEntry, session: &Value, json: &Value) -> Value {
    let effect = string(json, "/class/effect");
    let activity = match effect {
        "read" => (2, "Read"),
        "write" => (3, "Update"),
        "destroy" => (4, "Delete"),
        "escalate" => (3, "Update"),
        _ => (99, "Other"),
    };
    let mut event = base(entry, session, (6003, "API Activity"), activity);
    let verdict = string(json, "/verdict");
    let text = string(json, "/input/command/text");
    put(
        &mut event,
        "api",
        json!({
            "operation": json.pointer("/input/command/statements/0/verb").cloned().unwrap_or_else(|| json["stage"].clone()),
            "service": {"name": session.pointer("/target/protocol")},
            "request": {"uid": format!("{}-{}", entry.session, entry.sequence), "data": {"text": text}},
        }),
    );
    let objects = json
        .pointer("/input/command/statements/0/objects")
        .and_then(Value::as_array);
    let resources: Vec<_> = objects
        .into_iter()
        .flatten()
        .map(|object| json!({"name": object.as_str().map_or_else(|| object.to_string(), str::to_owned)}))
        .collect();
    put(&mut event, "resources", json!(resources));
    let (action, disposition) = match verdict {
        "deny" => ((2, "Denied"), (2, "Blocked")),
        "hold" => ((3, "Observed"), (99, "Held for approval")),
        _ => ((1, "Allowed"), (1, "Allowed")),
    };
    put(&mut event, "action_id", json!(action.0));
    put(&mut event, "action", json!(action.1));
    put(&mut event, "disposition_id", json!(disposition.0));
    put(&mut event, "disposition", json!(disposition.1));
    put(
        &mut event,
        "policy",
        json!({"name": json["rule"], "version": json["revision"]}),
    );
    put(&mut event, "status_detail", json["rule"].clone());
    severity(&mut event, effect, verdict);
    status(&mut event, verdict != "deny");
    if let Some(unmapped) = event.get_mut("unmapped").and_then(Value::as_object_mut) {
        for name in ["stage", "verdict", "class", "reasons", "approval"] {
            if let Some(value) = json.get(name) {
                unmapped.insert(name.to_owned(), value.clone());
            }
        }
    }
    event
}

fn finding(entry: &ReadEntry, session: &Value, json: &Value) -> Value {
    let mut event = base(entry, session, (2004, "Detection Finding"), (1, "Create"));
    let uid = format!("{}-{}", entry.session, entry.sequence);
    put(
        &mut event,
        "finding_info",
        json!({"uid": uid, "title": json["event"], "desc": json["detail"]}),
    );
    put(&mut event, "severity_id", json!(4));
    put(&mut event, "severity", json!("High"));
    put(&mut event, "status_id", json!(1));
    put(&mut event, "status", json!("New"));
    event
}

/// Who was refused, where that was known: somebody by their token, or whoever was at the admin socket.
fn refused_whom(detail: &Value) -> Value {
    match (detail["by"].as_object(), detail["uid"].as_u64()) {
        // Votes and logins are of people: the console takes no others.
        (Some(by), _) => json!({
            "name": detail["name"], "uid": by["subject"], "domain": by["issuer"], "type_id": 1, "type": "User",
        }),
        (None, Some(uid)) => json!({"name": format!("uid {uid}"), "type_id": 0, "type": "Unknown"}),
        (None, None) => json!({"name": "unknown", "type_id": 0, "type": "Unknown"}),
    }
}

/// Why, or how it came to be counted: a refused login has a reason, other refusals a why, many of them a what.
fn refused_why(detail: &Value) -> Value {
    let said = [&detail["reason"], &detail["why"], &detail["what"]];
    let why = said.into_iter().find(|why| why.is_string());
    why.cloned().unwrap_or_default()
}

/// What somebody did at the gateway itself.
fn activity(entry: &ReadEntry, name: &str, by: &Value) -> Value {
    let mut event = base(entry, &Value::Null, (6003, "API Activity"), (99, "Other"));
    put(&mut event, "actor", json!({"user": by}));
    put(
        &mut event,
        "api",
        json!({"operation": name, "service": {"name": "portcullis"}}),
    );
    put(&mut event, "src_endpoint", json!({"name": "gateway"}));
    event
}

/// Logins that were refused, and everything else that operators and approvers did.
fn node(entry: &ReadEntry, json: &Value) -> Option<Value> {
    let name = string(json, "/event");
    let nobody = Value::Null;
    let event = match name {
        "" => return None,
        "login-refused" | "login_refused" | "vote_refused" => {
            let mut event = authentication(entry, &nobody, 1, "Logon", false);
            put(&mut event, "user", refused_whom(&json["detail"]));
            put(&mut event, "status_detail", refused_why(&json["detail"]));
            event
        }
        // What else was refused to somebody: by the desk, or at the door for messages.
        name if name.ends_with("_refused") => {
            let mut event = activity(entry, name, &refused_whom(&json["detail"]));
            put(&mut event, "status_detail", refused_why(&json["detail"]));
            status(&mut event, false);
            event
        }
        _ => {
            let uid = json["detail"]["uid"].as_u64();
            let by = match json["detail"]["voter"].as_object() {
                Some(voter) => {
                    json!({"name": json["detail"]["name"], "uid": voter["subject"], "domain": voter["issuer"]})
                }
                None => {
                    json!({"name": uid.map_or_else(|| "gateway".to_owned(), |uid| format!("uid {uid}"))})
                }
            };
            let mut event = activity(entry, name, &by);
            status(&mut event, json["detail"]["ok"].as_bool().unwrap_or(true));
            event
        }
    };
    let mut event = event;
    if let Some(unmapped) = event.get_mut("unmapped").and_then(Value::as_object_mut) {
        unmapped.insert("event".to_owned(), Value::from(name));
        unmapped.insert("detail".to_owned(), json["detail"].clone());
    }
    Some(event)
}

fn severity(event: &mut Value, effect: &str, verdict: &str) {
    let (id, name) = match (effect, verdict) {
        (_, "deny") => (3, "Medium"),
        ("destroy" | "escalate" | "unknown", _) => (2, "Low"),
        _ => (1, "Informational"),
    };
    put(event, "severity_id", json!(id));
    put(event, "severity", json!(name));
}

fn status(event: &mut Value, ok: bool) {
    put(event, "status_id", json!(if ok { 1 } else { 2 }));
    put(
        event,
        "status",
        json!(if ok { "Success" } else { "Failure" }),
    );
}

fn put(event: &mut Value, name: &str, value: Value) {
    if let Some(members) = event.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
