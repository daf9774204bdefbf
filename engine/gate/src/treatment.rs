//! Which columns of a result are masked whole, from provenance. Pure: shape, facts, rules and a catalog
//! in, one treatment per column out.
//!
//! Provenance alone fails open on any expression, so a column without it, in a statement that can read
//! a protected relation, is masked whole unless the facts prove its expression clean. What the catalog
//! does not know counts as protected.

use crate::seams::{Catalog, Relation};
use portcullis_model::rows::{Column, RowShape};
use portcullis_model::{ColumnRule, Facts, Obligations, StatementFacts, Strategy};
use std::sync::Arc;

/// What happens to a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Detectors look at each value.
    Scan,
    /// Every value is replaced.
    Whole {
        /// How.
        strategy: Strategy,
        /// What stands in the marker.
        tag: Arc<str>,
    },
}

/// System relations that hold values of other tables or other sessions' statements.
const TELLTALES: [&str; 6] = [
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stat_activity",
];

/// The treatment of each column, and the relations that have to be looked up first for a better answer.
#[must_use]
pub fn treat(
    shape: &RowShape,
    facts: Option<&Facts>,
    obligations: &Obligations,
    catalog: &dyn Catalog,
) -> (Vec<Treatment>, Vec<u32>) {
    if obligations.columns.is_empty() {
        return (vec![Treatment::Scan; shape.columns.len()], Vec::new());
    }
    let judge = Judge {
        obligations,
        catalog,
    };
    let mut unknown = Vec::new();
    let expressions = judge.expressions(shape, facts);
    let treatments = shape
        .columns
        .iter()
        .zip(expressions)
        .map(|(column, expression)| match column.table_oid {
            0 => expression,
            oid => match catalog.relation(oid) {
                Some(relation) => judge.column(column, &relation),
                None => {
                    unknown.push(oid);
                    whole("unknown-relation", Strategy::Redact)
                }
            },
        })
        .collect();
    (treatments, unknown)
}

fn whole(tag: &str, strategy: Strategy) -> Treatment {
    Treatment::Whole {
        strategy,
        tag: Arc::from(tag),
    }
}

struct Judge<'a> {
    obligations: &'a Obligations,
    catalog: &'a dyn Catalog,
}

impl Judge<'_> {
    /// A column that comes straight from a relation.
    fn column(&self, column: &Column, relation: &Relation) -> Treatment {
        let name = usize::try_from(column.attnum)
            .ok()
            .and_then(|n| n.checked_sub(1))
            .and_then(|n| relation.columns.get(n));
        match (name, relation.table) {
            // A base column of a table: the rules of the table, its parents and its children decide.
            (Some(name), true) => self
                .rules_on(relation)
                .find(|rule| rule.column == *name)
                .map_or(Treatment::Scan, |rule| whole(&rule.tag, rule.strategy)),
            // A view may rename: everything that comes out of it counts. Whole rows likewise, and
            // system columns are never values.
            (None, true) if column.attnum < 0 => Treatment::Scan,
            _ => self
                .rules_on(relation)
                .next()
                .map_or(Treatment::Scan, |rule| whole(&rule.tag, Strategy::Redact)),
        }
    }

    /// Rules on the relation itself, on what it is derived from, and on what is derived from it.
    fn rules_on<'r>(&'r self, relation: &'r Relation) -> impl Iterator<Item = &'r ColumnRule> {
        self.obligations.columns.iter().filter(move |rule| {
            let same = |r: &Relation| r.name == rule.table && r.schema == rule.schema;
            same(relation)
                || self.catalog.named(&rule.table).iter().any(|protected| {
                    same(protected)
                        && (relation.sources.contains(&protected.oid)
                            || protected.sources.contains(&relation.oid))
                })
        })
    }

    /// The treatment of each column should it turn out to be an expression.
    fn expressions(&self, shape: &RowShape, facts: Option<&Facts>) -> Vec<Treatment> {
        let count = shape.columns.len();
        let Some(facts) = facts else {
            return vec![whole("unknown-statement", Strategy::Redact); count];
        };
        let suspect = facts.statements.iter().find_map(|s| self.suspicion(s));
        let Some(tag) = suspect else {
            return vec![Treatment::Scan; count];
        };
        // Only a text with one statement says which statement a result belongs to.
        let outputs = match facts.statements.as_slice() {
            [only] if self.plain_tables(only) => only.outputs.as_deref(),
            _ => None,
        };
        (0..count)
            .map(|index| match outputs {
                Some(outputs) if outputs.len() == count => match outputs.get(index) {
                    Some(reads) if self.clean(reads) => Treatment::Scan,
                    _ => whole(&tag, Strategy::Redact),
                },
                _ => whole(&tag, Strategy::Redact),
            })
            .collect()
    }

    /// Why a statement may show a protected value, if it may.
    fn suspicion(&self, statement: &StatementFacts) -> Option<Arc<str>> {
        if !statement.transparent {
            return Some(Arc::from("opaque-expression"));
        }
        statement
            .objects
            .iter()
            .filter(|o| o.kind == "table")
            .find_map(|object| {
                if TELLTALES.contains(&object.name.as_str()) {
                    return Some(Arc::from("statistics"));
                }
                if object.name.starts_with("pg_")
                    || object.schema.as_deref() == Some("information_schema")
                {
                    return None;
                }
                let known = self.catalog.named(&object.name);
                if known.is_empty() {
                    return Some(Arc::from("unknown-relation"));
                }
                known.iter().find_map(|relation| {
                    self.rules_on(relation)
                        .next()
                        .map(|rule| Arc::from(&*rule.tag))
                })
            })
    }

    /// True when every relation it reads is an ordinary table: no view that renames.
    fn plain_tables(&self, statement: &StatementFacts) -> bool {
        statement.transparent
            && statement
                .objects
                .iter()
                .filter(|o| o.kind == "table")
                .all(|object| {
                    let known = self.catalog.named(&object.name);
                    !known.is_empty() && known.iter().all(|relation| relation.table)
                })
    }

    /// True when none of these column names is protected anywhere.
    fn clean(&self, reads: &[String]) -> bool {
        reads.iter().all(|name| {
            !self
                .obligations
                .columns
                .iter()
                .any(|rule| rule.column == *name)
        })
    }
}

#[cfg(test)]
#[path = "treatment_tests.rs"]
mod tests;
