//! Which columns of a result are masked whole, from provenance. Pure: shape, facts, rules and a catalog
//! in, one treatment per column out.
//!
//! Provenance alone fails open on any expression, so a column without it, in a statement that can read
//! a protected relation, is masked whole unless the facts prove its expression clean. What the catalog
//! does not know counts as protected.

use crate::lineage::{Names, Traced};
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

/// Errors that name only what the statement itself says: undefined or ambiguous column, grouping, types,
/// rights, cancelled, serialization, deadlock, read-only. Casts of values raise other codes.
const NAMES_ONLY: [&[u8; 5]; 11] = [
    b"42703", b"42702", b"42803", b"42804", b"42501", b"57014", b"40001", b"40P01", b"25006",
    b"25P02", b"25001",
];

/// The treatment of each column, and the relations that have to be looked up first for a better answer.
#[must_use]
pub fn treat(
    shape: &RowShape,
    facts: Option<&Facts>,
    obligations: &Obligations,
    catalog: &dyn Catalog,
    reshaped: bool,
    shown: Option<&[Traced]>,
) -> (Vec<Treatment>, Vec<u32>) {
    if obligations.columns.is_empty() {
        return (vec![Treatment::Scan; shape.columns.len()], Vec::new());
    }
    let judge = Judge {
        obligations,
        catalog,
        reshaped,
    };
    let mut unknown = Vec::new();
    let expressions = judge.expressions(shape, facts, shown);
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

/// The strings of an error or notice: masked whole when the statement behind it could have put a
/// protected value there, which detectors miss once it is re-encoded.
pub(crate) fn treat_report(
    shape: &RowShape,
    code: Option<[u8; 5]>,
    facts: Option<&Facts>,
    obligations: &Obligations,
    catalog: &dyn Catalog,
    reshaped: bool,
) -> Vec<Treatment> {
    let judge = Judge {
        obligations,
        catalog,
        reshaped,
    };
    let harmless =
        |s: &StatementFacts| judge.suspicion(s).is_none() || (s.transparent && names_only(code));
    let clear =
        obligations.columns.is_empty() || facts.is_some_and(|f| f.statements.iter().all(harmless));
    let treatment = match clear {
        true => Treatment::Scan,
        false => whole("protected", Strategy::Redact),
    };
    vec![treatment; shape.columns.len()]
}

fn names_only(code: Option<[u8; 5]>) -> bool {
    code.is_some_and(|code| NAMES_ONLY.contains(&&code))
}

/// The column of values that are secrets by where they stand, whatever they look like: the data of a Secret.
const SECRET: &str = "secret";

/// The values of an object: what is a secret by where it stands is masked whole wherever secrets are masked at all.
pub(crate) fn treat_object(shape: &RowShape, obligations: &Obligations) -> Vec<Treatment> {
    let named = |name: &str| obligations.entities.iter().find(|r| r.entity == name);
    let secrets = named("SECRET").or_else(|| named("*"));
    shape
        .columns
        .iter()
        .map(|column| match secrets {
            Some(rule) if column.name == SECRET => whole(SECRET, rule.strategy),
            _ => Treatment::Scan,
        })
        .collect()
}

/// The protected column that a writing statement would copy to where its mask does not follow.
pub(crate) fn moved(
    facts: &Facts,
    obligations: &Obligations,
    catalog: &dyn Catalog,
) -> Option<String> {
    if obligations.columns.is_empty() {
        return None;
    }
    let judge = Judge {
        obligations,
        catalog,
        reshaped: false,
    };
    facts
        .statements
        .iter()
        .filter(|s| !s.moves.is_empty())
        .find_map(|statement| {
            let tag = judge.protected_relation(statement)?;
            let renames = !judge.plain_tables(statement);
            statement
                .moves
                .iter()
                .any(|name| {
                    renames || name == "*" || !judge.clean(std::slice::from_ref(name), statement)
                })
                .then(|| tag.to_string())
        })
}

fn whole(tag: &str, strategy: Strategy) -> Treatment {
    Treatment::Whole {
        strategy,
        tag: Arc::from(tag),
    }
}

/// True when the server's own names are those of the trace: a `*` may have changed since.
fn fits(shape: &RowShape, shown: &[Traced]) -> bool {
    let same = |(column, traced): (&Column, &Traced)| {
        traced.name.as_ref().is_none_or(|name| *name == column.name)
    };
    shape.columns.len() == shown.len() && shape.columns.iter().zip(shown).all(same)
}

/// True for the table of a rule, by schema and name, for what it is derived from and what is derived from it.
pub(crate) fn kin(table: (&str, &str), relation: &Relation, catalog: &dyn Catalog) -> bool {
    let same = |r: &Relation| (r.schema.as_str(), r.name.as_str()) == table;
    let derived = |other: &Relation| {
        relation.sources.contains(&other.oid) || other.sources.contains(&relation.oid)
    };
    let named = || catalog.named(table.1);
    same(relation) || named().iter().any(|other| same(other) && derived(other))
}

/// Rules and the catalog that says what they mean.
pub(crate) struct Judge<'a> {
    pub(crate) obligations: &'a Obligations,
    pub(crate) catalog: &'a dyn Catalog,
    /// The session has changed structure: names may mean other relations than the catalog says.
    pub(crate) reshaped: bool,
}

impl<'a> Judge<'a> {
    /// Rules on the relation itself, on what it is derived from, and on what is derived from it.
    pub(crate) fn rules_on<'r>(
        &'r self,
        relation: &'r Relation,
    ) -> impl Iterator<Item = &'a ColumnRule> + use<'a, 'r> {
        let rules = self.obligations.columns.iter();
        rules.filter(move |rule| kin((&rule.schema, &rule.table), relation, self.catalog))
    }
}

impl Judge<'_> {
    /// A column that comes straight from a relation.
    fn column(&self, column: &Column, relation: &Relation) -> Treatment {
        let place = usize::try_from(column.attnum)
            .ok()
            .and_then(|n| n.checked_sub(1));
        let name = place.and_then(|n| relation.columns.get(n));
        match (name, relation.table) {
            // A base column of a table: the rules of the table, its parents and its children decide.
            (Some(name), true) => self
                .rules_on(relation)
                .find(|rule| rule.column == *name)
                .map_or(Treatment::Scan, |rule| whole(&rule.tag, rule.strategy)),
            // A view of which it is known what it makes of the column.
            (Some(_), false) if place.is_some_and(|n| self.origins(relation, n).is_clean()) => {
                Treatment::Scan
            }
            // Another view may rename: everything that comes out of it counts. Whole rows likewise, and
            // system columns are never values.
            (None, true) if column.attnum < 0 => Treatment::Scan,
            _ => self
                .rules_on(relation)
                .next()
                .map_or(Treatment::Scan, |rule| whole(&rule.tag, Strategy::Redact)),
        }
    }

    /// The treatment of each column should it turn out to be an expression.
    fn expressions(
        &self,
        shape: &RowShape,
        facts: Option<&Facts>,
        shown: Option<&[Traced]>,
    ) -> Vec<Treatment> {
        let count = shape.columns.len();
        let Some(facts) = facts else {
            return vec![whole("unknown-statement", Strategy::Redact); count];
        };
        let suspect = facts.statements.iter().find_map(|s| self.suspicion(s));
        let Some(tag) = suspect else {
            return match facts.statements.as_slice() {
                [only] => self.calls(only, count),
                _ => vec![Treatment::Scan; count],
            };
        };
        if let Some(shown) = shown.filter(|shown| fits(shape, shown)) {
            return shown.iter().map(|c| self.traced(c, &tag)).collect();
        }
        // Only a text with one statement says which statement a result belongs to.
        let outputs = match facts.statements.as_slice() {
            [only] if self.plain_tables(only) => only.outputs.as_deref(),
            _ => None,
        };
        (0..count)
            .map(|index| match outputs {
                Some(outputs) if outputs.len() == count => match outputs.get(index) {
                    Some(reads)
                        if facts
                            .statements
                            .first()
                            .is_some_and(|s| self.clean(reads, s)) =>
                    {
                        Treatment::Scan
                    }
                    _ => whole(&tag, Strategy::Redact),
                },
                _ => whole(&tag, Strategy::Redact),
            })
            .collect()
    }

    /// The treatment of an expression whose origins are known.
    fn traced(&self, column: &Traced, otherwise: &Arc<str>) -> Treatment {
        match self.rules_behind(&column.origins).first() {
            Some(rule) => whole(&rule.tag, Strategy::Redact),
            None if column.origins.is_clean() => Treatment::Scan,
            None => whole(otherwise, Strategy::Redact),
        }
    }

    /// True where a statement reads something protected, or something that nobody knows.
    pub(crate) fn concerns(&self, statement: &StatementFacts) -> bool {
        let now = Judge {
            reshaped: false,
            ..*self
        };
        now.protected_relation(statement).is_some()
    }

    /// Columns of a statement over harmless relations: a name that is no column of theirs may be a function
    /// called on the whole row, and a function may read anything.
    fn calls(&self, statement: &StatementFacts, count: usize) -> Vec<Treatment> {
        let treatment =
            |reads: &Vec<String>| match reads.iter().all(|n| self.a_column(n, statement)) {
                true => Treatment::Scan,
                false => whole("opaque-expression", Strategy::Redact),
            };
        match &statement.outputs {
            Some(outputs) if outputs.len() == count => outputs.iter().map(treatment).collect(),
            _ => vec![Treatment::Scan; count],
        }
    }

    fn a_column(&self, name: &String, statement: &StatementFacts) -> bool {
        statement
            .objects
            .iter()
            .filter(|o| o.kind == "table")
            .any(|object| {
                self.catalog
                    .named(&object.name)
                    .iter()
                    .any(|r| r.columns.contains(name))
            })
    }

    /// Why a statement may show a protected value, if it may.
    fn suspicion(&self, statement: &StatementFacts) -> Option<Arc<str>> {
        if !statement.transparent {
            return Some(Arc::from("opaque-expression"));
        }
        self.protected_relation(statement)
    }

    /// Why the relations that a statement names may hold a protected value, if they may.
    fn protected_relation(&self, statement: &StatementFacts) -> Option<Arc<str>> {
        let mut tables = statement
            .objects
            .iter()
            .filter(|o| o.kind == "table")
            .peekable();
        if self.reshaped && tables.peek().is_some() {
            return Some(Arc::from("changed-structure"));
        }
        tables.find_map(|object| {
            let known = self.catalog.named(&object.name);
            if known.is_empty() && object.write {
                // What is being created cannot hold anything yet.
                return None;
            }
            if known.is_empty() {
                // The catalog leaves out what shows values of other tables or sessions (pg_stats, …).
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

    /// True when each of these names is a column of one of the statement's relations, and none of them is
    /// protected anywhere. A name that is no column may be a function called on the whole row.
    fn clean(&self, reads: &[String], statement: &StatementFacts) -> bool {
        let protected = |name: &String| {
            self.obligations
                .columns
                .iter()
                .any(|rule| rule.column == *name)
        };
        reads
            .iter()
            .all(|name| self.a_column(name, statement) && !protected(name))
    }
}

#[cfg(test)]
#[path = "treatment_tests.rs"]
mod tests;
