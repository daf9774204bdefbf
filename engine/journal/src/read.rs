//! Reading the record back: entries in the order of the log. Refuses to guess: it stops at the first
//! frame that is not whole. Behind the last checkpoint that is the end of a log that is being written, or was when the power
//! went; before it, it is damage, and said.

use crate::age::Identity;
use crate::error::Error;
use crate::frame::Frame;
use crate::note;
use crate::passage::Passage;
use crate::payloads::{PayloadKeys, Withheld};
use crate::segment;
use crate::whole::{Unfounded, Wholes};
use bytes::Bytes;
use portcullis_gate::StreamId;
use portcullis_model::{SessionId, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One entry, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadEntry {
    /// Its session; [`crate::NODE`] for the node's own.
    pub session: SessionId,
    /// Its place in the session, from 1.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// The stream of the session it belongs to.
    pub stream: StreamId,
    /// The number of its kind; see [`crate::kind_name`].
    pub kind: u8,
    /// JSON or frames, as the kind says. A decision is whole here, also where its entry is shortened.
    pub payload: Bytes,
    /// The number of its leaf in the tree, from 0.
    pub leaf: u64,
    /// Why there is no payload here, where there is none to be had.
    pub withheld: Option<Withheld>,
}

/// Reads a record, live or not.
#[derive(Clone)]
pub struct Reader {
    segments: Vec<(u64, PathBuf)>,
    keys: Arc<PayloadKeys>,
    /// Leaves that a checkpoint says there are.
    claimed: u64,
}

impl Reader {
    /// A reader of the record in `dir`, as it is now.
    ///
    /// # Errors
    /// [`Error::OpenDirectory`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::unlocked(dir, Vec::new())
    }

    /// As [`Reader::open`], for whoever holds identities that payloads were encrypted to.
    ///
    /// # Errors
    /// [`Error::OpenDirectory`], [`Error::Checkpoints`], and what the wrapping key beside the record says.
    pub fn unlocked(dir: &Path, identities: Vec<Identity>) -> Result<Self, Error> {
        // Before the segments: what is signed later may be in none of those that are there now.
        let claimed = note::claimed(dir)?;
        let mut segments = segment::list(dir)?;
        // A live log may just be beginning its next segment, or have had no room for its header.
        if let Some((_, path)) = segments.last()
            && matches!(segment::header_of(path), Err(Error::SegmentHeader(_)))
        {
            segments.pop();
        }
        Ok(Self {
            claimed,
            segments,
            keys: Arc::new(PayloadKeys::of(dir, identities)?),
        })
    }

    /// The entries of one session, in order.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Entries {
        Entries::new(self, Some(id))
    }

    /// The same, where it is known (from the index) that the first of them is that leaf: segments before it are not
    /// read, so that a replay begins at once however long the record is.
    #[must_use]
    pub fn session_from(&self, id: SessionId, leaf: u64) -> Entries {
        let mut later = self.clone();
        let begins = |(_, path): &(u64, PathBuf)| {
            segment::header_of(path).is_ok_and(|header| header.tree.size() <= leaf)
        };
        let first = later.segments.partition_point(begins);
        later.segments.drain(..first.saturating_sub(1));
        Entries {
            from: leaf,
            ..Entries::new(&later, Some(id))
        }
    }

    /// All entries, in the order of the log.
    #[must_use]
    pub fn all(&self) -> Entries {
        Entries::new(self, None)
    }
}

/// The entries of one session in the record in `dir`.
///
/// # Errors
/// [`Error::OpenDirectory`].
pub fn entries(dir: &Path, session: SessionId) -> Result<Entries, Error> {
    Ok(Reader::open(dir)?.session(session))
}

/// Entries in the order of the log.
pub struct Entries {
    segments: std::vec::IntoIter<(u64, PathBuf)>,
    keys: Arc<PayloadKeys>,
    only: Option<SessionId>,
    /// What comes before this leaf is passed over.
    from: u64,
    current: Option<(Passage, u64)>,
    /// The leaf after the last one of the segments that were read, once there is one.
    reached: Option<u64>,
    claimed: u64,
    wholes: Wholes,
}

impl Entries {
    fn new(reader: &Reader, only: Option<SessionId>) -> Self {
        Self {
            segments: reader.segments.clone().into_iter(),
            keys: reader.keys.clone(),
            only,
            from: 0,
            current: None,
            reached: None,
            claimed: reader.claimed,
            wholes: Wholes::default(),
        }
    }

    /// Hands each frame to `see` without copying its payload.
    pub(crate) fn visit(&mut self, mut see: impl FnMut(&Frame<'_>, u64)) -> Result<(), Error> {
        while self.advance_segment()? {
            let Some((mut passage, mut leaf)) = self.current.take() else {
                break;
            };
            while let Some(frame) = passage.next()? {
                let frame = match frame {
                    Ok(frame) => frame,
                    Err(_) if self.segments.len() == 0 && leaf >= self.claimed => return Ok(()),
                    Err(_) => return Err(unreadable()),
                };
                if self.only.is_none_or(|id| id == frame.session) {
                    see(&frame, leaf);
                }
                leaf += 1;
            }
            self.reached = Some(leaf);
        }
        Ok(())
    }

    /// Moves to the next segment where none is being read; false at the end of the log.
    fn advance_segment(&mut self) -> Result<bool, Error> {
        if self.current.is_some() {
            return Ok(true);
        }
        let Some((_, path)) = self.segments.next() else {
            // Cut where a frame ends, it would look whole.
            return match self.reached.unwrap_or(0) < self.claimed {
                true => Err(unreadable()),
                false => Ok(false),
            };
        };
        let mut passage = Passage::begin(&path)?;
        let mut leaf = passage.header.tree.size();
        // Leaves are kept whatever goes: a segment was cut, or one is missing.
        if self.reached.is_some_and(|reached| reached != leaf) {
            return Err(unreadable());
        }
        // Of others' frames only the length matters: one that is wrong leads to a frame that is not whole.
        while leaf < self.from && passage.pass()? {
            leaf += 1;
        }
        self.current = Some((passage, leaf));
        Ok(true)
    }

    /// Nothing follows what could not be read.
    fn stop(&mut self) {
        self.segments = Vec::new().into_iter();
        self.current = None;
        self.claimed = 0;
    }

    fn step(&mut self) -> Result<Option<ReadEntry>, Error> {
        while self.advance_segment()? {
            let last = self.segments.len() == 0;
            let Some((passage, leaf)) = &mut self.current else {
                break;
            };
            match passage.next()? {
                None => {
                    self.reached = Some(*leaf);
                    self.current = None;
                }
                Some(Ok(frame)) => {
                    let entry = ReadEntry {
                        session: frame.session,
                        sequence: frame.sequence,
                        at: frame.at,
                        stream: frame.stream,
                        kind: frame.kind,
                        payload: Bytes::new(),
                        leaf: *leaf,
                        withheld: None,
                    };
                    *leaf += 1;
                    if self.only.is_none_or(|id| id == frame.session) {
                        let written = match self.keys.read(&frame) {
                            Ok(written) => written,
                            Err(why) => {
                                return Ok(Some(ReadEntry {
                                    withheld: Some(why),
                                    ..entry
                                }));
                            }
                        };
                        let payload = self
                            .wholes
                            .see(entry.session, entry.sequence, entry.kind, written)
                            .map_err(|Unfounded| unfounded())?;
                        return Ok(Some(ReadEntry { payload, ..entry }));
                    }
                }
                Some(Err(_)) if last && *leaf >= self.claimed => return Ok(None),
                Some(Err(_)) => return Err(unreadable()),
            }
        }
        Ok(None)
    }
}

impl Iterator for Entries {
    type Item = Result<ReadEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.stop();
        }
        step.transpose()
    }
}

fn unfounded() -> Error {
    Error::ReadSegment(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        "a decision does not rest on the entry it names: run verify",
    ))
}

fn unreadable() -> Error {
    Error::ReadSegment(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        "a frame is not whole: run verify",
    ))
}
