//! From what maskers report to what is changed. First a report is checked: out of range, out of order, overlapping
//! with itself or too long is a fault. Then policy chooses by entity. Last, what overlaps is merged so that
//! everything that any chosen report covers stays covered: the widest names the mark, the strictest strategy holds.

use crate::contract;
use crate::error::Failure;
use crate::mark::{Marks, Masked, Width};
use crate::plugin::{RuleInfo, Rules};
use bytes::Bytes;
use portcullis_model::verdict::EntityRule;
use portcullis_model::{Batch, BatchKind, SessionId, SpanEdit, Strategy, limits};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A cell, or a window of a very long one, as it was sent to the guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Index into the batch's cells.
    pub(crate) cell: u32,
    /// Where the window begins in the cell.
    pub(crate) offset: u32,
    /// Its length.
    pub(crate) len: u32,
}

/// Something that policy wants masked.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    cell: u32,
    start: u32,
    end: u32,
    strategy: Strategy,
    rule: Arc<RuleInfo>,
    own: Option<Bytes>,
    tail: bool,
}

/// What policy wants for each rule of a plugin. Where several obligations fit, the strictest holds.
pub(crate) fn choose(rules: &Rules, entities: &BTreeSet<EntityRule>) -> Vec<Option<Strategy>> {
    let of = |rule: &RuleInfo| {
        entities
            .iter()
            .filter(|e| e.entity == "*" || e.entity == rule.entity)
            .map(|e| e.strategy)
            .max()
    };
    rules.iter().map(of).collect()
}

/// Checks an answer and adds what policy wants of it to `proposals`. The answer is how many bytes are held.
pub(crate) fn collect(
    answer: &contract::Edits,
    sent: &[Sent],
    batch: &Batch,
    rules: &Rules,
    chosen: &[Option<Strategy>],
    proposals: &mut Vec<Proposal>,
) -> Result<u32, Failure> {
    if answer.held != 0 && batch.kind != BatchKind::Stream {
        return Err(Failure::Edits("bytes are held where there is no stream"));
    }
    let last = sent.last().map_or(0, |s| s.len);
    if answer.held > last || answer.held as usize > limits::HELD_TAIL_MAX {
        return Err(Failure::Edits("more bytes are held than may be"));
    }
    if answer.edits.is_empty() {
        return Ok(answer.held);
    }
    let bytes: usize = sent.iter().map(|s| s.len as usize).sum();
    if answer.edits.len() > bytes {
        return Err(Failure::Edits("more edits than bytes"));
    }
    let mut last = (0, 0, 0);
    let mut ends = vec![(u32::MAX, 0); chosen.len()];
    for edit in &answer.edits {
        let at = (edit.cell, edit.start, edit.end);
        if at < last {
            return Err(Failure::Edits("not sorted"));
        }
        last = at;
        let window = sent
            .get(edit.cell as usize)
            .ok_or(Failure::Edits("no such cell"))?;
        if edit.start >= edit.end || edit.end > window.len {
            return Err(Failure::Edits("out of range"));
        }
        let (index, rule) = rules
            .find(edit.rule)
            .ok_or(Failure::Edits("a rule that its manifest does not have"))?;
        if let Some(end) = ends.get_mut(index) {
            if end.0 == edit.cell && edit.start < end.1 {
                return Err(Failure::Edits("edits of one rule overlap"));
            }
            *end = (edit.cell, edit.end);
        }
        let own = own(edit, &answer.heap)?;
        if let Some(strategy) = chosen.get(index).copied().flatten() {
            let (start, end) = whole_characters(batch, window, edit);
            proposals.push(Proposal {
                cell: window.cell,
                start,
                end,
                strategy,
                rule: rule.clone(),
                own,
                tail: edit.hint & 1 == 0,
            });
        }
    }
    Ok(answer.held)
}

/// The replacement that an edit brings along, if it does.
fn own(edit: &contract::Edit, heap: &[u8]) -> Result<Option<Bytes>, Failure> {
    let (start, len) = (edit.rep_start as usize, edit.rep_len as usize);
    if len == 0 {
        return Ok(None);
    }
    if len > limits::PLUGIN_REPLACEMENT_MAX {
        return Err(Failure::Edits("a replacement that is too long"));
    }
    let text = start
        .checked_add(len)
        .and_then(|end| heap.get(start..end))
        .ok_or(Failure::Edits("a replacement out of range"))?;
    if text.contains(&0) {
        return Err(Failure::Edits("a replacement with a NUL"));
    }
    match std::str::from_utf8(text) {
        Ok(_) => Ok(Some(Bytes::copy_from_slice(text))),
        Err(_) => Err(Failure::Edits("a replacement that is no text")),
    }
}

/// Widens an edit to whole characters, in terms of the whole cell: half a character left behind would be
/// invalid text. In encodings other than UTF-8 this covers three bytes too many at worst.
fn whole_characters(batch: &Batch, window: &Sent, edit: &contract::Edit) -> (u32, u32) {
    let text = batch
        .cells
        .get(window.cell as usize)
        .and_then(|c| batch.text.get(c.start as usize..c.end as usize))
        .unwrap_or_default();
    let continues = |at: u32| text.get(at as usize).is_some_and(|b| b & 0xC0 == 0x80);
    let (mut start, mut end) = (edit.start + window.offset, edit.end + window.offset);
    for _ in 0..3 {
        start -= u32::from(start > 0 && continues(start));
        end += u32::from(continues(end));
    }
    (start, end)
}

/// The edits of a batch: sorted, not overlapping.
pub(crate) fn merge(
    mut proposals: Vec<Proposal>,
    batch: &Batch,
    marks: &Marks,
    session: SessionId,
) -> Vec<SpanEdit> {
    proposals.sort_by_key(|p| (p.cell, p.start, Reverse(p.end), Reverse(p.strategy)));
    let mut spans: Vec<SpanEdit> = Vec::with_capacity(proposals.len());
    let mut open: Option<Cluster> = None;
    for proposal in proposals {
        match &mut open {
            Some(cluster) if cluster.touches(&proposal) => cluster.absorb(proposal),
            _ => {
                spans.extend(open.take().map(|c| c.span(batch, marks, session)));
                open = Some(Cluster::of(proposal));
            }
        }
    }
    spans.extend(open.map(|c| c.span(batch, marks, session)));
    spans
}

/// Proposals that overlap.
struct Cluster {
    widest: Proposal,
    start: u32,
    end: u32,
    strategy: Strategy,
    tail: bool,
}

impl Cluster {
    fn of(first: Proposal) -> Self {
        Self {
            start: first.start,
            end: first.end,
            strategy: first.strategy,
            tail: first.tail,
            widest: first,
        }
    }

    fn touches(&self, next: &Proposal) -> bool {
        next.cell == self.widest.cell && next.start < self.end
    }

    fn absorb(&mut self, next: Proposal) {
        self.end = self.end.max(next.end);
        self.tail &= next.tail;
        self.strategy = self.strategy.stricter(next.strategy);
        if next.end - next.start > self.widest.end - self.widest.start {
            self.widest = next;
        }
    }

    fn span(self, batch: &Batch, marks: &Marks, session: SessionId) -> SpanEdit {
        let Self {
            widest,
            start,
            end,
            strategy,
            tail,
        } = self;
        let covers = (widest.start, widest.end) == (start, end);
        let redacts = strategy >= Strategy::Redact;
        let value = batch
            .cells
            .get(widest.cell as usize)
            .and_then(|c| batch.text.get(c.start as usize..c.end as usize))
            .and_then(|cell| cell.get(start as usize..end as usize))
            .unwrap_or_default();
        let replacement = match widest.own {
            Some(own) if covers && redacts => own,
            _ => {
                // No tail, no hash and no token of something that no rule has seen as a whole.
                let strategy = if covers { strategy } else { Strategy::Redact };
                let column = batch.cells.get(widest.cell as usize).map(|c| c.column);
                let column = column.and_then(|c| batch.shape.columns.get(c as usize));
                let masked = Masked {
                    entity: &widest.rule.tag,
                    value,
                    tail,
                    width: Width::of(column),
                };
                marks.mark(session, strategy, masked)
            }
        };
        SpanEdit {
            cell: widest.cell,
            start,
            end,
            replacement,
            label: widest.rule.label.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
