//! A process that is killed while it records, again and again, on one record: everything it was told was
//! written is there, and the record proves.

mod world;

use portcullis_gate::{EntryKind, StreamId};
use portcullis_journal::{SessionState, Tail, entries, sessions};
use portcullis_model::SessionId;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;
use world::{World, entry, session};

const CHILD: &str = "PORTCULLIS_JOURNAL_KILL_CHILD";
const ROUND: &str = "PORTCULLIS_JOURNAL_KILL_ROUND";

/// What the child does until it is killed.
fn record_for_ever(dir: &str) {
    let round: u128 = std::env::var(ROUND)
        .expect("round")
        .parse()
        .expect("number");
    let mut world = World::new();
    let base = std::path::PathBuf::from(dir);
    world.settings.dir = base.join("record");
    world.settings.segment_bytes = 20_000;
    let key = portcullis_journal::NodeKey::open(&base.join("node.key"), "gw.example/node-1")
        .expect("key");
    let journal = portcullis_journal::Journal::open(world.settings.clone(), key, world::ticking())
        .expect("journal");
    let mut records: Vec<_> = (0..4)
        .map(|n| (round * 10 + n + 1, session(&journal, round * 10 + n + 1)))
        .collect();
    let mut out = std::io::stdout();
    for turn in 0u32.. {
        for (id, record) in &mut records {
            let size = 50 + (turn as usize * 131) % 3_000;
            let run = [
                entry(EntryKind::Request, format!("{{\"turn\":{turn}}}")),
                entry(EntryKind::Release, vec![b'x'; size]),
            ];
            let sequence = record.append(StreamId(0), &run).expect("appended");
            writeln!(out, "ack {id} {}", sequence.0).expect("told");
            out.flush().expect("told");
        }
    }
}

fn parse(line: &str) -> Option<(u128, u64)> {
    let (_, ack) = line.split_once("ack ")?;
    let (id, sequence) = ack.split_once(' ')?;
    Some((id.parse().ok()?, sequence.parse().ok()?))
}

/// Starts the child, kills it while it records, and says what it was told was written.
fn killed_in_round(world: &World, round: u64) -> Vec<(u128, u64)> {
    let mut child = Command::new(std::env::current_exe().expect("own binary"))
        .args([
            "--exact",
            "what_was_acknowledged_survives_kill_9",
            "--nocapture",
        ])
        .env(CHILD, world.dir.path())
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("spawned");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (told, hears) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some(ack) = parse(&line) {
                told.send(ack).expect("heard");
            }
        }
    });
    // However slowly it starts, it is killed while it records.
    let first = hears
        .recv_timeout(Duration::from_secs(20))
        .expect("the child records");
    std::thread::sleep(Duration::from_millis(20 + round * 37 % 150));
    child.kill().expect("killed");
    child.wait().expect("waited");
    reader.join().expect("read");
    let mut acks: Vec<_> = std::iter::once(first).chain(hears).collect();
    // A line cut by the kill would be a lie.
    acks.pop();
    acks
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Ok(dir) = std::env::var(CHILD) {
        return record_for_ever(&dir);
    }
    let world = World::new();
    world.key();
    let mut acknowledged: HashMap<u128, u64> = HashMap::new();
    for round in 1..=8u64 {
        for (id, sequence) in killed_in_round(&world, round) {
            let last = acknowledged.entry(id).or_default();
            *last = sequence.max(*last);
        }
        // As the crash left it, before anybody repairs it.
        let report = world.verify();
        assert_eq!(report.problems, [], "round {round}");
        assert!(
            matches!(report.tail, Tail::Interrupted { .. }),
            "{:?}",
            report.tail
        );
    }
    world.open().close().expect("recovered and closed");
    let report = world.verify();
    assert_eq!(
        (report.problems.as_slice(), &report.tail),
        ([].as_slice(), &Tail::Closed)
    );
    for (id, sequence) in acknowledged {
        let there = entries(&world.record(), SessionId(id))
            .expect("readable")
            .count() as u64;
        assert!(
            there > sequence,
            "session {id}: {there} of {sequence} and its end"
        );
    }
    let listed = sessions(&world.record(), &world.public()).expect("listed");
    assert!(
        listed.iter().all(|s| s.state == SessionState::Interrupted),
        "{listed:?}"
    );
}
