//! Steps and films over entries made by hand: what they show, what they leave out, and what they never let through.

use super::film;
use super::steps::Steps;
use bytes::Bytes;
use portcullis_console::archive::Step;
use portcullis_gate::{EntryKind, StreamId};
use portcullis_journal::ReadEntry;
use portcullis_model::{SessionId, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

struct Tape {
    sequence: u64,
    entries: Vec<ReadEntry>,
}

impl Tape {
    fn of(protocol: &str) -> Self {
        let mut tape = Self {
            sequence: 0,
            entries: Vec::new(),
        };
        tape.json(0, EntryKind::Admit, &json!({"session": {
            "identity": {"name": "ana\u{1b}[2J"}, "target": {"name": "orders", "protocol": protocol},
        }}));
        tape
    }

    fn raw(&mut self, stream: u32, kind: EntryKind, payload: impl Into<Bytes>) {
        self.sequence += 1;
        self.entries.push(ReadEntry {
            session: SessionId(7),
            sequence: self.sequence,
            at: Timestamp(i64::try_from(self.sequence).unwrap() * 1_000_000_000),
            stream: StreamId(stream),
            kind: kind as u8,
            payload: payload.into(),
            leaf: self.sequence,
            withheld: None,
        });
    }

    fn json(&mut self, stream: u32, kind: EntryKind, payload: &Value) {
        self.raw(stream, kind, payload.to_string());
    }

    fn steps(&self) -> Vec<Step> {
        let mut maker = Steps::default();
        let mut steps: Vec<Step> = self.entries.iter().flat_map(|e| maker.take(e)).collect();
        steps.extend(maker.rest());
        steps
    }
}

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &len, body].concat()
}

fn row(cell: &[u8]) -> Vec<u8> {
    let len = u32::try_from(cell.len()).unwrap().to_be_bytes();
    frame(b'D', &[b"\0\x01".as_slice(), &len, cell].concat())
}

#[test]
fn a_statement_its_decision_and_its_rows_are_two_steps() {
    let mut tape = Tape::of("postgres");
    tape.json(0, EntryKind::Decision, &json!({"verdict": "allow", "rule": "access/grant", "class": {"effect": "read", "risk": "low"}}));
    tape.json(
        0,
        EntryKind::Request,
        &json!({"stage": "query", "request": "SELECT\n1"}),
    );
    let columns = frame(b'T', &[b"\0\x01n\0".as_slice(), &[0; 18]].concat());
    tape.raw(0, EntryKind::Release, [columns, row(b"a")].concat());
    tape.json(0, EntryKind::Masked, &json!({"edits": {"EMAIL": 2}}));
    tape.raw(
        0,
        EntryKind::Release,
        [row(b"b"), frame(b'C', b"SELECT 2\0")].concat(),
    );
    let steps = tape.steps();
    let kinds: Vec<_> = steps.iter().map(|s| s.kind.as_str()).collect();
    assert_eq!(kinds, ["admitted", "sent", "answer", "masked", "answer"]);
    let sent = &steps[1];
    assert_eq!(
        (sent.decision, sent.text.as_deref()),
        (Some(2), Some("SELECT\n1"))
    );
    assert_eq!(sent.facts[0].value, "allow by access/grant; read, risk low");
    let table = steps[4].table.as_ref().unwrap();
    assert_eq!(
        (table.columns.as_slice(), table.rows.len()),
        (["n".to_owned()].as_slice(), 1)
    );
    assert_eq!(
        (steps[4].head.as_str(), steps[4].offset),
        ("SELECT 2", 5000)
    );
}

#[test]
fn what_was_refused_says_so_and_a_decision_without_a_statement_stands_alone() {
    let mut tape = Tape::of("postgres");
    tape.json(
        0,
        EntryKind::Decision,
        &json!({"verdict": "deny", "rule": "sql/no"}),
    );
    tape.json(0, EntryKind::Refusal, &json!({"denial": {"rule": "sql/no", "reason": "no", "hint": "ask"}, "request": "DROP TABLE t"}));
    tape.json(
        0,
        EntryKind::Decision,
        &json!({"verdict": "allow", "rule": "a/b"}),
    );
    let steps = tape.steps();
    assert_eq!(
        (steps[1].kind.as_str(), steps[1].decision),
        ("refused", Some(2))
    );
    assert_eq!(steps[1].text.as_deref(), Some("DROP TABLE t"));
    assert_eq!(
        (steps[2].kind.as_str(), steps[2].decision),
        ("decision", Some(4))
    );
}

#[test]
fn results_and_outputs_are_cut_and_counted() {
    let mut tape = Tape::of("postgres");
    let rows: Vec<u8> = (0..150).flat_map(|_| row(b"x")).collect();
    tape.raw(0, EntryKind::Release, rows);
    let steps = tape.steps();
    let table = steps[1].table.as_ref().unwrap();
    assert_eq!((table.rows.len(), table.more), (100, 50));
    let mut tape = Tape::of("kubernetes");
    tape.json(1, EntryKind::Opened, &asked("GET", "/api/v1/pods"));
    for _ in 0..3 {
        tape.raw(1, EntryKind::Release, vec![b'y'; 50_000]);
    }
    let steps = tape.steps();
    assert_eq!(steps.len(), 3, "one answer");
    let text = steps[2].text.as_ref().unwrap();
    assert!(
        text.len() < 66_000 && text.contains("bytes at least"),
        "{}",
        text.len()
    );
}

/// A stream as the proxy of clusters opens it.
fn asked(method: &str, path: &str) -> Value {
    json!({"stream": {"method": method, "path": path, "terminal": null}})
}

#[test]
fn a_request_to_a_cluster_shows_its_line_and_what_came_of_it() {
    let mut tape = Tape::of("kubernetes");
    for (stream, (method, closed)) in (1..).zip([
        ("GET", json!({"status": 200, "end": "whole"})),
        ("DELETE", json!({"status": 403, "end": "refused"})),
        ("GET", json!({"status": 200, "end": "fault/upstream"})),
        ("GET", json!({"status": 101, "end": "closed", "exit": 0})),
        ("GET", json!({"status": 101, "end": "closed"})),
    ]) {
        tape.json(stream, EntryKind::Opened, &asked(method, "/api/v1/pods/p"));
        tape.json(stream, EntryKind::Closed, &closed);
    }
    let mut exec = asked("GET", "/exec");
    exec["stream"]["terminal"] = json!({"columns": 0, "rows": 0});
    tape.json(9, EntryKind::Opened, &exec);
    let steps = tape.steps();
    let heads: Vec<_> = steps[1..].iter().map(|step| step.head.as_str()).collect();
    assert_eq!(
        heads,
        [
            "GET /api/v1/pods/p",
            "200",
            "DELETE /api/v1/pods/p",
            "403 refused",
            "GET /api/v1/pods/p",
            "200 fault/upstream",
            "GET /api/v1/pods/p",
            "exit 0",
            "GET /api/v1/pods/p",
            "101 closed",
            "GET /exec, a terminal",
        ]
    );
}

#[test]
fn a_terminal_is_a_film_and_no_list() {
    let mut tape = Tape::of("ssh");
    tape.json(
        2,
        EntryKind::Opened,
        &json!({"stream": {"ssh": "shell", "terminal": {"columns": 90, "rows": 30}}}),
    );
    tape.raw(2, EntryKind::Release, "$ ");
    tape.raw(3, EntryKind::Release, "an exec");
    let kinds: Vec<_> = tape.steps().into_iter().map(|s| s.kind).collect();
    assert_eq!(kinds, ["admitted", "opened", "answer"]);
}

#[test]
fn nothing_on_record_acts_on_whoever_reads_it() {
    let evil = "\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}\u{9b}31m<b>";
    let document = json!({
        "event": evil, evil: evil, "request": evil, "denial": {"rule": evil, "reason": evil, "hint": evil},
        "id": evil, "by": [{"subject": evil}], "outcome": evil, "verdict": evil, "rule": evil, "reason": evil,
        "edits": {evil: 1}, "columns": [{"column": evil, "tag": evil}], "stream": {evil: evil}, "signal": evil,
        "reasons": [{"rule": evil, "msg": evil}], "class": {"effect": evil, "risk": evil}, "stage": evil,
    });
    let wire = [
        frame(
            b'T',
            &[b"\0\x01".as_slice(), evil.as_bytes(), b"\0", &[0; 18]].concat(),
        ),
        row(evil.as_bytes()),
        frame(b'C', evil.as_bytes()),
        frame(b'E', format!("M{evil}\0D{evil}\0H{evil}\0\0").as_bytes()),
        evil.as_bytes().to_vec(),
    ]
    .concat();
    for protocol in ["postgres", "kubernetes"] {
        let mut tape = Tape::of(protocol);
        for kind in [
            EntryKind::Decision,
            EntryKind::Request,
            EntryKind::Refusal,
            EntryKind::Hold,
            EntryKind::Resolve,
            EntryKind::Masked,
            EntryKind::Security,
            EntryKind::Opened,
            EntryKind::Closed,
            EntryKind::Opaque,
            EntryKind::End,
        ] {
            tape.json(1, kind, &document);
        }
        tape.raw(1, EntryKind::Release, wire.clone());
        tape.raw(1, EntryKind::Diagnostic, wire.clone());
        tape.raw(1, EntryKind::Upload, wire.clone());
        let steps = serde_json::to_value(tape.steps()).unwrap();
        assert_eq!(acting(&steps), None, "{protocol}");
    }
}

/// A string in which something acts or hides.
fn acting(value: &Value) -> Option<String> {
    let acts = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
    match value {
        Value::String(text) => text.chars().any(acts).then(|| text.clone()),
        Value::Array(items) => items.iter().find_map(acting),
        Value::Object(fields) => fields.values().find_map(acting),
        _ => None,
    }
}

#[tokio::test]
async fn a_film_paints_and_does_nothing_else() {
    use portcullis_console::archive::Shot;
    let mut tape = Tape::of("ssh");
    tape.json(
        2,
        EntryKind::Opened,
        &json!({"stream": {"ssh": "shell", "terminal": {"columns": 90, "rows": 30}}}),
    );
    tape.raw(
        2,
        EntryKind::Release,
        "\u{1b}]0;owned\u{7}a\u{1b}[31mb\u{1b}[6n\u{1b}P1$r\u{1b}\\"
            .as_bytes()
            .to_vec(),
    );
    tape.raw(2, EntryKind::Release, b"\xc3".to_vec());
    tape.raw(2, EntryKind::Release, b"\xa9".to_vec());
    tape.json(2, EntryKind::Closed, &json!({"exit": 3}));
    let (out, mut shots) = tokio::sync::mpsc::channel(16);
    let entries = tape.entries.into_iter().map(Ok);
    tokio::task::spawn_blocking(move || film::play(entries, None, &out, Duration::from_secs(30)))
        .await
        .unwrap();
    let mut all = Vec::new();
    while let Some(shot) = shots.recv().await {
        all.push(shot);
    }
    assert_eq!(
        all,
        [
            Shot::Header(90, 30, "ana\\u{001b}[2J on orders".to_owned()),
            Shot::Paint(1000, "a\u{1b}[31mb".to_owned()),
            Shot::Paint(3000, "é".to_owned()),
            Shot::Exit(4000, 3),
        ]
    );
}

/// A terminal that goes on for ever, after so many shots that nothing more is shown of.
fn endless(shown: usize) -> impl Iterator<Item = Result<ReadEntry, portcullis_journal::Error>> {
    let mut tape = Tape::of("ssh");
    tape.json(
        2,
        EntryKind::Opened,
        &json!({"stream": {"ssh": "shell", "terminal": {"columns": 90, "rows": 30}}}),
    );
    for _ in 0..shown {
        tape.raw(2, EntryKind::Release, "$ ");
    }
    let silent = ReadEntry {
        stream: StreamId(9),
        ..tape.entries[1].clone()
    };
    let entries = tape.entries.into_iter();
    entries.chain(std::iter::repeat(silent)).map(Ok)
}

#[tokio::test]
async fn a_film_that_nobody_takes_or_waits_for_ends() {
    let ends = Duration::from_secs(10);
    let (out, shots) = tokio::sync::mpsc::channel(1);
    let stalled = tokio::task::spawn_blocking(move || {
        film::play(endless(5), None, &out, Duration::from_millis(20));
    });
    let ended = tokio::time::timeout(ends, stalled).await;
    assert!(ended.is_ok(), "nobody takes a shot");
    drop(shots);
    let (out, shots) = tokio::sync::mpsc::channel(16);
    let playing = tokio::task::spawn_blocking(move || {
        film::play(endless(1), None, &out, Duration::from_secs(30));
    });
    drop(shots);
    let ended = tokio::time::timeout(ends, playing).await;
    assert!(ended.is_ok(), "nobody listens, and nothing is sent");
}

#[test]
fn a_read_ends_with_its_time_and_with_whoever_asked() {
    use super::{Asker, Patience};
    use std::sync::Arc;
    use std::time::Instant;
    let asker = Asker(Arc::default());
    let of = |seconds| Patience {
        until: Instant::now() + Duration::from_secs(seconds),
        gone: Arc::clone(&asker.0),
    };
    assert!(of(60).ask().is_ok());
    assert_eq!(of(0).ask().unwrap_err().status, 503, "time is up");
    let waiting = of(60);
    drop(asker);
    assert!(waiting.ask().is_err(), "nobody waits for it");
}
