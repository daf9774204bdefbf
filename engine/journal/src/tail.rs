//! Following the log while it is written: frames from a place on, as far as they are whole, without reading again what
//! was read. The index and the sinks follow like this, each on a thread of its own.
//!
//! Refuses to go on in a log that is not the one it has read so far, and to skip: a frame that is not whole is the end for now, and damage where it stands before another segment.

use crate::error::Error;
use crate::frame::{self, Broken, Frame};
use crate::segment::{self, Header};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Read at once.
const CHUNK: u64 = 1 << 20;
/// Segments that are looked for behind one that is not there: the next, and each twice as far as the one before.
const LATER_MAX: u32 = 16;

/// A place in the log that outlives compaction: bytes may move in their segment, leaves do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The segment; 0 before the first.
    pub segment: u64,
    /// The number of the next leaf.
    pub leaf: u64,
    /// [`Frame::mark`] of the entry before it.
    pub mark: u32,
}

/// Follows the log in a folder.
pub(crate) struct Tail {
    dir: PathBuf,
    place: Place,
    open: Option<Open>,
    /// It has come from one segment into the next: what is missing there is missing in the record.
    went_on: bool,
    enough: bool,
}

struct Open {
    /// Stands where the buffer ends.
    file: File,
    buffer: Vec<u8>,
    at: usize,
    leaf: u64,
}

impl Tail {
    /// From a place on.
    pub(crate) fn new(dir: &Path, place: Place) -> Self {
        Self {
            dir: dir.to_owned(),
            place,
            open: None,
            went_on: false,
            enough: false,
        }
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// True once it has read in the segment of its place.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// True when the last reading ended because it had enough: there may be more. Whoever has read up to the end of a
    /// log that is being written waits a little, or it wakes up, commits and tells for a few entries at a time.
    pub(crate) fn had_enough(&self) -> bool {
        self.enough
    }

    /// Hands on what is whole, at most about `most` bytes. Returns how many frames that were; none at the end.
    ///
    /// # Errors
    /// When the log cannot be read, or is damaged.
    pub(crate) fn read(
        &mut self,
        most: usize,
        mut see: impl FnMut(&Frame<'_>, u64) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let (mut frames, mut bytes) = (0, 0);
        self.enough = false;
        while bytes < most {
            match self.is_open_at_a_frame() {
                Ok(true) => {}
                Ok(false) => break,
                // What is whole is handed on first; the next reading says it.
                Err(_) if frames > 0 => break,
                Err(error) => return Err(error),
            }
            let Some(open) = &mut self.open else { break };
            let frame = match open.next() {
                Ok(frame) => frame,
                Err(_) if frames > 0 => break,
                Err(_) => return Err(damaged()),
            };
            let (length, leaf) = (frame.bytes.len(), open.leaf);
            if leaf + 1 == self.place.leaf && frame.mark() != self.place.mark {
                return Err(Error::Another);
            }
            // Only what came after the place is new.
            if leaf >= self.place.leaf {
                see(&frame, leaf)?;
                frames += 1;
                bytes += length;
                self.place.leaf = leaf + 1;
                self.place.mark = frame.mark();
            }
            open.at += length;
            open.leaf += 1;
        }
        self.enough = bytes >= most;
        Ok(frames)
    }

    /// Goes to where a frame is whole; false at the end.
    fn is_open_at_a_frame(&mut self) -> Result<bool, Error> {
        loop {
            if self.open.is_none() && !self.enter()? {
                return Ok(false);
            }
            let Some(open) = &mut self.open else {
                return Ok(false);
            };
            // Its crc is for whoever reads it.
            match frame::decode_unchecked(open.buffer.get(open.at..).unwrap_or_default()) {
                Ok(_) => return Ok(true),
                Err(Broken::Torn) => {}
                Err(_) => return Err(damaged()),
            }
            // What follows is looked for first: its writer was done with this one then. It was not where there was no room
            // for the header of the next.
            let next = segment::path_of(&self.dir, self.place.segment + 1);
            let next = segment::header_of(&next).is_ok();
            if open.more()? {
                continue;
            }
            match (next, open.rest()) {
                (_, 0) if open.leaf < self.place.leaf => return Err(Error::Another),
                (false, _) => {
                    self.may_come(self.place.segment + 1)?;
                    return Ok(false);
                }
                (true, 0) => {
                    self.open = None;
                    self.went_on = true;
                    self.place.segment += 1;
                }
                (true, _) => return Err(damaged()),
            }
        }
    }

    /// Opens the segment that the place is in; false when it is not there yet.
    fn enter(&mut self) -> Result<bool, Error> {
        let begins = self.place.segment == 0;
        if begins {
            match segment::list(&self.dir)?.first() {
                Some((first, _)) => self.place.segment = *first,
                None => return Ok(false),
            }
        }
        let path = segment::path_of(&self.dir, self.place.segment);
        let file = match segment::open(&path) {
            Ok(file) => file,
            Err(Error::ReadSegment(e)) if e.kind() == io::ErrorKind::NotFound => {
                return self.may_come(self.place.segment).map(|()| false);
            }
            Err(error) => return Err(error),
        };
        let mut open = Open {
            file,
            buffer: Vec::new(),
            at: 0,
            leaf: 0,
        };
        loop {
            if let Some((header, body)) = Header::decode(&open.buffer) {
                open.at = body;
                open.leaf = header.tree.size();
                if begins {
                    self.place.leaf = open.leaf;
                } else if open.leaf > self.place.leaf {
                    // What stands between was never seen. Whoever came here from the segment before would find it no better
                    // from the beginning.
                    return Err(match self.went_on {
                        true => damaged(),
                        false => Error::Another,
                    });
                }
                self.open = Some(open);
                return Ok(true);
            }
            if !open.more()? {
                return self.may_come(self.place.segment).map(|()| false);
            }
        }
    }

    /// Whoever waits for a segment that later ones stand behind would wait for ever.
    fn may_come(&self, segment: u64) -> Result<(), Error> {
        let is_there = |segment| segment::header_of(&segment::path_of(&self.dir, segment)).is_ok();
        // So few are looked for with every reading. However many are missing, one of the later ones is found in time.
        let mut later = (0..LATER_MAX).map(|n| segment.saturating_add(1 << n));
        // What is behind it was looked at first: its writer was done with this one then.
        match later.any(is_there) && !is_there(segment) {
            true => Err(damaged()),
            false => Ok(()),
        }
    }
}

impl Open {
    fn next(&self) -> Result<Frame<'_>, Broken> {
        frame::decode(self.buffer.get(self.at..).unwrap_or_default())
    }

    fn rest(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Reads on; false at the end of the file.
    fn more(&mut self) -> Result<bool, Error> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let chunk = (&self.file).take(CHUNK).read_to_end(&mut self.buffer);
        let got = chunk.map_err(Error::ReadSegment)?;
        Ok(got > 0)
    }
}

fn damaged() -> Error {
    Error::ReadSegment(io::Error::new(
        io::ErrorKind::InvalidData,
        "a frame is not whole: run verify",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::opened;
    use portcullis_gate::{Entry, EntryKind, StreamId};
    use portcullis_model::{Principal, SessionId, Timestamp};

    #[test]
    fn a_reading_that_had_enough_says_so_and_the_next_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let journal = opened(dir.path());
        let record = journal.dir().to_owned();
        let who = Principal {
            issuer: "https://id.example".to_owned(),
            subject: "ana".to_owned(),
        };
        let mut session = journal.session(SessionId(1), &who).unwrap();
        let entry = Entry {
            kind: EntryKind::Request,
            at: Timestamp(5),
            // Several chunks.
            payload: vec![b'x'; 400_000].into(),
        };
        for _ in 0..8 {
            let entry = std::slice::from_ref(&entry);
            session.append(StreamId(0), entry).unwrap();
        }
        let mut tail = Tail::new(&record, Place::default());
        let mut read = |most| {
            let frames = tail.read(most, |_, _| Ok(())).unwrap();
            (frames, tail.had_enough())
        };
        let (first, enough) = read(500_000);
        assert!(enough && (1..8).contains(&first), "{first}");
        let (rest, enough) = read(usize::MAX);
        assert!(!enough && first + rest >= 8, "{first} {rest}");
        assert_eq!(read(500_000), (0, false));
    }

    #[test]
    fn a_segment_without_a_header_ends_none_before_it_and_none_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let journal = opened(dir.path());
        let record = journal.dir().to_owned();
        let note = || journal.node("reload", &serde_json::json!({})).unwrap();
        note();
        let mut tail = Tail::new(&record, Place::default());
        let mut read = || tail.read(usize::MAX, |_, _| Ok(()));
        assert!(read().unwrap() > 0);
        // There was no room for its header; the log goes on where it was.
        let next = segment::path_of(&record, 2);
        std::fs::write(&next, b"").unwrap();
        note();
        assert_eq!(read().unwrap(), 1);
        let all = crate::Reader::open(&record).unwrap().all();
        let all = all.collect::<Result<Vec<_>, _>>().unwrap();
        note();
        assert_eq!(read().unwrap(), 1);
        std::fs::remove_file(&next).unwrap();
        journal.shared.close_segment().unwrap();
        note();
        assert_eq!(read().unwrap(), 1);
        // Whoever stands in a segment before leaves that it has is told.
        let place = Place {
            segment: 2,
            leaf: all.len() as u64,
            mark: 0,
        };
        let read = Tail::new(&record, place).read(usize::MAX, |_, _| Ok(()));
        assert!(matches!(read, Err(Error::Another)));
    }

    #[test]
    fn a_gap_in_the_record_is_said_once_and_for_all_and_nothing_behind_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let journal = opened(dir.path());
        let record = journal.dir().to_owned();
        for _ in 0..4 {
            journal.node("reload", &serde_json::json!({})).unwrap();
            journal.shared.close_segment().unwrap();
        }
        let second = segment::path_of(&record, 2);
        let whole = std::fs::read(&second).unwrap();
        let (_, body) = Header::decode(&whole).unwrap();
        let read = |place| {
            let mut tail = Tail::new(&record, place);
            let mut leaves = Vec::new();
            let mut read = || {
                tail.read(usize::MAX, |_, leaf| {
                    leaves.push(leaf);
                    Ok(())
                })
            };
            // What is whole is handed on first. A third look finds it no better than the second, and does not begin anew.
            assert!(read().unwrap() > 0);
            let said = [read(), read()].map(|r| matches!(r, Err(Error::ReadSegment(_))));
            (said, leaves.last().copied())
        };
        let begins = |segment| {
            let header = segment::header_of(&segment::path_of(&record, segment)).unwrap();
            header.tree.size()
        };
        let (second_leaf, third_leaf) = (begins(2), begins(3));
        assert!(second_leaf < third_leaf);
        let last = Some(second_leaf - 1);
        for left in [&b""[..], &whole[..9], &whole[..body]] {
            std::fs::write(&second, left).unwrap();
            assert_eq!(read(Place::default()), ([true; 2], last), "{}", left.len());
        }
        std::fs::remove_file(&second).unwrap();
        assert_eq!(read(Place::default()), ([true; 2], last));
        // As it was, all of it is there.
        std::fs::write(&second, &whole).unwrap();
        let (said, last) = read(Place::default());
        assert_eq!(said, [false; 2]);
        assert!(last > Some(third_leaf));
    }
}
