//! The README's example is a pack that loads and passes; its inputs are inputs, and show every field.

use crate::{Files, PackSource, PolicySet, builtin, schema};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn the_example_in_the_readme_works() {
    let readme = include_str!("../../../../policies/README.md");
    let blocks: Vec<&str> = readme
        .split("```rego\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.contains("package "))
        .collect();
    let [pack, test] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len());
    };
    let files = vec![
        ("freeze.rego".to_owned(), (*pack).to_owned()),
        ("freeze_test.rego".to_owned(), (*test).to_owned()),
    ];
    let source = PackSource {
        name: "freeze".to_owned(),
        files: Files::Memory(files),
        dry_run: false,
    };
    let set = PolicySet::load(&[source], json!({})).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    assert!(set.volatile("freeze"));
    let report = set.test();
    let own = report
        .results
        .iter()
        .filter(|r| r.file == "freeze_test.rego");
    assert_eq!(own.count(), 2);
}

/// Every property of the schema, by path, and whether the document holds something there.
fn fields(
    root: &Value,
    schema: &Value,
    value: &Value,
    path: &str,
    seen: &mut BTreeMap<String, bool>,
) {
    let mut schema = schema;
    if let Some(any) = schema["anyOf"].as_array() {
        schema = &any[0];
    }
    if let Some(reference) = schema["$ref"].as_str() {
        schema = root.pointer(reference.trim_start_matches('#')).unwrap();
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let found = value.get(name);
        assert!(value.is_null() || found.is_some(), "{path} is missing");
        let here = found.unwrap_or(&Value::Null);
        *seen.entry(path.clone()).or_insert(false) |= !here.is_null();
        fields(root, field, here, &path, seen);
    }
    if let Some(fields) = value.as_object() {
        let known = schema["properties"].as_object();
        for name in fields.keys().filter(|_| known.is_some()) {
            assert!(
                known.unwrap().contains_key(name),
                "there is no {path}.{name}"
            );
        }
    }
    let nothing = vec![Value::Null];
    if schema["items"].is_object() {
        for item in value
            .as_array()
            .filter(|v| !v.is_empty())
            .unwrap_or(&nothing)
        {
            fields(root, &schema["items"], item, &format!("{path}[_]"), seen);
        }
    }
}

#[test]
fn the_readme_shows_every_field_in_use_and_explains_each() {
    let readme = include_str!("../../../../policies/README.md");
    let examples = builtin::examples();
    let schema = schema();
    let mut seen = BTreeMap::new();
    for (name, example) in &examples {
        let input = crate::Input::deserialize(example).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(serde_json::to_value(&input).unwrap(), *example, "{name}");
        fields(&schema, &schema, example, "input", &mut seen);
    }
    for (path, used) in &seen {
        assert!(used, "no example holds {path}");
        assert!(
            readme.contains(&format!("| `{path}` |")),
            "the table has no row for {path}"
        );
    }
    let asked = |action: &str, protocol: &str| {
        examples
            .iter()
            .any(|(_, e)| e["action"] == action && e["connection"]["protocol"] == protocol)
    };
    for protocol in ["postgres", "ssh", "kubernetes"] {
        assert!(
            asked("connect", protocol) && asked("command", protocol),
            "{protocol}"
        );
    }
    assert!(asked("approve", "postgres"));
    assert!(examples.iter().any(|(_, e)| e["action"] == "console"));
}

#[test]
fn the_shipped_packs_answer_every_example() {
    let set = super::world::shipped();
    for (name, example) in builtin::examples() {
        let decision = set.decide_again(&example).unwrap();
        let broken = decision
            .reasons
            .iter()
            .find(|r| r.rule.starts_with("policy/"));
        assert!(broken.is_none(), "{name}: {broken:?}");
    }
}
