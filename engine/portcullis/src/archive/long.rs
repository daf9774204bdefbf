//! A session that is very long, read from a real record: its first pages are there without reading it to the end.

use super::{GLANCE_ENTRIES_MAX, Shelf};
use portcullis_console::archive::{Archive as _, Steps, Volume};
use portcullis_gate::{Clock, Entry, EntryKind, StreamId};
use portcullis_journal::index::{Index, build};
use portcullis_journal::{Journal, NodeKey, OsDisk, Settings};
use portcullis_model::{Principal, SessionId, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const START: i64 = 1_790_000_000_000_000_000;
const ID: SessionId = SessionId(1);

fn entry(kind: EntryKind, payload: &Value) -> Entry {
    Entry {
        kind,
        at: Timestamp(START),
        payload: payload.to_string().into(),
    }
}

/// A session that opens a terminal before so many commands, one after them, and one at its end.
fn recorded(folder: &Path, commands: u32) -> Arc<Shelf> {
    let dir = folder.join("record");
    let key = NodeKey::open(&folder.join("node.key"), "gw.example/node-1").expect("a key");
    let public = key.public().clone();
    let mut settings = Settings::new(dir.clone(), "gw.example/node-1");
    settings.reserve_bytes = 1 << 20;
    let now = AtomicI64::new(START);
    let clock: Clock = Arc::new(move || Timestamp(now.fetch_add(1_000_000, Ordering::Relaxed)));
    let journal = Journal::open_on(Arc::new(OsDisk), settings, key, clock).expect("a journal");
    let ana = Principal {
        issuer: "https://idp.example".to_owned(),
        subject: "ana".to_owned(),
    };
    let admitted = json!({"session": {
        "identity": {"name": "ana", "kind": "human", "principal": ana, "actors": []},
        "target": {"name": "shop", "protocol": "kubernetes"}, "login": "pc_1",
        "client": {"address": "10.0.0.1:5000", "program": "kubectl"}, "reason": null,
    }});
    let mut record = journal.session(ID, &ana).expect("a session");
    let mut put = |stream: u32, entry: Entry| {
        record.append(StreamId(stream), &[entry]).expect("appended");
    };
    let terminal = json!({"stream": {"terminal": {"columns": 80, "rows": 24}}});
    put(0, entry(EntryKind::Admit, &admitted));
    put(1, entry(EntryKind::Opened, &terminal));
    for stream in [2, 3] {
        for number in 0..commands / 2 {
            let request = json!({"stage": "query", "request": number.to_string()});
            put(0, entry(EntryKind::Request, &request));
        }
        put(stream, entry(EntryKind::Opened, &terminal));
    }
    let ended = json!({"reason": "bye", "commands": commands, "denied": 0, "rows": 0, "bytes": 0});
    put(0, entry(EntryKind::End, &ended));
    drop(record);
    journal.close().expect("closed");
    build(&dir, &public, true).expect("an index");
    let index = Arc::new(Index::of(&dir));
    Shelf::new(dir, index)
}

async fn page(shelf: &Shelf, after: u64) -> (Volume, Steps) {
    let opened = shelf.opened(ID, Box::new(|_| true), after, 200).await;
    let (volume, steps) = opened.expect("read").expect("is there");
    (volume, steps.expect("may be read"))
}

fn terminals(volume: &Volume) -> Vec<u32> {
    volume.terminals.iter().map(|reel| reel.stream).collect()
}

#[tokio::test]
async fn a_long_session_is_not_read_to_its_end_for_its_first_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let commands = GLANCE_ENTRIES_MAX + GLANCE_ENTRIES_MAX / 2;
    let shelf = recorded(folder.path(), commands);
    let (volume, steps) = page(&shelf, 0).await;
    assert_eq!(steps.next, Some(200));
    assert!(!volume.facts.is_empty());
    assert_eq!(terminals(&volume), [1, 2], "what was read of it");
    let alone = shelf.session(ID).await.expect("read").expect("is there");
    assert_eq!(terminals(&alone), [1, 2]);
    // The last page has all of it.
    let (volume, steps) = page(&shelf, u64::from(commands) - 50).await;
    assert_eq!((steps.next, terminals(&volume)), (None, vec![1, 2, 3]));
}

#[tokio::test]
async fn of_a_short_session_the_first_page_has_every_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = recorded(folder.path(), 1000);
    let (volume, steps) = page(&shelf, 0).await;
    assert_eq!(steps.next, Some(200));
    assert_eq!(terminals(&volume), [1, 2, 3]);
}
