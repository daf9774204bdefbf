//! The order of things, with everybody else played by fakes that write down when they were asked.

mod fakes;
mod keys;

use super::*;
use crate::config::Period;
use fakes::{Script, World, knock, patient};
use portcullis_gate::Answer;
use portcullis_identity::Revocation;
use portcullis_model::{Client, Kind, Principal, Protocol, Requirement, Target};
use std::time::Duration;

/// An identity whose token is good for an hour after the epoch.
pub(crate) fn identity(subject: &str) -> Identity {
    Identity {
        principal: Principal {
            issuer: "https://idp.example".to_owned(),
            subject: subject.to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: subject.to_owned(),
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: Some("t-1".to_owned()),
        expires: Timestamp(0).after(Duration::from_secs(3600)),
    }
}

pub(crate) fn target() -> Target {
    Target {
        name: "orders".to_owned(),
        protocol: Protocol::Postgres,
        labels: BTreeMap::new(),
        database: Some("orders".to_owned()),
        role: Some("app_rw".to_owned()),
    }
}

pub(crate) fn session(id: u128, identity: Identity) -> Session {
    Session {
        id: SessionId(id),
        identity: Arc::new(identity),
        target: Arc::new(target()),
        client: client(),
        started: Timestamp(0),
        node: "gw-1".to_owned(),
        login: "pc_1".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    }
}

pub(crate) fn client() -> Client {
    Client {
        address: ([127, 0, 0, 1], 5).into(),
        program: None,
        tls: None,
    }
}

fn requirement(group: &str) -> Requirement {
    Requirement {
        rule: "access/needs-approval".to_owned(),
        msg: "production".to_owned(),
        approver_groups: vec![group.to_owned()],
        approvers: 1,
        ttl: Duration::from_secs(60),
        execution_ttl: Duration::from_secs(60),
        defer: false,
        in_transaction: false,
        ticket: false,
        terms: portcullis_model::Terms::default(),
    }
}

async fn admit(world: &World, target: &str) -> Result<Admission, Denial> {
    let reception = &world.reception;
    let mut waiting = patient();
    reception.admit(knock(target), &mut waiting).await
}

async fn refusal(world: &World, target: &str) -> Denial {
    match admit(world, target).await {
        Ok(_) => panic!("was admitted"),
        Err(denial) => denial,
    }
}

#[tokio::test]
async fn the_steps_come_in_their_order() {
    let world = World::new(Script::default());
    let admission = admit(&world, "orders").await.expect("admitted");
    assert_eq!(
        world.said(),
        [
            "verify",
            "connect",
            "streams",
            "record",
            "append admit",
            "mint"
        ]
    );
    let portcullis_gate::Way::Postgres(way) = &admission.way else {
        panic!("a way to PostgreSQL");
    };
    assert_eq!(way.settings.len(), 1, "our own settings stay here");
    assert_eq!(world.reception.desk().registry.len(), 1);
    drop(admission);
    assert!(world.reception.desk().registry.is_empty());
}

#[tokio::test]
async fn each_step_that_says_no_is_the_last() {
    let deny = Verdict::Deny(Denial::new("access/no", "no"));
    let cases: [(Script, &str, &[&str]); 5] = [
        (
            Script {
                unknown: true,
                ..Script::default()
            },
            "identity/signature",
            &["verify"],
        ),
        (
            Script {
                verdict: deny,
                ..Script::default()
            },
            "access/no",
            &["verify", "connect"],
        ),
        (
            Script {
                policy_broken: true,
                ..Script::default()
            },
            "fault/policy",
            &["verify", "connect"],
        ),
        (
            Script {
                journal_dead: true,
                ..Script::default()
            },
            "fault/journal",
            &["verify", "connect", "streams", "record"],
        ),
        (
            Script {
                mint_broken: true,
                ..Script::default()
            },
            "fault/upstream",
            &[
                "verify",
                "connect",
                "streams",
                "record",
                "append admit",
                "mint",
                "append end",
            ],
        ),
    ];
    for (script, rule, steps) in cases {
        let world = World::new(script);
        let denial = refusal(&world, "orders").await;
        assert_eq!(denial.rule, rule);
        assert!(
            world.reception.desk().registry.is_empty(),
            "{rule} leaves nobody behind"
        );
        let said = world.said();
        let (last, before) = said.split_last().expect("something was said");
        assert_eq!(last, "note login_refused");
        assert_eq!(before, steps, "{rule}");
    }
}

#[tokio::test]
async fn an_unknown_connection_costs_no_policy_and_no_key() {
    let world = World::new(Script::default());
    let denial = refusal(&world, "nothing").await;
    assert_eq!(denial.rule, "access/no-such-connection");
    assert!(denial.hint.is_some());
    assert_eq!(world.said(), ["verify", "note login_refused"]);
}

#[tokio::test]
async fn whoever_is_revoked_is_turned_away_before_policy_is_asked() {
    let world = World::new(Script::default());
    let ana = Revocation::Principal(identity("ana").principal);
    let desk = world.reception.desk();
    desk.revocations
        .revoke(ana, Timestamp(i64::MAX), Timestamp(0))
        .expect("room");
    assert_eq!(refusal(&world, "orders").await.rule, "identity/revoked");
    assert_eq!(world.said(), ["verify", "note login_refused"]);
}

#[tokio::test]
async fn a_refused_login_is_recorded_without_its_token() {
    let world = World::new(Script {
        verdict: Verdict::Deny(Denial::new("access/no", "no")),
        ..Script::default()
    });
    refusal(&world, "orders").await;
    let notes = world.notes();
    assert!(
        notes.contains("access/no") && notes.contains("ana"),
        "{notes}"
    );
    assert!(!notes.contains("the-token"), "{notes}");
}

#[tokio::test]
async fn people_open_what_policy_holds_and_policy_has_the_last_word() {
    let hold = || Verdict::Hold(vec![requirement("dba")]);
    let approve = || {
        Some(Answer::Approve {
            id: "AP-1".to_owned(),
            by: Vec::new(),
        })
    };
    let world = World::new(Script {
        verdict: hold(),
        answer: approve(),
        ..Script::default()
    });
    let admission = admit(&world, "orders").await.expect("admitted");
    let request = admission.gate.session().access_request.clone();
    assert_eq!(request.as_deref(), Some("AP-1"));

    // What was voted on is not what policy wants now.
    let world = World::new(Script {
        verdict: hold(),
        then: Some(Verdict::Hold(vec![requirement("security")])),
        answer: approve(),
        ..Script::default()
    });
    assert_eq!(refusal(&world, "orders").await.rule, "access/ground-lost");

    let world = World::new(Script {
        verdict: hold(),
        answer: Some(Answer::Refuse(Denial::new("approval/denied", "no"))),
        ..Script::default()
    });
    assert_eq!(refusal(&world, "orders").await.rule, "approval/denied");
}

#[tokio::test]
async fn a_client_that_hangs_up_withdraws_its_request() {
    let world = World::new(Script {
        verdict: Verdict::Hold(vec![requirement("dba")]),
        ..Script::default()
    });
    assert_eq!(refusal(&world, "orders").await.rule, "access/withdrawn");
    assert!(world.said().contains(&"withdraw AP-1".to_owned()));
}

#[tokio::test]
async fn a_reload_between_question_and_registry_is_noticed() {
    let world = World::new(Script {
        reloads_meanwhile: true,
        then: Some(Verdict::Deny(Denial::new("access/new", "no longer"))),
        ..Script::default()
    });
    assert_eq!(refusal(&world, "orders").await.rule, "access/new");
    assert!(!world.said().contains(&"mint".to_owned()));
}

#[test]
fn the_first_end_counts() {
    let hour = Duration::from_secs(3600);
    let cases = [
        (OnTokenExpiry::Continue, None, 8 * hour, "session/max"),
        (OnTokenExpiry::Close, None, hour, "session/token-expired"),
        (
            OnTokenExpiry::Grace,
            None,
            hour + Duration::from_secs(300),
            "session/token-expired",
        ),
        (
            OnTokenExpiry::Close,
            Some(hour / 2),
            hour / 2,
            "session/max",
        ),
        (
            OnTokenExpiry::Continue,
            Some(9 * hour),
            8 * hour,
            "session/max",
        ),
    ];
    for (on_token_expiry, session_max, at, rule) in cases {
        let world = World::new(Script {
            life: SessionLife {
                on_token_expiry,
                max: Period(8 * hour),
                ..SessionLife::default()
            },
            ..Script::default()
        });
        let mut granted = Obligations::none();
        granted.session_max = session_max;
        let end = world
            .reception
            .desk()
            .end(&identity("ana"), &granted, Timestamp(0));
        assert_eq!(end.at, Timestamp(0).after(at), "{on_token_expiry:?}");
        assert_eq!(end.denial.rule, rule);
    }
}
