//! SELECT: its sources, joins, outputs and keys.
//!
//! Refuses: `*` over a source whose columns cannot be told makes the whole result unknown.

use super::bound::{Bound, More, Scope, renamed};
use super::{Origins, Traced, Tracer, weight};
use crate::seams::Relation;
use portcullis_model::outline::{Join, Key, Output, Select, Shows, Source, SourceKind, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The columns of one side of a join, in order, where they can be told.
type Side = Option<Vec<Traced>>;

/// What a bare name stands for where a column of the result and one of a source both have it
/// (`findTargetlistEntrySQL92` in PostgreSQL's `parse_clause.c`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// ORDER BY.
    Result,
    /// GROUP BY. DISTINCT ON asks for the result first, and is taken for either.
    Source,
}

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
                    if !self.count(weight(&bound.columns)) {
                        return None;
                    }
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
        for key in &select.groups {
            let origins = self.key(key, columns.as_deref(), &scope, First::Source);
            self.tested.add(&origins);
        }
        for key in order {
            let origins = self.key(key, columns.as_deref(), &scope, First::Result);
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
        for output in outputs {
            // All of them are looked at, for what they test.
            let more = self.output(output, sides, scope);
            columns = columns.zip(more).map(|(mut columns, more)| {
                columns.extend(more);
                columns
            });
        }
        columns
    }

    fn output(&mut self, output: &Output, sides: &[Side], scope: &Scope<'_>) -> Side {
        match &output.shows {
            Shows::All => {
                let all: Option<Vec<&Vec<Traced>>> = sides.iter().map(Option::as_ref).collect();
                let all = all?;
                let cost = all.iter().map(|side| weight(side));
                let cost = cost.fold(0, usize::saturating_add);
                let copied = || all.into_iter().flatten().cloned().collect();
                self.count(cost).then(copied)
            }
            Shows::AllOf(table) => {
                let mut sources = scope.sources().filter(|source| source.is(table));
                // Which of two is meant, LATERAL decides.
                match (sources.next(), sources.next()) {
                    (Some(only), None) if self.count(weight(&only.columns)) => only.in_order(),
                    _ => None,
                }
            }
            Shows::Value(value) => {
                let origins = self.value(value, scope);
                self.count(origins.weight()).then(|| {
                    vec![Traced {
                        name: output.name.clone(),
                        origins,
                        starred: false,
                    }]
                })
            }
        }
    }

    /// What rows are sorted or grouped by.
    pub(super) fn key(
        &mut self,
        key: &Key,
        columns: Option<&[Traced]>,
        scope: &Scope<'_>,
        first: First,
    ) -> Origins {
        match (key, columns) {
            (Key::Value(value), _) => self.value(value, scope),
            (Key::Place(place), Some(columns)) => match columns.get(place.wrapping_sub(1)) {
                Some(column) => column.origins.clone(),
                None => Origins::untold(),
            },
            (Key::Place(_), None) => Origins::untold(),
            (Key::Name(name), columns) => {
                let shown = columns.unwrap_or_default();
                if !self.count(weight(shown)) {
                    return Origins::untold();
                }
                let same = |column: &&Traced| column.name.as_ref().is_none_or(|n| n == name);
                let known = shown.iter().any(|c| c.name.as_ref() == Some(name));
                let of_it = shown.iter().filter(same).map(|column| &column.origins);
                let mut origins = Origins::all(of_it);
                if known && first == First::Result {
                    return origins;
                }
                let (sources, found) = self.searched(name, scope);
                origins.add(&sources);
                if columns.is_none() || !(known || found) {
                    origins.add(&Origins::untold());
                }
                origins
            }
        }
    }

    fn bind(&mut self, source: &Source, scope: &Scope<'_>) -> Bound {
        let name = source.name.clone();
        if !self.count(1) {
            return result(name, None, &[]);
        }
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
            more: match (self.names.open() || relations.is_empty(), &*source.columns) {
                (true, []) => More::Anything,
                // What is meant by these names of its columns nobody knows either.
                (true, _) => More::Of(Origins::untold()),
                (false, _) => More::Nothing,
            },
        };
        for other in all {
            also(&mut bound, other);
        }
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
                let there: BTreeSet<&String> = right.iter().flat_map(|r| &r.name).collect();
                let here = left.iter().flat_map(|l| &l.name);
                here.filter(|name| there.contains(name)).cloned().collect()
            }
            _ => join.using.clone(),
        };
        let named = |side: &Side| {
            side.as_ref()
                .is_some_and(|s| s.iter().all(|c| c.name.is_some()))
        };
        if join.natural && !(named(&left) && named(&right)) {
            // Whether a column without a name here has that of another one, only the server knows.
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
    let same = |(a, b): (&Traced, &Traced)| a.name == b.name;
    if bound.columns.len() == other.len() && bound.columns.iter().zip(&other).all(same) {
        for (known, column) in bound.columns.iter_mut().zip(other) {
            known.origins.add(&column.origins);
        }
        return;
    }
    if matches!(bound.more, More::Nothing) {
        bound.more = More::Unordered;
    }
    let here = places(&bound.columns);
    let there = places(&other);
    let alone = |these: &BTreeMap<Option<String>, usize>, those: &BTreeMap<_, _>| -> Vec<String> {
        let missing = these.keys().filter(|name| !those.contains_key(*name));
        missing.flatten().cloned().collect()
    };
    bound.lacking.extend(alone(&here, &there));
    bound.lacking.extend(alone(&there, &here));
    for column in other {
        let known = here.get(&column.name);
        match known.and_then(|place| bound.columns.get_mut(*place)) {
            Some(known) => known.origins.add(&column.origins),
            None => bound.columns.push(column),
        }
    }
}

/// Where each name stands first.
fn places(columns: &[Traced]) -> BTreeMap<Option<String>, usize> {
    let mut places = BTreeMap::new();
    for (place, column) in columns.iter().enumerate() {
        places.entry(column.name.clone()).or_insert(place);
    }
    places
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
    let (here, there) = (places(&left), places(&right));
    let mut all = Vec::with_capacity(left.len() + right.len());
    for name in using {
        let name = Some(name.clone());
        let mut both = left.get(*here.get(&name)?)?.clone();
        both.origins.add(&right.get(*there.get(&name)?)?.origins);
        all.push(both);
    }
    let using: BTreeSet<&String> = using.iter().collect();
    let merged = |column: &Traced| column.name.as_ref().is_some_and(|n| using.contains(n));
    let rest = left.into_iter().chain(right);
    all.extend(rest.filter(|column| !merged(column)));
    Some(all)
}
