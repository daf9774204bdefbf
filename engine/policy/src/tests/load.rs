//! What the loader refuses. Each row is something the engine itself would accept.

use super::world::{example_data, pack, shipped_sources};
use crate::{Files, PackSource, PolicySet};
use serde_json::{Value, json};
use std::slice::from_ref;

fn refused(sources: &[PackSource], data: Value) -> Vec<&'static str> {
    match PolicySet::load(sources, data) {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.iter().map(|d| d.rule).collect(),
    }
}

fn refused_body(body: &str) -> Vec<&'static str> {
    refused(&[pack("subject", body)], json!({}))
}

const DENY: &str = "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if ";

#[test]
fn the_shipped_packs_load_and_pass_their_tests() {
    let loaded = PolicySet::load(&shipped_sources(), example_data());
    let wrong = loaded.as_ref().err().cloned().unwrap_or_default();
    let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn the_tests_of_the_shipped_packs_reach_nearly_every_line() {
    let set = PolicySet::load_untested(&shipped_sources(), example_data()).unwrap();
    let report = set.test();
    assert!(report.results.len() >= 60, "{} tests", report.results.len());
    assert!(report.passed());
    let percent = report.percent().unwrap();
    assert!(percent >= 97.0, "{percent}: {:?}", report.coverage);
}

#[test]
fn every_shipped_rule_is_named_in_a_test_of_its_pack() {
    for (name, files) in crate::builtin::packs() {
        let (_, rules) = files[0];
        let (_, tests) = files[1];
        for line in rules.lines() {
            let Some(rule) = line.trim().strip_prefix("\"rule\": \"") else {
                continue;
            };
            let rule = rule.split('"').next().unwrap();
            // An obligation is known by its type, and a grant for a vote by its action.
            let named =
                tests.contains(rule) || rule.starts_with("mask/") || rule == "approve/group";
            assert!(named, "{name}: no test names {rule}");
        }
    }
}

#[test]
fn recursion_is_refused_before_it_can_end_the_process() {
    let bodies = [
        "f(n) := f(n + 1)\nDENY f(1) == 2",
        "f(n) := g(n)\ng(n) := f(n)\nDENY f(1) == 2",
        "p if q\nq if p\nDENY p",
        "p if not p\nDENY p",
        "f(n) := count(data.portcullis.packs.subject.deny)\nDENY f(1) == 2",
        "f(n) := data.portcullis.packs.subject[\"g\"](n)\ng(n) := [x | x := f(n)]\nDENY f(1) == 2",
        "f(n) := x if { every y in [n] { x := f(y) } }\nDENY f(1) == 2",
        "default f(_) := 1\nf(n) := {k: v | some k, v in f(n)}\nDENY f(1) == 2",
    ];
    for body in bodies {
        let found = refused_body(&body.replace("DENY ", DENY));
        assert!(found.contains(&"load/cycle"), "{body}: {found:?}");
    }
}

#[test]
fn recursion_in_tests_is_refused_too() {
    let module =
        format!("package portcullis.packs.subject\nimport rego.v1\n{DENY}f(1)\nf(n) if n > 1");
    let tests = [
        "f(n) := f(n)\ntest_f if f(1)",
        "g(n) if subject.h(n)\ntest_f if subject.h(1) with subject.f as g",
    ];
    for test in tests {
        let test = format!(
            "package portcullis.packs.subject_test\nimport rego.v1\nimport data.portcullis.packs.subject\n{test}"
        );
        let source = PackSource {
            name: "subject".to_owned(),
            files: Files::Memory(vec![
                ("subject.rego".to_owned(), format!("{module}\nh(n) if f(n)")),
                ("subject_test.rego".to_owned(), test.clone()),
            ]),
            dry_run: false,
        };
        let found = refused(&[source], json!({}));
        assert!(found.contains(&"load/cycle"), "{test}: {found:?}");
    }
}

#[test]
fn a_chain_that_is_too_deep_is_refused() {
    let chain = |depth: usize| {
        let mut body = format!("{DENY}f0(1) == 2\nf{depth}(n) := n\n");
        for step in 0..depth {
            body.push_str(&format!("f{step}(n) := f{}(n)\n", step + 1));
        }
        body
    };
    assert_eq!(refused_body(&chain(29)), Vec::<&str>::new());
    assert_eq!(refused_body(&chain(64)), ["load/depth"]);
}

#[test]
fn data_does_not_reach_into_the_rules() {
    let data = json!({"portcullis": {"packs": {"subject": {"deny": []}}}});
    let source = pack("subject", &format!("{DENY}true"));
    assert_eq!(refused(&[source], data), ["load/data-shadows-rule"]);
    let source = pack("subject", &format!("{DENY}true"));
    assert_eq!(refused(&[source], json!([])), ["load/data"]);
    let mut deep = json!({});
    for _ in 0..70 {
        deep = json!({ "a": deep });
    }
    let source = pack("subject", &format!("{DENY}true"));
    assert_eq!(refused(&[source], deep), ["load/data"]);
}

#[test]
fn one_module_is_loaded_once() {
    let text = format!("package portcullis.packs.a\nimport rego.v1\n{DENY}true");
    let twice = vec![
        ("a.rego".to_owned(), text.clone()),
        ("a.rego".to_owned(), text),
    ];
    let source = PackSource {
        name: "a".to_owned(),
        files: Files::Memory(twice),
        dry_run: false,
    };
    assert_eq!(refused(&[source], json!({})), ["load/duplicate-module"]);
    let pack = pack("a", &format!("{DENY}true"));
    assert!(refused(&[pack.clone(), pack], json!({})).contains(&"load/duplicate-module"));
}

/// The engine has one table of imports for a package, and looks for a rule first.
#[test]
fn an_import_has_a_name_of_its_own() {
    let file = |imports: &str, rest: &str| {
        format!("package portcullis.packs.a\nimport rego.v1\n{imports}\n{DENY}true\n{rest}")
    };
    let of = |files: Vec<String>| PackSource {
        name: "a".to_owned(),
        files: Files::Memory(
            (0..)
                .zip(files)
                .map(|(n, text)| (format!("a{n}.rego"), text))
                .collect(),
        ),
        dry_run: false,
    };
    let (here, there) = ("import data.absent as cfg", "import data.present as cfg");
    let own = "import data.settings";
    for files in [
        vec![file(own, "settings := {\"strict\": true}")],
        vec![file(own, ""), file("", "settings := 1")],
        vec![file(here, ""), file(there, "")],
        vec![file("import data.x as input", "")],
    ] {
        let shown = format!("{files:?}");
        assert_eq!(
            refused(&[of(files)], json!({})),
            ["load/import-alias"],
            "{shown}"
        );
    }
    let fine = vec![file(here, "ok if cfg.x"), file(here, "")];
    assert_eq!(refused(&[of(fine)], json!({})), [""; 0]);
}

#[test]
fn a_pack_keeps_to_its_own_package() {
    let elsewhere = |package: &str| {
        let text = format!("package {package}\nimport rego.v1\n{DENY}true");
        PackSource::memory("a", "a.rego", &text)
    };
    for package in [
        "portcullis.packs.b",
        "portcullis.lib",
        "portcullis.entry",
        "a",
    ] {
        let found = refused(&[elsewhere(package)], json!({}));
        assert!(found.contains(&"load/package"), "{package}: {found:?}");
    }
    for name in ["A", "a-b", "", "1a", "a_test", "a.b"] {
        let found = refused(
            &[PackSource::memory(name, "x.rego", "package x")],
            json!({}),
        );
        assert_eq!(found, ["load/name"], "{name}");
    }
}

#[test]
fn packs_never_see_each_other() {
    let bodies = [
        "count(data.portcullis.packs.other.deny) > 0",
        "some pack; count(data.portcullis.packs[pack].deny) > 0",
        "x := data.portcullis.packs; count(x) > 0",
        "x := data; count(x) > 0",
        "some x in data[input.action]; x > 0",
        "data.portcullis.entry.ready",
        "data.portcullis.fixtures.wednesday_ns > 0",
    ];
    for body in bodies {
        let source = pack("subject", &format!("{DENY}{{ {body} }}"));
        let other = pack("other", &format!("{DENY}true"));
        let found = refused(&[source, other], json!({}));
        assert!(found.contains(&"load/foreign"), "{body}: {found:?}");
    }
    let imported = "package portcullis.packs.subject\nimport rego.v1\nimport data as all\n";
    let source = PackSource::memory("subject", "s.rego", &format!("{imported}{DENY}true"));
    assert_eq!(refused(&[source], json!({})), ["load/foreign"]);
}

#[test]
fn what_would_fail_late_is_refused_now() {
    let rows = [
        ("nope(1)", "load/unknown-function"),
        ("crypto.sha256(\"a\") == \"b\"", "load/unknown-function"),
        ("data.portcullis.lib.nope(1)", "load/unknown-rule"),
        ("data.portcullis.lib.is_human(1)", "load/unknown-function"),
        ("not data.portcullis.lib.is_hunam", "load/unknown-rule"),
        ("not input.identty.kind == \"human\"", "load/unknown-input"),
        ("not input[\"identity\"].kindd", "load/unknown-input"),
        (
            "some s in input.command.statements; s.nope; input.command.sql",
            "load/unknown-input",
        ),
        (
            "input.action == \"x\" with input.action as \"x\"",
            "load/with",
        ),
        ("http.send({})", "load/banned-function"),
        ("opa.runtime()", "load/banned-function"),
        ("rand.intn(\"a\", 5) == 1", "load/banned-function"),
        ("uuid.rfc4122(\"a\") == \"\"", "load/banned-function"),
        ("time.now_ns() > 0", "load/banned-function"),
        ("strings.count(\"a\", \"\") > 0", "load/banned-function"),
        (
            "count(numbers.range(1, 1000000000000)) > 0",
            "load/banned-function",
        ),
        ("print(input)", "load/banned-function"),
    ];
    for (body, rule) in rows {
        let found = refused_body(&format!("{DENY}{{ {body} }}"));
        assert!(found.contains(&rule), "{body}: {found:?}");
    }
}

#[test]
fn a_pack_says_something_and_says_it_as_a_set() {
    assert_eq!(refused_body("allow if true"), ["load/says-nothing"]);
    let found = refused_body("deny(x) := x");
    assert!(found.contains(&"load/entry-point"), "{found:?}");
    assert_eq!(refused_body("deny.x contains 1"), ["load/entry-point"]);
}

#[test]
fn a_syntax_error_names_its_place() {
    let source = PackSource::memory("a", "a.rego", "package portcullis.packs.a\n\ndeny if {");
    let wrong = PolicySet::load(&[source], json!({})).err().unwrap();
    assert_eq!((wrong[0].rule, wrong[0].line), ("load/parse", 3));
    let source = PackSource::memory(
        "a",
        "a.rego",
        "package portcullis.packs.a\nimport rego.v1\na if { some x, y, z in [1] }",
    );
    let wrong = PolicySet::load(&[source], json!({})).err().unwrap();
    assert_eq!((wrong[0].rule, wrong[0].line), ("load/parse", 3));
    let unsafe_variable = pack("subject", &format!("{DENY}{{ x > 1 }}"));
    let wrong = PolicySet::load(&[unsafe_variable], json!({}))
        .err()
        .unwrap();
    assert_eq!((wrong[0].rule, wrong[0].line), ("load/compile", 5));
}

#[test]
fn a_set_that_fails_its_own_tests_does_not_load() {
    let rows = [
        ("test_a if 1 == 2", "it is not true"),
        ("test_a := 1", "it is 1"),
        ("test_a if to_number(\"a\") == 1", "error"),
        (
            "test_a if { some a in l; some b in l; some c in l; concat(\"\", [a, b, c]) == \"x\" }\nl := split(sprintf(\"%0900d\", [0]), \"\")",
            "time limit",
        ),
    ];
    for (test, why) in rows {
        let files = vec![
            (
                "a.rego".to_owned(),
                format!("package portcullis.packs.a\nimport rego.v1\n{DENY}true"),
            ),
            (
                "a_test.rego".to_owned(),
                format!("package portcullis.packs.a_test\nimport rego.v1\n{test}"),
            ),
        ];
        let source = PackSource {
            name: "a".to_owned(),
            files: Files::Memory(files),
            dry_run: false,
        };
        let wrong = PolicySet::load(&[source], json!({})).err().unwrap();
        assert_eq!(wrong[0].rule, "load/test", "{test}: {wrong:?}");
        assert_eq!((wrong[0].file.as_str(), wrong[0].line), ("a_test.rego", 3));
        let shown = wrong[0].message.contains(why) || why == "error";
        assert!(shown, "{test}: {}", wrong[0].message);
    }
}

#[test]
fn the_revision_follows_rules_data_and_trial() {
    let load = |packs: &[PackSource], data| PolicySet::load(packs, data).unwrap().revision();
    let source = pack("a", &format!("{DENY}true"));
    let first = load(from_ref(&source), json!({"x": 1, "y": 2}));
    assert_eq!(first.len(), 12);
    assert_eq!(first, load(from_ref(&source), json!({"y": 2, "x": 1})));
    assert_ne!(first, load(from_ref(&source), json!({"x": 2, "y": 2})));
    assert_ne!(first, load(&[source.dry_run()], json!({"x": 1, "y": 2})));
    let other = pack("a", &format!("{DENY}1 == 1"));
    assert_ne!(first, load(&[other], json!({"x": 1, "y": 2})));
}
