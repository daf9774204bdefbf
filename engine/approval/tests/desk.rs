//! The desk, from asking to using: who may vote, what joins, what ends it.

mod world;

use portcullis_approval::{Ballot, State, VoteRefused, Word};
use portcullis_gate::{Answer, ApprovalDesk, before_it};
use portcullis_model::{Denial, Identity, Kind, Transaction};
use std::sync::Arc;
use std::time::Duration;
use world::{Wants, World, block_on, human, identity};

#[test]
fn what_enough_people_approve_is_used_once() {
    let world = World::new();
    let id = world.open(Wants::people(2));
    assert_eq!(world.approve(&id, &human("bea")), Ok(State::Pending));
    assert_eq!(world.approve(&id, &human("cem")), Ok(State::Approved));
    let Answer::Approve { id: used, by } = world.answer(&id) else {
        panic!("not approved");
    };
    let names: Vec<_> = by.iter().map(|p| p.subject.as_str()).collect();
    assert_eq!((used, names), (id.clone(), vec!["bea", "cem"]));
    assert_eq!(world.refusal(&id).rule, "approval/used");
    assert_eq!(
        world.approve(&id, &human("dan")),
        Err(VoteRefused::TooLate(State::Consumed))
    );
}

#[test]
fn one_no_ends_it_and_says_why() {
    let world = World::new();
    let id = world.open(Wants::people(2));
    world.approve(&id, &human("bea")).expect("counts");
    assert_eq!(
        world.vote(&id, &human("cem"), Ballot::Deny),
        Ok(State::Denied)
    );
    let denial = world.refusal(&id);
    assert_eq!(denial.rule, "approval/denied");
    assert_eq!(denial.reason, format!("cem denied {id}: because"));
    assert_eq!(
        world.approve(&id, &human("dan")),
        Err(VoteRefused::TooLate(State::Denied))
    );
}

/// A person, but for one thing.
fn but(name: &str, change: impl FnOnce(&mut Identity)) -> Identity {
    let mut person = (*human(name)).clone();
    change(&mut person);
    person
}

/// A machine's identity with an agent in front of it and a person behind it.
fn bot() -> Identity {
    let mut bot = identity("bot", Kind::Agent);
    bot.actors = vec![human("actor").principal.clone()];
    bot.owner = Some(human("owner").principal.clone());
    bot
}

#[test]
fn the_desk_refuses_whoever_has_to_do_with_the_requester() {
    use VoteRefused::{Involved, NotAPerson, Requester};
    let ana = || but("ana", |_| ());
    let elsewhere = but("ana", |i| {
        i.principal.issuer = "https://other.example".to_owned()
    });
    let cases = [
        ("the requester", bot(), bot(), NotAPerson),
        ("a human requester", ana(), ana(), Requester),
        (
            "the same person at another issuer",
            ana(),
            elsewhere,
            Requester,
        ),
        (
            "an actor of the requester",
            bot(),
            but("actor", |_| ()),
            Involved,
        ),
        ("the machine's owner", bot(), but("owner", |_| ()), Involved),
        (
            "somebody the requester owns",
            bot(),
            but("eve", |i| i.owner = Some(bot().principal)),
            Involved,
        ),
        (
            "somebody with the same owner",
            bot(),
            but("eve", |i| i.owner = bot().owner),
            Involved,
        ),
    ];
    for (who, requester, voter, refused) in cases {
        refuses(who, requester, voter, refused);
    }
}

#[test]
fn the_desk_refuses_whoever_is_no_approver_in_person() {
    use VoteRefused::{NotAPerson, NotAnApprover, Stale};
    let tool = human("tool").principal.clone();
    let cases = [
        ("an agent", identity("x", Kind::Agent), NotAPerson),
        ("a service", identity("x", Kind::Service), NotAPerson),
        ("a CI job", identity("x", Kind::Ci), NotAPerson),
        (
            "an agent in a human's name",
            but("eve", |i| i.actors.push(tool)),
            NotAPerson,
        ),
        (
            "an expired token",
            but("eve", |i| i.expires = world::start()),
            Stale,
        ),
        (
            "nobody's group",
            but("eve", |i| i.groups.clear()),
            NotAnApprover,
        ),
    ];
    for (who, voter, refused) in cases {
        refuses(who, but("ana", |_| ()), voter, refused);
    }
}

/// Whatever policy says, and whatever the vote is.
fn refuses(who: &str, requester: Identity, voter: Identity, refused: VoteRefused) {
    let world = World::new();
    let id = world.open(Wants::people(1).by(requester));
    let voter = Arc::new(voter);
    for ballot in [Ballot::Approve, Ballot::Deny] {
        assert_eq!(
            world.vote(&id, &voter, ballot),
            Err(refused.clone()),
            "{who}"
        );
    }
}

#[test]
fn a_person_votes_once_with_a_reason() {
    let world = World::new();
    let id = world.open(Wants::people(2));
    let bea = human("bea");
    let say = |because: &str| {
        let word = Word {
            because,
            ..world::word(Ballot::Approve)
        };
        world.desk.vote(&id, &bea, word, world::everything)
    };
    assert_eq!(say(" \n"), Err(VoteRefused::NoReason));
    assert_eq!(say(&"x".repeat(5000)), Err(VoteRefused::NoReason));
    assert_eq!(say("looked at it"), Ok(State::Pending));
    assert_eq!(say("again"), Err(VoteRefused::Twice));
    let mut alias = (*human("BEA")).clone();
    alias.principal.subject = "bea-2".to_owned();
    assert_eq!(
        world.approve(&id, &Arc::new(alias)),
        Err(VoteRefused::Twice)
    );
}

#[test]
fn policy_can_refuse_a_vote() {
    let world = World::new();
    let id = world.open(Wants::people(1));
    let no = Denial::new("approve/on-call", "bea is not on call");
    let voted = world
        .desk
        .vote(&id, &human("bea"), world::word(Ballot::Approve), |_| {
            Err(no.clone())
        });
    assert_eq!(voted, Err(VoteRefused::Policy(no)));
    assert_eq!(world.desk.show(&id).expect("there").state, State::Pending);
}

#[test]
fn each_requirement_needs_its_own_people() {
    let world = World::new();
    let mut wants = Wants::people(1);
    let mut dba = wants.request.requirements[0].clone();
    dba.approver_groups = vec!["dba".to_owned()];
    wants.request.requirements.push(dba);
    let id = world.open(wants);
    assert_eq!(world.approve(&id, &human("bea")), Ok(State::Pending));
    assert_eq!(
        world.approve(&id, &human("cem")),
        Ok(State::Pending),
        "enough, but no dba"
    );
    let mut dba = (*human("dan")).clone();
    dba.groups = vec!["dba".to_owned()];
    assert_eq!(world.approve(&id, &Arc::new(dba)), Ok(State::Approved));
}

#[test]
fn no_requirement_is_never_met() {
    let world = World::new();
    let mut wants = Wants::people(1);
    wants.request.requirements.clear();
    let id = world.open(wants);
    assert_eq!(world.refusal(&id).rule, "approval/expired");
}

#[test]
fn time_ends_a_request_before_and_after_its_approval() {
    let world = World::new();
    let id = world.open(Wants::people(1));
    world.pass(Duration::from_secs(61));
    assert_eq!(
        world.approve(&id, &human("bea")),
        Err(VoteRefused::TooLate(State::Expired))
    );
    assert_eq!(world.refusal(&id).rule, "approval/expired");

    let id = world.open(Wants::people(1));
    world.approve(&id, &human("bea")).expect("approved");
    world.pass(Duration::from_secs(31));
    assert_eq!(world.refusal(&id).rule, "approval/expired");
    assert!(
        world
            .notes()
            .iter()
            .any(|n| n["from"] == "approved" && n["to"] == "expired")
    );
}

#[test]
fn an_answer_that_came_after_days_is_shown_for_a_day_from_then_on() {
    let world = World::new();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let wants = |binding: u8| {
        let mut wants = Wants::people(1).deferred();
        wants.request.binding = [binding; 32];
        wants.request.requirements[0].ttl = hours(72);
        wants
    };
    let shown = |id: &str| {
        world.desk.sweep();
        world.desk.show(id).map(|view| view.state)
    };
    let mut bea = (*human("bea")).clone();
    bea.expires = world::start().after(hours(100));
    let (used, late) = (world.open(wants(1)), world.open(wants(2)));
    world.pass(hours(71));
    world.approve(&used, &Arc::new(bea)).expect("approved");
    let rerun = block_on(world.desk.ready(wants(1).request)).expect("looked");
    assert!(matches!(rerun, Some((id, Answer::Approve { .. })) if id == used));
    assert_eq!(shown(&used), Some(State::Consumed), "a yes is still a yes");
    world.pass(hours(2));
    assert_eq!(shown(&late), Some(State::Expired));
    world.pass(hours(21));
    assert_eq!(shown(&used), Some(State::Consumed));
    world.pass(hours(2));
    assert_eq!(
        (shown(&used), shown(&late)),
        (None, Some(State::Expired)),
        "each by its own end"
    );
    world.pass(hours(2));
    assert_eq!(shown(&late), None);
}

#[test]
fn what_cannot_wait_uses_what_is_approved_and_asks_nobody() {
    let world = World::new();
    let ready = |wants: Wants| block_on(world.desk.ready(wants.request)).expect("looked");
    assert!(ready(Wants::people(1)).is_none());
    assert!(world.desk.list().is_empty() && world.news().is_empty());
    let id = world.open(Wants::people(1).deferred());
    assert!(ready(Wants::people(1).deferred()).is_none(), "pending");
    world.approve(&id, &human("bea")).expect("counts");
    let (used, answer) = ready(Wants::people(1).deferred()).expect("approved");
    assert!(used == id && matches!(answer, Answer::Approve { .. }));
    assert!(ready(Wants::people(1).deferred()).is_none(), "used once");
}

#[test]
fn whoever_waits_sees_how_many_wait_for_the_same_people_before_them() {
    let world = World::new();
    let ask = |binding: u8, group: &str| {
        let mut wants = Wants::people(1);
        wants.request.binding = [binding; 32];
        wants.request.requirements[0].approver_groups = vec![group.to_owned()];
        world.open(wants)
    };
    let ahead = |id: &str| world.desk.show(id).expect("there").ahead;
    let first = ask(1, "sre");
    let others = ask(2, "dba");
    let second = ask(3, "sre");
    assert_eq!((ahead(&first), ahead(&others), ahead(&second)), (0, 0, 1));
    let listed = world.desk.list();
    let of = |id: &str| listed.iter().find(|v| v.id == id).map(|v| v.ahead);
    assert_eq!(
        (of(&first), of(&others), of(&second)),
        (Some(0), Some(0), Some(1))
    );
    assert_eq!(before_it(&*world.desk, &second), ", 1 before it");
    assert_eq!(before_it(&*world.desk, &first), "");
    world.approve(&first, &human("bea")).expect("counts");
    assert_eq!(ahead(&second), 0, "the one before it waits no more");
}

#[test]
fn a_rerun_in_defer_mode_finds_its_approval_once() {
    let world = World::new();
    let wants = || Wants::people(1).deferred();
    let id = world.open(wants());
    // The client is told the id and leaves: nothing is withdrawn by that.
    world.desk.withdraw(&id);
    assert_eq!(world.open(wants()), id, "a rerun before the answer joins");
    world.approve(&id, &human("bea")).expect("approved");
    let (used, answer) = block_on(world.desk.open(wants().request)).expect("opened");
    assert_eq!(used, id);
    assert!(matches!(answer, Some(Answer::Approve { .. })));
    assert_ne!(world.open(wants()), id, "the next one has to be asked for");
}

#[test]
fn an_approval_is_for_the_same_bytes_in_the_same_state_only() {
    let change: [(&str, fn(&mut Wants)); 5] = [
        ("bytes", |w| w.request.binding = [9; 32]),
        ("role", |w| {
            w.request.context.role = Some("admin".to_owned())
        }),
        ("transaction", |w| {
            w.request.context.transaction = Transaction::Open
        }),
        ("requirements", |w| w.request.requirements[0].approvers = 2),
        ("kind of request", |w| w.request.access = true),
    ];
    for (what, change) in change {
        let world = World::new();
        let id = world.open(Wants::people(1).deferred());
        let mut other = Wants::people(1).deferred();
        change(&mut other);
        assert_ne!(
            world.open(other.clone()),
            id,
            "another {what} joins nothing"
        );
        world.approve(&id, &human("bea")).expect("approved");
        let (_, answer) = block_on(world.desk.open(other.request)).expect("opened");
        assert!(answer.is_none(), "another {what} uses nothing");
    }
}

#[test]
fn a_request_is_withdrawn_when_the_last_waiter_leaves() {
    let world = World::new();
    let id = world.open(Wants::people(1));
    assert_eq!(world.open(Wants::people(1)), id);
    world.desk.withdraw(&id);
    assert_eq!(world.desk.show(&id).expect("there").state, State::Pending);
    world.desk.withdraw(&id);
    assert_eq!(world.refusal(&id).rule, "approval/withdrawn");
    assert_eq!(
        world.approve(&id, &human("bea")),
        Err(VoteRefused::TooLate(State::Withdrawn))
    );
}

#[test]
fn an_identity_has_so_many_pending_and_no_more() {
    let world = World::new();
    let ask = |n: u8, who: &str| {
        let mut wants = Wants::people(1).by((*human(who)).clone());
        wants.request.binding = [n; 32];
        block_on(world.desk.open(wants.request)).expect("opened")
    };
    for n in 0..16 {
        assert!(ask(n, "ana").1.is_none());
    }
    let (_, answer) = ask(99, "ana");
    let Some(Answer::Refuse(denial)) = answer else {
        panic!("one too many was opened");
    };
    assert_eq!(denial.rule, "approval/too-many");
    assert!(ask(99, "zoe").1.is_none(), "somebody else still may");
}

#[test]
fn what_cannot_be_recorded_does_not_let_anything_through() {
    let world = World::new();
    let id = world.open(Wants::people(1));
    world.break_notes();
    assert_eq!(
        world.approve(&id, &human("bea")),
        Err(VoteRefused::Unrecorded)
    );
    let mut fresh = Wants::people(1);
    fresh.request.binding = [5; 32];
    assert!(block_on(world.desk.open(fresh.request)).is_err());
    world.mend_notes();
    world.approve(&id, &human("bea")).expect("approved");
    world.break_notes();
    assert!(block_on(world.desk.wait(&id)).is_err());
    world.mend_notes();
    assert_eq!(
        world.refusal(&id).rule,
        "approval/used",
        "nor is it tried again"
    );
}

#[test]
fn the_text_of_a_statement_is_in_no_entry_that_stays_for_ever() {
    let world = World::new();
    let id = world.open(Wants::people(1));
    world.approve(&id, &human("bea")).expect("approved");
    assert_eq!(
        world.desk.show(&id).expect("there").shown,
        "DROP TABLE orders"
    );
    let notes = serde_json::Value::from(world.notes());
    assert!(!notes.to_string().contains("DROP TABLE"), "{notes}");
    let digest = "fd0ca7112b4eedf9a353f0e0baf22cbd21b2ef9db83999fcb79434ede828835a";
    assert_eq!(notes[0]["shown_sha256"], digest);

    // An access request has no entry of its own.
    let mut wants = Wants::people(1);
    wants.request.access = true;
    wants.request.shown = "connect to orders".to_owned();
    let before = world.notes().len();
    world.open(wants);
    assert_eq!(world.notes()[before]["shown"], "connect to orders");
}

#[test]
fn an_approver_sees_what_is_there_and_nothing_acts() {
    let world = World::new();
    let mut wants = Wants::people(1);
    wants.request.shown = "DROP TABLE \u{202e}x;\u{1b}[2K\nSELECT 1".to_owned();
    wants.request.context.role = Some("a\u{200b}dmin".to_owned());
    let id = world.open(wants);
    let view = world.desk.show(&id).expect("there");
    assert_eq!(view.shown, "DROP TABLE \\u{202e}x;\\u{001b}[2K\nSELECT 1");
    assert_eq!(view.context["role"], "a\\u{200b}dmin");
    assert_eq!(
        (view.requirements[0].needed, view.requirements[0].have),
        (1, 0)
    );
    assert_eq!(view.remaining_seconds, 59, "the clock ticks");
    let json = serde_json::to_string(&world.desk.list()).expect("json");
    assert!(
        !json.contains('\u{202e}') && !json.contains("\\u001b"),
        "{json}"
    );
    assert!(id.len() == 11 && id.starts_with("ap-"), "{id}");
}

#[test]
fn of_two_executions_at_once_exactly_one_is_let_through() {
    for round in 0..200 {
        let world = World::new();
        let deferred = round % 2 == 0;
        let wants = || {
            if deferred {
                Wants::people(1).deferred()
            } else {
                Wants::people(1)
            }
        };
        let id = world.open(wants());
        if !deferred {
            assert_eq!(world.open(wants()), id);
        }
        let run = || match deferred {
            true => {
                block_on(world.desk.open(wants().request))
                    .expect("opened")
                    .1
            }
            false => Some(block_on(world.desk.wait(&id)).expect("answered")),
        };
        if deferred {
            world.approve(&id, &human("bea")).expect("approved");
        }
        let answers = std::thread::scope(|scope| {
            let runs = [scope.spawn(run), scope.spawn(run)];
            if !deferred {
                world.approve(&id, &human("bea")).expect("approved");
            }
            runs.map(|run| run.join().expect("no panic"))
        });
        let let_through = answers
            .iter()
            .filter(|a| matches!(a, Some(Answer::Approve { .. })))
            .count();
        assert_eq!(let_through, 1, "round {round}");
    }
}

#[test]
fn a_vote_counts_only_where_policy_lets_it() {
    let world = World::new();
    let mut wants = Wants::people(1);
    let mut second = wants.request.requirements[0].clone();
    second.rule = "sql/finance".to_owned();
    second.approver_groups = Vec::new();
    wants.request.requirements.push(second);
    let id = world.open(wants);
    let says = |who: &str, places: &[usize]| {
        let places = places.to_vec();
        let word = world::word(Ballot::Approve);
        world.desk.vote(&id, &human(who), word, |_| Ok(places))
    };
    assert_eq!(says("bea", &[]), Err(VoteRefused::NotAnApprover));
    assert_eq!(says("bea", &[7]), Err(VoteRefused::NotAnApprover));
    assert_eq!(says("bea", &[0]), Ok(State::Pending), "not for the second");
    assert_eq!(says("cem", &[1]), Ok(State::Approved));
}

#[test]
fn an_approval_is_for_the_ticket_that_people_saw() {
    let world = World::new();
    let with = |ticket: &str| {
        let mut wants = Wants::people(1).deferred();
        wants.request.ticket = Some(ticket.to_owned());
        wants
    };
    let id = world.open(with("OPS-1"));
    assert_eq!(world.approve(&id, &human("bea")), Ok(State::Approved));
    assert_ne!(world.open(with("OPS-2")), id);
    assert!(matches!(
        world.at_once(with("OPS-1")),
        Answer::Approve { .. }
    ));
}
