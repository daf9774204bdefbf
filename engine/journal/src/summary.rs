//! The sessions of a record, one line each, from their Admit and End entries. There is no index to fall
//! out of step: the record is read. Refuses to call a session sealed whose end no checkpoint covers.

use crate::error::Error;
use crate::frame::Frame;
use crate::key::VerifyKey;
use crate::{NODE, Reader, journal, note};
use portcullis_gate::EntryKind;
use portcullis_model::{SessionId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Being recorded.
    Live,
    /// Ended in order, and a signed checkpoint covers the end.
    Sealed,
    /// Has no end of its own, or none that a checkpoint covers.
    Interrupted,
}

/// One session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// Name of the identity, as it called itself in its token. Foreign text: escape it when shown.
    pub identity: String,
    /// Name of the target.
    pub target: String,
    /// Protocol of the target.
    pub protocol: String,
    /// When it was admitted.
    pub started: Timestamp,
    /// When it ended; of a live session, when its last entry was written.
    pub ended: Timestamp,
    /// How it stands.
    pub state: SessionState,
    /// Why it ended.
    pub reason: String,
    /// Statements judged.
    pub commands: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Rows released; 0 as long as there is no end that says so.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
    /// Entries in the record.
    pub entries: u64,
    /// The leaf of its end.
    #[serde(skip)]
    end_leaf: Option<u64>,
}

/// The sessions of the record in `dir`, in the order of their start. `key` verifies the checkpoints that
/// say which are sealed.
///
/// # Errors
/// What reading the record or its checkpoints says.
pub fn sessions(dir: &Path, key: &VerifyKey) -> Result<Vec<SessionSummary>, Error> {
    let signed = note::latest_checkpoint(dir, key)?.map_or(0, |(note, _)| note.size);
    let mut order = Vec::new();
    let mut found: HashMap<SessionId, SessionSummary> = HashMap::new();
    Reader::open(dir)?.all().visit(|frame, leaf| {
        if frame.session != NODE {
            let summary = found.entry(frame.session).or_insert_with(|| {
                order.push(frame.session);
                SessionSummary::begin(frame)
            });
            summary.see(frame, leaf);
        }
    })?;
    let live = journal::is_live(dir);
    Ok(order
        .into_iter()
        .filter_map(|id| found.remove(&id))
        .map(|summary| summary.judge(signed, live))
        .collect())
}

impl SessionSummary {
    fn begin(frame: &Frame<'_>) -> Self {
        Self {
            id: frame.session,
            identity: String::new(),
            target: String::new(),
            protocol: String::new(),
            started: frame.at,
            ended: frame.at,
            state: SessionState::Live,
            reason: String::new(),
            commands: 0,
            denied: 0,
            rows: 0,
            bytes: 0,
            entries: 0,
            end_leaf: None,
        }
    }

    fn see(&mut self, frame: &Frame<'_>, leaf: u64) {
        self.entries += 1;
        self.ended = frame.at;
        match frame.kind {
            kind if kind == EntryKind::Admit as u8 => self.admit(frame.payload),
            kind if kind == EntryKind::End as u8 => self.end(frame.payload, leaf),
            kind if kind == EntryKind::Decision as u8 => self.commands += 1,
            kind if kind == EntryKind::Refusal as u8 => self.denied += 1,
            kind if kind == EntryKind::Release as u8 => self.bytes += frame.payload.len() as u64,
            _ => {}
        }
    }

    fn admit(&mut self, payload: &[u8]) {
        let json: Value = serde_json::from_slice(payload).unwrap_or_default();
        let session = json.get("session").unwrap_or(&json);
        let text = |path: &str| {
            session
                .pointer(path)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        self.identity = text("/identity/name")
            .or_else(|| text("/identity/principal/subject"))
            .unwrap_or_default();
        self.target = text("/target/name")
            .or_else(|| text("/target"))
            .unwrap_or_default();
        self.protocol = text("/target/protocol").unwrap_or_default();
    }

    fn end(&mut self, payload: &[u8], leaf: u64) {
        let json: Value = serde_json::from_slice(payload).unwrap_or_default();
        let count = |name: &str| json.get(name).and_then(Value::as_u64);
        self.commands = count("commands").unwrap_or(self.commands);
        self.denied = count("denied").unwrap_or(self.denied);
        self.rows = count("rows").unwrap_or(self.rows);
        self.bytes = count("bytes").unwrap_or(self.bytes);
        self.reason = json["reason"].as_str().unwrap_or_default().to_owned();
        self.end_leaf = Some(leaf);
        self.state = match json["interrupted"].as_bool() {
            Some(true) => SessionState::Interrupted,
            _ => SessionState::Sealed,
        };
    }

    fn judge(mut self, signed: u64, live: bool) -> Self {
        let covered = self.end_leaf.is_some_and(|leaf| leaf < signed);
        self.state = match (self.state, covered, live) {
            (SessionState::Interrupted, _, _) => SessionState::Interrupted,
            (SessionState::Sealed, true, _) => SessionState::Sealed,
            // Its checkpoint is on its way.
            (_, _, true) => SessionState::Live,
            (_, _, false) => SessionState::Interrupted,
        };
        self
    }
}
