//! A segment read from its first frame on, no further than is asked for, through a window: a page that shows one session
//! neither reads what comes after it nor keeps what came before.
//!
//! Refuses to read past what the file held when it was opened: whatever a live log adds meanwhile is for the next reader, as
//! if it had been read at once.

use crate::error::Error;
use crate::frame::{self, Broken, Frame, HEAD};
use crate::segment::{self, Header};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Bytes that are read at a time. A frame that is longer is read as one.
const WINDOW: usize = 256 * 1024;

/// A segment, and how far it has been read.
pub(crate) struct Passage {
    pub(crate) header: Header,
    file: File,
    /// Bytes of the file behind the window.
    left: usize,
    window: Vec<u8>,
    /// Where in the window the next frame begins.
    at: usize,
}

impl Passage {
    /// At the first frame of a segment.
    ///
    /// # Errors
    /// [`Error::ReadSegment`], [`Error::SegmentHeader`], [`Error::OldFormat`].
    pub(crate) fn begin(path: &Path) -> Result<Self, Error> {
        let (header, body, mut file) = segment::begin(path)?;
        let whole = file.metadata().map_err(Error::ReadSegment)?.len();
        let whole = usize::try_from(whole).unwrap_or(usize::MAX);
        file.seek(SeekFrom::Start(body as u64))
            .map_err(Error::ReadSegment)?;
        Ok(Self {
            header,
            file,
            left: whole.saturating_sub(body),
            window: Vec::new(),
            at: 0,
        })
    }

    /// The next frame, with its crc checked; `None` at the end of the file. One that is not whole is not passed.
    ///
    /// # Errors
    /// [`Error::ReadSegment`].
    pub(crate) fn next(&mut self) -> Result<Option<Result<Frame<'_>, Broken>>, Error> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let frame = match length {
            Ok(length) => {
                self.fill(length)?;
                let read = frame::decode(self.window.get(self.at..).unwrap_or_default());
                if read.is_ok() {
                    self.at += length;
                }
                read
            }
            Err(broken) => Err(broken),
        };
        Ok(Some(frame))
    }

    /// Passes over the next frame, whatever its crc says; false at the end, and before one that is not whole.
    ///
    /// # Errors
    /// [`Error::ReadSegment`].
    pub(crate) fn pass(&mut self) -> Result<bool, Error> {
        let Some(Ok(length)) = self.length()? else {
            return Ok(false);
        };
        let here = self.window.len() - self.at;
        if let Some(beyond) = length.checked_sub(here) {
            self.file
                .seek_relative(i64::try_from(beyond).unwrap_or(i64::MAX))
                .map_err(Error::ReadSegment)?;
            self.left -= beyond;
            self.window.clear();
            self.at = 0;
        } else {
            self.at += length;
        }
        Ok(true)
    }

    /// How long the next frame is; `None` at the end of the file.
    fn length(&mut self) -> Result<Option<Result<usize, Broken>>, Error> {
        let rest = self.window.len() - self.at + self.left;
        if rest == 0 {
            return Ok(None);
        }
        self.fill(HEAD.min(rest))?;
        let head = self.window.get(self.at..).and_then(<[u8]>::first_chunk);
        let length = head.ok_or(Broken::Torn).and_then(frame::length_of);
        Ok(Some(match length {
            Ok(length) if length > rest => Err(Broken::Torn),
            length => length,
        }))
    }

    /// Reads on until so many bytes of the file are in the window, which were there when it was opened.
    fn fill(&mut self, wanted: usize) -> Result<(), Error> {
        let here = self.window.len() - self.at;
        if here >= wanted {
            return Ok(());
        }
        self.window.drain(..self.at);
        self.at = 0;
        let more = wanted.max(WINDOW).saturating_sub(here).min(self.left);
        let got = (&mut self.file)
            .take(more as u64)
            .read_to_end(&mut self.window)
            .map_err(Error::ReadSegment)?;
        // A file that was cut meanwhile ends here: what is not whole is torn.
        self.left = if got < more { 0 } else { self.left - more };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::TAIL;
    use crate::segment::Segment;
    use crate::tree::Tree;
    use portcullis_gate::StreamId;
    use portcullis_model::{SessionId, Timestamp};
    use std::fs;

    /// Frames of these lengths, and whether each is whole in this many bytes of them.
    fn written(lengths: &[usize]) -> Vec<u8> {
        let header = Header {
            origin: "node-1".to_owned(),
            segment: 3,
            tree: Tree::default(),
            heads: Vec::new(),
        };
        let mut bytes = header.encode();
        for (sequence, length) in (1..).zip(lengths) {
            let payload = vec![7; *length];
            let place = (StreamId(0), 4);
            frame::encode(
                &mut bytes,
                SessionId(5),
                sequence,
                Timestamp(6),
                place,
                &payload,
            );
        }
        bytes
    }

    /// What a passage says of each frame.
    fn passed(path: &Path) -> Vec<Result<(u64, usize), Broken>> {
        let mut passage = Passage::begin(path).expect("begun");
        let mut said = Vec::new();
        while let Some(frame) = passage.next().expect("read") {
            said.push(frame.map(|frame| (frame.sequence, frame.bytes.len())));
            if said.last().is_some_and(Result::is_err) {
                break;
            }
        }
        said
    }

    /// The same of a segment that is read at once.
    fn at_once(path: &Path) -> Vec<Result<(u64, usize), Broken>> {
        let segment = Segment::read(path).expect("read");
        let (mut offset, mut said) = (segment.body, Vec::new());
        while let Some(frame) = segment.frame_at(offset) {
            offset += frame.as_ref().map_or(0, |frame| frame.bytes.len());
            said.push(frame.map(|frame| (frame.sequence, frame.bytes.len())));
            if said.last().is_some_and(Result::is_err) {
                break;
            }
        }
        said
    }

    #[test]
    fn what_a_window_shows_is_what_the_whole_file_shows() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("00000003.wal");
        let lengths = [0, 10, WINDOW, 1, WINDOW - HEAD - TAIL, 3 * WINDOW, 100, 0];
        let bytes = written(&lengths);
        let body = written(&[]).len();
        let seen = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            let said = passed(&path);
            assert_eq!(said, at_once(&path), "{} bytes", bytes.len());
            said
        };
        assert_eq!(seen(&bytes).len(), lengths.len());
        assert_eq!(seen(&bytes[..body]), []);
        // Torn in a head, in a payload, before a crc.
        for cut in [1, 3, TAIL + HEAD - 1, TAIL + HEAD + 1, 200, WINDOW] {
            let said = seen(&bytes[..bytes.len() - cut]);
            assert_eq!(said.last(), Some(&Err(Broken::Torn)), "{cut} bytes less");
        }
        for (place, broken) in [(body + HEAD + TAIL + HEAD + 2, 1), (bytes.len() - 1, 7)] {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1;
            let said = seen(&bytes);
            assert_eq!(said.len(), broken + 1);
            assert!(matches!(said[broken], Err(Broken::Checksum { .. })));
        }
        let mut long = bytes.clone();
        long[body] = 0xff;
        assert_eq!(seen(&long), [Err(Broken::Length)]);
    }

    #[test]
    fn frames_are_passed_over_up_to_one_that_is_not_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("00000003.wal");
        let lengths = [10, 2 * WINDOW, 1, WINDOW];
        let bytes = written(&lengths);
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
        for passing in 0..3 {
            let mut passage = Passage::begin(&path).expect("begun");
            for _ in 0..passing {
                assert!(passage.pass().expect("read"));
            }
            let next = passage.next().expect("read").expect("a frame");
            assert_eq!(next.map(|frame| frame.sequence), Ok(passing + 1));
        }
        let mut passage = Passage::begin(&path).expect("begun");
        for _ in 0..3 {
            assert!(passage.pass().expect("read"));
        }
        assert!(!passage.pass().expect("read"));
        let torn = passage.next().expect("read").expect("something");
        assert_eq!(torn.map(|frame| frame.sequence), Err(Broken::Torn));
    }

    #[test]
    fn a_file_that_is_cut_while_it_is_read_is_torn_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("00000003.wal");
        let bytes = written(&[10, 2 * WINDOW, WINDOW, 5]);
        for (cut, passing) in [(100, 0), (100, 2), (3 * WINDOW, 1), (bytes.len() - 60, 0)] {
            fs::write(&path, &bytes).expect("written");
            let mut passage = Passage::begin(&path).expect("begun");
            for _ in 0..passing {
                assert!(passage.pass().expect("read"));
            }
            let file = fs::OpenOptions::new().write(true).open(&path);
            let left = (bytes.len() - cut) as u64;
            file.and_then(|file| file.set_len(left)).expect("cut");
            let mut last = None;
            for _ in 0..5 {
                last = passage.next().expect("read").map(|frame| frame.map(|_| ()));
                if last != Some(Ok(())) {
                    break;
                }
            }
            assert_eq!(last, Some(Err(Broken::Torn)), "{cut} bytes less");
        }
    }

    #[test]
    fn what_a_live_log_adds_is_for_the_next_reader() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("00000003.wal");
        let (short, long) = (written(&[10]), written(&[10, 20]));
        fs::write(&path, &short).expect("written");
        let mut passage = Passage::begin(&path).expect("begun");
        fs::write(&path, &long).expect("written");
        assert!(passage.pass().expect("read"));
        assert!(passage.next().expect("read").is_none());
        assert_eq!(passed(&path).len(), 2);
    }
}
