//! What is put on record in live sessions, for whoever watches one. A copy of each entry goes round after it was written;
//! where nobody watches, none is made. It refuses to hold a session up: who watches too slowly misses entries, and is
//! told how many.

use crate::front_desk::Books;
use bytes::Bytes;
use portcullis_gate::{BoxFuture, Entry, EntryKind, Record, Sequence, StreamId};
use portcullis_journal::ReadEntry;
use portcullis_model::{Fault, Principal, SessionId, limits};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::broadcast;

/// An entry as it goes round.
#[derive(Debug)]
pub struct Heard {
    /// What was written.
    pub entry: ReadEntry,
    /// So many bytes of content do not go round, because they are too many; zero when all do.
    pub left_out: usize,
}

/// Entries of live sessions, as they are written.
#[derive(Clone)]
pub struct Feed(broadcast::Sender<Arc<Heard>>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(limits::FEED_ENTRIES_MAX))
    }
}

impl Feed {
    /// From now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.0.subscribe()
    }

    /// The same books, with a copy for whoever watches.
    pub fn over(&self, books: Arc<dyn Books>) -> Arc<dyn Books> {
        Arc::new(Copied {
            books,
            feed: self.clone(),
        })
    }

    fn tell(&self, session: SessionId, stream: StreamId, entries: &[Entry], last: Sequence) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let first = last.0.saturating_sub(entries.len() as u64) + 1;
        for (sequence, entry) in (first..).zip(entries) {
            // A film is not watched here, and what a result holds is shown in part only.
            if matches!(entry.kind, EntryKind::Upload | EntryKind::Opaque) {
                continue;
            }
            // Whoever watches sees that something large was there: a long statement does not hide.
            let (payload, left_out) = match entry.payload.len() {
                bytes if bytes > limits::FEED_PAYLOAD_BYTES_MAX => (Bytes::new(), bytes),
                _ => (entry.payload.clone(), 0),
            };
            let entry = ReadEntry {
                session,
                sequence,
                at: entry.at,
                stream,
                kind: entry.kind as u8,
                payload,
                leaf: 0,
                withheld: None,
            };
            // Nobody may be listening any more: that is no error.
            let _heard = self.0.send(Arc::new(Heard { entry, left_out }));
        }
    }
}

struct Copied {
    books: Arc<dyn Books>,
    feed: Feed,
}

impl Books for Copied {
    fn session(&self, id: SessionId, who: &Principal) -> Result<Box<dyn Record>, Fault> {
        Ok(Box::new(Told {
            record: self.books.session(id, who)?,
            id,
            feed: self.feed.clone(),
        }))
    }

    fn note(&self, event: &str, detail: &Value) -> Result<(), Fault> {
        self.books.note(event, detail)
    }
}

struct Told {
    record: Box<dyn Record>,
    id: SessionId,
    feed: Feed,
}

impl Record for Told {
    fn append(&mut self, stream: StreamId, entries: &[Entry]) -> Result<Sequence, Fault> {
        let last = self.record.append(stream, entries)?;
        self.feed.tell(self.id, stream, entries, last);
        Ok(last)
    }

    fn durable(&self, upto: Sequence) -> BoxFuture<'static, Result<(), Fault>> {
        self.record.durable(upto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::{Blame, Timestamp};

    struct Paper {
        last: u64,
        full: bool,
    }

    impl Record for Paper {
        fn append(&mut self, _: StreamId, entries: &[Entry]) -> Result<Sequence, Fault> {
            if self.full {
                return Err(Fault::bare(Blame::Gateway, "write"));
            }
            self.last += entries.len() as u64;
            Ok(Sequence(self.last))
        }

        fn durable(&self, _: Sequence) -> BoxFuture<'static, Result<(), Fault>> {
            Box::pin(async { Ok(()) })
        }
    }

    fn told(feed: &Feed, full: bool) -> Told {
        Told {
            record: Box::new(Paper { last: 5, full }),
            id: SessionId(7),
            feed: feed.clone(),
        }
    }

    fn entry(kind: EntryKind, bytes: usize) -> Entry {
        Entry {
            kind,
            at: Timestamp(1),
            payload: vec![b'x'; bytes].into(),
        }
    }

    #[test]
    fn what_is_written_is_told_with_its_place_and_what_is_not_is_not() {
        let feed = Feed::default();
        let mut listening = feed.listen();
        let large = limits::FEED_PAYLOAD_BYTES_MAX + 1;
        let entries = [
            entry(EntryKind::Decision, 1),
            entry(EntryKind::Release, large),
            entry(EntryKind::Request, 2),
        ];
        told(&feed, false)
            .append(StreamId(3), &entries)
            .expect("written");
        let places = std::iter::from_fn(|| listening.try_recv().ok());
        let places: Vec<_> = places
            .map(|h| (h.entry.sequence, h.entry.payload.len(), h.left_out))
            .collect();
        assert_eq!(places, [(6, 1, 0), (7, 0, large), (8, 2, 0)]);
        assert!(told(&feed, true).append(StreamId(3), &entries).is_err());
        assert!(
            listening.try_recv().is_err(),
            "what is not on record is not shown"
        );
    }
}
