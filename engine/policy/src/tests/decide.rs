//! The shipped packs as they serve, from question to decision.

use super::world::{
    Asked, Knocks, delete, drop_database, example_data, identity, load, select, set, shipped,
    shipped_sources,
};
use crate::Policy;
use portcullis_gate::Decide;
use portcullis_model::facts::{Parse, SessionChange};
use portcullis_model::{Class, Identity, Kind, Predicate, StatementFacts, Verdict};

fn agent() -> Identity {
    identity("bot", Kind::Agent, &["data-agents"])
}

fn engineer() -> Identity {
    identity("ada", Kind::Human, &["engineers"])
}

fn answer(policy: &Policy, who: Identity, statements: Vec<StatementFacts>) -> String {
    let asked = Asked::new(who, statements);
    said(policy.decide(&asked.question()).unwrap().verdict.clone())
}

fn said(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allow { rule } => format!("allow {rule}"),
        Verdict::Deny(denial) => format!("deny {}", denial.rule),
        Verdict::Hold(asked) => {
            let rules: Vec<_> = asked.iter().map(|r| r.rule.as_str()).collect();
            format!("hold {}", rules.join(" "))
        }
    }
}

#[test]
fn the_shipped_packs_answer_as_they_read() {
    let policy = Policy::new(shipped());
    let prepared = || {
        let mut prepare = select();
        prepare.changes.push(SessionChange::Prepare {
            name: "p".to_owned(),
            inner: Box::new(delete("orders", Predicate::Missing)),
        });
        prepare
    };
    let rows = [
        ("allow access/binding", agent(), vec![select()]),
        (
            "deny agents/read-only",
            agent(),
            vec![delete("customers", Predicate::Present)],
        ),
        (
            "hold agents/write",
            agent(),
            vec![delete("orders", Predicate::Present)],
        ),
        (
            "deny agents/read-only",
            agent(),
            vec![delete("orders", Predicate::Constant)],
        ),
        (
            "allow access/binding",
            engineer(),
            vec![delete("orders", Predicate::Present)],
        ),
        (
            "hold write/payments",
            engineer(),
            vec![delete("payments", Predicate::Present)],
        ),
        (
            "deny sql/unbounded-write",
            engineer(),
            vec![delete("orders", Predicate::Missing)],
        ),
        ("deny sql/unbounded-write", engineer(), vec![prepared()]),
        (
            "deny sql/drop-database",
            engineer(),
            vec![select(), drop_database()],
        ),
        (
            "deny default/deny",
            identity("eve", Kind::Human, &[]),
            vec![select()],
        ),
    ];
    for (expected, who, statements) in rows {
        let name = who.name.clone();
        assert_eq!(answer(&policy, who, statements), expected, "{name}");
    }
}

#[test]
fn what_could_not_be_classified_is_denied() {
    let policy = Policy::new(shipped());
    let mut asked = Asked::new(engineer(), vec![select()]);
    asked.class = asked.class.join(Class::unknown("unclassified"));
    let verdict = policy.decide(&asked.question()).unwrap().verdict.clone();
    assert_eq!(said(verdict), "deny sql/not-understood");
    let mut asked = Asked::new(engineer(), vec![select()]);
    asked.facts.parse = Parse::Partial;
    let verdict = policy.decide(&asked.question()).unwrap().verdict.clone();
    assert_eq!(said(verdict), "deny sql/not-understood");
}

#[test]
fn an_admission_comes_with_its_obligations() {
    let policy = Policy::new(shipped());
    let knocks = Knocks::new(agent());
    let decision = policy.connect(&knocks.question()).unwrap();
    assert_eq!(said(decision.verdict.clone()), "allow access/binding");
    assert_eq!(decision.obligations.row_limit, Some(500));
    assert!(decision.obligations.masks());
    assert_eq!(decision.obligations.columns.len(), 1);
    assert_eq!(decision.obligations.session_max.unwrap().as_secs(), 3600);
    let stranger = Knocks::new(identity("eve", Kind::Human, &["nobody"]));
    let decision = policy.connect(&stranger.question()).unwrap();
    assert_eq!(said(decision.verdict.clone()), "deny default/deny");
}

#[test]
fn without_data_nobody_gets_in() {
    let policy = Policy::new(load(&shipped_sources(), serde_json::json!({})));
    let knocks = Knocks::new(engineer());
    let decision = policy.connect(&knocks.question()).unwrap();
    assert_eq!(said(decision.verdict.clone()), "deny default/deny");
    assert_eq!(
        answer(&policy, agent(), vec![select()]),
        "deny default/deny"
    );
}

#[test]
fn a_reload_changes_the_next_decision_and_the_revision() {
    let policy = Policy::new(set(
        "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if false",
    ));
    let before = Decide::revision(&policy);
    assert_eq!(
        answer(&policy, engineer(), vec![select()]),
        "allow test/grant"
    );
    policy.reload(set(
        "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if true",
    ));
    assert_ne!(before, Decide::revision(&policy));
    assert_eq!(answer(&policy, engineer(), vec![select()]), "deny a/b");
}

#[test]
fn a_recorded_input_decides_as_it_did() {
    let set = shipped();
    for statements in [
        vec![select()],
        vec![drop_database()],
        vec![delete("payments", Predicate::Present)],
    ] {
        let first = Asked::new(engineer(), statements).decide(&set);
        let again = set.decide_recorded(&first.input).unwrap();
        assert_eq!(first.verdict, again.verdict);
        assert_eq!(first.input, again.input);
        let input = serde_json::from_slice(&first.input).unwrap();
        let explained = set.explain(&input).unwrap();
        let asked = explained.packs.iter().filter(|p| p.asked).count();
        assert_eq!(
            asked,
            set.packs().count() - 5,
            "all but those about votes, the console, shells and clusters"
        );
        assert!(explained.packs.iter().any(|p| !p.grants.is_empty()));
    }
    assert!(set.decide_recorded(b"{}").is_err());
    let other = Asked::new(engineer(), vec![select()]).decide(&set).input;
    let other = String::from_utf8_lossy(&other).replace("portcullis/v1", "portcullis/v0");
    assert!(set.decide_recorded(other.as_bytes()).is_err());
}

#[test]
fn the_example_data_is_what_the_packs_and_the_console_read() {
    let data = example_data();
    let keys: Vec<_> = data.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["access", "config", "console"]);
}
