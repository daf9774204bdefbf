//! The bypass corpus of PostgreSQL: it parses into entries, and every statement that has to be denied is
//! seen for what it is by the facts alone.

use crate::facts;
use portcullis_model::facts::{Category, Parse};
use portcullis_model::{Effect, Facts};
use std::collections::HashSet;

const CORPUS: &str = include_str!("../../../../tests/bypass/postgres.sql");

struct Entry {
    label: &'static str,
    name: &'static str,
    text: String,
}

/// A blank line ends an entry; its first line says label and name; the rest is the statement.
fn entries() -> Vec<Entry> {
    CORPUS
        .split("\n\n")
        .map(str::trim)
        .filter_map(|block| {
            let (head, text) = block.split_once('\n')?;
            let (label, name) = head.strip_prefix("-- ")?.split_once(": ")?;
            let known = ["never-leaks", "masked-whole", "denied", "oracle", "clean"];
            known.contains(&label).then(|| Entry {
                label,
                name: name.trim(),
                text: text.to_owned(),
            })
        })
        .collect()
}

/// No harmless read: destroys or worse, or of a category that the shipped policies refuse.
fn is_alarming(facts: &Facts) -> bool {
    matches!(facts.parse, Parse::Failed { .. })
        || facts.floor().effect >= Effect::Destroy
        || facts.statements.iter().any(|statement| {
            let refused = [
                Category::Ddl,
                Category::Dcl,
                Category::Exec,
                Category::Admin,
                Category::Unknown,
            ];
            refused.contains(&statement.category)
                || statement.copy.as_ref().is_some_and(|copy| copy.server_side)
        })
}

#[test]
fn every_block_of_the_corpus_is_an_entry_with_a_name_of_its_own() {
    let entries = entries();
    let heads = CORPUS.lines().filter(|line| {
        [
            "-- never-leaks: ",
            "-- masked-whole: ",
            "-- denied: ",
            "-- oracle: ",
            "-- clean: ",
        ]
        .iter()
        .any(|head| line.starts_with(head))
    });
    assert_eq!(entries.len(), heads.count());
    assert!(entries.len() > 200, "{}", entries.len());
    let names: HashSet<_> = entries.iter().map(|e| (e.label, e.name)).collect();
    assert_eq!(names.len(), entries.len(), "two entries of one name");
    for entry in &entries {
        assert!(entry.text.trim_end().ends_with(';'), "{}", entry.name);
    }
}

#[test]
fn what_has_to_be_denied_is_no_harmless_read() {
    let harmless: Vec<_> = entries()
        .into_iter()
        .filter(|entry| entry.label == "denied" && !is_alarming(&facts(&entry.text)))
        .map(|entry| (entry.name, facts(&entry.text).floor()))
        .collect();
    assert!(harmless.is_empty(), "{harmless:#?}");
}

#[test]
fn what_is_masked_is_still_a_read_that_runs() {
    let refused: Vec<_> = entries()
        .into_iter()
        .filter(|entry| entry.label != "denied" && is_alarming(&facts(&entry.text)))
        .map(|entry| (entry.name, facts(&entry.text)))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn an_expression_over_the_canary_never_claims_to_read_something_else() {
    for entry in entries().iter().filter(|e| e.label == "masked-whole") {
        for statement in facts(&entry.text).statements {
            let Some(outputs) = statement.outputs else {
                continue;
            };
            // `clean` in the gate asks whether a protected name is among them; statistics and other
            // sessions' statements are known there by the relation, the view by the catalog.
            let telltale = ["pg_stats", "pg_stat_activity", "v_customers"];
            let by_relation = statement
                .objects
                .iter()
                .any(|o| telltale.contains(&o.name.as_str()));
            let names_it = outputs.iter().flatten().any(|column| column == "ssn");
            assert!(by_relation || names_it, "{}: {outputs:?}", entry.name);
        }
    }
}
