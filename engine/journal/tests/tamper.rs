//! What somebody with write access to the record may try, and what `verify` answers with the public key
//! alone.

mod world;

use portcullis_gate::{EntryKind, Record, StreamId};
use portcullis_journal::{
    Error, Journal, Problem, Tail, latest_checkpoint, verify, verify_against,
};
use portcullis_model::SessionId;
use std::fs;
use std::path::PathBuf;
use world::{Raw, World, admit, end, entry, frames, mend_crc, session, signed, who};

/// Two sessions, interleaved, with a checkpoint after each round; closed in order.
fn recorded() -> World {
    let world = World::new();
    let journal = world.open();
    let mut sessions: Vec<Box<dyn Record>> = vec![session(&journal, 1), session(&journal, 2)];
    for round in 0..10u8 {
        for record in &mut sessions {
            let statement = format!(r#"{{"request":"UPDATE accounts SET x = {round}"}}"#);
            let run = [
                entry(EntryKind::Decision, "{}"),
                entry(EntryKind::Request, statement),
            ];
            record.append(StreamId(0), &run).expect("appended");
        }
        signed(&journal);
    }
    for mut record in sessions {
        record.append(StreamId(0), &[end()]).expect("ended");
    }
    journal.close().expect("closed");
    assert_eq!(world.verify().problems, []);
    world
}

fn find(world: &World, session: u128, sequence: u64) -> Raw {
    let all = frames(&world.segment(1));
    all.into_iter()
        .find(|f| f.session == session && f.sequence == sequence)
        .expect("there")
}

fn change(world: &World, change: impl FnOnce(&mut Vec<u8>)) {
    let path = world.segment(1);
    let mut bytes = fs::read(&path).expect("segment");
    change(&mut bytes);
    fs::write(path, bytes).expect("written");
}

fn named(problems: &[Problem], session: u128) -> Vec<&Problem> {
    let of = |p: &&Problem| p.session == Some(SessionId(session));
    problems.iter().filter(of).collect()
}

#[test]
fn an_edited_entry_is_named_with_its_place() {
    let world = recorded();
    let frame = find(&world, 2, 5);
    change(&world, |bytes| bytes[frame.offset + 41 + 20] ^= 1);
    let problems = world.verify().problems;
    let problem = named(&problems, 2)[0];
    assert_eq!(problem.sequence, Some(5));
    assert_eq!(problem.offset, Some(frame.offset as u64));
    assert_eq!(problem.file, Some(world.segment(1)));
    assert!(
        named(&problems, 1).is_empty(),
        "the other session is proved: {problems:?}"
    );
}

#[test]
fn an_edited_entry_shows_where_crc_and_chain_were_made_anew() {
    let world = recorded();
    // Sequence 5 is the request of the second round; 4 and 5 stand between two checkpoints.
    let frame = find(&world, 2, 5);
    change(&world, |bytes| {
        bytes[frame.offset + 41 + 36] = b'X';
        mend_crc(bytes, &frame);
    });
    let problems = world.verify().problems;
    let problem = named(&problems, 2)[0];
    let first = find(&world, 2, 4);
    assert_eq!(
        problem.sequence,
        Some(4),
        "the first entry since the last signed head"
    );
    assert_eq!(problem.offset, Some(first.offset as u64));
    assert!(
        problem.what.contains("an entry up to 5"),
        "{}",
        problem.what
    );
    assert!(
        named(&problems, 1).is_empty(),
        "the other session is proved: {problems:?}"
    );
}

#[test]
fn every_single_edit_is_found() {
    let world = recorded();
    let original = fs::read(world.segment(1)).expect("segment");
    for frame in frames(&world.segment(1)) {
        let mut bytes = original.clone();
        // The time stamp: no structure is hurt, and the crc is right.
        bytes[frame.offset + 30] ^= 4;
        mend_crc(&mut bytes, &frame);
        fs::write(world.segment(1), &bytes).expect("written");
        let problems = world.verify().problems;
        assert!(!problems.is_empty(), "{frame:?}");
        assert!(
            problems
                .iter()
                .any(|p| p.session == Some(SessionId(frame.session))),
            "{frame:?}"
        );
    }
}

#[test]
fn a_removed_entry_is_named() {
    let world = recorded();
    let frame = find(&world, 1, 7);
    change(&world, |bytes| {
        drop(bytes.drain(frame.offset..frame.offset + frame.len))
    });
    let problems = world.verify().problems;
    assert_eq!(named(&problems, 1)[0].what, "entries 7 to 7 are missing");
}

#[test]
fn a_deleted_session_is_named() {
    let world = recorded();
    let gone: Vec<_> = frames(&world.segment(1))
        .into_iter()
        .filter(|f| f.session == 2)
        .collect();
    change(&world, |bytes| {
        for frame in gone.iter().rev() {
            bytes.drain(frame.offset..frame.offset + frame.len);
        }
    });
    let problems = world.verify().problems;
    assert_eq!(
        named(&problems, 2)[0].what,
        "the whole session is missing; 22 entries of it were signed"
    );
    assert!(
        problems
            .iter()
            .any(|p| p.what.starts_with("the entries up to here")),
        "{problems:?}"
    );
}

#[test]
fn a_cut_tail_is_named() {
    let world = recorded();
    let frame = find(&world, 2, 20);
    change(&world, |bytes| bytes.truncate(frame.offset));
    let report = world.verify();
    let cut = report
        .problems
        .iter()
        .find(|p| p.what.starts_with("the tail is cut"));
    let last = find(&world, 1, 21);
    let cut = cut.expect("named");
    assert_eq!(
        cut.offset,
        Some(last.offset as u64),
        "after the last entry that is there"
    );
    assert_eq!(
        named(&report.problems, 2)[0].what,
        "entries 20 to 22 are missing"
    );
    let reopened = Journal::open(world.settings.clone(), world.key(), world::ticking());
    assert!(
        matches!(reopened, Err(Error::Damaged { .. })),
        "nor is it extended"
    );
}

#[test]
fn readers_take_no_damage_for_the_end_of_the_record() {
    let last = find(&recorded(), 2, 20);
    type Spoil<'a> = (&'a str, Box<dyn Fn(&mut Vec<u8>) + 'a>);
    let spoilt: [Spoil<'_>; 4] = [
        (
            "cut where a frame begins",
            Box::new(|bytes| bytes.truncate(last.offset)),
        ),
        (
            "cut in a frame",
            Box::new(|bytes| bytes.truncate(last.offset + 9)),
        ),
        (
            "a frame that says it is longer than the file",
            Box::new(|bytes| bytes[last.offset + 1] = 1),
        ),
        ("a header that is none", Box::new(|bytes| bytes[20] ^= 1)),
    ];
    for (what, spoil) in spoilt {
        let world = recorded();
        let all = |world: &World| {
            portcullis_journal::Reader::open(&world.record()).map(|reader| reader.all())
        };
        assert!(all(&world).expect("opened").all(|entry| entry.is_ok()));
        change(&world, |bytes| spoil(bytes));
        let mut read = all(&world).expect("opened");
        let error = read.find_map(Result::err).expect(what).to_string();
        assert!(!error.is_empty(), "{what}");
        assert!(read.next().is_none(), "{what}: nothing follows it");
    }
    // What stands behind the last checkpoint may be torn: the power went. It may be zeros, too.
    for tail in [&[0, 0, 0, 40, 1, 2, 3][..], &[0; 4096]] {
        let world = recorded();
        change(&world, |bytes| bytes.extend_from_slice(tail));
        let reader = portcullis_journal::Reader::open(&world.record()).expect("opened");
        let read = reader.all().collect::<Result<Vec<_>, _>>().expect("whole");
        assert!(read.len() > 40, "{}", read.len());
    }
}

#[test]
fn a_record_in_the_format_before_is_told_apart_from_a_damaged_one() {
    let world = recorded();
    change(&world, |bytes| bytes[6] = 1);
    let before = std::fs::read(world.segment(1)).expect("segment");
    let read = portcullis_journal::Reader::open(&world.record())
        .expect("a directory")
        .all()
        .next();
    assert!(matches!(read, Some(Err(Error::OldFormat(1)))), "{read:?}");
    let verified = portcullis_journal::verify(&world.record(), &world.public());
    assert!(matches!(verified, Err(Error::OldFormat(1))));
    let reopened = Journal::open(world.settings.clone(), world.key(), world::ticking());
    let told = reopened.err().expect("not extended").to_string();
    assert!(
        told.contains("format 1") && told.contains("empty directory"),
        "{told}"
    );
    // Nor is it cut or set aside.
    assert_eq!(std::fs::read(world.segment(1)).expect("segment"), before);
}

#[test]
fn an_inserted_entry_is_found() {
    let world = recorded();
    let frame = find(&world, 1, 21);
    change(&world, |bytes| {
        let copy = bytes[frame.offset..frame.offset + frame.len].to_vec();
        let at = frame.offset + frame.len;
        bytes.splice(at..at, copy);
    });
    let problems = world.verify().problems;
    assert_eq!(
        named(&problems, 1)[0].what,
        "entry 21 stands after entry 21"
    );
}

#[test]
fn a_checkpoint_nobody_signed_is_refused() {
    let world = recorded();
    let path = world.record().join("checkpoints");
    let notes = fs::read_to_string(&path).expect("notes");
    fs::write(&path, notes.replacen("number 2\n", "number 9\n", 1)).expect("written");
    let verified = verify(&world.record(), &world.public());
    assert!(matches!(verified, Err(Error::CheckpointSignature)));
}

#[test]
fn a_rollback_of_log_and_checkpoints_shows_against_an_anchor() {
    let world = World::new();
    let journal = world.open();
    let mut record = session(&journal, 1);
    signed(&journal);
    let files = [world.segment(1), world.record().join("checkpoints")];
    let before: Vec<(PathBuf, Vec<u8>)> = files
        .iter()
        .map(|f| (f.clone(), fs::read(f).expect("read")))
        .collect();
    record
        .append(
            StreamId(0),
            &[entry(EntryKind::Request, r#"{"request":"DROP TABLE x"}"#)],
        )
        .expect("appended");
    signed(&journal);
    let (_, anchor) = latest_checkpoint(&world.record(), &world.public())
        .expect("readable")
        .expect("there");
    record.append(StreamId(0), &[end()]).expect("ended");
    drop(record);
    drop(journal);
    for (path, bytes) in before {
        fs::write(path, bytes).expect("rolled back");
    }
    let report = world.verify();
    assert_eq!(
        report.problems,
        [],
        "by itself an earlier state looks like a crash"
    );
    assert!(matches!(report.tail, Tail::Interrupted { .. }));
    let report = verify_against(&world.record(), &world.public(), &[anchor]).expect("readable");
    assert_eq!(
        named(&report.problems, 1)[0].what,
        "entries 2 to 2 are missing"
    );
}

#[test]
fn a_missing_segment_and_an_edit_in_an_old_one_are_named() {
    let mut world = World::new();
    world.settings.segment_bytes = 3_000;
    let journal = world.open();
    let mut record = session(&journal, 1);
    for _ in 0..40 {
        record
            .append(StreamId(0), &[entry(EntryKind::Release, vec![7; 500])])
            .expect("appended");
    }
    record.append(StreamId(0), &[end()]).expect("ended");
    let mut other = journal.session(SessionId(2), &who("bea")).expect("session");
    other
        .append(StreamId(0), &[admit("bea"), end()])
        .expect("appended");
    journal.close().expect("closed");
    assert!(world.verify().is_clean());

    let path = world.segment(3);
    let bytes = fs::read(&path).expect("segment");
    let frame = frames(&path)[1].clone();
    // Readers see neither a segment that is missing nor one that was cut where a frame ends as the whole record.
    let read = || {
        let reader = portcullis_journal::Reader::open(&world.record()).expect("opened");
        reader.all().collect::<Result<Vec<_>, _>>()
    };
    read().expect("whole");
    fs::write(&path, &bytes[..frame.offset]).expect("cut");
    read().expect_err("a segment was cut");
    fs::remove_file(&path).expect("removed");
    read().expect_err("a segment is missing");
    fs::write(&path, &bytes).expect("put back");
    read().expect("whole again");
    let mut edited = bytes.clone();
    edited[frame.offset + 100] = 8;
    mend_crc(&mut edited, &frame);
    fs::write(&path, edited).expect("written");
    let problems = world.verify().problems;
    assert!(
        problems.iter().all(|p| p.session != Some(SessionId(2))),
        "{problems:?}"
    );
    assert!(!problems.is_empty());
    fs::remove_file(&path).expect("removed");
    let problems = world.verify().problems;
    assert_eq!(problems[0].what, "segments 3 to 3 are missing");
}
