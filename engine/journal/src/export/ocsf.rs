//! Entries as events of the Open Cybersecurity Schema Framework: sessions and logins as Authentication (3002), commands as
//! API Activity (6003), tripped wires as Detection Finding (2004).
//!
//! Refuses what the schema has no place for by leaving it in `unmapped`, never by bending a field; what is not known is left
//! out and never `null`, which the schema takes for no value. No entry that only carries bytes becomes an event.

use super::{is, json, string};
use crate::NODE;
use crate::error::Error;
use crate::frame::kind_name;
use crate::read::ReadEntry;
use portcullis_gate::EntryKind;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

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
    Some(known(event))
}

/// Without what is not known: `null` is no value of any attribute, and an object that says nothing is none. What stands in
/// `unmapped` is as the record has it.
fn known(mut event: Value) -> Value {
    for (name, value) in event.as_object_mut().into_iter().flatten() {
        if name != "unmapped" {
            bare(value);
        }
    }
    if let Some(members) = event.as_object_mut() {
        members.retain(|_, value| !nothing(value));
    }
    event
}

fn bare(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(bare);
            members.retain(|_, value| !nothing(value));
        }
        Value::Array(items) => items.iter_mut().for_each(bare),
        _ => {}
    }
}

fn nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
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
    // Whose it was may be sealed, or gone with the beginning of the record.
    let mut actor = json!({"session": {"uid": entry.session}});
    let mut from = json!({"name": "unknown"});
    if session.is_object() {
        actor = json!({"user": user(session), "session": {
            "uid": entry.session, "created_time": session["started"].as_i64().map(|ns| ns.div_euclid(1_000_000)),
            "issuer": session.pointer("/identity/principal/issuer"),
        }});
        from = endpoint(string(session, "/client/address")).unwrap_or(from);
        put(
            &mut event,
            "dst_endpoint",
            json!({"name": session.pointer("/target/name"), "svc_name": session.pointer("/target/protocol")}),
        );
    }
    put(&mut event, "actor", actor);
    put(&mut event, "src_endpoint", from);
    event
}

/// Where from, of `127.0.0.1:5000`, `[::1]:5000` or an address without a port.
fn endpoint(address: &str) -> Option<Value> {
    let port = address.parse::<SocketAddr>().ok();
    let ip = port.map(|address| address.ip());
    let ip = ip.or_else(|| address.parse::<IpAddr>().ok())?;
    Some(json!({"ip": ip.to_string(), "port": port.map(|address| address.port())}))
}

/// A text as it stands, and anything else as JSON: attributes of the schema are one or the other.
fn told(value: &Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value.clone(),
        other => Value::from(other.to_string()),
    }
}

fn unknown(name: &str) -> Value {
    json!({"name": name, "type_id": 0, "type": "Unknown"})
}

fn user(session: &Value) -> Value {
    if session.is_null() {
        return unknown("unknown");
    }
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
    // The schema wants to know where to: a session says it by its target.
    put(&mut event, "service", json!({"name": "portcullis"}));
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
    // What was decided, and by what, is of this profile.
    profile(&mut event, "security_control");
    let verdict = string(json, "/verdict");
    let text = string(json, "/input/command/text");
    let verb = json.pointer("/input/command/statements/0/verb");
    let verb = verb
        .and_then(Value::as_str)
        .or_else(|| json["stage"].as_str());
    put(
        &mut event,
        "api",
        json!({
            "operation": verb.unwrap_or("unknown"),
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
        .map(|object| json!({"name": told(object)}))
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
    if verdict == "hold" {
        put(&mut event, "status_id", json!(99));
        put(&mut event, "status", json!("Held"));
    }
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
        json!({"uid": uid, "title": json["event"], "desc": told(&json["detail"])}),
    );
    // A finding has nothing of a connection itself: its evidence does. Whose it was stands where it does in other events too.
    profile(&mut event, "host");
    put(&mut event, "is_alert", json!(true));
    let mut evidence = json!({"actor": event["actor"]});
    for name in ["src_endpoint", "dst_endpoint"] {
        let end = event.as_object_mut().and_then(|e| e.remove(name));
        put(&mut evidence, name, end.unwrap_or_default());
    }
    put(&mut event, "evidences", json!([evidence]));
    put(&mut event, "severity_id", json!(4));
    put(&mut event, "severity", json!("High"));
    put(&mut event, "status_id", json!(1));
    put(&mut event, "status", json!("New"));
    event
}

/// Who was refused, where that was known: somebody by their token, or whoever was at the admin socket.
fn refused_whom(detail: &Value) -> Value {
    let (by, knew) = (detail["by"].as_object(), detail["identity"].as_object());
    match (by, knew, detail["uid"].as_u64()) {
        // Votes and logins are of people: the console takes no others.
        (Some(by), ..) => json!({
            "name": detail["name"], "uid": by["subject"], "domain": by["issuer"], "type_id": 1, "type": "User",
        }),
        // Somebody whose token was good, and who may not be let in.
        (None, Some(who), _) => json!({
            "name": detail["name"], "uid": who["subject"], "domain": who["issuer"], "type_id": 0, "type": "Unknown",
        }),
        (None, None, Some(uid)) => unknown(&format!("uid {uid}")),
        (None, None, None) => unknown("unknown"),
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

/// Who did it, at the gateway: somebody by their token, or whoever was at the admin socket.
fn did(name: &str, detail: &Value) -> Value {
    // Of what else is said of an approval `identity` is whoever asked, and of a glass `holder` whoever broke it, and neither did
    // it; of a token that was issued `identity` is whose it is.
    let closed = &detail["closed"];
    let who = match name {
        "glass/reviewed" => &closed["by"],
        "glass/broken" => &detail["holder"],
        "approval/opened" => &detail["identity"],
        _ if detail["voter"].is_object() => &detail["voter"],
        _ if detail["by"].is_object() => &detail["by"],
        _ if detail.get("token_id").is_some() => &detail["identity"],
        _ => &Value::Null,
    };
    if who.is_object() {
        let name = closed.get("name").unwrap_or(&detail["name"]);
        return json!({"name": name, "uid": who["subject"], "domain": who["issuer"]});
    }
    let uid = detail["uid"].as_u64().map(|uid| format!("uid {uid}"));
    // Why something was read again, where somebody asked for it.
    let why = string(detail, "/why");
    let asked = why.starts_with("uid ").then(|| why.to_owned());
    json!({"name": uid.or(asked).unwrap_or_else(|| "gateway".to_owned())})
}

/// Logins that were refused, and everything else that operators and approvers did.
fn node(entry: &ReadEntry, json: &Value) -> Option<Value> {
    let name = string(json, "/event");
    let nobody = Value::Null;
    let event = match name {
        "" => return None,
        "login-refused" | "login_refused" | "vote_refused" => {
            let mut event = authentication(entry, &nobody, 1, "Logon", false);
            let whom = refused_whom(&json["detail"]);
            put(&mut event, "actor", json!({"user": whom}));
            put(&mut event, "user", whom);
            let from = endpoint(string(json, "/detail/address"));
            put(&mut event, "src_endpoint", from.unwrap_or_default());
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
            let by = did(name, &json["detail"]);
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

fn profile(event: &mut Value, name: &str) {
    if let Some(metadata) = event.get_mut("metadata") {
        put(metadata, "profiles", json!([name]));
    }
}

fn put(event: &mut Value, name: &str, value: Value) {
    if let Some(members) = event.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
