//! Exports of made-up sessions.

use super::*;
use crate::error::Error;
use portcullis_gate::StreamId;
use portcullis_model::{SessionId, Timestamp};
use serde_json::{Value, json};

fn entry(
    kind: EntryKind,
    stream: u32,
    payload: impl Into<bytes::Bytes>,
) -> Result<ReadEntry, Error> {
    Ok(ReadEntry {
        session: SessionId(1),
        sequence: 4,
        at: Timestamp(1_790_000_000_000_000_000),
        stream: StreamId(stream),
        kind: kind as u8,
        payload: payload.into(),
        leaf: 9,
        withheld: None,
    })
}

fn admit(protocol: &str) -> Result<ReadEntry, Error> {
    let session = json!({"session": {
        "identity": {"name": "ana\u{1b}[2J", "kind": "human", "groups": ["dba"],
            "principal": {"issuer": "https://id", "subject": "u1"}},
        "target": {"name": "orders", "protocol": protocol}, "login": "pc_1", "client": {"address": "[::1]:5000"},
    }});
    entry(EntryKind::Admit, 0, session.to_string())
}

fn decision(verdict: &str, effect: &str) -> Result<ReadEntry, Error> {
    let json = json!({"stage": "query", "verdict": verdict, "rule": "team/rule", "revision": "r1",
        "class": {"effect": effect}, "input": {"command": {"text": "DROP TABLE x",
            "statements": [{"verb": "DROP TABLE", "objects": ["public.x"]}]}}});
    entry(EntryKind::Decision, 0, json.to_string())
}

fn written(
    export: impl FnOnce(
        std::vec::IntoIter<Result<ReadEntry, Error>>,
        &mut dyn std::io::Write,
    ) -> Result<(), Error>,
    entries: Vec<Result<ReadEntry, Error>>,
) -> String {
    let mut out = Vec::new();
    export(entries.into_iter(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_script_runs_what_ran_and_nothing_else() {
    let request = |stage: &str, text: &str| {
        entry(
            EntryKind::Request,
            0,
            json!({"stage": stage, "request": text}).to_string(),
        )
    };
    let refused = json!({"denial": {"rule": "r", "reason": "no\nDROP TABLE b;"},
        "request": "DROP TABLE c;\r\nDROP TABLE d;\u{1b}[1m"});
    let complete = b"C\0\0\0\x0dSELECT 1\0";
    let script = written(
        |entries, out| export_sql(entries, out),
        vec![
            admit("postgres"),
            request("query", "SELECT 1 -- no end"),
            entry(EntryKind::Release, 0, complete.to_vec()),
            request("query", "SELECT 2 -- its end;"),
            request("query", "COPY t /* x */ FROM\nSTDIN;"),
            request("parse", "DELETE FROM e"),
            entry(EntryKind::Refusal, 0, refused.to_string()),
            entry(EntryKind::End, 0, r#"{"reason":"bye"}"#),
        ],
    );
    let runs: Vec<&str> = script
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect();
    assert_eq!(
        runs,
        ["SELECT 1 -- no end", ";", "SELECT 2 -- its end;", ";"],
        "{script}"
    );
    assert!(script.contains("SELECT 1\n-- "), "{script}");
    assert!(
        !script.contains('\u{1b}') && !script.contains('\r'),
        "{script}"
    );
    assert!(script.contains("-- | DROP TABLE d;"), "{script}");
    assert!(script.contains("-- | COPY t "), "{script}");
}

#[test]
fn requests_become_an_archive_and_refused_ones_too() {
    let call = json!({"verb": "create", "group": "apps", "version": "v1", "resource": "deployments",
        "namespace": "shop", "name": null, "body": {"object": {"kind": "Deployment"}}, "command": []});
    let sent = json!({"stage": "request", "request": call.to_string()});
    let refused = json!({"denial": {"rule": "k/no", "reason": "no"}, "request": json!({"verb": "delete",
        "group": "", "version": "v1", "resource": "pods", "namespace": "shop", "name": "p"}).to_string()});
    let text = written(
        |entries, out| export_har(entries, out),
        vec![
            admit("kubernetes"),
            entry(EntryKind::Request, 1, sent.to_string()),
            entry(EntryKind::Release, 1, r#"{"kind":"Deployment"}"#),
            entry(EntryKind::Closed, 1, r#"{"status":201,"end":"done"}"#),
            entry(EntryKind::Refusal, 2, refused.to_string()),
        ],
    );
    let har: Value = serde_json::from_str(&text).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["request"]["method"], "POST");
    assert_eq!(
        entries[0]["request"]["url"],
        "https://gateway/apis/apps/v1/namespaces/shop/deployments"
    );
    assert_eq!(entries[0]["response"]["status"], 201);
    assert_eq!(
        entries[0]["response"]["content"]["text"],
        r#"{"kind":"Deployment"}"#
    );
    assert_eq!(
        entries[0]["request"]["postData"]["text"],
        r#"{"kind":"Deployment"}"#
    );
    assert_eq!(
        entries[1]["request"]["url"],
        "https://gateway/api/v1/namespaces/shop/pods/p"
    );
    assert_eq!(entries[1]["response"]["status"], 403);
    assert_eq!(entries[1]["comment"], "refused by k/no: no");
}

#[test]
fn events_are_of_the_classes_of_the_schema() {
    let text = written(
        |entries, out| export_ocsf(entries, out),
        vec![
            admit("postgres"),
            decision("allow", "read"),
            decision("deny", "destroy"),
            entry(EntryKind::Release, 0, "bytes"),
            entry(
                EntryKind::Security,
                0,
                r#"{"event":"tripwire","detail":"x"}"#,
            ),
            entry(EntryKind::End, 0, r#"{"reason":"bye"}"#),
        ],
    );
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let types: Vec<u64> = events
        .iter()
        .map(|e| e["type_uid"].as_u64().unwrap())
        .collect();
    assert_eq!(types, [300_201, 600_302, 600_304, 200_401, 300_202]);
    for event in &events {
        let (class, activity) = (
            event["class_uid"].as_u64().unwrap(),
            event["activity_id"].as_u64().unwrap(),
        );
        assert_eq!(event["type_uid"], class * 100 + activity);
        assert_eq!(event["category_uid"], class / 1000);
        assert_eq!(event["metadata"]["version"], OCSF_VERSION);
        assert_eq!(event["actor"]["user"]["uid"], "u1");
        assert_eq!(event["src_endpoint"]["ip"], "::1");
    }
    assert_eq!(events[2]["disposition"], "Blocked");
    assert_eq!(events[2]["status_id"], 2);
    assert_eq!(events[1]["resources"][0]["name"], "public.x");
    assert!(!text.contains('\u{1b}'), "JSON escapes it");
}

#[test]
fn who_was_refused_and_why_is_told_as_far_as_it_is_known() {
    let node = |json: Value| {
        let entry = entry(EntryKind::Node, 0, json.to_string())?;
        let session = crate::NODE;
        Ok(ReadEntry { session, ..entry })
    };
    let by = json!({"issuer": "https://id", "subject": "u2"});
    let text = written(
        |entries, out| export_ocsf(entries, out),
        vec![
            node(json!({"event": "login_refused", "detail": {"reason": "unknown key"}})),
            node(
                json!({"event": "vote_refused", "detail": {"why": "no such request", "by": by, "name": "Bea"}}),
            ),
        ],
    );
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told = |place: usize| {
        let event = &events[place];
        assert_eq!(event["status_id"], 2, "{event}");
        (event["status_detail"].clone(), event["user"]["uid"].clone())
    };
    assert_eq!(told(0), (json!("unknown key"), Value::Null));
    assert_eq!(told(1), (json!("no such request"), json!("u2")));
}
