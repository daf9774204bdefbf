//! What the loader finds beyond what would break: reads that the schema knows better, rules that nobody
//! hears, and each with its line and a caret.

use super::world::pack;
use crate::{Diagnostic, PolicySet};
use serde_json::json;

fn found(body: &str) -> Vec<Diagnostic> {
    PolicySet::load(&[pack("subject", body)], json!({}))
        .err()
        .unwrap_or_default()
}

fn rules(body: &str) -> Vec<&'static str> {
    found(body).iter().map(|d| d.rule).collect()
}

fn denied(condition: &str) -> Vec<&'static str> {
    rules(&format!(
        "deny contains {{\"rule\": \"a/b\", \"msg\": \"m\"}} if {{ {condition} }}"
    ))
}

#[test]
fn fields_of_list_items_are_known_through_local_names() {
    for condition in [
        "some s in input.command.statements; s.predicat == \"missing\"",
        "every s in input.command.statements { s.verbb == \"SELECT\" }",
        "input.command.statements[_].nope",
        "some i; input.command.statements[i].objects[_].tabel == \"orders\"",
        "some s in input.command.statements; some o in s.objects; o.tabel == \"orders\"",
        "c := input.command; some s in c.statements; s.nope",
        "some a in input.identity.actors; a.sub == \"x\"",
        "count([s | some s in input.command.statements; s.nope]) > 0",
        "some f in input.command.findings; f.entity == \"EMAIL\"",
    ] {
        assert_eq!(denied(condition), ["load/unknown-input"], "{condition}");
    }
    for condition in [
        "some s in input.command.statements; s.predicate == \"missing\"",
        "some o in input.command.statements[_].objects; o.name == \"orders\"",
        "some k, v in input.identity.claims; v.anything.at.all == k",
        "input.identity.claims.department == 7",
        "some s in input.command.statements; some s2 in [{\"nope\": 1}]; s2.nope == 1; s.verb == \"X\"",
    ] {
        assert_eq!(denied(condition), Vec::<&str>::new(), "{condition}");
    }
}

#[test]
fn a_name_that_means_two_things_is_left_alone() {
    let body = "f(s) if s.nope == 1\n\
        deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if { some s in input.command.statements; f({\"nope\": 1}); s.verb == \"X\" }\n\
        deny contains {\"rule\": \"a/c\", \"msg\": \"m\"} if { count([x | some x in [{\"nope\": 1}]; x.nope == 1]) == count([x | some x in input.command.statements]) }";
    assert_eq!(rules(body), Vec::<&str>::new());
}

#[test]
fn a_comparison_that_never_holds_is_refused() {
    for (condition, rule) in [
        ("input.identity.kind == \"person\"", "load/never-true"),
        ("\"person\" == input.identity.kind", "load/never-true"),
        ("not input.identity.kind != \"person\"", "load/never-true"),
        (
            "input.identity.kind in {\"human\", \"robot\"}",
            "load/never-true",
        ),
        ("input.command.effect == \"destructive\"", "load/never-true"),
        ("input.command.parse == \"okay\"", "load/never-true"),
        ("input.action == \"comand\"", "load/never-true"),
        (
            "some s in input.command.statements; s.class in {\"ddl\", \"dml\"}",
            "load/never-true",
        ),
        (
            "some s in input.command.statements; s.predicate == \"none\"",
            "load/never-true",
        ),
        ("input.command.truncated == \"true\"", "load/type"),
        ("input.history.rows == \"100\"", "load/type"),
        ("input.identity.name == 7", "load/type"),
        ("7 in input.identity.groups", "load/type"),
    ] {
        let found = denied(condition);
        assert!(found.contains(&rule), "{condition}: {found:?}");
    }
    for condition in [
        "input.identity.kind in {\"human\", \"ci\"}",
        "input.history.rows == 100",
        "input.session.reason == null",
        "input.session.reason == \"INC-1\"",
        "\"engineers\" in input.identity.groups",
        "input.connect.replication == true",
    ] {
        assert_eq!(denied(condition), Vec::<&str>::new(), "{condition}");
    }
}

#[test]
fn a_rule_that_nobody_hears_is_refused() {
    let obligation = "obligation contains {\"type\": \"read_only\"} if ";
    let approval =
        "approval contains {\"rule\": \"a/b\", \"msg\": \"m\", \"approver_groups\": [\"x\"]} if ";
    let deny = "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if ";
    let grant = "grant contains {\"rule\": \"a/b\"} if ";
    for body in [
        format!("{obligation}input.action == \"approve\""),
        format!("{obligation}input.action == \"response\""),
        format!("{approval}input.action == \"approve\""),
        format!("{deny}input.action == \"response\""),
        format!("{deny}{{ input.action == \"connect\"; input.command.effect == \"write\" }}"),
        format!("{deny}{{ input.action == \"command\"; input.connect.replication == true }}"),
        format!("{deny}{{ input.action == \"command\"; input.action == \"connect\" }}"),
        format!("{grant}{{ input.action == \"command\"; input.approval.access == true }}"),
        format!(
            "{deny}{{ voting; input.command.effect == \"write\" }}\nvoting if input.action == \"approve\""
        ),
        format!("{obligation}{{ input.action in {{\"approve\", \"response\"}} }}"),
        format!(
            "{obligation}{{ startswith(input.connect.login, \"x\"); input.action == \"command\" }}"
        ),
    ] {
        assert_eq!(rules(&body), ["load/unreachable"], "{body}");
    }
    for body in [
        format!("{obligation}input.action in {{\"connect\", \"response\"}}"),
        format!("{obligation}true"),
        format!("{deny}input.command.effect == \"write\""),
        format!("{deny}{{ input.action == \"connect\"; not input.command.effect }}"),
        format!(
            "{deny}{{ input.action == \"connect\"; count([s | some s in input.command.statements]) == 0 }}"
        ),
        format!("{grant}{{ input.action == \"approve\"; input.approval.access == true }}"),
    ] {
        assert_eq!(rules(&body), Vec::<&str>::new(), "{body}");
    }
}

#[test]
fn what_a_rule_says_is_read_before_it_speaks() {
    for (body, rule) in [
        (
            "obligation contains {\"type\": \"watermark\"}",
            "load/unknown-obligation",
        ),
        (
            "obligation contains {\"type\": \"row_limit\", \"row\": 5}",
            "load/unknown-field",
        ),
        (
            "obligation contains {\"type\": \"row_limit\", \"rows\": n} if { some n in [1] }\nobligation contains {\"type\": \"mask\", \"selektor\": {}, \"method\": \"redact\"}",
            "load/unknown-field",
        ),
        (
            "deny contains {\"rule\": \"a/b\", \"mgs\": \"m\"}",
            "load/unknown-field",
        ),
        (
            "approval contains {\"rule\": \"a/b\", \"msg\": \"m\", \"approver_groupz\": []}",
            "load/unknown-field",
        ),
        (
            "grant contains {\"rule\": \"policy/all\"}",
            "load/rule-name",
        ),
        (
            "deny contains {\"rule\": \"No Drops\", \"msg\": \"m\"}",
            "load/rule-name",
        ),
    ] {
        assert_eq!(rules(body), [rule], "{body}");
    }
}

#[test]
fn a_finding_shows_its_line_with_a_caret() {
    let body = "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if {\n\tinput.action == \"command\"\n\tnot input.identty.kind == \"human\"\n}";
    let shown: Vec<String> = found(body).iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        subject.rego:7:6: there is no input.identty.kind in the input document (load/unknown-input)
          7 | 	not input.identty.kind == "human"
            | 	    ^^^^^^^^^^^^^^^^^^
          Fields there: version, action, identity, connection, session, connect, command, context, approval, history, request. See policies/input.schema.json."#]]
    .assert_eq(&shown.join("\n"));
    let shown: Vec<String> = found(
        "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if input.identity.kind == \"person\"",
    )
    .iter()
    .map(ToString::to_string)
    .collect();
    expect_test::expect![[r#"
        subject.rego:5:70: input.identity.kind is never "person" (load/never-true)
          5 | deny contains {"rule": "a/b", "msg": "m"} if input.identity.kind == "person"
            |                                                                      ^^^^^^
          It is one of agent, ci, human, service."#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn a_path_that_is_none_is_refused_at_its_place() {
    let body = r#"obligation contains {
	"type": "mask",
	"selector": {"column": {"schema": "s", "table": "t", "column": "c", "tag": "x", "path": "$.a[?@.b]"}},
	"method": "redact",
}"#;
    let shown: Vec<String> = found(body).iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        subject.rego:7:95: "$.a[?@.b]" is no path into a document: at character 5: filters are not supported: take [*] for all elements (load/path)
          7 | 	"selector": {"column": {"schema": "s", "table": "t", "column": "c", "tag": "x", "path": "$.a[?@.b]"}},
            | 	                                                                                             ^
          Write $.customer.ssn, $.items[*].card or $..ssn; policies/README.md lists the steps."#]]
    .assert_eq(&shown.join("\n"));
    assert_eq!(rules(&body.replace("[?@.b]", "[*].b")), Vec::<&str>::new());
}

#[test]
fn a_path_in_the_data_is_refused_where_it_stands() {
    let text = "config:\n  mask:\n    columns:\n      orders:\n        - {table: t, column: c, path: contact.email}\n";
    let wrong = crate::source::parse_data("data.yaml", text).unwrap_err();
    assert_eq!((wrong.rule, wrong.line, wrong.column), ("load/path", 5, 39));
    assert!(crate::source::parse_data("data.yaml", &text.replace("contact", "$.contact")).is_ok());
    // Other data may have paths of its own kind.
    assert!(crate::source::parse_data("data.yaml", "files: {path: /etc}").is_ok());
}
