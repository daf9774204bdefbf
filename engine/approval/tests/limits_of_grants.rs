//! What a grant does not do: cover what its objects do not tell, come back, or outlive what it stands on.

mod world;

use portcullis_approval::{Finding, VoteRefused};
use portcullis_gate::{Answer, ApprovalDesk};
use portcullis_model::{
    Class, Effect, Escalation, Glass, Identity, Object, Reuse, Sameness, Verbs,
};
use std::sync::Arc;
use std::time::Duration;
use world::{Wants, World, human};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of(name: &str, groups: &[&str]) -> Arc<Identity> {
    let mut person = (*human(name)).clone();
    person.groups = groups.iter().map(|g| (*g).to_owned()).collect();
    Arc::new(person)
}

/// A command on the table `orders`, whose class one yes of sre may stand for.
fn command(effect: Effect, verbs: Verbs, binding: u8) -> Wants {
    let mut wants = Wants::people(1);
    wants.request.requirements[0].terms.reuse = Some(Reuse {
        ttl: seconds(600),
        class: Sameness::Objects,
    });
    let mut class = Class::nothing();
    class.effect = effect;
    class.verbs = verbs;
    class.objects.insert(Object {
        kind: "table".to_owned(),
        schema: None,
        name: "orders".to_owned(),
        write: true,
    });
    wants.request.class = class;
    wants.request.binding = [binding; 32];
    wants
}

fn access(most: u64) -> Wants {
    let mut wants = Wants::people(1);
    wants.request.requirements[0].terms.access = Some(seconds(most));
    wants.request.access = true;
    wants
}

fn glass() -> Wants {
    let mut wants = Wants::people(1);
    wants.request.requirements[0].terms.glass = Some(Glass {
        groups: vec!["sre".to_owned()],
        lasts: seconds(600),
        reviewers: vec!["security".to_owned()],
        review_within: seconds(3600),
    });
    wants.request.access = true;
    wants
}

fn broken() -> Wants {
    let mut wants = glass();
    wants.request.wish.glass = Some("the orders database is down".to_owned());
    wants
}

fn is_yes(answer: &Answer) -> bool {
    matches!(answer, Answer::Approve { .. })
}

#[test]
fn a_class_of_programs_files_and_rights_is_its_own_bytes_alone() {
    let cases = [
        (Effect::Write, Verbs::EXEC),
        (Effect::Write, Verbs::FILE),
        (Effect::Write, Verbs::NET),
        (Effect::Write, Verbs::DCL),
        (Effect::Write, Verbs::PRIV),
        (Effect::Write, Verbs::ADMIN),
        (Effect::Escalate, Verbs::WRITE),
    ];
    for (effect, verbs) in cases {
        let world = World::new();
        let id = world.open(command(effect, verbs, 1));
        world
            .approve_class(&id, &human("bea"), 300)
            .expect("granted");
        assert!(is_yes(&world.at_once(command(effect, verbs, 1))));
        world.open(command(effect, verbs, 2));
    }
    let world = World::new();
    let id = world.open(command(Effect::Write, Verbs::WRITE, 1));
    world
        .approve_class(&id, &human("bea"), 300)
        .expect("granted");
    assert!(is_yes(&world.at_once(command(
        Effect::Write,
        Verbs::WRITE,
        2
    ))));
}

#[test]
fn the_first_use_by_whoever_waited_is_on_record_too() {
    let world = World::new();
    let id = world.open(command(Effect::Write, Verbs::WRITE, 1));
    world
        .approve_class(&id, &human("bea"), 300)
        .expect("granted");
    assert!(is_yes(&world.answer(&id)));
    assert_eq!(world.desk.grants()[0].uses, 1);
    assert!(
        world
            .notes()
            .iter()
            .any(|n| n["purpose"] == "commands" && n["binding"].is_string())
    );
}

#[test]
fn a_grant_that_has_ended_does_not_come_back_and_a_full_disk_is_told() {
    let mut world = World::new();
    let id = world.open(access(600));
    world.approve(&id, &human("bea")).expect("approved");
    let grant = world.desk.grants()[0].id.clone();
    world.fill_disk();
    let ended = world.desk.end_grant(&grant, &"ana".into(), "done");
    assert_eq!(ended.err(), Some(VoteRefused::NotForgotten));
    assert!(world.desk.standing(&grant).is_none(), "it has ended");
    world.desk.sweep();
    world.free_disk();
    world.desk.sweep();
    world.restart();
    assert!(world.desk.grants().is_empty());
}

#[test]
fn stricter_rules_open_a_grant_of_their_own() {
    let world = World::new();
    let id = world.open(access(600));
    world.approve(&id, &human("bea")).expect("approved");
    let id = world.open(access(60));
    world.approve(&id, &human("bea")).expect("approved");
    let mut left: Vec<u64> = world
        .desk
        .grants()
        .iter()
        .map(|g| g.remaining_seconds)
        .collect();
    left.sort_unstable();
    assert!(
        left.len() == 2 && left[0] <= 60 && left[1] > 500,
        "{left:?}"
    );
}

#[test]
fn a_session_stays_open_only_for_what_was_voted_on() {
    let world = World::new();
    let plain = Wants::people(1);
    let wanted = &plain.request.requirements;
    let id = world.open(plain.clone());
    assert!(
        !world.desk.opens_still(&id, &human("ana"), wanted),
        "pending"
    );
    world.approve(&id, &human("bea")).expect("approved");
    assert!(is_yes(&world.answer(&id)));
    assert!(world.desk.opens_still(&id, &human("ana"), wanted));
    let open = access(600);
    let id = world.open(open.clone());
    world.approve(&id, &human("bea")).expect("approved");
    let grant = world.desk.grants()[0].id.clone();
    let still = |wants: &Wants| {
        let wanted = &wants.request.requirements;
        world.desk.opens_still(&grant, &human("ana"), wanted)
    };
    assert!(still(&open));
    assert!(!still(&plain), "other rules");
    world.pass(seconds(601));
    assert!(!still(&open), "its time is over");
}

#[test]
fn who_has_left_the_group_has_no_broken_glass() {
    let world = World::new();
    let Answer::Approve { id, .. } = world.at_once(broken()) else {
        panic!("not broken");
    };
    let inside = |groups: &[&str]| {
        let mut wants = glass().by((*of("ana", groups)).clone());
        wants.request.access = false;
        let mut session = (*wants.request.session).clone();
        session.access_request = Some(id.clone());
        wants.request.session = Arc::new(session);
        wants
    };
    assert!(is_yes(&world.at_once(inside(&["sre"]))));
    world.open(inside(&["finance"]));
    world.open(glass().by((*of("ana", &["finance"])).clone()));
    let wanted = &glass().request.requirements;
    assert!(world.desk.opens_still(&id, &of("ana", &["sre"]), wanted));
    assert!(!world.desk.opens_still(&id, &of("ana", &[]), wanted));
}

#[test]
fn groups_of_another_issuer_review_nothing() {
    let world = World::new();
    world.at_once(broken());
    let review = world.desk.reviews()[0].id.clone();
    let mut other = (*of("cem", &["security"])).clone();
    other.principal.issuer = "https://other.example".to_owned();
    let close = |who: &Arc<Identity>| world.desk.review(&review, who, Finding::Justified, "seen");
    let refused = close(&Arc::new(other)).err();
    assert_eq!(refused, Some(VoteRefused::NotAnApprover));
    assert!(close(&of("cem", &["security"])).is_ok());
}

#[test]
fn breaking_the_glass_uses_up_no_approval() {
    let world = World::new();
    let id = world.open({
        let mut wants = glass();
        wants.request.wish.detached = true;
        wants
    });
    world.approve(&id, &human("bea")).expect("approved");
    assert!(is_yes(&world.at_once(broken())));
    assert_eq!(world.desk.reviews().len(), 1, "the glass is what was used");
    assert_eq!(
        world.desk.show(&id).expect("there").state,
        portcullis_approval::State::Approved
    );
}

#[test]
fn who_was_given_access_breaks_the_glass_all_the_same_and_once() {
    let world = World::new();
    let given = || {
        let mut wants = glass();
        wants.request.requirements[0].terms.access = Some(seconds(7200));
        wants
    };
    let id = world.open(given());
    world.approve(&id, &human("bea")).expect("approved");
    let access = world.desk.grants()[0].id.clone();
    for _ in 0..2 {
        let mut wants = given();
        wants.request.wish.glass = Some("the orders database is down".to_owned());
        assert!(is_yes(&world.at_once(wants)));
    }
    assert_eq!(world.desk.reviews().len(), 1, "the second has it already");
    // Whoever connects now does so under the glass, as long as that is broken.
    for _ in 0..8 {
        let Answer::Approve { id, .. } = world.at_once(given()) else {
            panic!("it is open");
        };
        assert!(world.desk.standing(&id).is_some_and(|s| s.glass));
    }
    assert!(
        world.desk.standing(&access).is_some(),
        "and keeps the other"
    );
}

#[test]
fn who_went_away_from_a_request_in_advance_holds_nothing_up() {
    let world = World::new();
    let waiting = world.open(glass());
    let mut ahead = glass();
    ahead.request.wish.detached = true;
    assert_eq!(world.open(ahead), waiting);
    world.desk.withdraw(&waiting);
    assert_eq!(world.desk.show(&waiting).expect("there").waiting, 0);
    world.approve(&waiting, &human("bea")).expect("approved");
    assert!(is_yes(&world.at_once(glass())));
}

#[test]
fn a_clock_set_ahead_lets_nobody_vote_early() {
    let world = World::new();
    let mut wants = Wants::people(1);
    wants.request.requirements[0].terms.escalate = Some(Escalation {
        after: seconds(40),
        groups: vec!["heads".to_owned()],
    });
    let id = world.open(wants);
    world.set_clock(45);
    let head = of("hal", &["heads"]);
    assert_eq!(world.approve(&id, &head), Err(VoteRefused::NotAnApprover));
}

#[test]
fn an_account_is_linked_after_a_login_of_now() {
    let world = World::new();
    let at = |ago: Option<u64>| {
        let mut person = (*human("bea")).clone();
        person.authenticated = ago.map(|_| world::start());
        world.pass(seconds(ago.unwrap_or(0)));
        world.desk.is_at_the_door(&person)
    };
    assert_eq!(at(None), Err(VoteRefused::Stale), "nobody knows when");
    assert_eq!(at(Some(60)), Ok(()));
    assert_eq!(at(Some(900)), Err(VoteRefused::Stale));
}
