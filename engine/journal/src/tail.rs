//! Following the log while it is written: frames from a place on, as far as they are whole, without reading again what
//! was read. The index, the sinks and the copies all follow like this, each on a thread of its own.
//!
//! Refuses to go on in a log that is not the one it has read so far, and to skip: a frame that is not whole is the end for now, and damage where it stands before another segment.

use crate::error::Error;
use crate::frame::{self, Broken, Frame};
use crate::segment::{self, Header};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Read at once.
const CHUNK: usize = 1 << 20;

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
}

struct Open {
    file: File,
    /// Where in the file the buffer ends.
    read: u64,
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
        while bytes < most {
            if self.open.is_none() && !self.enter()? {
                break;
            }
            let Some(open) = &mut self.open else { break };
            match open.next() {
                Ok(frame) => {
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
                Err(Broken::Torn) => {
                    // What follows is looked for first: its writer was done with this one then.
                    let next = segment::path_of(&self.dir, self.place.segment + 1).exists();
                    if open.more()? {
                        continue;
                    }
                    match (next, open.rest()) {
                        (_, 0) if open.leaf < self.place.leaf => return Err(Error::Another),
                        (false, _) => break,
                        (true, 0) => {
                            self.open = None;
                            self.place.segment += 1;
                        }
                        (true, _) => return Err(damaged()),
                    }
                }
                Err(_) => return Err(damaged()),
            }
        }
        Ok(frames)
    }

    /// Opens the segment that the place is in; false when it is not there yet.
    fn enter(&mut self) -> Result<bool, Error> {
        if self.place.segment == 0 {
            match segment::list(&self.dir)?.first() {
                Some((first, _)) => self.place.segment = *first,
                None => return Ok(false),
            }
        }
        let path = segment::path_of(&self.dir, self.place.segment);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(Error::ReadSegment(e)),
        };
        let mut open = Open {
            file,
            read: 0,
            buffer: Vec::new(),
            at: 0,
            leaf: 0,
        };
        loop {
            if let Some((header, body)) = Header::decode(&open.buffer) {
                open.at = body;
                open.leaf = header.tree.size();
                self.open = Some(open);
                return Ok(true);
            }
            if !open.more()? {
                return Ok(false);
            }
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
        let had = self.buffer.len();
        self.buffer.resize(had + CHUNK, 0);
        let got = self.file.read_at(&mut self.buffer[had..], self.read);
        let got = got.map_err(Error::ReadSegment)?;
        self.buffer.truncate(had + got);
        self.read += got as u64;
        Ok(got > 0)
    }
}

fn damaged() -> Error {
    Error::ReadSegment(io::Error::new(
        io::ErrorKind::InvalidData,
        "a frame is not whole: run verify",
    ))
}
