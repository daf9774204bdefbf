//! The outbox over receivers that are down, slow to come back, or will not take one message; and over restarts.

use parking_lot::Mutex;
use portcullis_approval::{Announce, Channel, Clocks, Keep, Kept, News, Note, Outbox, Shelf};
use portcullis_gate::BoxFuture;
use portcullis_model::{Blame, Chat, Fault, Timestamp, limits};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Default)]
struct World {
    seconds: AtomicU64,
    things: Mutex<BTreeMap<(Shelf, String), Value>>,
    full: Mutex<bool>,
    notes: Mutex<Vec<String>>,
}

impl Keep for World {
    fn put(&self, shelf: Shelf, id: &str, value: Value, _: Timestamp) -> Result<(), Fault> {
        if *self.full.lock() {
            return Err(Fault::bare(Blame::Gateway, "keep it: the disk is full"));
        }
        self.things.lock().insert((shelf, id.to_owned()), value);
        Ok(())
    }

    fn remove(&self, shelf: Shelf, id: &str, _: Timestamp) -> Result<(), Fault> {
        self.things.lock().remove(&(shelf, id.to_owned()));
        Ok(())
    }
}

impl Note for World {
    fn note(&self, event: &str, _: &Value) -> Result<(), Fault> {
        self.notes.lock().push(event.to_owned());
        Ok(())
    }
}

/// Takes in what it will, and remembers what it was offered.
struct Receiver {
    name: &'static str,
    takes: Mutex<fn(&News) -> bool>,
    offered: Mutex<Vec<(String, String)>>,
}

impl Receiver {
    fn new(name: &'static str, takes: fn(&News) -> bool) -> Arc<Self> {
        Arc::new(Self {
            name,
            takes: Mutex::new(takes),
            offered: Mutex::default(),
        })
    }

    fn got(&self) -> Vec<String> {
        self.offered
            .lock()
            .iter()
            .map(|(_, about)| about.clone())
            .collect()
    }
}

impl Channel for Receiver {
    fn name(&self) -> &str {
        self.name
    }

    fn wants(&self, _: &News) -> bool {
        self.name != "deaf"
    }

    fn deliver<'a>(&'a self, id: &'a str, news: &'a News) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.offered.lock().push((id.to_owned(), news.id.clone()));
            match (*self.takes.lock())(news) {
                true => Ok(()),
                false => Err(Fault::bare(Blame::Gateway, "take it in")),
            }
        })
    }
}

fn open(world: &Arc<World>, receivers: &[&Arc<Receiver>]) -> Arc<Outbox> {
    let channels = receivers
        .iter()
        .map(|r| Arc::clone(r) as Arc<dyn Channel>)
        .collect();
    over(world, channels)
}

fn over(world: &Arc<World>, channels: Vec<Arc<dyn Channel>>) -> Arc<Outbox> {
    let hands = Arc::clone(world);
    let seconds = move || hands.seconds.load(Ordering::Relaxed);
    let wall = seconds.clone();
    let clocks = Clocks::new(
        Arc::new(move || Timestamp(i64::try_from(wall()).unwrap() * 1_000_000_000)),
        Arc::new(move || Duration::from_secs(seconds())),
    );
    let kept = Kept {
        things: world.things.lock().clone(),
        seen: Timestamp(0),
    };
    Outbox::new(world.clone(), world.clone(), clocks, channels, &kept).expect("opened")
}

fn news(about: &str) -> News {
    News {
        event: "approval.opened".to_owned(),
        id: about.to_owned(),
        at: Timestamp(0),
        urgent: false,
        line: String::new(),
        groups: Vec::new(),
        chat: Chat::Notify,
        detail: Value::Null,
    }
}

async fn pass(world: &World, outbox: &Arc<Outbox>, seconds: u64) {
    for _ in 0..seconds.div_ceil(5) {
        world.seconds.fetch_add(5, Ordering::Relaxed);
        outbox.turn().await;
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_for_an_hour_loses_nothing_and_is_not_pestered() {
    let world = Arc::new(World::default());
    let receiver = Receiver::new("hook", |_| false);
    let other = Receiver::new("mail", |_| true);
    let outbox = open(&world, &[&receiver, &other]);
    for id in ["ap-1", "ap-2", "ap-3"] {
        outbox.announce(&news(id)).expect("taken in");
    }
    pass(&world, &outbox, 3600).await;
    assert_eq!(other.got().len(), 3, "another receiver is not held up");
    assert!(
        receiver.got().len() < 60,
        "{} attempts in an hour",
        receiver.got().len()
    );
    assert_eq!(outbox.waiting(), 3);
    *receiver.takes.lock() = |_| true;
    receiver.offered.lock().clear();
    pass(&world, &outbox, 660).await;
    let mut got = receiver.got();
    got.sort();
    assert_eq!(
        (got, outbox.waiting()),
        (vec!["ap-1".into(), "ap-2".into(), "ap-3".into()], 0)
    );
    assert!(
        world.things.lock().is_empty(),
        "what was delivered is not kept"
    );
}

#[tokio::test]
async fn what_was_not_delivered_is_delivered_after_a_restart_under_the_same_id() {
    let world = Arc::new(World::default());
    let receiver = Receiver::new("hook", |_| false);
    let outbox = open(&world, &[&receiver]);
    outbox.announce(&news("ap-1")).expect("taken in");
    outbox.turn().await;
    drop(outbox);
    *receiver.takes.lock() = |_| true;
    let outbox = open(&world, &[&receiver]);
    outbox.turn().await;
    let offered = receiver.offered.lock().clone();
    assert_eq!(offered.len(), 2);
    assert_eq!(offered[0], offered[1]);
    assert_eq!(outbox.waiting(), 0);
}

#[tokio::test]
async fn one_message_that_is_never_taken_in_holds_up_no_other_and_is_given_up_on_record() {
    let world = Arc::new(World::default());
    let receiver = Receiver::new("hook", |news| news.id != "ap-0");
    let outbox = open(&world, &[&receiver]);
    for id in ["ap-0", "ap-1", "ap-2", "ap-3", "ap-4"] {
        outbox.announce(&news(id)).expect("taken in");
    }
    pass(&world, &outbox, 120).await;
    assert_eq!(outbox.waiting(), 1);
    world.seconds.fetch_add(24 * 3600, Ordering::Relaxed);
    outbox.turn().await;
    assert_eq!(outbox.waiting(), 0);
    assert_eq!(*world.notes.lock(), ["channel/undelivered"]);
}

#[tokio::test]
async fn a_message_that_could_be_lost_is_not_taken_in() {
    let world = Arc::new(World::default());
    let receiver = Receiver::new("hook", |_| true);
    let outbox = open(&world, &[&receiver]);
    *world.full.lock() = true;
    assert!(outbox.announce(&news("ap-1")).is_err());
    outbox.turn().await;
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn what_is_urgent_has_room_that_nobody_else_takes() {
    let world = Arc::new(World::default());
    let outbox = open(&world, &[&Receiver::new("hook", |_| false)]);
    let share = limits::OUTBOX_MAX / 2;
    for at in 0..share {
        outbox.announce(&news(&format!("ap-{at}"))).expect("room");
    }
    assert!(outbox.announce(&news("ap-more")).is_err());
    let mut page = news("rv-1");
    page.event = "glass.broken".to_owned();
    page.urgent = true;
    outbox.announce(&page).expect("there is room for the page");
    assert_eq!(outbox.waiting(), share + 1);
}

#[tokio::test]
async fn of_broken_glass_every_receiver_is_told_whatever_it_has_chosen() {
    let world = Arc::new(World::default());
    let receiver = Receiver::new("deaf", |_| true);
    let outbox = open(&world, &[&receiver]);
    let mut page = news("rv-1");
    page.event = "glass.broken".to_owned();
    for news in [&news("ap-1"), &page] {
        outbox.announce(news).expect("taken in");
    }
    outbox.turn().await;
    assert_eq!(receiver.got(), ["rv-1"]);
}

#[tokio::test]
async fn nobody_is_told_late_of_a_request_that_has_ended() {
    let world = Arc::new(World::default());
    let receiver = Receiver::new("hook", |_| true);
    let outbox = open(&world, &[&receiver]);
    let mut ended = news("ap-1");
    ended.event = "approval.ended".to_owned();
    for news in [&news("ap-1"), &news("ap-2"), &ended] {
        outbox.announce(news).expect("taken in");
    }
    assert_eq!(outbox.waiting(), 2);
    assert_eq!(world.things.lock().len(), 2, "it is not kept either");
    outbox.turn().await;
    let mut got = receiver.got();
    got.sort();
    assert_eq!(got, ["ap-1", "ap-2"]);
}

/// Answers once `answers` says so, and says `tells` when it is offered something.
struct Slow {
    name: &'static str,
    tells: Arc<Notify>,
    answers: Option<Arc<Notify>>,
    answered: AtomicU64,
}

impl Slow {
    fn new(name: &'static str, tells: &Arc<Notify>, answers: Option<&Arc<Notify>>) -> Arc<Self> {
        Arc::new(Self {
            name,
            tells: Arc::clone(tells),
            answers: answers.map(Arc::clone),
            answered: AtomicU64::new(0),
        })
    }
}

impl Channel for Slow {
    fn name(&self) -> &str {
        self.name
    }

    fn wants(&self, news: &News) -> bool {
        news.event == self.name
    }

    fn deliver<'a>(&'a self, _: &'a str, _: &'a News) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.tells.notify_one();
            if let Some(answers) = &self.answers {
                answers.notified().await;
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_receiver_that_is_slow_to_answer_holds_up_no_message_that_comes_meanwhile() {
    let world = Arc::new(World::default());
    let (offered, others) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    // It answers when the other was told, and is cut off long before it would if the other had to wait for it.
    let slow = Slow::new("slow", &offered, Some(&others));
    let quick = Slow::new("quick", &others, None);
    let outbox = over(&world, vec![slow.clone(), quick.clone()]);
    let going = tokio::spawn(Arc::clone(&outbox).run());
    for (event, told) in [("slow", Some(&offered)), ("quick", None)] {
        let mut news = news("ap-1");
        news.event = event.to_owned();
        outbox.announce(&news).expect("taken in");
        if let Some(told) = told {
            told.notified().await;
        }
    }
    let all = tokio::time::timeout(Duration::from_secs(60), async {
        while outbox.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    all.await.expect("both have answered");
    let answered = |receiver: &Slow| receiver.answered.load(Ordering::Relaxed);
    assert_eq!((answered(&slow), answered(&quick)), (1, 1));
    going.abort();
}
