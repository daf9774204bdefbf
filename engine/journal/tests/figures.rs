//! The figures of evidence: a million commands of a hundred thousand sessions, searched, listed, rebuilt and verified; an
//! hour of a terminal, replayed. Optimised builds measure that and hold the budgets; others measure a fiftieth and hold
//! bounds that only a quadratic mistake misses, unless `PORTCULLIS_FIGURES` is set: then all of it.
//! `cargo xtask bench evidence` runs it; `--nocapture` shows the figures.

mod world;

use portcullis_gate::{Entry, EntryKind, StreamId};
use portcullis_journal::index::{CommandFilter, Index, Page, SessionFilter, build};
use portcullis_journal::{Reader, ReplayOptions, replay_text};
use portcullis_model::{Effect, SessionId};
use serde_json::json;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use world::{World, admit, end, entry, who};

const TARGETS: [&str; 4] = ["orders", "billing", "web-1", "cluster"];
const VERBS: [&str; 5] = [
    "SELECT name, city FROM customers WHERE id =",
    "UPDATE accounts SET balance = balance - 1 WHERE id =",
    "DELETE FROM baskets WHERE id =",
    "kubectl exec pod-",
    "systemctl restart worker-",
];

/// A decision with the size and shape of a real one; those after the first five of a session rest on one of
/// these.
fn command(number: u64, round: u64) -> [Entry; 2] {
    let verb = VERBS[(number % 5) as usize];
    let text = format!("{verb} {number} word{}", number % 1009);
    let effect = ["read", "write", "destroy", "read", "unknown"][(number % 5) as usize];
    let own = json!({"command": {"text": text, "digest": "0123456789abcdef"},
        "history": {"commands": number}, "request": {"time_ns": number}});
    let decision = match round < 5 {
        true => {
            json!({"stage": "query", "verdict": "allow", "rule": "team/rule", "reasons": [{"rule": "team/rule",
            "msg": "members of the team"}], "obligations": {"mask": ["email", "phone"]}, "revision": "abcdef012345",
            "class": {"effect": effect, "risk": "low", "verbs": [], "labels": [], "objects": ["public.customers"]},
            "input": own})
        }
        false => json!({"base": {"sequence": 2 + 2 * (round % 5), "sha256": "00"}, "input": own}),
    };
    [
        entry(EntryKind::Decision, decision.to_string()),
        entry(
            EntryKind::Request,
            json!({"stage": "query", "request": text}).to_string(),
        ),
    ]
}

fn recorded(sessions: u64, commands: u64) -> World {
    let mut world = World::new();
    world.settings.sync_every = Duration::from_millis(500);
    world.settings.checkpoint_every = Duration::from_secs(5);
    world.settings.segment_bytes = 64 << 20;
    let journal = world.open();
    let mut number = 0;
    for id in 0..sessions {
        let name = format!("person{}", id % 500);
        let mut record = journal
            .session(SessionId(u128::from(id) + 1), &who(&name))
            .expect("session");
        let mut run = vec![admit(&name)];
        let target = TARGETS[(id % 4) as usize];
        let payload = String::from_utf8_lossy(&run[0].payload)
            .replace("\"orders\"", &format!("\"{target}\""));
        run[0].payload = payload.into();
        for round in 0..commands {
            run.extend(command(number, round));
            number += 1;
        }
        run.push(end());
        record.append(StreamId(0), &run).expect("appended");
    }
    film(&journal);
    journal.close().expect("closed");
    world
}

/// An hour of a busy terminal, the last session of the record.
fn film(journal: &std::sync::Arc<portcullis_journal::Journal>) {
    let mut record = journal
        .session(SessionId(u128::MAX), &who("ana"))
        .expect("session");
    let opened = json!({"stream": {"terminal": {"columns": 80, "rows": 24, "term": "xterm"}}});
    record
        .append(
            StreamId(0),
            &[admit("ana"), entry(EntryKind::Opened, opened.to_string())],
        )
        .expect("appended");
    let ssh = "x".repeat(200) + "\r\n";
    for _ in 0..3600 {
        let run = [
            entry(EntryKind::Release, ssh.clone()),
            entry(EntryKind::Release, ssh.clone()),
        ];
        record.append(StreamId(0), &run).expect("appended");
    }
    record.append(StreamId(0), &[end()]).expect("ended");
}

/// Counts the time to the first byte that is shown.
struct First(Option<Duration>, Instant);

impl Write for First {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_or_insert(self.1.elapsed());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn worst(what: &str, bound: Duration, times: usize, mut ask: impl FnMut() -> usize) {
    let mut took = Vec::new();
    let mut rows = 0;
    for _ in 0..times {
        let since = Instant::now();
        rows = ask();
        took.push(since.elapsed());
    }
    took.sort_unstable();
    println!(
        "{what}: {rows} rows, median {:?}, worst {:?} (budget {bound:?})",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert!(took[took.len() / 2] <= bound, "{what}: {took:?}");
}

fn verified(world: &World, whole: bool) {
    let since = Instant::now();
    let report = world.verify();
    let rate = report.bytes as f64 / since.elapsed().as_secs_f64() / 1e6;
    assert_eq!(report.problems, []);
    let megabytes = report.bytes / 1_000_000;
    println!("verify: {megabytes} MB at {rate:.0} MB/s (budget 200)");
    let optimised = whole && !cfg!(debug_assertions);
    assert!(
        rate >= if optimised { 200.0 } else { 10.0 },
        "{rate:.0} MB/s"
    );
}

fn indexed(world: &World) -> Index {
    let built = build(&world.record(), &world.public(), true).expect("built");
    let rate = built.entries as f64 / built.took.as_secs_f64();
    let file = portcullis_journal::index::path_of(&world.record());
    let megabytes = std::fs::metadata(file).expect("there").len() / 1_000_000;
    println!(
        "index: {} entries in {:?}, {rate:.0} a second, {megabytes} MB",
        built.entries, built.took
    );
    Index::of(&world.record())
}

fn searched(index: &Index, bound: Duration) {
    let text = |text: &str| CommandFilter {
        text: Some(text.to_owned()),
        ..CommandFilter::default()
    };
    let narrowed = CommandFilter {
        identity: Some("person7".to_owned()),
        effect: Some(Effect::Destroy),
        ..text("baskets")
    };
    let nobody = CommandFilter {
        identity: Some("nobody".to_owned()),
        ..text("customers")
    };
    for (what, filter) in [
        ("search for a rare word", text("word1008")),
        (
            "search for two words of every fifth command",
            text("select customers"),
        ),
        ("search for a beginning", text("cust*")),
        ("search for a phrase", text("\"balance - 1\"")),
        ("search by words, identity and effect", narrowed),
        ("search that finds nothing", nobody),
    ] {
        worst(what, bound, 5, || {
            let found = index.commands(&filter, &Page::default());
            found.expect("found").rows.len()
        });
    }
}

fn listed(index: &Index, sessions: u64, bound: Duration) {
    let destroyed = SessionFilter {
        identity: Some("person7".to_owned()),
        effect: Some(Effect::Destroy),
        ..SessionFilter::default()
    };
    let nowhere = SessionFilter {
        text: Some("nowhere".to_owned()),
        ..SessionFilter::default()
    };
    let middle = Some((sessions / 2).to_string());
    for (what, filter, after) in [
        ("first page of all sessions", SessionFilter::default(), None),
        ("a page in the middle", SessionFilter::default(), middle),
        (
            "sessions of an identity that destroyed something",
            destroyed,
            None,
        ),
        ("sessions by a word that none has", nowhere, None),
    ] {
        let page = Page {
            after,
            ..Page::default()
        };
        worst(what, bound, 5, || {
            index.sessions(&filter, &page).expect("listed").rows.len()
        });
    }
}

fn replayed(world: &World, index: &Index, bound: Duration) {
    let id = SessionId(u128::MAX);
    worst("replay of an hour: to the first line", bound, 5, || {
        let mut out = First(None, Instant::now());
        let leaf = index.first_leaf(id).expect("asked").expect("there");
        let reader = Reader::open(&world.record()).expect("open");
        let entries = reader.session_from(id, leaf).take(10);
        replay_text(entries, &ReplayOptions::default(), &mut out).expect("shown");
        usize::from(out.0.is_some())
    });
}

#[test]
fn a_million_commands_are_searched_listed_rebuilt_and_verified() {
    let whole = !cfg!(debug_assertions) || std::env::var_os("PORTCULLIS_FIGURES").is_some();
    let (sessions, factor) = if whole { (100_000, 1) } else { (2_000, 4) };
    let since = Instant::now();
    let world = recorded(sessions, 10);
    println!(
        "{sessions} sessions, {} commands recorded in {:?}",
        sessions * 10,
        since.elapsed()
    );
    verified(&world, whole);
    let index = indexed(&world);
    searched(&index, Duration::from_millis(200 * factor));
    listed(&index, sessions, Duration::from_millis(100 * factor));
    replayed(&world, &index, Duration::from_millis(1000 * factor));
}
