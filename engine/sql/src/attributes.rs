//! Attribute notation: `x.name` and `(x).name` mean a column where there is one, and otherwise the call
//! `name(x)`. Without a catalog nobody can tell which, so a name is taken for the worse of the two.
//!
//! Refuses: a listed function is never called with an argument that has been looked at, so the statement is
//! unknown. Behind a qualifier that is a function in FROM (its whole row is the bare value) and behind an
//! expression, a name that is not certainly a field counts as a call of an unlisted function. Behind a table or
//! a sub-select it counts as a column: whoever has the catalog must look it up.

use crate::catalog;
use crate::functions::{self, table};
use crate::names::{self, Name};
use crate::reader::Reader;
use crate::tree::Walk;
use pg_query::protobuf::{AIndirection, ColumnRef, FuncCall, Node, RangeFunction, node};
use std::collections::{HashMap, HashSet};

/// Functions that take any row as their only argument and show what is in it. From PostgreSQL's `pg_proc`
/// (arguments of type record, any, anyelement), with `any_value` of 16, `max` and `min` of 18, and hstore.
const ROW_TAKERS: [&str; 27] = [
    "any_value",
    "anycompatible_out",
    "anycompatiblenonarray_out",
    "anyelement_out",
    "anynonarray_out",
    "array_agg",
    "concat",
    "hash_record",
    "hstore",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "max",
    "min",
    "num_nonnulls",
    "num_nulls",
    "pg_column_size",
    "quote_literal",
    "quote_nullable",
    "record_out",
    "record_send",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// True when `row.name` can show the whole row, unless the row has a column of that name.
pub(crate) fn takes_rows(name: &str) -> bool {
    ROW_TAKERS.contains(&name)
}

/// Qualified names, and functions in FROM, which come after them: compared when all has been read.
#[derive(Default)]
pub(crate) struct Attributes<'a> {
    qualified: HashSet<(&'a str, &'a str)>,
    /// By the name of a function in FROM: the columns that it certainly has.
    sources: HashMap<&'a str, HashSet<&'a str>>,
    /// A function in FROM whose name is not known.
    nameless: bool,
}

impl<'a> Attributes<'a> {
    fn source(&mut self, name: &'a str, columns: HashSet<&'a str>) {
        self.sources
            .entry(name)
            .and_modify(|known| known.retain(|column| columns.contains(column)))
            .or_insert(columns);
    }

    /// True when a qualified name may be a call of a function that is in no table.
    pub(crate) fn may_call(&self) -> bool {
        (self.nameless && !self.qualified.is_empty())
            || self.qualified.iter().any(|(qualifier, name)| {
                let columns = self.sources.get(qualifier);
                columns.is_some_and(|columns| !columns.contains(name))
            })
    }
}

/// A column, perhaps qualified.
pub(crate) fn column<'a>(reader: &mut Reader<'a>, column: &'a ColumnRef) {
    let mut parts = column.fields.iter().rev();
    let Some(name) = parts.next().and_then(names::string) else {
        return reader.carry("*");
    };
    reader.column(name);
    let Some(qualifier) = parts.next().and_then(names::string) else {
        return reader.carry_bare(name);
    };
    if listed(reader, name) || takes_rows(name) {
        return reader.carry("*");
    }
    if !built_in(name) {
        reader.attributes.qualified.insert((qualifier, name));
    }
    reader.carry_from(qualifier, name);
}

/// Fields of an expression.
pub(crate) fn path(reader: &mut Reader<'_>, path: &AIndirection) {
    let mut steps = path.indirection.iter().filter_map(names::string).peekable();
    let own = path.arg.as_deref().and_then(fields);
    if own.is_some_and(|own| steps.peek().is_some_and(|step| own.contains(step))) {
        steps.next();
    }
    for step in steps {
        reader.column(step);
        reader.carry("*");
        if !listed(reader, step) && !built_in(step) {
            reader.function(step.to_owned());
            functions::unlisted(reader);
        }
    }
}

/// A function in FROM.
pub(crate) fn source<'a>(reader: &mut Reader<'a>, source: &'a RangeFunction) {
    source.functions.walk(reader);
    source.coldeflist.walk(reader);
    let mut calls = source.functions.iter().filter_map(call);
    // Whoever calls something opaque has been told of already.
    if calls.any(|call| !is_clear(call)) {
        return;
    }
    match name_of(source) {
        Some(name) => reader.attributes.source(name, columns_of(source)),
        None => reader.attributes.nameless = true,
    }
}

/// The name of a function in FROM, where it is known.
pub(crate) fn name_of(source: &RangeFunction) -> Option<&str> {
    let alias = source.alias.as_ref();
    alias
        .map(|alias| alias.aliasname.as_str())
        .or_else(|| first(source))
}

fn first(source: &RangeFunction) -> Option<&str> {
    let call = source.functions.first().and_then(call)?;
    Name::of_parts(&call.funcname).map(|name| name.name)
}

/// The columns that a function in FROM certainly has.
pub(crate) fn columns_of(source: &RangeFunction) -> HashSet<&str> {
    let mut columns: HashSet<&str> = HashSet::from(["ordinality"]);
    columns.extend(name_of(source));
    columns.extend(first(source));
    let given = source.alias.iter().flat_map(|alias| &alias.colnames);
    columns.extend(given.filter_map(names::string));
    for function in &source.functions {
        columns.extend(defined(crate::expression::items(function)));
    }
    columns.extend(defined(&source.coldeflist));
    for call in source.functions.iter().filter_map(call) {
        columns.extend(fields_of(call).into_iter().flatten());
    }
    columns
}

/// The call in one element of FROM's list of functions: a list of the call and its columns.
fn call(function: &Node) -> Option<&FuncCall> {
    match &crate::expression::items(function).first()?.node {
        Some(node::Node::FuncCall(call)) => Some(call),
        _ => None,
    }
}

/// True for a call that leaves the statement transparent.
pub(crate) fn is_clear(call: &FuncCall) -> bool {
    Name::of_parts(&call.funcname).is_some_and(|name| {
        let known = || table::find(name.name).is_some_and(|entry| entry.transparent);
        name.maybe_catalog() && (catalog::is_transparent(name.name) || known())
    })
}

/// The names in column definitions, wherever they stand in a list.
fn defined(list: &[Node]) -> impl Iterator<Item = &str> {
    list.iter()
        .flat_map(crate::expression::items)
        .filter_map(|item| match &item.node {
            Some(node::Node::ColumnDef(column)) => Some(column.colname.as_str()),
            _ => None,
        })
}

fn fields(expression: &Node) -> Option<&'static HashSet<&'static str>> {
    match &expression.node {
        Some(node::Node::FuncCall(call)) => fields_of(call),
        _ => None,
    }
}

fn fields_of(call: &FuncCall) -> Option<&'static HashSet<&'static str>> {
    let name = Name::of_parts(&call.funcname)?;
    catalog::fields(name.name).filter(|_| name.maybe_catalog())
}

/// Computes, whatever it is called with.
fn built_in(name: &str) -> bool {
    catalog::is_transparent(name) || catalog::is_type(name) || takes_rows(name)
}

/// True for a function of the table: its entry counts, with an argument that nobody has seen.
fn listed(reader: &mut Reader<'_>, name: &str) -> bool {
    // pg_cron's function of this name has two arguments at least, and the name suits a column.
    let Some(entry) = table::find(name).filter(|_| name != "schedule") else {
        return false;
    };
    reader.function(name.to_lowercase());
    reader.object("function", Name::bare(name), false);
    functions::counts(reader, entry);
    reader.unknown("dynamic-argument");
    true
}
