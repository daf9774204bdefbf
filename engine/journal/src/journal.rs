//! The journal of one node: opens the record (recovering it first), hands out session records, writes the
//! node's own entries, and knows whether it can still be trusted. Refuses every append once a write or an
//! fdatasync has failed: whatever comes after could not be proved.

use crate::disk::{Disk, LogFile, OsDisk};
use crate::error::Error;
use crate::key::{NodeKey, VerifyKey, check_name};
use crate::payloads::{Locksmith, Sealing};
use crate::session::SessionRecord;
use crate::volume::Volumes;
use crate::wal::{Run, Unwritten, Wal};
use crate::{NODE, note, recover, sync};
use parking_lot::{Condvar, Mutex};
use portcullis_gate::{BoxFuture, Clock, EntryKind, Record, Sequence};
use portcullis_model::{Blame, Fault, Principal, SessionId};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Where and how to record.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The record's directory, made with mode 0700.
    pub dir: PathBuf,
    /// The node's name in checkpoints: `gateway.example/node-1`. No space, no `+`.
    pub origin: String,
    /// Longest time that an entry stays without fdatasync.
    pub sync_every: Duration,
    /// Longest time of activity without a checkpoint.
    pub checkpoint_every: Duration,
    /// A segment that has reached this many bytes is closed.
    pub segment_bytes: u64,
    /// Bytes kept allocated so that sessions can be closed on a full disk.
    pub reserve_bytes: u64,
    /// Bytes one identity may record in an hour.
    pub per_identity_bytes_per_hour: u64,
    /// When an fdatasync takes longer than this, nothing more is accepted until it is through.
    pub lag_max: Duration,
    /// What payloads are recorded as.
    pub sealing: Sealing,
}

impl Settings {
    /// The defaults: 50 ms, 1 s, segments of 64 MiB, a reserve of 16 MiB, 8 GiB per identity and hour,
    /// 10 s of lag.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            sync_every: Duration::from_millis(50),
            checkpoint_every: Duration::from_secs(1),
            segment_bytes: 64 << 20,
            reserve_bytes: 16 << 20,
            per_identity_bytes_per_hour: 8 << 30,
            lag_max: Duration::from_secs(10),
            sealing: Sealing::Clear,
        }
    }
}

/// Whether the record can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Well,
    /// The disk is full or nearly so: sessions can be closed, none opened, nothing moves.
    Full,
    /// A write or an fdatasync has failed, with what: nothing is accepted until a restart.
    Poisoned(String),
    /// It was closed.
    Closed,
}

/// How far the record is on stable storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Leaves covered by an fdatasync.
    pub durable: u64,
    /// Leaves covered by a checkpoint.
    pub signed: u64,
    /// No more will be.
    pub over: bool,
}

/// What the sync thread is asked for.
#[derive(Default)]
pub(crate) struct Agenda {
    /// Somebody waits for `durable`.
    pub wanted: bool,
    /// A session was opened or sealed: a checkpoint is due with the next sync.
    pub checkpoint: bool,
    /// Finish and end.
    pub stop: bool,
    /// The thread sleeps without a deadline.
    pub idle: bool,
    /// When the sync under way was begun.
    pub syncing_since: Option<Instant>,
}

/// What the lock protects.
pub(crate) struct Inner {
    pub wal: Wal,
    pub agenda: Agenda,
    pub closed: bool,
}

/// What the journal, its sessions and its thread share.
pub(crate) struct Shared {
    pub settings: Settings,
    pub clock: Clock,
    pub key: NodeKey,
    pub inner: Mutex<Inner>,
    pub wake: Condvar,
    pub progress: watch::Sender<Progress>,
    pub poisoned: OnceLock<String>,
    pub volumes: Volumes,
    /// Nobody is admitted while copies cannot be made.
    pub held_up: std::sync::atomic::AtomicBool,
    /// Makes the keys of payloads, where they are sealed.
    pub locksmith: Option<Locksmith>,
    /// A hold is recorded before or after retention chooses and says so, never in between.
    pub choosing: Mutex<()>,
}

/// The record of one node.
pub struct Journal {
    pub(crate) shared: Arc<Shared>,
    /// The sync thread and the record's lock, until it is closed.
    writing: Mutex<Option<(JoinHandle<()>, File)>>,
}

impl Journal {
    /// Opens the record: takes its lock, cuts a torn tail to a side file, closes sessions that a crash
    /// left open as interrupted, and signs a checkpoint.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process writes it; [`Error::Damaged`] when the log does not match
    /// its own checkpoints; and what the file system says.
    pub fn open(settings: Settings, key: NodeKey, clock: Clock) -> Result<Arc<Self>, Error> {
        Self::open_on(Arc::new(OsDisk), settings, key, clock)
    }

    /// As [`Journal::open`], on another [`Disk`]: the seam for fault injection.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        settings: Settings,
        key: NodeKey,
        clock: Clock,
    ) -> Result<Arc<Self>, Error> {
        check_name(&settings.origin)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&settings.dir)
            .map_err(Error::OpenDirectory)?;
        let lock = take_lock(&settings.dir)?;
        let locksmith = Locksmith::open(&settings.dir, &settings.sealing)?;
        let recovered = recover::recover(disk.clone(), &settings, key.public(), &clock)?;
        let notes = disk
            .append_to(&note::path_of(&settings.dir))
            .map_err(Error::Checkpoints)?;
        let progress = Progress {
            durable: 0,
            signed: recovered.signed,
            over: false,
        };
        let shared = Arc::new(Shared {
            settings,
            clock,
            key,
            inner: Mutex::new(Inner {
                wal: recovered.wal,
                agenda: Agenda {
                    checkpoint: true,
                    wanted: true,
                    ..Agenda::default()
                },
                closed: false,
            }),
            wake: Condvar::new(),
            progress: watch::Sender::new(progress),
            poisoned: OnceLock::new(),
            volumes: Volumes::default(),
            held_up: std::sync::atomic::AtomicBool::new(false),
            locksmith,
            choosing: Mutex::new(()),
        });
        let thread = start(&shared, notes, recovered.notes_len, recovered.checkpoints)?;
        Ok(Arc::new(Self {
            shared,
            writing: Mutex::new(Some((thread, lock))),
        }))
    }

    /// The record of a new session, charged to `identity`.
    ///
    /// # Errors
    /// When the journal cannot be written, the disk is nearly full, or the id is in use.
    pub fn session(
        self: &Arc<Self>,
        id: SessionId,
        identity: &Principal,
    ) -> Result<Box<dyn Record>, Fault> {
        match self.health() {
            Health::Well => {}
            Health::Full => return Err(fault("open a session: the disk is full")),
            Health::Poisoned(_) | Health::Closed => return Err(self.shared.dead()),
        }
        if self
            .shared
            .held_up
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            return Err(fault("open a session: the record cannot be copied"));
        }
        if id == NODE || self.shared.inner.lock().wal.head(id).is_some() {
            return Err(fault("open a session: its id is in use"));
        }
        let volume = self.shared.volumes.of(identity, (self.shared.clock)());
        let key = match &self.shared.locksmith {
            None => None,
            Some(locksmith) => Some(locksmith.key(id).map_err(|error| {
                Fault::new(
                    Blame::Journal,
                    "make a key for the session's payloads",
                    error,
                )
            })?),
        };
        Ok(Box::new(SessionRecord::new(self.clone(), id, volume, key)))
    }

    /// Records something that belongs to the node: a vote, a reload, an admin action. The payload is
    /// `{"event": event, "detail": detail}`. Never a secret in clear.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn node(&self, event: &str, detail: &Value) -> Result<Sequence, Fault> {
        let payload = json!({"event": event, "detail": detail}).to_string();
        let _choosing = (event == crate::holds::HOLD_ADDED).then(|| self.shared.choosing.lock());
        let kind = (EntryKind::Node, true);
        let sequence = self.shared.own(NODE, kind, payload.as_bytes())?;
        Ok(Sequence(sequence))
    }

    /// The same of what anybody can bring about, as a refusal: it takes nothing of the reserve, which is kept for votes and
    /// for the ends of sessions, and is not written while the disk is full or falls behind.
    ///
    /// # Errors
    /// When the record cannot be written, or there is no room but the reserve.
    pub fn node_if_room(&self, event: &str, detail: &Value) -> Result<Sequence, Fault> {
        let payload = json!({"event": event, "detail": detail}).to_string();
        let kind = (EntryKind::Node, false);
        let sequence = self.shared.own(NODE, kind, payload.as_bytes())?;
        Ok(Sequence(sequence))
    }

    /// Resolves once everything recorded so far, by anybody, is on stable storage.
    pub fn durable(&self) -> BoxFuture<'static, Result<(), Fault>> {
        let position = self.shared.inner.lock().wal.tree.size();
        self.shared.durable(position)
    }

    /// Resolves once everything recorded so far is covered by a signed checkpoint.
    pub fn signed(&self) -> BoxFuture<'static, Result<(), Fault>> {
        let mut inner = self.shared.inner.lock();
        let position = inner.wal.tree.size();
        inner.agenda.checkpoint = true;
        inner.agenda.wanted = true;
        drop(inner);
        self.shared.wake.notify_one();
        self.shared.reached(move |p| p.signed >= position)
    }

    /// Whether the record can be written. Cheap enough for a readiness probe.
    #[must_use]
    pub fn health(&self) -> Health {
        if let Some(what) = self.shared.poisoned.get() {
            return Health::Poisoned(what.clone());
        }
        let inner = self.shared.inner.lock();
        if inner.closed {
            return Health::Closed;
        }
        let low = inner.wal.disk.space(&inner.wal.dir);
        match inner.wal.full || low.is_ok_and(|free| free < self.shared.settings.reserve_bytes) {
            true => Health::Full,
            false => Health::Well,
        }
    }

    /// What verifies this record.
    #[must_use]
    pub fn public_key(&self) -> &VerifyKey {
        self.shared.key.public()
    }

    /// The record's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.settings.dir
    }

    /// Closes the record: sessions still open are ended as interrupted, a last checkpoint covers
    /// everything. Blocks for an fdatasync or two. Also done on drop.
    ///
    /// # Errors
    /// When the last entries could not be written and signed.
    pub fn close(&self) -> Result<(), Fault> {
        let Some((thread, _lock)) = self.writing.lock().take() else {
            return Ok(());
        };
        let ended = self.shared.end_all();
        self.shared.inner.lock().agenda.stop = true;
        self.shared.wake.notify_one();
        if thread.join().is_err() {
            return Err(fault("sync the record: its thread has panicked"));
        }
        match self.shared.poisoned.get() {
            Some(_) => Err(self.shared.dead()),
            None => ended,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(fault) = self.close() {
            tracing::error!(fault = %fault.chain(), "the record was not closed");
        }
    }
}

impl Shared {
    /// Appends a run, if the journal can still be trusted, and returns the log's size after it.
    pub(crate) fn append(&self, run: &Run<'_>) -> Result<u64, Fault> {
        let mut inner = self.inner.lock();
        self.check(&inner, run.closing)?;
        let written = inner.wal.append(run);
        inner.agenda.checkpoint |= run.checkpoint;
        self.answer(&mut inner, written)?;
        Ok(inner.wal.tree.size())
    }

    /// Appends one entry of the node, or of a session whose record is gone.
    pub(crate) fn own(
        &self,
        session: SessionId,
        (kind, closing): (EntryKind, bool),
        payload: &[u8],
    ) -> Result<u64, Fault> {
        let mut inner = self.inner.lock();
        self.check(&inner, closing)?;
        let now = (self.clock)();
        let written = inner.wal.append_one(session, now, (kind, closing), payload);
        inner.agenda.checkpoint |= kind == EntryKind::End;
        self.answer(&mut inner, written)
    }

    /// Begins the next segment, unless nothing was written into this one, or the disk is full.
    pub(crate) fn close_segment(&self) -> Result<(), Unwritten> {
        let mut inner = self.inner.lock();
        match inner.wal.full || inner.closed {
            true => Ok(()),
            false => inner.wal.rotate_if_used(),
        }
    }

    /// Asks for a checkpoint with the next sync.
    pub(crate) fn want_checkpoint(&self) {
        self.inner.lock().agenda.checkpoint = true;
    }

    /// Resolves once `position` leaves are on stable storage.
    pub(crate) fn durable(&self, position: u64) -> BoxFuture<'static, Result<(), Fault>> {
        if self.progress.borrow().durable < position {
            self.inner.lock().agenda.wanted = true;
            self.wake.notify_one();
        }
        self.reached(move |p| p.durable >= position)
    }

    /// Whether admissions wait for copies.
    pub(crate) fn hold_up(&self, blocked: bool) {
        self.held_up
            .store(blocked, std::sync::atomic::Ordering::Relaxed);
    }

    /// Waits, on this thread, until a signed checkpoint covers everything written so far.
    pub(crate) fn wait_signed(&self) -> Result<(), Error> {
        let position = {
            let mut inner = self.inner.lock();
            inner.agenda.checkpoint = true;
            inner.agenda.wanted = true;
            inner.wal.tree.size()
        };
        self.wake.notify_one();
        loop {
            let progress = *self.progress.borrow();
            match (progress.signed >= position, progress.over) {
                (true, _) => return Ok(()),
                (false, true) => return Err(Error::Unrecorded),
                (false, false) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Nothing is accepted from now on.
    pub(crate) fn poison(&self, doing: &str, error: &dyn std::error::Error) {
        tracing::error!(doing, %error, "the record can no longer be trusted: everything is refused");
        let _ = self.poisoned.set(format!("{doing}: {error}"));
        self.progress.send_modify(|p| p.over = true);
        self.wake.notify_one();
    }

    /// The fault of a journal that accepts nothing any more.
    pub(crate) fn dead(&self) -> Fault {
        match self.poisoned.get() {
            Some(why) => Fault::new(
                Blame::Journal,
                "write the record: it failed before",
                why.clone(),
            ),
            None => fault("write the record: it is closed"),
        }
    }

    fn reached(
        &self,
        there: impl Fn(&Progress) -> bool + Send + Sync + 'static,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        let mut progress = self.progress.subscribe();
        Box::pin(async move {
            let seen = progress.wait_for(|p| p.over || there(p)).await;
            match seen.is_ok_and(|p| there(&p)) {
                true => Ok(()),
                false => Err(fault("sync the record")),
            }
        })
    }

    fn check(&self, inner: &Inner, closing: bool) -> Result<(), Fault> {
        if self.poisoned.get().is_some() || inner.closed {
            return Err(self.dead());
        }
        let oldest = inner.agenda.syncing_since.or(inner.wal.dirty_since);
        let late = oldest.is_some_and(|since| since.elapsed() > self.settings.lag_max);
        match late && !closing {
            true => Err(fault("keep up: the record lags behind the disk")),
            false => Ok(()),
        }
    }

    fn answer<T>(&self, inner: &mut Inner, written: Result<T, Unwritten>) -> Result<T, Fault> {
        match written {
            Ok(value) => {
                // The thread sets its own alarm once it is awake; waking it costs a system call.
                if inner.agenda.idle {
                    inner.agenda.idle = false;
                    self.wake.notify_one();
                }
                Ok(value)
            }
            Err(Unwritten::Full) => Err(fault("write the record: the disk is full")),
            Err(Unwritten::Share) => Err(fault(
                "write the record: the session's share of the reserve is used",
            )),
            Err(Unwritten::Failed(error)) => {
                self.poison("write the record", &error);
                Err(Fault::new(Blame::Journal, "write the record", error))
            }
        }
    }

    fn end_all(&self) -> Result<(), Fault> {
        let now = (self.clock)();
        let mut inner = self.inner.lock();
        if self.poisoned.get().is_some() {
            inner.closed = true;
            return Err(self.dead());
        }
        let open: Vec<_> = inner
            .wal
            .open()
            .into_iter()
            .filter(|id| inner.wal.head(*id).is_some_and(|head| !head.ended))
            .collect();
        let end = interrupted("the gateway was shut down");
        let mut result = Ok(());
        for id in open {
            let written = inner
                .wal
                .append_own(id, now, EntryKind::End, end.as_bytes());
            result = result.and(self.answer(&mut inner, written).map(drop));
        }
        let closed = json!({"event": "closed", "detail": null}).to_string();
        let written = inner
            .wal
            .append_own(NODE, now, EntryKind::Node, closed.as_bytes());
        inner.closed = true;
        result.and(self.answer(&mut inner, written).map(drop))
    }
}

/// The payload of an End entry that somebody else had to write: the session reads interrupted.
pub(crate) fn interrupted(reason: &str) -> String {
    json!({"reason": reason, "interrupted": true}).to_string()
}

pub(crate) fn fault(doing: &'static str) -> Fault {
    Fault::bare(Blame::Journal, doing)
}

/// True when some process, this one included, has the record open for writing.
#[must_use]
pub fn is_live(dir: &Path) -> bool {
    let file = File::open(dir.join("lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

fn take_lock(dir: &Path) -> Result<File, Error> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join("lock"))
        .map_err(Error::OpenDirectory)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Locked),
        Err(fs::TryLockError::Error(e)) => Err(Error::OpenDirectory(e)),
    }
}

fn start(
    shared: &Arc<Shared>,
    notes: Arc<dyn LogFile>,
    notes_len: u64,
    checkpoints: u64,
) -> Result<JoinHandle<()>, Error> {
    let thread = sync::SyncThread::new(shared.clone(), notes, notes_len, checkpoints);
    std::thread::Builder::new()
        .name("journal-sync".to_owned())
        .spawn(move || thread.run())
        .map_err(Error::StartSync)
}

/// A journal in a scratch folder, for tests: its key and its record beside each other, and a clock that stands.
#[cfg(test)]
pub(crate) fn opened(dir: &Path) -> Arc<Journal> {
    opened_at(dir, portcullis_model::Timestamp(5))
}

/// The same, at another time.
#[cfg(test)]
pub(crate) fn opened_at(dir: &Path, now: portcullis_model::Timestamp) -> Arc<Journal> {
    let key = NodeKey::open(&dir.join("key"), "gw").unwrap();
    let settings = Settings::new(dir.join("record"), "gw");
    Journal::open(settings, key, Arc::new(move || now)).unwrap()
}
