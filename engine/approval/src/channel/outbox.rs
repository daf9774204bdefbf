//! What has still to be delivered. A message is on stable storage before whoever sent it goes on, and leaves it once it
//! was taken in; in between it is tried again, less and less often. A receiver may get it twice and never loses it. A
//! receiver that is down rests as a whole and holds up no other; one message that it will not take holds up none of its
//! others. The outbox refuses more than its bound, and gives a message up, on record, after a day.

use super::Channel;
use crate::desk::Note;
use crate::moment::Clocks;
use crate::news::{Announce, News};
use crate::patience::PatientLock;
use crate::store::{Keep, Kept, Shelf};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_model::{Blame, Fault, limits};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The first pause, which doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);
/// A message that nobody has taken in for so long is given up.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// Deliveries at once, to one receiver.
const AT_ONCE: usize = 2;
/// A delivery that takes longer has failed.
const DELIVERY_MAX: Duration = Duration::from_secs(20);
/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The outbox.
pub struct Outbox {
    keep: Arc<dyn Keep>,
    notes: Arc<dyn Note>,
    clocks: Clocks,
    channels: Vec<Arc<dyn Channel>>,
    waiting: PatientLock<Waiting>,
    woken: Notify,
}

#[derive(Default)]
struct Waiting {
    parcels: BTreeMap<String, Parcel>,
    rests: BTreeMap<String, Rest>,
}

/// How a receiver does.
#[derive(Clone, Copy, Default)]
struct Rest {
    failures: u32,
    /// By the steady count.
    until: Duration,
    going: usize,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parcel {
    channel: String,
    news: News,
    #[serde(skip)]
    attempts: u32,
    /// By the steady count, which begins anew with the gateway.
    #[serde(skip)]
    since: Duration,
    #[serde(skip)]
    on_its_way: bool,
}

impl Outbox {
    /// With what was not delivered before a restart.
    ///
    /// # Errors
    /// When something kept cannot be read.
    pub fn new(
        keep: Arc<dyn Keep>,
        notes: Arc<dyn Note>,
        clocks: Clocks,
        channels: Vec<Arc<dyn Channel>>,
        kept: &Kept,
    ) -> Result<Arc<Self>, Fault> {
        let mut waiting = Waiting::default();
        for ((shelf, id), value) in &kept.things {
            if *shelf == Shelf::Message {
                let parcel: Parcel = serde_json::from_value(value.clone())
                    .map_err(|e| Fault::new(Blame::Gateway, "read a kept message", e))?;
                waiting.parcels.insert(id.clone(), parcel);
            }
        }
        Ok(Arc::new(Self {
            keep,
            notes,
            clocks,
            channels,
            waiting: PatientLock::new(waiting),
            woken: Notify::new(),
        }))
    }

    /// Delivers, for ever: to be spawned by whoever owns it.
    pub async fn run(self: Arc<Self>) {
        let mut going = JoinSet::new();
        loop {
            self.send_due(&mut going);
            // What comes while a receiver is slow to answer does not wait for that.
            tokio::select! {
                Some(_) = going.join_next() => {}
                _ = tokio::time::timeout(LOOK_EVERY, self.woken.notified()) => {}
            }
        }
    }

    /// Messages that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.lock().parcels.len()
    }

    /// Attempts at everything that is due, to their end.
    pub async fn turn(self: &Arc<Self>) {
        let mut going = JoinSet::new();
        loop {
            self.send_due(&mut going);
            if going.join_next().await.is_none() {
                return;
            }
        }
    }

    fn send_due(self: &Arc<Self>, going: &mut JoinSet<()>) {
        while let Some((id, parcel)) = self.next_due() {
            let outbox = Arc::clone(self);
            going.spawn(async move {
                let delivered = outbox.deliver(&id, &parcel).await;
                outbox.settle(&id, &parcel, delivered);
            });
        }
    }

    /// The next message of a receiver that does not rest: what was tried least first, then what is urgent.
    fn next_due(&self) -> Option<(String, Parcel)> {
        let now = self.clocks.now().steady;
        let mut waiting = self.waiting.lock();
        let Waiting { parcels, rests } = &mut *waiting;
        let free = |channel: &String| {
            let rest = rests.get(channel).copied().unwrap_or_default();
            rest.until <= now && rest.going < AT_ONCE
        };
        let due = parcels
            .iter_mut()
            .filter(|(_, p)| !p.on_its_way && free(&p.channel));
        let (id, parcel) = due.min_by_key(|(_, p)| (p.attempts, !p.news.urgent, p.news.at))?;
        parcel.on_its_way = true;
        let next = (id.clone(), parcel.clone());
        rests.entry(next.1.channel.clone()).or_default().going += 1;
        Some(next)
    }

    async fn deliver(&self, id: &str, parcel: &Parcel) -> Result<(), Fault> {
        let channel = self.channels.iter().find(|c| c.name() == parcel.channel);
        let Some(channel) = channel else {
            return Err(Fault::bare(
                Blame::Gateway,
                "deliver to a channel that is gone",
            ));
        };
        match tokio::time::timeout(DELIVERY_MAX, channel.deliver(id, &parcel.news)).await {
            Ok(delivered) => delivered,
            Err(_) => Err(Fault::bare(Blame::Gateway, "deliver a message in time")),
        }
    }

    fn settle(&self, id: &str, parcel: &Parcel, delivered: Result<(), Fault>) {
        let now = self.clocks.now();
        let (channel, event) = (&parcel.channel, &parcel.news.event);
        if let Err(fault) = &delivered {
            tracing::warn!(channel, event, id, fault = %fault.chain(), "a message was not taken in");
        }
        let given_up = delivered.is_err() && now.steady.saturating_sub(parcel.since) >= KEPT_FOR;
        {
            let mut waiting = self.waiting.lock();
            let rest = waiting.rests.entry(channel.clone()).or_default();
            rest.going = rest.going.saturating_sub(1);
            rest.failures = if delivered.is_ok() {
                0
            } else {
                rest.failures + 1
            };
            rest.until = match rest.failures {
                0 => Duration::ZERO,
                failures => now.steady + pause(failures, id),
            };
            if delivered.is_err() && !given_up {
                if let Some(parcel) = waiting.parcels.get_mut(id) {
                    parcel.attempts += 1;
                    parcel.on_its_way = false;
                }
                return;
            }
            waiting.parcels.remove(id);
        }
        if given_up {
            let detail = json!({"channel": channel, "event": event, "about": parcel.news.id});
            if let Err(fault) = self.notes.note("channel/undelivered", &detail) {
                tracing::error!(id, fault = %fault.chain(), "an undelivered message is not on record");
            }
        }
        if let Err(fault) = self.keep.remove(Shelf::Message, id, now.wall) {
            tracing::warn!(id, fault = %fault.chain(), "a message will be delivered again");
        }
    }
}

/// What nobody has to hear any more once the request has ended.
const OF_OPEN_REQUESTS: [&str; 3] = ["approval.opened", "approval.vote", "approval.escalated"];

impl Outbox {
    fn take_in(&self, channel: &str, news: &News) -> Result<(), Fault> {
        let now = self.clocks.now();
        if !self.has_room(channel, news.urgent) {
            return Err(Fault::bare(
                Blame::Gateway,
                "take in another message: the outbox is full",
            ));
        }
        let parcel = Parcel {
            channel: channel.to_owned(),
            news: news.clone(),
            attempts: 0,
            since: now.steady,
            on_its_way: false,
        };
        let id = fresh_id()?;
        let value = serde_json::to_value(&parcel)
            .map_err(|e| Fault::new(Blame::Gateway, "write down a message", e))?;
        self.keep.put(Shelf::Message, &id, value, now.wall)?;
        self.waiting.lock().parcels.insert(id, parcel);
        Ok(())
    }

    /// Half of the outbox is for what is urgent: nobody fills that with what they ask for. Of the other half each
    /// receiver has its share: one that is down takes no room of the others.
    fn has_room(&self, channel: &str, urgent: bool) -> bool {
        let waiting = self.waiting.lock();
        let parcels = &waiting.parcels;
        if parcels.len() >= limits::OUTBOX_MAX {
            return false;
        }
        let share = limits::OUTBOX_MAX / 2 / self.channels.len().max(1);
        let theirs = |p: &&Parcel| p.channel == channel && !p.news.urgent;
        urgent || parcels.len() < share || parcels.values().filter(theirs).count() < share
    }

    /// Takes back what was not delivered of a request that has ended.
    fn take_back(&self, about: &str) {
        let now = self.clocks.now();
        let mut waiting = self.waiting.lock();
        let late: Vec<String> = waiting
            .parcels
            .iter()
            .filter(|(_, p)| p.news.id == about && !p.on_its_way)
            .filter(|(_, p)| OF_OPEN_REQUESTS.contains(&p.news.event.as_str()))
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            waiting.parcels.remove(&id);
            if let Err(fault) = self.keep.remove(Shelf::Message, &id, now.wall) {
                tracing::warn!(id, fault = %fault.chain(), "a late message will be delivered after a restart");
            }
        }
    }
}

impl Announce for Outbox {
    fn announce(&self, news: &News) -> Result<(), Fault> {
        if news.event == "approval.ended" {
            self.take_back(&news.id);
        }
        // What everybody has to know nobody chooses not to hear.
        let page = news.event == "glass.broken";
        let wanting = self.channels.iter().filter(|c| page || c.wants(news));
        // One receiver whose share is full keeps nothing from the others.
        let taken: Vec<_> = wanting.map(|c| self.take_in(c.name(), news)).collect();
        self.woken.notify_one();
        taken.into_iter().collect()
    }
}

/// Doubles, and is a little off, so that receivers that come back are not all asked at once.
fn pause(failures: u32, id: &str) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let off: u32 = id.bytes().map(u32::from).sum::<u32>() % 20;
    doubled
        .min(LONGEST_PAUSE)
        .mul_f64(1.0 - f64::from(off) / 100.0)
}

fn fresh_id() -> Result<String, Fault> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Fault::bare(Blame::Gateway, "draw random bytes for a message"))?;
    Ok(format!("msg_{}", hex::encode(bytes)))
}
