//! Building the index and keeping it up: a thread that reads what was written, as far as it is whole, and commits rows
//! together with the place it came to. A killed process goes on from there.
//!
//! Refuses to keep an index that is of no use: what is missing, of another version, of another record or damaged is
//! built anew from the log.

use super::feed::Feed;
use super::{IndexError, Position, inode, path_of};
use crate::error::Error;
use crate::frame::Frame;
use crate::journal::{Journal, Shared};
use crate::key::VerifyKey;
use crate::note;
use crate::payloads::PayloadKeys;
use crate::segment::{self, Segment};
use crate::tail::Tail;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use portcullis_gate::EntryKind;
use portcullis_model::limits;
use rusqlite::Connection;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Looks at the log so often.
const EVERY: Duration = Duration::from_millis(100);
/// So often while a lot is written: what is found a little later costs sessions less, since most of a commit is the same for
/// many rows as for few, and the words of small ones are merged again and again.
const EVERY_BUSY: Duration = Duration::from_millis(500);
/// So many entries in [`EVERY`] are a lot.
const BUSY: usize = 200;
/// Before it is built anew it waits so long: a disk that spoils each one must not keep a processor busy.
const ANEW_AFTER: Duration = Duration::from_millis(500);
/// After a failure it waits so long.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Writes the index of one record.
struct Builder {
    dir: PathBuf,
    feed: Feed,
    tail: Tail,
    keys: PayloadKeys,
    inode: Option<u64>,
    /// Leaves under a checkpoint, as the index says.
    signed: Option<i64>,
    /// It has read from the place on. Before that the place is only what a database says, which may have outlived the
    /// entries it counts: a power cut takes what was not synced of the log, and other entries stand there then.
    read: bool,
}

impl Builder {
    /// Goes on with the index that is there, or begins a new one.
    fn open(dir: &Path) -> Result<Self, IndexError> {
        match Self::open_file(dir) {
            Err(error) if error.is_ruin() => {
                tracing::warn!(%error, "the index is built anew from the record");
                discard(dir)?;
                Self::open_file(dir)
            }
            other => other,
        }
    }

    fn open_file(dir: &Path) -> Result<Self, IndexError> {
        let path = path_of(dir);
        if !path.exists() {
            // What a deleted index left beside it must not be taken for a part of the new one.
            discard(dir)?;
            use std::os::unix::fs::OpenOptionsExt as _;
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(IndexError::File)?;
        }
        let db = Connection::open(&path)?;
        db.busy_timeout(limits::INDEX_QUERY_MAX)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; \
             PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; \
             PRAGMA wal_autocheckpoint = 4000;",
        )?;
        db.set_prepared_statement_cache_capacity(64);
        let feed = Feed::new(db)?;
        let born = born(dir)?;
        match (feed.meta("born")?, born) {
            (Some(was), Some(is)) if was != is => return Err(IndexError::Foreign),
            (Some(_), None) => return Err(IndexError::Foreign),
            (None, Some(is)) => feed.set("born", is)?,
            _ => {}
        }
        Ok(Self {
            dir: dir.to_owned(),
            tail: Tail::new(dir, feed.place()),
            keys: PayloadKeys::of(dir, Vec::new())?,
            signed: feed.meta("signed")?,
            feed,
            inode: inode(&path),
            read: false,
        })
    }

    fn knows(&self, signed: u64) -> bool {
        self.signed.and_then(|known| u64::try_from(known).ok()) == Some(signed)
    }

    /// True when there is nothing to read, to write or to clean: nobody asks the database whether there is.
    fn is_up_to(&self, written: u64, signed: u64) -> bool {
        self.read
            && self.feed.place().leaf == written
            && self.knows(signed)
            && self.feed.is_scrubbed()
            && inode(&path_of(&self.dir)) == self.inode
    }

    /// Reads on; returns how many entries that were.
    fn round(&mut self, signed: u64) -> Result<usize, IndexError> {
        if inode(&path_of(&self.dir)) != self.inode {
            return Err(IndexError::Missing);
        }
        if self.feed.meta("born")?.is_none()
            && let Some(born) = born(&self.dir)?
        {
            self.feed.set("born", born)?;
        }
        self.feed.begin()?;
        let (feed, keys) = (&mut self.feed, &self.keys);
        let mut failed = None;
        let read = self.tail.read(limits::INDEX_BATCH_BYTES, |frame, leaf| {
            let opened = sealed(keys, frame);
            let payload = match (frame.husk || frame.sealed, &opened) {
                (false, _) => Some(frame.payload),
                (true, opened) => opened.as_deref(),
            };
            feed.entry(frame, leaf, payload).map_err(|error| {
                failed = Some(error);
                Error::Index
            })
        });
        let result = match (read, failed) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(error.into()),
            (Ok(read), None) => Ok(read),
        };
        let unchanged = matches!(result, Ok(0)) && self.knows(signed);
        match (&result, unchanged) {
            (Ok(_), false) => {
                self.feed.commit(self.tail.place(), signed)?;
                self.signed = i64::try_from(signed).ok();
            }
            _ => self.feed.abandon(),
        }
        if result.is_err() {
            // What was seen of this batch is seen again.
            self.tail = Tail::new(&self.dir, self.feed.place());
        } else {
            self.feed.scrub()?;
            self.read |= self.tail.is_open();
        }
        result
    }
}

/// An encrypted payload, where the node can read what it wrote, and words can be found in it.
fn sealed(keys: &PayloadKeys, frame: &Frame<'_>) -> Option<Bytes> {
    let wordless = [
        EntryKind::Release as u8,
        EntryKind::Diagnostic as u8,
        EntryKind::Upload as u8,
    ];
    match frame.sealed && !wordless.contains(&frame.kind) {
        true => keys.read(frame).ok(),
        false => None,
    }
}

/// When the first entry of the record was written: by this the index knows its record.
fn born(dir: &Path) -> Result<Option<i64>, IndexError> {
    let Some((_, path)) = segment::list(dir)?.into_iter().next() else {
        return Ok(None);
    };
    let segment = match Segment::read(&path) {
        Ok(segment) => segment,
        Err(Error::SegmentHeader(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let first = segment.frame_at(segment.body);
    Ok(first.and_then(Result::ok).map(|frame| frame.at.0))
}

/// Removes an index with everything that belongs to it.
fn discard(dir: &Path) -> Result<(), IndexError> {
    let path = path_of(dir);
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        match fs::remove_file(Path::new(&file)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(IndexError::File(e)),
            _ => {}
        }
    }
    Ok(())
}

fn wish(dir: &Path) -> PathBuf {
    dir.join("index.rebuild")
}

/// Asks the gateway that writes the record in `dir` to build its index anew.
///
/// # Errors
/// When the wish cannot be left there.
pub fn ask_rebuild(dir: &Path) -> io::Result<()> {
    fs::write(wish(dir), b"")
}

/// What building an index took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Built {
    /// Entries read.
    pub entries: u64,
    /// How far it has come.
    pub position: Position,
    /// How long that took.
    pub took: Duration,
}

/// Brings the index of a record up to date that no gateway is writing; with `anew`, from nothing.
///
/// # Errors
/// [`IndexError`]; a record that is being written has its gateway for that.
pub fn build(dir: &Path, key: &VerifyKey, anew: bool) -> Result<Built, IndexError> {
    let began = Instant::now();
    if crate::journal::is_live(dir) {
        return Err(IndexError::Record(Error::Locked));
    }
    if anew {
        discard(dir)?;
    }
    let signed = note::latest_checkpoint(dir, key)?.map_or(0, |(note, _)| note.size);
    let mut builder = Builder::open(dir)?;
    let mut entries = 0;
    loop {
        match builder.round(signed) {
            Ok(0) => break,
            Ok(read) => entries += read as u64,
            Err(error) if error.is_ruin() => {
                tracing::warn!(%error, "the index is built anew from the record");
                drop(builder);
                discard(dir)?;
                builder = Builder::open(dir)?;
                entries = 0;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Built {
        entries,
        position: Position {
            indexed: builder.feed.place().leaf,
            signed,
        },
        took: began.elapsed(),
    })
}

/// How the thread is doing.
#[derive(Default)]
struct Doing {
    indexed: u64,
    failing: Option<String>,
    stop: bool,
}

/// Keeps the index of a journal up, until it is dropped.
pub struct Follower {
    state: Arc<(Mutex<Doing>, Condvar)>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(journal: &Journal) -> io::Result<Self> {
        let state = Arc::new((Mutex::new(Doing::default()), Condvar::new()));
        let shared = journal.shared.clone();
        let (theirs, journal) = (state.clone(), shared.clone());
        let thread = std::thread::Builder::new()
            .name("journal-index".to_owned())
            .spawn(move || follow(&journal, &theirs))?;
        Ok(Self {
            state,
            shared,
            thread: Some(thread),
        })
    }

    /// Entries that are written and not indexed yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let written = self.shared.inner.lock().wal.tree.size();
        written.saturating_sub(self.state.0.lock().indexed)
    }

    /// What keeps it from going on, if anything does.
    #[must_use]
    pub fn failing(&self) -> Option<String> {
        self.state.0.lock().failing.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.state.0.lock().stop = true;
        self.state.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn follow(journal: &Shared, state: &(Mutex<Doing>, Condvar)) {
    // Building it anew must not take the processor from sessions.
    let _ = rustix::process::nice(10);
    let dir = &journal.settings.dir;
    let mut builder: Option<Builder> = None;
    loop {
        let written = journal.inner.lock().wal.tree.size();
        let signed = journal.progress.borrow().signed;
        let worked = step(dir, &mut builder, written, signed);
        let mut doing = state.0.lock();
        let pause = match worked {
            Ok((pause, indexed)) => {
                doing.indexed = indexed;
                doing.failing = None;
                pause
            }
            Err(error) => {
                let text = said(&error);
                if doing.failing.as_ref() != Some(&text) {
                    tracing::error!(error = text, "the index cannot be kept up");
                }
                doing.failing = Some(text);
                match error.is_ruin() {
                    true => ANEW_AFTER,
                    false => AFTER_FAILURE,
                }
            }
        };
        if doing.stop {
            return;
        }
        if !pause.is_zero() {
            state.1.wait_for(&mut doing, pause);
        }
        if doing.stop {
            return;
        }
    }
}

/// How long it waits after a batch.
fn pause(more: bool, read: usize) -> Duration {
    match (more, read) {
        (true, _) => Duration::ZERO,
        (false, read) if read >= BUSY => EVERY_BUSY,
        _ => EVERY,
    }
}

/// One batch, where something was written since. Returns how long to wait for the next, and how far the index has come.
fn step(
    dir: &Path,
    builder: &mut Option<Builder>,
    written: u64,
    signed: u64,
) -> Result<(Duration, u64), IndexError> {
    if wish(dir).exists() {
        *builder = None;
        discard(dir)?;
        fs::remove_file(wish(dir)).map_err(IndexError::File)?;
    }
    let open = match builder {
        Some(open) => open,
        None => builder.insert(Builder::open(dir)?),
    };
    if open.is_up_to(written, signed) {
        return Ok((EVERY, written));
    }
    match open.round(signed) {
        Ok(read) => {
            let pause = pause(open.tail.had_enough(), read);
            Ok((pause, open.feed.place().leaf))
        }
        Err(error) => {
            // Opened anew; what is of no use is thrown away then.
            let ruin = error.is_ruin();
            *builder = None;
            if ruin {
                discard(dir)?;
            }
            Err(error)
        }
    }
}

fn said(error: &IndexError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{opened, opened_at};
    use portcullis_gate::{Entry, StreamId};
    use portcullis_model::{Principal, SessionId, Timestamp};
    use serde_json::json;

    const WORDS: &[u8] = b"customers";

    fn holds_words(dir: &Path) -> bool {
        ["", "-wal"].iter().any(|end| {
            let mut file = path_of(dir).into_os_string();
            file.push(end);
            let bytes = fs::read(file).unwrap_or_default();
            bytes.windows(WORDS.len()).any(|window| window == WORDS)
        })
    }

    #[test]
    fn what_is_shredded_leaves_the_file_and_its_log_while_both_are_open() {
        let dir = tempfile::tempdir().unwrap();
        let journal = opened(dir.path());
        let ana = Principal {
            issuer: "https://id.example".to_owned(),
            subject: "ana".to_owned(),
        };
        let said = json!({"id": "ap-1", "stage": "query", "request": "DELETE FROM customers"});
        let run = [
            (EntryKind::Admit, json!({"session": {}})),
            (EntryKind::Decision, json!({})),
            (EntryKind::Request, said.clone()),
            (EntryKind::Hold, said),
        ]
        .map(|(kind, json)| Entry {
            kind,
            at: Timestamp(5),
            payload: json.to_string().into(),
        });
        let mut record = journal.session(SessionId(1), &ana).unwrap();
        record.append(StreamId(0), &run).unwrap();
        let opened = json!({"id": "ap-1", "session": SessionId(1), "access": false, "shown": "DELETE FROM customers"});
        journal.node("approval/opened", &opened).unwrap();
        let granted =
            json!({"request": "ap-1", "purpose": "commands", "shown": "DELETE FROM customers"});
        journal.node("approval/granted", &granted).unwrap();

        let mut builder = Builder::open(journal.dir()).unwrap();
        while builder.round(0).unwrap() > 0 {}
        assert!(holds_words(journal.dir()));
        let gone = json!({"rule": "age", "sessions": [SessionId(1)]});
        journal.node("payloads-shredded", &gone).unwrap();
        // A reader that is in the way.
        let reader = Connection::open(path_of(journal.dir())).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let count = "SELECT count(*) FROM sessions";
        reader.query_row(count, [], |_| Ok(())).unwrap();
        builder.feed.hurry().unwrap();
        while builder.round(0).unwrap() > 0 {}
        assert!(holds_words(journal.dir()), "the reader may still need it");
        reader.execute_batch("COMMIT").unwrap();
        builder.round(0).unwrap();
        assert!(!holds_words(journal.dir()));
    }

    /// What a power cut leaves where SQLite kept its commit and the log lost what was not synced: the index stands at a
    /// place that the log comes to again, with other entries.
    #[test]
    fn a_place_that_the_log_has_lost_is_not_taken_for_the_present_one() {
        let dir = tempfile::tempdir().unwrap();
        let record = opened(dir.path()).dir().to_owned();
        let kept: Vec<_> = [segment::path_of(&record, 1), note::path_of(&record)]
            .into_iter()
            .map(|file| (fs::read(&file).unwrap(), file))
            .collect();
        let journal = opened(dir.path());
        for n in 0..20 {
            let detail = json!({"why": format!("lost {n}")});
            journal.node("reload", &detail).unwrap();
        }
        let mut builder = Builder::open(&record).unwrap();
        while builder.round(0).unwrap() > 0 {}
        let indexed = builder.feed.place().leaf;
        assert!(builder.is_up_to(indexed, 0));
        drop(builder);
        drop(journal);
        for (bytes, file) in kept {
            fs::write(file, bytes).unwrap();
        }
        // An entry is known again by its head, and what comes later bears another time.
        let journal = opened_at(dir.path(), Timestamp(6));
        let written = || journal.shared.inner.lock().wal.tree.size();
        assert!(written() < indexed, "entries are gone");
        while written() < indexed {
            journal.node("reload", &json!({"why": "kept"})).unwrap();
        }
        let mut builder = Builder::open(&record).unwrap();
        builder.feed.scrub().unwrap();
        assert!(
            !builder.is_up_to(indexed, 0),
            "nothing was read of this log"
        );
        let mut builder = Some(builder);
        let found = step(&record, &mut builder, indexed, 0).expect_err("another log");
        assert!(found.is_ruin(), "{}", said(&found));
        let built = step(&record, &mut builder, indexed, 0).unwrap();
        assert_eq!(built.1, indexed, "it is built anew");
    }

    #[test]
    fn it_waits_longer_only_while_a_lot_is_written() {
        assert_eq!(pause(true, 5_000), Duration::ZERO);
        assert_eq!(pause(false, 0), EVERY);
        assert_eq!(pause(false, BUSY - 1), EVERY);
        assert_eq!(pause(false, BUSY), EVERY_BUSY);
        assert!(EVERY_BUSY > EVERY);
    }

    #[test]
    fn an_index_without_room_keeps_what_it_has_and_goes_on_when_there_is_some() {
        let dir = tempfile::tempdir().unwrap();
        let journal = opened(dir.path());
        let mut builder = Some(Builder::open(journal.dir()).unwrap());
        let catch_up = |builder: &mut Option<Builder>| -> Result<u64, IndexError> {
            loop {
                let written = journal.shared.inner.lock().wal.tree.size();
                let (pause, indexed) = step(journal.dir(), builder, written, 0)?;
                if !pause.is_zero() {
                    return Ok(indexed);
                }
            }
        };
        let before = catch_up(&mut builder).unwrap();
        let index = crate::index::Index::of(journal.dir());
        assert_eq!(index.position().unwrap().indexed, before);
        // No page more: what SQLite says then is what it says of a full disk.
        let open = builder.as_ref().unwrap();
        open.feed.no_more_pages().unwrap();
        for n in 0..2_000 {
            let detail = json!({"why": format!("reload {n} {}", "of many words ".repeat(20))});
            journal.node("reload", &detail).unwrap();
        }
        let failed = catch_up(&mut builder).expect_err("there is no room");
        assert!(said(&failed).contains("full"), "{}", said(&failed));
        assert!(!failed.is_ruin(), "nothing is thrown away for it");
        assert!(builder.is_none(), "it is opened anew");
        let kept = index.position().unwrap().indexed;
        assert!(kept >= before, "questions are answered meanwhile");
        let after = catch_up(&mut builder).unwrap();
        assert_eq!(after, journal.shared.inner.lock().wal.tree.size());
        assert_eq!(index.position().unwrap().indexed, after);
        assert!(after >= kept + 2_000, "every entry is in it");
    }
}
