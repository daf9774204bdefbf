//! Filters on requests and on answers in every form: nothing that is hidden is ever in the bytes that come out, however
//! the answer is cut.

use super::{Shape, Sieve, Sift, Sifting};
use crate::body;
use crate::call;
use crate::turned::Turned;
use hyper::{HeaderMap, Method};
use portcullis_model::{Call, Filter};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn filters(list: Value) -> BTreeSet<Filter> {
    serde_json::from_value(list).expect("filters")
}

fn shop() -> BTreeSet<Filter> {
    filters(json!([{"namespaces": ["shop", "shop-*"]}]))
}

fn team() -> BTreeSet<Filter> {
    filters(json!([{"labels": {"team": ["a", "b"]}}]))
}

fn asked(request: &str) -> (Call, String) {
    let (method, target) = request.split_once(' ').expect("a request line");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let asked = call::read(&method, target, &HeaderMap::new()).expect("reads");
    (asked.call, target.to_owned())
}

fn written(request: &str, kind: &str, object: Value) -> Call {
    let (mut call, _) = asked(request);
    call.content_type = Some(kind.to_owned());
    call.body = body::read(&call, object.to_string().as_bytes()).expect("a body");
    call
}

fn sieve(call: &Call, filters: &BTreeSet<Filter>) -> Sieve {
    Sieve::of(call, filters).expect("within").expect("filtered")
}

/// What becomes of a request: `free`, `looked at`, `sifted`, or the code of a refusal.
fn outcome(request: &str, filters: &BTreeSet<Filter>) -> String {
    let (call, target) = asked(request);
    fn tried(call: &Call, target: &str, f: &BTreeSet<Filter>) -> Result<&'static str, Turned> {
        let Some(sieve) = Sieve::of(call, f)? else {
            return Ok("free");
        };
        sieve.check(call)?;
        sieve.narrowed(call, target)?;
        Ok(
            match call.name.is_some() && call.verb != "watch" && sieve.asks_labels() {
                true => "looked at",
                false => "sifted",
            },
        )
    }
    match tried(&call, &target, filters) {
        Ok(what) => what.to_owned(),
        Err(turned) => turned.code.to_string(),
    }
}

/// Every known way to a hidden object, by what it names.
const BYPASS: &str = include_str!("../../../../tests/bypass/kubernetes-filter.http");

#[test]
fn what_is_hidden_is_not_named_by_any_verb() {
    let cart = filters(json!([{"names": ["cart-*"], "resources": ["pods"]}]));
    let lines = BYPASS
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    let mut count = 0;
    for line in lines {
        let (expected, request) = line.split_once('\t').expect("two columns");
        let (set, expected) = expected
            .split_once(' ')
            .expect("a filter and what comes of it");
        let set = match set {
            "shop" => shop(),
            "team" => team(),
            "cart" => cart.clone(),
            other => panic!("no filter is called {other}"),
        };
        assert_eq!(outcome(request, &set), expected, "{line}");
        count += 1;
    }
    assert!(count > 50, "the corpus is read");
}

#[test]
fn the_cluster_selects_by_the_same_words() {
    let narrowed = |request: &str, filters: &BTreeSet<Filter>| {
        let (call, target) = asked(request);
        sieve(&call, filters)
            .narrowed(&call, &target)
            .expect("narrowed")
    };
    let target = narrowed(
        "GET /api/v1/pods?limit=500&labelSelector=app%3Dcart&includeObject=None",
        &team(),
    );
    assert_eq!(
        target.as_deref(),
        Some("/api/v1/pods?labelSelector=team%20in%20%28a%2Cb%29%2Capp%3Dcart")
    );
    let none = filters(json!([{"labels": {"team": []}}]));
    let target = narrowed("GET /api/v1/pods", &none);
    assert_eq!(
        target.as_deref(),
        Some("/api/v1/pods?labelSelector=team%2C%21team")
    );
    let one = filters(json!([{"names": ["a"]}]));
    // A backslash at the end would take what follows for a part of the value.
    let request = "DELETE /api/v1/namespaces/n/pods?fieldSelector=x%3Dy%5C";
    let target = narrowed(request, &one);
    assert_eq!(
        target.as_deref(),
        Some("/api/v1/namespaces/n/pods?fieldSelector=metadata.name%3Da%2Cx%3Dy%5C")
    );
    // What goes out reads as what was asked, and no more widely.
    let target = narrowed("GET /api/v1/pods?w%61tch=1&limit=5", &shop()).expect("narrowed");
    let (call, _) = asked(&format!("GET {target}"));
    assert_eq!(call.verb, "watch");
}

const PODS: &str = "/api/v1/namespaces/n/pods";

fn tried(call: &Call, filters: &BTreeSet<Filter>) -> Result<(), u16> {
    sieve(call, filters).check(call).map_err(|t| t.code)
}

#[test]
fn what_is_made_stays_inside() {
    let labels = |team: Value| json!({"metadata": {"name": "x", "labels": {"team": team}}});
    for (object, good) in [
        (labels(json!("a")), true),
        (labels(json!("c")), false),
        (labels(json!(1)), false),
        (json!({"metadata": {"name": "x"}}), false),
        (json!({"metadata": {"name": "x", "labels": null}}), false),
    ] {
        let made = written(&format!("POST {PODS}"), "application/json", object.clone());
        assert_eq!(tried(&made, &team()).is_ok(), good, "create {object}");
        let put = written(&format!("PUT {PODS}/x"), "application/json", object.clone());
        assert_eq!(tried(&put, &team()).is_ok(), good, "update {object}");
        let kind = "application/apply-patch+yaml";
        let applied = written(&format!("PATCH {PODS}/x"), kind, object.clone());
        assert_eq!(tried(&applied, &team()).is_ok(), good, "apply {object}");
    }
    let named = filters(json!([{"names": ["cart-*"]}]));
    for (metadata, good) in [
        (json!({"name": "cart-9"}), true),
        (json!({"name": "db"}), false),
        (json!({"generateName": "cart-x"}), true),
        (json!({"generateName": "c"}), false),
        (json!({}), false),
    ] {
        let object = json!({"metadata": metadata});
        let made = written(&format!("POST {PODS}"), "application/json", object);
        assert_eq!(tried(&made, &named).is_ok(), good, "{metadata}");
    }
    for (name, good) in [("shop-2", true), ("web", false)] {
        let object = json!({"metadata": {"name": name}});
        let made = written("POST /api/v1/namespaces", "application/json", object);
        assert_eq!(tried(&made, &shop()).is_ok(), good, "{name}");
    }
}

#[test]
fn what_is_changed_stays_inside() {
    for (patch, good) in [
        (json!({"spec": {"a": 1}}), true),
        (json!({"metadata": {"labels": {"x": "y"}}}), true),
        (json!({"metadata": {"labels": {"team": "b"}}}), true),
        (json!({"metadata": {"labels": {"team": "c"}}}), false),
        (json!({"metadata": {"labels": {"team": null}}}), false),
        (json!({"metadata": {"labels": null}}), false),
        (json!({"metadata": null}), false),
        (
            json!({"metadata": {"labels": {"$patch": "replace"}}}),
            false,
        ),
        (json!({"metadata": {"$patch": "replace"}}), false),
        (json!({"metadata": {"$retainKeys": ["name"]}}), false),
        (json!({"$patch": "replace"}), false),
    ] {
        for kind in [
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
        ] {
            for place in ["x", "x/status"] {
                let call = written(&format!("PATCH {PODS}/{place}"), kind, patch.clone());
                assert_eq!(tried(&call, &team()).is_ok(), good, "{kind} {patch}");
            }
        }
    }
    for (operation, good) in [
        (
            json!({"op": "add", "path": "/metadata/labels/x", "value": "y"}),
            true,
        ),
        (
            json!({"op": "replace", "path": "/metadata/labels/team", "value": "b"}),
            true,
        ),
        (
            json!({"op": "replace", "path": "/metadata/labels/team", "value": "c"}),
            false,
        ),
        (
            json!({"op": "remove", "path": "/metadata/labels/team"}),
            false,
        ),
        (json!({"op": "remove", "path": "/metadata/labels"}), false),
        (json!({"op": "remove", "path": "/metadata"}), false),
        (json!({"op": "replace", "path": "", "value": {}}), false),
        (
            json!({"op": "add", "path": "/metadata/labels", "value": {"team": "a"}}),
            true,
        ),
        (
            json!({"op": "add", "path": "/metadata/labels", "value": {}}),
            false,
        ),
    ] {
        let kind = "application/json-patch+json";
        let call = written(&format!("PATCH {PODS}/x"), kind, json!([operation.clone()]));
        assert_eq!(tried(&call, &team()).is_ok(), good, "{operation}");
    }
}

#[test]
fn a_body_that_nobody_can_read_makes_nothing() {
    let (mut call, _) = asked("POST /api/v1/namespaces/n/pods");
    call.body = portcullis_model::CallBody::Opaque;
    assert!(sieve(&call, &team()).check(&call).is_err());
}

/// An answer in pieces of `size` bytes through the filter.
fn sifted(request: &str, filters: &BTreeSet<Filter>, answer: &[u8], size: usize) -> Vec<u8> {
    let (call, _) = asked(request);
    let Some(Sifting::Stream(mut sift)) = sieve(&call, filters).sifting(&call) else {
        panic!("no stream");
    };
    let mut out = Vec::new();
    for piece in answer.chunks(size.max(1)) {
        sift.push(piece).expect("reads");
        out.extend(sift.take());
    }
    sift.end().expect("ends");
    out.extend(sift.take());
    out
}

fn pod(namespace: &str, name: &str, team: Option<&str>) -> Value {
    let mut metadata = json!({"name": name, "namespace": namespace});
    if let Some(team) = team {
        metadata["labels"] = json!({"team": team});
    }
    json!({"metadata": metadata, "spec": {"items": [{"metadata": {"name": "inner"}}], "note": "]},{"}})
}

fn row(object: &Value) -> Value {
    let partial = json!({"kind": "PartialObjectMetadata", "metadata": object["metadata"]});
    json!({"cells": [object["metadata"]["name"], 1], "object": partial})
}

#[test]
fn a_list_shows_what_is_kept_and_counts_nothing_else() {
    let items = [
        pod("web", "hidden-1", None),
        pod("shop", "cart", None),
        pod("web", "hidden-2", None),
        pod("shop-1", "till", None),
        json!({"metadata": {"name": "hidden-3"}}),
        json!("hidden-4"),
        json!(["hidden-5"]),
        json!({"spec": {"name": "hidden-6"}}),
    ];
    let metadata =
        json!({"resourceVersion": "7", "continue": "aGlkZGVuLTc=", "remainingItemCount": 9});
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items});
    let rows: Vec<Value> = items.iter().filter(|i| i.is_object()).map(row).collect();
    let columns = json!([{"name": "Name", "type": "string"}]);
    let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "7", "remainingItemCount": 9}, "columnDefinitions": columns, "rows": rows});
    for answer in [list, table] {
        let text = answer.to_string();
        for size in [1, 7, 64, text.len()] {
            let out = sifted("GET /api/v1/pods", &shop(), text.as_bytes(), size);
            let shown = String::from_utf8(out).expect("text");
            assert!(
                !shown.contains("hidden") && !shown.contains("aGlkZGVu"),
                "{shown}"
            );
            let shown: Value = serde_json::from_str(&shown).expect("JSON");
            let listed = shown
                .get("items")
                .or_else(|| shown.get("rows"))
                .expect("listed");
            assert_eq!(listed.as_array().map(Vec::len), Some(2), "{shown}");
            assert_eq!(shown["metadata"], json!({"resourceVersion": "7"}));
            assert_eq!(shown["kind"], answer["kind"]);
        }
    }
}

#[test]
fn an_empty_list_stays_one_and_what_is_none_is_refused() {
    let empty = br#" {"kind":"PodList","items":null,"metadata":{}} "#;
    let shown = sifted("GET /api/v1/pods", &shop(), empty, 3);
    assert_eq!(shown, br#"{"kind":"PodList","items":null,"metadata":{}}"#);
    let status =
        br#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":200}"#;
    assert_eq!(sifted("GET /api/v1/pods", &shop(), status, 9), status);
    for wrong in [
        &br#"{"kind":"Pod","metadata":{"name":"hidden"}}"#[..],
        br#"{"kind":"PodList","items":{"a":1}}"#,
        br#"{"kind":"PodList","spec":{"secret":1},"items":[]}"#,
        br#"["hidden"]"#,
        br#""hidden""#,
        br#"{"items":[]} {"items":[]}"#,
        br#"{"items":["#,
    ] {
        let (call, _) = asked("GET /api/v1/pods");
        let mut sift = Sift::new(sieve(&call, &shop()), Shape::List);
        let read = sift.push(wrong).and_then(|()| sift.end());
        assert!(read.is_err(), "{}", String::from_utf8_lossy(wrong));
        assert!(!String::from_utf8_lossy(&sift.take()).contains("hidden"));
    }
}

fn events(list: &[Value]) -> String {
    list.iter().map(|event| format!("{event}\n")).collect()
}

fn told(out: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(out.to_vec()).expect("text");
    let each = text.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("an event");
        let object = &event["object"];
        let object = object.pointer("/rows/0/object").unwrap_or(object);
        let name = object["metadata"]["name"].as_str().unwrap_or("-");
        (
            event["type"].as_str().expect("a type").to_owned(),
            name.to_owned(),
        )
    });
    each.collect()
}

#[test]
fn what_enters_the_set_is_added_and_what_leaves_it_deleted() {
    let event = |kind: &str, name: &str, team: Option<&str>| {
        let mut object = pod("web", name, team);
        object["kind"] = json!("Pod");
        object["apiVersion"] = json!("v1");
        json!({"type": kind, "object": object})
    };
    let bookmark = json!({"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}}});
    let all = [
        event("ADDED", "in", Some("a")),
        event("ADDED", "out", Some("z")),
        event("MODIFIED", "out", Some("z")),
        bookmark,
        event("MODIFIED", "in", Some("z")),
        event("MODIFIED", "in", Some("z")),
        event("MODIFIED", "out", Some("b")),
        event("MODIFIED", "out", Some("b")),
        event("DELETED", "in", Some("z")),
        event("DELETED", "out", Some("b")),
        event("MODIFIED", "listed", Some("a")),
        event("DELETED", "other", None),
    ];
    let expected = [
        ("ADDED", "in"),
        ("BOOKMARK", "-"),
        ("DELETED", "in"),
        ("ADDED", "out"),
        ("MODIFIED", "out"),
        ("DELETED", "out"),
        ("MODIFIED", "listed"),
    ]
    .map(|(kind, name)| (kind.to_owned(), name.to_owned()));
    let tables: Vec<Value> = all
        .iter()
        .map(|event| {
            let mut event = event.clone();
            let row = json!({"cells": [1, 2, 3], "object": event["object"]});
            event["object"] =
                json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": [row]});
            event
        })
        .collect();
    for (list, size) in [(&all[..], 1), (&all[..], 4096), (&tables[..], 13)] {
        let text = events(list);
        let out = sifted("GET /api/v1/pods?watch=1", &team(), text.as_bytes(), size);
        assert_eq!(told(&out), expected);
    }
    // What has left says no more than its name.
    let text = events(&all);
    let out = sifted("GET /api/v1/pods?watch=1", &team(), text.as_bytes(), 64);
    assert!(!String::from_utf8_lossy(&out).contains("\"z\""));
}

#[test]
fn a_watch_of_namespaces_that_are_not_granted_is_silent() {
    let hidden = json!({"type": "ADDED", "object": pod("web", "hidden", None)});
    let odd = json!({"type": "BOOKMARK", "object": pod("web", "hidden", None)});
    let rows = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": [row(&pod("shop", "x", None)), row(&pod("web", "hidden", None))]});
    let many = json!({"type": "ADDED", "object": rows});
    let new = json!({"type": "SURPRISE", "object": pod("shop", "hidden", None)});
    let error = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "code": 410, "metadata": {}}});
    let shown = json!({"type": "ADDED", "object": pod("shop", "x", None)});
    let text = events(&[hidden, odd, many, new, error, shown]);
    let out = sifted("GET /api/v1/pods?watch=1", &shop(), text.as_bytes(), 10);
    let expected = [("ERROR", "-"), ("ADDED", "x")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(told(&out), expected);
}

#[test]
fn one_object_is_shown_where_it_is_kept() {
    let (call, _) = asked("GET /api/v1/namespaces/web/pods/x");
    let sieve = sieve(&call, &team());
    let shows = |object: Value| sieve.shows(object.to_string().as_bytes());
    assert!(shows(pod("web", "x", Some("a"))));
    assert!(!shows(pod("web", "x", Some("z"))) && !shows(pod("web", "x", None)));
    let table =
        |rows: Value| json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": rows});
    assert!(shows(table(json!([row(&pod("web", "x", Some("a")))]))));
    assert!(!shows(table(json!([row(&pod("web", "x", Some("z")))]))));
    assert!(!shows(table(json!([{"cells": ["x"]}]))) && !shows(table(json!([]))));
    assert!(shows(
        json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})
    ));
    assert!(!shows(
        json!({"kind": "Status", "apiVersion": "x/v1", "status": "x"})
    ));
    let twice = br#"{"metadata":{"name":"x","labels":{"team":"a"}},"metadata":{"name":"x"}}"#;
    assert!(!sieve.shows(twice) && !sieve.shows(b"text"));
}

/// An object of some namespace and team; those that are hidden say so.
fn objects() -> impl Strategy<Value = Vec<(bool, Value)>> {
    let one = (any::<bool>(), any::<bool>(), "[a-z\"\\\\{}\\[\\], ]{0,12}");
    prop::collection::vec(one, 0..12).prop_map(|all| {
        let each = all
            .into_iter()
            .enumerate()
            .map(|(number, (place, label, note))| {
                let kept = place && label;
                let name = match kept {
                    true => format!("shown-{number}"),
                    false => format!("hidden-{number}"),
                };
                let mut object = pod(
                    if place { "shop" } else { "web" },
                    &name,
                    Some(if label { "a" } else { "z" }),
                );
                object["note"] = json!(format!("{note}{name}"));
                (kept, object)
            });
        each.collect()
    })
}

proptest! {
    #[test]
    fn nothing_that_is_hidden_is_released(all in objects(), size in 1usize..200, shape in 0..3) {
        let both = filters(json!([{"namespaces": ["shop"]}, {"labels": {"team": ["a"]}}]));
        let kept = all.iter().filter(|(kept, _)| *kept).count();
        let objects: Vec<Value> = all.into_iter().map(|(_, object)| object).collect();
        let (request, text) = match shape {
            0 => ("GET /api/v1/pods", json!({"metadata": {"continue": "hidden"}, "items": objects}).to_string()),
            1 => {
                let rows: Vec<Value> = objects.iter().map(row).collect();
                ("GET /api/v1/pods", json!({"kind": "Table", "rows": rows, "metadata": {}}).to_string())
            }
            _ => {
                let all: Vec<Value> = objects.iter().map(|o| json!({"object": o, "type": "ADDED"})).collect();
                ("GET /api/v1/pods?watch=true", events(&all))
            }
        };
        let out = sifted(request, &both, text.as_bytes(), size);
        let shown = String::from_utf8(out).expect("text");
        prop_assert!(!shown.contains("hidden"), "{shown}");
        let count = match shape {
            2 => shown.lines().count(),
            _ => {
                let list: Value = serde_json::from_str(&shown).expect("JSON");
                let list = list.get("items").or_else(|| list.get("rows")).expect("listed").clone();
                list.as_array().map_or(0, Vec::len)
            }
        };
        prop_assert_eq!(count, kept);
    }

    #[test]
    fn bytes_that_are_no_answer_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), list in any::<bool>()) {
        let (call, _) = asked("GET /api/v1/pods");
        let shape = if list { Shape::List } else { Shape::Events };
        let mut sift = Sift::new(sieve(&call, &team()), shape);
        let _read = sift.push(&bytes).and_then(|()| sift.end());
    }
}
