//! The law of a closed record: no byte of it changes unnoticed.

mod world;

use portcullis_gate::{EntryKind, StreamId};
use portcullis_journal::{Tail, verify};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::fs;
use std::path::PathBuf;
use world::{World, end, entry, session, signed};

/// A closed record of two segments and several checkpoints, and its files.
struct Closed {
    world: World,
    files: Vec<(PathBuf, Vec<u8>)>,
}

fn closed() -> Closed {
    let mut world = World::new();
    world.settings.segment_bytes = 4_000;
    let journal = world.open();
    let mut one = session(&journal, 1);
    let mut two = session(&journal, 2);
    for round in 0..6u8 {
        one.append(StreamId(0), &[entry(EntryKind::Release, vec![round; 300])])
            .expect("appended");
        two.append(
            StreamId(0),
            &[entry(EntryKind::Request, r#"{"request":"SELECT 1"}"#)],
        )
        .expect("appended");
        if round % 2 == 0 {
            signed(&journal);
        }
    }
    one.append(StreamId(0), &[end()]).expect("ended");
    two.append(StreamId(0), &[end()]).expect("ended");
    journal.close().expect("closed");
    let files = fs::read_dir(world.record())
        .expect("dir")
        .map(|e| e.expect("entry").path())
        .filter(|p| fs::metadata(p).expect("file").len() > 0)
        .map(|p| (p.clone(), fs::read(&p).expect("read")))
        .collect();
    Closed { world, files }
}

/// True when verification, with the public key alone, says that all is as it was.
fn passes(closed: &Closed) -> bool {
    verify(&closed.world.record(), &closed.world.public())
        .is_ok_and(|report| report.is_clean() && report.tail == Tail::Closed)
}

#[test]
fn no_byte_of_a_closed_record_changes_unnoticed() {
    let closed = closed();
    let forgery = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0u8..4,
        1u8..=255,
    );
    let law = |(file, at, how, bits): (prop::sample::Index, prop::sample::Index, u8, u8)| {
        let (path, bytes) = file.get(&closed.files);
        let at = at.index(bytes.len());
        let mut forged = bytes.clone();
        match how {
            0 | 1 => forged[at] ^= bits,
            2 => forged.truncate(at),
            _ => drop(forged.remove(at)),
        }
        fs::write(path, &forged).expect("forged");
        let passed = passes(&closed);
        fs::write(path, bytes).expect("restored");
        prop_assert!(!passed, "{} at {at}", path.display());
        prop_assert!(passes(&closed), "as it was, it passes");
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(400))
        .run(&forgery, law)
        .expect("holds");
}
