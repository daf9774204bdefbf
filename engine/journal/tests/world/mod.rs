//! What the tests of the journal share: a record in a temporary directory, sessions with made-up entries,
//! and frames to tamper with.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use bytes::Bytes;
use portcullis_gate::{Entry, EntryKind, Record, StreamId};
use portcullis_journal::{Disk, Journal, NodeKey, OsDisk, Report, Settings, VerifyKey, verify};
use portcullis_model::{Principal, SessionId, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub struct World {
    pub dir: tempfile::TempDir,
    pub settings: Settings,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let mut settings = Settings::new(dir.path().join("record"), "gw.example/node-1");
        settings.sync_every = Duration::from_millis(5);
        settings.checkpoint_every = Duration::from_millis(50);
        settings.reserve_bytes = 1 << 20;
        Self { dir, settings }
    }

    pub fn record(&self) -> PathBuf {
        self.settings.dir.clone()
    }

    pub fn key_path(&self) -> PathBuf {
        self.dir.path().join("node.key")
    }

    pub fn key(&self) -> NodeKey {
        NodeKey::open(&self.key_path(), "gw.example/node-1").expect("key")
    }

    pub fn public(&self) -> VerifyKey {
        self.key().public().clone()
    }

    pub fn open(&self) -> Arc<Journal> {
        self.open_on(Arc::new(OsDisk))
    }

    pub fn open_on(&self, disk: Arc<dyn Disk>) -> Arc<Journal> {
        Journal::open_on(disk, self.settings.clone(), self.key(), ticking()).expect("journal")
    }

    pub fn verify(&self) -> Report {
        verify(&self.record(), &self.public()).expect("readable")
    }

    /// The path of a segment.
    pub fn segment(&self, number: u64) -> PathBuf {
        self.record().join(format!("{number:08}.wal"))
    }
}

/// A clock that ticks a microsecond with each look.
pub fn ticking() -> portcullis_gate::Clock {
    let now = AtomicI64::new(1_790_000_000_000_000_000);
    Arc::new(move || Timestamp(now.fetch_add(1_000, Ordering::Relaxed)))
}

pub fn who(name: &str) -> Principal {
    Principal {
        issuer: "https://id.example".to_owned(),
        subject: name.to_owned(),
    }
}

pub fn entry(kind: EntryKind, payload: impl Into<Bytes>) -> Entry {
    Entry {
        kind,
        at: Timestamp(1_790_000_000_000_000_000),
        payload: payload.into(),
    }
}

pub fn admit(name: &str) -> Entry {
    let json = serde_json::json!({"session": {
        "identity": {"name": name, "kind": "human", "principal": who(name), "actors": []},
        "target": {"name": "orders", "protocol": "postgres"}, "login": "pc_1",
        "client": {"address": "10.0.0.1:5000", "program": "psql"}, "reason": null,
    }});
    entry(EntryKind::Admit, json.to_string())
}

pub fn end() -> Entry {
    entry(
        EntryKind::End,
        r#"{"reason":"bye","commands":3,"denied":1,"rows":7,"bytes":99}"#,
    )
}

/// Opens a session and admits it.
pub fn session(journal: &Arc<Journal>, id: u128) -> Box<dyn Record> {
    let mut record = journal
        .session(SessionId(id), &who("ana"))
        .expect("session");
    record
        .append(StreamId(0), &[admit("ana")])
        .expect("admitted");
    record
}

/// Waits until a signed checkpoint covers everything.
pub fn signed(journal: &Journal) {
    block_on(journal.signed()).expect("signed");
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("runtime")
        .block_on(future)
}

/// One frame of a segment file.
#[derive(Clone, Debug)]
pub struct Raw {
    pub offset: usize,
    pub len: usize,
    pub session: u128,
    pub sequence: u64,
}

/// The frames of a segment, by the layout that the format documents.
pub fn frames(segment: &Path) -> Vec<Raw> {
    let bytes = std::fs::read(segment).expect("segment");
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4")) as usize;
    let mut offset = 8 + 4 + word(8) + 4;
    let mut found = Vec::new();
    while offset < bytes.len() {
        let len = 41 + word(offset) + 4;
        found.push(Raw {
            offset,
            len,
            session: u128::from_be_bytes(bytes[offset + 4..offset + 20].try_into().expect("16")),
            sequence: u64::from_be_bytes(bytes[offset + 20..offset + 28].try_into().expect("8")),
        });
        offset += len;
    }
    found
}

/// Sets a frame's crc right again after its bytes were changed: what a careful forger does.
pub fn mend_crc(bytes: &mut [u8], frame: &Raw) {
    let end = frame.offset + frame.len;
    let crc = crc32c::crc32c(&bytes[frame.offset..end - 4]);
    bytes[end - 4..end].copy_from_slice(&crc.to_be_bytes());
}
