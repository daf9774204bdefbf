//! Replays of made-up sessions.

use super::*;
use bytes::Bytes;
use portcullis_gate::StreamId;
use portcullis_model::SessionId;

/// A frame of the PostgreSQL protocol.
fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend_from_slice(&u32::try_from(body.len() + 4).expect("short").to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn description(columns: &[(&str, u8)]) -> Vec<u8> {
    let mut body = u16::try_from(columns.len())
        .expect("few")
        .to_be_bytes()
        .to_vec();
    for (name, format) in columns {
        body.extend_from_slice(name.as_bytes());
        // End of the name, table OID, attnum, type OID, size, modifier; then the format.
        body.extend_from_slice(&[0; 17]);
        body.extend_from_slice(&[0, *format]);
    }
    frame(b'T', &body)
}

fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len())
        .expect("few")
        .to_be_bytes()
        .to_vec();
    for cell in cells {
        match cell {
            None => body.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(cell) => {
                body.extend_from_slice(&i32::try_from(cell.len()).expect("short").to_be_bytes());
                body.extend_from_slice(cell);
            }
        }
    }
    frame(b'D', &body)
}

fn entry(kind: EntryKind, payload: impl Into<Bytes>) -> Result<ReadEntry, Error> {
    Ok(ReadEntry {
        session: SessionId(1),
        sequence: 1,
        at: Timestamp(1_790_000_000_000_000_000),
        stream: StreamId(0),
        kind: kind as u8,
        payload: payload.into(),
        leaf: 0,
        withheld: None,
    })
}

fn replayed(entries: Vec<Result<ReadEntry, Error>>, options: &ReplayOptions) -> String {
    let mut out = Vec::new();
    replay_text(entries.into_iter(), options, &mut out).expect("written");
    String::from_utf8(out).expect("text")
}

fn whole_session() -> Vec<Result<ReadEntry, Error>> {
    let admit = json!({"session": {
        "identity": {"name": "ana", "kind": "agent", "principal": {"issuer": "https://id", "subject": "u1"},
            "actors": [{"issuer": "https://id", "subject": "bot"}]},
        "target": {"name": "orders", "protocol": "postgres"}, "login": "pc_1",
        "client": {"address": "10.0.0.1:5000", "program": "psql"}, "reason": "OPS-12",
    }});
    let first = [
        description(&[("id", 0), ("mail", 0), ("raw", 1)]),
        row(&[
            Some(b"1"),
            Some("[pc-masked:email]".as_bytes()),
            Some(&[0, 255]),
        ]),
    ]
    .concat();
    let second = [
        row(&[Some(b"2"), None, None]),
        frame(b'C', b"SELECT 2\0"),
        frame(b'Z', b"I"),
    ]
    .concat();
    let error = frame(b'E', b"SERROR\0C42501\0Mno\0Hask bea\0\0");
    vec![
        entry(EntryKind::Admit, admit.to_string()),
        entry(
            EntryKind::Decision,
            r#"{"stage":"query","verdict":"allow","rule":"sql/read","reasons":[],"class":{"effect":"read","risk":"none"}}"#,
        ),
        entry(EntryKind::Request, r#"{"request":"SELECT *\nFROM users"}"#),
        entry(EntryKind::Masked, r#"{"edits":{"email":1},"columns":[]}"#),
        entry(EntryKind::Release, first),
        entry(EntryKind::Masked, r#"{"edits":{"email":1},"columns":[]}"#),
        entry(EntryKind::Release, second),
        entry(
            EntryKind::Hold,
            r#"{"id":"ap-1","request":"DROP TABLE x","requirements":[{"rule":"sql/destroy","msg":"destroys","approvers":2,"approver_groups":["sre"]}]}"#,
        ),
        entry(
            EntryKind::Resolve,
            r#"{"outcome":"approved","by":[{"issuer":"https://id","subject":"bea"}]}"#,
        ),
        entry(
            EntryKind::Refusal,
            r#"{"denial":{"rule":"sql/x","reason":"no","hint":"ask"},"request":"DROP TABLE y"}"#,
        ),
        entry(EntryKind::Release, error),
        entry(EntryKind::House, r#"{"house":"sync"}"#),
        entry(
            EntryKind::End,
            r#"{"reason":"bye","commands":3,"denied":1,"rows":2,"bytes":9}"#,
        ),
    ]
}

#[test]
fn a_session_reads_like_a_conversation() {
    let text = replayed(whole_session(), &ReplayOptions::default());
    let at = "2026-09-21T14:13:20.000Z";
    let expected = format!(
        "{at} ADMIT    ana (agent) at https://id
                                  through bot at https://id
                                  to orders as pc_1 from 10.0.0.1:5000 (psql)
                                  because: OPS-12
{at} ALLOW    by sql/read at query; read, risk none
{at} SENT     
    | SELECT *
    | FROM users
    id | mail              | raw
    ---+-------------------+-------
    1  | [pc-masked:email] | \\x00ff
    2  | NULL              | NULL
    * {at} masked: 1 x email
    (SELECT 2)
{at} HELD     ap-1 for approval
                                  sql/destroy: 2 of [sre]: destroys
    | DROP TABLE x
{at} ANSWER   approved by bea at https://id
{at} REFUSED  sql/x: no
                                  hint: ask
    | DROP TABLE y
    ERROR 42501: no
    HINT: ask bea
{at} END      bye
                                  3 commands, 1 refused, 2 rows, 9 bytes
"
    );
    assert_eq!(text, expected);
}

#[test]
fn nothing_in_a_recording_acts_on_the_reader() {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\u{9b}2J\r\u{200b}";
    let json = |key: &str| {
        let value = json!({
            key: evil, "denial": {"rule": evil, "reason": evil, "hint": evil}, "outcome": evil,
            "by": [{"issuer": evil, "subject": evil}], "edits": {evil: 1}, "reason": evil,
            "columns": [{"column": evil, "tag": evil}], "id": evil, "rule": evil, "verdict": evil,
            "reasons": [{"rule": evil, "msg": evil}], "class": {"effect": evil, "risk": evil},
            "requirements": [{"rule": evil, "msg": evil, "approver_groups": [evil], "approvers": evil}],
            "session": {"identity": {"name": evil, "kind": evil, "actors": [{"issuer": evil, "subject": evil}]},
                "target": {"name": evil}, "login": evil, "reason": evil,
                "client": {"address": evil, "program": evil}},
            "house": evil, "commands": evil, "control": evil, "event": evil, "approval": {"id": evil},
        });
        Bytes::from(value.to_string())
    };
    let wire = [
        description(&[(evil.trim_end_matches('\0'), 0)]),
        row(&[Some(evil.as_bytes())]),
        frame(b'C', evil.as_bytes()),
        frame(
            b'E',
            format!("C{evil}\0M{evil}\0D{evil}\0H{evil}\0\0").as_bytes(),
        ),
        frame(b'N', format!("M{evil}\0\0").as_bytes()),
        frame(b'A', format!("....{evil}\0{evil}\0").as_bytes()),
        evil.as_bytes().to_vec(),
    ]
    .concat();
    let kinds = [
        EntryKind::Admit,
        EntryKind::Decision,
        EntryKind::Request,
        EntryKind::House,
        EntryKind::Refusal,
        EntryKind::Hold,
        EntryKind::Resolve,
        EntryKind::Masked,
        EntryKind::Security,
        EntryKind::End,
        EntryKind::Upload,
        EntryKind::Node,
        EntryKind::Opened,
        EntryKind::Closed,
    ];
    let entries = || {
        let mut entries: Vec<_> = kinds
            .iter()
            .map(|kind| entry(*kind, json("request")))
            .collect();
        entries.extend(kinds.iter().map(|kind| entry(*kind, json("other"))));
        entries.push(entry(EntryKind::Release, wire.clone()));
        entries
    };
    let options = ReplayOptions {
        verbose: true,
        ..ReplayOptions::default()
    };
    let mut lines = Vec::new();
    replay_jsonl(entries().into_iter(), &mut lines).expect("written");
    for text in [
        replayed(entries(), &options),
        String::from_utf8(lines).expect("text"),
    ] {
        let acts = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{200b}".contains(c));
        let found: Vec<_> = text.lines().filter(|line| line.chars().any(acts)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn long_results_are_cut_and_say_so() {
    let mut wire = description(&[("n", 0)]);
    for _ in 0..5 {
        wire.extend(row(&[Some(b"a long cell")]));
    }
    let options = ReplayOptions {
        rows_max: 2,
        cell_max: 4,
        verbose: false,
    };
    let text = replayed(vec![entry(EntryKind::Release, wire)], &options);
    assert_eq!(
        text,
        "    n\n    ----------\n    a lo… (+7)\n    a lo… (+7)\n    … and 3 rows more\n"
    );
}

#[test]
fn what_cannot_be_framed_is_shown_as_bytes() {
    for wire in [&b"D"[..], b"D\0\0\0\x01x", b"D\0\0\xff\xffx", b"\x1b[2J"] {
        let text = replayed(
            vec![entry(EntryKind::Release, wire)],
            &ReplayOptions::default(),
        );
        assert!(text.starts_with("    ?? "), "{text}");
    }
}

#[test]
fn json_lines_hold_the_decoded_payload() {
    let entries = vec![
        entry(EntryKind::Request, r#"{"request":"SELECT 'é'"}"#),
        entry(EntryKind::Release, vec![1, 2]),
    ];
    let mut out = Vec::new();
    replay_jsonl(entries.into_iter(), &mut out).expect("written");
    let text = String::from_utf8(out).expect("text");
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).expect("json"))
        .collect();
    assert_eq!(lines[0]["payload"]["request"], "SELECT 'é'");
    assert_eq!(
        (lines[0]["kind"].as_str(), lines[0]["seq"].as_u64()),
        (Some("request"), Some(1))
    );
    assert_eq!(lines[1]["payload"]["base64"], "AQI=");
}
