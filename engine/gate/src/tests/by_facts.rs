//! Classifiers that go by the facts alone are asked once about them, and never less than that.

use super::fakes::{Fakes, NOW, query};
use super::{allow, context};
use portcullis_model::message::{Body, Message};
use portcullis_model::{Class, Effect, Finding, Stage};

fn at(stage: Stage, sql: &'static str) -> Message {
    let mut message = query(sql);
    if let Body::Statement(statement) = &mut message.body {
        statement.stage = stage;
    }
    message
}

fn fakes(opinion: Class) -> Fakes {
    let fakes = Fakes::new(allow());
    fakes.by_facts();
    fakes.opinion(opinion);
    fakes
}

#[tokio::test]
async fn one_opinion_serves_all_texts_with_the_same_facts() {
    let fakes = fakes(Class::unknown("odd"));
    let mut gate = fakes.gate();
    for sql in ["SELECT 1", "SELECT 2", "SELECT 3"] {
        let _ = gate.judge(query(sql), &context(), NOW).await;
        let class = fakes.last_class().expect("policy was asked");
        assert_eq!(class.effect, Effect::Unknown);
        assert!(class.labels.contains("odd"));
    }
    assert_eq!(fakes.asked(), 1);
    let mut other = fakes.gate();
    let _ = other.judge(query("SELECT 4"), &context(), NOW).await;
    assert_eq!(fakes.asked(), 2, "another stream has plugins of its own");
}

#[tokio::test]
async fn another_stage_is_another_question() {
    let fakes = fakes(Class::nothing());
    let mut gate = fakes.gate();
    let _ = gate
        .judge(at(Stage::Query, "SELECT 1"), &context(), NOW)
        .await;
    for sql in ["SELECT 2", "SELECT 3"] {
        let _ = gate.judge(at(Stage::Bind, sql), &context(), NOW).await;
    }
    assert_eq!(fakes.asked(), 3, "only Query goes by the facts alone");
}

#[tokio::test]
async fn a_class_that_is_remembered_belongs_to_its_stage() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let parse = gate
        .judge(at(Stage::Parse, "SELECT 1"), &context(), NOW)
        .await;
    assert!(!matches!(parse, crate::Ruling::Deny(_)));
    fakes.opinion(Class::unknown("bound"));
    for _ in 0..2 {
        let _ = gate
            .judge(at(Stage::Bind, "SELECT 1"), &context(), NOW)
            .await;
        let class = fakes.last_class().expect("policy was asked");
        assert!(class.labels.contains("bound"), "{class:?}");
    }
    assert_eq!(fakes.asked(), 2, "each stage once");
}

#[tokio::test]
async fn a_finding_belongs_to_its_text() {
    let fakes = fakes(Class {
        findings: vec![Finding {
            plugin: "p@1".to_owned(),
            digest: "d".to_owned(),
            rule: "r".to_owned(),
            start: 0,
            end: 6,
        }],
        ..Class::nothing()
    });
    let mut gate = fakes.gate();
    for sql in ["DROP TABLE a", "DROP TABLE b"] {
        let _ = gate.judge(query(sql), &context(), NOW).await;
    }
    assert_eq!(fakes.asked(), 2);
}

#[tokio::test]
async fn a_failure_is_no_opinion_to_keep() {
    let fakes = fakes(Class::nothing());
    fakes.fail("classify");
    let mut gate = fakes.gate();
    for sql in ["SELECT 1", "SELECT 2"] {
        let ruling = gate.judge(query(sql), &context(), NOW).await;
        assert!(matches!(ruling, crate::Ruling::Deny(_)));
    }
    assert_eq!(fakes.asked(), 2);
}
