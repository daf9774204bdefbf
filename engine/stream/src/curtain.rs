//! Masking of a byte stream that arrives in pieces: a terminal, the output of a command, a log, a body. What may be the
//! beginning of something is held back until the next piece says what it is, so that a secret split over frames,
//! packets or channels is found as if it had come at once.
//!
//! It refuses to let anything go that a masker holds, that a find still touches, or that may begin one of the gateway's
//! own secrets; and it refuses to hold without bound: a stream that would need that ends.

use crate::armory::Tripwires;
use bytes::Bytes;
use portcullis_gate::{Mask, Tripwire};
use portcullis_model::rows::{Column, mask_text};
use portcullis_model::{
    Batch, BatchKind, Blame, Cell, Fault, Obligations, RowShape, SpanEdit, limits,
};
use std::sync::Arc;

/// The type of text.
const TEXT_OID: u32 = 25;

/// One direction of one stream, between the target and the client.
pub struct Curtain {
    sieve: Sieve,
}

/// What finds and holds: text in, ranges out. What becomes of the ranges is for whoever shows them.
pub(crate) struct Sieve {
    wires: Tripwires,
    shape: Arc<RowShape>,
    /// What has gone last, and behind it what has not.
    text: Vec<u8>,
    /// So much of it has gone: maskers see it again, so that they know what stands before.
    gone: usize,
}

/// How far the text may go, and what may not be seen in it.
pub(crate) struct Cut {
    /// Where what has not gone begins.
    pub(crate) from: usize,
    /// Where what still has to be held begins.
    pub(crate) ready: usize,
    /// Sorted, without overlaps, none of them before `from`.
    pub(crate) spans: Vec<SpanEdit>,
}

/// What may go on.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Shown {
    /// The bytes, masked.
    pub bytes: Vec<u8>,
    /// What was replaced in them, for the record: `start` and `end` are ranges of what the maskers saw.
    pub edits: Vec<SpanEdit>,
    /// Secrets of the gateway's own among these.
    pub tripped: usize,
}

impl Shown {
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.bytes.extend(more.bytes);
        self.edits.extend(more.edits);
        self.tripped += more.tripped;
        self
    }
}

/// What a call of the maskers has to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// More may come.
    Open,
    /// More may come, but nobody waits for it.
    Idle,
    /// That was all.
    End,
}

impl Curtain {
    /// A stream in which these secrets of the gateway's own are masked whatever policy says.
    #[must_use]
    pub fn new(wires: Tripwires) -> Self {
        Self {
            sieve: Sieve::new(wires),
        }
    }

    /// The next piece.
    ///
    /// # Errors
    /// When a masker fails, or something longer than [`limits::STREAM_HELD_MAX`] would have to be held: the stream
    /// then ends.
    pub async fn push(
        &mut self,
        piece: &[u8],
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<Shown, Fault> {
        let mut shown = Shown::default();
        for piece in piece.chunks(limits::BATCH_BYTES_MAX) {
            self.sieve.push(piece);
            let more = self.settle(mask, obligations, Reach::Open).await?;
            shown = shown.and(more);
        }
        Ok(shown)
    }

    /// Shows what is held although more may come: for a person who waits at a terminal. What is found once more has
    /// come is masked from there on, so whoever can make the stream pause sees the beginning of a secret that is not
    /// complete yet. Never for streams that a program reads.
    ///
    /// # Errors
    /// As [`Curtain::push`].
    pub async fn idle(
        &mut self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<Shown, Fault> {
        self.settle(mask, obligations, Reach::Idle).await
    }

    /// The end of the stream: what was held.
    ///
    /// # Errors
    /// As [`Curtain::push`].
    pub async fn finish(
        &mut self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<Shown, Fault> {
        self.settle(mask, obligations, Reach::End).await
    }

    /// Bytes that are held right now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.sieve.held()
    }

    async fn settle(
        &mut self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
        reach: Reach,
    ) -> Result<Shown, Fault> {
        if self.held() == 0 {
            return Ok(Shown::default());
        }
        let cut = self.sieve.cut(mask, obligations, reach).await?;
        let ready = cut.ready;
        let shown = draw(self.sieve.text(), cut);
        self.sieve.forget(ready, reach);
        Ok(shown)
    }
}

impl Sieve {
    pub(crate) fn new(wires: Tripwires) -> Self {
        let column = Column {
            name: String::new(),
            type_oid: TEXT_OID,
            table_oid: 0,
            attnum: 0,
            binary: false,
        };
        Self {
            wires,
            shape: Arc::new(RowShape {
                serial: u32::MAX,
                columns: vec![column],
            }),
            text: Vec::new(),
            gone: 0,
        }
    }

    /// More text, behind what is there.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.text.extend_from_slice(piece);
    }

    /// What has gone last, and what has not.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Bytes that have not gone.
    pub(crate) fn held(&self) -> usize {
        self.text.len() - self.gone
    }

    /// Finds out how far the text may go.
    pub(crate) async fn cut(
        &self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
        reach: Reach,
    ) -> Result<Cut, Fault> {
        let (found, held) = self.found(mask, obligations).await?;
        let hits = self.wires.hits(&self.text);
        let open = held.max(self.wires.partial(&self.text));
        let spans = self.spans(found, &hits);
        let ready = match reach {
            Reach::Open => self.ready(open, &spans),
            Reach::Idle | Reach::End => self.text.len(),
        };
        if self.text.len() - ready > limits::STREAM_HELD_MAX {
            let doing = "mask a stream: something longer than may be held has no end yet";
            return Err(Fault::bare(Blame::Upstream, doing));
        }
        Ok(Cut {
            from: self.gone,
            ready,
            spans,
        })
    }

    /// What stands before `ready` has gone.
    pub(crate) fn forget(&mut self, ready: usize, reach: Reach) {
        let context = match reach {
            Reach::Idle => limits::HELD_TAIL_MAX,
            Reach::Open | Reach::End => limits::STREAM_CONTEXT_BYTES,
        };
        let forget = ready.saturating_sub(context);
        self.text.drain(..forget);
        self.gone = ready - forget;
    }

    /// What the maskers find, and how much they hold.
    async fn found(
        &self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<(Vec<SpanEdit>, usize), Fault> {
        if obligations.entities.is_empty() || !mask.wants(BatchKind::Stream, &self.shape) {
            return Ok((Vec::new(), 0));
        }
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let batch = Batch {
            kind: BatchKind::Stream,
            shape: self.shape.clone(),
            text: Bytes::copy_from_slice(&self.text),
            cells: vec![Cell {
                column: 0,
                start: 0,
                end,
            }],
            rows: 0,
            wire: Bytes::new(),
        };
        let edits = mask.mask(&batch, &[false], obligations).await?;
        let sound = edits.columns.is_empty()
            && edits.held <= end
            && edits.spans.iter().all(|s| s.cell == 0 && s.end <= end);
        match sound {
            true => Ok((edits.spans, edits.held as usize)),
            false => Err(Fault::bare(Blame::Gateway, "mask a stream")),
        }
    }

    /// One sorted list without overlaps, of what has not gone yet; our own secrets win.
    fn spans(&self, found: Vec<SpanEdit>, hits: &[(usize, usize)]) -> Vec<SpanEdit> {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let own = |(start, end): &(usize, usize)| SpanEdit {
            cell: 0,
            start: number(*start),
            end: number(*end),
            replacement: mask_text("tripwire", None).into(),
            label: Arc::from(TRIPWIRE),
        };
        let clear = |edit: &SpanEdit| {
            let (start, end) = (edit.start as usize, edit.end as usize);
            !hits.iter().any(|(s, e)| *s < end && start < *e)
        };
        let gone = number(self.gone);
        let mut spans: Vec<SpanEdit> = Vec::with_capacity(found.len() + hits.len());
        for edit in found {
            match clear(&edit) {
                true => spans.push(edit),
                false => spans.extend(around(&edit, hits)),
            }
        }
        spans.extend(hits.iter().map(own));
        spans.retain(|s| s.end > gone);
        spans.iter_mut().for_each(|s| s.start = s.start.max(gone));
        spans.sort_by_key(|s| s.start);
        spans
    }

    /// How far the stream may go: not into what is held, and not into a find that may go on.
    fn ready(&self, open: usize, spans: &[SpanEdit]) -> usize {
        let mut ready = self.text.len() - open.min(self.held());
        for span in spans.iter().rev() {
            let (start, end) = (span.start as usize, span.end as usize);
            if end > ready || end == self.text.len() {
                ready = ready.min(start);
            }
        }
        ready
    }
}

fn draw(text: &[u8], cut: Cut) -> Shown {
    let mut shown = Shown::default();
    let mut from = cut.from;
    for span in cut.spans {
        let (start, end) = (span.start as usize, span.end as usize);
        if end > cut.ready {
            break;
        }
        let kept = text.get(from..start).unwrap_or_default();
        shown.bytes.extend_from_slice(kept);
        shown.bytes.extend_from_slice(&span.replacement);
        shown.tripped += usize::from(is_own(&span));
        shown.edits.push(span);
        from = end;
    }
    let kept = text.get(from..cut.ready).unwrap_or_default();
    shown.bytes.extend_from_slice(kept);
    shown
}

/// True for a secret of the gateway's own.
pub(crate) fn is_own(span: &SpanEdit) -> bool {
    &*span.label == TRIPWIRE
}

/// How the record names our own secrets.
const TRIPWIRE: &str = "tripwire";

/// What a find covers besides our own secrets: that stays covered.
fn around(edit: &SpanEdit, hits: &[(usize, usize)]) -> Vec<SpanEdit> {
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let (begin, end) = (edit.start as usize, edit.end as usize);
    let mut from = begin;
    let mut parts = Vec::new();
    for (start, stop) in hits.iter().filter(|(s, e)| *s < end && begin < *e) {
        if from < *start {
            parts.push((from, *start));
        }
        from = from.max(*stop);
    }
    if from < end {
        parts.push((from, end));
    }
    let part = |(start, end)| SpanEdit {
        start: number(start),
        end: number(end),
        ..edit.clone()
    };
    parts.into_iter().map(part).collect()
}

#[cfg(test)]
pub(crate) mod tests;
