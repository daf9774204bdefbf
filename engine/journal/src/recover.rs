//! Starting on what a crash left: finds where the log ends, cuts a torn tail to a side file, closes the
//! sessions that were open as interrupted, and writes down that it did so. Refuses to extend a log that
//! does not come up to its own signed checkpoints: that is no crash, run `verify`.

use crate::disk::Disk;
use crate::error::Error;
use crate::frame;
use crate::key::VerifyKey;
use crate::note::{self, Checkpoint, Checkpoints};
use crate::segment::{self, Head, Header, Segment};
use crate::tree::{Tree, leaf_hash};
use crate::wal::{Unwritten, Wal, write_whole};
use crate::{NODE, Settings};
use portcullis_gate::{Clock, EntryKind};
use portcullis_model::SessionId;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log that can be extended.
pub(crate) struct Recovered {
    pub wal: Wal,
    pub notes_len: u64,
    pub checkpoints: u64,
    /// Leaves covered by the last checkpoint.
    pub signed: u64,
}

/// Where the log ends, and what stands open there.
struct End {
    segment: u64,
    offset: usize,
    tree: Tree,
    heads: BTreeMap<SessionId, Head>,
    /// The last entry says that the record was closed in order.
    closed: bool,
    /// What had to be set aside: file and bytes.
    aside: Vec<(PathBuf, u64)>,
}

pub(crate) fn recover(
    disk: Arc<dyn Disk>,
    settings: &Settings,
    key: &VerifyKey,
    clock: &Clock,
) -> Result<Recovered, Error> {
    let dir = &settings.dir;
    let notes = note::read_all(dir, key)?;
    if notes.torn > 0 {
        set_tail_aside(&note::path_of(dir), notes.len).map_err(Error::Checkpoints)?;
    }
    let signed = notes.notes.last().map_or(0, |n| n.size);
    let segments = segment::list(dir)?;
    let end = match find_start(&segments, signed)? {
        Some(first) => find_end(&segments[first..], &notes)?,
        None => begin(&*disk, settings, &notes, &segments)?,
    };
    let file = disk
        .append_to(&segment::path_of(dir, end.segment))
        .map_err(Error::WriteSegment)?;
    let header = Header {
        origin: settings.origin.clone(),
        segment: end.segment,
        tree: end.tree,
        heads: end.heads.iter().map(|(id, head)| (*id, *head)).collect(),
    };
    let fresh = header.tree.size() == 0;
    let mut wal = Wal::resume(disk, settings, file, end.offset as u64, header);
    match wal.make_reserve() {
        Ok(true) => {}
        Ok(false) => tracing::warn!("the file system cannot allocate a reserve for a full disk"),
        Err(error) => tracing::error!(%error, "there is no room for the record's reserve"),
    }
    let last = notes.notes.last().map_or(0, |n| n.number);
    let write = || -> Result<Wal, Unwritten> {
        if !fresh && !end.closed {
            close_open(&mut wal, clock, last, &end.heads, &end.aside)?;
        }
        let opened = json!({"event": "opened", "detail": {"origin": settings.origin}}).to_string();
        wal.append_own(NODE, clock(), EntryKind::Node, opened.as_bytes())?;
        Ok(wal)
    };
    let wal = write().map_err(|unwritten| match unwritten {
        Unwritten::Failed(error) => Error::WriteSegment(error),
        Unwritten::Full | Unwritten::Share => {
            Error::WriteSegment(io::ErrorKind::StorageFull.into())
        }
    })?;
    Ok(Recovered {
        wal,
        notes_len: notes.len,
        checkpoints: last,
        signed,
    })
}

/// The segment to scan from: the last one that begins at or before what is signed.
fn find_start(segments: &[(u64, PathBuf)], signed: u64) -> Result<Option<usize>, Error> {
    for (index, (_, path)) in segments.iter().enumerate().rev() {
        match Segment::read(path) {
            Ok(segment) if segment.header.tree.size() <= signed || index == 0 => {
                return Ok(Some(index));
            }
            Ok(_) | Err(Error::SegmentHeader(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// Scans from there to the last entry that is whole, comparing every signed root on the way.
fn find_end(segments: &[(u64, PathBuf)], notes: &Checkpoints) -> Result<End, Error> {
    let signed = notes.notes.last().map_or(0, |n| n.size);
    let mut end: Option<End> = None;
    let mut aside = Vec::new();
    for (number, path) in segments {
        let broken = !aside.is_empty();
        let segment = match Segment::read(path) {
            Ok(segment) if !broken => segment,
            Err(other) if !matches!(other, Error::SegmentHeader(_)) => return Err(other),
            _ => {
                aside.push((path.clone(), 0));
                continue;
            }
        };
        let continues = end.as_ref().is_none_or(|end| {
            end.tree == segment.header.tree && end.segment + 1 == segment.header.segment
        });
        if !continues {
            aside.push((path.clone(), 0));
            continue;
        }
        let scanned = scan(&segment, *number, notes)?;
        if scanned.offset < segment.bytes.len() {
            aside.push((path.clone(), scanned.offset as u64));
        }
        end = Some(scanned);
    }
    let mut end = end.ok_or(Error::SegmentHeader(0))?;
    if end.tree.size() < signed {
        return Err(damaged(
            notes,
            end.tree.size(),
            "entries that it covers are missing",
        ));
    }
    for (path, from) in &aside {
        let bytes = set_tail_aside(path, *from).map_err(Error::WriteSegment)?;
        end.aside.push((path.clone(), bytes));
    }
    Ok(end)
}

/// Reads one segment up to its last whole frame.
fn scan(segment: &Segment, number: u64, notes: &Checkpoints) -> Result<End, Error> {
    let mut tree = segment.header.tree.clone();
    let mut heads: BTreeMap<SessionId, Head> = segment.header.heads.iter().copied().collect();
    let first = notes.notes.partition_point(|n| n.size < tree.size());
    let mut due = notes.notes[first..].iter().peekable();
    check_root(&tree, &mut heads, &mut due)?;
    let mut offset = segment.body;
    let mut closed = false;
    while let Some(Ok(frame)) = segment.frame_at(offset) {
        let before = heads.get(&frame.session);
        let previous = before.map_or_else(|| frame::genesis(frame.session), |head| head.hash);
        let hash = frame.link(&previous);
        tree.push(leaf_hash(&hash));
        let head = Head {
            sequence: frame.sequence,
            hash,
            ended: frame.kind == EntryKind::End as u8,
        };
        heads.insert(frame.session, head);
        closed = frame.session == NODE && frame.payload.starts_with(b"{\"event\":\"closed\"");
        offset += frame.bytes.len();
        check_root(&tree, &mut heads, &mut due)?;
    }
    Ok(End {
        segment: number,
        offset,
        tree,
        heads,
        closed,
        aside: Vec::new(),
    })
}

/// Compares with the roots that are signed. Sessions that have ended are let go where a checkpoint vouches for it, as
/// whoever wrote did: until then a recovery may have ended them once more, and that entry follows the first.
fn check_root<'a>(
    tree: &Tree,
    heads: &mut BTreeMap<SessionId, Head>,
    due: &mut std::iter::Peekable<impl Iterator<Item = &'a Checkpoint>>,
) -> Result<(), Error> {
    while let Some(note) = due.next_if(|note| note.size <= tree.size()) {
        if note.size == tree.size() && note.root != tree.root() {
            return Err(Error::Damaged {
                checkpoint: note.number,
                what: "an entry that it covers was altered",
            });
        }
        if note.size == tree.size() {
            heads.retain(|_, head| !head.ended);
        }
    }
    Ok(())
}

fn damaged(notes: &Checkpoints, size: u64, what: &'static str) -> Error {
    let first = notes.notes.iter().find(|n| n.size > size);
    Error::Damaged {
        checkpoint: first.map_or(0, |n| n.number),
        what,
    }
}

/// The first segment of a new record. Segments without a readable header, left by a crash in the first
/// moment of all, are set aside.
fn begin(
    disk: &dyn Disk,
    settings: &Settings,
    notes: &Checkpoints,
    segments: &[(u64, PathBuf)],
) -> Result<End, Error> {
    if !notes.notes.is_empty() {
        return Err(damaged(notes, 0, "the log is missing"));
    }
    for (_, path) in segments {
        set_tail_aside(path, 0).map_err(Error::WriteSegment)?;
    }
    let header = Header {
        origin: settings.origin.clone(),
        segment: 1,
        tree: Tree::default(),
        heads: Vec::new(),
    };
    let bytes = header.encode();
    let file = disk
        .append_to(&segment::path_of(&settings.dir, 1))
        .map_err(Error::WriteSegment)?;
    write_whole(&*file, 0, &bytes).map_err(|unwritten| match unwritten {
        Unwritten::Failed(error) => Error::WriteSegment(error),
        Unwritten::Full | Unwritten::Share => {
            Error::WriteSegment(io::ErrorKind::StorageFull.into())
        }
    })?;
    Ok(End {
        segment: 1,
        offset: bytes.len(),
        tree: Tree::default(),
        heads: BTreeMap::new(),
        closed: false,
        aside: Vec::new(),
    })
}

/// Writes the recovery entry, and an end for each session that has none a checkpoint vouches for.
fn close_open(
    wal: &mut Wal,
    clock: &Clock,
    checkpoint: u64,
    heads: &BTreeMap<SessionId, Head>,
    aside: &[(PathBuf, u64)],
) -> Result<(), Unwritten> {
    let cut: Vec<_> = aside
        .iter()
        .map(|(path, bytes)| json!({"file": path.file_name().map(|n| n.to_string_lossy()), "bytes": bytes}))
        .collect();
    let sessions: Vec<_> = heads.keys().filter(|id| **id != NODE).collect();
    let detail = json!({"after_checkpoint": checkpoint, "cut": cut, "interrupted": sessions});
    let entry = json!({"event": "recovered", "detail": detail}).to_string();
    wal.append_own(NODE, clock(), EntryKind::Node, entry.as_bytes())?;
    let end = json!({
        "reason": format!("interrupted after checkpoint {checkpoint}"),
        "interrupted": true, "checkpoint": checkpoint,
    })
    .to_string();
    for id in sessions {
        wal.append_own(*id, clock(), EntryKind::End, end.as_bytes())?;
    }
    Ok(())
}

/// Copies what stands after `from` to a side file and cuts it; returns how many bytes that were.
fn set_tail_aside(path: &Path, from: u64) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    let tail = usize::try_from(from)
        .ok()
        .and_then(|from| bytes.get(from..))
        .unwrap_or_default();
    let mut side = path.as_os_str().to_owned();
    side.push(format!(".torn-{from}"));
    fs::write(&side, tail)?;
    fs::File::open(&side)?.sync_all()?;
    if from == 0 {
        fs::remove_file(path)?;
    } else {
        OpenOptions::new().write(true).open(path)?.set_len(from)?;
    }
    Ok(tail.len() as u64)
}
