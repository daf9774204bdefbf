//! Lineage: which columns of which relations each column of a result is made of, and which of them a statement
//! tests. An outline says it by names; whoever has the catalog ([`Names`]) says what the names stand for.
//!
//! Names are resolved to everything they could mean: relations of that name in any schema, columns of that name
//! at any level around. That never leaves out what PostgreSQL's own rules (search_path, LATERAL, the innermost
//! level first) would choose. It refuses to guess: a name that nothing has is unknown, and unknown is masked.

mod bound;
mod origins;
mod rules;
mod select;

use crate::seams::Relation;
use bound::{Bound, Scope, Shared};
pub use origins::Origins;
use portcullis_model::limits;
use portcullis_model::outline::{Arm, Cte, Expression, Outline, Query, What};
pub(crate) use rules::{Testing, testing};
use std::sync::Arc;

/// What names stand for.
pub trait Names {
    /// All relations that may be meant; none means that nobody knows.
    fn relations(&self, schema: Option<&str>, name: &str) -> Vec<Arc<Relation>>;
    /// True where a name may also stand for a relation that nobody knows.
    fn open(&self) -> bool {
        false
    }
    /// What a column (by its place, from 0) of a relation is made of.
    fn origins(&self, relation: &Relation, place: usize) -> Origins;
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Its name, where the statement says it.
    pub name: Option<String>,
    /// What it is made of.
    pub origins: Origins,
    /// It came out of a `*`: its place follows the catalog.
    pub starred: bool,
}

/// What an outline comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The columns of the result, where they can be told.
    pub shown: Option<Vec<Traced>>,
    /// What is tested.
    pub tested: Origins,
}

/// Follows all names of an outline. Bounded by [`limits::TRACE_STEPS_MAX`].
#[must_use]
pub fn trace(outline: &Outline, names: &dyn Names) -> Trace {
    let mut tracer = Tracer {
        names,
        tested: Origins::default(),
        steps: 0,
    };
    let shown = outline
        .shown
        .as_ref()
        .and_then(|query| tracer.query(query, None));
    for query in &outline.beside {
        tracer.query(query, None);
    }
    let complete = tracer.count(0);
    let mut tested = tracer.tested;
    if outline.partial || !complete {
        tested.add(&Origins::untold());
    }
    Trace {
        shown: shown.filter(|_| complete),
        tested,
    }
}

struct Tracer<'n> {
    names: &'n dyn Names,
    tested: Origins,
    steps: usize,
}

impl Tracer<'_> {
    /// The columns of a query, where they can be told.
    fn query(&mut self, query: &Query, above: Option<&Scope<'_>>) -> Option<Vec<Traced>> {
        if !self.count(1) {
            return None;
        }
        let shared = self.shared(query, above);
        let scope = Scope {
            above,
            sources: &[],
            shared: &shared,
        };
        let columns = match query.arms.as_slice() {
            [Arm::Select(select)] => self.select(select, &query.order, &scope),
            arms => {
                let columns = self.united(arms, &scope);
                for key in &query.order {
                    let origins = self.key(key, columns.as_deref(), &scope, select::First::Result);
                    self.tested.add(&origins);
                }
                columns
            }
        };
        if query.compares {
            self.compares(columns.as_deref());
        }
        for limit in &query.limits {
            let origins = self.value(limit, &scope);
            self.tested.add(&origins);
        }
        columns
    }

    /// Whole rows are compared.
    fn compares(&mut self, columns: Option<&[Traced]>) {
        match columns {
            Some(columns) if self.count(weight(columns)) => {
                columns.iter().for_each(|c| self.tested.add(&c.origins));
            }
            _ => self.tested.add(&Origins::untold()),
        }
    }

    /// WITH: each name and its columns.
    fn shared(&mut self, query: &Query, above: Option<&Scope<'_>>) -> Vec<Shared> {
        let pending = |cte: &Cte| Shared {
            name: cte.name.clone(),
            columns: None,
        };
        if query.recursive {
            let mut shared: Vec<Shared> = query.ctes.iter().map(pending).collect();
            for (place, cte) in query.ctes.iter().enumerate() {
                self.recursive(cte, place, &mut shared, above);
            }
            return shared;
        }
        let mut shared: Vec<Shared> = Vec::with_capacity(query.ctes.len());
        for cte in &query.ctes {
            let scope = Scope {
                above,
                sources: &[],
                shared: &shared,
            };
            let columns = self.query(&cte.query, Some(&scope));
            shared.push(Shared {
                columns: columns.map(|columns| bound::renamed(columns, &cte.columns)),
                ..pending(cte)
            });
        }
        shared
    }

    /// A query that may read itself: from its first arm on, until nothing is added any more.
    fn recursive(
        &mut self,
        cte: &Cte,
        place: usize,
        shared: &mut [Shared],
        above: Option<&Scope<'_>>,
    ) {
        let first = match cte.query.arms.as_slice() {
            [first, _, ..] if cte.query.ctes.is_empty() => {
                let scope = Scope {
                    above,
                    sources: &[],
                    shared,
                };
                self.arm(first, &scope)
            }
            _ => None,
        };
        let mut known = first.map(|columns| bound::renamed(columns, &cte.columns));
        for _ in 0..limits::TRACE_ROUNDS_MAX {
            if let Some(shared) = shared.get_mut(place) {
                shared.columns = known.clone();
            }
            let scope = Scope {
                above,
                sources: &[],
                shared,
            };
            let next = self.query(&cte.query, Some(&scope));
            let next = next.map(|columns| bound::renamed(columns, &cte.columns));
            let next = match (&known, next) {
                (Some(known), Some(next)) => bound::united(known.clone(), next),
                (None, next) => next,
                (Some(_), None) => None,
            };
            if next == known {
                return;
            }
            known = next;
        }
        if let Some(shared) = shared.get_mut(place) {
            shared.columns = None;
        }
    }

    fn united(&mut self, arms: &[Arm], scope: &Scope<'_>) -> Option<Vec<Traced>> {
        // Every arm is looked at, for what it tests.
        let all: Vec<Option<Vec<Traced>>> = arms.iter().map(|arm| self.arm(arm, scope)).collect();
        all.into_iter()
            .reduce(|one, other| bound::united(one?, other?))
            .flatten()
    }

    fn arm(&mut self, arm: &Arm, scope: &Scope<'_>) -> Option<Vec<Traced>> {
        if !self.count(1) {
            return None;
        }
        match arm {
            Arm::Select(select) => self.select(select, &[], scope),
            Arm::Nested(query) => self.query(query, Some(scope)),
            Arm::Values(columns) => Some(
                columns
                    .iter()
                    .enumerate()
                    .map(|(place, value)| Traced {
                        name: Some(format!("column{}", place + 1)),
                        origins: self.value(value, scope),
                        starred: false,
                    })
                    .collect(),
            ),
        }
    }

    /// What a value is made of; what decides inside of it is noted as tested.
    fn value(&mut self, value: &Expression, scope: &Scope<'_>) -> Origins {
        let mut origins = Origins {
            unknown: value.opaque,
            ..Origins::default()
        };
        for read in &value.reads {
            if !self.count(1) {
                return Origins::untold();
            }
            let found = match &read.what {
                What::Column(parts) => self.column(parts, scope),
                What::Row(table) => self.row(table, scope),
                What::Query(query) => match self.query(query, Some(scope)) {
                    Some(columns) => Origins::all(columns.iter().map(|c| &c.origins)),
                    None => Origins::untold(),
                },
                What::Exists(query) => {
                    self.query(query, Some(scope));
                    Origins::default()
                }
            };
            if !self.count(found.weight()) {
                return Origins::untold();
            }
            if read.tested {
                self.tested.add(&found);
            }
            origins.add(&found);
        }
        origins
    }

    fn column(&mut self, parts: &[String], scope: &Scope<'_>) -> Origins {
        match parts {
            [name] => self.bare(name, scope),
            [.., table, name] => self.qualified(table, name, scope),
            [] => Origins::untold(),
        }
    }

    /// A bare name: a column of any source at any level, or a whole row.
    fn bare(&mut self, name: &str, scope: &Scope<'_>) -> Origins {
        let (mut origins, found) = self.searched(name, scope);
        if !found {
            origins.add(&Origins::untold());
        }
        origins
    }

    /// All that a bare name may stand for, and whether it is certain that it stands for something of that.
    fn searched(&mut self, name: &str, scope: &Scope<'_>) -> (Origins, bool) {
        let mut origins = Origins::default();
        let mut found = false;
        for source in scope.sources() {
            if !self.step(source) {
                return (Origins::untold(), true);
            }
            let before = found;
            for column in source.named(name) {
                origins.add(&column.origins);
                found = true;
            }
            if source.is(name) && found == before {
                origins.add(&source.row());
                found = true;
            }
            for column in source.nameless() {
                origins.add(&column.origins);
            }
            if let Some(rest) = source.rest(name) {
                origins.add(&rest);
                found = true;
            }
        }
        (origins, found)
    }

    /// `t.c`: a column of every source of that name. Where one has no such column it may be a call of a
    /// function on its row.
    fn qualified(&mut self, table: &str, name: &str, scope: &Scope<'_>) -> Origins {
        const SYSTEM: [&str; 6] = ["tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"];
        if !self.count(scope.sources().count()) {
            return Origins::untold();
        }
        let mut origins = Origins::default();
        let mut any = false;
        for source in scope.sources().filter(|source| source.is(table)) {
            if !self.step(source) {
                return Origins::untold();
            }
            any = true;
            let mut columns = source.named(name).peekable();
            let system = source.relation && SYSTEM.contains(&name);
            if (columns.peek().is_none() && !system) || source.lacking.contains(name) {
                origins.add(&source.otherwise(name));
            }
            columns.for_each(|column| origins.add(&column.origins));
            for column in source.nameless() {
                origins.add(&column.origins);
            }
        }
        match any {
            true => origins,
            false => Origins::untold(),
        }
    }

    fn row(&mut self, table: &str, scope: &Scope<'_>) -> Origins {
        let mut row = Origins::default();
        let mut any = false;
        for source in scope.sources() {
            let named = source.is(table);
            if !self.count(1 + usize::from(named) * weight(&source.columns)) {
                return Origins::untold();
            }
            if named {
                row.add(&source.row());
                any = true;
            }
        }
        match any {
            true => row,
            false => Origins::untold(),
        }
    }

    fn step(&mut self, source: &Bound) -> bool {
        self.count(source.columns.len().saturating_add(1))
    }

    /// Counts what is about to be looked at or copied; false when that is too much, and from then on.
    fn count(&mut self, more: usize) -> bool {
        self.steps = self.steps.saturating_add(more);
        self.steps <= limits::TRACE_STEPS_MAX
    }
}

/// What it costs to go over these columns, or to copy them.
fn weight(columns: &[Traced]) -> usize {
    columns
        .iter()
        .fold(0, |sum, c| sum.saturating_add(c.origins.weight()))
}

#[cfg(test)]
mod tests;
