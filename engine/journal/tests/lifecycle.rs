//! A record from its opening to its sealing, and over restarts.

mod world;

use portcullis_gate::{EntryKind, Sequence, StreamId};
use portcullis_journal::{Error, Health, Journal, SessionState, Tail, entries, sessions};
use portcullis_model::SessionId;
use std::fs;
use world::{World, admit, block_on, end, entry, session, signed, who};

#[test]
fn what_is_recorded_reads_back_and_proves() {
    let world = World::new();
    let journal = world.open();
    let mut record = session(&journal, 7);
    let run = [
        entry(EntryKind::Decision, r#"{"verdict":"allow"}"#),
        entry(EntryKind::Request, r#"{"request":"SELECT 1"}"#),
    ];
    assert_eq!(
        record.append(StreamId(0), &run).expect("appended"),
        Sequence(3)
    );
    assert_eq!(
        record.append(StreamId(0), &[]).expect("nothing to do"),
        Sequence(3)
    );
    block_on(record.durable(Sequence(3))).expect("durable");
    record.append(StreamId(0), &[end()]).expect("ended");
    assert!(
        record.append(StreamId(0), &[end()]).is_err(),
        "nothing follows the end"
    );
    journal
        .node("reload", &serde_json::json!({"revision": "r2"}))
        .expect("noted");
    journal.close().expect("closed");
    assert_eq!(journal.health(), Health::Closed);

    let report = world.verify();
    assert_eq!(report.problems, []);
    // Opened, four of the session, reload, closed.
    assert_eq!(
        (report.sessions, report.entries, report.tail),
        (1, 7, Tail::Closed)
    );
    let read: Vec<_> = entries(&world.record(), SessionId(7))
        .expect("readable")
        .map(|e| e.expect("entry"))
        .map(|e| (e.sequence, e.kind))
        .collect();
    assert_eq!(read, [(1, 1), (2, 2), (3, 3), (4, 11)]);
    let listed = sessions(&world.record(), &world.public()).expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].state, SessionState::Sealed);
    assert_eq!(
        (listed[0].identity.as_str(), listed[0].target.as_str()),
        ("ana", "orders")
    );
    assert_eq!(
        (
            listed[0].commands,
            listed[0].denied,
            listed[0].rows,
            listed[0].bytes
        ),
        (3, 1, 7, 99)
    );
}

#[test]
fn a_session_dropped_without_an_end_reads_interrupted() {
    let world = World::new();
    let journal = world.open();
    drop(session(&journal, 1));
    let mut ended = session(&journal, 2);
    ended.append(StreamId(0), &[end()]).expect("ended");
    let _still_open = session(&journal, 3);
    signed(&journal);
    let states = || -> Vec<_> {
        let listed = sessions(&world.record(), &world.public()).expect("listed");
        listed.into_iter().map(|s| s.state).collect()
    };
    use SessionState::{Interrupted, Live, Sealed};
    assert_eq!(states(), [Interrupted, Sealed, Live]);
    journal.close().expect("closed");
    assert_eq!(states(), [Interrupted, Sealed, Interrupted]);
    assert!(world.verify().is_clean());
}

#[test]
fn a_record_goes_on_over_restarts_and_segments() {
    let mut world = World::new();
    world.settings.segment_bytes = 2_000;
    for round in 1..=3u128 {
        let journal = world.open();
        let mut record = session(&journal, round);
        for _ in 0..50 {
            record
                .append(StreamId(0), &[entry(EntryKind::Release, vec![7; 300])])
                .expect("appended");
        }
        record.append(StreamId(0), &[end()]).expect("ended");
        drop(record);
        journal.close().expect("closed");
    }
    let segments = fs::read_dir(world.record())
        .expect("dir")
        .filter(|e| {
            e.as_ref()
                .expect("entry")
                .path()
                .extension()
                .is_some_and(|x| x == "wal")
        })
        .count();
    assert!(segments > 20, "{segments} segments");
    let report = world.verify();
    assert_eq!(report.problems, []);
    assert_eq!((report.sessions, report.entries), (3, 3 * 54));
    assert_eq!(
        entries(&world.record(), SessionId(2))
            .expect("readable")
            .count(),
        52
    );
}

#[test]
fn a_torn_tail_is_cut_to_a_side_file_and_noted() {
    let world = World::new();
    let journal = world.open();
    let record = session(&journal, 5);
    signed(&journal);
    // A crash: the journal is never closed, and half a frame stands at the end.
    std::mem::forget(record);
    let path = world.segment(1);
    let mut bytes = fs::read(&path).expect("segment");
    let whole = bytes.len();
    bytes.extend_from_slice(&[0, 0, 0, 40, 1, 2, 3]);
    let copy = World::new();
    fs::create_dir_all(copy.record()).expect("dir");
    fs::write(copy.segment(1), &bytes).expect("copied");
    fs::copy(
        world.record().join("checkpoints"),
        copy.record().join("checkpoints"),
    )
    .expect("copied");
    fs::copy(world.key_path(), copy.key_path()).expect("copied");

    let report = copy.verify();
    assert_eq!(
        report.problems,
        [],
        "half a frame after the last checkpoint is a crash, no forgery"
    );
    assert!(matches!(report.tail, Tail::Interrupted { unproved: 0, .. }));
    copy.open().close().expect("closed");
    let side = copy.record().join(format!("00000001.wal.torn-{whole}"));
    assert_eq!(fs::read(side).expect("side file"), [0, 0, 0, 40, 1, 2, 3]);
    let report = copy.verify();
    assert_eq!(
        (report.problems.as_slice(), report.tail),
        ([].as_slice(), Tail::Closed)
    );
    let listed = sessions(&copy.record(), &copy.public()).expect("listed");
    assert_eq!(listed[0].state, SessionState::Interrupted);
    assert!(
        listed[0]
            .reason
            .starts_with("interrupted after checkpoint "),
        "{}",
        listed[0].reason
    );
}

/// What a crash between the end of a session and its checkpoint leaves.
fn ended_without_checkpoint() -> World {
    let world = World::new();
    let journal = world.open();
    let mut record = session(&journal, 5);
    signed(&journal);
    let notes = fs::read(world.record().join("checkpoints")).expect("notes");
    record.append(StreamId(0), &[end()]).expect("ended");
    signed(&journal);
    drop(record);
    let log = fs::read(world.segment(1)).expect("segment");
    drop(journal);
    fs::write(world.segment(1), log).expect("restored");
    fs::write(world.record().join("checkpoints"), notes).expect("restored");
    world
}

#[test]
fn a_record_opens_again_however_often_a_crash_has_ended_its_sessions() {
    let world = ended_without_checkpoint();
    for _ in 0..3 {
        // The first one ends the session once more, before any checkpoint vouches for the first end.
        let journal = world.open();
        signed(&journal);
        journal.close().expect("closed");
        assert_eq!(world.verify().problems, []);
    }
}

#[test]
fn an_end_that_no_checkpoint_covers_is_never_sealed() {
    let mut world = ended_without_checkpoint();
    let state =
        |world: &World| sessions(&world.record(), &world.public()).expect("listed")[0].state;
    assert_eq!(state(&world), SessionState::Interrupted);
    world.settings.segment_bytes = 1;
    world.open().close().expect("closed");
    assert_eq!(
        state(&world),
        SessionState::Interrupted,
        "nor does a restart seal it"
    );
    assert_eq!(world.verify().problems, []);
}

#[test]
fn one_process_writes_a_record() {
    let world = World::new();
    let _journal = world.open();
    let second = Journal::open(world.settings.clone(), world.key(), world::ticking());
    assert!(matches!(second, Err(Error::Locked)));
}

#[test]
fn a_session_id_in_use_is_refused() {
    let world = World::new();
    let journal = world.open();
    let _open = session(&journal, 9);
    assert!(journal.session(SessionId(9), &who("bea")).is_err());
    assert!(
        journal
            .session(portcullis_journal::NODE, &who("bea"))
            .is_err()
    );
}

#[test]
fn an_identity_over_its_volume_is_refused_alone() {
    let mut world = World::new();
    world.settings.per_identity_bytes_per_hour = 4_000;
    let journal = world.open();
    let mut ana = session(&journal, 1);
    let release = || [entry(EntryKind::Release, vec![1; 3_000])];
    ana.append(StreamId(0), &release())
        .expect("within the limit");
    assert!(ana.append(StreamId(0), &release()).is_err());
    ana.append(StreamId(0), &[entry(EntryKind::Refusal, "{}")])
        .expect("it is told so");
    ana.append(StreamId(0), &[end()]).expect("and ends");
    let mut bea = journal.session(SessionId(2), &who("bea")).expect("session");
    bea.append(StreamId(0), &[admit("bea")]).expect("admitted");
    bea.append(StreamId(0), &release())
        .expect("another identity goes on");
}
