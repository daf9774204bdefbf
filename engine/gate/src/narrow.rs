//! Masks by path: which columns of a result are documents of which only parts are masked, instead of all of it.
//! Pure, and only ever an exception to what [`crate::treatment`] has decided: a rule for a part stands beside one
//! for its whole column, and holds where a value is certain to be that column's own, as it was stored.
//!
//! Refuses to narrow an expression, a view, a type that is no document, a column that another rule masks whole,
//! and anything in a session that has changed structure: there the whole value stays masked.

use crate::seams::{Catalog, Relation};
use crate::treatment::{Treatment, kin};
use portcullis_model::rows::{Column, DocumentMask, PathMask, RowShape};
use portcullis_model::{BatchKind, ColumnRule, DocumentRule, Facts, Obligations};
use std::sync::Arc;

/// `json`, `jsonb`, and text that may hold one: `text`, `bpchar`, `varchar` (`pg_type.dat`).
const DOCUMENTS: [u32; 5] = [114, 3802, 25, 1042, 1043];

/// A result as far as this has to know it.
pub(crate) struct Narrowing<'a> {
    pub kind: BatchKind,
    pub shape: &'a RowShape,
    pub facts: Option<&'a Facts>,
    pub obligations: &'a Obligations,
    pub catalog: &'a dyn Catalog,
    /// The session has changed structure.
    pub reshaped: bool,
}

/// The columns that are masked in part. Their treatment becomes a scan, which covers the rest of the document.
pub(crate) fn narrow(asked: &Narrowing<'_>, treatments: &mut [Treatment]) -> Vec<DocumentMask> {
    if asked.obligations.documents.is_empty() || asked.reshaped {
        return Vec::new();
    }
    let copied = asked.copied();
    let mut masks = Vec::new();
    for (index, treatment) in treatments.iter_mut().enumerate() {
        if let Treatment::Whole { .. } = treatment
            && let Some(parts) = asked.parts(index, copied.as_ref())
        {
            *treatment = Treatment::Scan;
            masks.push(DocumentMask {
                column: u32::try_from(index).unwrap_or(u32::MAX),
                parts,
            });
        }
    }
    masks
}

/// A table that is copied out, and its columns in order.
struct Copied {
    relation: Arc<Relation>,
    columns: Vec<String>,
}

impl Narrowing<'_> {
    /// What is masked of a column, if it is certain that parts are enough.
    fn parts(&self, index: usize, copied: Option<&Copied>) -> Option<Arc<[PathMask]>> {
        let column = self.shape.columns.get(index)?;
        let (relation, name) = match (self.kind, copied) {
            (BatchKind::Rows, _) => self.stored(column)?,
            (BatchKind::Copy, Some(copied)) => {
                (copied.relation.clone(), copied.columns.get(index)?.clone())
            }
            _ => return None,
        };
        let rules = &self.obligations.documents;
        let mut rules: Vec<&DocumentRule> = rules
            .iter()
            .filter(|rule| {
                rule.column == name && kin((&rule.schema, &rule.table), &relation, self.catalog)
            })
            .collect();
        let narrowed = |whole: &ColumnRule| {
            rules.iter().any(|rule| {
                (&rule.schema, &rule.table) == (&whole.schema, &whole.table)
                    && rule.column == whole.column
            })
        };
        let mut wholes = self.obligations.columns.iter().filter(|whole| {
            whole.column == name && kin((&whole.schema, &whole.table), &relation, self.catalog)
        });
        if rules.is_empty() || !wholes.all(narrowed) {
            return None;
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.strategy));
        let part = |rule: &&DocumentRule| PathMask {
            path: rule.path.clone(),
            strategy: rule.strategy,
            label: Arc::from(rule.tag.as_str()),
        };
        Some(rules.iter().map(part).collect())
    }

    /// A column that the server says is a table's own, of a type that holds documents.
    fn stored(&self, column: &Column) -> Option<(Arc<Relation>, String)> {
        let relation = self.catalog.relation(column.table_oid)?;
        let place = usize::try_from(column.attnum).ok()?.checked_sub(1)?;
        let name = relation.columns.get(place)?.clone();
        (relation.table && DOCUMENTS.contains(&column.type_oid)).then_some((relation, name))
    }

    /// `COPY table TO STDOUT`: the stream says nothing about its columns, the statement does.
    fn copied(&self) -> Option<Copied> {
        let [only] = self.facts?.statements.as_slice() else {
            return None;
        };
        let copy = only.copy.as_ref().filter(|copy| !copy.from)?;
        let (schema, table) = copy.relation.as_ref()?;
        let [relation] = <[Arc<Relation>; 1]>::try_from(self.catalog.named(table)).ok()?;
        let columns: Vec<String> = match copy.columns.is_empty() {
            false => copy.columns.clone(),
            // Dropped columns have no name; generated ones are not copied, and then the numbers differ.
            true => relation
                .columns
                .iter()
                .filter(|c| !c.is_empty())
                .cloned()
                .collect(),
        };
        let same = schema
            .as_ref()
            .is_none_or(|schema| *schema == relation.schema);
        (relation.table && same && columns.len() == self.shape.columns.len())
            .then_some(Copied { relation, columns })
    }
}

#[cfg(test)]
#[path = "narrow_tests.rs"]
mod tests;
