//! DataRow frames as a batch. Rows of text cost one pass over the frames and no copy. Refuses a row that has
//! another number of columns than its description.

use super::apply::Apply;
use super::collect::Collect;
use super::cursor::Cursor;
use super::frames::{Frames, HEADER, bounded, broken, length};
use super::kind::Kind;
use super::pass::{Outcome, Span, Splice};
use super::shape;
use super::walk::walk;
use super::whole::{field, uniform, whole};
use bytes::Bytes;
use portcullis_gate::Rewrite;
use portcullis_model::rows::Column;
use portcullis_model::{Batch, BatchKind, Cell, Edits, Fault, RowShape};
use std::sync::Arc;

const DATA_ROW: u8 = b'D';

/// The rows of one result.
pub struct Rows {
    plan: Arc<Plan>,
}

struct Plan {
    shape: Arc<RowShape>,
    kinds: Vec<Kind>,
    /// True when every cell is its received bytes.
    plain: bool,
}

impl Rows {
    /// The plan of a result: `description` is the body of its RowDescription, `formats` the
    /// result-column format codes of the Bind that made the portal (0, 1 or n of them; `None` for a
    /// simple query: as described). `serial` is below [`shape::FIRST_RESERVED_SERIAL`].
    ///
    /// # Errors
    /// A `Fault` of the upstream when the description or the formats do not fit.
    pub fn new(description: &[u8], formats: Option<&[i16]>, serial: u32) -> Result<Self, Fault> {
        let columns = shape::described(description, formats)?;
        let kinds: Vec<Kind> = columns
            .iter()
            .map(|c| Kind::of(c.type_oid, c.binary))
            .collect();
        let plain = kinds.iter().all(|kind| kind.plain());
        let shape = Arc::new(RowShape { serial, columns });
        Ok(Self {
            plan: Arc::new(Plan {
                shape,
                kinds,
                plain,
            }),
        })
    }

    /// The columns.
    #[must_use]
    #[cfg(test)]
    pub fn shape(&self) -> &Arc<RowShape> {
        &self.plan.shape
    }

    /// A batch of consecutive whole DataRow frames, tag and length included.
    ///
    /// # Errors
    /// A `Fault` of the upstream when a frame does not fit its own lengths or the description.
    pub fn batch(&self, frames: Bytes) -> Result<(Batch, Box<dyn Rewrite>), Fault> {
        bounded(&frames)?;
        let (text, cells, rows) = match self.plan.plain {
            true => self.plan.plain_cells(&frames)?,
            false => self.plan.cells(&frames)?,
        };
        let batch = Batch {
            kind: BatchKind::Rows,
            shape: self.plan.shape.clone(),
            text,
            cells,
            rows,
            wire: frames.clone(),
        };
        let plan = self.plan.clone();
        Ok((batch, Box::new(RowsRewrite { plan, frames })))
    }
}

fn misfit() -> Fault {
    broken("read a DataRow")
}

impl Plan {
    /// A column that is no relation's own.
    fn expression(&self, column: usize) -> Option<&Column> {
        let column = self.shape.columns.get(column);
        column.filter(|column| column.table_oid == 0)
    }

    /// The fast path: cells are ranges of the frames.
    fn plain_cells(&self, frames: &Bytes) -> Result<(Bytes, Vec<Cell>, u32), Fault> {
        let mut rest: &[u8] = frames;
        let mut cells = Vec::new();
        let mut rows = 0_u32;
        let mut at = 0_u32;
        while let Some((&[DATA_ROW, a, b, c, d, e, f], after)) = rest.split_first_chunk::<7>() {
            let count = i16::from_be_bytes([e, f]);
            if usize::try_from(count) != Ok(self.kinds.len()) {
                return Err(misfit());
            }
            let size = i32::from_be_bytes([a, b, c, d]);
            let body = usize::try_from(size).ok().and_then(|s| s.checked_sub(6));
            let (row, next) = body
                .and_then(|body| after.split_at_checked(body))
                .ok_or_else(misfit)?;
            if rows == 0 {
                cells.reserve(self.kinds.len() * (frames.len() / (row.len() + 7) + 1));
            }
            plain_row(row, at + 7, self.kinds.len(), &mut cells).ok_or_else(misfit)?;
            // The frames are bounded, so this cannot wrap.
            at = at.wrapping_add_signed(size).wrapping_add(1);
            rows += 1;
            rest = next;
        }
        match rest.is_empty() {
            true => Ok((frames.clone(), cells, rows)),
            false => Err(misfit()),
        }
    }

    fn cells(&self, frames: &Bytes) -> Result<(Bytes, Vec<Cell>, u32), Fault> {
        let mut collect = Collect::new(frames.clone());
        let mut rows = 0;
        for body in Frames::new(frames, DATA_ROW) {
            let body = body?;
            let mut row = Row::new(frames, body.start, body.end, self.kinds.len())?;
            for (column, kind) in self.kinds.iter().enumerate() {
                if let Some(value) = row.next()?.value {
                    collect.column(column);
                    walk(*kind, value, &mut collect)?;
                }
            }
            row.finish()?;
            rows += 1;
        }
        let (text, cells) = collect.finish();
        Ok((text, cells, rows))
    }
}

/// The cells of one row of text that starts at `at`.
fn plain_row(row: &[u8], mut at: u32, columns: usize, cells: &mut Vec<Cell>) -> Option<()> {
    let mut rest = row;
    for column in 0..columns {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        at += 4;
        rest = after;
        if length == -1 {
            continue;
        }
        let length = u32::try_from(length).ok()?;
        rest = rest.get(length as usize..)?;
        cells.push(Cell {
            column: column as u32,
            start: at,
            end: at + length,
        });
        at += length;
    }
    rest.is_empty().then_some(())
}

/// The fields of one row.
struct Row<'a> {
    frames: &'a [u8],
    start: usize,
    cursor: Cursor<'a>,
}

/// A field: where it stands with its length prefix, and its value unless it is NULL.
struct Field<'a> {
    start: usize,
    end: usize,
    value: Option<Span<'a>>,
}

impl<'a> Row<'a> {
    fn new(frames: &'a [u8], start: usize, end: usize, columns: usize) -> Result<Self, Fault> {
        let body = frames.get(start..end).ok_or_else(misfit)?;
        let mut cursor = Cursor::new(body);
        match cursor.count() {
            Some(count) if count == columns => Ok(Self {
                frames,
                start,
                cursor,
            }),
            _ => Err(misfit()),
        }
    }

    fn next(&mut self) -> Result<Field<'a>, Fault> {
        let start = self.start + self.cursor.position();
        let value = self.cursor.value().ok_or_else(misfit)?;
        let end = self.start + self.cursor.position();
        let bytes = self.frames.get(start + 4..end);
        Ok(Field {
            start,
            end,
            value: value
                .and(bytes)
                .map(|bytes| Span::received(bytes, start + 4)),
        })
    }

    fn finish(self) -> Result<(), Fault> {
        match self.cursor.is_empty() {
            true => Ok(()),
            false => Err(misfit()),
        }
    }
}

struct RowsRewrite {
    plan: Arc<Plan>,
    frames: Bytes,
}

impl Rewrite for RowsRewrite {
    fn rewrite(self: Box<Self>, batch: &Batch, edits: &Edits) -> Result<Bytes, Fault> {
        let mut apply = Apply::new(batch, edits)?;
        let frames = &self.frames;
        let mut out = Vec::with_capacity(frames.len() + frames.len() / 4);
        for body in Frames::new(frames, DATA_ROW) {
            let body = body?;
            let start = body.start.saturating_sub(HEADER);
            let frame = frames.get(start..body.end).ok_or_else(misfit)?;
            match self.row(start, body.end, &mut apply)? {
                None => out.extend_from_slice(frame),
                Some(row) => {
                    out.push(DATA_ROW);
                    out.extend_from_slice(&length(row.len().saturating_sub(1))?);
                    out.extend_from_slice(row.get(HEADER..).ok_or_else(misfit)?);
                }
            }
        }
        apply.finish()?;
        Ok(out.into())
    }
}

impl RowsRewrite {
    /// The whole frame with its edits, its length still the old one; `None` when nothing changed.
    fn row(
        &self,
        start: usize,
        end: usize,
        apply: &mut Apply<'_>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let kinds = &self.plan.kinds;
        let frame = self.frames.get(start..end).ok_or_else(misfit)?;
        let mut splice = Splice::new(frame);
        let mut row = Row::new(&self.frames, start + HEADER, end, kinds.len())?;
        for (column, kind) in kinds.iter().enumerate() {
            let at = row.next()?;
            apply.begin(column, false);
            let mut outcome = Outcome::Same;
            if let Some(value) = at.value {
                outcome = walk(*kind, value, apply)?;
                if let Some(mask) = apply.end(column) {
                    outcome = whole(*kind, value.bytes, &mask, apply.stand_in())?;
                }
            }
            if let Some(expression) = self.plan.expression(column)
                && let Some(mask) = apply.mask(column)
            {
                outcome = uniform(*kind, expression.type_oid, mask)?;
            }
            if let Some(new) = field(outcome)? {
                splice.replace(at.start - start..at.end - start, &new);
            }
        }
        row.finish()?;
        Ok(splice.finish())
    }
}
