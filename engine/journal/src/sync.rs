//! The thread that makes the record durable: one fdatasync in flight serves all sessions, and a signed
//! checkpoint follows where one is due. Refuses to sign what is not on stable storage yet, and to try
//! again after a failed fdatasync: the kernel may have dropped the pages.

use crate::disk::LogFile;
use crate::journal::{Inner, Shared};
use crate::note::Checkpoint;
use crate::wal::{Snapshot, Unsynced, Unwritten, write_whole};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a full disk is looked at again.
const FULL_EVERY: Duration = Duration::from_millis(500);
/// Blocks kept allocated ahead of the checkpoints, so that they can be written on a full disk.
const NOTES_AHEAD: u64 = 256 * 1024;

pub(crate) struct SyncThread {
    shared: Arc<Shared>,
    notes: Arc<dyn LogFile>,
    notes_len: u64,
    notes_ahead: u64,
    checkpoints: u64,
    signed: u64,
    last_checkpoint: Option<Instant>,
}

/// One round: what is synced, and the checkpoint that may be signed then.
struct Round {
    unsynced: Unsynced,
    snapshot: Option<Snapshot>,
    last: bool,
}

impl SyncThread {
    pub(crate) fn new(
        shared: Arc<Shared>,
        notes: Arc<dyn LogFile>,
        notes_len: u64,
        checkpoints: u64,
    ) -> Self {
        Self {
            shared,
            notes,
            notes_len,
            notes_ahead: 0,
            checkpoints,
            signed: 0,
            last_checkpoint: None,
        }
    }

    pub(crate) fn run(mut self) {
        while let Some(round) = self.next_round() {
            let last = round.last;
            if let Err(error) = self.finish(round) {
                self.shared.poison("sync the record", &error);
            }
            if last {
                break;
            }
        }
        self.shared.progress.send_modify(|p| p.over = true);
    }

    /// Waits until there is something to do; `None` when nothing ever will be.
    fn next_round(&mut self) -> Option<Round> {
        let shared = self.shared.clone();
        let mut inner = shared.inner.lock();
        loop {
            if shared.poisoned.get().is_some() {
                return None;
            }
            self.try_leave_reserve(&mut inner);
            let now = Instant::now();
            let due = self.due(&inner, now);
            if due.is_some_and(|at| at <= now) {
                break;
            }
            let wake = inner
                .wal
                .full
                .then(|| now + FULL_EVERY)
                .into_iter()
                .chain(due)
                .min();
            inner.agenda.idle = wake.is_none();
            match wake {
                Some(at) => {
                    shared.wake.wait_until(&mut inner, at);
                }
                None => shared.wake.wait(&mut inner),
            }
            inner.agenda.idle = false;
        }
        let last = inner.agenda.stop;
        let unsynced = inner.wal.take_unsynced();
        let now = Instant::now();
        let due = self.checkpoint_due(&inner, now).is_some_and(|at| at <= now);
        let snapshot = (due || last)
            .then(|| inner.wal.snapshot())
            .filter(|snapshot| snapshot.size > self.signed);
        inner.agenda.wanted = false;
        if snapshot.is_some() {
            inner.agenda.checkpoint = false;
        }
        inner.agenda.syncing_since = Some(Instant::now());
        Some(Round {
            unsynced,
            snapshot,
            last,
        })
    }

    /// When the next round has to begin.
    fn due(&self, inner: &Inner, now: Instant) -> Option<Instant> {
        if inner.agenda.stop || inner.agenda.wanted {
            return Some(now);
        }
        let sync = inner
            .wal
            .dirty_since
            .map(|since| since + self.shared.settings.sync_every);
        sync.into_iter()
            .chain(self.checkpoint_due(inner, now))
            .min()
    }

    /// When the next checkpoint has to be signed: after a second of activity, or with the next sync
    /// when a session was opened or sealed.
    fn checkpoint_due(&self, inner: &Inner, now: Instant) -> Option<Instant> {
        if inner.wal.tree.size() <= self.signed {
            return None;
        }
        let settings = &self.shared.settings;
        let Some(last) = self.last_checkpoint else {
            return Some(now);
        };
        match inner.agenda.checkpoint {
            true => Some(last + settings.sync_every),
            false => Some(last + settings.checkpoint_every),
        }
    }

    fn finish(&mut self, round: Round) -> io::Result<()> {
        // No entry is durable before the key that opens it.
        if let Some(locksmith) = &self.shared.locksmith {
            locksmith.sync()?;
        }
        for file in &round.unsynced.files {
            file.sync()?;
        }
        if round.unsynced.names_changed {
            let (disk, dir) = {
                let inner = self.shared.inner.lock();
                (inner.wal.disk.clone(), inner.wal.dir.clone())
            };
            disk.sync_dir(&dir)?;
        }
        self.shared.inner.lock().agenda.syncing_since = None;
        self.shared
            .progress
            .send_modify(|p| p.durable = p.durable.max(round.unsynced.position));
        match round.snapshot {
            Some(snapshot) => self.checkpoint(snapshot),
            None => Ok(()),
        }
    }

    fn checkpoint(&mut self, snapshot: Snapshot) -> io::Result<()> {
        let checkpoint = Checkpoint {
            origin: self.shared.settings.origin.clone(),
            size: snapshot.size,
            root: snapshot.root,
            number: self.checkpoints + 1,
            at: (self.shared.clock)(),
            segment: snapshot.segment,
            offset: snapshot.offset,
            heads: snapshot.heads,
        };
        let note = checkpoint.sign(&self.shared.key);
        self.keep_ahead(note.len() as u64);
        self.last_checkpoint = Some(Instant::now());
        match write_whole(&*self.notes, self.notes_len, note.as_bytes()) {
            Ok(()) => {}
            // The log itself is safe; the checkpoint is signed later, over more.
            Err(Unwritten::Full | Unwritten::Share) => {
                tracing::error!("the disk is full: a checkpoint could not be written");
                self.shared.want_checkpoint();
                return Ok(());
            }
            Err(Unwritten::Failed(error)) => return Err(error),
        }
        self.notes.sync()?;
        self.notes_len += note.len() as u64;
        self.checkpoints += 1;
        self.signed = snapshot.size;
        self.shared
            .progress
            .send_modify(|p| p.signed = snapshot.size);
        Ok(())
    }

    /// Keeps blocks allocated for checkpoints to come. A file system that cannot do that does without.
    fn keep_ahead(&mut self, len: u64) {
        if self.notes_len + len + NOTES_AHEAD / 2 > self.notes_ahead {
            self.notes_ahead = self.notes_len + len + NOTES_AHEAD;
            let _ = self.notes.preallocate(self.notes_ahead);
        }
    }

    fn try_leave_reserve(&self, inner: &mut Inner) {
        if !inner.wal.full {
            return;
        }
        match inner.wal.leave_reserve() {
            Ok(()) => tracing::info!("there is space again: the record goes on"),
            Err(Unwritten::Full | Unwritten::Share) => {}
            Err(Unwritten::Failed(error)) => self.shared.poison("begin a segment", &error),
        }
    }
}
