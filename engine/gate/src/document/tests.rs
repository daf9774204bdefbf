//! Paths over documents: what is hidden, what stays, what cannot be read.

use super::*;
use portcullis_model::Strategy;

fn parts(paths: &[&str]) -> Vec<PathMask> {
    let part = |path: &&str| PathMask {
        path: path.parse().unwrap(),
        strategy: Strategy::Redact,
        label: "x".into(),
    };
    paths.iter().map(part).collect()
}

/// The document with every hidden part as `#`.
fn shown(text: &str, paths: &[&str]) -> String {
    let found = match hidden(text.as_bytes(), &parts(paths)) {
        Ok(found) => found,
        Err(Unreadable) => return "unreadable".to_owned(),
    };
    let mut out = String::new();
    let mut copied = 0;
    for hidden in found {
        out.push_str(&text[copied..hidden.range.start]);
        out.push('#');
        copied = hidden.range.end;
    }
    out + &text[copied..]
}

#[test]
fn a_part_is_found_by_its_path() {
    let document = r#"{"id": 7, "customer": {"ssn": "123", "name": "Ada"}, "ssn": 1}"#;
    for (path, expected) in [
        (
            "$.customer.ssn",
            r##"{"id": 7, "customer": {"ssn": #, "name": "Ada"}, "ssn": 1}"##,
        ),
        ("$.customer", r##"{"id": 7, "customer": #, "ssn": 1}"##),
        (
            "$..ssn",
            r##"{"id": 7, "customer": {"ssn": #, "name": "Ada"}, "ssn": #}"##,
        ),
        (
            "$.customer.*",
            r##"{"id": 7, "customer": {"ssn": #, "name": #}, "ssn": 1}"##,
        ),
        ("$..*", r##"{"id": #, "customer": #, "ssn": #}"##),
        ("$.nobody.ssn", document),
        ("$.id.ssn", document),
    ] {
        assert_eq!(shown(document, &[path]), expected, "{path}");
    }
}

#[test]
fn a_text_of_texts_without_end_is_no_document() {
    let quotes = format!("\"{}\"", "\\\"".repeat(400_000));
    assert_eq!(shown(&quotes, &["$.ssn"]), "unreadable");
    let twice = r#""\"{\\\"ssn\\\": 1}\"""#;
    assert_eq!(shown(twice, &["$.ssn"]), "#");
}

#[test]
fn arrays_are_met_by_number_by_star_and_without_being_named() {
    let list = r#"{"a": [{"ssn": 1}, {"ssn": 2}, [{"ssn": 3}], 4]}"#;
    assert_eq!(
        shown(list, &["$.a[1].ssn"]),
        r##"{"a": [{"ssn": 1}, {"ssn": #}, [{"ssn": 3}], 4]}"##
    );
    assert_eq!(
        shown(list, &["$.a[*].ssn"]),
        r##"{"a": [{"ssn": #}, {"ssn": #}, [{"ssn": #}], 4]}"##
    );
    assert_eq!(
        shown(list, &["$.a.ssn"]),
        r##"{"a": [{"ssn": #}, {"ssn": #}, [{"ssn": #}], 4]}"##
    );
    assert_eq!(shown(list, &["$.a[*]"]), r##"{"a": [#, #, #, #]}"##);
    // One customer where there were several before.
    let one = r#"{"a": {"ssn": 1, "b": {"ssn": 2}}}"#;
    for path in ["$.a[*].ssn", "$.a[0].ssn", "$.a[7].ssn"] {
        assert!(
            shown(one, &[path]).starts_with(r##"{"a": {"ssn": #,"##),
            "{path}"
        );
    }
    assert_eq!(shown("[[1], [2]]", &["$[1]"]), "[[1], #]");
}

#[test]
fn names_are_compared_decoded_and_every_one_of_a_name_counts() {
    assert_eq!(
        shown(r#"{"\u0073sn": 1, "ssn": 2, "Ssn": 3}"#, &["$.ssn"]),
        r##"{"\u0073sn": #, "ssn": #, "Ssn": 3}"##
    );
    assert_eq!(
        shown(r#"{"a\"b": 1, "größe": 2}"#, &[r#"$['a"b']"#, "$.größe"]),
        r##"{"a\"b": #, "größe": #}"##
    );
}

#[test]
fn a_document_inside_a_text_is_looked_into() {
    for (document, path, expected) in [
        (
            r#"{"a": "{\"ssn\": 1}", "b": "{\"ssn\": 1}"}"#,
            "$.a.ssn",
            r##"{"a": #, "b": "{\"ssn\": 1}"}"##,
        ),
        (
            r#"{"a": "{\"id\": 1}"}"#,
            "$.a.ssn",
            r#"{"a": "{\"id\": 1}"}"#,
        ),
        (r#"{"a": "{\"id\": 1"}"#, "$.a.ssn", r##"{"a": #}"##),
        (
            r#"{"a": "\"{\\\"ssn\\\":1}\""}"#,
            "$.a.ssn",
            r##"{"a": #}"##,
        ),
        (
            r#"{"a": "[note] {x}"}"#,
            "$.a.ssn",
            r#"{"a": "[note] {x}"}"#,
        ),
        (
            r#"{"a": "\"so\" it said"}"#,
            "$..ssn",
            r#"{"a": "\"so\" it said"}"#,
        ),
        (r#""{\"ssn\": 1}""#, "$.ssn", "#"),
    ] {
        assert_eq!(shown(document, &[path]), expected, "{document} {path}");
    }
    // One more text around it each time.
    let mut text = r#"{"ssn": 1}"#.to_owned();
    for _ in 0..=limits::DOCUMENT_TEXTS_MAX {
        text = serde_json::to_string(&text).unwrap();
        assert_eq!(shown(&text, &["$.ssn"]), "#");
    }
    assert_eq!(shown(&text, &["$.other"]), "#", "beyond the bound");
}

#[test]
fn null_stays_and_the_first_part_of_several_names_it() {
    assert_eq!(
        shown(r#"{"a": null, "b": {"a": false}}"#, &["$..a"]),
        r##"{"a": null, "b": {"a": #}}"##
    );
    let found = hidden(br#"{"a": {"b": 1}}"#, &parts(&["$.a.b", "$.a", "$.*"])).unwrap();
    assert_eq!(
        found,
        [Hidden {
            range: 6..14,
            part: 1
        }]
    );
}

#[test]
fn what_is_no_strict_document_is_unreadable() {
    let deep = format!("{}{}", "[".repeat(513), "]".repeat(513));
    let many = format!("[{}1]", "1,".repeat(limits::DOCUMENT_PARTS_MAX));
    for text in [
        "",
        " ",
        "{",
        "}",
        "{]",
        "[1,]",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "{a:1}",
        "[01]",
        "[1.]",
        "[1e]",
        "[+1]",
        "[\"\u{1}\"]",
        r#"["\x41"]"#,
        r#"["\u00g1"]"#,
        "nul",
        "tru",
        "1 2",
        "{} {}",
        "'a'",
        &deep,
        &many,
    ] {
        assert_eq!(shown(text, &["$[*]"]), "unreadable", "{text:.60}");
    }
    for text in [
        " null ",
        "[]",
        "{}",
        "[[[]]]",
        "[1, -0.5e+3, true]",
        r#""{}""#,
    ] {
        assert_eq!(shown(text, &["$.a.a"]), text);
    }
    for text in ["1", "true", r#""a""#, r#""\"a\"""#] {
        assert_eq!(shown(text, &["$.a.a"]), "unreadable", "{text}");
    }
}

mod laws {
    use super::*;
    use proptest::prelude::{Just, any, prop, prop_assert, prop_oneof, proptest};
    use proptest::strategy::Strategy as Generated;
    use serde_json::Value;

    fn documents() -> impl Generated<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c \"\\\\é]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// The same by a tree and by recursion: what a path means, said a second time.
    fn expected(value: &Value, steps: &[PathStep]) -> Vec<String> {
        let Some((step, rest)) = steps.split_first() else {
            return match value {
                Value::Null => Vec::new(),
                value => vec![value.to_string()],
            };
        };
        let children: Vec<(Option<&String>, &Value)> = match value {
            Value::Array(items) => items.iter().map(|v| (None, v)).collect(),
            Value::Object(fields) => fields.iter().map(|(k, v)| (Some(k), v)).collect(),
            _ => Vec::new(),
        };
        let mut found = Vec::new();
        if !value.is_array() && matches!(step, PathStep::Index(_) | PathStep::Each) {
            found.extend(expected(value, rest));
        }
        for (index, (name, child)) in children.into_iter().enumerate() {
            let (go, stay) = match step {
                PathStep::Name(wanted) => (name == Some(wanted), name.is_none()),
                PathStep::Index(wanted) => (name.is_none() && *wanted as usize == index, false),
                PathStep::Each | PathStep::Any => (true, false),
                PathStep::Deep(wanted) => (name == Some(wanted), true),
                PathStep::DeepAny => (true, true),
            };
            if go {
                found.extend(expected(child, rest));
            }
            if stay {
                found.extend(expected(child, steps));
            }
        }
        found
    }

    proptest! {
        #[test]
        fn everything_that_a_path_means_is_hidden_and_nothing_else(
            document in documents(),
            path in "\\$(\\.[a-c]|\\[[0-2]\\]|\\[\\*\\]|\\.\\*|\\.\\.[a-c]){1,4}",
        ) {
            let text = Value::from(vec![document.clone()]).to_string();
            let document = Value::from(vec![document]);
            let parts = parts(&[&path]);
            let found = hidden(text.as_bytes(), &parts).unwrap();
            let hidden: Vec<&str> = found.iter().map(|h| &text[h.range.clone()]).collect();
            let wanted = expected(&document, parts[0].path.steps());
            for value in &wanted {
                prop_assert!(hidden.iter().any(|h| h.contains(value.as_str())), "{path} {text} {value}");
            }
            for value in &hidden {
                prop_assert!(wanted.iter().any(|w| w == value), "{path} {text} {value}");
            }
            prop_assert!(found.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
        }

        #[test]
        fn no_bytes_make_it_fail_or_lie_outside(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(found) = hidden(&bytes, &parts(&["$..a", "$[*]"])) {
                prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok() || std::str::from_utf8(&bytes).is_err());
                prop_assert!(found.iter().all(|h| h.range.end <= bytes.len()));
            }
        }
    }
}
