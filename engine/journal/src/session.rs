//! The record of one session: encodes a run once, links it into the session's chain outside of the lock,
//! and hands it over as one write. Refuses entries after the end, entries out of bounds, and volume over
//! the identity's limit.

use crate::frame;
use crate::journal::{Journal, fault, interrupted};
use crate::payloads::{PayloadKey, is_speech};
use crate::segment::Head;
use crate::tree::Hash;
use crate::volume::Volume;
use crate::wal::Run;
use portcullis_gate::{BoxFuture, Entry, EntryKind, Record, Sequence, StreamId};
use portcullis_model::{Fault, SessionId, limits};
use std::cell::RefCell;
use std::sync::Arc;

/// What a thread keeps of its buffer between runs; a larger one is given back.
const SCRATCH_KEPT: usize = 1 << 20;

thread_local! {
    /// One buffer for each thread, not for each session: thousands of sessions are idle.
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { bytes: Vec::new(), links: Vec::new() }) };
}

struct Scratch {
    bytes: Vec<u8>,
    links: Vec<Hash>,
}

/// The record of one session.
pub(crate) struct SessionRecord {
    journal: Arc<Journal>,
    id: SessionId,
    volume: Arc<Volume>,
    /// What its payloads are encrypted with.
    key: Option<PayloadKey>,
    head: Head,
    /// The size of the log after the last run of this session.
    position: u64,
}

impl SessionRecord {
    pub(crate) fn new(
        journal: Arc<Journal>,
        id: SessionId,
        volume: Arc<Volume>,
        key: Option<PayloadKey>,
    ) -> Self {
        let head = Head {
            sequence: 0,
            hash: frame::genesis(id),
            ended: false,
        };
        Self {
            journal,
            id,
            volume,
            key,
            head,
            position: 0,
        }
    }

    fn write(
        &mut self,
        stream: StreamId,
        entries: &[Entry],
        scratch: &mut Scratch,
    ) -> Result<(), Fault> {
        let mut head = self.head;
        scratch.bytes.clear();
        scratch.links.clear();
        for entry in entries {
            if head.ended {
                return Err(fault("write after the end of a session"));
            }
            if entry.payload.len() > limits::RECORD_ENTRY_BYTES_MAX {
                return Err(fault("write an entry: it is too large"));
            }
            let start = scratch.bytes.len();
            head.sequence += 1;
            self.encode(&mut scratch.bytes, head.sequence, stream, entry)?;
            head.hash = frame::link(&head.hash, &scratch.bytes[start..]);
            head.ended = entry.kind == EntryKind::End;
            scratch.links.push(head.hash);
        }
        let closing = is_closing(entries);
        let shared = &self.journal.shared;
        let limit = shared.settings.per_identity_bytes_per_hour;
        let at = entries.last().map(|e| e.at).unwrap_or_default();
        if !self
            .volume
            .charge(at, scratch.bytes.len() as u64, limit, closing)
        {
            return Err(fault(
                "record more: the identity has used its volume for this hour",
            ));
        }
        self.position = shared.append(&Run {
            session: self.id,
            bytes: &scratch.bytes,
            links: &scratch.links,
            head,
            closing,
            checkpoint: entries
                .iter()
                .any(|e| matches!(e.kind, EntryKind::Admit | EntryKind::End)),
        })?;
        self.head = head;
        Ok(())
    }
}

impl SessionRecord {
    /// One frame, encrypted where payloads of its kind are.
    fn encode(
        &self,
        out: &mut Vec<u8>,
        sequence: u64,
        stream: StreamId,
        entry: &Entry,
    ) -> Result<(), Fault> {
        let kind = (stream, entry.kind as u8);
        let Some(key) = self.key.as_ref().filter(|_| is_speech(kind.1)) else {
            frame::encode(out, self.id, sequence, entry.at, kind, &entry.payload);
            return Ok(());
        };
        let sealed = (entry.payload.as_ref(), key);
        match frame::encode_sealed(out, self.id, sequence, entry.at, kind, sealed) {
            true => Ok(()),
            false => Err(fault("encrypt an entry")),
        }
    }
}

impl Record for SessionRecord {
    fn append(&mut self, stream: StreamId, entries: &[Entry]) -> Result<Sequence, Fault> {
        if entries.is_empty() {
            return Ok(Sequence(self.head.sequence));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let written = self.write(stream, entries, scratch);
            scratch.bytes.shrink_to(SCRATCH_KEPT);
            written
        })?;
        Ok(Sequence(self.head.sequence))
    }

    /// The log is one file: what covers the session's last run covers everything before it.
    fn durable(&self, _upto: Sequence) -> BoxFuture<'static, Result<(), Fault>> {
        self.journal.shared.durable(self.position)
    }
}

impl Drop for SessionRecord {
    fn drop(&mut self) {
        if self.head.sequence == 0 || self.head.ended {
            return;
        }
        let end = interrupted("the session was dropped without an end");
        // After a shutdown its end stands in the log already.
        let ended = self
            .journal
            .shared
            .inner
            .lock()
            .wal
            .head(self.id)
            .is_none_or(|h| h.ended);
        if !ended {
            // Where this fails the session reads interrupted as well.
            let _ = self
                .journal
                .shared
                .own(self.id, (EntryKind::End, true), end.as_bytes());
        }
    }
}

/// True when the run lets nothing move: it refuses, warns or ends. Only such runs may use the reserve of
/// a full disk and the margin of an identity's volume.
fn is_closing(entries: &[Entry]) -> bool {
    use EntryKind::{Decision, End, Refusal, Resolve, Security};
    let quiet = |e: &Entry| matches!(e.kind, Decision | Refusal | Resolve | Security | End);
    let says = |e: &Entry| matches!(e.kind, Refusal | Security | End);
    entries.iter().all(quiet) && entries.iter().any(says)
}
