//! Cells in the form of the contract: one buffer and triples of integers, in as many calls as it takes. Refuses cells
//! that do not lie in their batch.

use crate::contract;
use crate::edits::Sent;
use crate::error::Failure;
use crate::guest::offset;
use crate::interest::kind_number;
use portcullis_model::{Batch, limits};

/// Where the next call begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// Which of the cells that are shown.
    index: usize,
    offset: usize,
}

/// Cells for one call; reused from call to call.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    cells: Vec<u32>,
    data: Vec<u8>,
    pub(crate) sent: Vec<Sent>,
}

impl Flat {
    /// Takes as many of these cells as one call may carry; false when there was none left. A cell that is longer
    /// than a call is shown in windows, which overlap so that nothing hides at the seam.
    pub(crate) fn fill(
        &mut self,
        batch: &Batch,
        shown: &[u32],
        from: &mut Position,
    ) -> Result<bool, Failure> {
        self.cells.clear();
        self.data.clear();
        self.sent.clear();
        while let Some(number) = shown.get(from.index) {
            let cell = batch.cells.get(*number as usize);
            let text = cell
                .and_then(|cell| batch.text.get(cell.start as usize..cell.end as usize))
                .ok_or(Failure::TooLarge)?;
            let column = cell.map_or(0, |cell| cell.column);
            let rest = text.get(from.offset..).unwrap_or_default();
            let room = limits::PLUGIN_CALL_BYTES_MAX.saturating_sub(self.data.len());
            if rest.len() > room && !self.sent.is_empty() {
                break;
            }
            let window = rest.get(..room).unwrap_or(rest);
            if !window.is_empty() {
                self.push(*number, column, from.offset, window);
            }
            *from = match window.len() == rest.len() {
                true => Position {
                    index: from.index + 1,
                    offset: 0,
                },
                false => Position {
                    index: from.index,
                    offset: from.offset + window.len() - limits::HELD_TAIL_MAX,
                },
            };
        }
        Ok(!self.sent.is_empty())
    }

    /// How many bytes of text it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() - self.sent.len()
    }

    fn push(&mut self, cell: u32, column: u32, at: usize, window: &[u8]) {
        let start = offset(self.data.len());
        self.data.extend_from_slice(window);
        let end = offset(self.data.len());
        self.data.push(0);
        self.cells.extend([column, start, end]);
        self.sent.push(Sent {
            cell,
            offset: offset(at),
            len: end - start,
        });
    }

    pub(crate) fn as_batch(&self, batch: &Batch) -> contract::Batch<'_> {
        contract::Batch {
            kind: kind_number(batch.kind),
            shape: batch.shape.serial,
            cells: &self.cells,
            data: &self.data,
        }
    }
}
