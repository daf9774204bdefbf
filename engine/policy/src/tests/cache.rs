//! What is remembered, under what, and what never is.

use super::world::{Asked, granting, identity, load, pack, select, shipped};
use crate::PolicySet;
use crate::input::{Action, Document};
use crate::set::Occasion;
use portcullis_gate::History;
use portcullis_model::{Kind, SessionId, Tally, Timestamp, Verdict};
use serde_json::json;

fn nine_rows() -> History {
    History {
        session: Tally {
            rows: 9,
            ..Tally::default()
        },
        ..History::default()
    }
}

fn asked() -> Asked {
    Asked::new(identity("ada", Kind::Human, &[]), vec![select()])
}

fn denied(set: &PolicySet, asked: &Asked) -> bool {
    matches!(asked.decide(set).verdict, Verdict::Deny(_))
}

#[test]
fn a_pack_is_remembered_under_what_it_reads() {
    let text = pack(
        "text",
        r#"deny contains {"rule": "a/b", "msg": "m"} if contains(input.command.text, "secret")"#,
    );
    let verb = pack(
        "verb",
        r#"deny contains {"rule": "c/d", "msg": "m"} if some_drop
some_drop if { some s in input.command.statements; s.verb == "DROP" }"#,
    );
    let set = load(&[granting(), text, verb], json!({}));
    let mut question = asked();
    assert!(!denied(&set, &question));
    assert_eq!(set.remembered(), 3);
    question.session.id = SessionId(2);
    question.now = Timestamp(1);
    question.history = nine_rows();
    assert!(!denied(&set, &question));
    assert_eq!(
        set.remembered(),
        3,
        "session, time and history are read by none of them"
    );
    question.text = "select 'secret'".to_owned();
    assert!(denied(&set, &question));
    assert_eq!(
        set.remembered(),
        4,
        "only the pack that reads the text is asked again"
    );
    question.text = "select 1".to_owned();
    question.facts.statements[0].verb = "DROP".to_owned();
    assert!(denied(&set, &question));
}

#[test]
fn what_reads_time_or_history_is_never_remembered() {
    let bodies = [
        "input.request.time_ns > 5",
        "input.history.rows > 5",
        "r := input.request; r.time_ns > 5",
        "r := input; r.history.rows > 5",
        "some key, value in input; key == \"history\"; value.rows > 5",
        "input[concat(\"\", [\"his\", \"tory\"])].rows > 5",
        "late",
        "later(input)",
        "data.portcullis.packs.subject.late",
    ];
    let rest = "late if now > 5\nnow := input.request.time_ns\nlater(x) if x.history.rows > 5";
    for body in bodies {
        let text =
            format!("deny contains {{\"rule\": \"a/b\", \"msg\": \"m\"}} if {{ {body} }}\n{rest}");
        let set = load(&[granting(), pack("subject", &text)], json!({}));
        assert!(set.volatile("subject"), "{body}");
        let mut question = asked();
        question.now = Timestamp(1);
        assert!(!denied(&set, &question), "{body}");
        question.now = Timestamp(9);
        question.history = nine_rows();
        assert!(denied(&set, &question), "{body}");
    }
}

#[test]
fn an_alias_of_the_input_is_followed() {
    let text = "package portcullis.packs.subject\nimport rego.v1\nimport input.request as r\nimport input.history\n\
                deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if r.time_ns + history.rows > 5";
    let source = crate::PackSource::memory("subject", "s.rego", text);
    let set = load(&[granting(), source], json!({}));
    assert!(set.volatile("subject"));
}

#[test]
fn a_failure_is_not_remembered() {
    let set = super::world::set(
        r#"deny contains {"rule": "a/b", "msg": "m"} if to_number(input.action) == 1"#,
    );
    assert!(denied(&set, &asked()));
    assert_eq!(set.remembered(), 1, "only the pack that could answer");
}

#[test]
fn an_answer_from_memory_is_the_same_answer() {
    let set = shipped();
    for groups in [vec!["engineers"], vec!["dba"], vec!["dpo"], vec![]] {
        let question = Asked::new(identity("ada", Kind::Human, &groups), vec![select()]);
        let fresh = question.decide(&set);
        let remembered = question.decide(&set);
        assert_eq!(fresh.verdict, remembered.verdict);
        assert_eq!(fresh.obligations, remembered.obligations);
        assert_eq!(fresh.reasons, remembered.reasons);
        assert_eq!(fresh.input, remembered.input);
    }
}

#[test]
fn only_packs_about_votes_and_hours_read_time() {
    let set = shipped();
    let volatile: Vec<&str> = set
        .packs()
        .map(|(n, _)| n)
        .filter(|n| set.volatile(n))
        .collect();
    assert_eq!(volatile, ["approve", "contractor_hours"]);
}

#[test]
fn memory_is_bounded() {
    let set = shipped();
    for n in 0..2000 {
        let who = identity(&format!("u{n}"), Kind::Human, &["engineers"]);
        Asked::new(who, vec![select()]).decide(&set);
    }
    assert!(set.remembered() <= portcullis_model::limits::POLICY_CACHE_MAX);
}

#[test]
fn a_pack_is_asked_only_where_it_can_speak() {
    let set = shipped();
    assert!(!set.speaks_at("approve", Action::Command));
    assert!(set.speaks_at("approve", Action::Approve));
    assert!(!set.speaks_at("destructive_sql", Action::Connect));
    assert!(set.speaks_at("destructive_sql", Action::Command));
    let rows = [
        ("input.action == \"command\"", true, false),
        ("\"connect\" == input.action", false, true),
        ("input.action in {\"command\", \"connect\"}", true, true),
        ("not input.action == \"connect\"", true, true),
        ("input.action != \"connect\"", true, true),
        ("input.action == input.version", true, true),
        ("input.action in [input.version]", true, true),
        ("asked", true, false),
        ("not asked", true, true),
        ("often", true, true),
        ("usually", true, true),
        ("count([1 | input.action == \"connect\"]) == 0", true, true),
    ];
    let rest = "asked if input.action == \"command\"\n\
                often if input.action == \"command\"\noften if input.action == \"connect\"\n\
                default usually := true\nusually := false if input.action == \"connect\"";
    for (body, command, connect) in rows {
        let text =
            format!("deny contains {{\"rule\": \"a/b\", \"msg\": \"m\"}} if {{ {body} }}\n{rest}");
        let set = super::world::set(&text);
        assert_eq!(set.speaks_at("subject", Action::Command), command, "{body}");
        assert_eq!(set.speaks_at("subject", Action::Connect), connect, "{body}");
    }
}

#[test]
fn a_pack_is_asked_only_about_protocols_of_which_it_speaks() {
    use portcullis_model::Protocol::{Kubernetes, Postgres, Ssh};
    let set = shipped();
    assert!(!set.speaks_over("destructive_commands", Action::Command, Postgres));
    assert!(set.speaks_over("destructive_commands", Action::Command, Ssh));
    assert!(!set.speaks_over("prod_ddl_approval", Action::Command, Kubernetes));
    assert!(!set.speaks_over("prod_sessions", Action::Command, Ssh));
    assert!(set.speaks_over("prod_sessions", Action::Connect, Ssh));
    for (body, postgres, ssh) in [
        ("input.connection.protocol == \"ssh\"", false, true),
        ("\"postgres\" == input.connection.protocol", true, false),
        (
            "input.connection.protocol in {\"ssh\", \"postgres\"}",
            true,
            true,
        ),
        ("not input.connection.protocol == \"ssh\"", true, true),
        ("input.connection.protocol != \"ssh\"", true, true),
        ("elsewhere", false, true),
        ("not elsewhere", true, true),
    ] {
        let text = format!(
            "deny contains {{\"rule\": \"a/b\", \"msg\": \"m\"}} if {{ {body} }}\n\
             elsewhere if input.connection.protocol == \"ssh\""
        );
        let set = super::world::set(&text);
        assert_eq!(
            set.speaks_over("subject", Action::Command, Postgres),
            postgres,
            "{body}"
        );
        assert_eq!(
            set.speaks_over("subject", Action::Command, Ssh),
            ssh,
            "{body}"
        );
    }
}

#[test]
fn a_pack_that_reads_time_leaves_the_outcome_of_others_remembered() {
    let late = pack(
        "late",
        r#"deny contains {"rule": "a/late", "msg": "m"} if input.request.time_ns > 5"#,
    );
    let set = load(&[granting(), late], json!({}));
    let mut question = asked();
    let outcome_at = |question: &mut Asked, now| {
        question.now = Timestamp(now);
        question.decide(&set).outcome
    };
    let first = outcome_at(&mut question, 1);
    let same = outcome_at(&mut question, 2);
    assert!(std::sync::Arc::ptr_eq(&first, &same), "it said the same");
    let later = outcome_at(&mut question, 9);
    assert!(matches!(later.verdict, Verdict::Deny(_)));
    let again = outcome_at(&mut question, 3);
    assert!(matches!(again.verdict, Verdict::Allow { .. }));
}

#[test]
fn a_pack_that_fails_is_told_from_the_ones_it_is_asked_with() {
    let bodies = [
        (
            "error",
            "to_number(input.identity.name) == 1",
            "policy/error",
        ),
        ("conflict", "twice", "policy/conflict"),
    ];
    for (name, body, rule) in bodies {
        let broken = pack(
            name,
            &format!(
                "deny contains {{\"rule\": \"a/b\", \"msg\": \"m\"}} if {{ {body} }}\ntwice := 1\ntwice := 2 if input.action == \"command\""
            ),
        );
        let set = load(
            &[
                granting(),
                broken,
                pack(
                    "quiet",
                    r#"deny contains {"rule": "c/d", "msg": "m"} if false"#,
                ),
            ],
            json!({}),
        );
        let decision = asked().decide(&set);
        let Verdict::Deny(denial) = &decision.verdict else {
            panic!("not denied");
        };
        assert_eq!(denial.rule, rule);
        let packs: Vec<&str> = decision.reasons.iter().map(|r| r.pack.as_str()).collect();
        assert!(
            packs.contains(&name) && packs.contains(&"granting"),
            "{packs:?}"
        );
        assert!(!packs.contains(&"quiet"), "{packs:?}");
        assert_eq!(set.remembered(), 2, "what could answer is remembered");
    }
}

#[test]
fn asked_together_or_alone_packs_say_the_same() {
    let set = shipped();
    let inputs = crate::builtin::examples();
    assert!(inputs.len() >= 7, "{}", inputs.len());
    for (name, input) in inputs {
        for kind in ["human", "agent"] {
            let mut input = input.clone();
            input["identity"]["kind"] = kind.into();
            let input: crate::Input<'_> = serde::Deserialize::deserialize(&input).unwrap();
            let occasion = Occasion::of(&input);
            let mut document = Document::render(&input).unwrap();
            let alone = set.each_alone(occasion, &mut document);
            set.forget();
            let together: Vec<_> = set
                .ask(occasion, &mut document)
                .into_iter()
                .map(|h| h.said)
                .collect();
            assert_eq!(together, alone, "{name}");
        }
    }
}
