//! How what packs say becomes one answer.

use super::world::{granting, pack, read, set};
use crate::PolicySet;
use portcullis_model::{Predicates, RecordLevel, Replication, Strategy, Verdict};
use serde_json::json;
use std::time::Duration;

const APPROVAL: &str =
    r#"approval contains {"rule": "a/ask", "msg": "ask.", "approver_groups": ["dba"]}"#;
const DENY: &str =
    r#"deny contains {"rule": "a/no", "msg": "no.", "hint": "do this", "retry_after": 7}"#;

fn load(bodies: &[&str]) -> PolicySet {
    let packs: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| pack(&format!("p{n}"), body))
        .collect();
    super::world::load(&packs, json!({}))
}

const GRANT: &str = r#"grant contains {"rule": "a/yes"}"#;

#[test]
fn who_says_nothing_says_no() {
    let decision = read(&load(&[
        r#"deny contains {"rule": "a/no", "msg": "no"} if false"#,
    ]));
    let Verdict::Deny(denial) = decision.verdict.clone() else {
        panic!("not denied");
    };
    assert_eq!(denial.rule, "default/deny");
    assert!(denial.hint.is_some());
}

#[test]
fn deny_beats_approval_beats_allow() {
    let verdict = |bodies: &[&str]| read(&load(bodies)).verdict.clone();
    assert_eq!(
        verdict(&[GRANT]),
        Verdict::Allow {
            rule: "a/yes".into()
        }
    );
    assert!(matches!(verdict(&[GRANT, APPROVAL]), Verdict::Hold(_)));
    assert!(matches!(
        verdict(&[DENY, GRANT, APPROVAL]),
        Verdict::Deny(_)
    ));
    assert!(matches!(verdict(&[GRANT, DENY]), Verdict::Deny(_)));
}

#[test]
fn an_approval_does_not_grant() {
    let Verdict::Deny(denial) = read(&load(&[APPROVAL])).verdict.clone() else {
        panic!("not denied");
    };
    assert_eq!(denial.rule, "default/deny");
}

#[test]
fn a_denial_names_rule_reason_and_hint() {
    let decision = read(&set(DENY));
    let Verdict::Deny(denial) = decision.verdict.clone() else {
        panic!("not denied");
    };
    assert_eq!(
        (denial.rule.as_str(), denial.reason.as_str()),
        ("a/no", "no")
    );
    assert_eq!(
        (denial.hint.as_deref(), denial.retry_after),
        (Some("do this"), Some(7))
    );
    assert_eq!(decision.reasons.len(), 2);
}

#[test]
fn every_requirement_is_kept_and_the_same_one_once() {
    let other = r#"approval contains {
		"rule": "b/ask", "msg": "ask", "approver_groups": ["sre"], "approvers": 2,
		"ttl_seconds": 60, "execution_ttl_seconds": 30, "mode": "defer", "in_transaction": true,
	}"#;
    let Verdict::Hold(asked) = read(&load(&[GRANT, APPROVAL, APPROVAL, other]))
        .verdict
        .clone()
    else {
        panic!("not held");
    };
    assert_eq!(asked.len(), 2);
    assert_eq!(
        (asked[0].approvers, asked[0].defer, asked[0].in_transaction),
        (1, false, false)
    );
    assert_eq!(asked[0].ttl, portcullis_model::limits::HOLD_MAX);
    assert_eq!(
        (asked[1].approvers, asked[1].defer, asked[1].in_transaction),
        (2, true, true)
    );
    assert_eq!(
        (asked[1].ttl, asked[1].execution_ttl),
        (Duration::from_secs(60), Duration::from_secs(30))
    );
}

#[test]
fn the_strictest_obligation_wins() {
    let one = r#"
grant contains {"rule": "a/yes"}
obligation contains {"type": "mask", "selector": {"entities": ["EMAIL", "CARD"]}, "method": "partial"}
obligation contains {"type": "mask", "selector": {"column": {"schema": "s", "table": "t", "column": "c", "tag": "x"}}, "method": "hash"}
obligation contains {"type": "row_limit", "rows": 10}
obligation contains {"type": "byte_limit", "bytes": 5}
obligation contains {"type": "session_max_seconds", "seconds": 60}
obligation contains {"type": "record", "level": "metadata"}
obligation contains {"type": "function_call", "allow": true}
obligation contains {"type": "replication", "allow": true}
obligation contains {"type": "credential", "role": "reader"}
obligation contains {"type": "label", "label": "one", "rule": "a/label", "msg": "why"}"#;
    let two = r#"
obligation contains {"type": "mask", "selector": {"entity": "EMAIL"}, "method": "hash"}
obligation contains {"type": "mask", "selector": {"column": {"schema": "s", "table": "t", "column": "c", "tag": "y"}}, "method": "redact"}
obligation contains {"type": "row_limit", "rows": 20}
obligation contains {"type": "byte_limit", "bytes": 4}
obligation contains {"type": "session_max_seconds", "seconds": 30}
obligation contains {"type": "record", "level": "full"}
obligation contains {"type": "function_call", "allow": false}
obligation contains {"type": "credential", "role": "reader"}
obligation contains {"type": "read_only"}"#;
    let decision = read(&load(&[one, two]));
    assert!(
        matches!(decision.verdict, Verdict::Allow { .. }),
        "{:?}",
        decision.reasons
    );
    let o = decision.obligations.clone();
    let entities: Vec<_> = o
        .entities
        .iter()
        .map(|e| (e.entity.as_str(), e.strategy))
        .collect();
    assert_eq!(
        entities,
        [("CARD", Strategy::Partial), ("EMAIL", Strategy::Hash)]
    );
    assert_eq!(o.columns.len(), 1);
    assert_eq!(o.columns.first().unwrap().strategy, Strategy::Redact);
    assert_eq!((o.row_limit, o.byte_limit), (Some(10), Some(4)));
    assert_eq!(o.session_max, Some(Duration::from_secs(30)));
    assert_eq!(o.record, RecordLevel::Full);
    assert!(o.read_only && o.replication == Replication::Unmasked && !o.allow_function_call);
    assert_eq!(o.role.as_deref(), Some("reader"));
    assert!(o.labels.contains("one"));
}

#[test]
fn replication_is_opaque_only_where_it_is_named_so_and_nobody_refuses() {
    let pack = |more: &str| {
        format!(
            "grant contains {{\"rule\": \"a/yes\"}}\nobligation contains {{\"type\": \"replication\"{more}}}"
        )
    };
    let merged = |packs: &[&str]| {
        let packs: Vec<String> = packs.iter().map(|more| pack(more)).collect();
        let packs: Vec<&str> = packs.iter().map(String::as_str).collect();
        read(&load(&packs)).obligations.replication
    };
    let (plain, opaque) = (", \"allow\": true", ", \"allow\": true, \"opaque\": true");
    assert_eq!(merged(&[plain]), Replication::Unmasked);
    assert_eq!(merged(&[opaque]), Replication::Opaque);
    assert_eq!(merged(&[plain, opaque]), Replication::Opaque);
    let refuses = ", \"allow\": true, \"opaque\": false";
    assert_eq!(merged(&[opaque, refuses]), Replication::Unmasked);
    assert_eq!(
        merged(&[opaque, ", \"allow\": false"]),
        Replication::Refused
    );
}

#[test]
fn streams_pass_by_names_that_there_are_and_what_one_pack_refuses_does_not() {
    let pack = |streams: &str, allow: bool| {
        format!(
            "grant contains {{\"rule\": \"a/yes\"}}\nobligation contains {{\"type\": \"opaque\", \"streams\": [{streams}], \"allow\": {allow}}}"
        )
    };
    let merged = |packs: &[&str]| -> Vec<String> {
        let opaque = read(&load(packs)).obligations.opaque.clone();
        opaque.into_iter().collect()
    };
    let back = pack(
        r#""agent", "remote-forward", "remote-streamlocal", "x11""#,
        true,
    );
    let all = ["agent", "remote-forward", "remote-streamlocal", "x11"];
    assert_eq!(merged(&[&back]), all);
    let but = pack(r#""agent""#, false);
    assert_eq!(merged(&[&back, &but]), all[1..]);
    let unknown = read(&load(&[&pack(r#""remote""#, true)])).verdict.clone();
    assert!(matches!(unknown, Verdict::Deny(_)), "{unknown:?}");
}

#[test]
fn each_filter_has_to_keep_an_object() {
    let pack = |filter: &str| {
        format!(
            "grant contains {{\"rule\": \"a/yes\"}}\nobligation contains {{\"type\": \"filter\", \"rule\": \"a/f\", {filter}}}"
        )
    };
    let (spaces, labels) = (
        pack(r#""namespaces": ["shop", "shop-*"]"#),
        pack(r#""labels": {"team": ["a"]}, "resources": ["pods"]"#),
    );
    let filters = read(&load(&[&spaces, &labels, &spaces]))
        .obligations
        .filters
        .clone();
    assert_eq!(filters.len(), 2);
    assert!(!filters.iter().all(|f| f.keeps_namespace(Some("web"))));
    assert!(
        filters
            .iter()
            .any(|f| f.is_about("", "pods") && !f.labels.is_empty())
    );
    assert!(read(&load(&[GRANT])).obligations.filters.is_empty());
}

#[test]
fn the_strictest_word_about_tests_of_a_column_wins() {
    let pack = |more: &str| {
        format!(
            r#"grant contains {{"rule": "a/yes"}}
obligation contains {{"type": "mask", "selector": {{"column": {{"schema": "s", "table": "t", "column": "c", "tag": "x"}}}}, "method": "redact"{more}}}"#
        )
    };
    let merged = |packs: &[&str]| {
        let packs: Vec<String> = packs.iter().map(|more| pack(more)).collect();
        let packs: Vec<&str> = packs.iter().map(String::as_str).collect();
        let decision = read(&load(&packs));
        let rule = decision.obligations.columns.first().unwrap();
        (rule.predicates, rule.approver_groups.join(","))
    };
    let (allow, deny) = (r#", "predicates": "allow""#, r#", "predicates": "deny""#);
    let dpo = r#", "predicates": "approve", "approver_groups": ["dpo"]"#;
    let dba = r#", "predicates": "approve", "approver_groups": ["dba"]"#;
    let nobody = String::new;
    assert_eq!(merged(&[""]), (Predicates::Deny, nobody()));
    assert_eq!(merged(&[allow]), (Predicates::Allow, nobody()));
    assert_eq!(merged(&[allow, ""]), (Predicates::Deny, nobody()));
    assert_eq!(merged(&[dpo, deny]), (Predicates::Deny, nobody()));
    for packs in [[dpo, dpo], [allow, dpo], [dpo, allow]] {
        assert_eq!(merged(&packs), (Predicates::Approve, "dpo".to_owned()));
    }
    assert_eq!(merged(&[dpo, dba]), (Predicates::Deny, nobody()));
}

#[test]
fn what_holds_for_all_entities_holds_for_each() {
    let body = r#"
grant contains {"rule": "a/yes"}
obligation contains {"type": "mask", "selector": {"entity": "*"}, "method": "redact"}
obligation contains {"type": "mask", "selector": {"entity": "EMAIL"}, "method": "partial"}"#;
    let entities = read(&load(&[body])).obligations.entities.clone();
    assert!(
        entities.iter().all(|e| e.strategy == Strategy::Redact),
        "{entities:?}"
    );
}

#[test]
fn every_method_has_a_word_and_the_strictest_of_two_holds() {
    let words = [
        "partial",
        "tenant_token",
        "token",
        "tenant_hash",
        "hash",
        "redact",
        "null",
    ];
    let pack = |methods: &[&str]| {
        let mut body = "grant contains {\"rule\": \"a/yes\"}\n".to_owned();
        for method in methods {
            body.push_str(&format!(
                "obligation contains {{\"type\": \"mask\", \"selector\": {{\"entity\": \"EMAIL\"}}, \"method\": \"{method}\"}}\n"
            ));
        }
        body
    };
    let merged = |methods: &[&str]| {
        let body = pack(methods);
        let obligations = read(&load(&[&body])).obligations.clone();
        obligations.entities.first().expect("a mask").strategy
    };
    for (word, strategy) in words.iter().zip(Strategy::ALL) {
        assert_eq!(merged(&[word]), strategy, "{word}");
    }
    for (pair, strategy) in words.windows(2).zip(&Strategy::ALL[1..]) {
        assert_eq!(merged(pair), *strategy, "{pair:?}");
    }
}

#[test]
fn nothing_is_recorded_less_and_nothing_extra_allowed_by_default() {
    let o = read(&load(&[GRANT])).obligations.clone();
    assert_eq!(o, portcullis_model::Obligations::none());
}

#[test]
fn a_pack_on_trial_changes_nothing_and_is_told() {
    let broken = r#"deny contains {"rule": "a/b", "msg": "m"} if to_number(input.action) == 1"#;
    let packs = [
        granting(),
        pack(
            "trial",
            &format!("{DENY}\n{APPROVAL}\nobligation contains {{\"type\": \"read_only\"}}"),
        )
        .dry_run(),
        pack("broken", broken).dry_run(),
        pack("giving", r#"grant contains {"rule": "t/grant"}"#).dry_run(),
    ];
    let decision = read(&super::world::load(&packs, json!({})));
    assert_eq!(
        decision.verdict,
        Verdict::Allow {
            rule: "test/grant".into()
        }
    );
    assert!(!decision.obligations.read_only);
    let would: Vec<_> = decision.would.iter().map(|r| r.rule.as_str()).collect();
    assert_eq!(would, ["a/no", "a/ask", "policy/error"]);
    let alone = super::world::load(&packs[3..], json!({}));
    assert!(matches!(read(&alone).verdict, Verdict::Deny(_)));
}

#[test]
fn a_grant_for_one_stage_is_for_no_other() {
    let body = r#"grant contains {"rule": "a/yes", "action": "connect"}"#;
    assert!(matches!(read(&load(&[body])).verdict, Verdict::Deny(_)));
}

#[test]
fn a_mask_by_path_has_one_for_the_whole_column_beside_it() {
    let column = |path: &str| {
        format!(
            r#"obligation contains {{"type": "mask", "selector": {{"column": {{"schema": "s", "table": "t", "column": "c", "tag": "x"{path}}}}}, "method": "METHOD"}}"#
        )
    };
    let by_path = |path: &str, method: &str| {
        column(&format!(r#", "path": "{path}""#)).replace("METHOD", method)
    };
    let masks = |bodies: &[String]| {
        let bodies: Vec<&str> = [GRANT]
            .into_iter()
            .chain(bodies.iter().map(String::as_str))
            .collect();
        read(&load(&bodies)).obligations.clone()
    };
    let asked = masks(&[
        by_path("$.a", "partial"),
        by_path("$['a']", "null"),
        by_path("$.b[*]", "hash"),
    ]);
    let parts: Vec<_> = asked
        .documents
        .iter()
        .map(|d| (d.path.to_string(), d.strategy))
        .collect();
    assert_eq!(
        parts,
        [
            ("$['a']".to_owned(), Strategy::Null),
            ("$['b'][*]".to_owned(), Strategy::Hash)
        ],
        "one rule for each part, however it is written; the strictest way"
    );
    let whole: Vec<_> = asked
        .columns
        .iter()
        .map(|c| (c.column.as_str(), c.strategy))
        .collect();
    assert_eq!(whole, [("c", Strategy::Null)]);
    assert!(asked.masks());
    // Where all of it is masked, parts say nothing more.
    let asked = masks(&[
        by_path("$.a", "null"),
        column("").replace("METHOD", "redact"),
    ]);
    assert!(asked.documents.is_empty());
    let whole: Vec<_> = asked.columns.iter().map(|c| c.strategy).collect();
    assert_eq!(whole, [Strategy::Redact]);
}

#[test]
fn a_path_that_is_made_at_run_time_and_is_none_denies() {
    let body = r#"obligation contains {"type": "mask", "selector": {"column": {"schema": "s", "table": "t", "column": "c", "tag": "x", "path": path}}, "method": "redact"}
path := concat("", ["customer", ".ssn"])"#;
    let Verdict::Deny(denial) = read(&load(&[GRANT, body])).verdict.clone() else {
        panic!("not denied");
    };
    assert_eq!(denial.rule, "policy/shape");
}
