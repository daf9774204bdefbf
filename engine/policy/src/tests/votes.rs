//! Who may vote, whatever Rego says.

use super::world::{NOW, granting, held, identity, load, pack, principal, shipped};
use crate::{ApproveQuestion, Policy};
use portcullis_model::{Identity, Kind, Principal, Requirement, Timestamp, Verdict};
use serde_json::json;
use std::time::Duration;

fn requirement() -> Requirement {
    Requirement {
        rule: "prod/ddl".to_owned(),
        msg: "ALTER".to_owned(),
        approver_groups: vec!["dba".to_owned()],
        approvers: 1,
        ttl: Duration::from_secs(60),
        execution_ttl: Duration::from_secs(60),
        defer: false,
        in_transaction: false,
        ticket: false,
        terms: portcullis_model::Terms::default(),
    }
}

fn vote(policy: &Policy, voter: &Identity, requester: Identity, votes: &[Principal]) -> String {
    vote_at(policy, voter, requester, votes, NOW)
}

fn vote_at(
    policy: &Policy,
    voter: &Identity,
    requester: Identity,
    votes: &[Principal],
    now: Timestamp,
) -> String {
    let verdict = policy.approve(&ApproveQuestion {
        id: "a-1",
        voter,
        client: None,
        request: &held(requester),
        requirement: &requirement(),
        votes,
        expires: NOW.after(Duration::from_secs(60)),
        now,
    });
    match verdict.unwrap() {
        Verdict::Allow { rule } => rule,
        Verdict::Deny(denial) => denial.rule,
        Verdict::Hold(_) => "hold".to_owned(),
    }
}

/// A set that lets everybody vote.
fn lax() -> Policy {
    let body = r#"grant contains {"rule": "a/all", "action": "approve"}"#;
    Policy::new(load(&[pack("lax", body)], json!({})))
}

fn agent() -> Identity {
    identity("bot", Kind::Agent, &["data-agents"])
}

#[test]
fn a_member_of_the_group_may_vote() {
    let policy = Policy::new(shipped());
    let dan = identity("dan", Kind::Human, &["dba"]);
    assert_eq!(vote(&policy, &dan, agent(), &[]), "approve/group");
    let ada = identity("ada", Kind::Human, &["engineers"]);
    assert_eq!(vote(&policy, &ada, agent(), &[]), "default/deny");
}

#[test]
fn no_policy_lets_these_vote() {
    let dan = || identity("dan", Kind::Human, &["dba"]);
    let mut proxy = dan();
    proxy.actors.push(principal("bot"));
    let mut owned = agent();
    owned.owner = Some(principal("dan"));
    let mut acted = identity("ada", Kind::Human, &[]);
    acted.actors.push(principal("dan"));
    let policy = lax();
    let rows = [
        (
            "approval/not-human",
            identity("ci", Kind::Ci, &["dba"]),
            agent(),
            vec![],
        ),
        (
            "approval/not-human",
            identity("bot2", Kind::Agent, &["dba"]),
            agent(),
            vec![],
        ),
        ("approval/by-proxy", proxy, agent(), vec![]),
        ("approval/four-eyes", dan(), dan(), vec![]),
        ("approval/four-eyes", dan(), owned, vec![]),
        ("approval/four-eyes", dan(), acted, vec![]),
        ("approval/voted", dan(), agent(), vec![principal("dan")]),
        ("a/all", dan(), agent(), vec![principal("eve")]),
    ];
    for (rule, voter, requester, votes) in rows {
        assert_eq!(vote(&policy, &voter, requester, &votes), rule);
    }
    let late = NOW.after(Duration::from_secs(60));
    assert_eq!(
        vote_at(&policy, &dan(), agent(), &[], late),
        "approval/expired"
    );
}

#[test]
fn the_same_subject_of_another_issuer_is_somebody_else() {
    let mut other = identity("dan", Kind::Human, &["dba"]);
    other.principal.issuer = "https://other.example.com".to_owned();
    let dan = identity("dan", Kind::Human, &["dba"]);
    assert_eq!(vote(&lax(), &other, dan.clone(), &[]), "a/all");
    let shipped = Policy::new(shipped());
    assert_eq!(vote(&shipped, &other, dan, &[]), "default/deny");
}

#[test]
fn a_grant_of_access_is_no_right_to_vote() {
    let policy = Policy::new(load(&[granting()], json!({})));
    let dan = identity("dan", Kind::Human, &["dba"]);
    assert_eq!(vote(&policy, &dan, agent(), &[]), "default/deny");
}

#[test]
fn a_vote_is_never_held() {
    let body = r#"grant contains {"rule": "a/all", "action": "approve"}
approval contains {"rule": "a/ask", "msg": "ask", "approver_groups": ["dba"]}"#;
    let policy = Policy::new(load(&[pack("asks", body)], json!({})));
    let dan = identity("dan", Kind::Human, &["dba"]);
    assert_eq!(vote(&policy, &dan, agent(), &[]), "policy/shape");
}
