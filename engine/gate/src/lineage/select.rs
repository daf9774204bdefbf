//! SELECT: its sources, joins, outputs and keys.
//!
//! Refuses: `*` over a source whose columns cannot be told makes the whole result unknown.

use super::bound::{Bound, More, Scope, renamed};
use super::{Origins, Traced, Tracer};
use crate::seams::Relation;
use portcullis_model::outline::{Join, Key, Output, Select, Shows, Source, SourceKind, Step};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The columns of one side of a join, in order, where they can be told.
type Side = Option<Vec<Traced>>;

impl Tracer<'_> {
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: &[Key],
        above: &Scope<'_>,
    ) -> Option<Vec<Traced>> {
        let mut sources: Vec<Bound> = Vec::with_capacity(select.from.len());
        let mut sides: Vec<Side> = Vec::with_capacity(select.from.len());
        for step in &select.from {
            match step {
                Step::Source(source) => {
                    let bound = self.bind(source, &level(above, &sources));
                    sides.push(bound.in_order());
                    sources.push(bound);
                }
                Step::Join(join) => self.join(join, above, &mut sources, &mut sides),
            }
        }
        let scope = level(above, &sources);
        for test in &select.tests {
            let origins = self.value(test, &scope);
            self.tested.add(&origins);
        }
        for aside in &select.aside {
            self.value(aside, &scope);
        }
        let columns = match &select.outputs {
            Some(outputs) => self.outputs(outputs, &sides, &scope),
            None => None,
        };
        for key in select.groups.iter().chain(order) {
            let origins = self.key(key, columns.as_deref(), &scope);
            self.tested.add(&origins);
        }
        if select.distinct {
            self.compares(columns.as_deref());
        }
        columns
    }

    fn outputs(
        &mut self,
        outputs: &[Output],
        sides: &[Side],
        scope: &Scope<'_>,
    ) -> Option<Vec<Traced>> {
        let mut columns: Side = Some(Vec::with_capacity(outputs.len()));
        let mut extend = |more: Side| {
            columns = columns.take().zip(more).map(|(mut columns, more)| {
                columns.extend(more);
                columns
            });
        };
        for output in outputs {
            match &output.shows {
                Shows::All => sides.iter().for_each(|side| extend(side.clone())),
                Shows::AllOf(table) => {
                    let mut sources = scope.sources().filter(|source| source.is(table));
                    // Which of two is meant, LATERAL decides.
                    extend(match (sources.next(), sources.next()) {
                        (Some(only), None) => only.in_order(),
                        _ => None,
                    });
                }
                Shows::Value(value) => extend(Some(vec![Traced {
                    name: output.name.clone(),
                    origins: self.value(value, scope),
                    starred: false,
                }])),
            }
        }
        columns
    }

    /// What rows are sorted or grouped by.
    pub(super) fn key(
        &mut self,
        key: &Key,
        columns: Option<&[Traced]>,
        scope: &Scope<'_>,
    ) -> Origins {
        match (key, columns) {
            (Key::Value(value), _) => self.value(value, scope),
            (Key::Place(place), Some(columns)) => match columns.get(place.wrapping_sub(1)) {
                Some(column) => column.origins.clone(),
                None => Origins::untold(),
            },
            (Key::Place(_), None) => Origins::untold(),
            (Key::Name(name), columns) => {
                let shown = columns.unwrap_or_default().iter();
                let same = |column: &&Traced| column.name.as_ref().is_none_or(|n| n == name);
                let known = shown
                    .clone()
                    .any(|column| column.name.as_ref() == Some(name));
                let mut origins = Origins::all(shown.filter(same).map(|column| &column.origins));
                if columns.is_none() {
                    origins.add(&Origins::untold());
                }
                let source = self.bare(name, scope);
                // A column of the result need not be one of a source.
                if !known || !source.untold {
                    origins.add(&source);
                }
                origins
            }
        }
    }

    fn bind(&mut self, source: &Source, scope: &Scope<'_>) -> Bound {
        let name = source.name.clone();
        match &source.kind {
            SourceKind::Relation {
                schema,
                name: of,
                real,
            } => {
                let shared = match schema.is_none() && !real {
                    true => scope.shared(of),
                    false => None,
                };
                match shared {
                    Some(shared) => result(name, shared.columns.clone(), &source.columns),
                    None => self.relation(schema.as_deref(), of, source),
                }
            }
            SourceKind::Query(query) => {
                let columns = self.query(query, Some(scope));
                result(name, columns, &source.columns)
            }
            SourceKind::Rows { value, columns } => {
                let origins = self.value(value, scope);
                let column = |name: &String| Traced {
                    name: Some(name.clone()),
                    origins: origins.clone(),
                    starred: true,
                };
                Bound {
                    name,
                    columns: columns.iter().map(column).collect(),
                    lacking: BTreeSet::new(),
                    relation: false,
                    more: More::Of(origins.clone()),
                }
            }
        }
    }

    /// Everything that a name of a relation may stand for.
    fn relation(&mut self, schema: Option<&str>, name: &str, source: &Source) -> Bound {
        let relations = self.names.relations(schema, name);
        let mut all = relations
            .iter()
            .map(|relation| self.columns(relation, source));
        let mut bound = Bound {
            name: source.name.clone(),
            columns: all.next().unwrap_or_default(),
            lacking: BTreeSet::new(),
            relation: true,
            more: match relations.is_empty() {
                true => More::Anything,
                false => More::Nothing,
            },
        };
        for other in all {
            also(&mut bound, other);
        }
        self.steps += bound.columns.len();
        bound
    }

    fn columns(&self, relation: &Arc<Relation>, source: &Source) -> Vec<Traced> {
        let columns = relation.columns.iter().enumerate();
        let columns = columns
            .filter(|(_, name)| !name.is_empty())
            .map(|(place, name)| Traced {
                name: Some(name.clone()),
                origins: self.names.origins(relation, place),
                starred: true,
            });
        renamed(columns.collect(), &source.columns)
    }

    fn join(
        &mut self,
        join: &Join,
        above: &Scope<'_>,
        sources: &mut Vec<Bound>,
        sides: &mut Vec<Side>,
    ) {
        let (right, left) = (sides.pop().flatten(), sides.pop().flatten());
        let using: Vec<String> = match (&left, &right) {
            (Some(left), Some(right)) if join.natural => {
                let common =
                    |c: &&Traced| right.iter().any(|r| r.name.is_some() && r.name == c.name);
                left.iter()
                    .filter(common)
                    .filter_map(|c| c.name.clone())
                    .collect()
            }
            _ => join.using.clone(),
        };
        if join.natural && (left.is_none() || right.is_none()) {
            self.tested.add(&Origins::untold());
        }
        let scope = level(above, sources);
        for name in &using {
            let origins = self.bare(name, &scope);
            self.tested.add(&origins);
        }
        if let Some(on) = &join.on {
            let origins = self.value(on, &scope);
            self.tested.add(&origins);
        }
        let joined = match (left, right) {
            (Some(left), Some(right)) => merged(left, right, &using),
            _ => None,
        };
        if let Some(name) = &join.using_alias {
            let columns = joined
                .as_ref()
                .map(|all| all.iter().take(using.len()).cloned());
            sources.push(result(
                Some(name.clone()),
                columns.map(Iterator::collect),
                &[],
            ));
        }
        sides.push(match &join.alias {
            Some((name, names)) => {
                let joined = joined.map(|columns| renamed(columns, names));
                sources.push(result(Some(name.clone()), joined.clone(), &[]));
                joined
            }
            None => joined,
        });
    }
}

/// Another relation of the same name, which may be the one that is meant.
fn also(bound: &mut Bound, other: Vec<Traced>) {
    let same = |a: &Traced, b: &Traced| a.name == b.name;
    let pairs = bound.columns.iter().zip(&other);
    if bound.columns.len() != other.len() || !pairs.clone().all(|(a, b)| same(a, b)) {
        bound.more = More::Unordered;
    }
    let alone = |these: &[Traced], those: &[Traced]| -> Vec<String> {
        let missing = these.iter().filter(|a| !those.iter().any(|b| same(a, b)));
        missing.filter_map(|column| column.name.clone()).collect()
    };
    bound.lacking.extend(alone(&bound.columns, &other));
    bound.lacking.extend(alone(&other, &bound.columns));
    for column in other {
        match bound.columns.iter_mut().find(|known| same(known, &column)) {
            Some(known) => known.origins.add(&column.origins),
            None => bound.columns.push(column),
        }
    }
}

/// The level of a SELECT with these sources.
fn level<'s>(above: &'s Scope<'s>, sources: &'s [Bound]) -> Scope<'s> {
    Scope {
        above: Some(above),
        sources,
        shared: &[],
    }
}

/// The result of a query as a source.
fn result(name: Option<String>, columns: Side, names: &[String]) -> Bound {
    let (columns, more) = match columns {
        Some(columns) => (renamed(columns, names), More::Nothing),
        None => (Vec::new(), More::Of(Origins::untold())),
    };
    Bound {
        name,
        columns,
        lacking: BTreeSet::new(),
        relation: false,
        more,
    }
}

/// The columns of a join: the merged ones, then what is left of either side.
fn merged(left: Vec<Traced>, right: Vec<Traced>, using: &[String]) -> Side {
    let is = |column: &Traced, name: &String| column.name.as_ref() == Some(name);
    let mut all = Vec::with_capacity(left.len() + right.len());
    for name in using {
        let mut both = left.iter().find(|c| is(c, name))?.clone();
        both.origins
            .add(&right.iter().find(|c| is(c, name))?.origins);
        all.push(both);
    }
    let rest = left.into_iter().chain(right);
    all.extend(rest.filter(|column| !using.iter().any(|name| is(column, name))));
    Some(all)
}
