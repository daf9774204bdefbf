//! Requests that do harm and ordinary ones, counted; `cargo xtask test corpus` prints the figures.

use portcullis_plugin_classify_kubernetes::ClassifyKubernetes;
use portcullis_sdk::testing::{classifier, ways};
use portcullis_sdk::{Effect, Protocol, Risk, Stage};
use serde_json::Value;

/// Above a write of this risk.
fn is_graded(request: &str, risk: Risk) -> bool {
    let stage = match request.starts_with('[') {
        true => Stage::PodExec,
        false => Stage::Request,
    };
    let opinion = classifier::<ClassifyKubernetes>(Value::Null)
        .protocol(Protocol::Kubernetes)
        .stage(stage)
        .opinion(request);
    opinion.effect > Effect::Write || opinion.risk > risk
}

#[test]
fn corpus_of_requests_is_told_apart() {
    let harm = ways::lines(include_str!("../../../tests/bypass/kubernetes.txt"));
    let missed: Vec<&str> = harm
        .iter()
        .filter_map(|(_, line)| line.split_once('\t'))
        .filter(|(labels, request)| *labels != "dry-run" && !is_graded(request, Risk::Low))
        .map(|(_, request)| request)
        .collect();
    let ordinary = ways::lines(include_str!("../corpus/clean.txt"));
    let wrong: Vec<&str> = ordinary
        .iter()
        .map(|(_, line)| line.as_str())
        .filter(|request| is_graded(request, Risk::Medium))
        .collect();
    println!(
        "classify-kubernetes: {} of {} ways round graded, {} of {} ordinary requests graded too high",
        harm.len() - missed.len(),
        harm.len(),
        wrong.len(),
        ordinary.len()
    );
    assert!(missed.is_empty(), "not graded: {missed:#?}");
    assert!(wrong.is_empty(), "graded too high: {wrong:#?}");
}
