//! A client at a door that cannot wait and comes back by itself, as `kubectl` does: what it was asked for, it finds again, a yes
//! and a no. Who asks anew later, is asked about anew.

mod world;

use portcullis_approval::{Ballot, State};
use portcullis_gate::{Answer, ApprovalDesk as _};
use portcullis_model::limits;
use std::time::Duration;
use world::{Wants, World, block_on, human};

/// Somebody at a door, who comes back.
fn door() -> Wants {
    let mut wants = Wants::people(1);
    for requirement in &mut wants.request.requirements {
        requirement.terms.access = Some(Duration::from_secs(600));
    }
    wants.request.access = true;
    wants.request.wish.returns = true;
    wants
}

/// What came of the next request of the same client.
fn comes(world: &World) -> (String, Option<Answer>) {
    block_on(world.desk.open(door().request)).unwrap()
}

#[test]
fn whoever_comes_back_finds_the_request_and_then_the_grant() {
    let world = World::new();
    let id = world.open(door());
    let (again, answer) = comes(&world);
    assert!(again == id && answer.is_none(), "{again}: {answer:?}");
    // Nobody holds anything for it, so nobody takes it away by going.
    world.desk.withdraw(&id);
    assert_eq!(world.approve(&id, &human("bea")), Ok(State::Approved));
    for _ in 0..2 {
        let (grant, answer) = comes(&world);
        assert!(grant.starts_with("gr-"), "{grant}");
        assert!(matches!(answer, Some(Answer::Approve { .. })));
    }
}

#[test]
fn a_no_is_heard_by_every_request_of_the_client_and_asks_nobody_again_for_a_while() {
    let world = World::new();
    let id = world.open(door());
    assert_eq!(
        world.vote(&id, &human("bea"), Ballot::Deny),
        Ok(State::Denied)
    );
    for _ in 0..3 {
        let (again, answer) = comes(&world);
        let Some(Answer::Refuse(denial)) = answer else {
            panic!("{again}: {answer:?}");
        };
        assert_eq!(
            (again, denial.rule.as_str()),
            (id.clone(), "approval/denied")
        );
        assert!(denial.hint.is_some(), "what to do: {denial:?}");
    }
    let opened = |world: &World| {
        let notes = world.notes();
        notes
            .iter()
            .filter(|n| n["until"].is_number() && n["requirements"].is_array())
            .count()
    };
    let asked = opened(&world);
    world.pass(limits::APPROVAL_NO_HEARD_FOR + Duration::from_secs(1));
    let (new, answer) = comes(&world);
    assert!(answer.is_none(), "it is asked anew: {answer:?}");
    assert_ne!(new, id);
    assert_eq!(opened(&world), asked + 1);
}

#[test]
fn a_no_to_one_door_is_none_to_another_nor_to_somebody_else_nor_to_a_request_in_advance() {
    let world = World::new();
    let id = world.open(door());
    assert_eq!(
        world.vote(&id, &human("bea"), Ballot::Deny),
        Ok(State::Denied)
    );
    let mut elsewhere = door();
    elsewhere.request.binding = [2; 32];
    let mut in_advance = door();
    in_advance.request.wish.returns = false;
    in_advance.request.wish.detached = true;
    let others = [elsewhere, in_advance, door().by((*human("eve")).clone())];
    for other in others {
        assert_ne!(world.open(other), id);
    }
}
