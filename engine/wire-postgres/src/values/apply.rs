//! Writing: edits meet the leaves they are for. In a column that is masked whole only one kind of edit counts: what
//! stands in for the value, where it is for all of it. Refuses edits that are unsorted, overlap, leave their
//! cell, point to no cell, or put NUL or broken UTF-8 into a text.

use super::frames::inexpressible;
use super::pass::{Pass, Span};
use portcullis_model::{Batch, ColumnMask, Edits, Fault, SpanEdit};

/// Edits on their way into the leaves of a batch.
pub(super) struct Apply<'e> {
    spans: &'e [SpanEdit],
    masks: Vec<Option<&'e ColumnMask>>,
    next: usize,
    cells: usize,
    /// True inside a value that is replaced whole: leaves are counted, their edits dropped.
    muted: bool,
    /// What stands in for the value that is replaced whole.
    stand_in: StandIn<'e>,
}

/// What was found while a value was gone over that is replaced whole.
#[derive(Clone, Copy)]
enum StandIn<'e> {
    /// No leaf yet.
    Unseen,
    /// One leaf, and one edit of all of it.
    Whole(&'e [u8]),
    /// Anything else: an edit of a part says nothing about the value.
    None,
}

impl<'e> Apply<'e> {
    pub(super) fn new(batch: &Batch, edits: &'e Edits) -> Result<Self, Fault> {
        let mut masks = vec![None; batch.shape.columns.len()];
        for mask in &edits.columns {
            match masks.get_mut(mask.column as usize) {
                Some(slot) => *slot = Some(mask),
                None => return Err(inexpressible("express an edit: there is no such column")),
            }
        }
        Ok(Self {
            spans: &edits.spans,
            masks,
            next: 0,
            cells: batch.cells.len(),
            muted: false,
            stand_in: StandIn::Unseen,
        })
    }

    /// The mask of a whole column, if it has one.
    pub(super) fn mask(&self, column: usize) -> Option<&'e ColumnMask> {
        self.masks.get(column).copied().flatten()
    }

    pub(super) fn mute(&mut self, muted: bool) {
        self.muted = muted;
        self.stand_in = StandIn::Unseen;
    }

    /// What stands in for the value that was gone over since [`Apply::mute`], if it is one text and something does.
    pub(super) fn stand_in(&self) -> Option<&'e [u8]> {
        match self.stand_in {
            StandIn::Whole(text) => Some(text),
            StandIn::Unseen | StandIn::None => None,
        }
    }

    fn notice(&mut self, text: Span<'_>, raw: bool, spans: &'e [SpanEdit]) -> Result<(), Fault> {
        self.stand_in = match (self.stand_in, spans) {
            (StandIn::Unseen, [only])
                if !raw && only.start == 0 && only.end as usize == text.bytes.len() =>
            {
                printable(&only.replacement)?;
                StandIn::Whole(&only.replacement)
            }
            _ => StandIn::None,
        };
        Ok(())
    }

    /// Every leaf was met and every edit was used.
    pub(super) fn finish(self) -> Result<(), Fault> {
        match self.spans.is_empty() && self.next == self.cells {
            true => Ok(()),
            false => Err(inexpressible("express an edit: it belongs to no cell")),
        }
    }
}

impl Pass for Apply<'_> {
    fn leaf(&mut self, text: Span<'_>, raw: bool) -> Result<Option<Vec<u8>>, Fault> {
        let cell = self.next;
        self.next += 1;
        let mine = self
            .spans
            .iter()
            .take_while(|s| s.cell as usize == cell)
            .count();
        let (spans, rest) = self.spans.split_at(mine);
        self.spans = rest;
        if self.muted {
            self.notice(text, raw, spans)?;
            return Ok(None);
        }
        match spans {
            [] => Ok(None),
            spans => edited(text.bytes, spans).map(Some),
        }
    }
}

/// The text with its spans replaced.
fn edited(text: &[u8], spans: &[SpanEdit]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.len() + 32);
    let mut copied = 0;
    let mut previous = 0;
    for span in spans {
        let (start, end) = (span.start as usize, span.end as usize);
        if start < previous || end < start || end > text.len() {
            return Err(inexpressible("express an edit: its range does not fit"));
        }
        printable(&span.replacement)?;
        previous = end;
        let (start, end) = (floor(text, start).max(copied), ceil(text, end));
        out.extend_from_slice(text.get(copied..start).unwrap_or_default());
        out.extend_from_slice(&span.replacement);
        copied = end.max(copied);
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
    Ok(out)
}

/// A replacement is text.
fn printable(replacement: &[u8]) -> Result<(), Fault> {
    match std::str::from_utf8(replacement) {
        Ok(text) if !text.contains('\0') => Ok(()),
        _ => Err(inexpressible("express an edit: its replacement is no text")),
    }
}

/// Half a character never stays behind: a range that cuts one takes all of it.
fn floor(text: &[u8], at: usize) -> usize {
    let cut = |i: &usize| !text.get(*i).is_some_and(|b| is_continuation(*b));
    (at.saturating_sub(3)..=at).rev().find(cut).unwrap_or(at)
}

/// See [`floor`].
fn ceil(text: &[u8], at: usize) -> usize {
    let cut = |i: &usize| !text.get(*i).is_some_and(|b| is_continuation(*b));
    (at..=at.saturating_add(3)).find(cut).unwrap_or(at)
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}
