//! What stands in the place of a value. The host computes it, so that no key and no policy enters a guest,
//! and every mask but a token begins with the marker that is refused when it comes back.
//!
//! It refuses to compute anything for a tenant without the tenant's key: the value is then redacted.

mod keys;
mod token;

use crate::error::LoadError;
use bytes::Bytes;
use keys::{Keys, Scope};
pub use keys::{TenantKey, WeakKey};
use portcullis_model::rows::{Column, mask_text};
use portcullis_model::{Batch, ColumnMask, SessionId, SpanEdit, Strategy};
pub(crate) use token::Width;

/// A value shorter than this shows no tail: four of eight characters are half of it.
const PARTIAL_CHARS_MIN: usize = 9;
const TAIL_CHARS: usize = 4;

/// A value that is to be masked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masked<'a> {
    /// What it is, in lower case: stands in the marker and separates the tokens of one entity from another's.
    pub(crate) entity: &'a str,
    /// Its bytes.
    pub(crate) value: &'a [u8],
    /// False when no part of it may be shown.
    pub(crate) tail: bool,
    /// What its column can hold.
    pub(crate) width: Width,
}

/// Makes masks.
#[derive(Debug)]
pub(crate) struct Marks {
    keys: Keys,
}

impl Marks {
    pub(crate) fn new() -> Result<Self, LoadError> {
        let keys = Keys::new().map_err(|why| LoadError::StartEngine(why.to_owned()))?;
        Ok(Self { keys })
    }

    /// The same, with another key of the tenant or none.
    pub(crate) fn with(&self, tenant: Option<TenantKey>) -> Self {
        Self {
            keys: self.keys.with(tenant),
        }
    }

    /// What stands in the place of a value.
    pub(crate) fn mark(&self, session: SessionId, strategy: Strategy, masked: Masked<'_>) -> Bytes {
        let Masked {
            entity,
            value,
            tail,
            width,
        } = masked;
        let keyed = match strategy {
            // A part of a cell cannot be NULL.
            Strategy::Redact | Strategy::Null => None,
            Strategy::Partial => {
                let tail = last_characters(value).filter(|_| tail);
                return mask_text(entity, tail).into();
            }
            Strategy::Hash => self.hash(Scope::Session(session), entity, value),
            Strategy::TenantHash => self.hash(Scope::Tenant, entity, value),
            Strategy::Token => self.token(Scope::Session(session), entity, value, width),
            Strategy::TenantToken => self.token(Scope::Tenant, entity, value, width),
        };
        keyed.unwrap_or_else(|| mask_text(entity, None)).into()
    }

    /// What stands in the place of each cell of columns whose mask needs a key: whole cells, in order.
    pub(crate) fn columns(
        &self,
        session: SessionId,
        batch: &Batch,
        masks: &[ColumnMask],
    ) -> Vec<SpanEdit> {
        let mut by_column: Vec<Option<&ColumnMask>> = vec![None; batch.shape.columns.len()];
        for mask in masks.iter().filter(|mask| mask.strategy.keyed()) {
            if let Some(slot) = by_column.get_mut(mask.column as usize) {
                *slot = Some(mask);
            }
        }
        let stand_in = |(number, cell): (u32, &portcullis_model::Cell)| {
            let mask = by_column.get(cell.column as usize).copied().flatten()?;
            let value = batch.text.get(cell.start as usize..cell.end as usize)?;
            let masked = Masked {
                entity: &mask.label,
                value,
                tail: false,
                width: Width::of(batch.shape.columns.get(cell.column as usize)),
            };
            Some(SpanEdit {
                cell: number,
                start: 0,
                end: cell.end - cell.start,
                replacement: self.mark(session, mask.strategy, masked),
                label: mask.label.clone(),
            })
        };
        (0..).zip(&batch.cells).filter_map(stand_in).collect()
    }

    fn hash(&self, scope: Scope, entity: &str, value: &[u8]) -> Option<String> {
        let hash = self.keys.hash(scope, entity, value)?;
        Some(mask_text(&format!("{entity} #{hash}"), None))
    }

    /// Nothing for what is no text: there is no form to keep.
    fn token(&self, scope: Scope, entity: &str, value: &[u8], width: Width) -> Option<String> {
        let value = std::str::from_utf8(value).ok()?;
        let form = token::Form::of(value);
        let mut stream = self
            .keys
            .stream(scope, entity, form.canonical().as_bytes())?;
        Some(form.token(&mut stream, width))
    }
}

impl Width {
    /// What a column can hold.
    pub(crate) fn of(column: Option<&Column>) -> Self {
        column.map_or(Self::Any, |column| Self::of_type(column.type_oid))
    }
}

/// The last four characters, where four are little of the whole and all of them can be shown.
fn last_characters(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (at, _) = text.char_indices().nth_back(TAIL_CHARS - 1)?;
    let enough = text.chars().nth(PARTIAL_CHARS_MIN - 1).is_some();
    let tail = text.get(at..)?;
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '{' | '}' | '[' | ']' | ',');
    (enough && tail.chars().all(plain)).then_some(tail)
}

#[cfg(test)]
mod tests;
