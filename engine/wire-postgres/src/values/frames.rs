//! Consecutive frames of one tag, taken apart with total consumption. Refuses another tag, a length that
//! does not fit, and more bytes than a batch may hold.

use super::cursor::Cursor;
use portcullis_model::limits::{BATCH_BYTES_MAX, FRAME_BYTES_MAX};
use portcullis_model::{Blame, Fault};
use std::ops::Range;

/// Tag and length.
pub(super) const HEADER: usize = 5;

/// The upstream sent something that is no PostgreSQL.
pub(super) fn broken(doing: &'static str) -> Fault {
    Fault::bare(Blame::Upstream, doing)
}

/// An edit that cannot be expressed.
pub(super) fn inexpressible(doing: &'static str) -> Fault {
    Fault::bare(Blame::Plugin, doing)
}

/// Refuses what no batch can be: cells are `u32`, and a frame is bounded.
pub(super) fn bounded(frames: &[u8]) -> Result<(), Fault> {
    match frames.len() <= FRAME_BYTES_MAX + BATCH_BYTES_MAX {
        true => Ok(()),
        false => Err(broken("keep a batch within its bound")),
    }
}

/// The bodies of consecutive frames, as ranges of the buffer.
pub(super) struct Frames<'a> {
    cursor: Cursor<'a>,
    tag: u8,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8], tag: u8) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            tag,
        }
    }

    fn body(&mut self) -> Option<Range<usize>> {
        if self.cursor.u8()? != self.tag {
            return None;
        }
        let length = usize::try_from(self.cursor.i32()?).ok()?.checked_sub(4)?;
        let start = self.cursor.position();
        self.cursor.take(length)?;
        Some(start..start + length)
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Range<usize>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.cursor.is_empty() {
            true => None,
            false => Some(
                self.body()
                    .ok_or_else(|| broken("take consecutive frames apart")),
            ),
        }
    }
}

/// The body of exactly one frame.
pub(super) fn only(bytes: &[u8], tag: u8) -> Result<Range<usize>, Fault> {
    bounded(bytes)?;
    let mut frames = Frames::new(bytes, tag);
    match (frames.next(), frames.next()) {
        (Some(body), None) => body,
        _ => Err(broken("take one frame apart")),
    }
}

/// A length field for so many bytes.
pub(super) fn length(bytes: usize) -> Result<[u8; 4], Fault> {
    i32::try_from(bytes)
        .map(i32::to_be_bytes)
        .map_err(|_| inexpressible("express an edit: the frame would be too long"))
}

/// One frame: tag, length, body.
pub(super) fn write(out: &mut Vec<u8>, tag: u8, body: &[u8]) -> Result<(), Fault> {
    out.push(tag);
    out.extend_from_slice(&length(body.len().saturating_add(4))?);
    out.extend_from_slice(body);
    Ok(())
}
