//! Refusals that anybody can bring about, on record: somebody who guesses ids is seen. Of each of them the first of a minute
//! have an entry of their own, the rest one entry with their number once the minute is over. Each event is counted apart.
//!
//! It refuses to let anybody fill the record: who guesses is bounded, what each guess writes is bounded, and none of it takes
//! room that votes need on a full disk. What cannot be written then is lost, and the log says so; it stays refused.

use parking_lot::Mutex;
use portcullis_console::Refused;
use portcullis_gate::Clock;
use portcullis_journal::Journal;
use portcullis_model::{Identity, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Refusals are counted over so long.
const WINDOW: Duration = Duration::from_secs(60);
/// Refusals of a kind of one of them within it that have an entry each: a person who mistypes has fewer.
const ENTRIES_MAX: u32 = 10;
/// Refusals of a kind of all of them that do, as many as the door has of 20 a second: whoever has many addresses is many.
const ENTRIES_OF_ALL_MAX: u32 = 1200;
/// How many of them are counted apart in each event, as many as visits there may be; all others are counted together.
const GUESSERS_MAX: usize = 4096;

/// Whose refusals are counted together, and what the record says of them.
pub(crate) struct Guesser {
    key: String,
    by: Value,
}

impl Guesser {
    /// Somebody who was verified. `by` is how the record names them.
    pub(crate) fn somebody(who: &Identity, by: Value) -> Self {
        let principal = json!(who.principal);
        Self {
            key: principal.to_string(),
            by,
        }
    }

    /// Somebody at the admin socket, or a system.
    pub(crate) fn other(by: Value) -> Self {
        Self {
            key: by.to_string(),
            by,
        }
    }
}

/// Puts refusals on record.
pub(crate) struct Guesses {
    journal: Arc<Journal>,
    clock: Clock,
    tallies: Mutex<Tallies>,
}

/// By event, and by whose refusals it counts.
type Tallies = HashMap<(&'static str, String), Tally>;

struct Tally {
    since: Timestamp,
    written: u32,
    left_out: u64,
    by: Value,
}

/// What becomes of one refusal.
#[derive(Debug, PartialEq, Eq)]
enum Counted {
    Written,
    FirstLeftOut,
    LeftOut,
}

fn count(tallies: &mut Tallies, event: &'static str, who: &Guesser, now: Timestamp) -> Counted {
    let own = (event, who.key.clone());
    // Of this event: who knocks at one door takes no place at another.
    let (mut guessers, mut entries) = (0, 0_u32);
    for ((of, _), tally) in tallies.iter() {
        if *of == event {
            guessers += 1;
            entries = entries.saturating_add(tally.written);
        }
    }
    let (key, by) = match tallies.contains_key(&own) || guessers < GUESSERS_MAX {
        true => (own, who.by.clone()),
        false => ((event, String::new()), json!({"by": "others"})),
    };
    let tally = tallies.entry(key).or_insert(Tally {
        since: now,
        written: 0,
        left_out: 0,
        by,
    });
    if tally.written < ENTRIES_MAX && entries < ENTRIES_OF_ALL_MAX {
        tally.written += 1;
        return Counted::Written;
    }
    tally.left_out += 1;
    match tally.left_out {
        1 => Counted::FirstLeftOut,
        _ => Counted::LeftOut,
    }
}

/// Takes out whose minute is over: the entries that say how many were left out, each of its event.
fn over(tallies: &mut Tallies, now: Timestamp) -> Vec<(&'static str, Value)> {
    let ended = tallies.extract_if(|_, tally| now.since(tally.since) >= WINDOW);
    counts(ended)
}

type Ended = ((&'static str, String), Tally);

fn counts(ended: impl Iterator<Item = Ended>) -> Vec<(&'static str, Value)> {
    let counted = ended.filter(|(_, tally)| tally.left_out > 0);
    let entry = |((event, _), tally): Ended| {
        let mut entry = json!({
            "what": "refused more often than is written one by one",
            "count": tally.left_out,
            "since": tally.since.rfc3339(),
        });
        crate::acts::add(&mut entry, &tally.by);
        (event, entry)
    };
    counted.map(entry).collect()
}

impl Guesses {
    /// Nobody has guessed.
    pub(crate) fn new(journal: Arc<Journal>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            journal,
            clock,
            tallies: Mutex::default(),
        })
    }

    /// A vote that was refused.
    pub(crate) fn vote(self: &Arc<Self>, who: &Guesser, id: &str, refused: &Refused) {
        let detail = json!({"id": id_of(id), "why": refused.error});
        self.note(who, "vote_refused", detail);
    }

    /// What the desk has refused besides, or what was refused before the desk was asked.
    pub(crate) fn desk(self: &Arc<Self>, who: &Guesser, what: &str, of: &str, refused: &Refused) {
        let detail = json!({"what": what, "id": name_of(of), "why": refused.error});
        self.note(who, "desk_refused", detail);
    }

    /// Puts a refusal on record, or counts it.
    pub(crate) fn note(self: &Arc<Self>, who: &Guesser, event: &'static str, mut detail: Value) {
        let now = (self.clock)();
        let (ended, counted) = {
            let mut tallies = self.tallies.lock();
            let ended = over(&mut tallies, now);
            (ended, count(&mut tallies, event, who, now))
        };
        self.write_counts(&ended);
        match counted {
            Counted::Written => {
                crate::acts::add(&mut detail, &who.by);
                self.write(event, &detail);
            }
            Counted::FirstLeftOut => self.look_later(),
            Counted::LeftOut => {}
        }
    }

    /// The number is on record once the minute is over, whoever asks then.
    fn look_later(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let guesses = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(WINDOW).await;
            if let Some(guesses) = guesses.upgrade() {
                guesses.look();
            }
        });
    }

    fn look(&self) {
        let ended = over(&mut self.tallies.lock(), (self.clock)());
        self.write_counts(&ended);
    }

    /// Puts every number on record, whether its minute is over or not: nobody will look later.
    pub(crate) fn finish(&self) {
        let left = std::mem::take(&mut *self.tallies.lock());
        self.write_counts(&counts(left.into_iter()));
    }

    fn write_counts(&self, ended: &[(&'static str, Value)]) {
        for (event, entry) in ended {
            self.write(event, entry);
        }
    }

    fn write(&self, event: &str, detail: &Value) {
        if let Err(fault) = self.journal.node_if_room(event, detail) {
            tracing::warn!(fault = fault.chain(), event, "a refusal is not on record");
        }
    }
}

/// The id is whatever was sent; only what ids are made of goes on record, and no more than they have.
fn id_of(sent: &str) -> String {
    let of_ids = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    sent.chars().filter(of_ids).take(16).collect()
}

/// The same of what may be a name too.
fn name_of(sent: &str) -> String {
    let of_names = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    sent.chars().filter(of_names).take(64).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use portcullis_journal::{NODE, NodeKey, OsDisk, Settings, entries};

    fn at(seconds: u64) -> Timestamp {
        Timestamp(0).after(Duration::from_secs(seconds))
    }

    /// A record, refusals on it, and the time.
    pub(crate) struct Book {
        pub(crate) guesses: Arc<Guesses>,
        journal: Arc<Journal>,
        now: Arc<Mutex<Timestamp>>,
        dir: tempfile::TempDir,
    }

    impl Book {
        pub(crate) fn open() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let key = NodeKey::open(&dir.path().join("node.key"), "gw.example/n").expect("a key");
            let settings = Settings::new(dir.path().join("record"), "gw.example/n");
            let now = Arc::new(Mutex::new(at(1000)));
            let clock = Arc::clone(&now);
            let clock: Clock = Arc::new(move || *clock.lock());
            let journal = Journal::open_on(Arc::new(OsDisk), settings, key, Arc::clone(&clock));
            let journal = journal.expect("a journal");
            let guesses = Guesses::new(Arc::clone(&journal), clock);
            Self {
                guesses,
                journal,
                now,
                dir,
            }
        }

        fn look_at(&self, seconds: u64) {
            *self.now.lock() = at(seconds);
            self.guesses.look();
        }

        /// The gateway stops: the refusals on record, each as its event and its detail.
        pub(crate) fn close(self) -> Vec<(String, Value)> {
            self.guesses.finish();
            self.journal.close().expect("closed");
            let all = entries(&self.dir.path().join("record"), NODE).expect("read");
            let all = all.filter_map(|entry| {
                let entry = entry.expect("an entry").payload;
                let mut entry: Value = serde_json::from_slice(&entry).ok()?;
                let event = entry["event"].as_str()?.to_owned();
                Some((event, entry["detail"].take()))
            });
            all.filter(|(event, _)| event.ends_with("refused"))
                .collect()
        }
    }

    fn of(all: &[(String, Value)], uid: u32) -> Vec<(&str, &Value)> {
        let theirs = all.iter().filter(|(_, detail)| detail["uid"] == json!(uid));
        theirs
            .map(|(event, detail)| (event.as_str(), detail))
            .collect()
    }

    #[test]
    fn of_what_was_sent_as_an_id_only_an_id_goes_on_record() {
        assert_eq!(id_of("ap-7f3a"), "ap-7f3a");
        assert_eq!(id_of("ap-1\u{1b}[2J\n\"x\""), "ap-12Jx");
        assert_eq!(id_of(&"a".repeat(500)).len(), 16);
        assert_eq!(name_of("orders_1.eu\u{1b}[2J \"x\""), "orders_1.eu2Jx");
        assert_eq!(name_of(&"a".repeat(500)).len(), 64);
    }

    #[test]
    fn whoever_guesses_on_has_a_few_entries_and_their_number() {
        let book = Book::open();
        let refused = Refused::new(404, "there is none");
        let (eve, ana) = (json!({"uid": 7}), json!({"uid": 8}));
        let eve = Guesser::other(eve);
        for _ in 0..1200 {
            book.guesses.desk(&eve, "look", "gr-1", &refused);
        }
        book.guesses.vote(&Guesser::other(ana), "ap-1", &refused);
        // Nobody guesses on, and the number is on record all the same.
        book.look_at(1059);
        book.look_at(1060);
        book.look_at(1060);
        let all = book.close();
        let eves = of(&all, 7);
        assert_eq!(eves.len(), 11, "{all:?}");
        let (event, last) = eves[10];
        assert_eq!((event, &last["count"]), ("desk_refused", &json!(1190)));
        let vote = json!({"id": "ap-1", "why": "there is none", "uid": 8});
        assert_eq!(of(&all, 8), [("vote_refused", &vote)]);
    }

    #[test]
    fn whoever_looks_around_hides_none_of_their_votes_and_each_number_is_of_its_event() {
        let book = Book::open();
        let refused = Refused::new(404, "there is none");
        let eve = Guesser::other(json!({"uid": 7}));
        for _ in 0..30 {
            book.guesses.desk(&eve, "look", "gr-1", &refused);
        }
        for _ in 0..12 {
            book.guesses.vote(&eve, "ap-1", &refused);
        }
        // The gateway stops before the minute is over.
        let all = book.close();
        let counted = |of: &str| {
            let of = all.iter().filter(|(event, _)| event == of);
            let numbers = of
                .clone()
                .filter_map(|(_, detail)| detail["count"].as_u64());
            (of.count(), numbers.collect::<Vec<_>>())
        };
        assert_eq!(counted("desk_refused"), (11, vec![20]), "{all:?}");
        assert_eq!(counted("vote_refused"), (11, vec![2]), "{all:?}");
    }

    #[test]
    fn those_who_guess_are_bounded_and_counted_together_beyond() {
        let mut tallies = HashMap::new();
        let who = |n: usize| Guesser::other(json!({"uid": n}));
        let mut note = |event, n, seconds| count(&mut tallies, event, &who(n), at(seconds));
        let all = ENTRIES_OF_ALL_MAX as usize;
        for n in 0..GUESSERS_MAX {
            let counted = match n < all {
                true => Counted::Written,
                false => Counted::FirstLeftOut,
            };
            assert_eq!(note("knocked", n, 0), counted);
        }
        let beyond = (0..1000).map(|n| note("knocked", GUESSERS_MAX + n, 1));
        let first = beyond.filter(|c| *c == Counted::FirstLeftOut).count();
        assert_eq!(first, 1, "counted together, and none written");
        // A crowd at one door takes no place at another.
        for n in 0..11 {
            assert_eq!(note("voted", n, 1), Counted::Written);
        }
        assert_eq!(tallies.len(), GUESSERS_MAX + 1 + 11);
        // Nobody is lost: each of whom something was left out has a number.
        let left_out = GUESSERS_MAX - all + 1;
        assert_eq!(over(&mut tallies, at(61)).len(), left_out);
        assert!(tallies.is_empty());
    }
}
