//! Tests of answers: every place where a value hides, the same in any pieces, and untouched bytes where nobody edits.

use super::piece::Piece;
use super::{Expected, NUMBER, Walk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::rows::mask_text;
use portcullis_model::{ColumnMask, Edits, SpanEdit, Strategy, limits};
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as ProptestStrategy;
use serde_json::{Value, json};
use std::sync::Arc;

const SECRETS: Expected = Expected {
    secrets: true,
    token: false,
    events: false,
    patch: false,
};
const ANYTHING: Expected = Expected {
    secrets: false,
    token: false,
    events: false,
    patch: false,
};
const EVENTS: Expected = Expected {
    secrets: false,
    token: false,
    events: true,
    patch: false,
};

/// The pieces of an answer that comes so many bytes at a time.
fn pieces(text: &[u8], expected: Expected, size: usize) -> Vec<Piece> {
    let mut walk = Walk::new(expected);
    let mut pieces = Vec::new();
    for piece in text.chunks(size) {
        walk.push(piece).unwrap();
        pieces.extend(walk.take());
    }
    walk.end().unwrap();
    pieces.extend(walk.take());
    pieces
}

/// The pieces of an answer that comes in two, cut here.
fn cut_at(text: &[u8], expected: Expected, at: usize) -> Vec<Piece> {
    let mut walk = Walk::new(expected);
    let mut pieces = Vec::new();
    for part in [&text[..at], &text[at..]] {
        walk.push(part).unwrap();
        pieces.extend(walk.take());
    }
    walk.end().unwrap();
    pieces.extend(walk.take());
    pieces
}

/// What comes out where secrets are masked, and where `hunter2` is found by a detector.
fn masked_by(text: &[u8], expected: Expected, size: usize, strategy: Strategy) -> String {
    rewritten(pieces(text, expected, size), strategy)
}

fn rewritten(pieces: Vec<Piece>, strategy: Strategy) -> String {
    let mut out = Vec::new();
    for piece in pieces {
        let (batch, rewrite) = piece.batch();
        let mut spans = Vec::new();
        for (number, cell) in batch.cells.iter().enumerate() {
            let text = &batch.text[cell.start as usize..cell.end as usize];
            let found = memchr::memmem::find_iter(text, b"hunter2");
            for at in found.filter(|_| cell.column == 0) {
                spans.push(SpanEdit {
                    cell: number as u32,
                    start: at as u32,
                    end: at as u32 + 7,
                    replacement: mask_text("found", None).into(),
                    label: Arc::from("x"),
                });
            }
        }
        let columns = vec![ColumnMask {
            column: 1,
            strategy,
            label: Arc::from("secret"),
        }];
        let edits = Edits {
            spans,
            columns,
            ..Edits::default()
        };
        out.extend_from_slice(&rewrite.rewrite(&batch, &edits).unwrap());
    }
    String::from_utf8(out).unwrap()
}

fn masked(value: &Value, expected: Expected) -> Value {
    let text = value.to_string();
    let whole = masked_by(text.as_bytes(), expected, text.len(), Strategy::Redact);
    for size in [1, 2, 7] {
        assert_eq!(
            masked_by(text.as_bytes(), expected, size, Strategy::Redact),
            whole
        );
    }
    serde_json::from_str(&whole).unwrap()
}

fn blob() -> String {
    STANDARD.encode(mask_text("secret", None))
}

fn mask() -> String {
    mask_text("secret", None)
}

fn secret() -> Value {
    let applied = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "aHVudGVyMg=="}, "stringData": {"b": "hunter2"}});
    json!({
        "apiVersion": "v1",
        "data": {"password": "aHVudGVyMg==", "binary": "/w=="},
        "kind": "Secret",
        "metadata": {"name": "db", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied.to_string()}},
        "stringData": {"other": "x"},
        "type": "Opaque",
    })
}

fn masked_secret() -> Value {
    let applied = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": blob()}, "stringData": {"b": mask()}});
    json!({
        "apiVersion": "v1",
        "data": {"password": blob(), "binary": blob()},
        "kind": "Secret",
        "metadata": {"name": "db", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied.to_string()}},
        "stringData": {"other": mask()},
        "type": "Opaque",
    })
}

#[test]
fn a_secret_is_masked_whatever_comes_first() {
    // `kind` stands behind `data`, as servers of custom resources sort it.
    assert_eq!(masked(&secret(), ANYTHING), masked_secret());
}

#[test]
fn secrets_are_masked_in_lists_tables_and_events() {
    let typed = |secret: Value| {
        let mut secret = secret;
        secret.as_object_mut().unwrap().shift_remove("kind");
        secret
    };
    // A list of one kind leaves the kind of its items out.
    assert_eq!(
        masked(
            &json!({"kind": "SecretList", "items": [typed(secret()), typed(secret())]}),
            ANYTHING
        ),
        json!({"kind": "SecretList", "items": [typed(masked_secret()), typed(masked_secret())]})
    );
    assert_eq!(
        masked(
            &json!({"items": [typed(secret())], "kind": "SecretList"}),
            SECRETS
        ),
        json!({"items": [typed(masked_secret())], "kind": "SecretList"})
    );
    assert_eq!(
        masked(
            &json!({"kind": "List", "items": [secret(), {"kind": "Pod", "data": "x"}]}),
            ANYTHING
        ),
        json!({"kind": "List", "items": [masked_secret(), {"kind": "Pod", "data": "x"}]})
    );
    assert_eq!(
        masked(
            &json!({"kind": "Table", "rows": [{"cells": ["db", "Opaque", 2], "object": secret()}]}),
            SECRETS
        ),
        json!({"kind": "Table", "rows": [{"cells": ["db", "Opaque", 2], "object": masked_secret()}]})
    );
    // Wherever a copy stands.
    assert_eq!(
        masked(
            &json!({"kind": "Thing", "spec": {"template": secret()}}),
            ANYTHING
        ),
        json!({"kind": "Thing", "spec": {"template": masked_secret()}})
    );
    let event = |secret| format!("{}\n", json!({"type": "MODIFIED", "object": secret}));
    let stream = event(secret()) + &event(secret());
    assert_eq!(
        masked_by(stream.as_bytes(), EVENTS, 5, Strategy::Redact),
        event(masked_secret()) + &event(masked_secret())
    );
}

#[test]
fn an_event_is_handed_on_when_it_has_ended() {
    let mut walk = Walk::new(EVENTS);
    walk.push(b"{\"type\":\"ADDED\",\"object\":{}}\n{\"type\"")
        .unwrap();
    let (batch, _) = walk.take().unwrap().batch();
    assert_eq!(batch.rows, 1);
    assert_eq!(&batch.wire[..], b"{\"type\":\"ADDED\",\"object\":{}}");
    assert!(walk.take().is_none());
}

#[test]
fn an_event_takes_the_end_of_its_line_along() {
    let line = b"{\"type\":\"ADDED\",\"object\":{}}\n";
    for at in 1..line.len() {
        let mut walk = Walk::new(EVENTS);
        let mut out = Vec::new();
        for part in [&line[..at], &line[at..]] {
            walk.push(part).unwrap();
            let taken = walk.take().into_iter().map(|piece| piece.batch().0.wire);
            out.extend(taken.flatten());
        }
        // Whoever reads by line has it, although nothing follows.
        assert_eq!(out, line, "cut at {at}");
    }
}

#[test]
fn tokens_that_were_asked_for_are_masked() {
    let token = json!({"kind": "TokenRequest", "spec": {"audiences": []}, "status": {"token": "eyJ", "expirationTimestamp": "2026"}});
    let masked_token = json!({"kind": "TokenRequest", "spec": {"audiences": []}, "status": {"token": mask(), "expirationTimestamp": "2026"}});
    assert_eq!(masked(&token, ANYTHING), masked_token);
    let expected = Expected {
        token: true,
        ..ANYTHING
    };
    assert_eq!(
        masked(&json!({"status": {"token": "eyJ"}}), expected),
        json!({"status": {"token": mask()}})
    );
}

#[test]
fn tokens_that_are_asked_about_are_masked() {
    let review = |token: &str| json!({"kind": "TokenReview", "spec": {"token": token, "audiences": ["a"]}, "status": {"authenticated": true}});
    assert_eq!(masked(&review("eyJ"), ANYTHING), review(&mask()));
    let untyped = |token: &str| json!({"spec": {"token": token}});
    let expected = Expected {
        token: true,
        ..ANYTHING
    };
    assert_eq!(masked(&untyped("eyJ"), expected), untyped(&mask()));
}

#[test]
fn no_cut_loses_what_was_remembered() {
    let pod = |value: &str| json!({"kind": "Pod", "spec": {"containers": [{"env": [{"name": "DB_PASSWORD", "value": value}, {"value": value, "name": "API_TOKEN"}]}]}});
    let list = |items: [Value; 3]| json!({"kind": "List", "items": items}).to_string();
    let stream = |objects: [Value; 3]| {
        let event = |object| format!("{}\n", json!({"type": "ADDED", "object": object}));
        objects.map(event).concat()
    };
    let of = |object: Value| [object.clone(), object.clone(), object];
    let config = |text: &str| json!({"data": {"a": "x"}, "binaryData": {"b": STANDARD.encode(text)}, "kind": "ConfigMap"});
    let token = |text: &str| json!({"status": {"token": text}, "kind": "TokenRequest"});
    let found = mask_text("found", None);
    for (before, after) in [
        (secret(), masked_secret()),
        (pod("x"), pod(&mask())),
        (config("a hunter2 b"), config(&format!("a {found} b"))),
        (token("eyJ"), token(&mask())),
    ] {
        for (text, expected, wanted) in [
            (list(of(before.clone())), ANYTHING, list(of(after.clone()))),
            (stream(of(before)), EVENTS, stream(of(after))),
        ] {
            for at in 0..=text.len() {
                let pieces = cut_at(text.as_bytes(), expected, at);
                let shown = rewritten(pieces, Strategy::Redact);
                assert_eq!(shown, wanted, "cut at {at}");
            }
        }
    }
}

#[test]
fn environments_are_masked_by_name_and_by_detector() {
    let pod = |password: &str, plain: &str| {
        json!({"kind": "Pod", "spec": {"containers": [{"env": [
            {"name": "DB_PASSWORD", "value": password},
            {"value": password, "name": "api-token"},
            {"name": "SMTP_PASS", "value": password},
            {"name": "TOKEN_FILE", "value": "/run/x"},
            {"name": "PASS_COUNT", "value": "3"},
            {"name": "PORT", "value": "8080"},
            {"name": "URL", "value": plain},
            {"name": "FROM_SECRET", "valueFrom": {"secretKeyRef": {"name": "a"}}},
        ]}]}})
    };
    let found = format!("https://u:{}@h", mask_text("found", None));
    assert_eq!(
        masked(&pod("x", "https://u:hunter2@h"), ANYTHING),
        pod(&mask(), &found)
    );
    // And in the copy that kubectl keeps.
    let kept = |pod: Value| json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": pod.to_string()}}});
    assert_eq!(
        masked(&kept(pod("x", "https://u:hunter2@h")), ANYTHING),
        kept(pod(&mask(), &found))
    );
}

#[test]
fn a_copy_of_a_secret_is_masked_wherever_a_tool_keeps_it() {
    let secret = |blob: &str| json!({"kind": "Secret", "data": {"a": blob}}).to_string();
    let kept = |name: &str, copy: &str| json!({"kind": "Thing", "metadata": {"annotations": {name: copy}}});
    for name in [
        "kubectl.kubernetes.io/last-applied-configuration",
        "kapp.k14s.io/original",
        "example.com/backup",
    ] {
        assert_eq!(
            masked(&kept(name, &secret("aHVudGVyMg==")), ANYTHING),
            kept(name, &secret(&blob())),
            "{name}"
        );
    }
    for space in [" ", "\n\t ", "\r\n"] {
        let spaced = |blob: &str| kept("a", &format!("{space}{}", secret(blob)));
        assert_eq!(
            masked(&spaced("aHVudGVyMg=="), ANYTHING),
            spaced(&blob()),
            "{space:?}"
        );
    }
    let map = |copy: &str| json!({"kind": "ConfigMap", "data": {"db.json": copy}});
    assert_eq!(
        masked(&map(&secret("aHVudGVyMg==")), ANYTHING),
        map(&secret(&blob()))
    );
    // A list of them, also in an annotation and behind white space.
    for space in ["", " ", "\n\t"] {
        let list = |blob: &str| format!("{space}[{},{{\"a\":1}}]", secret(blob));
        let bad = list("aHVudGVyMg==");
        assert_eq!(masked(&map(&bad), ANYTHING), map(&list(&blob())));
        assert_eq!(
            masked(&kept("a", &bad), ANYTHING),
            kept("a", &list(&blob()))
        );
    }
    // What nobody can look into is a secret.
    for name in [
        "objectset.rio.cattle.io/applied",
        "banzaicloud.com/last-applied",
    ] {
        let copy = kept(name, "H4sIAAAAAAAA/6tWSkksSVSyUqhWykxRqgUA");
        assert_eq!(masked(&copy, ANYTHING), kept(name, &mask()), "{name}");
    }
    // A copy in a copy is one secret, however deep.
    let copies = |inner: &str| kept("kapp.k14s.io/original", &kept("b", inner).to_string());
    let deep = (0..6).fold(secret("aHVudGVyMg=="), |text, _| {
        kept("kapp.k14s.io/original", &text).to_string()
    });
    for inner in [secret("aHVudGVyMg=="), deep] {
        assert_eq!(masked(&copies(&inner), ANYTHING), copies(&mask()));
    }
    // Other documents are text, and detectors see all of it.
    let found = mask_text("found", None);
    for text in [
        "{\"a\": \"hunter2\"}",
        "{{ hunter2 }}",
        "[\"hunter2\", 1]",
        "[section] hunter2",
    ] {
        let instead = text.replace("hunter2", &found);
        assert_eq!(masked(&map(text), ANYTHING), map(&instead));
    }
}

/// What a cluster answers to a write that changes what never changes.
fn invalid(words: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": words, "reason": "Invalid",
        "details": {"name": "cart-0", "kind": "Pod", "causes": [
            {"reason": "FieldValueForbidden", "message": words, "field": "spec"},
            {"reason": "FieldValueInvalid", "message": "must be small", "field": "spec.a"},
        ]}, "code": 422})
}

#[test]
fn an_object_in_the_words_of_an_error_is_masked() {
    let dump = "Forbidden: may not change\n  core.PodSpec{\n-  Env: []core.EnvVar{{Name: \"A\", Value: \"x\"}}";
    let (bad, good) = (invalid(dump), invalid(&mask()));
    assert_eq!(masked(&bad, ANYTHING), good);
    let token = Expected {
        token: true,
        ..SECRETS
    };
    assert_eq!(masked(&bad, token), good);
    // As the last event of a watch, and where controllers write down what they were told.
    let event = |status: Value| json!({"type": "ERROR", "object": status});
    assert_eq!(masked(&event(bad), EVENTS), event(good));
    for (kind, name) in [("Event", "message"), ("Event", "note")] {
        let told = |words: &str| json!({"kind": kind, name: words});
        assert_eq!(masked(&told(dump), ANYTHING), told(&mask()), "{name}");
    }
    // As kubectl asks for events.
    let table = |words: &str| json!({"kind": "Table", "rows": [{"cells": ["5s", "Warning", "job/a", words], "object": {}}]});
    assert_eq!(masked(&table(dump), ANYTHING), table(&mask()));
    let condition =
        |words: &str| json!({"kind": "Job", "status": {"conditions": [{"message": words}]}});
    assert_eq!(masked(&condition(dump), ANYTHING), condition(&mask()));
    // In a copy, and where the words begin as an object does.
    let copy =
        |words: &str| json!({"metadata": {"annotations": {"a": invalid(words).to_string()}}});
    assert_eq!(masked(&copy(dump), ANYTHING), copy(&mask()));
    let json = invalid(r#"{"env":[{"name":"A","value":"x"}]}"#);
    assert_eq!(masked(&json, ANYTHING), invalid(&mask()));
}

#[test]
fn an_error_that_shows_no_object_is_read_as_it_is() {
    for words in ["pods \"cart-0\" not found", "{\"level\":\"error\"}"] {
        assert_eq!(masked(&invalid(words), ANYTHING), invalid(words));
    }
    let map = json!({"kind": "ConfigMap", "data": {"message": "core.EnvVar{Value: 1}"}});
    assert_eq!(masked(&map, ANYTHING), map, "nor is a file of that name");
}

#[test]
fn headers_that_a_probe_sends_are_masked_by_name() {
    let pod = |value: &str| {
        json!({"kind": "Pod", "spec": {"containers": [{"livenessProbe": {"httpGet": {"httpHeaders": [
            {"name": "Authorization", "value": value},
            {"name": "Accept", "value": "text/plain"},
            {"name": "Cookie", "value": value},
        ]}}}]}})
    };
    assert_eq!(masked(&pod("Basic YTpi"), ANYTHING), pod(&mask()));
}

#[test]
fn config_maps_are_masked_by_detector() {
    let map = |text: &str, blob: &str| json!({"kind": "ConfigMap", "data": {"a.conf": text}, "binaryData": {"b": blob}});
    let found = |text: &str| text.replace("hunter2", &mask_text("found", None));
    let text = "user = \"x\"\npassword = hunter2\n\u{1f600}";
    assert_eq!(
        masked(&map(text, &STANDARD.encode("a hunter2 b")), ANYTHING),
        map(&found(text), &STANDARD.encode(found("a hunter2 b")))
    );
    // What a detector finds in a name is not the value.
    assert_eq!(
        masked(
            &json!({"kind": "ConfigMap", "data": {"hunter2": "x"}}),
            ANYTHING
        ),
        json!({"kind": "ConfigMap", "data": {"hunter2": "x"}})
    );
}

#[test]
fn names_and_numbers_are_looked_at() {
    assert_eq!(
        masked(
            &json!({"a hunter2 b": 1, "n": [4539578763621486_u64]}),
            ANYTHING
        ),
        json!({format!("a {} b", mask_text("found", None)): 1, "n": [4539578763621486_u64]})
    );
    let text = br#"{"a":4539578763621486}"#;
    let (batch, rewrite) = pieces(text, ANYTHING, 99).remove(0).batch();
    let edit = SpanEdit {
        cell: 0,
        start: 0,
        end: 16,
        replacement: "x".into(),
        label: Arc::from("x"),
    };
    let edits = Edits {
        spans: vec![edit],
        ..Edits::default()
    };
    assert_eq!(
        rewrite.rewrite(&batch, &edits).unwrap(),
        format!("{{\"a\":{NUMBER}}}")
    );
}

#[test]
fn a_token_is_shown_as_a_mask_that_is_known_when_it_comes_back() {
    for (text, start, end) in [
        (
            r#"{"kind":"ConfigMap","data":{"mail":"to ada@shop.example, please"}}"#,
            3,
            19,
        ),
        (
            r#"{"kind":"ConfigMap","binaryData":{"mail":"dG8gYWRhQHNob3AuZXhhbXBsZSwgcGxlYXNl"}}"#,
            3,
            19,
        ),
        (
            r#"{"kind":"Card","spec":{"number":4539578763621486}}"#,
            0,
            16,
        ),
    ] {
        let (batch, rewrite) = pieces(text.as_bytes(), ANYTHING, 99).remove(0).batch();
        let said =
            |cell: &portcullis_model::Cell| &batch.text[cell.start as usize..cell.end as usize];
        let found = |cell| {
            let said = said(cell);
            memchr::memmem::find(said, b"ada@").is_some() || said.ends_with(b"4539578763621486")
        };
        let cell = batch.cells.iter().position(found).unwrap();
        // What a name puts in front of it.
        let lead = (said(&batch.cells[cell]).len() as u32).saturating_sub(if start == 0 {
            16
        } else {
            27
        });
        let edit = SpanEdit {
            cell: cell as u32,
            start: lead + start,
            end: lead + end,
            replacement: "bob@mail.example".into(),
            label: Arc::from("mask-pii@0.2.0#2ad4/email"),
        };
        let edits = Edits {
            spans: vec![edit],
            ..Edits::default()
        };
        let shown = rewrite.rewrite(&batch, &edits).unwrap();
        assert!(memchr::memmem::find(&shown, b"bob@").is_none(), "{shown:?}");
        if text.contains("ada@") {
            let mask = "\"to [pc-masked:email], please\"";
            assert!(
                memchr::memmem::find(&shown, mask.as_bytes()).is_some(),
                "{shown:?}"
            );
        }
        let mut call = crate::body::tests::call("update", "application/json");
        let back = crate::body::read(&call, &shown);
        assert_eq!(
            back.map_err(|t| t.rule),
            Err("portcullis/mask-marker"),
            "{shown:?}"
        );
        call.content_type = None;
        assert!(crate::body::read(&call, text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn the_last_characters_are_shown_of_long_secrets_only() {
    let secret =
        json!({"kind": "Secret", "stringData": {"long": "abcdefghijklmnop", "short": "abcdefgh"}})
            .to_string();
    let shown = masked_by(secret.as_bytes(), ANYTHING, 9, Strategy::Partial);
    assert!(
        shown.contains("[pc-masked:secret …mnop]") && shown.contains("\"[pc-masked:secret]\""),
        "{shown}"
    );
}

#[test]
fn what_ends_in_the_middle_is_refused() {
    for text in ["{\"a\":", "{\"a\":1", "[", "{\"items\":[{}", "x", "{}{}"] {
        let mut walk = Walk::new(ANYTHING);
        assert!(
            walk.push(text.as_bytes())
                .and_then(|()| walk.end())
                .is_err(),
            "{text}"
        );
    }
}

#[test]
fn long_lists_are_not_held() {
    let mut walk = Walk::new(ANYTHING);
    walk.push(b"{\"kind\":\"PodList\",\"items\":[").unwrap();
    let pod = json!({"metadata": {"name": "x".repeat(5000)}}).to_string();
    for number in 0..10_000 {
        if number > 0 {
            walk.push(b",").unwrap();
        }
        walk.push(pod.as_bytes()).unwrap();
        let (batch, _) = walk.take().unwrap().batch();
        assert!(batch.wire.len() < 6000 && batch.rows == 1);
    }
    walk.push(b"]}").unwrap();
    walk.end().unwrap();
    assert!(walk.take().is_some());
}

#[test]
fn an_object_without_end_is_refused() {
    let mut walk = Walk::new(ANYTHING);
    walk.push(b"{\"a\":\"").unwrap();
    let more = vec![b'x'; 1024 * 1024];
    let pushed =
        (0..=limits::ANSWER_OBJECT_BYTES_MAX / more.len()).try_for_each(|_| walk.push(&more));
    assert!(pushed.is_err());
}

#[test]
fn edits_outside_of_a_value_are_refused() {
    for (cell, start, end) in [(0, 0, 9), (0, 3, 2), (7, 0, 1)] {
        let (batch, rewrite) = pieces(b"{\"a\":\"x\"}", ANYTHING, 9).remove(0).batch();
        let edit = SpanEdit {
            cell,
            start,
            end,
            replacement: "".into(),
            label: Arc::from("x"),
        };
        let edits = Edits {
            spans: vec![edit],
            ..Edits::default()
        };
        assert!(rewrite.rewrite(&batch, &edits).is_err());
    }
}

fn any_json() -> impl ProptestStrategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(Value::from("hunter2")),
        prop_oneof![
            Just("Secret"),
            Just("SecretList"),
            Just("ConfigMap"),
            Just("TokenRequest"),
            Just("DB_PASSWORD"),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec(
                (
                    "items|rows|data|kind|env|name|value|stringData|binaryData|status|token|\\PC{0,6}",
                    inner
                ),
                0..5
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_changes_where_nobody_edits(value in any_json(), size in 1..40_usize) {
        let text = value.to_string();
        let mut out = Vec::new();
        for piece in pieces(text.as_bytes(), ANYTHING, size) {
            let (batch, rewrite) = piece.batch();
            out.extend_from_slice(&rewrite.rewrite(&batch, &Edits::default()).unwrap());
        }
        prop_assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn what_is_found_is_gone_and_the_rest_is_json(value in any_json(), size in 1..40_usize) {
        let text = value.to_string();
        let out = masked_by(text.as_bytes(), SECRETS, size, Strategy::Redact);
        prop_assert!(!out.contains("hunter2"), "{}", out);
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok());
    }

    #[test]
    fn what_is_released_is_the_same_however_it_comes(value in any_json(), size in 1..60_usize) {
        let text = value.to_string();
        let whole = masked_by(text.as_bytes(), ANYTHING, text.len(), Strategy::Redact);
        prop_assert_eq!(masked_by(text.as_bytes(), ANYTHING, size, Strategy::Redact), whole);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1..20_usize) {
        let mut walk = Walk::new(EVENTS);
        for piece in bytes.chunks(size) {
            if walk.push(piece).is_err() {
                return Ok(());
            }
            let _ = walk.take();
        }
        let _ = walk.end();
    }
}
