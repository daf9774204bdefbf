//! What is said about requests: the ways round that must stay closed, what ordinary requests are, and laws.

use crate::ClassifyKubernetes;
use portcullis_sdk::testing::{classifier, ways};
use portcullis_sdk::{Effect, Opinion, Protocol, Risk, Stage};
use serde_json::{Value, json};

fn opinion(text: &str) -> Opinion {
    let stage = match text.starts_with('[') {
        true => Stage::PodExec,
        false => Stage::Request,
    };
    classifier::<ClassifyKubernetes>(Value::Null)
        .protocol(Protocol::Kubernetes)
        .stage(stage)
        .opinion(text)
}

#[test]
fn no_way_past_is_open() {
    let list = include_str!("../../../tests/bypass/kubernetes.txt");
    ways::none("ways are open", &ways::open_ways(list, opinion));
}

#[test]
fn ordinary_requests_are_ordinary() {
    let list = include_str!("../corpus/clean.txt");
    let reads = |line: &str| {
        ["\"get\"", "\"list\"", "\"watch\""]
            .iter()
            .any(|verb| line.contains(verb))
    };
    let most = |line: &str| match reads(line) {
        true => (Effect::Read, Risk::Low),
        false => (Effect::Write, Risk::Medium),
    };
    let high = ways::graded_high(list, opinion, most);
    ways::none("are graded too high", &high);
    assert!(ways::lines(list).len() >= 200, "there are too few");
}

#[test]
fn what_is_touched_is_said() {
    let opinion = opinion(
        r#"{"verb":"delete","group":"apps","version":"v1","resource":"deployments","namespace":"shop","name":"web","body":"none"}"#,
    );
    let object = opinion.objects.first().unwrap();
    assert_eq!(
        (
            object.kind.as_str(),
            object.schema.as_deref(),
            object.name.as_str(),
            object.write
        ),
        ("deployments", Some("shop"), "web", true)
    );
    assert_eq!(opinion.effect, Effect::Destroy);
    assert!(!opinion.findings.is_empty());
}

#[test]
fn depth_ends_in_unknown() {
    let path = "/a".repeat(50_000);
    let patch = json!({"verb": "patch", "version": "v1", "resource": "pods", "namespace": "a", "name": "b",
        "body": {"object": [{"op": "add", "path": path, "value": true}]}});
    assert!(opinion(&patch.to_string()).labels.contains("unread-body"));
    let deep = format!(
        r#"{{"verb":"create","version":"v1","resource":"pods","body":{{"object":{}1{}}}}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    assert_eq!(opinion(&deep).effect, Effect::Unknown);
}

#[test]
fn messages_of_others_are_unknown() {
    let opinion = classifier::<ClassifyKubernetes>(json!({}))
        .protocol(Protocol::Kubernetes)
        .stage(Stage::Query)
        .opinion("SELECT 1");
    assert_eq!(opinion.effect, Effect::Unknown);
}

mod laws {
    use super::opinion;
    use portcullis_sdk::Effect;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..70_000_i64).prop_map(Value::from),
            prop::sample::select(vec![
                "*",
                "privileged",
                "cluster-admin",
                "Unconfined",
                "x",
                "/",
                "add",
                "remove"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            let key = prop::sample::select(vec![
                "spec",
                "template",
                "containers",
                "securityContext",
                "privileged",
                "hostPath",
                "capabilities",
                "add",
                "rules",
                "verbs",
                "roleRef",
                "subjects",
                "name",
                "op",
                "path",
                "value",
                "metadata",
                "labels",
                "kind",
            ]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..4).prop_map(|fields| fields
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect::<serde_json::Map<_, _>>()
                    .into()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

        /// Any body has an opinion, the same every time.
        #[test]
        fn any_body_has_one_opinion(body in value(), verb in "create|update|patch|delete|get") {
            let call = json!({"verb": verb, "version": "v1", "resource": "pods", "namespace": "a", "name": "b", "body": {"object": body}});
            opinion(&call.to_string());
        }

        /// However deep a privileged container is wrapped, it is seen.
        #[test]
        fn a_privileged_container_is_seen_anywhere(keys in prop::collection::vec("[a-zA-Z]{1,8}", 0..12), list in any::<bool>()) {
            let inner = json!({"securityContext": {"privileged": true}});
            let body = keys.iter().fold(inner, |inner, key| if list { json!({key: [inner]}) } else { json!({key: inner}) });
            let call = json!({"verb": "create", "version": "v1", "resource": "pods", "namespace": "a", "body": {"object": body}});
            prop_assert!(opinion(&call.to_string()).labels.contains("pod-privileged"));
        }

        /// A verb or a subresource that nobody knows is of unknown effect.
        #[test]
        fn unknown_words_are_unknown(word in "[a-z]{9}x") {
            let verb = json!({"verb": word, "version": "v1", "resource": "pods"});
            prop_assert_eq!(opinion(&verb.to_string()).effect, Effect::Unknown);
            let sub = json!({"verb": "get", "version": "v1", "resource": "pods", "subresource": word});
            prop_assert_eq!(opinion(&sub.to_string()).effect, Effect::Unknown);
        }

        /// Any text has an opinion.
        #[test]
        fn any_text_has_one_opinion(text in "\\PC{0,100}") {
            opinion(&text);
        }
    }
}
