//! Every way a pack may fail to answer: each is a denial with a rule of its own, and the process lives.

use super::world::{granting, load, pack, read, set, set_without_bans};
use crate::PolicySet;
use crate::set::processor_time;
use portcullis_model::{Decision, Verdict};
use serde_json::json;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

fn rule(decision: &Decision) -> &str {
    match &decision.verdict {
        Verdict::Deny(denial) => &denial.rule,
        Verdict::Allow { .. } => "allow",
        Verdict::Hold(_) => "hold",
    }
}

const SLOW: &str = r#"l := split(sprintf("%0400d", [0]), "")
deny contains {"rule": "a/b", "msg": "m"} if {
	some a in l
	some b in l
	some c in l
	concat("", [a, b, c]) == "x"
}"#;

/// What a pack says, and the rule of the denial that comes of it.
const ROWS: &[(&str, &str)] = &[
    (
        "policy/undefined",
        r#"deny := {{"rule": "a/b", "msg": "m"}} if input.action == "approve""#,
    ),
    (
        "policy/error",
        r#"deny contains {"rule": "a/b", "msg": "m"} if to_number(input.action) == 1"#,
    ),
    (
        "policy/error",
        r#"deny contains {"rule": "a/b", "msg": "m"} if 1 / count(input.identity.actors) == 1"#,
    ),
    (
        "policy/error",
        r#"deny contains {"rule": "a/b", "msg": "m"} if not to_number(input.action) == 1"#,
    ),
    (
        "policy/error",
        r#"deny contains {"rule": "a/b", "msg": "m"} if 1 + input.action == 1"#,
    ),
    (
        "policy/conflict",
        "x := 1 if input.action\nx := 2 if input.action\ndeny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if x == 3",
    ),
    (
        "policy/conflict",
        "f(_) := 1\nf(x) := 2 if x\ndeny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if f(input.action) == 3",
    ),
    ("policy/timeout", SLOW),
    (
        "policy/shape",
        r#"obligation contains said if said := {"type": "mask", "selector": {"entity": "EMAIL"}, "method": "redact", "predicates": "allow"}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains said if said := {"type": "mask", "selector": {"column": {"schema": "s", "table": "t", "column": "c", "tag": "x"}}, "method": "redact", "predicates": "perhaps"}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains said if said := {"type": "mask", "selector": {"column": {"schema": "s", "table": "t", "column": "c", "tag": "x"}}, "method": "redact", "approver_groups": ["dpo"]}"#,
    ),
    ("policy/shape", r#"deny contains "no""#),
    ("policy/shape", r#"deny contains {"rule": "a/b"}"#),
    (
        "policy/shape",
        r#"deny contains said if said := {"rule": "a/b", "msg": "m", "mgs": "m"}"#,
    ),
    (
        "policy/shape",
        r#"deny contains said if said := {"rule": "Not A Path", "msg": "m"}"#,
    ),
    (
        "policy/shape",
        r#"deny contains said if said := {"rule": "policy/error", "msg": "m"}"#,
    ),
    ("policy/shape", "deny := true"),
    (
        "policy/shape",
        r#"grant contains {"rule": "a/b", "action": "everything"}"#,
    ),
    (
        "policy/shape",
        r#"approval contains {"rule": "a/b", "msg": "m"}"#,
    ),
    (
        "policy/shape",
        r#"approval contains said if said := {"rule": "a/b", "msg": "m", "approver_groupz": []}"#,
    ),
    (
        "policy/shape",
        r#"approval contains {"rule": "a/b", "msg": "m", "approver_groups": ["x"], "approvers": 0}"#,
    ),
    (
        "policy/shape",
        r#"approval contains {"rule": "a/b", "msg": "m", "approver_groups": ["x"], "ttl_seconds": 0}"#,
    ),
    (
        "policy/shape",
        r#"approval contains {"rule": "a/b", "msg": "m", "approver_groups": ["x"], "approvers": 17}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains said if said := {"rows": 1}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "row_limit", "rows": -1}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "row_limit"}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "mask", "selector": {}, "method": "redact"}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "mask", "selector": {"entities": []}, "method": "redact"}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "mask", "selector": {"entity": "EMAIL"}, "method": "blur"}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "mask", "selector": {"entity": "email"}, "method": "redact"}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "filter", "resources": ["pods"]}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains said if said := {"type": "filter", "namespaces": ["a"], "label": {}}"#,
    ),
    (
        "policy/shape",
        r#"obligation contains {"type": "filter", "labels": {"team": ["a,b"]}}"#,
    ),
    (
        "policy/unknown-obligation",
        r#"obligation contains said if said := {"type": "watermark"}"#,
    ),
    (
        "policy/conflict",
        "obligation contains {\"type\": \"credential\", \"role\": \"a\"}\nobligation contains {\"type\": \"credential\", \"role\": \"b\"}",
    ),
];

#[test]
fn each_failure_is_a_denial_with_its_own_rule() {
    for &(expected, body) in ROWS {
        let decision = read(&set(body));
        assert_eq!(rule(&decision), expected, "{body}");
        let told = decision
            .reasons
            .iter()
            .any(|r| r.rule == expected && r.pack == "subject");
        assert!(told, "{body}: {:?}", decision.reasons);
    }
}

#[test]
fn a_panic_in_the_engine_is_a_denial_and_the_next_decision_works() {
    let set = set_without_bans(
        r#"deny contains {"rule": "a/b", "msg": "m"} if strings.count(input.action, "") > input.history.rows"#,
    );
    for _ in 0..3 {
        assert_eq!(rule(&read(&set)), "policy/panic");
    }
}

#[test]
fn an_engine_that_panicked_is_not_used_for_the_next_pack() {
    let strictness = crate::load::Strictness {
        bans: false,
        tests: true,
    };
    let first = pack(
        "breaks",
        r#"deny contains {"rule": "a/b", "msg": "m"} if strings.count("a", "") > 0"#,
    );
    let second = pack(
        "speaks",
        r#"deny contains {"rule": "c/d", "msg": "m"} if input.action == "command""#,
    );
    let set = crate::load::load(&[granting(), first, second], json!({}), strictness);
    let set = set.unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let rules: Vec<String> = read(&set)
        .reasons
        .clone()
        .into_iter()
        .map(|r| r.rule)
        .collect();
    assert_eq!(rules, ["test/grant", "policy/panic", "c/d"]);
}

const LIMIT: Duration = Duration::from_millis(200);

/// Packs of which one alone is too slow, on a machine with this clock.
fn slow(packs: usize, clock: fn() -> Duration) -> PolicySet {
    let packs: Vec<_> = (0..packs)
        .map(|n| pack(&format!("slow{n}"), SLOW))
        .collect();
    let mut set = load(&packs, json!({}));
    set.limit(LIMIT);
    set.clock(clock);
    set
}

/// The processor was this thread's all the time.
fn busy() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}

#[test]
fn all_packs_together_have_one_time_limit_and_one_second_try() {
    for packs in [1, 6] {
        let set = slow(packs, busy);
        let before = processor_time();
        assert_eq!(rule(&read(&set)), "policy/timeout");
        let used = processor_time().saturating_sub(before);
        assert!(used < LIMIT * 5 / 2, "{packs} packs used {used:?}");
    }
}

#[test]
fn a_machine_that_stalls_has_more_tries_and_not_for_ever() {
    let set = slow(6, || Duration::ZERO);
    let began = Instant::now();
    assert_eq!(rule(&read(&set)), "policy/timeout");
    // Each of them runs to its end.
    assert!(began.elapsed() >= LIMIT * 4, "{:?}", began.elapsed());
}

#[test]
fn what_the_keyboard_reads_shows_nothing_of_the_inside() {
    let decision = read(&set(
        r#"deny contains {"rule": "a/b", "msg": "m"} if to_number(input.identity.name) == 1"#,
    ));
    let Verdict::Deny(denial) = decision.verdict.clone() else {
        panic!("not denied");
    };
    let shown = format!("{} {:?}", denial.reason, denial.hint);
    assert!(
        !shown.contains("ada") && !shown.contains(".rego"),
        "{shown}"
    );
    let told = decision
        .reasons
        .iter()
        .find(|r| r.rule == "policy/error")
        .unwrap();
    assert!(told.msg.contains("subject.rego:5:"), "{}", told.msg);
    assert!(!told.msg.contains("ada"), "{}", told.msg);
}

#[test]
fn a_deep_or_huge_input_is_no_reason_to_say_yes() {
    use super::world::{Asked, identity, select};
    let mut who = identity("ada", portcullis_model::Kind::Human, &[]);
    let mut deep = json!(1);
    for _ in 0..120 {
        deep = json!([deep]);
    }
    who.claims.insert("deep".to_owned(), deep);
    let set =
        set(r#"deny contains {"rule": "a/b", "msg": "m"} if input.identity.claims.deep == 2"#);
    let asked = Asked::new(who, vec![select()]);
    let answer = set.decide(&crate::Input::command(&asked.question()));
    let refused = answer.map_or(true, |d| {
        matches!(d.verdict, Verdict::Deny(_) | Verdict::Allow { .. })
    });
    assert!(refused);
    let mut who = identity("ada", portcullis_model::Kind::Human, &[]);
    who.claims
        .insert("huge".to_owned(), json!("x".repeat(3 * 1024 * 1024)));
    let asked = Asked::new(who, vec![select()]);
    assert!(
        set.decide(&crate::Input::command(&asked.question()))
            .is_err()
    );
}
