//! How fast it is. The figures are printed (`--nocapture`); the bounds are far below them, so that a slow
//! machine passes and a quadratic mistake does not.

mod world;

use bytes::Bytes;
use portcullis_gate::{EntryKind, StreamId};
use std::time::Instant;
use world::{World, entry, session};

#[test]
fn appends_streams_and_proofs_are_fast() {
    let mut world = World::new();
    world.settings.sync_every = std::time::Duration::from_millis(50);
    world.settings.checkpoint_every = std::time::Duration::from_secs(1);
    let journal = world.open();
    let mut record = session(&journal, 1);

    let small = [
        entry(EntryKind::Decision, vec![b'd'; 700]),
        entry(EntryKind::Request, vec![b'r'; 242]),
    ];
    let rounds = 20_000u32;
    let since = Instant::now();
    for _ in 0..rounds {
        record.append(StreamId(0), &small).expect("appended");
    }
    let append = since.elapsed() / rounds;

    let batch = [entry(
        EntryKind::Release,
        Bytes::from(vec![b'x'; 64 * 1024]),
    )];
    let rounds = 6_000u32;
    let since = Instant::now();
    for _ in 0..rounds {
        record.append(StreamId(0), &batch).expect("appended");
    }
    let streamed = f64::from(rounds) * 65_536.0 / since.elapsed().as_secs_f64() / 1e6;
    drop(record);
    journal.close().expect("closed");

    let since = Instant::now();
    let report = world.verify();
    let verified = report.bytes as f64 / since.elapsed().as_secs_f64() / 1e6;
    assert_eq!(report.problems, []);
    println!(
        "append of 1 KiB in two entries: {append:?}; streaming {streamed:.0} MB/s; verify {verified:.0} MB/s"
    );
    assert!(append.as_micros() < 500, "{append:?}");
    assert!(
        streamed > 20.0 && verified > 20.0,
        "{streamed:.0} MB/s, {verified:.0} MB/s"
    );
}
