//! What the gates of one session have in common: its record, its counts, its grant, and those who are asked. Each
//! stream has a gate of its own, so that a plugin failure, a held tail or a shape of one never touches another.
//!
//! It refuses every append after the session's end, whichever gate it comes from.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) struct Shared {
    pub session: Arc<Session>,
    pub examine: Arc<dyn Examine>,
    pub decide: Arc<dyn Decide>,
    pub tripwire: Arc<dyn Tripwire>,
    pub catalog: Arc<dyn Catalog>,
    pub veils: Arc<dyn Veils>,
    pub ledger: Arc<Ledger>,
    pub granted: Obligations,
    plugins: Arc<dyn Plugins>,
    record: Mutex<Option<Box<dyn Record>>>,
    history: Mutex<History>,
    tripped: AtomicU32,
    streams: AtomicU32,
    several: AtomicBool,
}

impl Shared {
    pub(super) fn of(parts: Parts) -> (Self, Box<dyn Classify>, Box<dyn Mask>) {
        let shared = Self {
            session: parts.session,
            examine: parts.examine,
            decide: parts.decide,
            tripwire: parts.tripwire,
            catalog: parts.catalog,
            veils: parts.veils,
            ledger: parts.ledger,
            granted: parts.granted,
            plugins: parts.plugins,
            record: Mutex::new(Some(parts.record)),
            history: Mutex::new(History::default()),
            tripped: AtomicU32::new(0),
            streams: AtomicU32::new(0),
            several: AtomicBool::new(false),
        };
        (shared, parts.classify, parts.mask)
    }

    pub(super) fn append(&self, stream: StreamId, entries: &[Entry]) -> Result<Sequence, Fault> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *record {
            Some(record) => record.append(stream, entries),
            None => Err(sealed()),
        }
    }

    /// Waits until everything up to `upto` is on stable storage.
    pub(super) async fn durable(&self, upto: Sequence) -> Result<(), Fault> {
        let waiting = {
            let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.as_ref().ok_or_else(sealed)?.durable(upto)
        };
        waiting.await
    }

    pub(super) fn seal(&self) {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    pub(super) fn history(&self) -> History {
        *self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn remember(&self, change: impl FnOnce(&mut History)) {
        change(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One more secret of the gateway's own has shown up in the session. Returns how many have.
    pub(super) fn trip(&self) -> u32 {
        self.tripped.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// True once a second secret of the gateway's own has shown up.
    pub(super) fn betrayed(&self) -> bool {
        self.tripped.load(Ordering::Relaxed) > 1
    }

    /// True once the session has more than one stream.
    pub(super) fn several(&self) -> bool {
        self.several.load(Ordering::Relaxed)
    }
}

fn sealed() -> Fault {
    Fault::bare(Blame::Gateway, "write after the end of a session")
}

/// Opens gates for further streams of one session.
#[derive(Clone)]
pub struct Gates {
    shared: Arc<Shared>,
}

impl Gates {
    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.shared.session
    }

    /// Opens one more, with plugin instances of its own; that is recorded. `what` is the stream in words
    /// (`exec`, `GET /api/v1/pods`); never a secret.
    ///
    /// # Errors
    /// When no plugins can be had, or the record cannot be written: then there is no stream.
    pub async fn open(&self, what: &serde_json::Value, now: Timestamp) -> Result<Gate, Fault> {
        let shared = &self.shared;
        let streamed = shared.plugins.open(&shared.session).await?;
        shared.several.store(true, Ordering::Relaxed);
        let stream = StreamId(shared.streams.fetch_add(1, Ordering::Relaxed) + 1);
        shared.append(
            stream,
            &[Entry {
                kind: EntryKind::Opened,
                at: now,
                payload: Bytes::from(json!({"stream": what}).to_string()),
            }],
        )?;
        Ok(Gate::of(
            shared.clone(),
            stream,
            streamed.classify,
            streamed.mask,
        ))
    }
}
