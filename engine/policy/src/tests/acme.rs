//! A whole company's policies (`policies/examples/acme`): the table of its README, line by line.

use super::world::{Asked, Knocks, delete, drop_database, identity, load, select, statement};
use crate::{PackSource, Policy};
use portcullis_gate::Decide;
use portcullis_model::{
    Category, Decision, Effect, Identity, Kind, Predicate, StatementFacts, Target, Timestamp,
    Verbs, Verdict,
};
use std::path::Path;

/// Wednesday, 11:00 in Berlin.
const MORNING: i64 = 1_794_996_000_000_000_000;
/// The same day, 22:00.
const NIGHT: i64 = MORNING + 11 * 3_600_000_000_000;

fn acme(frozen: bool) -> Policy {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/examples/acme");
    let mut data = crate::source::read_data(&folder.join("data.yaml")).unwrap();
    if frozen {
        data["config"]["freeze"] = serde_json::json!({
            "sale": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
        });
    }
    let shipped = crate::builtin::packs().iter();
    let mut sources: Vec<_> = shipped
        .filter_map(|(name, _)| PackSource::builtin(name))
        .collect();
    sources.push(PackSource::path(folder.join("packs/release_freeze.rego")));
    Policy::new(load(&sources, data))
}

fn told(decision: &Decision) -> String {
    match &decision.verdict {
        Verdict::Allow { rule } => format!("allow {rule}"),
        Verdict::Deny(denial) => format!("deny {}", denial.rule),
        Verdict::Hold(asked) => {
            let asked = asked
                .iter()
                .map(|r| format!("{} by {}", r.rule, r.approver_groups.join(" ")));
            format!("hold {}", asked.collect::<Vec<_>>().join(", "))
        }
    }
}

fn place(target: &mut Target, app: &str, env: &str) {
    target.name = app.to_owned();
    target.labels.insert("app".to_owned(), app.to_owned());
    target.labels.insert("env".to_owned(), env.to_owned());
}

fn sends(policy: &Policy, who: Identity, app: &str, what: StatementFacts) -> Decision {
    let mut asked = Asked::new(who, vec![what]);
    let mut target = (*asked.session.target).clone();
    place(&mut target, app, "prod");
    asked.session.target = std::sync::Arc::new(target);
    asked.session.reason = Some("quarter end".to_owned());
    asked.now = Timestamp(MORNING);
    policy.decide(&asked.question()).unwrap()
}

fn connects(who: Identity, app: &str, env: &str, reason: Option<&str>, at: i64) -> Decision {
    let mut knocks = Knocks::new(who);
    place(&mut knocks.target, app, env);
    let mut question = knocks.question();
    question.reason = reason;
    question.now = Timestamp(at);
    acme(false).connect(&question).unwrap()
}

fn alter() -> StatementFacts {
    let mut alter = statement("ALTER", Category::Ddl, Effect::Destroy);
    alter.verbs = Verbs::DDL;
    alter.object_type = Some("TABLE".to_owned());
    alter
}

fn agent() -> Identity {
    identity("bot", Kind::Agent, &["data-agents"])
}

fn person(groups: &[&str]) -> Identity {
    identity("ada", Kind::Human, groups)
}

#[test]
fn what_is_sent_is_answered_as_the_readme_says() {
    let write = |table| delete(table, Predicate::Present);
    let rows = [
        ("allow access/binding", agent(), "shop", select()),
        (
            "hold agents/write by dba",
            agent(),
            "shop",
            write("price_suggestions"),
        ),
        ("deny agents/read-only", agent(), "shop", write("orders")),
        (
            "hold prod/ddl by dba",
            identity("ci", Kind::Ci, &["ci"]),
            "shop",
            alter(),
        ),
        (
            "hold write/refunds by accounting",
            person(&["engineers"]),
            "shop",
            write("refunds"),
        ),
        (
            "deny sql/drop-database",
            person(&["engineers"]),
            "shop",
            drop_database(),
        ),
        (
            "deny ticket/required",
            person(&["accounting"]),
            "ledger",
            write("payouts"),
        ),
    ];
    let policy = acme(false);
    for (answer, who, app, what) in rows {
        let verb = what.verb.clone();
        assert_eq!(
            told(&sends(&policy, who, app, what)),
            answer,
            "{verb} on {app}"
        );
    }
    let frozen = sends(&acme(true), person(&["engineers"]), "shop", write("orders"));
    assert_eq!(told(&frozen), "deny freeze/period");
}

#[test]
fn an_agent_reads_within_its_bounds() {
    let decision = sends(&acme(false), agent(), "shop", select());
    let obligations = decision.obligations.clone();
    assert_eq!(obligations.row_limit, Some(500));
    let maxima: Vec<_> = obligations.budgets.iter().map(|b| b.max).collect();
    assert_eq!(maxima, [5000, 20_000, 50_000_000, 2000, 50]);
    assert!(obligations.columns.iter().any(|rule| rule.column == "ssn"));
    assert_eq!(obligations.role.as_deref(), Some("shop_ro"));
}

#[test]
fn doors_open_as_the_readme_says() {
    let glass = Some("break-glass: checkout is down, looking for locks");
    let both = person(&["accounting", "dba"]);
    let contractor = || person(&["contractors"]);
    let rows = [
        (
            "allow access/binding",
            contractor(),
            "blog",
            "staging",
            None,
            MORNING,
        ),
        (
            "deny contractors/hours",
            contractor(),
            "blog",
            "staging",
            None,
            NIGHT,
        ),
        (
            "deny default/deny",
            person(&["on-call"]),
            "shop",
            "prod",
            None,
            NIGHT,
        ),
        (
            "allow break-glass/grant",
            person(&["on-call"]),
            "shop",
            "prod",
            glass,
            NIGHT,
        ),
        (
            "deny access/reason",
            person(&["accounting"]),
            "ledger",
            "prod",
            None,
            MORNING,
        ),
        (
            "allow access/binding",
            person(&["accounting"]),
            "ledger",
            "prod",
            Some("audit"),
            MORNING,
        ),
        (
            "deny duties/exclusive",
            both,
            "ledger",
            "prod",
            Some("audit"),
            MORNING,
        ),
    ];
    for (answer, who, app, env, reason, at) in rows {
        let decision = connects(who, app, env, reason, at);
        assert_eq!(told(&decision), answer, "{app} {env} {reason:?} {at}");
    }
}
