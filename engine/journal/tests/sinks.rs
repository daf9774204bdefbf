//! Sinks and copies before ends that fail: nothing is lost, and what is wrong is said.

mod world;

use portcullis_gate::{BoxFuture, EntryKind, Record, StreamId};
use portcullis_journal::Journal;
use portcullis_journal::copies::{Copier, Copying, Depot, OnFailure};
use portcullis_journal::sinks::{Deliver, Event, Sink, Taken, Untaken};
use portcullis_model::SessionId;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use world::{World, end, entry, session, signed, who};

/// A collector and a depot that can refuse.
#[derive(Default)]
struct Far {
    refusing: AtomicBool,
    events: Mutex<Vec<Event>>,
    objects: Mutex<BTreeMap<String, (Vec<u8>, bool)>>,
}

impl Deliver for Far {
    fn deliver<'a>(&'a self, batch: &'a [Event]) -> BoxFuture<'a, Result<Taken, Untaken>> {
        Box::pin(async move {
            if self.refusing.load(Ordering::SeqCst) {
                return Err("not now".to_owned().into());
            }
            self.events.lock().unwrap().extend(batch.iter().cloned());
            Ok(Taken::default())
        })
    }
}

impl Depot for Far {
    fn put(&self, key: String, bytes: Vec<u8>, locked: bool) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            if self.refusing.load(Ordering::SeqCst) {
                return Err("away".to_owned());
            }
            self.objects.lock().unwrap().insert(key, (bytes, locked));
            Ok(())
        })
    }
}

impl Far {
    fn texts(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let text = |event: &Event| event.ocsf.pointer("/api/request/data/text").cloned();
        let found = events.iter().filter_map(text);
        found
            .filter_map(|t| t.as_str().map(str::to_owned))
            .collect()
    }
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn say(record: &mut Box<dyn Record>, text: &str) {
    let decision = json!({"stage": "query", "verdict": "allow", "rule": "r", "class": {"effect": "read"},
        "input": {"command": {"text": text}}});
    let run = [
        entry(EntryKind::Decision, decision.to_string()),
        entry(EntryKind::Release, "bytes"),
    ];
    record.append(StreamId(0), &run).expect("appended");
}

fn start(journal: &Arc<Journal>, far: &Arc<Far>) -> Sink {
    Sink::start(journal, "siem", far.clone()).expect("started")
}

#[test]
fn a_sink_gets_everything_once_it_takes_it() {
    let world = World::new();
    let journal = world.open();
    let far = Arc::new(Far::default());
    let mut record = session(&journal, 1);
    say(&mut record, "before it was there");
    let sink = start(&journal, &far);
    until("it begins with what comes", || sink.standing().behind == 0);
    say(&mut record, "one");
    until("one", || far.texts() == ["one"]);
    far.refusing.store(true, Ordering::SeqCst);
    say(&mut record, "two");
    until("it says so", || {
        sink.standing().failing.as_deref() == Some("not now")
    });
    say(&mut record, "three");
    far.refusing.store(false, Ordering::SeqCst);
    until("all of it", || far.texts() == ["one", "two", "three"]);
    until("it is well", || sink.standing().failing.is_none());
    // Who it was is known, although the session was admitted before the sink was there.
    let events = far.events.lock().unwrap();
    assert!(
        events
            .iter()
            .all(|e| e.ocsf["actor"]["user"]["name"] == "ana"),
        "{events:?}"
    );
    assert!(events.windows(2).all(|pair| pair[0].leaf < pair[1].leaf));
}

#[test]
fn a_sink_goes_on_from_its_cursor_and_anew_without_one_that_can_be_read() {
    let world = World::new();
    let journal = world.open();
    let far = Arc::new(Far::default());
    let sink = start(&journal, &far);
    until("it stands at the end", || sink.standing().behind == 0);
    let mut record = session(&journal, 1);
    say(&mut record, "one");
    until("one", || {
        far.texts() == ["one"] && sink.standing().behind == 0
    });
    drop(sink);
    std::thread::sleep(Duration::from_millis(500));
    say(&mut record, "two");
    let sink = start(&journal, &far);
    until("only what is new", || {
        far.texts() == ["one", "two"] && sink.standing().behind == 0
    });
    assert_eq!(sink.standing().remark, None);
    drop(sink);
    std::thread::sleep(Duration::from_millis(500));
    let cursor = world.record().join("sinks/siem.cursor");
    for broken in [
        "",
        "{\"segment\":1",
        "{\"segment\":1,\"leaf\":3,\"mark\":0,\"sum\":7}",
    ] {
        far.events.lock().unwrap().clear();
        fs::write(&cursor, broken).expect("written");
        let sink = start(&journal, &far);
        until("everything again", || far.texts() == ["one", "two"]);
        until("and it says so", || {
            sink.standing()
                .remark
                .is_some_and(|r| r.contains("sent again"))
        });
        drop(sink);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(
        Sink::start(&journal, "../../etc/x", far).is_err(),
        "a name is no path"
    );
}

/// A collector that takes a connection and says nothing.
struct Silent;

impl Deliver for Silent {
    fn deliver<'a>(&'a self, _: &'a [Event]) -> BoxFuture<'a, Result<Taken, Untaken>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn what_waits_is_told_from_the_start_although_no_collector_answers() {
    let world = World::new();
    let journal = world.open();
    let far = Arc::new(Far::default());
    let sink = start(&journal, &far);
    until("it stands at the end", || sink.standing().behind == 0);
    let mut record = session(&journal, 1);
    say(&mut record, "one");
    until("one", || {
        far.texts() == ["one"] && sink.standing().behind == 0
    });
    // Its thread may live a moment longer, and takes no more.
    far.refusing.store(true, Ordering::SeqCst);
    drop(sink);
    say(&mut record, "two");
    // Two entries, of the decision and of its bytes, and not the whole record.
    let sink = Sink::start(&journal, "siem", Arc::new(Silent)).expect("started");
    assert_eq!(sink.standing().behind, 2);
}

#[test]
fn copies_are_made_of_everything_that_is_closed() {
    let mut world = World::new();
    world.settings.segment_bytes = 2048;
    let journal = world.open();
    let far = Arc::new(Far::default());
    far.refusing.store(true, Ordering::SeqCst);
    let copying = Copying {
        segment_every: Duration::from_millis(300),
        checkpoint_every: Duration::from_millis(100),
        on_failure: OnFailure::Block(Duration::from_millis(100)),
    };
    let mut record = session(&journal, 1);
    for round in 0..40 {
        say(&mut record, &format!("round {round}"));
    }
    let copier = Copier::start(&journal, far.clone(), copying).expect("started");
    until("the backlog is told", || {
        let backlog = copier.backlog();
        backlog.segments > 2 && backlog.failing.as_deref() == Some("away")
    });
    until("nobody is admitted", || {
        journal.session(SessionId(2), &who("bea")).is_err()
    });
    // Whoever is in goes on.
    say(&mut record, "still here");
    far.refusing.store(false, Ordering::SeqCst);
    until("somebody is admitted", || {
        journal.session(SessionId(2), &who("bea")).is_ok()
    });
    record.append(StreamId(0), &[end()]).expect("ended");
    drop(record);
    signed(&journal);
    until("the last segment is closed for its age, and copied", || {
        let objects = far.objects.lock().unwrap();
        objects
            .values()
            .any(|(bytes, _)| bytes.windows(10).any(|w| w == b"still here"))
    });
    let objects = far.objects.lock().unwrap();
    assert!(objects.keys().any(|key| key.starts_with("checkpoints/")));
    assert!(objects.values().all(|(_, locked)| *locked));
    for (key, (bytes, _)) in objects
        .iter()
        .filter(|(key, _)| key.starts_with("segments/"))
    {
        let name = key.strip_prefix("segments/").expect("a segment");
        assert_eq!(
            &fs::read(world.record().join(name)).expect("there"),
            bytes,
            "{key}"
        );
    }
    drop(objects);
    drop(copier);
    written_down(&world, &journal, &far, copying);
}

/// What was copied is written down, and where that is lost it is sent again.
fn written_down(world: &World, journal: &Arc<Journal>, far: &Arc<Far>, copying: Copying) {
    std::thread::sleep(Duration::from_millis(800));
    far.objects.lock().unwrap().clear();
    let copier = Copier::start(journal, far.clone(), copying).expect("started");
    std::thread::sleep(Duration::from_millis(800));
    assert!(
        !far.objects
            .lock()
            .unwrap()
            .contains_key("segments/00000001.wal")
    );
    drop(copier);
    std::thread::sleep(Duration::from_millis(800));
    fs::write(world.record().join("copies.json"), "{").expect("written");
    let _copier = Copier::start(journal, far.clone(), copying).expect("started");
    until("it is sent again", || {
        far.objects
            .lock()
            .unwrap()
            .contains_key("segments/00000001.wal")
    });
}

#[test]
fn copies_that_cannot_be_written_down_say_so_and_are_once_there_is_room() {
    let mut world = World::new();
    world.settings.segment_bytes = 2048;
    let journal = world.open();
    let far = Arc::new(Far::default());
    let copying = Copying {
        segment_every: Duration::from_secs(3600),
        checkpoint_every: Duration::from_secs(3600),
        on_failure: OnFailure::Warn,
    };
    // As good as a full disk: no file can be made there.
    let full = world.record().join("copies.json.new");
    fs::create_dir(&full).expect("made");
    let mut record = session(&journal, 1);
    for round in 0..40 {
        say(&mut record, &format!("round {round}"));
    }
    let copier = Copier::start(&journal, far.clone(), copying).expect("started");
    until("it says what it cannot do", || {
        let failing = copier.backlog().failing;
        failing.is_some_and(|why| why.starts_with("write down what was copied: "))
    });
    let file = world.record().join("copies.json");
    assert!(!file.exists(), "what is not written down is not there");
    fs::remove_dir(&full).expect("room again");
    until("everything is copied", || {
        let backlog = copier.backlog();
        backlog.segments == 0 && backlog.failing.is_none()
    });
    let written = fs::read_to_string(&file).expect("it is written down");
    let objects = far.objects.lock().expect("whole");
    let last = objects.keys().filter(|key| key.starts_with("segments/"));
    let number = last
        .max()
        .and_then(|key| key.get(9..17)?.parse::<u64>().ok());
    let written: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(written["segment"].as_u64(), number);
    assert!(number > Some(2), "{written}");
}
