//! The index: what it finds, that it is never ahead of the record, and that it is built anew whenever it is of no use.

mod world;

use portcullis_gate::{Entry, EntryKind, Record, StreamId};
use portcullis_journal::index::{
    ApprovalFilter, CommandFilter, EventFilter, Follower, Index, IndexError, Page, SessionFilter,
    ask_rebuild, build, path_of,
};
use portcullis_journal::{Journal, Reader, SessionState};
use portcullis_model::{Effect, SessionId};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use world::{World, end, entry, session, signed, who};

fn decision(verdict: &str, effect: &str, text: &str) -> Value {
    json!({
        "stage": "query", "verdict": verdict, "rule": "team/rule", "reasons": [], "obligations": {},
        "revision": "r1", "class": {"effect": effect, "risk": "low", "verbs": [], "labels": []},
        "input": {"command": {"effect": effect, "text": text, "digest": "d"}, "history": {}, "request": {}},
    })
}

/// A decision and the request behind it, as the gate writes them.
fn allowed(effect: &str, text: &str) -> [Entry; 2] {
    [
        entry(
            EntryKind::Decision,
            decision("allow", effect, text).to_string(),
        ),
        entry(
            EntryKind::Request,
            json!({"stage": "query", "request": text}).to_string(),
        ),
    ]
}

fn sent(journal: &Arc<Journal>, id: u128) -> Box<dyn Record> {
    let mut record = session(journal, id);
    let mut write = |entries: &[Entry]| {
        record.append(StreamId(0), entries).expect("appended");
    };
    write(&allowed("read", "SELECT name FROM customers"));
    write(&[
        entry(
            EntryKind::Decision,
            decision("deny", "destroy", "DROP TABLE customers").to_string(),
        ),
        entry(
            EntryKind::Refusal,
            json!({"denial": {"rule": "team/no-drop", "reason": "no"}, "request": "DROP TABLE customers"})
                .to_string(),
        ),
    ]);
    write(&[
        entry(
            EntryKind::Decision,
            decision("hold", "write", "DELETE FROM orders").to_string(),
        ),
        entry(
            EntryKind::Hold,
            json!({"id": "ap-1", "request": "DELETE FROM orders", "ticket": "OPS-1"}).to_string(),
        ),
    ]);
    write(&[entry(
        EntryKind::Security,
        json!({"event": "tripwire", "detail": "x"}).to_string(),
    )]);
    record
}

fn recorded() -> World {
    let world = World::new();
    let journal = world.open();
    let mut record = sent(&journal, 1);
    journal
        .node(
            "approval/opened",
            &json!({"id": "ap-1", "session": SessionId(1), "identity": who("ana"), "target": "orders",
                "access": false, "binding": "b", "requirements": [{"rule": "team/hold"}], "until": 5}),
        )
        .expect("noted");
    journal
        .node(
            "approval/vote",
            &json!({"id": "ap-1", "voter": who("bea"), "name": "Bea", "ballot": "approve",
                "reason": "checked"}),
        )
        .expect("noted");
    journal
        .node("approval/state", &json!({"id": "ap-1", "to": "approved"}))
        .expect("noted");
    journal
        .node(
            "reload",
            &json!({"why": "uid 7", "ok": true, "detail": "d", "policy_revision": "r2"}),
        )
        .expect("noted");
    record.append(StreamId(0), &[end()]).expect("ended");
    drop(record);
    drop(sent(&journal, 2));
    signed(&journal);
    journal.close().expect("closed");
    world
}

fn indexed(world: &World) -> Index {
    build(&world.record(), &world.public(), false).expect("built");
    Index::of(&world.record())
}

fn found(index: &Index, filter: &CommandFilter) -> Vec<String> {
    let listing = index.commands(filter, &Page::default()).expect("found");
    listing.rows.into_iter().map(|row| row.text).collect()
}

fn text(text: &str) -> CommandFilter {
    CommandFilter {
        text: Some(text.to_owned()),
        ..CommandFilter::default()
    }
}

#[test]
fn sessions_are_listed_as_the_record_has_them() {
    let world = recorded();
    let index = indexed(&world);
    let all = index
        .sessions(&SessionFilter::default(), &Page::default())
        .expect("listed");
    assert_eq!(all.next, None);
    let [second, first] = all.rows.as_slice() else {
        panic!("two sessions: {:?}", all.rows);
    };
    assert_eq!((first.id, second.id), (SessionId(1), SessionId(2)));
    assert_eq!(
        (first.name.as_str(), first.target.as_str()),
        ("ana", "orders")
    );
    assert_eq!(first.state, SessionState::Sealed);
    assert_eq!(second.state, SessionState::Interrupted);
    // What its end says stands; without an end it is counted.
    assert_eq!((first.commands, first.denied, first.rows), (3, 1, 7));
    assert_eq!((second.commands, second.denied, second.held), (3, 1, 1));
    assert_eq!((second.effects.read, second.effects.destroy), (1, 1));
    assert_eq!(second.security, 1);
    assert_eq!(
        index.session(SessionId(1)).expect("asked").as_ref(),
        Some(first)
    );
    assert_eq!(index.session(SessionId(9)).expect("asked"), None);
    let none = |filter: SessionFilter| {
        let listing = index.sessions(&filter, &Page::default()).expect("listed");
        assert_eq!(listing.rows, [], "{filter:?}");
    };
    none(SessionFilter {
        identity: Some("bea".into()),
        ..SessionFilter::default()
    });
    none(SessionFilter {
        effect: Some(Effect::Escalate),
        ..SessionFilter::default()
    });
    none(SessionFilter {
        text: Some("orders nothing".into()),
        ..SessionFilter::default()
    });
    let by = |who: &str| {
        let filter = SessionFilter {
            who: Some(who.to_owned()),
            target: Some("orders".into()),
            ..SessionFilter::default()
        };
        let listing = index.sessions(&filter, &Page::default());
        listing.expect("listed").rows.len()
    };
    assert_eq!((by("ana"), by("AN"), by("n"), by("orders")), (2, 2, 2, 0));
    let some = SessionFilter {
        identity: Some("ana".into()),
        target: Some("orders".into()),
        denied: true,
        text: Some("ORD".into()),
        ..SessionFilter::default()
    };
    assert_eq!(
        index
            .sessions(&some, &Page::default())
            .expect("listed")
            .rows
            .len(),
        2
    );
}

#[test]
fn sessions_are_found_by_parts_of_names_and_subjects_in_every_script() {
    let world = World::new();
    let journal = world.open();
    for (id, name, subject) in [(1, "Özge Çelik", "u-17"), (2, "ana", "Ünal@corp")] {
        let mut record = journal
            .session(SessionId(id), &who(subject))
            .expect("a session");
        let admitted = json!({"session": {
            "identity": {"name": name, "kind": "human", "principal": who(subject), "actors": []},
            "target": {"name": "orders", "protocol": "postgres"}, "login": "pc_1",
            "client": {"address": "10.0.0.1:5000", "program": "psql"}, "reason": "BÜYÜK",
        }});
        let admitted = entry(EntryKind::Admit, admitted.to_string());
        record
            .append(StreamId(0), &[admitted, end()])
            .expect("appended");
    }
    signed(&journal);
    journal.close().expect("closed");
    let index = indexed(&world);
    let ids = |filter: &SessionFilter| {
        let listing = index.sessions(filter, &Page::default()).expect("listed");
        let ids = listing.rows.iter().map(|row| row.id.0);
        ids.collect::<Vec<_>>()
    };
    for (looked_for, found) in [
        ("Özge", vec![1]),
        ("özge", vec![1]),
        ("ÖZGE ÇEL", vec![1]),
        ("ELIK", vec![1]),
        ("u-17", vec![1]),
        ("U-1", vec![1]),
        ("ÜNAL", vec![2]),
        ("CORP", vec![2]),
        ("n", vec![2]),
        ("ozge", vec![]),
        ("orders", vec![]),
    ] {
        let who = SessionFilter {
            who: Some(looked_for.to_owned()),
            ..SessionFilter::default()
        };
        assert_eq!(ids(&who), found, "{looked_for}");
    }
    for (looked_for, found) in [
        ("özge", vec![1]),
        ("ünal ANA", vec![2]),
        ("büyük ORDERS", vec![2, 1]),
        ("büyük none", vec![]),
    ] {
        let text = SessionFilter {
            text: Some(looked_for.to_owned()),
            ..SessionFilter::default()
        };
        assert_eq!(ids(&text), found, "{looked_for}");
    }
}

#[test]
fn commands_are_found_by_their_words() {
    let world = recorded();
    let index = indexed(&world);
    assert_eq!(found(&index, &text("customers")).len(), 4);
    assert_eq!(found(&index, &text("drop CUSTOMERS")).len(), 2);
    assert_eq!(found(&index, &text("\"customers drop\"")), [""; 0]);
    assert_eq!(found(&index, &text("cust*")).len(), 4);
    assert_eq!(found(&index, &text("cust")), [""; 0]);
    assert_eq!(
        found(&index, &text("ana")).len(),
        6,
        "metadata is found too"
    );
    assert_eq!(found(&index, &text("x' OR 1=1 --")), [""; 0]);
    let denied = CommandFilter {
        verdict: Some("deny".into()),
        effect: Some(Effect::Destroy),
        identity: Some("ana".into()),
        session: Some(SessionId(2)),
        ..CommandFilter::default()
    };
    assert_eq!(found(&index, &denied), ["DROP TABLE customers"]);
    let row = &index
        .commands(&denied, &Page::default())
        .expect("found")
        .rows[0];
    assert_eq!((row.session, row.sequence), (SessionId(2), 4));
    let late = CommandFilter {
        since: Some(portcullis_model::Timestamp(i64::MAX - 1)),
        ..CommandFilter::default()
    };
    assert_eq!(found(&index, &late), [""; 0]);
}

#[test]
fn pages_go_on_where_the_one_before_ended() {
    let world = recorded();
    let index = indexed(&world);
    let mut page = Page {
        size: 2,
        oldest_first: true,
        ..Page::default()
    };
    let mut all = Vec::new();
    loop {
        let listing = index
            .commands(&CommandFilter::default(), &page)
            .expect("found");
        all.extend(listing.rows.iter().map(|row| (row.session.0, row.sequence)));
        match listing.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(all, [(1, 2), (1, 4), (1, 6), (2, 2), (2, 4), (2, 6)]);
    page.after = Some("1; DROP TABLE commands".into());
    let refused = index.commands(&CommandFilter::default(), &page);
    assert!(matches!(refused, Err(IndexError::Cursor)));
}

#[test]
fn approvals_have_command_votes_and_state() {
    let world = recorded();
    let index = indexed(&world);
    let approval = index.approval("ap-1").expect("asked").expect("there");
    assert_eq!(
        (
            approval.state.as_str(),
            approval.text.as_str(),
            approval.ticket.as_deref()
        ),
        ("approved", "DELETE FROM orders", Some("OPS-1"))
    );
    assert_eq!(approval.votes.len(), 1);
    assert_eq!(approval.votes[0].reason, "checked");
    let listing = index
        .approvals(&ApprovalFilter::default(), &Page::default())
        .expect("listed");
    assert_eq!(listing.rows, [approval]);
    let policies = index
        .policies(None, None, &Page::default())
        .expect("listed");
    assert_eq!(
        (
            policies.rows[0].author.as_str(),
            policies.rows[0].revision.as_str()
        ),
        ("uid 7", "r2")
    );
    let events = EventFilter {
        event: Some("approval/".into()),
        ..EventFilter::default()
    };
    assert_eq!(
        index
            .events(&events, &Page::default())
            .expect("listed")
            .rows
            .len(),
        3
    );
    let tripped = EventFilter {
        kind: Some("security".into()),
        session: Some(SessionId(2)),
        ..EventFilter::default()
    };
    assert_eq!(
        index
            .events(&tripped, &Page::default())
            .expect("listed")
            .rows
            .len(),
        1
    );
}

#[test]
fn a_shortened_decision_counts_as_what_it_rests_on() {
    let world = World::new();
    let journal = world.open();
    let mut record = session(&journal, 1);
    record
        .append(StreamId(0), &allowed("write", "UPDATE a"))
        .expect("appended");
    let short =
        json!({"base": {"sequence": 2, "sha256": "x"}, "input": {"command": {"text": "UPDATE b"}}});
    let run = [
        entry(EntryKind::Decision, short.to_string()),
        entry(
            EntryKind::Request,
            json!({"request": "UPDATE b"}).to_string(),
        ),
    ];
    record.append(StreamId(0), &run).expect("appended");
    drop(record);
    journal.close().expect("closed");
    let index = indexed(&world);
    let filter = CommandFilter {
        effect: Some(Effect::Write),
        ..CommandFilter::default()
    };
    assert_eq!(found(&index, &filter), ["UPDATE b", "UPDATE a"]);
}

#[test]
fn what_is_of_no_use_is_built_anew() {
    let world = recorded();
    let dir = world.record();
    let index = Index::of(&dir);
    assert!(matches!(index.position(), Err(IndexError::Missing)));
    let first = build(&dir, &world.public(), false).expect("built");
    let again = build(&dir, &world.public(), false).expect("built");
    assert_eq!((again.entries, again.position), (0, first.position));
    let anew = build(&dir, &world.public(), true).expect("built");
    assert_eq!(
        (anew.entries, anew.position),
        (first.entries, first.position)
    );
    assert_eq!(found(&index, &text("customers")).len(), 4);
    // Deleted, with leftovers beside it; cut; of another record.
    fs::remove_file(path_of(&dir)).expect("removed");
    fs::write(dir.join("index.sqlite3-wal"), b"leftovers").expect("written");
    assert_eq!(
        build(&dir, &world.public(), false).expect("built").entries,
        first.entries
    );
    fs::write(path_of(&dir), vec![7; 8192]).expect("written");
    assert_eq!(
        build(&dir, &world.public(), false).expect("built").entries,
        first.entries
    );
    let other = recorded();
    let journal = other.open();
    drop(session(&journal, 5));
    journal.close().expect("closed");
    build(&other.record(), &other.public(), false).expect("built");
    fs::copy(path_of(&other.record()), path_of(&dir)).expect("copied");
    let built = build(&dir, &world.public(), false).expect("built");
    assert_eq!(
        built.position, first.position,
        "the same time of birth, but longer"
    );
    assert_eq!(found(&index, &text("customers")).len(), 4);
}

#[test]
fn a_follower_keeps_up_and_comes_back_after_a_deletion() {
    let world = World::new();
    let journal = world.open();
    let follower = Follower::start(&journal).expect("started");
    let index = Index::of(&world.record());
    let mut record = sent(&journal, 1);
    let until = |what: &str, there: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !there() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{what}: {:?}",
                follower.failing()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("indexed", &|| follower.lag() == 0);
    assert_eq!(found(&index, &text("customers")).len(), 2);
    assert_eq!(
        index
            .session(SessionId(1))
            .expect("asked")
            .expect("there")
            .state,
        SessionState::Live
    );
    fs::remove_file(path_of(&world.record())).expect("removed");
    record
        .append(StreamId(0), &allowed("read", "SELECT 2 FROM customers"))
        .expect("appended");
    until(
        "built anew",
        &|| matches!(index.commands(&text("customers"), &Page::default()), Ok(l) if l.rows.len() == 3),
    );
    ask_rebuild(&world.record()).expect("asked");
    until("the wish is met", &|| {
        !world.record().join("index.rebuild").exists()
    });
    until(
        "built anew",
        &|| matches!(index.commands(&text("customers"), &Page::default()), Ok(l) if l.rows.len() == 3),
    );
    drop(follower);
    drop(record);
    journal.close().expect("closed");
    let refused = build(&world.record(), &world.public(), false).expect("brought up to date");
    assert!(refused.position.indexed > 0);
    assert_eq!(world.verify().problems, []);
}

#[test]
fn a_session_is_read_from_where_the_index_says_that_it_begins() {
    let world = recorded();
    let index = indexed(&world);
    let reader = Reader::open(&world.record()).expect("opened");
    let read = |entries: portcullis_journal::Entries| -> Vec<(u64, u64, Vec<u8>)> {
        let entries = entries.map(|entry| entry.expect("read"));
        entries
            .map(|e| (e.leaf, e.sequence, e.payload.to_vec()))
            .collect()
    };
    for id in [SessionId(1), SessionId(2)] {
        let leaf = index.first_leaf(id).expect("asked").expect("there");
        let all = read(reader.session(id));
        assert!(all.len() > 3 && all[0].0 == leaf);
        assert_eq!(read(reader.session_from(id, leaf)), all);
    }
}
