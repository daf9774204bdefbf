//! What stands longer than one run: grants, access for a time, broken glass, delegations; what survives a restart, and
//! what clocks and disks cannot do.

mod world;

use portcullis_approval::{Ballot, Finding, Settings, State, VoteRefused, Word};
use portcullis_gate::{Answer, ApprovalDesk};
use portcullis_model::{
    Class, Denial, Effect, Escalation, Glass, Identity, Kind, Object, Principal, Reuse, Sameness,
    Terms, Timestamp,
};
use std::sync::Arc;
use std::time::Duration;
use world::{Wants, World, human, identity, start};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn terms(mut wants: Wants, change: impl Fn(&mut Terms)) -> Wants {
    for requirement in &mut wants.request.requirements {
        change(&mut requirement.terms);
    }
    wants
}

/// One yes of sre, which may stand for ten minutes.
fn reusable(class: Sameness) -> Wants {
    terms(Wants::people(1), |t| {
        t.reuse = Some(Reuse {
            ttl: seconds(600),
            class,
        });
    })
}

/// The same command on these tables, worded differently.
fn on(mut wants: Wants, tables: &[&str], effect: Effect, binding: u8) -> Wants {
    let mut class = Class::nothing();
    class.effect = effect;
    class.objects = tables.iter().map(|table| object(table)).collect();
    wants.request.class = class;
    wants.request.binding = [binding; 32];
    wants
}

fn object(name: &str) -> Object {
    Object {
        kind: "table".to_owned(),
        schema: None,
        name: name.to_owned(),
        write: true,
    }
}

fn access(mut wants: Wants, most: u64, asked: Option<u64>) -> Wants {
    wants = terms(wants, |t| t.access = Some(seconds(most)));
    wants.request.access = true;
    wants.request.wish.lasts = asked.map(seconds);
    wants
}

fn glass(mut wants: Wants, why: &str) -> Wants {
    wants = terms(wants, |t| {
        t.glass = Some(Glass {
            groups: vec!["sre".to_owned()],
            lasts: seconds(600),
            reviewers: vec!["security".to_owned()],
            review_within: seconds(3600),
        });
    });
    wants.request.access = true;
    wants.request.wish.glass = Some(why.to_owned());
    wants
}

const WHY: &str = "the orders database is down, INC-7";

fn of(name: &str, groups: &[&str]) -> Arc<Identity> {
    let mut person = (*human(name)).clone();
    person.groups = groups.iter().map(|g| (*g).to_owned()).collect();
    person.expires = world::start().after(seconds(86_400));
    Arc::new(person)
}

fn is_yes(answer: &Answer) -> bool {
    matches!(answer, Answer::Approve { .. })
}

fn rule(answer: Answer) -> String {
    match answer {
        Answer::Refuse(denial) => denial.rule,
        Answer::Approve { id, .. } => id,
    }
}

#[test]
fn a_yes_for_a_class_covers_its_commands_until_its_time_is_over() {
    let world = World::new();
    let wants = || {
        on(
            reusable(Sameness::Objects),
            &["orders", "carts"],
            Effect::Write,
            1,
        )
    };
    let id = world.open(wants());
    assert_eq!(
        world.approve_class(&id, &human("bea"), 300),
        Ok(State::Approved)
    );
    assert!(is_yes(&world.answer(&id)), "who waited goes on");
    let other = || on(wants(), &["orders"], Effect::Write, 2);
    assert!(is_yes(&world.at_once(other())));
    assert!(is_yes(&world.at_once(other())), "as often as it likes");
    world.pass(seconds(301));
    world.open(other());
    let ended = world
        .notes()
        .into_iter()
        .any(|n| n["ended_by"] == "the gateway");
    assert!(ended, "its end is on record");
}

#[test]
fn a_class_is_nothing_worse_on_nothing_else_for_nobody_else() {
    let granted = || on(reusable(Sameness::Objects), &["orders"], Effect::Write, 1);
    let cases = [
        ("worse", on(granted(), &["orders"], Effect::Destroy, 2)),
        (
            "another table",
            on(granted(), &["payroll"], Effect::Write, 2),
        ),
        ("nothing named", on(granted(), &[], Effect::Write, 2)),
        (
            "not understood",
            on(granted(), &["orders"], Effect::Unknown, 2),
        ),
        ("somebody else", granted().by((*human("eve")).clone())),
        ("another rule", {
            let mut wants = granted();
            wants.request.requirements[0].rule = "sql/other".to_owned();
            wants
        }),
        ("another role", {
            let mut wants = granted();
            wants.request.context.role = Some("root".to_owned());
            wants
        }),
    ];
    for (what, wants) in cases {
        let world = World::new();
        let id = world.open(granted());
        world
            .approve_class(&id, &human("bea"), 300)
            .expect("granted");
        world.open(wants);
        assert_eq!(world.desk.grants().len(), 1, "{what}");
    }
}

#[test]
fn what_was_not_understood_stands_for_its_own_bytes_alone() {
    let world = World::new();
    let wants = || on(reusable(Sameness::Objects), &["orders"], Effect::Unknown, 1);
    let id = world.open(wants());
    world
        .approve_class(&id, &human("bea"), 300)
        .expect("granted");
    assert!(is_yes(&world.at_once(wants())));
    world.open(on(wants(), &["orders"], Effect::Write, 2));
}

#[test]
fn a_class_takes_policy_and_every_approver() {
    let world = World::new();
    let plain = world.open(Wants::people(1));
    let refused = world.approve_class(&plain, &human("bea"), 60);
    assert_eq!(refused, Err(VoteRefused::NoReuse));
    let mut wants = on(reusable(Sameness::Exact), &["orders"], Effect::Write, 3);
    wants.request.requirements[0].approvers = 2;
    let id = world.open(wants.clone());
    let long = world.approve_class(&id, &human("bea"), 601);
    assert_eq!(
        long,
        Err(VoteRefused::NoReuse),
        "longer than policy lets it"
    );
    world
        .approve_class(&id, &human("bea"), 600)
        .expect("counts");
    assert_eq!(world.approve(&id, &human("cem")), Ok(State::Approved));
    assert!(world.desk.grants().is_empty(), "one meant a single run");
    assert!(is_yes(&world.answer(&id)));
    world.open(wants);
}

#[test]
fn access_lasts_as_long_as_was_asked_and_no_longer_than_policy_says() {
    for (most, asked, lasts) in [
        (600, Some(60), 60),
        (600, None, 600),
        (600, Some(6000), 600),
    ] {
        let world = World::new();
        let wants = || access(Wants::people(1), most, asked);
        let id = world.open(wants());
        world.approve(&id, &human("bea")).expect("approved");
        assert!(is_yes(&world.answer(&id)));
        world.pass(seconds(lasts - 1));
        assert!(is_yes(&world.at_once(wants())), "still open");
        world.pass(seconds(2));
        world.open(wants());
    }
}

#[test]
fn a_request_made_in_advance_does_not_end_with_a_client_that_waits_too() {
    let world = World::new();
    let wants = access(Wants::people(1), 600, Some(60));
    let waiting = world.open(wants.clone());
    let mut ahead = wants.clone();
    ahead.request.wish.detached = true;
    assert_eq!(world.open(ahead), waiting, "it is the same request");
    world.desk.withdraw(&waiting);
    assert_eq!(world.approve(&waiting, &human("bea")), Ok(State::Approved));
    assert!(is_yes(&world.at_once(wants)));
}

#[test]
fn access_is_extended_by_the_same_people_and_ended_early_by_a_word() {
    let world = World::new();
    let wants = || access(Wants::people(1), 600, Some(600));
    let id = world.open(wants());
    world.approve(&id, &human("bea")).expect("approved");
    let grant = world.desk.grants()[0].id.clone();
    world.pass(seconds(500));
    let mut more = wants();
    more.request.wish.detached = true;
    let second = world.open(more);
    assert_ne!(second, id, "more time takes another vote");
    world.approve(&second, &human("cem")).expect("approved");
    let grants = world.desk.grants();
    assert_eq!((grants.len(), grants[0].id.clone()), (1, grant.clone()));
    assert!(grants[0].remaining_seconds > 590);
    let eve = human("eve");
    assert!(
        world.desk.grant_held_by(&grant, &eve).is_err(),
        "guessing shows nothing"
    );
    world
        .desk
        .end_grant(&grant, &"ana".into(), "done")
        .expect("ended");
    assert!(world.desk.standing(&grant).is_none());
    world.open(wants());
}

#[test]
fn the_glass_is_broken_by_a_person_of_the_group_with_a_reason_and_reviewed_by_others() {
    let world = World::new();
    let answer = world.at_once(glass(Wants::people(1), WHY));
    let Answer::Approve { id, by } = answer else {
        panic!("{answer:?}");
    };
    assert!(by.is_empty() && world.desk.standing(&id).is_some_and(|s| s.glass));
    let page = world.news().into_iter().find(|n| n.event == "glass.broken");
    assert!(page.is_some_and(|n| n.urgent && n.line.contains("INC-7")));
    let review = world.desk.reviews()[0].clone();
    assert_eq!((review.state, review.reason.as_str()), ("open", WHY));
    let close = |who: &Arc<Identity>| {
        world
            .desk
            .review(&review.id, who, Finding::Justified, "seen")
    };
    assert_eq!(
        close(&of("ana", &["security"])).err(),
        Some(VoteRefused::Requester)
    );
    assert_eq!(close(&human("bea")).err(), Some(VoteRefused::NotAnApprover));
    let concerns = |who: &Arc<Identity>| {
        let (_, concern) = world.desk.reviews_for(who)[0].clone();
        (concern.own, concern.acts)
    };
    assert_eq!(concerns(&of("ana", &["security"])), (true, false), "hers");
    assert_eq!(concerns(&human("bea")), (false, false));
    assert_eq!(concerns(&of("cem", &["security"])), (true, true));
    let mut elsewhere = (*of("cem", &["security"])).clone();
    elsewhere.principal.issuer = "https://other.example".to_owned();
    assert_eq!(concerns(&Arc::new(elsewhere)), (false, false));
    world.pass(seconds(3601));
    world.desk.sweep();
    assert_eq!(world.desk.reviews()[0].state, "overdue");
    let loud = || {
        world
            .news()
            .iter()
            .filter(|n| n.event == "glass.review_overdue")
            .count()
    };
    world.desk.sweep();
    assert_eq!(loud(), 1, "said once");
    assert_eq!(
        close(&of("cem", &["security"])).expect("closed").state,
        "closed"
    );
    let dan = of("dan", &["security"]);
    assert!(close(&dan).is_err(), "closed is closed");
    assert_eq!(concerns(&dan), (true, false));
}

#[test]
fn the_glass_stays_whole_for_everybody_else() {
    let bot = identity("bot", Kind::Agent);
    let mut acted = (*human("ana")).clone();
    acted.actors.push(human("tool").principal.clone());
    let cases = [
        (
            "approval/glass-person",
            glass(Wants::people(1), WHY).by(bot),
        ),
        (
            "approval/glass-person",
            glass(Wants::people(1), WHY).by(acted),
        ),
        ("approval/glass-reason", glass(Wants::people(1), "short")),
        (
            "approval/glass",
            glass(Wants::people(1), WHY).by((*of("eve", &["finance"])).clone()),
        ),
        ("approval/glass", {
            let mut wants = glass(Wants::people(1), WHY);
            wants.request.access = false;
            wants
        }),
        ("approval/glass", {
            let mut wants = glass(Wants::people(1), WHY);
            let mut second = wants.request.requirements[0].clone();
            second.terms.glass = None;
            wants.request.requirements.push(second);
            wants
        }),
    ];
    for (expected, wants) in cases {
        let world = World::new();
        assert_eq!(rule(world.at_once(wants)), expected);
        assert!(world.desk.grants().is_empty() && world.desk.reviews().is_empty());
    }
}

#[test]
fn where_a_vote_takes_a_fresh_login_so_does_the_glass() {
    let settings = Settings {
        fresh_within: Some(seconds(600)),
        ..Settings::new()
    };
    let by = |ago: Option<i64>| {
        let mut ana = (*human("ana")).clone();
        ana.authenticated = ago.map(|ago| Timestamp(start().0 - ago * 1_000_000_000));
        World::with(settings).at_once(glass(Wants::people(1), WHY).by(ana))
    };
    assert!(is_yes(&by(Some(60))));
    for stale in [None, Some(700)] {
        assert_eq!(rule(by(stale)), "approval/glass-login", "{stale:?}");
    }
}

#[test]
fn no_glass_is_broken_that_nobody_would_hear_of() {
    for full in [true, false] {
        let world = World::new();
        if full {
            world.fill_disk();
        } else {
            world.break_notes();
        }
        let broken = world::block_on(world.desk.open(glass(Wants::people(1), WHY).request));
        assert!(broken.is_err());
        world.free_disk();
        world.mend_notes();
        assert!(world.desk.grants().is_empty());
    }
}

#[test]
fn under_broken_glass_the_rules_that_let_it_pass_and_no_others() {
    let world = World::new();
    let Answer::Approve { id, .. } = world.at_once(glass(Wants::people(1), WHY)) else {
        panic!("not broken");
    };
    let inside = |wants: Wants| {
        let mut wants = wants;
        wants.request.access = false;
        wants.request.wish = portcullis_gate::Wish::default();
        wants.request.binding = [9; 32];
        let mut session = (*wants.request.session).clone();
        session.access_request = Some(id.clone());
        wants.request.session = Arc::new(session);
        wants
    };
    assert!(is_yes(&world.at_once(inside(glass(Wants::people(1), WHY)))));
    world.open(inside(Wants::people(1)));
}

#[test]
fn other_groups_vote_after_a_time_and_not_before() {
    let world = World::new();
    let wants = terms(Wants::people(1), |t| {
        t.escalate = Some(Escalation {
            after: seconds(20),
            groups: vec!["heads".to_owned()],
        });
    });
    let id = world.open(wants);
    let head = of("hal", &["heads"]);
    assert_eq!(world.approve(&id, &head), Err(VoteRefused::NotAnApprover));
    world.pass(seconds(21));
    world.desk.sweep();
    assert!(
        world
            .news()
            .iter()
            .any(|n| n.event == "approval.escalated" && n.urgent)
    );
    assert_eq!(world.approve(&id, &head), Ok(State::Approved));
}

#[test]
fn people_of_one_group_are_not_people_of_two() {
    let world = World::new();
    let mut wants = terms(Wants::people(2), |t| t.distinct_groups = true);
    wants.request.requirements[0].approver_groups = vec!["dba".to_owned(), "sre".to_owned()];
    let id = world.open(wants);
    assert_eq!(world.approve(&id, &of("bea", &["sre"])), Ok(State::Pending));
    assert_eq!(world.approve(&id, &of("cem", &["sre"])), Ok(State::Pending));
    assert_eq!(
        world.approve(&id, &of("dan", &["dba", "sre"])),
        Ok(State::Approved)
    );
}

#[test]
fn who_stands_in_votes_with_their_own_right_and_for_the_record() {
    let world = World::new();
    let bea = human("bea");
    let to = |name: &str| human(name).principal.clone();
    let lasts = seconds(3600);
    let refused = |from: &Arc<Identity>, to: Principal, time| {
        world.desk.delegate(from, to, time, "holiday").err()
    };
    assert!(
        refused(&bea, to("bea"), lasts).is_some(),
        "nobody for themselves"
    );
    assert_eq!(
        refused(&bea, to("cem"), seconds(0)),
        Some(VoteRefused::Time)
    );
    let bot = Arc::new(identity("bot", Kind::Agent));
    assert_eq!(
        refused(&bot, to("cem"), lasts),
        Some(VoteRefused::NotAPerson)
    );
    for name in ["cem", "fay"] {
        world
            .desk
            .delegate(&bea, to(name), lasts, "holiday")
            .expect("delegated");
    }
    let id = world.open(Wants::people(1));
    let fay = of("fay", &["finance"]);
    assert_eq!(
        world.approve(&id, &fay),
        Err(VoteRefused::NotAnApprover),
        "it widens nothing"
    );
    world.approve(&id, &human("cem")).expect("counts");
    assert_eq!(
        world.desk.show(&id).expect("there").votes[0].stands_in_for,
        ["bea"]
    );
    let mine = world.desk.delegations()[0].id.clone();
    assert!(
        world.desk.end_delegation(&mine, &human("cem")).is_err(),
        "not theirs to end"
    );
    world.desk.end_delegation(&mine, &bea).expect("ended");
}

#[test]
fn what_nobody_waits_for_survives_a_restart_and_what_somebody_held_does_not() {
    let mut world = World::new();
    let held = world.open(Wants::people(1));
    let mut later = Wants::people(2).deferred();
    later.request.binding = [2; 32];
    let deferred = world.open(later.clone());
    world.approve(&deferred, &human("bea")).expect("counts");
    let open = || access(Wants::people(1), 600, Some(600));
    let asked = world.open(open());
    world.approve(&asked, &human("bea")).expect("approved");
    world.at_once(glass(Wants::people(1).by((*human("gil")).clone()), WHY));
    world
        .desk
        .delegate(
            &human("bea"),
            human("cem").principal.clone(),
            seconds(3600),
            "away",
        )
        .expect("ok");
    world.restart();
    assert!(world.desk.show(&held).is_none(), "its client is gone");
    assert!(is_yes(&world.at_once(open())), "access still stands");
    assert_eq!(
        (world.desk.reviews().len(), world.desk.delegations().len()),
        (1, 1)
    );
    assert_eq!(
        world.approve(&deferred, &human("bea")),
        Err(VoteRefused::Twice),
        "votes are kept"
    );
    world.approve(&deferred, &human("cem")).expect("counts");
    world.restart();
    assert!(is_yes(&world.at_once(later.clone())), "an approval is kept");
    world.restart();
    world.open(later);
}

#[test]
fn an_approval_that_could_come_back_is_not_used() {
    let mut world = World::new();
    let wants = Wants::people(1).deferred();
    let id = world.open(wants.clone());
    world.approve(&id, &human("bea")).expect("approved");
    world.fill_disk();
    assert!(world::block_on(world.desk.open(wants.request.clone())).is_err());
    world.free_disk();
    world.restart();
    assert!(
        is_yes(&world.at_once(wants.clone())),
        "it was not used, and is now"
    );
    world.restart();
    world.open(wants);
}

#[test]
fn nothing_is_approved_while_the_disk_is_full() {
    let world = World::new();
    let deferred = world.open(Wants::people(1).deferred());
    let mut open = access(Wants::people(1), 600, None);
    open.request.binding = [2; 32];
    let standing = world.open(open.clone());
    world.fill_disk();
    for id in [&deferred, &standing] {
        assert_eq!(
            world.approve(id, &human("bea")),
            Err(VoteRefused::Unrecorded)
        );
    }
    world.free_disk();
    assert_eq!(
        world.desk.show(&deferred).expect("there").state,
        State::Pending
    );
    assert!(world.desk.grants().is_empty());
    assert_eq!(world.approve(&deferred, &human("bea")), Ok(State::Approved));
}

#[test]
fn a_clock_that_is_set_back_gives_nobody_more_time() {
    let mut world = World::new();
    let open = || access(Wants::people(1), 600, Some(600));
    let id = world.open(open());
    world.approve(&id, &human("bea")).expect("approved");
    let mut other = Wants::people(1);
    other.request.binding = [4; 32];
    let pending = world.open(other);
    world.set_clock(-86_400);
    assert!(is_yes(&world.at_once(open())));
    world.pass(seconds(61));
    assert_eq!(
        world.desk.show(&pending).expect("there").state,
        State::Expired
    );
    world.pass(seconds(540));
    assert!(world.desk.grants().is_empty(), "its ten minutes are over");
    world.set_clock(86_400);
    let again = world.open(open());
    world.approve(&again, &human("bea")).expect("approved");
    world.pass(seconds(500));
    world.open(Wants::people(1).deferred());
    world.set_clock(-86_400);
    world.restart();
    let left = world.desk.grants()[0].remaining_seconds;
    assert!(left <= 100, "a restart gives none either: {left}");
}

#[test]
fn a_clock_that_jumps_ahead_ends_what_it_ends() {
    let world = World::new();
    let id = world.open(Wants::people(1).deferred());
    world.approve(&id, &human("bea")).expect("approved");
    world.set_clock(86_400);
    world.open(Wants::people(1).deferred());
}

#[test]
fn guessing_an_id_gives_no_vote() {
    let world = World::new();
    let id = world.open(Wants::people(1));
    let stranger = of("eve", &["finance"]);
    assert_eq!(
        world.approve(&id, &stranger),
        Err(VoteRefused::NotAnApprover)
    );
    assert_eq!(
        world.approve("ap-00000000", &stranger),
        Err(VoteRefused::Unknown)
    );
    let policy = |_: &portcullis_gate::HoldRequest| {
        Err::<Vec<usize>, _>(Denial::new("approve/no", "not you"))
    };
    let word = Word {
        ballot: Ballot::Approve,
        because: "because",
        reuse: None,
        channel: "cli",
    };
    let refused = world.desk.vote(&id, &human("bea"), word, policy);
    assert!(matches!(refused, Err(VoteRefused::Policy(_))));
    assert_eq!(world.desk.show(&id).expect("there").state, State::Pending);
}

#[test]
fn whoever_is_revoked_takes_their_votes_along_from_what_was_not_used_yet() {
    let mut world = World::new();
    let ended = |world: &World, name: &str| {
        world
            .desk
            .end_votes_of(&human(name).principal, "the identity is revoked")
    };
    // Still open: two others have to say yes.
    let open = world.open(Wants::people(2));
    assert_eq!(world.approve(&open, &human("bea")), Ok(State::Pending));
    assert_eq!(ended(&world, "bea"), Ok(1));
    assert_eq!(world.approve(&open, &human("cleo")), Ok(State::Pending));
    assert_eq!(world.approve(&open, &human("dora")), Ok(State::Approved));
    assert!(is_yes(&world.answer(&open)));
    // Approved and not used: withdrawn, also after a restart.
    let unused = world.open(on(Wants::people(1).deferred(), &["a"], Effect::Write, 2));
    assert_eq!(world.approve(&unused, &human("bea")), Ok(State::Approved));
    assert_eq!(ended(&world, "bea"), Ok(1));
    assert_eq!(rule(world.answer(&unused)), "approval/withdrawn");
    world.restart();
    let anew = world.open(on(Wants::people(1).deferred(), &["a"], Effect::Write, 2));
    assert_ne!(anew, unused, "it is asked anew");
    // What is used is used, and others' votes are theirs.
    assert_eq!(ended(&world, "bea"), Ok(0));
    assert_eq!(world.approve(&anew, &human("cleo")), Ok(State::Approved));
    assert_eq!(ended(&world, "bea"), Ok(0));
    assert!(is_yes(&world.answer(&anew)));
    let said = world.notes().into_iter();
    let whose = said.filter(|n| n["why"] == "the identity is revoked");
    let whose: Vec<_> = whose.map(|n| n["voter"]["subject"].clone()).collect();
    assert_eq!(whose, ["bea", "bea"], "on record");
}

#[test]
fn a_vote_whose_end_cannot_be_kept_counts_no_more_and_that_is_said() {
    let world = World::new();
    let id = world.open(on(Wants::people(2).deferred(), &["a"], Effect::Write, 2));
    assert_eq!(world.approve(&id, &human("bea")), Ok(State::Pending));
    world.break_notes();
    world.fill_disk();
    let ended = world.desk.end_votes_of(&human("bea").principal, "left");
    assert_eq!(ended, Err(VoteRefused::NotForgotten));
    world.mend_notes();
    world.free_disk();
    assert_eq!(world.approve(&id, &human("cleo")), Ok(State::Pending));
}
