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

/// A stream as the proxy opens it.
fn opened(stream: u32, method: &str, path: &str) -> Result<ReadEntry, Error> {
    let stream_of = json!({"stream": {"method": method, "path": path, "terminal": null}});
    entry(EntryKind::Opened, stream, stream_of.to_string())
}

fn archived(entries: Vec<Result<ReadEntry, Error>>) -> Vec<Value> {
    let mut all = vec![admit("kubernetes")];
    all.extend(entries);
    let text = written(|entries, out| export_har(entries, out), all);
    let har: Value = serde_json::from_str(&text).unwrap();
    har["log"]["entries"].as_array().unwrap().clone()
}

#[test]
fn requests_become_an_archive_and_refused_ones_too() {
    let call = json!({"verb": "create", "group": "apps", "version": "v1", "resource": "deployments",
        "namespace": "shop", "name": null, "body": {"object": {"kind": "Deployment"}}, "command": []});
    let sent = json!({"stage": "request", "request": call.to_string()});
    let refused = json!({"denial": {"rule": "k/no", "reason": "no"}, "request": json!({"verb": "delete",
        "group": "", "version": "v1", "resource": "pods", "namespace": "shop", "name": "p"}).to_string()});
    let made = "/apis/apps/v1/namespaces/shop/deployments";
    let gone = "/api/v1/namespaces/shop/pods/p";
    let entries = archived(vec![
        opened(1, "POST", made),
        entry(EntryKind::Request, 1, sent.to_string()),
        entry(EntryKind::Release, 1, r#"{"kind":"Deployment"}"#),
        opened(2, "DELETE", gone),
        entry(EntryKind::Refusal, 2, refused.to_string()),
        entry(EntryKind::Closed, 1, r#"{"status":201,"end":"whole"}"#),
        entry(EntryKind::Closed, 2, r#"{"status":403,"end":"refused"}"#),
        entry(EntryKind::End, 0, "{}"),
    ]);
    assert_eq!(entries.len(), 2);
    let [created, refused] = [&entries[0], &entries[1]];
    assert_eq!(created["request"]["method"], "POST");
    assert_eq!(created["request"]["url"], format!("https://gateway{made}"));
    assert_eq!(
        (&created["response"]["status"], &created["comment"]),
        (&json!(201), &json!(""))
    );
    let object = r#"{"kind":"Deployment"}"#;
    assert_eq!(created["response"]["content"]["text"], object);
    assert_eq!(created["request"]["postData"]["text"], object);
    assert_eq!(refused["request"]["method"], "DELETE");
    assert_eq!(refused["request"]["url"], format!("https://gateway{gone}"));
    assert_eq!(refused["response"]["status"], 403);
    assert_eq!(refused["comment"], "refused by k/no: no");
}

#[test]
fn an_archive_leaves_no_request_out_and_says_what_its_client_was_told() {
    let denial = |rule: &str, more: Value| {
        let mut denial = json!({"rule": rule, "reason": "no"});
        denial
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"denial": denial}).to_string()
    };
    let call = json!({"verb": "get", "version": "v1", "resource": "pods"}).to_string();
    let sent = json!({"stage": "request", "request": call}).to_string();
    let entries = archived(vec![
        // It could not be read.
        opened(1, "PUT", "/1"),
        entry(EntryKind::Refusal, 1, denial("k/body", json!({}))),
        entry(EntryKind::Closed, 1, r#"{"status":413,"end":"refused"}"#),
        // It was sent, and its answer is not shown.
        opened(2, "GET", "/2"),
        entry(EntryKind::Request, 2, sent.clone()),
        entry(EntryKind::Refusal, 2, denial("k/hidden", json!({}))),
        entry(EntryKind::Closed, 2, r#"{"status":404,"end":"refused"}"#),
        // A record of before streams were closed behind a refusal.
        opened(3, "DELETE", "/3"),
        entry(
            EntryKind::Refusal,
            3,
            denial("k/later", json!({"retry_after": 10})),
        ),
        // It ran until the record ends.
        opened(4, "GET", "/4"),
        entry(EntryKind::Request, 4, sent),
        // A stream of a command, whose windows are no requests.
        opened(5, "GET", "/5"),
        entry(
            EntryKind::Request,
            5,
            r#"{"control":"resize","name":"80x24"}"#,
        ),
        entry(
            EntryKind::Closed,
            5,
            r#"{"status":101,"end":"closed","exit":0}"#,
        ),
        // The session was ended.
        entry(EntryKind::Refusal, 0, denial("session/killed", json!({}))),
    ]);
    let told = entries.iter().map(|entry| {
        let url = entry["request"]["url"].as_str().unwrap();
        let comment = entry["comment"].as_str().unwrap();
        (
            url.trim_start_matches("https://gateway/"),
            entry["response"]["status"].as_u64().unwrap(),
            comment,
        )
    });
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("1", 413, "refused by k/body: no"),
            ("2", 404, "refused by k/hidden: no"),
            ("3", 429, "refused by k/later: no"),
            ("4", 0, "its end is not on record"),
            ("5", 101, "closed"),
        ]
    );
}

#[test]
fn an_archive_has_addresses_that_are_uris_and_words_that_are_texts() {
    let call = json!({"verb": "exec", "version": "v1", "resource": "pods", "name": "p", "command": ["echo", 7],
        "body": {"object": {}}});
    let sent = json!({"stage": "request", "request": call.to_string()});
    let entries = archived(vec![
        opened(1, "POST", "/api/{a}|\"ü\"?q=a%20b&c=[d]:@%z%"),
        entry(EntryKind::Request, 1, sent.to_string()),
    ]);
    let request = &entries[0]["request"];
    assert_eq!(
        request["url"],
        "https://gateway/api/%7Ba%7D%7C%22%C3%BC%22?q=a%20b&c=%5Bd%5D:@%25z%25"
    );
    assert_eq!(request["queryString"][1]["value"], "7");
    // A body is either a text or parameters.
    assert_eq!(
        request["postData"],
        json!({"mimeType": "application/json", "text": "{}"})
    );
}

#[test]
fn a_forward_is_in_the_archive_beside_each_port_that_was_asked_for_on_it() {
    let call = |ports: Value| {
        json!({"verb": "portforward", "version": "v1", "resource": "pods", "namespace": "shop", "name": "p", "ports": ports})
            .to_string()
    };
    let sent = |ports| json!({"stage": "request", "request": call(ports)}).to_string();
    let denial =
        json!({"denial": {"rule": "k/port", "reason": "no"}, "request": call(json!([22]))});
    let entries = archived(vec![
        opened(1, "POST", "/p"),
        entry(EntryKind::Request, 1, sent(json!([]))),
        entry(EntryKind::Request, 1, sent(json!([80]))),
        entry(EntryKind::Refusal, 1, denial.to_string()),
        entry(EntryKind::Release, 1, "hello"),
        entry(EntryKind::Closed, 1, r#"{"status":101,"end":"closed"}"#),
    ]);
    let mut told: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!(entry["request"]["url"], "https://gateway/p");
            assert_eq!(entry["request"]["method"], "POST");
            let asked = entry["request"]["comment"].as_str().unwrap();
            let asked: Value = serde_json::from_str(asked).unwrap();
            let size = entry["response"]["content"]["size"].as_u64().unwrap();
            let status = entry["response"]["status"].as_u64().unwrap();
            (
                asked["ports"].to_string(),
                status,
                size,
                entry["comment"].to_string(),
            )
        })
        .collect();
    told.sort();
    let row = |ports: &str, status, size, comment: &str| {
        (ports.to_owned(), status, size, format!("\"{comment}\""))
    };
    assert_eq!(
        told,
        [
            row("[22]", 403, 0, "refused by k/port: no"),
            row("[80]", 0, 0, "asked on a stream that was open"),
            row("[]", 101, 5, "closed"),
        ]
    );
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
        assert!(!spoken(event).any(Value::is_null), "{event:#}");
        if event["class_uid"] != 2004 {
            assert_eq!(event["src_endpoint"], json!({"ip": "::1", "port": 5000}));
        }
    }
    // The schema lets a finding have no ends of a connection, and a decision without its profile none of what decided it.
    let finding = &events[3];
    assert_eq!(finding.get("src_endpoint"), None, "{finding:#}");
    let evidence = &finding["evidences"][0];
    assert_eq!(evidence["src_endpoint"]["ip"], "::1");
    assert_eq!(evidence["dst_endpoint"]["name"], "orders");
    assert_eq!(finding["metadata"]["profiles"], json!(["host"]));
    assert_eq!(
        events[2]["metadata"]["profiles"],
        json!(["security_control"])
    );
    assert_eq!(events[2]["disposition"], "Blocked");
    assert_eq!(events[2]["status_id"], 2);
    assert_eq!(events[1]["resources"][0]["name"], "public.x");
    assert!(!text.contains('\u{1b}'), "JSON escapes it");
}

/// Everything that an event says in the schema's own attributes.
fn spoken(event: &Value) -> impl Iterator<Item = &Value> {
    fn all<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        found.push(value);
        match value {
            Value::Object(members) => members.values().for_each(|value| all(value, found)),
            Value::Array(items) => items.iter().for_each(|value| all(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (name, value) in event.as_object().into_iter().flatten() {
        if name != "unmapped" {
            all(value, &mut found);
        }
    }
    found.into_iter()
}

#[test]
fn what_is_not_known_is_left_out_and_what_the_schema_wants_is_there() {
    // Sealed, or without its beginning: nothing is known but that it happened.
    let kinds = [
        EntryKind::Decision,
        EntryKind::Security,
        EntryKind::End,
        EntryKind::Admit,
    ];
    let entries = kinds.map(|kind| entry(kind, 0, "")).into();
    let text = written(|entries, out| export_ocsf(entries, out), entries);
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), kinds.len());
    for event in &events {
        assert!(!spoken(event).any(Value::is_null), "{event:#}");
        let hollow = |value: &Value| value.as_object().is_some_and(|value| value.is_empty());
        assert!(!spoken(event).any(hollow), "{event:#}");
        assert!(event["actor"]["session"]["uid"].is_string(), "{event:#}");
    }
    let [decision, finding, end, logon] = events.as_slice() else {
        unreachable!("there are four");
    };
    assert_eq!(decision["api"]["operation"], "unknown");
    assert_eq!(decision["src_endpoint"], json!({"name": "unknown"}));
    assert_eq!(decision.get("policy"), None);
    assert!(finding["finding_info"]["uid"].is_string(), "{finding:#}");
    for event in [end, logon] {
        assert_eq!(event["user"]["name"], "unknown");
        assert_eq!(event["service"]["name"], "portcullis");
    }
}

#[test]
fn what_is_held_has_neither_succeeded_nor_failed_and_details_are_text() {
    let detail = json!({"event": "forged", "detail": {"channel": 3}}).to_string();
    let entries = vec![
        admit("ssh"),
        decision("hold", "write"),
        entry(EntryKind::Security, 0, detail),
    ];
    let text = written(|entries, out| export_ocsf(entries, out), entries);
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&events[1]["status_id"], &events[1]["status"]),
        (&json!(99), &json!("Held"))
    );
    assert_eq!(events[2]["finding_info"]["desc"], r#"{"channel":3}"#);
}

#[test]
fn who_did_something_at_the_gateway_is_named_and_where_from() {
    let who = json!({"issuer": "https://id", "subject": "u2"});
    let bea = json!({"name": "Bea", "uid": "u2", "domain": "https://id"});
    let told = |event: &str, detail: Value| {
        let json = json!({"event": event, "detail": detail}).to_string();
        let entry = entry(EntryKind::Node, 0, json).unwrap();
        let session = crate::NODE;
        let entry = ReadEntry { session, ..entry };
        let event = ocsf_event(&entry, &mut OcsfActors::default()).unwrap();
        assert!(!spoken(&event).any(Value::is_null), "{event:#}");
        event
    };
    for (event, detail, whose) in [
        (
            "recording-played",
            json!({"by": who, "name": "Bea", "token_id": null}),
            &bea,
        ),
        (
            "certified",
            json!({"identity": who, "name": "Bea", "token_id": "t"}),
            &bea,
        ),
        ("approval/vote", json!({"voter": who, "name": "Bea"}), &bea),
        (
            "approval/expired",
            json!({"identity": who, "name": "Bea"}),
            &json!({"name": "gateway"}),
        ),
        ("killed", json!({"uid": 7}), &json!({"name": "uid 7"})),
        ("reload", json!({"why": "uid 7"}), &json!({"name": "uid 7"})),
        (
            "reload",
            json!({"why": "SIGHUP"}),
            &json!({"name": "gateway"}),
        ),
        ("glass/broken", json!({"holder": who, "name": "Bea"}), &bea),
        (
            "glass/reviewed",
            json!({"holder": {}, "name": "Ana", "closed": {"by": who, "name": "Bea"}}),
            &bea,
        ),
    ] {
        assert_eq!(&told(event, detail)["actor"]["user"], whose, "{event}");
    }
    let refused = told(
        "login_refused",
        json!({"identity": who, "address": "127.0.0.1:5000", "reason": "no", "rule": "r"}),
    );
    assert_eq!(refused["user"]["uid"], "u2");
    assert_eq!(refused["src_endpoint"]["ip"], "127.0.0.1");
}

/// A refusal: its event, its detail, whose it was and why as they are told.
type Refusal = (&'static str, Value, Value, &'static str);

fn refused_logons() -> [Refusal; 4] {
    let by = json!({"issuer": "https://id", "subject": "u2"});
    let why = json!({"why": "no such request", "by": by, "name": "Bea"});
    let many = json!({"what": "refused more often", "count": 7, "by": by, "name": "Bea"});
    let unknown = json!({"name": "unknown", "type_id": 0, "type": "Unknown"});
    let bea = json!({
        "name": "Bea", "uid": "u2", "domain": "https://id", "type_id": 1, "type": "User",
    });
    let (key, late) = (json!({"reason": "unknown key"}), json!({"reason": "late"}));
    [
        ("login_refused", key, unknown.clone(), "unknown key"),
        ("login-refused", late, unknown, "late"),
        ("vote_refused", why, bea.clone(), "no such request"),
        ("vote_refused", many, bea, "refused more often"),
    ]
}

fn refused_besides() -> [Refusal; 4] {
    let by = json!({"issuer": "https://id", "subject": "u2"});
    let look = json!({"what": "look", "why": "none", "by": by, "name": "Bea"});
    let many = json!({"what": "refused more often", "count": 7, "by": by, "name": "Bea"});
    let bea = json!({
        "name": "Bea", "uid": "u2", "domain": "https://id", "type_id": 1, "type": "User",
    });
    let unknown = |name: &str| json!({"name": name, "type_id": 0, "type": "Unknown"});
    let forged = json!({"from": "slack", "why": "not signed"});
    let admin = json!({"what": "look", "why": "none", "uid": 7});
    [
        ("desk_refused", look, bea.clone(), "none"),
        ("desk_refused", many, bea, "refused more often"),
        ("hook_refused", forged, unknown("unknown"), "not signed"),
        ("desk_refused", admin, unknown("uid 7"), "none"),
    ]
}

#[test]
fn who_was_refused_and_why_is_told_as_far_as_it_is_known() {
    let node = |(event, detail, ..): &Refusal| {
        let json = json!({"event": event, "detail": detail});
        let entry = entry(EntryKind::Node, 0, json.to_string())?;
        let session = crate::NODE;
        Ok(ReadEntry { session, ..entry })
    };
    for (refusals, kind, place) in [
        (refused_logons(), 300_201, "/user"),
        (refused_besides(), 600_399, "/actor/user"),
    ] {
        let entries = refusals.iter().map(node).collect();
        let text = written(|entries, out| export_ocsf(entries, out), entries);
        assert_eq!(text.lines().count(), refusals.len());
        for (line, (_, detail, who, why)) in text.lines().zip(&refusals) {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["type_uid"], kind, "{event}");
            assert_eq!(
                (&event["status_id"], &event["status"]),
                (&json!(2), &json!("Failure"))
            );
            assert_eq!(event.pointer(place), Some(who), "{event}");
            assert_eq!(event["status_detail"], *why, "{event}");
            assert_eq!(event["unmapped"]["detail"], *detail, "{event}");
        }
    }
}
