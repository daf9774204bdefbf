//! Needles in the gateway: cells without one do not cross, cells with one always do, and several maskers share the
//! search without sharing what they see.

mod guests;

use guests::*;
use portcullis_gate::Mask;
use portcullis_model::{Batch, Strategy};
use portcullis_sandbox::{LoadError, PluginSpec, Sandbox};
use std::sync::Arc;

const ALL: [(&str, Strategy); 1] = [("*", Strategy::Redact)];

async fn masked(mask: &mut dyn Mask, batch: &Batch, skip: &[bool]) -> Vec<u32> {
    let obligations = obligations(&ALL);
    let edits = mask.mask(batch, skip, &obligations).await.unwrap();
    edits.spans.iter().map(|s| s.cell).collect()
}

async fn stream(sandbox: &Arc<Sandbox>, specs: Vec<PluginSpec>) -> Box<dyn Mask> {
    let set = sandbox.load(specs).await.unwrap();
    sandbox.serve(set.clone());
    set.stream(
        &session("ana", "orders"),
        portcullis_model::Protocol::Postgres,
    )
    .1
}

fn named(name: &str, needles_json: &str) -> PluginSpec {
    let manifest = needles(needles_json).replace("test-masker", name);
    spec(name, masker_of(&manifest, MARK_ALL, ""))
}

#[tokio::test]
async fn only_cells_with_a_needle_cross() {
    let sandbox = sandbox();
    let needles =
        r#"{"any_of": [{"byte": 64}, {"digits": 4}, {"literal": "key", "ignore_case": true}]}"#;
    let mut mask = stream(&sandbox, vec![named("one", needles)]).await;
    let cells = ["nothing", "a@b", "12 3-4", "123 a 4", "the KEY", "", "ke y"];
    let found = masked(&mut *mask, &batch(&cells), &[false; 7]).await;
    assert_eq!(found, [1, 2, 4]);
    let stats = &sandbox.stats()[0];
    assert_eq!(
        (stats.calls, stats.counters["cells"], stats.bytes),
        (1, 3, 16)
    );
    assert!(
        masked(&mut *mask, &batch(&["nothing", "here"]), &[false; 2])
            .await
            .is_empty()
    );
    assert_eq!(
        sandbox.stats()[0].calls,
        1,
        "a batch without a needle is no call"
    );
    assert!(
        masked(&mut *mask, &batch(&["a@b"]), &[true])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn each_masker_sees_its_own_needles_and_one_without_sees_all() {
    let sandbox = sandbox();
    let specs = vec![
        named("at", r#"{"any_of": [{"byte": 64}]}"#),
        spec("all", masker(MARK_ALL, "")),
        named("digits", r#"{"any_of": [{"digits": 3}]}"#),
    ];
    let mut mask = stream(&sandbox, specs).await;
    let cells = ["plain", "a@b", "123", "a@123"];
    assert_eq!(
        masked(&mut *mask, &batch(&cells), &[false; 4]).await,
        [0, 1, 2, 3]
    );
    let seen: Vec<u64> = sandbox
        .stats()
        .iter()
        .map(|s| s.counters["cells"])
        .collect();
    assert_eq!(seen, [2, 4, 2]);
}

#[tokio::test]
async fn a_column_that_the_manifest_names_is_always_shown() {
    let sandbox = sandbox();
    let needles = r#"{"any_of": [{"byte": 64}], "columns": ["phone"]}"#;
    let mut mask = stream(&sandbox, vec![named("one", needles)]).await;
    let rows = typed_batch(&[("note", 25), ("Home_Phone", 25)], &["x", "x"]);
    assert_eq!(masked(&mut *mask, &rows, &[false; 2]).await, [1]);
}

#[tokio::test]
async fn a_needle_in_a_long_cell_shows_all_of_it() {
    let sandbox = sandbox();
    let mut mask = stream(
        &sandbox,
        vec![named("one", r#"{"any_of": [{"byte": 64}]}"#)],
    )
    .await;
    let long = format!("{}@", "x".repeat(600_000));
    assert_eq!(masked(&mut *mask, &batch(&[&long]), &[false]).await, [0]);
    assert!(
        sandbox.stats()[0].bytes > 600_000,
        "{}",
        sandbox.stats()[0].bytes
    );
}

#[tokio::test]
async fn needles_that_cannot_be_looked_for_are_no_plugin() {
    let sandbox = sandbox();
    let anchored = named("one", r#"{"any_of": [{"pattern": "^x"}]}"#);
    let error = match sandbox.load(vec![anchored]).await {
        Ok(_) => panic!("an anchor is accepted"),
        Err(error) => error,
    };
    assert!(matches!(error, LoadError::ReadManifest { .. }), "{error}");
    assert!(error.to_string().contains("no anchors"), "{error}");
    for (json, why) in [
        (r#"{"any_of": []}"#, "leave `needles` out"),
        (r#"{"any_of": [{"regex": "x"}]}"#, "unknown field"),
    ] {
        let error = portcullis_sdk::Manifest::parse(&needles(json)).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn maskers_that_together_need_too_large_a_table_are_searched_one_by_one() {
    let sandbox = sandbox();
    let heavy = |letter: char| {
        format!(
            r#"{{"any_of": [{{"pattern": "{letter}[ab]{{10}}{letter}"}}, {{"pattern": "[ab]{letter}.{{9}}z"}}]}}"#
        )
    };
    let specs = ('c'..'g')
        .map(|l| named(&format!("m-{l}"), &heavy(l)))
        .collect();
    let mut mask = stream(&sandbox, specs).await;
    let found = masked(
        &mut *mask,
        &batch(&["cabababababb", "eabababababe"]),
        &[false; 2],
    )
    .await;
    assert_eq!(found, [1]);
}

#[tokio::test]
async fn what_goes_on_over_rows_is_followed_in_its_column() {
    let sandbox = sandbox();
    let needles =
        r#"{"any_of": [{"byte": 64}], "follow": {"any_of": [{"literal": "BEGIN"}], "cells": 2}}"#;
    let specs = vec![
        named("one", needles),
        named("two", r#"{"any_of": [{"byte": 64}]}"#),
    ];
    let mut mask = stream(&sandbox, specs).await;
    let row = |key: &str| typed_batch(&[("key", 25), ("note", 25)], &[key, "plain"]);
    let mut seen = Vec::new();
    for key in ["plain", "BEGIN", "line", "line", "line"] {
        seen.push(masked(&mut *mask, &row(key), &[false; 2]).await);
    }
    assert_eq!(seen, [vec![], vec![0], vec![0], vec![0], vec![]]);
    assert_eq!(
        sandbox.stats()[1].calls,
        0,
        "the other masker follows nothing"
    );
}
