//! A record to measure with: so many sessions of ten commands each, an event of the node beside each, and as the last session
//! an hour of a busy terminal; with its index. The console's pages and the program's replay are measured over the same.
//!
//! It refuses to be of use in a hurry: 100,000 sessions are half a gigabyte.

use portcullis_gate::{Clock, Entry, EntryKind, StreamId};
use portcullis_journal::index::build;
use portcullis_journal::{Journal, NodeKey, OsDisk, Settings};
use portcullis_model::{Principal, SessionId, Timestamp};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// When everything begins.
pub const START: i64 = 1_790_000_000_000_000_000;
/// The session with the terminal.
pub const HOUR: SessionId = SessionId(u128::MAX);
/// What its terminal shows at once, twice a second.
pub const SHOWN: usize = 200;
const ISSUER: &str = "https://id.example";

/// Somebody.
pub fn who(name: &str) -> Principal {
    Principal {
        issuer: ISSUER.to_owned(),
        subject: name.to_owned(),
    }
}

fn entry(kind: EntryKind, payload: &Value) -> Entry {
    Entry {
        kind,
        at: Timestamp(START),
        payload: payload.to_string().into(),
    }
}

fn admitted(name: &str, target: &str, protocol: &str, program: &str) -> Entry {
    let session = json!({"session": {
        "identity": {"name": name, "kind": "human", "principal": who(name), "actors": []},
        "target": {"name": target, "protocol": protocol}, "login": "pc_1",
        "client": {"address": "10.0.0.1:5000", "program": program}, "reason": null,
    }});
    entry(EntryKind::Admit, &session)
}

fn ended(commands: u32) -> Entry {
    let ended = json!({"reason": "bye", "commands": commands, "denied": 0, "rows": 7, "bytes": 99});
    entry(EntryKind::End, &ended)
}

/// A session as PostgreSQL leaves it: ten commands, each with its decision.
fn session(name: &str, target: &str, number: u64) -> Vec<Entry> {
    let mut run = vec![admitted(name, target, "postgres", "psql")];
    for round in 0..10 {
        let text = format!(
            "SELECT name FROM customers WHERE id = {number} -- word{}",
            number % 1009
        );
        let input = json!({"command": {"text": text}, "request": {"time_ns": number}});
        let decision = json!({"stage": "query", "verdict": "allow", "rule": "team/rule", "revision": "abcdef012345",
            "reasons": [], "class": {"effect": "read", "risk": "low", "verbs": [], "labels": [], "objects": []},
            "input": input, "round": round});
        run.push(entry(EntryKind::Decision, &decision));
        run.push(entry(
            EntryKind::Request,
            &json!({"stage": "query", "request": text}),
        ));
    }
    run.push(ended(10));
    run
}

/// An hour of a busy terminal.
fn hour(journal: &Arc<Journal>) {
    let mut record = journal.session(HOUR, &who("ana")).expect("a session");
    let opened = json!({"stream": {"terminal": {"columns": 80, "rows": 24, "term": "xterm"}}});
    let opened = entry(EntryKind::Opened, &opened);
    record
        .append(
            StreamId(0),
            &[admitted("ana", "web-1", "ssh", "OpenSSH"), opened],
        )
        .expect("appended");
    let line = "x".repeat(SHOWN) + "\r\n";
    for half in 0..7200 {
        let shown = Entry {
            kind: EntryKind::Release,
            at: Timestamp(START + half * 500_000_000),
            payload: line.clone().into(),
        };
        record.append(StreamId(0), &[shown]).expect("appended");
    }
    record.append(StreamId(0), &[ended(0)]).expect("ended");
}

/// Writes it into a folder and builds its index. Where the record is.
pub fn recorded(folder: &Path, sessions: u64) -> PathBuf {
    let dir = folder.join("record");
    let key = NodeKey::open(&folder.join("node.key"), "gw.example/node-1").expect("a key");
    let public = key.public().clone();
    let mut settings = Settings::new(dir.clone(), "gw.example/node-1");
    settings.sync_every = Duration::from_millis(500);
    settings.checkpoint_every = Duration::from_secs(5);
    settings.segment_bytes = 64 << 20;
    settings.reserve_bytes = 1 << 20;
    let now = AtomicI64::new(START);
    let clock: Clock = Arc::new(move || Timestamp(now.fetch_add(1_000_000, Ordering::Relaxed)));
    let journal = Journal::open_on(Arc::new(OsDisk), settings, key, clock).expect("a journal");
    for id in 0..sessions {
        let name = format!("person{}", id % 500);
        let target = ["orders", "billing", "stock", "carts"][(id % 4) as usize];
        let mut record = journal
            .session(SessionId(u128::from(id) + 1), &who(&name))
            .expect("a session");
        record
            .append(StreamId(0), &session(&name, target, id))
            .expect("appended");
        let event = ["console-login", "recording-viewed", "approval/vote"][(id % 3) as usize];
        let detail = json!({"by": who(&name), "name": name, "number": id});
        journal.node(event, &detail).expect("noted");
    }
    hour(&journal);
    journal.close().expect("closed");
    build(&dir, &public, true).expect("an index");
    dir
}
