//! Payloads under keys, shredding and holds: what goes, what stays, and that the record proves both.

mod world;

use portcullis_gate::{EntryKind, StreamId};
use portcullis_journal::age::Identity;
use portcullis_journal::{Journal, Reader, Retained, Retention, Sealing, Withheld, holds_in_force};
use portcullis_model::{SessionId, Timestamp};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use world::{World, end, entry, frames, mend_crc, session, signed};

/// Another's.
const NEXT: &str = "AGE-SECRET-KEY-1QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QUYSJ699JY";
const SECRET: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const WORDS: &str = "DELETE FROM customers WHERE name = 'Ana'";
/// The entries of the tests are stamped with this moment.
const THEN: i64 = 1_790_000_000_000_000_000;

fn sealed(sealing: impl FnOnce(PathBuf) -> Sealing) -> World {
    let mut world = World::new();
    let keys = world.dir.path().join("keys");
    fs::create_dir(&keys).expect("made");
    world.settings.sealing = sealing(keys.join("payloads"));
    // Small segments, so that there are closed ones.
    world.settings.segment_bytes = 4096;
    world
}

fn spoken(journal: &Arc<Journal>, id: u128) {
    let mut record = session(journal, id);
    for round in 0..20 {
        let said = json!({"stage": "query", "request": format!("{WORDS} -- {round}")});
        let run = [
            entry(EntryKind::Decision, "{}"),
            entry(EntryKind::Request, said.to_string()),
            entry(EntryKind::Release, vec![b'D'; 300]),
        ];
        record.append(StreamId(0), &run).expect("appended");
    }
    record.append(StreamId(0), &[end()]).expect("ended");
}

/// Everything that stands in the folder of the record.
fn bytes(world: &World) -> Vec<u8> {
    let files = fs::read_dir(world.record()).expect("listed");
    let mut all = Vec::new();
    for file in files {
        let path = file.expect("there").path();
        if path.is_file() {
            all.extend(fs::read(path).expect("read"));
        }
    }
    all
}

fn holds_words(world: &World) -> bool {
    let all = bytes(world);
    all.windows(WORDS.len()).any(|w| w == WORDS.as_bytes())
}

/// Requests of a session that can be read, and why not.
fn requests(reader: &Reader, id: u128) -> (usize, Option<Withheld>) {
    let mut read = (0, None);
    for entry in reader.session(SessionId(id)) {
        let entry = entry.expect("whole");
        if entry.kind == EntryKind::Request as u8 {
            match entry.withheld {
                None if entry.payload.windows(6).any(|w| w == b"DELETE") => read.0 += 1,
                why => read.1 = why,
            }
        }
    }
    read
}

fn later(seconds: u64) -> Timestamp {
    Timestamp(THEN).after(Duration::from_secs(seconds))
}

const DAY: Retention = Retention {
    age: Some(Duration::from_secs(86_400)),
    bytes: None,
};

#[test]
fn a_sealed_record_is_read_by_its_node_and_proved_by_everybody() {
    let world = sealed(Sealing::Node);
    let journal = world.open();
    spoken(&journal, 1);
    signed(&journal);
    journal.close().expect("closed");
    assert!(!holds_words(&world));
    assert_eq!(
        requests(&Reader::open(&world.record()).expect("open"), 1),
        (20, None)
    );
    // A copy without the wrapping key: nothing is read, everything is proved.
    fs::remove_file(world.dir.path().join("keys/payloads")).expect("removed");
    let reader = Reader::open(&world.record()).expect("open");
    assert_eq!(requests(&reader, 1), (0, Some(Withheld::Sealed)));
    assert_eq!(world.verify().problems, []);
}

#[test]
fn a_sealed_payload_does_not_open_in_another_entry() {
    let world = sealed(Sealing::Node);
    let journal = world.open();
    spoken(&journal, 1);
    signed(&journal);
    journal.close().expect("closed");
    let path = world.segment(1);
    let mut bytes = fs::read(&path).expect("segment");
    let of_one: Vec<_> = frames(&path)
        .into_iter()
        .filter(|f| f.session == 1)
        .collect();
    // The payload of one request in the place of another, both of one length.
    let (from, to) = (of_one[2].clone(), of_one[5].clone());
    assert_eq!(from.len, to.len);
    let payload = bytes[from.offset + 41..from.offset + from.len - 4].to_vec();
    bytes[to.offset + 41..to.offset + to.len - 4].copy_from_slice(&payload);
    mend_crc(&mut bytes, &to);
    fs::write(&path, bytes).expect("written");
    let reader = Reader::open(&world.record()).expect("open");
    assert_eq!(requests(&reader, 1), (19, Some(Withheld::Sealed)));
    assert_ne!(world.verify().problems, []);
}

#[test]
fn for_recipients_the_gateway_cannot_read_what_it_wrote() {
    let identity = || SECRET.parse::<Identity>().expect("identity");
    let recipient = identity().recipient();
    let world = sealed(|_| Sealing::Recipients(vec![recipient]));
    let journal = world.open();
    spoken(&journal, 1);
    journal.close().expect("closed");
    assert!(!holds_words(&world));
    let own = Reader::open(&world.record()).expect("open");
    assert_eq!(requests(&own, 1), (0, Some(Withheld::Sealed)));
    let theirs = Reader::unlocked(&world.record(), vec![identity()]).expect("open");
    assert_eq!(requests(&theirs, 1), (20, None));
    assert_eq!(world.verify().problems, []);
}

#[test]
fn recipients_are_rotated_for_what_comes_after() {
    let old = || SECRET.parse::<Identity>().expect("identity");
    let mut world = sealed(|_| Sealing::Recipients(vec![old().recipient()]));
    let journal = world.open();
    spoken(&journal, 1);
    journal.close().expect("closed");
    world.settings.sealing = Sealing::Node(world.dir.path().join("keys/payloads"));
    let journal = world.open();
    spoken(&journal, 2);
    journal.close().expect("closed");
    let own = Reader::open(&world.record()).expect("open");
    assert_eq!(requests(&own, 1), (0, Some(Withheld::Sealed)));
    assert_eq!(requests(&own, 2), (20, None));
    let both = Reader::unlocked(&world.record(), vec![old()]).expect("open");
    assert_eq!((requests(&both, 1).0, requests(&both, 2).0), (20, 20));
}

#[test]
fn one_recipient_takes_the_place_of_another() {
    let old = || SECRET.parse::<Identity>().expect("identity");
    let next = || NEXT.parse::<Identity>().expect("identity");
    let mut world = sealed(|_| Sealing::Recipients(vec![old().recipient()]));
    for (session, sealing) in [
        (1, Sealing::Recipients(vec![old().recipient()])),
        (
            2,
            Sealing::Recipients(vec![old().recipient(), next().recipient()]),
        ),
        (3, Sealing::Recipients(vec![next().recipient()])),
    ] {
        world.settings.sealing = sealing;
        let journal = world.open();
        spoken(&journal, session);
        journal.close().expect("closed");
    }
    for (who, reads) in [(old(), [20, 20, 0]), (next(), [0, 20, 20])] {
        let reader = Reader::unlocked(&world.record(), vec![who]).expect("open");
        assert_eq!([1, 2, 3].map(|session| requests(&reader, session).0), reads);
    }
}

#[test]
fn what_is_old_is_shredded_and_the_record_proves_it() {
    for world in [sealed(Sealing::Node), sealed(|_| Sealing::Clear)] {
        let journal = world.open();
        spoken(&journal, 1);
        spoken(&journal, 2);
        // Open sessions, however old, are none of its business.
        let mut open = session(&journal, 3);
        signed(&journal);
        let early = journal.retain(&DAY, later(3600)).expect("run");
        assert_eq!(early, Retained::default());
        let before = bytes(&world).len();
        let done = journal.retain(&DAY, later(90_000)).expect("run");
        assert_eq!((done.shredded, done.held), (2, 0));
        assert!(done.freed > 5_000, "{done:?}");
        assert!(bytes(&world).len() < before);
        let again = journal.retain(&DAY, later(90_000)).expect("run");
        assert_eq!((again.shredded, again.freed), (0, 0));
        open.append(StreamId(0), &[end()]).expect("ended");
        drop(open);
        journal.close().expect("closed");
        let report = world.verify();
        assert_eq!(report.problems, []);
        assert_eq!(report.shredded.len(), 1);
        assert_eq!(report.shredded[0].rule, "age over 86400 s");
        assert_eq!(report.shredded[0].sessions, 2);
        let reader = Reader::open(&world.record()).expect("open");
        let (read, why) = requests(&reader, 1);
        assert_eq!((read, why), (0, Some(Withheld::Shredded)));
        // Who came, and how it ended, stays.
        let kinds: Vec<u8> = reader
            .session(SessionId(1))
            .map(|e| e.expect("whole"))
            .filter(|e| e.withheld.is_none())
            .map(|e| e.kind)
            .collect();
        assert_eq!(kinds, [EntryKind::Admit as u8, EntryKind::End as u8]);
        // A gateway goes on from there.
        world.open().close().expect("closed");
        assert_eq!(world.verify().problems, []);
    }
}

#[test]
fn words_in_the_clear_go_from_the_segment_that_is_being_written_too() {
    let world = World::new();
    let journal = world.open();
    spoken(&journal, 1);
    // Whoever is still there goes on in the segments that come.
    let mut open = session(&journal, 2);
    signed(&journal);
    assert!(holds_words(&world));
    let done = journal.retain(&DAY, later(90_000)).expect("run");
    assert_eq!(done.shredded, 1);
    assert!(!holds_words(&world), "they are gone from the disk");
    let segments = || {
        let files = fs::read_dir(world.record()).expect("listed");
        let names = files.map(|file| file.expect("there").path());
        names
            .filter(|p| p.extension().is_some_and(|e| e == "wal"))
            .count()
    };
    let now = segments();
    journal.retain(&DAY, later(90_000)).expect("run");
    assert_eq!(segments(), now, "nothing is closed where nothing goes");
    open.append(StreamId(0), &[end()]).expect("ended");
    drop(open);
    journal.close().expect("closed");
    let report = world.verify();
    assert_eq!(report.problems, []);
    assert_eq!(report.shredded.len(), 1);
    world.open().close().expect("closed");
    assert_eq!(world.verify().problems, []);
}

#[test]
fn held_sessions_are_kept_until_the_hold_is_released() {
    let world = sealed(Sealing::Node);
    let journal = world.open();
    spoken(&journal, 1);
    spoken(&journal, 2);
    signed(&journal);
    let hold = json!({"id": "hold-1", "reason": "case 7", "session": SessionId(2)});
    journal.node("hold-added", &hold).expect("noted");
    let done = journal.retain(&DAY, later(90_000)).expect("run");
    assert_eq!((done.shredded, done.held), (1, 1));
    assert_eq!(holds_in_force(&world.record()).expect("read").len(), 1);
    let reader = Reader::open(&world.record()).expect("open");
    assert_eq!((requests(&reader, 1).0, requests(&reader, 2).0), (0, 20));
    journal
        .node("hold-released", &json!({"id": "hold-1"}))
        .expect("noted");
    let done = journal.retain(&DAY, later(90_000)).expect("run");
    assert_eq!((done.shredded, done.held), (1, 0));
    // One that cannot be read holds everything.
    spoken(&journal, 4);
    signed(&journal);
    journal
        .node("hold-added", &json!({"id": "hold-2", "session": 5}))
        .expect("noted");
    let done = journal.retain(&DAY, later(90_000)).expect("run");
    assert_eq!((done.shredded, done.held), (0, 1));
    journal.close().expect("closed");
}

#[test]
fn the_oldest_go_first_where_the_log_is_too_large() {
    let world = sealed(Sealing::Node);
    let journal = world.open();
    for id in 1..=4 {
        spoken(&journal, id);
    }
    signed(&journal);
    let rules = Retention {
        age: None,
        bytes: Some(30_000),
    };
    let done = journal.retain(&rules, later(1)).expect("run");
    assert!((1..4).contains(&done.shredded), "{done:?}");
    let reader = Reader::open(&world.record()).expect("open");
    assert_eq!((requests(&reader, 1).0, requests(&reader, 4).0), (0, 20));
    journal.close().expect("closed");
}

#[test]
fn a_payload_dropped_without_a_shredding_on_record_shows() {
    let world = sealed(Sealing::Node);
    let journal = world.open();
    spoken(&journal, 1);
    spoken(&journal, 2);
    signed(&journal);
    journal.retain(&DAY, later(90_000)).expect("run");
    journal.close().expect("closed");
    // Somebody drops a payload by the same means, of a session that nothing is said about.
    let other = sealed(Sealing::Node);
    let journal = other.open();
    spoken(&journal, 7);
    signed(&journal);
    journal.close().expect("closed");
    assert_eq!(other.verify().problems, []);
    let path = other.segment(1);
    let dropped = drop_payload(&path, 7, 3);
    let problems = other.verify().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0]
            .what
            .contains("no shredding of them is on record")
    );
    assert_eq!(problems[0].session, Some(SessionId(7)));
    // Another head in its place does not come out at all.
    let mut bytes = fs::read(&path).expect("segment");
    bytes[dropped + 45] ^= 1;
    let raw = frames(&path);
    mend_crc(
        &mut bytes,
        raw.iter().find(|f| f.offset == dropped).expect("there"),
    );
    fs::write(&path, bytes).expect("written");
    assert!(other.verify().problems.len() > 1);
}

#[test]
fn a_shredding_excuses_no_entry_that_is_kept_for_ever() {
    let world = sealed(Sealing::Node);
    let journal = world.open();
    spoken(&journal, 7);
    let detail = json!({"rule": "age over 1 s", "sessions": [SessionId(7)]});
    journal
        .node("payloads-shredded", &detail)
        .expect("recorded");
    journal.close().expect("closed");
    // What was said may go.
    drop_payload(&world.segment(1), 7, 3);
    assert_eq!(world.verify().problems, []);
    // Who came may not.
    drop_payload(&world.segment(1), 7, 1);
    let problems = world.verify().problems;
    assert!(
        problems[0].what.contains("no shredding drops"),
        "{problems:?}"
    );
}

/// Puts the chain's head in the place of a payload, as whoever knows all heads can. Returns where the frame stands.
fn drop_payload(path: &std::path::Path, session: u128, sequence: u64) -> usize {
    let mut bytes = fs::read(path).expect("segment");
    let all = frames(path);
    let wanted = |f: &&world::Raw| f.session == session && f.sequence == sequence;
    let frame = all.iter().find(wanted).expect("there");
    let mut head = genesis(session);
    let upto = |f: &&world::Raw| f.session == session && f.sequence <= sequence;
    for before in all.iter().filter(upto) {
        head = link(&head, &bytes[before.offset..before.offset + before.len]);
    }
    let mut husk = bytes[frame.offset..frame.offset + 41].to_vec();
    husk[..4].copy_from_slice(&32_u32.to_be_bytes());
    husk[40] |= 0x40;
    husk.extend_from_slice(&head);
    let crc = crc32c::crc32c(&husk);
    husk.extend_from_slice(&crc.to_be_bytes());
    bytes.splice(frame.offset..frame.offset + frame.len, husk);
    fs::write(path, bytes).expect("written");
    frame.offset
}

fn genesis(session: u128) -> [u8; 32] {
    sha256(
        &[
            b"portcullis/journal/chain/v1".as_slice(),
            &session.to_be_bytes(),
        ]
        .concat(),
    )
}

fn link(before: &[u8; 32], frame: &[u8]) -> [u8; 32] {
    sha256(&[before.as_slice(), frame].concat())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("32 bytes")
}

#[test]
fn keys_that_were_destroyed_are_overwritten_where_they_stood() {
    let world = sealed(Sealing::Node);
    let journal = world.open();
    spoken(&journal, 1);
    signed(&journal);
    let keys = world.record().join("payload-keys");
    let before = fs::read(&keys).expect("keys");
    journal.retain(&DAY, later(90_000)).expect("run");
    let after = fs::read(&keys).expect("keys");
    assert_eq!(before.len(), after.len());
    assert!(after[21..after.len() - 4].iter().all(|byte| *byte == 0));
    journal.close().expect("closed");
}
