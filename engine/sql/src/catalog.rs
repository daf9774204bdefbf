//! What PostgreSQL itself brings: functions, operators and types of `pg_catalog` that do nothing but
//! compute. Drawn from the catalog of PostgreSQL 15 (language internal or sql, volatility immutable or
//! stable, no argument that names a relation or holds a query), less those that read files, settings or
//! other sessions, plus their like from 16 to 18.
//!
//! Refuses: what is not listed is not known.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

static FUNCTIONS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("functions/transparent.txt")));
static OPERATORS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("functions/operators.txt")));
static TYPES: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("functions/types.txt")));

/// What a function brings back, by its names: one function on each line, then its columns.
static FIELDS: LazyLock<HashMap<&str, HashSet<&str>>> = LazyLock::new(|| {
    include_str!("functions/fields.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(function, fields)| (function, fields.split_ascii_whitespace().collect()))
        .collect()
});

fn words(text: &'static str) -> HashSet<&'static str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

/// True for a built-in function that only computes.
pub(crate) fn is_transparent(name: &str) -> bool {
    FUNCTIONS.contains(name)
}

/// The columns of what a transparent function brings back, where they have names.
pub(crate) fn fields(function: &str) -> Option<&'static HashSet<&'static str>> {
    FIELDS.get(function)
}

/// True for a built-in operator.
pub(crate) fn is_operator(name: &str) -> bool {
    // BETWEEN and its kin stand as words in the tree.
    OPERATORS.contains(name) || name.ends_with("BETWEEN") || name.ends_with("BETWEEN SYMMETRIC")
}

/// True for a built-in type that is no row of a relation.
pub(crate) fn is_type(name: &str) -> bool {
    TYPES.contains(name)
}

/// All of them.
#[cfg(test)]
pub(crate) fn transparent() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().copied()
}
