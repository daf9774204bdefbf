//! Laws of voting, over made-up sequences of votes.

mod world;

use portcullis_approval::{Ballot, State, View};
use portcullis_gate::{Answer, ApprovalDesk};
use portcullis_model::{Escalation, Identity, Kind, Requirement};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use world::{Wants, World, block_on, human, identity};

/// A machine with a person behind it, an agent in front of it, and an owner.
fn requester() -> Identity {
    let mut requester = identity("bot", Kind::Human);
    requester.actors = vec![
        human("actor-1").principal.clone(),
        human("actor-2").principal.clone(),
    ];
    requester.owner = Some(human("owner").principal.clone());
    requester
}

/// Everybody who must never count, by what makes them so.
fn excluded() -> Vec<Identity> {
    let base = |name: &str| (*human(name)).clone();
    let mut delegated = base("zoe");
    delegated.actors.push(human("tool").principal.clone());
    let mut stale = base("yan");
    stale.expires = world::start();
    let mut owned = base("xia");
    owned.owner = Some(requester().principal);
    let mut same_actor = base("wim");
    same_actor.owner = Some(human("actor-2").principal.clone());
    let mut outsider = base("vic");
    outsider.groups = vec!["finance".to_owned()];
    let mut alias = base("BOT");
    alias.principal.issuer = "https://other.example".to_owned();
    vec![
        requester(),
        base("actor-1"),
        base("actor-2"),
        base("owner"),
        identity("agent", Kind::Agent),
        identity("ci", Kind::Ci),
        identity("service", Kind::Service),
        delegated,
        stale,
        owned,
        same_actor,
        outsider,
        alias,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_sequence_of_votes_by_excluded_people_ever_approves(
        needed in 0u32..4,
        deferred: bool,
        votes in prop::collection::vec((0usize..13, any::<bool>(), 0u64..20), 1..40),
    ) {
        let world = World::new();
        let wants = Wants::people(needed).by(requester());
        let id = world.open(if deferred { wants.deferred() } else { wants });
        let people = excluded();
        for (who, yes, wait) in votes {
            let ballot = if yes { Ballot::Approve } else { Ballot::Deny };
            let voter = Arc::new(people[who].clone());
            prop_assert!(world.vote(&id, &voter, ballot).is_err(), "{} counted", voter.name);
            world.pass(Duration::from_secs(wait));
            let state = world.desk.show(&id).expect("there").state;
            prop_assert!(matches!(state, State::Pending | State::Expired), "{state:?}");
        }
    }

    #[test]
    fn an_approval_takes_as_many_distinct_people_as_required_and_no_denial(
        needed in 0u32..4,
        votes in prop::collection::vec((0u8..5, prop::bool::weighted(0.9)), 1..20),
    ) {
        let world = World::new();
        let id = world.open(Wants::people(needed));
        let mut said = HashSet::new();
        for (who, yes) in votes {
            let before = world.desk.show(&id).expect("there").state;
            let ballot = if yes { Ballot::Approve } else { Ballot::Deny };
            let voted = world.vote(&id, &human(&format!("person-{who}")), ballot);
            let counts = before == State::Pending && said.insert(who);
            prop_assert_eq!(voted.is_ok(), counts);
            if !counts {
                prop_assert!(before != State::Pending || said.contains(&who));
                continue;
            }
            let expected = match yes {
                false => State::Denied,
                true if said.len() >= needed.max(1) as usize => State::Approved,
                true => State::Pending,
            };
            prop_assert_eq!(voted.expect("counted"), expected);
        }
    }

    #[test]
    fn an_approval_is_used_at_most_once_however_it_is_asked_for(
        steps in prop::collection::vec(0u8..4, 1..30),
        deferred: bool,
    ) {
        let world = World::new();
        let wants = || if deferred { Wants::people(1).deferred() } else { Wants::people(1) };
        let mut ids = vec![world.open(wants())];
        let (mut approved, mut used) = (0, 0);
        for step in steps {
            let id = ids[ids.len() - 1].clone();
            match step {
                0 => approved += usize::from(world.approve(&id, &human("bea")) == Ok(State::Approved)),
                1 => {
                    let (id, answer) = block_on(world.desk.open(wants().request)).expect("opened");
                    used += usize::from(matches!(answer, Some(Answer::Approve { .. })));
                    ids.push(id);
                }
                2 => world.desk.withdraw(&id),
                _ => {
                    if world.desk.show(&id).is_some_and(|v| v.state != State::Pending) {
                        let answer = world.answer(&id);
                        used += usize::from(matches!(answer, Answer::Approve { .. }));
                    }
                }
            }
            prop_assert!(used <= approved, "{used} runs under {approved} approvals");
        }
    }
}

/// A requirement for some of five groups; some of them let a sixth vote after a while.
fn of_groups(one: &Requirement, bits: u8) -> Requirement {
    let mut requirement = one.clone();
    let groups = (0..5).filter(|bit| bits >> bit & 1 == 1);
    requirement.approver_groups = groups.map(|bit| format!("g{bit}")).collect();
    requirement.terms.escalate = (bits >= 32).then(|| Escalation {
        after: Duration::from_secs(10),
        groups: vec!["late".to_owned()],
    });
    requirement
}

fn groups_of(view: &View) -> HashSet<&String> {
    let requirements = view.requirements.iter();
    requirements.flat_map(|r| &r.groups).collect()
}

/// Each compared with each, by what is shown.
fn compared(view: &View, all: &[View]) -> usize {
    let before = |other: &&View| {
        let pending = other.state == State::Pending && view.state == State::Pending;
        pending && other.opened < view.opened && !groups_of(other).is_disjoint(&groups_of(view))
    };
    all.iter().filter(before).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn as_many_are_ahead_as_if_each_were_compared_with_each(
        asked in prop::collection::vec(
            (prop::collection::vec(0u8..64, 1..3), 0i64..6, 0u8..5),
            1..25,
        ),
        late: bool,
    ) {
        let world = World::new();
        for (number, (requirements, millis, fate)) in (0u8..).zip(&asked) {
            let mut wants = Wants::people(1).by(identity(&format!("p{number}"), Kind::Human));
            wants.request.binding = [number; 32];
            let one = wants.request.requirements[0].clone();
            let requirements = requirements.iter().map(|bits| of_groups(&one, *bits));
            wants.request.requirements = requirements.collect();
            // Several are opened in one moment.
            world.at(*millis);
            let id = world.open(wants);
            if *fate == 0 {
                world.desk.withdraw(&id);
            }
        }
        if late {
            world.pass(Duration::from_secs(20));
        }
        let all = world.desk.list();
        prop_assert_eq!(all.len(), asked.len());
        for name in ["p0", "p1", "nobody"] {
            let pending = all.iter().filter(|view| view.state == State::Pending);
            let others = pending.filter(|view| view.session.subject != name).count();
            let who = identity(name, Kind::Human).principal;
            prop_assert_eq!(world.desk.waiting_beside(&who), others);
        }
        for view in &all {
            let slow = compared(view, &all);
            prop_assert_eq!(view.ahead, slow);
            prop_assert_eq!(world.desk.show(&view.id).expect("there").ahead, slow);
        }
    }
}
