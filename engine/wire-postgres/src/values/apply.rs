//! Writing: edits meet the leaves they are for. In a column that is masked whole only one kind of edit counts: what
//! stands in for the value, where it is for all of it. Refuses edits that are unsorted, overlap, leave their
//! cell, point to no cell, or put NUL or broken UTF-8 into a text.

use super::documents;
use super::frames::inexpressible;
use super::pass::{Part, Pass, Span};
use portcullis_model::{Batch, ColumnMask, DocumentMask, Edits, Fault, SpanEdit};
use std::borrow::Cow;

/// Edits on their way into the leaves of a batch.
pub(super) struct Apply<'e> {
    spans: &'e [SpanEdit],
    masks: Vec<Option<&'e ColumnMask>>,
    documents: Vec<Option<&'e DocumentMask>>,
    next: usize,
    cells: usize,
    /// True inside a value that is replaced whole: leaves are counted, their edits dropped.
    muted: bool,
    /// What stands in for the value that is replaced whole.
    stand_in: StandIn<'e>,
    /// What is hidden of the value that is being walked, and what has come of that.
    document: Option<&'e DocumentMask>,
    seen: Seen,
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

/// What has been seen of a value that should be a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// None in it so far.
    Nothing,
    /// Documents.
    Documents,
    /// Something that cannot be read as one.
    Unreadable,
}

impl<'e> Apply<'e> {
    pub(super) fn new(batch: &Batch, edits: &'e Edits) -> Result<Self, Fault> {
        let mut masks = vec![None; batch.shape.columns.len()];
        let mut documents = masks.iter().map(|_| None).collect::<Vec<_>>();
        for mask in &edits.documents {
            match documents.get_mut(mask.column as usize) {
                Some(slot) if !mask.parts.is_empty() => *slot = Some(mask),
                _ => {
                    return Err(inexpressible(
                        "express a mask by path: it belongs to no column",
                    ));
                }
            }
        }
        for mask in &edits.columns {
            match masks.get_mut(mask.column as usize) {
                Some(slot) => *slot = Some(mask),
                None => return Err(inexpressible("express an edit: there is no such column")),
            }
        }
        Ok(Self {
            spans: &edits.spans,
            masks,
            documents,
            next: 0,
            cells: batch.cells.len(),
            muted: false,
            stand_in: StandIn::Unseen,
            document: None,
            seen: Seen::Nothing,
        })
    }

    /// The value of a column begins. In a line of column names no mask applies.
    pub(super) fn begin(&mut self, column: usize, names: bool) {
        self.muted = self.mask(column).is_some() && !names;
        let document = self.documents.get(column).copied().flatten();
        self.document = document.filter(|_| !self.muted && !names);
        self.seen = Seen::Nothing;
        self.stand_in = StandIn::Unseen;
    }

    /// It has ended. What replaces all of it, if something does: a mask of its column, or one of parts that could
    /// not be told apart.
    pub(super) fn end(&self, column: usize) -> Option<Cow<'e, ColumnMask>> {
        if self.muted {
            return self.mask(column).map(Cow::Borrowed);
        }
        let document = self.document.filter(|_| self.seen != Seen::Documents);
        document.map(|mask| Cow::Owned(documents::whole(mask)))
    }

    /// The mask of a column, whatever its values are.
    pub(super) fn mask(&self, column: usize) -> Option<&'e ColumnMask> {
        self.masks.get(column).copied().flatten()
    }

    /// What stands in for the value that was gone over since [`Apply::begin`], if it is one text and something does.
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
        let spans = self.take(cell);
        if self.muted {
            self.notice(text, raw, spans)?;
            return Ok(None);
        }
        match spans {
            [] => Ok(None),
            spans => edited(text.bytes, spans).map(Some),
        }
    }

    fn parts(&mut self, text: &[u8]) -> Result<Vec<Part>, Fault> {
        let Some(mask) = self.document else {
            return Ok(Vec::new());
        };
        match documents::parts(text, mask)? {
            Some(parts) => {
                if self.seen == Seen::Nothing {
                    self.seen = Seen::Documents;
                }
                Ok(parts)
            }
            None => {
                self.seen = Seen::Unreadable;
                Ok(Vec::new())
            }
        }
    }

    fn leaf_in_part(
        &mut self,
        text: Span<'_>,
        mut parts: Vec<Part>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let cell = self.next;
        self.next += 1;
        let mut previous = 0;
        for span in self.take(cell) {
            printable(&span.replacement)?;
            let (start, end) = (span.start as usize, span.end as usize);
            if start < previous || end < start || end > text.bytes.len() {
                return Err(inexpressible("express an edit: its range does not fit"));
            }
            previous = end;
            parts.push(Part {
                range: floor(text.bytes, start)..ceil(text.bytes, end),
                with: span.replacement.to_vec(),
            });
        }
        Ok(Some(documents::replaced(text.bytes, parts)))
    }
}

impl<'e> Apply<'e> {
    /// The edits of this cell, which is the next.
    fn take(&mut self, cell: usize) -> &'e [SpanEdit] {
        let of_it = |span: &&SpanEdit| span.cell as usize == cell;
        let mine = self.spans.iter().take_while(of_it).count();
        let (spans, rest) = self.spans.split_at(mine);
        self.spans = rest;
        spans
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
