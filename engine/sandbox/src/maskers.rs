//! The maskers of one stream, as the gate calls them. Every masker that policy has a use for sees the cells that it
//! is interested in and that hold one of its needles; what they find is merged. The first failure is the answer.

use crate::edits::{self, Proposal};
use crate::error::Failure;
use crate::flat::{Flat, Position};
use crate::mark::Marks;
use crate::sift::{FOLLOW_SHIFT, Following, Owners, Sift, owner};
use crate::slot::{Slot, Who};
use portcullis_gate::{BoxFuture, Mask};
use portcullis_model::verdict::EntityRule;
use portcullis_model::{
    Batch, BatchKind, ColumnMask, Edits, Fault, Obligations, RowShape, SpanEdit, Strategy,
};
use std::collections::BTreeSet;
use std::sync::Arc;

const MASKING: &str = "mask with a plugin";

/// The maskers of a stream.
pub(crate) struct Maskers {
    who: Arc<Who>,
    marks: Arc<Marks>,
    sift: Arc<Sift>,
    maskers: Vec<Masker>,
    view: Option<View>,
    /// Cells that somebody is to see, and who. Reused from batch to batch.
    candidates: Vec<(u32, Owners)>,
    found: Vec<Owners>,
    following: Following,
    shown: Vec<u32>,
    flat: Flat,
}

/// Who sees which column of the shape that came last.
struct View {
    kind: BatchKind,
    shape: Arc<RowShape>,
    columns: Vec<Sight>,
}

/// Who sees a column.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    /// Who is interested in it.
    shown: Owners,
    /// Who sees every cell of it, needle or not.
    always: Owners,
}

/// One masker, with what was worked out for the obligations that came last.
struct Masker {
    slot: Slot,
    entities: BTreeSet<EntityRule>,
    chosen: Vec<Option<Strategy>>,
}

impl Masker {
    fn new(slot: Slot) -> Self {
        let chosen = slot.plugin.rules.iter().map(|_| None).collect();
        Self {
            slot,
            entities: BTreeSet::new(),
            chosen,
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
}

impl Mask for Maskers {
    fn wants(&self, kind: BatchKind, shape: &RowShape) -> bool {
        let protocol = self.who.protocol;
        self.maskers.iter().any(|masker| {
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
        let asked = self.asked(batch.kind, obligations);
        self.see(batch);
        self.sift(batch, skip, asked);
        if self.candidates.is_empty() {
            return Box::pin(std::future::ready(Ok(Edits::default())));
        }
        Box::pin(async move {
            let edits = self.edits(batch, asked).await;
            edits.map_err(|failure| failure.fault(MASKING))
        })
    }

    fn stand_ins(&self, batch: &Batch, columns: &[ColumnMask]) -> Vec<SpanEdit> {
        self.marks.columns(self.who.session, batch, columns)
    }
}

impl Maskers {
    pub(crate) fn new(
        who: Arc<Who>,
        marks: Arc<Marks>,
        sift: Arc<Sift>,
        slots: impl Iterator<Item = Slot>,
    ) -> Self {
        Self {
            who,
            marks,
            sift,
            maskers: slots.map(Masker::new).collect(),
            view: None,
            candidates: Vec::new(),
            found: Vec::new(),
            following: Following::default(),
            shown: Vec::new(),
            flat: Flat::default(),
        }
    }

    /// The maskers that policy has a use for in a batch of this kind.
    fn asked(&mut self, kind: BatchKind, obligations: &Obligations) -> Owners {
        let protocol = self.who.protocol;
        let mut asked = 0;
        for (place, masker) in self.maskers.iter_mut().enumerate() {
            let interested = masker.slot.plugin.interest.in_kind(protocol, kind);
            if interested && masker.chosen(&obligations.entities) {
                asked |= owner(place);
            }
        }
        asked
    }

    /// Works out who sees which column, where the shape is another one than before.
    fn see(&mut self, batch: &Batch) {
        let same = |view: &View| view.kind == batch.kind && Arc::ptr_eq(&view.shape, &batch.shape);
        if self.view.as_ref().is_some_and(same) {
            return;
        }
        let mut columns = vec![Sight::default(); batch.shape.columns.len()];
        for (place, masker) in self.maskers.iter().enumerate() {
            let plugin = &masker.slot.plugin;
            let owner = owner(place);
            let interest = plugin
                .interest
                .columns(self.who.protocol, batch.kind, &batch.shape);
            for ((sight, shown), column) in
                columns.iter_mut().zip(interest).zip(&batch.shape.columns)
            {
                // What is held of a stream depends on what comes next: it is shown all of it.
                let stream = batch.kind == BatchKind::Stream;
                let named = stream
                    || plugin
                        .needles
                        .as_ref()
                        .is_none_or(|n| n.names(&column.name));
                sight.shown |= if shown { owner } else { 0 };
                sight.always |= if shown && named { owner } else { 0 };
            }
        }
        self.view = Some(View {
            kind: batch.kind,
            shape: batch.shape.clone(),
            columns,
        });
    }

    /// Finds the cells that somebody has to see: one pass for all maskers.
    fn sift(&mut self, batch: &Batch, skip: &[bool], asked: Owners) {
        self.candidates.clear();
        let Some(view) = &self.view else {
            return;
        };
        let mut sights = view.columns.clone();
        for (column, sight) in sights.iter_mut().enumerate() {
            let skipped = skip.get(column).copied().unwrap_or(false);
            sight.shown &= if skipped { 0 } else { asked };
            sight.always &= sight.shown;
        }
        if sights.iter().all(|sight| sight.shown == 0) {
            return;
        }
        // What fits no column or does not lie in the batch is shown to everybody: the call then says no.
        let everybody = Sight {
            shown: asked,
            always: asked,
        };
        let sight = |column: u32| sights.get(column as usize).copied().unwrap_or(everybody);
        let cells = batch.cells.iter();
        self.found.clear();
        self.found.extend(cells.clone().map(|cell| {
            let lies = cell.start <= cell.end && cell.end as usize <= batch.text.len();
            let sight = sight(cell.column);
            if lies { sight.always } else { sight.shown }
        }));
        let texts = cells.enumerate().filter_map(|(number, cell)| {
            let sight = sight(cell.column);
            let ask = sight.shown & !sight.always;
            let text = batch.text.get(cell.start as usize..cell.end as usize)?;
            (ask != 0).then_some((number, text, ask | sight.shown << FOLLOW_SHIFT))
        });
        self.sift.scan(texts, &mut self.found);
        let maskers = &self.maskers;
        let follows = |owner: Owners| {
            let masker = maskers.get(owner.trailing_zeros() as usize);
            let needles = masker.and_then(|m| m.slot.plugin.needles.as_ref());
            needles
                .and_then(|n| n.follow.as_ref())
                .map_or(1, |f| f.cells)
        };
        for ((number, found), cell) in (0..).zip(&self.found).zip(&batch.cells) {
            let seen = self.following.see(cell.column, *found, follows);
            let seen = seen & sight(cell.column).shown;
            if seen != 0 {
                self.candidates.push((number, seen));
            }
        }
    }

    async fn edits(&mut self, batch: &Batch, asked: Owners) -> Result<Edits, Failure> {
        let mut proposals = Vec::new();
        let mut held = 0;
        for place in 0..self.maskers.len() {
            let owner = owner(place);
            if asked & owner == 0 {
                continue;
            }
            self.shown.clear();
            let theirs = self.candidates.iter().filter(|(_, who)| who & owner != 0);
            self.shown.extend(theirs.map(|(cell, _)| *cell));
            let before = proposals.len();
            held = held.max(self.look(place, batch, &mut proposals).await?);
            if let Some(masker) = self.maskers.get(place) {
                masker.slot.plugin.counts.edited(proposals.len() - before);
            }
        }
        Ok(Edits {
            spans: edits::merge(proposals, batch, &self.marks, self.who.session),
            held,
            ..Edits::default()
        })
    }

    /// Shows the cells to one masker, in as many calls as it takes. The answer is what it holds of a stream.
    async fn look(
        &mut self,
        place: usize,
        batch: &Batch,
        proposals: &mut Vec<Proposal>,
    ) -> Result<u32, Failure> {
        let Some(Masker { slot, chosen, .. }) = self.maskers.get_mut(place) else {
            return Ok(0);
        };
        let mut held = 0;
        let mut from = Position::default();
        while self.flat.fill(batch, &self.shown, &mut from)? {
            slot.plugin.counts.shown(self.flat.bytes());
            let mut live = slot.take(&self.who).await?;
            let answer = match live.tell(&batch.shape).await {
                Ok(()) => live.mask(self.flat.as_batch(batch)).await,
                Err(failure) => Err(failure),
            };
            let rules = &slot.plugin.rules;
            let checked = answer.and_then(|answer| {
                edits::collect(&answer, &self.flat.sent, batch, rules, chosen, proposals)
            });
            slot.settle(&self.who, live, checked.as_ref().err());
            held = checked?;
        }
        Ok(held)
    }
}
