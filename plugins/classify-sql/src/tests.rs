//! Grades of typical facts.

use crate::ClassifySql;
use portcullis_sdk::testing::classifier;
use portcullis_sdk::{Effect, Risk};
use serde_json::{Value, json};

fn facts(verb: &str, category: &str, effect: &str, predicate: &str, labels: &[&str]) -> Value {
    json!({"parse": "Ok", "secrets": [], "statements": [{
        "verb": verb, "category": category, "effect": effect, "object_type": null, "objects": [], "columns": [],
        "predicate": predicate, "functions": [], "transparent": true, "outputs": null, "labels": labels,
        "span": {"start": 0, "end": 4}, "copy": null, "changes": [], "verbs": 1
    }]})
}

#[test]
fn statements_are_graded() {
    let cases = [
        (
            facts("SELECT", "read", "read", "inapplicable", &[]),
            Effect::Read,
            Risk::None,
            None,
        ),
        (
            facts("INSERT", "write", "write", "inapplicable", &[]),
            Effect::Write,
            Risk::Low,
            Some("write"),
        ),
        (
            facts("DELETE", "write", "write", "present", &[]),
            Effect::Write,
            Risk::Low,
            Some("write"),
        ),
        (
            facts("DELETE", "write", "write", "missing", &[]),
            Effect::Destroy,
            Risk::High,
            Some("unbounded-write"),
        ),
        (
            facts("UPDATE", "write", "write", "constant", &[]),
            Effect::Destroy,
            Risk::High,
            Some("unbounded-write"),
        ),
        (
            facts("DROP", "ddl", "destroy", "inapplicable", &["drop-database"]),
            Effect::Destroy,
            Risk::Critical,
            Some("drop-database"),
        ),
        (
            facts("DO", "unknown", "unknown", "inapplicable", &["do-block"]),
            Effect::Unknown,
            Risk::Critical,
            Some("not-established"),
        ),
    ];
    for (facts, effect, risk, label) in cases {
        let opinion = classifier::<ClassifySql>(Value::Null)
            .facts(facts.clone())
            .opinion("text");
        assert_eq!((opinion.effect, opinion.risk), (effect, risk), "{facts}");
        if let Some(label) = label {
            assert!(
                opinion.labels.contains(label),
                "{label} is missing: {opinion:?}"
            );
        }
    }
}

#[test]
fn what_does_not_parse_is_unknown() {
    let facts = json!({"parse": {"Failed": {"message": "syntax error", "position": 1}}, "statements": [], "secrets": []});
    let opinion = classifier::<ClassifySql>(Value::Null)
        .facts(facts)
        .opinion("SELEC");
    assert_eq!(opinion.effect, Effect::Unknown);
}

#[test]
fn a_configuration_is_refused() {
    let error = classifier::<ClassifySql>(json!({"x": 1})).config_error();
    assert!(error.message.contains('x'), "{error}");
}
