//! How fresh a login has to be: unless the operator says otherwise a quarter of an hour, for whatever people do at the desk.

mod world;

use portcullis_approval::{Finding, Settings, State, VoteRefused};
use portcullis_gate::Answer;
use portcullis_model::{Glass, Identity, Reuse, Sameness};
use std::sync::Arc;
use std::time::Duration;
use world::{Wants, World, human};

const MINUTE: Duration = Duration::from_secs(60);

fn world() -> World {
    let world = World::with(Settings::new());
    // Long enough that a login can be an old one.
    world.pass(60 * MINUTE);
    world
}

/// Somebody who has logged in so long before now, or whose token does not say when.
fn proved(name: &str, ago: Option<Duration>) -> Arc<Identity> {
    let mut person = (*human(name)).clone();
    person.groups.push("security".to_owned());
    person.expires = world::start().after(600 * MINUTE);
    person.authenticated = ago.map(|ago| world::start().after(60 * MINUTE - ago));
    Arc::new(person)
}

/// Whoever has not logged in just now, though the token is good for hours.
fn stale(name: &str) -> [Arc<Identity>; 2] {
    [
        proved(name, None),
        proved(name, Some(15 * MINUTE + Duration::from_secs(1))),
    ]
}

fn fresh(name: &str) -> Arc<Identity> {
    proved(name, Some(14 * MINUTE))
}

#[test]
fn a_vote_takes_a_login_of_the_last_quarter_of_an_hour() {
    let world = world();
    let id = world.open(Wants::people(1));
    for who in stale("bea") {
        assert_eq!(world.approve(&id, &who), Err(VoteRefused::Stale));
    }
    assert_eq!(world.approve(&id, &fresh("bea")), Ok(State::Approved));
}

#[test]
fn a_yes_for_a_class_of_commands_does_too() {
    let world = world();
    let mut wants = Wants::people(1);
    wants.request.requirements[0].terms.reuse = Some(Reuse {
        ttl: 10 * MINUTE,
        class: Sameness::Exact,
    });
    let id = world.open(wants);
    for who in stale("bea") {
        assert_eq!(world.approve_class(&id, &who, 60), Err(VoteRefused::Stale));
    }
    world.approve_class(&id, &fresh("bea"), 60).expect("counts");
}

#[test]
fn a_review_does_too() {
    let world = world();
    let mut wants = Wants::people(1).by((*fresh("ana")).clone());
    wants.request.requirements[0].terms.glass = Some(Glass {
        groups: vec!["sre".to_owned()],
        lasts: 10 * MINUTE,
        reviewers: vec!["security".to_owned()],
        review_within: 60 * MINUTE,
    });
    wants.request.access = true;
    wants.request.wish.glass = Some("the orders database is down".to_owned());
    assert!(matches!(world.at_once(wants), Answer::Approve { .. }));
    let review = world.desk.reviews()[0].id.clone();
    let close = |who: &Arc<Identity>| {
        let closed = world.desk.review(&review, who, Finding::Justified, "seen");
        closed.map(|review| review.state)
    };
    for who in stale("cem") {
        assert_eq!(close(&who).err(), Some(VoteRefused::Stale));
    }
    close(&fresh("cem")).expect("closed");
}

#[test]
fn a_delegation_does_too() {
    let world = world();
    let to = || human("cem").principal.clone();
    for who in stale("bea") {
        let refused = world.desk.delegate(&who, to(), 60 * MINUTE, "holiday");
        assert_eq!(refused.err(), Some(VoteRefused::Stale));
    }
    let bea = fresh("bea");
    let made = world.desk.delegate(&bea, to(), 60 * MINUTE, "holiday");
    made.expect("delegated");
}

#[test]
fn an_operator_may_say_another_time_or_that_a_token_is_enough() {
    let votes = |within, who: &Arc<Identity>| {
        let world = World::with(Settings {
            fresh_within: within,
            ..Settings::new()
        });
        world.pass(60 * MINUTE);
        let id = world.open(Wants::people(1));
        world.approve(&id, who)
    };
    let [silent, old] = stale("bea");
    assert_eq!(votes(Some(20 * MINUTE), &old), Ok(State::Approved));
    assert_eq!(votes(Some(20 * MINUTE), &silent), Err(VoteRefused::Stale));
    assert_eq!(votes(None, &old), Ok(State::Approved));
    assert_eq!(votes(None, &silent), Ok(State::Approved));
}
