//! A piece of an answer as a batch, and the batch with its edits as bytes again. What nobody edits is released byte
//! for byte.
//!
//! Refuses edits that lie outside of their value, and masks that would not be known when they come back.

use super::leaf::{Form, Leaf};
use super::role::Role;
use bytes::Bytes;
use memchr::memmem;
use portcullis_gate::Rewrite;
use portcullis_model::rows::{Column, MASK_MARKER, mask_text};
use portcullis_model::{
    Batch, BatchKind, Blame, Cell, ColumnMask, Edits, Fault, RowShape, SpanEdit,
};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// The column of values that are secrets wherever they stand, whatever they look like. The gate masks it whole where
/// secrets are masked.
const SECRET: &str = "secret";

/// Plain text, and plain text with secrets among it.
static SHAPES: LazyLock<[Arc<RowShape>; 2]> = LazyLock::new(|| {
    let column = |name: &str| Column {
        name: name.to_owned(),
        type_oid: 25,
        table_oid: 0,
        attnum: 0,
        binary: false,
    };
    let shape = |serial, columns| Arc::new(RowShape { serial, columns });
    [
        shape(0, vec![column("")]),
        shape(1, vec![column(""), column(SECRET)]),
    ]
});

/// Consecutive bytes of an answer, with the values in them.
pub struct Piece {
    wire: Bytes,
    leaves: Vec<Leaf>,
    objects: u32,
}

impl Piece {
    pub(super) fn new(wire: Bytes, leaves: Vec<Leaf>, objects: u32) -> Self {
        Self {
            wire,
            leaves,
            objects,
        }
    }

    /// The byte ranges of secrets, without their quotes.
    #[must_use]
    pub(crate) fn secrets(&self) -> Vec<Range<u32>> {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let inner = |leaf: &Leaf| number(leaf.at.start + 1)..number(leaf.at.end.saturating_sub(1));
        let secret = |leaf: &&Leaf| leaf.is_secret();
        self.leaves.iter().filter(secret).map(inner).collect()
    }

    /// As what the gate releases.
    #[must_use]
    pub fn batch(self) -> (Batch, Box<dyn Rewrite>) {
        let mut drawing = Drawing {
            text: Vec::with_capacity(self.wire.len()),
            cells: Vec::with_capacity(self.leaves.len()),
            shown: Vec::with_capacity(self.leaves.len()),
        };
        for (index, leaf) in self.leaves.iter().enumerate() {
            match &leaf.form {
                Form::Nested(copy) if leaf.role == Role::Plain => {
                    for (inner, leaf) in copy.leaves.iter().enumerate() {
                        drawing.show(leaf, &copy.text, index, Some(inner));
                    }
                }
                _ => drawing.show(leaf, &self.wire, index, None),
            }
        }
        let Drawing { text, cells, shown } = drawing;
        let [plain, secret] = &*SHAPES;
        let shape = match cells.iter().any(|cell| cell.column > 0) {
            true => secret,
            false => plain,
        };
        let batch = Batch {
            kind: BatchKind::Rows,
            shape: Arc::clone(shape),
            text: text.into(),
            cells,
            rows: self.objects,
            wire: self.wire.clone(),
        };
        let rewrite = Box::new(Redraw {
            wire: self.wire,
            leaves: self.leaves,
            shown,
        });
        (batch, rewrite)
    }
}

/// Which leaf a cell shows.
struct Shown {
    leaf: usize,
    /// The leaf within a nested one.
    inner: Option<usize>,
    /// Bytes in front of the value that are not its own.
    lead: usize,
}

/// A batch in the making.
struct Drawing {
    text: Vec<u8>,
    cells: Vec<Cell>,
    shown: Vec<Shown>,
}

impl Drawing {
    fn show(&mut self, leaf: &Leaf, bytes: &[u8], index: usize, inner: Option<usize>) {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = self.text.len();
        if let Some(called) = &leaf.called {
            self.text.extend_from_slice(called.as_bytes());
            self.text.push(b'=');
        }
        let lead = self.text.len() - start;
        self.text.extend_from_slice(&leaf.says(bytes));
        self.cells.push(Cell {
            column: match leaf.role {
                Role::Plain | Role::Blob => 0,
                Role::Secret | Role::SecretBlob => 1,
            },
            start: number(start),
            end: number(self.text.len()),
        });
        self.shown.push(Shown {
            leaf: index,
            inner,
            lead,
        });
        self.text.push(b'\n');
    }
}

/// Writes the piece again.
struct Redraw {
    wire: Bytes,
    leaves: Vec<Leaf>,
    shown: Vec<Shown>,
}

/// What stands at a place instead.
type Change = (Range<usize>, Vec<u8>);

impl Rewrite for Redraw {
    fn rewrite(self: Box<Self>, batch: &Batch, edits: &Edits) -> Result<Bytes, Fault> {
        let mut spans = edits.spans.as_slice();
        let mut changes: Vec<Change> = Vec::new();
        let mut within: Vec<Change> = Vec::new();
        let mut cells = self.shown.iter().enumerate().peekable();
        while let Some((number, shown)) = cells.next() {
            let cell = batch.cells.get(number).ok_or_else(misfit)?;
            let count = spans
                .iter()
                .take_while(|s| s.cell as usize == number)
                .count();
            let (mine, rest) = spans.split_at(count);
            spans = rest;
            let wanted = Wanted {
                whole: edits.columns.iter().find(|m| m.column == cell.column),
                spans: mine,
                lead: shown.lead,
            };
            let leaf = self.leaves.get(shown.leaf).ok_or_else(misfit)?;
            let (Form::Nested(copy), Some(inner)) = (&leaf.form, shown.inner) else {
                changes.extend(wanted.change(leaf, &self.wire)?);
                continue;
            };
            let inner = copy.leaves.get(inner).ok_or_else(misfit)?;
            within.extend(wanted.change(inner, &copy.text)?);
            let more = cells.peek().is_some_and(|(_, n)| n.leaf == shown.leaf);
            if !more && !within.is_empty() {
                let redrawn = splice(&copy.text, &std::mem::take(&mut within))?;
                changes.push((leaf.at.clone(), leaf.written(&self.wire, &redrawn)));
            }
        }
        match spans.is_empty() {
            true => splice(&self.wire, &changes).map(Bytes::from),
            false => Err(misfit()),
        }
    }
}

/// What is to be changed in one leaf.
struct Wanted<'e> {
    whole: Option<&'e ColumnMask>,
    spans: &'e [SpanEdit],
    lead: usize,
}

impl Wanted<'_> {
    fn change(&self, leaf: &Leaf, bytes: &[u8]) -> Result<Option<Change>, Fault> {
        if let Some(mask) = self.whole {
            let masked = leaf.masked(bytes, mask.strategy, &mask.label);
            return Ok(Some((leaf.at.clone(), masked)));
        }
        if self.spans.is_empty() {
            return Ok(None);
        }
        let said = leaf.says(bytes);
        let mut out = Vec::with_capacity(said.len());
        let mut from = 0;
        let mut changed = false;
        for span in self.spans {
            let start = (span.start as usize).saturating_sub(self.lead).max(from);
            let end = (span.end as usize).saturating_sub(self.lead);
            if end > said.len() || span.start > span.end {
                return Err(misfit());
            }
            if end <= start {
                // It lies in the name, which stays.
                continue;
            }
            out.extend_from_slice(said.get(from..start).ok_or_else(misfit)?);
            out.extend_from_slice(&marked(span));
            from = end;
            changed = true;
        }
        out.extend_from_slice(said.get(from..).unwrap_or_default());
        Ok(changed.then(|| (leaf.at.clone(), leaf.written(bytes, &out))))
    }
}

/// What stands in the place of a part of a value. A token keeps the form of what it stands for and would not be known when
/// the object is written again: the marker stands there instead.
fn marked(span: &SpanEdit) -> Bytes {
    // The label names who found it first, and then what it is.
    let entity = span.label.rsplit('/').next().unwrap_or_default();
    match memmem::find(&span.replacement, MASK_MARKER.as_bytes()) {
        Some(_) => span.replacement.clone(),
        None => mask_text(entity, None).into(),
    }
}

/// The bytes with the changes made.
fn splice(bytes: &[u8], changes: &[Change]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for (at, instead) in changes {
        out.extend_from_slice(bytes.get(from..at.start).ok_or_else(misfit)?);
        out.extend_from_slice(instead);
        from = at.end;
    }
    out.extend_from_slice(bytes.get(from..).ok_or_else(misfit)?);
    Ok(out)
}

fn misfit() -> Fault {
    Fault::bare(Blame::Plugin, "edit a value of an answer")
}
