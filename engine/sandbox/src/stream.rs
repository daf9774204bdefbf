//! The plugins of one stream, as the gate calls them. Every interested plugin is asked, in the order of the
//! configuration; the first failure is the answer.

use crate::contract;
use crate::edits::{self, Proposal, Sent};
use crate::error::Failure;
use crate::guest::offset;
use crate::interest::{kind_number, protocol_number, stage_number};
use crate::mark::Marks;
use crate::opinion;
use crate::slot::{Slot, Who};
use portcullis_gate::{BoxFuture, Classify, Mask};
use portcullis_model::verdict::EntityRule;
use portcullis_model::{
    Batch, BatchKind, Class, Edits, Facts, Fault, Obligations, RowShape, Session, Stage, Strategy,
    limits,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

const CLASSIFYING: &str = "classify a request with a plugin";
const MASKING: &str = "mask with a plugin";

/// The classifiers of a stream.
pub(crate) struct Classifiers {
    pub(crate) who: Arc<Who>,
    pub(crate) slots: Vec<Slot>,
}

impl Classify for Classifiers {
    fn classify<'a>(
        &'a mut self,
        _session: &'a Session,
        stage: Stage,
        text: &'a str,
        facts: &'a Facts,
    ) -> BoxFuture<'a, Result<Option<Class>, Fault>> {
        Box::pin(async move {
            let opinion = self.opinion(stage, text, facts).await;
            opinion.map_err(|failure| failure.fault(CLASSIFYING))
        })
    }
}

impl Classifiers {
    async fn opinion(
        &mut self,
        stage: Stage,
        text: &str,
        facts: &Facts,
    ) -> Result<Option<Class>, Failure> {
        let protocol = self.who.protocol;
        let mut json: Option<Vec<u8>> = None;
        let mut joined: Option<Class> = None;
        for slot in &mut self.slots {
            if !slot.plugin.interest.in_stage(protocol, stage) {
                continue;
            }
            let facts = match &mut json {
                Some(json) => json,
                none => none.insert(facts_json(text, facts)?),
            };
            let message = contract::Message {
                protocol: protocol_number(protocol),
                stage: stage_number(stage),
                text: text.as_bytes(),
                facts,
            };
            let class = ask(slot, &self.who, message, text).await?;
            joined = Some(joined.map_or_else(|| class.clone(), |all| all.join(class.clone())));
        }
        Ok(joined)
    }
}

fn facts_json(text: &str, facts: &Facts) -> Result<Vec<u8>, Failure> {
    let json = serde_json::to_vec(facts).map_err(|_| Failure::TooLarge)?;
    let fits =
        json.len() <= limits::PLUGIN_FACTS_BYTES_MAX && text.len() <= limits::STATEMENT_BYTES_MAX;
    fits.then_some(json).ok_or(Failure::TooLarge)
}

async fn ask(
    slot: &mut Slot,
    who: &Who,
    message: contract::Message<'_>,
    text: &str,
) -> Result<Class, Failure> {
    let mut live = slot.take(who).await?;
    let started = Instant::now();
    let answer = live.classify(message).await;
    let plugin = &slot.plugin;
    let digest = plugin.digest.get(..12).unwrap_or_default();
    let class = answer.and_then(|a| opinion::class(a, text, &plugin.rules, &plugin.label, digest));
    slot.settle(who, live, started, class.as_ref().err());
    class
}

/// The maskers of a stream.
pub(crate) struct Maskers {
    pub(crate) who: Arc<Who>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) slots: Vec<Masker>,
    /// Reused from call to call.
    pub(crate) flat: Flat,
}

/// One masker, with what was worked out for the obligations and the shape that came last.
pub(crate) struct Masker {
    slot: Slot,
    entities: BTreeSet<EntityRule>,
    chosen: Vec<Option<Strategy>>,
    shown: Option<(BatchKind, Arc<RowShape>, Vec<bool>)>,
}

impl Masker {
    pub(crate) fn new(slot: Slot) -> Self {
        let chosen = slot.plugin.rules.iter().map(|_| None).collect();
        Self {
            slot,
            entities: BTreeSet::new(),
            chosen,
            shown: None,
        }
    }

    /// True when policy wants anything that this masker can find.
    fn chosen(&mut self, entities: &BTreeSet<EntityRule>) -> bool {
        if self.entities != *entities {
            self.chosen = edits::choose(&self.slot.plugin.rules, entities);
            self.entities.clone_from(entities);
        }
        self.chosen.iter().any(Option::is_some)
    }

    /// Works out the columns that it is shown, where the shape is another one than before.
    fn see(&mut self, who: &Who, batch: &Batch) {
        let fresh = self.shown.as_ref().is_some_and(|(kind, shape, _)| {
            *kind == batch.kind && Arc::ptr_eq(shape, &batch.shape)
        });
        if !fresh {
            let interest = &self.slot.plugin.interest;
            let columns = interest.columns(who.protocol, batch.kind, &batch.shape);
            self.shown = Some((batch.kind, batch.shape.clone(), columns));
        }
    }
}

impl Mask for Maskers {
    fn wants(&self, kind: BatchKind, shape: &RowShape) -> bool {
        let protocol = self.who.protocol;
        self.slots.iter().any(|masker| {
            let interest = &masker.slot.plugin.interest;
            interest.in_kind(protocol, kind)
                && interest.columns(protocol, kind, shape).contains(&true)
        })
    }

    fn mask<'a>(
        &'a mut self,
        batch: &'a Batch,
        skip: &'a [bool],
        obligations: &'a Obligations,
    ) -> BoxFuture<'a, Result<Edits, Fault>> {
        Box::pin(async move {
            let edits = self.edits(batch, skip, obligations).await;
            edits.map_err(|failure| failure.fault(MASKING))
        })
    }
}

impl Maskers {
    async fn edits(
        &mut self,
        batch: &Batch,
        skip: &[bool],
        obligations: &Obligations,
    ) -> Result<Edits, Failure> {
        let Self {
            who,
            marks,
            slots,
            flat,
        } = self;
        let mut proposals = Vec::new();
        for masker in slots {
            let interest = &masker.slot.plugin.interest;
            if interest.in_kind(who.protocol, batch.kind) && masker.chosen(&obligations.entities) {
                let before = proposals.len();
                look(masker, who, batch, skip, flat, &mut proposals).await?;
                let edited = proposals.len() - before;
                masker.slot.plugin.counts.edited(edited);
            }
        }
        Ok(Edits {
            spans: edits::merge(proposals, batch, marks, who.session),
            columns: Vec::new(),
        })
    }
}

/// Shows a batch to one masker, in as many calls as it takes.
async fn look(
    masker: &mut Masker,
    who: &Who,
    batch: &Batch,
    skip: &[bool],
    flat: &mut Flat,
    proposals: &mut Vec<Proposal>,
) -> Result<(), Failure> {
    masker.see(who, batch);
    let Masker {
        slot,
        chosen,
        shown,
        ..
    } = masker;
    let columns: &[bool] = shown.as_ref().map_or(&[], |(.., columns)| columns);
    let shown = |column: u32| {
        let of = |flags: &[bool], none| flags.get(column as usize).copied().unwrap_or(none);
        of(columns, false) && !of(skip, false)
    };
    let mut from = Position::default();
    while flat.fill(batch, &mut from, &shown)? {
        let mut live = slot.take(who).await?;
        let started = Instant::now();
        let answer = match live.tell(&batch.shape).await {
            Ok(()) => live.mask(flat.as_batch(batch)).await,
            Err(failure) => Err(failure),
        };
        let rules = &slot.plugin.rules;
        let checked = answer.and_then(|answer| {
            edits::collect(&answer, &flat.sent, batch, rules, chosen, proposals)
        });
        slot.settle(who, live, started, checked.as_ref().err());
        checked?;
    }
    Ok(())
}

/// Where the next call begins.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    cell: usize,
    offset: usize,
}

/// Cells in the form of the contract.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    cells: Vec<u32>,
    data: Vec<u8>,
    sent: Vec<Sent>,
}

impl Flat {
    /// Takes as many shown cells as one call may carry; false when there was none left. A cell that is
    /// longer than a call is shown in windows, which overlap so that nothing hides at the seam.
    fn fill(
        &mut self,
        batch: &Batch,
        from: &mut Position,
        shown: &impl Fn(u32) -> bool,
    ) -> Result<bool, Failure> {
        self.cells.clear();
        self.data.clear();
        self.sent.clear();
        while let Some(cell) = batch.cells.get(from.cell) {
            let text = batch
                .text
                .get(cell.start as usize..cell.end as usize)
                .ok_or(Failure::TooLarge)?;
            let rest = text.get(from.offset..).unwrap_or_default();
            if rest.is_empty() || !shown(cell.column) {
                *from = Position {
                    cell: from.cell + 1,
                    offset: 0,
                };
                continue;
            }
            let room = limits::PLUGIN_CALL_BYTES_MAX.saturating_sub(self.data.len());
            if rest.len() > room && !self.sent.is_empty() {
                break;
            }
            let window = rest.get(..room).unwrap_or(rest);
            self.push(cell.column, from, window);
            *from = match window.len() == rest.len() {
                true => Position {
                    cell: from.cell + 1,
                    offset: 0,
                },
                false => Position {
                    cell: from.cell,
                    offset: from.offset + window.len() - limits::HELD_TAIL_MAX,
                },
            };
        }
        Ok(!self.sent.is_empty())
    }

    fn push(&mut self, column: u32, from: &Position, window: &[u8]) {
        let start = offset(self.data.len());
        self.data.extend_from_slice(window);
        let end = offset(self.data.len());
        self.data.push(0);
        self.cells.extend([column, start, end]);
        self.sent.push(Sent {
            cell: offset(from.cell),
            offset: offset(from.offset),
            len: end - start,
        });
    }

    fn as_batch(&self, batch: &Batch) -> contract::Batch<'_> {
        contract::Batch {
            kind: kind_number(batch.kind),
            shape: batch.shape.serial,
            cells: &self.cells,
            data: &self.data,
        }
    }
}
