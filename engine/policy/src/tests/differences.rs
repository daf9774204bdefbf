//! Where this engine differs from OPA, row by row: what OPA refuses to compile, the loader refuses; what
//! OPA lets vanish, denies with a rule of its own; and what is the same, stays the same. After each bad
//! load the old set still serves, and the process lives.

use super::world::{Asked, granting, identity, load, pack, select, set, set_without_bans};
use crate::{Policy, PolicySet};
use portcullis_gate::Decide;
use portcullis_model::{Decision, Kind, Verdict};
use serde_json::json;

const DENY: &str = "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if ";

fn ada() -> Asked {
    Asked::new(identity("ada", Kind::Human, &["engineers"]), vec![select()])
}

fn rule(decision: &Decision) -> String {
    match &decision.verdict {
        Verdict::Deny(denial) => denial.rule.clone(),
        Verdict::Allow { rule } => rule.clone(),
        Verdict::Hold(_) => "hold".to_owned(),
    }
}

fn decided(body: &str) -> String {
    rule(&ada().decide(&set(body)))
}

#[test]
fn a_builtin_that_fails_denies_and_does_not_vanish() {
    for body in [
        "to_number(input.identity.name) == 1",
        "time.parse_rfc3339_ns(input.identity.name) > 0",
        "1 / count(input.identity.actors) == 1",
        "not to_number(input.identity.name) == 1",
        "1 + input.identity.name == 1",
    ] {
        assert_eq!(decided(&format!("{DENY}{body}")), "policy/error", "{body}");
    }
    // A deny behind a failing builtin, where a default says otherwise.
    let guarded = format!(
        "default verdict := \"allow\"\nverdict := \"deny\" if to_number(input.identity.name) > 0\n{DENY}verdict == \"deny\""
    );
    assert_eq!(decided(&guarded), "policy/error");
}

#[test]
fn rules_that_contradict_each_other_deny() {
    let body = format!("x := 1 if input.action\nx := 2 if input.identity.name\n{DENY}x == 3");
    assert_eq!(decided(&body), "policy/conflict");
}

/// What it is, a pack, its data, and the rule of the refusal.
fn bad_sets() -> Vec<(&'static str, String, serde_json::Value, &'static str)> {
    vec![
        (
            "recursion of rules",
            format!("p if q\nq if p\n{DENY}p"),
            json!({}),
            "load/cycle",
        ),
        (
            "recursion of a function",
            format!("f(n) := f(n + 1)\n{DENY}f(1) == 2"),
            json!({}),
            "load/cycle",
        ),
        (
            "recursion of two functions",
            format!("f(n) := g(n)\ng(n) := f(n)\n{DENY}f(1) == 2"),
            json!({}),
            "load/cycle",
        ),
        (
            "an unknown function in a branch that is never reached",
            format!("{DENY}{{ false; nope(1) == 2 }}"),
            json!({}),
            "load/unknown-function",
        ),
        (
            "a banned function in a branch that is never reached",
            format!("{DENY}{{ 1 == 2; http.send({{}}) }}"),
            json!({}),
            "load/banned-function",
        ),
        (
            "data over a rule",
            format!("{DENY}true"),
            json!({"portcullis": {"packs": {"subject": {"deny": []}}}}),
            "load/data-shadows-rule",
        ),
        (
            "a rule that does not exist",
            format!("{DENY}data.portcullis.lib.nope"),
            json!({}),
            "load/unknown-rule",
        ),
        (
            "an empty needle",
            format!("{DENY}strings.count(input.action, \"\") > 0"),
            json!({}),
            "load/banned-function",
        ),
        (
            "string interpolation",
            format!("{DENY}$\"x\" == \"x\""),
            json!({}),
            "load/parse",
        ),
    ]
}

#[test]
fn a_bad_set_is_refused_and_the_old_one_serves() {
    let policy = Policy::new(load(&[granting()], json!({})));
    let revision = Decide::revision(&policy);
    for (what, body, data, expected) in bad_sets() {
        let wrong = PolicySet::load(&[pack("subject", &body)], data)
            .err()
            .unwrap_or_default();
        assert!(
            wrong.iter().any(|d| d.rule == expected),
            "{what}: {wrong:?}"
        );
        let still = policy.decide(&ada().question()).unwrap();
        assert_eq!(rule(&still), "test/grant", "{what}: the old set serves");
        assert_eq!(Decide::revision(&policy), revision, "{what}");
    }
}

#[test]
fn a_loop_without_end_is_cut_off() {
    let body = format!(
        "l := split(sprintf(\"%0400d\", [0]), \"\")\n{DENY}{{ some a in l; some b in l; some c in l; concat(\"\", [a, b, c]) == \"x\" }}"
    );
    assert_eq!(decided(&body), "policy/timeout");
}

#[test]
fn a_panic_of_the_engine_denies_and_the_next_question_is_answered() {
    let set = set_without_bans(&format!("{DENY}strings.count(input.action, \"\") > 0"));
    assert_eq!(rule(&ada().decide(&set)), "policy/panic");
    assert_eq!(rule(&ada().decide(&set)), "policy/panic");
}

#[test]
fn what_is_the_same_in_both_is_the_same_here() {
    for holds in [
        "data.portcullis.packs.subject.seven(1) == 7",
        "object_of == {\"k\": {\"z\": 1}}",
        "[f | some i in [1, 2]; f := {1: 5}[i]] == [5]",
        "walked == 3",
        "count({x | some x in [3, 1, 2]; x > 1}) == 2",
    ] {
        let body = format!(
            "default seven(_) := 7\nseven(x) := 8 if x == 100\n\
             object_of[k].z := 1 if some k in [\"k\"]\n\
             walked := count([p | walk([1, 2], [p, _])])\n{DENY}{{ input.action; {holds} }}"
        );
        assert_eq!(decided(&body), "a/b", "{holds}");
    }
}

#[test]
fn a_field_that_is_there_twice_is_no_input() {
    let set = load(&[granting()], json!({}));
    let input = ada().decide(&set).input;
    let twice = String::from_utf8_lossy(&input).replacen(
        "\"action\":\"command\"",
        "\"action\":\"connect\",\"action\":\"command\"",
        1,
    );
    assert!(set.decide_recorded(twice.as_bytes()).is_err());
    let missing = String::from_utf8_lossy(&input).replacen("\"action\":\"command\",", "", 1);
    assert!(set.decide_recorded(missing.as_bytes()).is_err());
}
