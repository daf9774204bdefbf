//! The log as it is written: the current segment, the tree, the chains. Everything here runs under one
//! lock. Refuses to leave half a run behind: what could not be written whole is cut away again, and when
//! that fails too the journal is poisoned by whoever called.

use crate::disk::{Disk, LogFile, is_full};
use crate::frame;
use crate::segment::{self, Head, Header};
use crate::tree::{Hash, Tree, leaf_hash};
use portcullis_gate::{EntryKind, StreamId};
use portcullis_model::{SessionId, Timestamp, limits};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// A run of encoded frames of one session, with its chain worked out.
pub(crate) struct Run<'a> {
    pub session: SessionId,
    pub bytes: &'a [u8],
    /// The chain's head after each frame.
    pub links: &'a [Hash],
    /// Where the session's chain stands after the run.
    pub head: Head,
    /// Nothing of it lets bytes move: it may use the reserve.
    pub closing: bool,
    /// A session is admitted or ends in it: a checkpoint follows with the next sync.
    pub checkpoint: bool,
}

/// Why a run was not written. Nothing of it is in the log then.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// The disk is full, and the run is none that may use the reserve.
    Full,
    /// The session has used its share of the reserve.
    Share,
    /// The log can no longer be trusted.
    Failed(io::Error),
}

/// The chain of one open session.
struct Chain {
    head: Head,
    touched: bool,
    reserve_used: u64,
}

/// The log.
pub(crate) struct Wal {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub origin: String,
    pub segment_bytes: u64,
    pub reserve_bytes: u64,
    pub segment: u64,
    pub file: Arc<dyn LogFile>,
    pub offset: u64,
    pub tree: Tree,
    /// The disk is full; only closing runs are written, into what was the reserve.
    pub full: bool,
    /// When the oldest entry was written that no fdatasync has been started for.
    pub dirty_since: Option<Instant>,
    /// Closed segments that wait for their last fdatasync.
    unsynced: Vec<Arc<dyn LogFile>>,
    names_changed: bool,
    /// When the segment was begun, and whether there is more than its header in it.
    pub begun: Option<Instant>,
    header_bytes: u64,
    chains: HashMap<SessionId, Chain>,
    touched: Vec<SessionId>,
}

/// What a checkpoint will say, taken under the lock.
pub(crate) struct Snapshot {
    pub size: u64,
    pub root: Hash,
    pub segment: u64,
    pub offset: u64,
    pub heads: Vec<(SessionId, u64, Hash)>,
}

/// What one round of syncing covers.
pub(crate) struct Unsynced {
    pub files: Vec<Arc<dyn LogFile>>,
    pub names_changed: bool,
    pub position: u64,
}

impl Wal {
    /// A log that goes on where `header` and `offset` say.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        settings: &crate::Settings,
        file: Arc<dyn LogFile>,
        offset: u64,
        header: Header,
    ) -> Self {
        let chain = |head| Chain {
            head,
            touched: false,
            reserve_used: 0,
        };
        Self {
            disk,
            dir: settings.dir.clone(),
            origin: settings.origin.clone(),
            segment_bytes: settings.segment_bytes,
            reserve_bytes: settings.reserve_bytes,
            segment: header.segment,
            file,
            offset,
            tree: header.tree,
            full: false,
            // What was found or made at the start has to be synced once too.
            dirty_since: Some(Instant::now()),
            unsynced: Vec::new(),
            names_changed: true,
            begun: None,
            header_bytes: 0,
            chains: header
                .heads
                .into_iter()
                .map(|(id, head)| (id, chain(head)))
                .collect(),
            touched: Vec::new(),
        }
    }

    /// Writes a run with one `write(2)` and puts it into tree and chains.
    pub(crate) fn append(&mut self, run: &Run<'_>) -> Result<(), Unwritten> {
        let len = run.bytes.len() as u64;
        if self.full {
            self.may_use_reserve(run)?;
        } else if self.offset >= self.segment_bytes {
            match self.rotate() {
                Err(Unwritten::Full) => self.enter_reserve(run)?,
                other => other?,
            }
        }
        match self.write(run.bytes) {
            Err(Unwritten::Full) if !self.full => {
                self.enter_reserve(run)?;
                self.write(run.bytes).map_err(no_reserve)?;
            }
            Err(Unwritten::Full) => return Err(no_reserve(Unwritten::Full)),
            other => other?,
        }
        self.offset += len;
        for link in run.links {
            self.tree.push(leaf_hash(link));
        }
        self.dirty_since.get_or_insert_with(Instant::now);
        let full = self.full;
        let chain = self.chains.entry(run.session).or_insert(Chain {
            head: run.head,
            touched: false,
            reserve_used: 0,
        });
        chain.head = run.head;
        if full {
            chain.reserve_used += len;
        }
        if !chain.touched {
            chain.touched = true;
            self.touched.push(run.session);
        }
        Ok(())
    }

    /// Encodes and appends one closing entry whose chain is known only here: of the node itself, or of
    /// a session whose owner is gone.
    pub(crate) fn append_own(
        &mut self,
        session: SessionId,
        at: Timestamp,
        kind: EntryKind,
        payload: &[u8],
    ) -> Result<u64, Unwritten> {
        self.append_one(session, at, (kind, true), payload)
    }

    /// The same, of an entry that may be one that the reserve is not kept for.
    pub(crate) fn append_one(
        &mut self,
        session: SessionId,
        at: Timestamp,
        (kind, closing): (EntryKind, bool),
        payload: &[u8],
    ) -> Result<u64, Unwritten> {
        let before = self.head(session);
        let mut bytes = Vec::with_capacity(frame::HEAD + payload.len() + frame::TAIL);
        let sequence = before.map_or(0, |h| h.sequence) + 1;
        frame::encode(
            &mut bytes,
            session,
            sequence,
            at,
            (StreamId(0), kind as u8),
            payload,
        );
        let link = frame::link(
            &before.map_or_else(|| frame::genesis(session), |h| h.hash),
            &bytes,
        );
        self.append(&Run {
            session,
            bytes: &bytes,
            links: &[link],
            head: Head {
                sequence,
                hash: link,
                ended: kind == EntryKind::End,
            },
            closing,
            checkpoint: kind == EntryKind::End,
        })?;
        Ok(sequence)
    }

    /// Where a session's chain stands, if the session is open.
    pub(crate) fn head(&self, session: SessionId) -> Option<Head> {
        self.chains.get(&session).map(|chain| chain.head)
    }

    /// The open sessions; those whose end no checkpoint covers yet are among them.
    pub(crate) fn open(&self) -> Vec<SessionId> {
        self.chains
            .keys()
            .copied()
            .filter(|id| *id != crate::NODE)
            .collect()
    }

    /// Takes what the next fdatasync has to cover.
    pub(crate) fn take_unsynced(&mut self) -> Unsynced {
        let mut files = std::mem::take(&mut self.unsynced);
        if self.dirty_since.take().is_some() {
            files.push(self.file.clone());
        }
        Unsynced {
            files,
            names_changed: std::mem::take(&mut self.names_changed),
            position: self.tree.size(),
        }
    }

    /// What a checkpoint at this moment says. Sessions that have ended are let go.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let mut heads = Vec::with_capacity(self.touched.len().min(limits::CHECKPOINT_HEADS_MAX));
        for id in self.touched.drain(..) {
            let Some(chain) = self.chains.get_mut(&id) else {
                continue;
            };
            chain.touched = false;
            if heads.len() < limits::CHECKPOINT_HEADS_MAX {
                heads.push((id, chain.head.sequence, chain.head.hash));
            }
            if chain.head.ended {
                self.chains.remove(&id);
            }
        }
        Snapshot {
            size: self.tree.size(),
            root: self.tree.root(),
            segment: self.segment,
            offset: self.offset,
            heads,
        }
    }

    /// Begins the next segment.
    pub(crate) fn rotate(&mut self) -> Result<(), Unwritten> {
        let path = segment::path_of(&self.dir, self.segment + 1);
        let file = self.disk.append_to(&path).map_err(unwritten)?;
        self.begin(file)
    }

    /// Begins the next segment, unless there is nothing in this one.
    pub(crate) fn rotate_if_used(&mut self) -> Result<(), Unwritten> {
        match self.offset > self.header_bytes {
            true => self.rotate(),
            false => {
                self.begun = Some(Instant::now());
                Ok(())
            }
        }
    }

    /// Makes the reserve: a file without length whose blocks are allocated. False when the file system
    /// cannot do that.
    pub(crate) fn make_reserve(&self) -> io::Result<bool> {
        let file = self.disk.append_to(&self.dir.join("reserve"))?;
        match file.preallocate(self.reserve_bytes) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Space is back: a new reserve, a new segment.
    pub(crate) fn leave_reserve(&mut self) -> Result<(), Unwritten> {
        let needed = self.reserve_bytes.saturating_mul(3);
        if self.disk.space(&self.dir).map_err(unwritten)? < needed {
            return Err(Unwritten::Full);
        }
        self.make_reserve().map_err(unwritten)?;
        self.rotate()?;
        self.full = false;
        for chain in self.chains.values_mut() {
            chain.reserve_used = 0;
        }
        Ok(())
    }

    /// The reserve becomes the next segment: its blocks are there already.
    fn enter_reserve(&mut self, run: &Run<'_>) -> Result<(), Unwritten> {
        if !self.full {
            tracing::error!(
                "the disk is full: sessions can only be closed, in the record's reserve"
            );
            self.full = true;
            let path = segment::path_of(&self.dir, self.segment + 1);
            self.disk
                .rename(&self.dir.join("reserve"), &path)
                .map_err(Unwritten::Failed)?;
            let file = self.disk.append_to(&path).map_err(Unwritten::Failed)?;
            self.begin(file).map_err(no_reserve)?;
        }
        self.may_use_reserve(run)
    }

    fn may_use_reserve(&self, run: &Run<'_>) -> Result<(), Unwritten> {
        if !run.closing {
            return Err(Unwritten::Full);
        }
        // The node's own entries (votes, a broken glass) may take a larger share.
        let share = match run.session == crate::NODE {
            true => self.reserve_bytes / 4,
            false => limits::RESERVE_PER_SESSION_BYTES_MAX,
        };
        let used = self
            .chains
            .get(&run.session)
            .map_or(0, |chain| chain.reserve_used);
        match used + run.bytes.len() as u64 <= share {
            true => Ok(()),
            false => Err(Unwritten::Share),
        }
    }

    fn begin(&mut self, file: Arc<dyn LogFile>) -> Result<(), Unwritten> {
        let mut heads: Vec<_> = self
            .chains
            .iter()
            .map(|(id, chain)| (*id, chain.head))
            .collect();
        heads.sort_by_key(|(id, _)| *id);
        let header = Header {
            origin: self.origin.clone(),
            segment: self.segment + 1,
            tree: self.tree.clone(),
            heads,
        };
        let bytes = header.encode();
        write_whole(&*file, 0, &bytes)?;
        self.unsynced.push(std::mem::replace(&mut self.file, file));
        self.names_changed = true;
        self.dirty_since.get_or_insert_with(Instant::now);
        self.segment += 1;
        self.offset = bytes.len() as u64;
        self.header_bytes = self.offset;
        self.begun = Some(Instant::now());
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Unwritten> {
        write_whole(&*self.file, self.offset, bytes)
    }
}

/// One write at `offset`, the end of the file; if it comes out short the file is cut back to there.
pub(crate) fn write_whole(file: &dyn LogFile, offset: u64, bytes: &[u8]) -> Result<(), Unwritten> {
    match file.write(bytes) {
        Ok(written) if written == bytes.len() => Ok(()),
        // A regular file takes less than it was given when there is no more room.
        Ok(_) => {
            file.truncate(offset).map_err(Unwritten::Failed)?;
            Err(Unwritten::Full)
        }
        Err(e) => Err(unwritten(e)),
    }
}

fn unwritten(error: io::Error) -> Unwritten {
    match is_full(&error) {
        true => Unwritten::Full,
        false => Unwritten::Failed(error),
    }
}

/// Full inside the reserve: there is nothing left to turn to.
fn no_reserve(unwritten: Unwritten) -> Unwritten {
    match unwritten {
        Unwritten::Full => Unwritten::Failed(io::ErrorKind::StorageFull.into()),
        other => other,
    }
}
