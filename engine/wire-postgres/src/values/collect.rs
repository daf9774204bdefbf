//! Reading: leaves become cells. As long as every leaf stands in the received frames, the batch's text is
//! those frames; the first decoded leaf starts a side buffer that takes over from there, so that
//! cells stay in order of `start`. Refuses to grow past its bound.

use super::frames::broken;
use super::pass::{Pass, Span};
use bytes::Bytes;
use portcullis_model::limits::FRAME_BYTES_MAX;
use portcullis_model::{Cell, Fault};

/// Decoded text of one batch. Numerics and arrays print longer than they travel, at most about fivefold.
const SIDE_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;
/// Between decoded leaves, so that no detector reads two as one.
const SEPARATOR: u8 = 0;
/// Stands for a byte that is no UTF-8 (ASCII SUB).
const SUBSTITUTE: u8 = 0x1a;

/// Cells of a batch in the making.
pub(super) struct Collect {
    wire: Bytes,
    side: Option<Vec<u8>>,
    column: u32,
    seen: usize,
    cells: Vec<Cell>,
}

impl Collect {
    pub(super) fn new(wire: Bytes) -> Self {
        Self {
            wire,
            side: None,
            column: 0,
            seen: 0,
            cells: Vec::new(),
        }
    }

    /// Leaves from here on belong to this column.
    pub(super) fn column(&mut self, column: usize) {
        self.column = u32::try_from(column).unwrap_or(u32::MAX);
    }

    /// The text and its cells.
    pub(super) fn finish(self) -> (Bytes, Vec<Cell>) {
        let text = self.side.map_or(self.wire, Bytes::from);
        (text, self.cells)
    }

    fn cell(&mut self, start: usize, end: usize) -> Result<(), Fault> {
        let fits = |n| u32::try_from(n).map_err(|_| broken("keep a batch within its bound"));
        self.cells.push(Cell {
            column: self.column,
            start: fits(start)?,
            end: fits(end)?,
        });
        Ok(())
    }

    fn aside(&mut self, bytes: &[u8], raw: bool) -> Result<(), Fault> {
        let (wire, seen) = (&self.wire, self.seen);
        let side = self
            .side
            .get_or_insert_with(|| wire.get(..seen).unwrap_or_default().to_vec());
        if side.len().saturating_add(bytes.len()) >= SIDE_BYTES_MAX {
            return Err(broken("keep the decoded text of a batch within its bound"));
        }
        side.push(SEPARATOR);
        let start = side.len();
        match raw {
            true => substitute(bytes, side),
            false => side.extend_from_slice(bytes),
        }
        let end = side.len();
        self.cell(start, end)
    }
}

impl Pass for Collect {
    fn leaf(&mut self, text: Span<'_>, raw: bool) -> Result<Option<Vec<u8>>, Fault> {
        let shown_as_is = !raw || std::str::from_utf8(text.bytes).is_ok();
        match text.at {
            Some(at) if self.side.is_none() && shown_as_is => {
                let end = at + text.bytes.len();
                self.seen = end;
                self.cell(at, end)?;
            }
            _ => self.aside(text.bytes, raw)?,
        }
        Ok(None)
    }
}

/// The same number of bytes, all of them UTF-8.
pub(super) fn substitute(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        out.resize(out.len() + chunk.invalid().len(), SUBSTITUTE);
    }
}
