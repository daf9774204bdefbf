//! Traces of the statements that a session runs again and again: worked out once for each outline, under the
//! rules, the catalog and the structure they were worked out with.
//!
//! Refuses to keep one when any of these has changed.

use super::*;
use crate::lineage::{Testing, Trace, Traced, testing, trace};
use crate::treatment::Judge;
use portcullis_model::{ColumnRule, Outline, Predicates, Requirement};

/// What is remembered.
#[derive(Default)]
pub(super) struct Traces {
    rules: BTreeSet<ColumnRule>,
    generation: u64,
    reshaped: bool,
    /// By the address of an outline, which the entry keeps alive.
    known: HashMap<usize, Known>,
}

struct Known {
    _outline: Arc<Outline>,
    trace: Arc<Trace>,
    testing: Option<Testing>,
}

impl Traces {
    fn of(&mut self, statement: &StatementFacts, judge: &Judge<'_>) -> Option<&Known> {
        let outline = statement.outline.as_ref()?;
        let generation = judge.catalog.generation();
        let same = self.generation == generation
            && self.reshaped == judge.reshaped
            && self.rules == judge.obligations.columns;
        if !same || self.known.len() >= limits::TRACES_MAX {
            self.known.clear();
            self.generation = generation;
            self.reshaped = judge.reshaped;
            if self.rules != judge.obligations.columns {
                self.rules.clone_from(&judge.obligations.columns);
            }
        }
        let address = Arc::as_ptr(outline) as usize;
        Some(self.known.entry(address).or_insert_with(|| {
            let trace = Arc::new(trace(outline, judge));
            Known {
                _outline: outline.clone(),
                testing: testing(Some(&trace), statement, judge),
                trace,
            }
        }))
    }
}

impl Gate {
    /// What policy has said about tests of protected columns, applied to what it has said about the
    /// statement.
    pub(super) fn within_predicates(
        &mut self,
        facts: &Facts,
        obligations: &Obligations,
        verdict: Verdict,
    ) -> Verdict {
        let open = |rule: &ColumnRule| rule.predicates == Predicates::Allow;
        if matches!(verdict, Verdict::Deny(_)) || obligations.columns.iter().all(open) {
            return verdict;
        }
        let catalog = self.parts.catalog.clone();
        let judge = Judge {
            obligations,
            catalog: &*catalog,
            reshaped: self.reshaped,
        };
        let mut asked: Vec<Requirement> = Vec::new();
        for statement in &facts.statements {
            let found = match self.traces.of(statement, &judge) {
                Some(known) => known.testing.clone(),
                None => testing(None, statement, &judge),
            };
            match found {
                Some(Testing::Deny(denial)) => return Verdict::Deny(denial),
                Some(Testing::Approve(more)) => {
                    for requirement in more {
                        if !asked.contains(&requirement) {
                            asked.push(requirement);
                        }
                    }
                }
                None => {}
            }
        }
        match (verdict, asked.is_empty()) {
            (verdict, true) => verdict,
            (Verdict::Hold(mut requirements), false) => {
                requirements.extend(asked);
                Verdict::Hold(requirements)
            }
            (_, false) => Verdict::Hold(asked),
        }
    }

    /// What the columns of a result are made of, where the text says which statement the result belongs to.
    pub(super) fn shown(
        &mut self,
        kind: BatchKind,
        facts: Option<&Facts>,
        obligations: &Obligations,
    ) -> Option<Vec<Traced>> {
        let statement = match facts?.statements.as_slice() {
            [only] => only,
            // What EXECUTE and FETCH stand for follows them.
            [name, inner] if matches!(name.verb.as_str(), "EXECUTE" | "FETCH") => inner,
            _ => return None,
        };
        let catalog = self.parts.catalog.clone();
        let judge = Judge {
            obligations,
            catalog: &*catalog,
            reshaped: self.reshaped,
        };
        let mut shown = self.traces.of(statement, &judge)?.trace.shown.clone()?;
        if kind == BatchKind::Copy {
            // A stream has no names to compare: the order that `*` has today may be another.
            if shown.iter().any(|column| column.starred) {
                return None;
            }
            shown.iter_mut().for_each(|column| column.name = None);
        }
        Some(shown)
    }
}
