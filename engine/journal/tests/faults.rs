//! Disks that fill up, fail and write short.

mod world;

use parking_lot::Mutex;
use portcullis_gate::{EntryKind, Sequence, StreamId};
use portcullis_journal::{Disk, Health, LogFile, OsDisk, SessionState, sessions};
use portcullis_model::SessionId;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use world::{World, block_on, end, entry, session, signed, who};

/// How the disk behaves from now on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// ENOSPC, but for files with blocks of their own.
    Full,
    /// Takes half of what it is given, once, and is full then.
    Short,
    WriteFails,
    SyncFails,
    /// Every sync takes this many milliseconds.
    Slow(u64),
}

struct Moody {
    mood: Arc<Mutex<Mood>>,
}

struct MoodyFile {
    file: Arc<dyn LogFile>,
    mood: Arc<Mutex<Mood>>,
    allocated: Mutex<bool>,
}

impl Moody {
    fn new() -> (Arc<Self>, Arc<Mutex<Mood>>) {
        let mood = Arc::new(Mutex::new(Mood::Well));
        (Arc::new(Self { mood: mood.clone() }), mood)
    }
}

impl Disk for Moody {
    fn append_to(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let fresh = !path.exists();
        let full = matches!(*self.mood.lock(), Mood::Full | Mood::Short);
        if fresh && full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = OsDisk.append_to(path)?;
        // Only the reserve stands there with blocks before it is opened on a full disk.
        Ok(Arc::new(MoodyFile {
            file,
            mood: self.mood.clone(),
            allocated: Mutex::new(full),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.sync_dir(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<u64> {
        match *self.mood.lock() {
            Mood::Full | Mood::Short => Ok(0),
            _ => OsDisk.space(dir),
        }
    }
}

impl LogFile for MoodyFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mood = *self.mood.lock();
        match mood {
            Mood::WriteFails => Err(io::Error::from_raw_os_error(5)),
            Mood::Full if !*self.allocated.lock() => Err(io::ErrorKind::StorageFull.into()),
            Mood::Short => {
                *self.mood.lock() = Mood::Full;
                self.file.write(&bytes[..bytes.len() / 2])
            }
            _ => self.file.write(bytes),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mood = *self.mood.lock();
        match mood {
            Mood::SyncFails => Err(io::Error::from_raw_os_error(5)),
            Mood::Slow(millis) => {
                std::thread::sleep(Duration::from_millis(millis));
                self.file.sync()
            }
            _ => self.file.sync(),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        *self.allocated.lock() = true;
        self.file.preallocate(len)
    }
}

fn request() -> [portcullis_gate::Entry; 2] {
    [
        entry(EntryKind::Decision, r#"{"verdict":"allow"}"#),
        entry(EntryKind::Request, r#"{"request":"SELECT 1"}"#),
    ]
}

fn refusal() -> [portcullis_gate::Entry; 2] {
    [
        entry(EntryKind::Decision, r#"{"verdict":"deny"}"#),
        entry(EntryKind::Refusal, r#"{"denial":{"rule":"x"}}"#),
    ]
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let since = Instant::now();
    while !there() {
        assert!(since.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_failed_write_poisons_everything() {
    let world = World::new();
    let (disk, mood) = Moody::new();
    let journal = world.open_on(disk);
    let mut ana = session(&journal, 1);
    let mut bea = session(&journal, 2);
    *mood.lock() = Mood::WriteFails;
    assert!(ana.append(StreamId(0), &request()).is_err());
    *mood.lock() = Mood::Well;
    assert!(ana.append(StreamId(0), &request()).is_err(), "for good");
    assert!(
        bea.append(StreamId(0), &[end()]).is_err(),
        "and for everybody"
    );
    assert!(journal.node("reload", &serde_json::Value::Null).is_err());
    assert!(journal.session(SessionId(3), &who("cem")).is_err());
    assert!(matches!(journal.health(), Health::Poisoned(_)));
    assert!(journal.close().is_err());
}

#[test]
fn a_failed_fdatasync_poisons_everything() {
    let world = World::new();
    let (disk, mood) = Moody::new();
    let journal = world.open_on(disk);
    let mut ana = session(&journal, 1);
    signed(&journal);
    *mood.lock() = Mood::SyncFails;
    ana.append(StreamId(0), &request()).expect("written");
    let durable = ana.durable(Sequence(3));
    assert!(block_on(durable).is_err());
    *mood.lock() = Mood::Well;
    assert!(
        ana.append(StreamId(0), &request()).is_err(),
        "the kernel may have dropped the pages"
    );
    assert!(matches!(journal.health(), Health::Poisoned(_)));
}

#[test]
fn on_a_full_disk_sessions_refuse_and_end_and_nothing_else() {
    for mood_when_full in [Mood::Full, Mood::Short] {
        let world = World::new();
        let (disk, mood) = Moody::new();
        let journal = world.open_on(disk);
        let mut ana = session(&journal, 1);
        let mut bea = session(&journal, 2);
        signed(&journal);
        *mood.lock() = mood_when_full;
        assert!(
            ana.append(StreamId(0), &request()).is_err(),
            "nothing moves"
        );
        assert_eq!(journal.health(), Health::Full);
        assert!(journal.session(SessionId(3), &who("cem")).is_err());
        ana.append(StreamId(0), &refusal())
            .expect("a refusal is recorded");
        ana.append(StreamId(0), &[end()]).expect("and the end");
        journal
            .node("vote", &serde_json::json!({"glass": "broken"}))
            .expect("and a vote");
        assert!(bea.append(StreamId(0), &request()).is_err());

        *mood.lock() = Mood::Well;
        until("space is noticed", || journal.health() == Health::Well);
        bea.append(StreamId(0), &request()).expect("it goes on");
        bea.append(StreamId(0), &[end()]).expect("ended");
        drop((ana, bea));
        journal.close().expect("closed");
        let report = world.verify();
        assert_eq!(report.problems, []);
        let listed = sessions(&world.record(), &world.public()).expect("listed");
        assert!(
            listed.iter().all(|s| s.state == SessionState::Sealed),
            "{listed:?}"
        );
    }
}

#[test]
fn no_session_uses_up_the_reserve() {
    let world = World::new();
    let (disk, mood) = Moody::new();
    let journal = world.open_on(disk);
    let mut greedy = session(&journal, 1);
    let mut modest = session(&journal, 2);
    *mood.lock() = Mood::Full;
    let refused = (0..10_000)
        .take_while(|_| greedy.append(StreamId(0), &refusal()).is_ok())
        .count();
    assert!(
        (100..2_000).contains(&refused),
        "{refused} refusals in 64 KiB"
    );
    modest
        .append(StreamId(0), &[end()])
        .expect("another session can still be closed");
}

#[test]
fn what_anybody_can_bring_about_takes_nothing_of_the_reserve() {
    let world = World::new();
    let (disk, mood) = Moody::new();
    let journal = world.open_on(disk);
    let guess = serde_json::json!({"id": "gr-1", "why": "x".repeat(1024)});
    journal
        .node_if_room("desk_refused", &guess)
        .expect("there is room");
    *mood.lock() = Mood::Full;
    for _ in 0..1024 {
        assert!(journal.node_if_room("desk_refused", &guess).is_err());
    }
    assert_eq!(journal.health(), Health::Full);
    // A quarter of the reserve is 256 KiB: votes have all of it.
    let votes = (0..100)
        .take_while(|_| journal.node("approval/vote", &guess).is_ok())
        .count();
    assert_eq!(votes, 100);
    *mood.lock() = Mood::Well;
    until("space is noticed", || journal.health() == Health::Well);
    journal
        .node_if_room("desk_refused", &guess)
        .expect("there is room again");
    journal.close().expect("closed");
    assert_eq!(world.verify().problems, []);
}

#[test]
fn without_a_reserve_a_full_disk_poisons() {
    let world = World::new();
    let (disk, mood) = Moody::new();
    let journal = world.open_on(disk);
    let mut ana = session(&journal, 1);
    std::fs::remove_file(world.record().join("reserve")).expect("removed");
    *mood.lock() = Mood::Full;
    assert!(ana.append(StreamId(0), &[end()]).is_err());
    assert!(matches!(journal.health(), Health::Poisoned(_)));
}

#[test]
fn a_disk_that_falls_behind_stops_what_would_move() {
    let mut world = World::new();
    world.settings.lag_max = Duration::from_millis(30);
    let (disk, mood) = Moody::new();
    let journal = world.open_on(disk);
    let mut ana = session(&journal, 1);
    signed(&journal);
    *mood.lock() = Mood::Slow(400);
    ana.append(StreamId(0), &request()).expect("in time");
    std::thread::sleep(Duration::from_millis(150));
    assert!(
        ana.append(StreamId(0), &request()).is_err(),
        "the record lags"
    );
    ana.append(StreamId(0), &refusal())
        .expect("what lets nothing move is recorded");
    *mood.lock() = Mood::Well;
    until("it has caught up", || {
        ana.append(StreamId(0), &request()).is_ok()
    });
}

#[test]
fn one_fdatasync_serves_all_who_wait() {
    let world = World::new();
    let (disk, mood) = Moody::new();
    let journal = world.open_on(disk);
    let mut all: Vec<_> = (1..=50).map(|id| session(&journal, id)).collect();
    signed(&journal);
    *mood.lock() = Mood::Slow(20);
    let since = Instant::now();
    let waits: Vec<_> = all
        .iter_mut()
        .map(|record| {
            let sequence = record.append(StreamId(0), &request()).expect("appended");
            record.durable(sequence)
        })
        .collect();
    for wait in waits {
        block_on(wait).expect("durable");
    }
    assert!(
        since.elapsed() < Duration::from_millis(500),
        "{:?}",
        since.elapsed()
    );
}
