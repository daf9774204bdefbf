//! Facts of a SQL statement, from PostgreSQL's own grammar (libpg_query lives only here).
//!
//! [`Examiner`] answers for the whole process: a cache, a bounded pool of threads with big stacks, a limit
//! for each identity, a deadline. [`facts`] is the pure part: a text goes in, facts come out.
//!
//! Refuses: what the grammar rejects, what nests too deep, what is too long. What it does not know is
//! `Unknown`, never a guess. It assumes `standard_conforming_strings = on` and UTF-8, which the gateway
//! forces upstream, and it knows no catalog: names are as written.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod attributes;
mod cache;
mod carried;
mod catalog;
mod examiner;
mod expression;
mod facts;
mod functions;
mod kinds;
mod labels;
mod literal;
mod literal_free;
mod names;
mod nested;
mod outline;
mod outputs;
mod parse;
mod places;
mod pool;
mod predicate;
mod prescan;
mod reader;
mod settings;
mod shape;
mod statement;
mod tree;

#[cfg(test)]
mod tests;

pub use examiner::{Error, Examiner, IDENTITIES_MAX, Settings};
pub use labels::{LABELS, Label, Severity};
pub use pool::{QUEUE_PER_THREAD, REPLACEMENTS_MAX};
use portcullis_model::{Facts, Outline};
pub use prescan::{NESTING_MAX, OPERATOR_STEPS_MAX, WORDS_MAX};

/// The stack of a thread that parses: trees come as deep as C lets them, and each level costs Rust more.
pub const STACK_BYTES: usize = 256 * 1024 * 1024;

/// The facts of a text, on a thread of its own with a big stack. For tests and tools: no pool, no cache,
/// no deadline.
#[must_use]
pub fn facts(text: &str) -> Facts {
    let extracted = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || facts::extract(text, 0))
            .ok()
            .and_then(|thread| thread.join().ok())
    });
    extracted.unwrap_or_else(|| facts::failed("the statement could not be examined".to_owned()))
}

/// The outlines of texts that each are one query, on one thread with a big stack: definitions of views. None
/// for a text that is something else, or cannot be drawn whole.
#[must_use]
pub fn outlines(texts: &[String]) -> Vec<Option<Outline>> {
    let drawn = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                let draw = |text: &String| facts::query_of(text);
                texts.iter().map(draw).collect()
            })
            .ok()
            .and_then(|thread| thread.join().ok())
    });
    drawn.unwrap_or_else(|| vec![None; texts.len()])
}
