//! A plugin in a stream: no instance before the first interesting message, none again after a failure or a long
//! silence. While it is called an instance belongs to the call alone: when the call is abandoned, so is it.

use crate::error::Failure;
use crate::guest::Live;
use crate::plugin::Plugin;
use crate::quarantine::Place;
use parking_lot::Mutex;
use portcullis_model::{Identity, Protocol, Session, SessionId, limits};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Whose stream it is.
pub(crate) struct Who {
    pub(crate) session: SessionId,
    pub(crate) protocol: Protocol,
    identity: Arc<Identity>,
    place: Place,
    /// What plugins learn of it: labels only.
    labels: Vec<u8>,
}

impl Who {
    pub(crate) fn of(session: &Session, protocol: Protocol) -> Self {
        let target = &session.target;
        let labels = serde_json::json!({
            "protocol": protocol,
            "target": target.name,
            "labels": target.labels,
            "database": target.database,
            "actor": session.identity.kind,
            "groups": session.identity.groups,
        });
        Self {
            session: session.id,
            protocol,
            identity: session.identity.clone(),
            place: Place::new(&session.identity.principal, &target.name),
            labels: labels.to_string().into_bytes(),
        }
    }
}

/// Instances of other streams that are dropped at once when a stream finds none left: looking for the ones that
/// idle longest goes through all seats, so it has to be worth it.
const EVICTED: usize = 128;
/// How often a stream tries: others take what was freed as well.
const TRIES: usize = 4;

/// Where an instance sits between calls.
struct Seat {
    live: Option<Live>,
    used: Instant,
}

/// All seats that may hold an idle instance.
#[derive(Default)]
pub(crate) struct Idlers(Mutex<Vec<Weak<Mutex<Seat>>>>);

impl Idlers {
    /// Drops the instances that were not called for a while.
    pub(crate) fn sweep(&self, idle: Duration) {
        let mut seats = std::mem::take(&mut *self.0.lock());
        seats.retain(|seat| {
            let Some(seat) = seat.upgrade() else {
                return false;
            };
            let mut seat = seat.lock();
            let dropped = match seat.used.elapsed() >= idle {
                true => seat.live.take(),
                false => None,
            };
            drop(seat);
            drop(dropped);
            true
        });
        self.0.lock().append(&mut seats);
    }

    /// Drops up to `count` instances that idle longest, whatever their time, and tells how many: each is opened
    /// anew when its stream speaks again.
    fn evict(&self, count: usize) -> usize {
        let mut idle: Vec<_> = self
            .0
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .filter_map(|seat| {
                let seen = seat.lock();
                let used = seen.live.is_some().then_some(seen.used)?;
                drop(seen);
                Some((used, seat))
            })
            .collect();
        idle.sort_unstable_by_key(|(used, _)| *used);
        let evicted = idle.iter().take(count).filter_map(|(used, seat)| {
            let mut seat = seat.lock();
            // Not one that was called in between.
            let live = (seat.used == *used).then(|| seat.live.take()).flatten();
            drop(seat);
            live
        });
        evicted.map(drop).count()
    }
}

/// A plugin in a stream.
pub(crate) struct Slot {
    pub(crate) plugin: Arc<Plugin>,
    seat: Option<Arc<Mutex<Seat>>>,
    idlers: Arc<Idlers>,
}

impl Slot {
    pub(crate) fn new(plugin: &Arc<Plugin>, idlers: &Arc<Idlers>) -> Self {
        Self {
            plugin: plugin.clone(),
            seat: None,
            idlers: idlers.clone(),
        }
    }

    /// An instance that knows its stream, to be handed back with [`Slot::settle`].
    pub(crate) async fn take(&mut self, who: &Who) -> Result<Live, Failure> {
        let quarantine = &self.plugin.quarantine;
        if !quarantine.is_clear() && quarantine.refuses(&who.place, Instant::now()) {
            return Err(Failure::Quarantined);
        }
        let sitting = self.seat.as_ref().and_then(|seat| seat.lock().live.take());
        let ready = match sitting {
            Some(live) => Ok(live),
            None => self.fresh().await,
        };
        let opened = match ready {
            Ok(mut live) => live.open(&who.labels).await.map(|()| live),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &opened {
            self.failed(who, failure);
        }
        opened
    }

    /// An instance of its own. Where the node has none left, those that idle longest make room.
    async fn fresh(&self) -> Result<Live, Failure> {
        let mut fresh = self.plugin.take().await;
        for _ in 1..TRIES {
            let full = matches!(fresh, Err(Failure::Exhausted));
            if !full || self.idlers.evict(EVICTED) == 0 {
                break;
            }
            fresh = self.plugin.take().await;
        }
        fresh
    }

    /// Ends a call: the instance stays after an answer and is gone after anything else.
    pub(crate) fn settle(&mut self, who: &Who, live: Live, failure: Option<&Failure>) {
        self.plugin.counts.called(failure.is_some());
        match failure {
            Some(failure) => {
                drop(live);
                self.failed(who, failure);
            }
            None => self.sit(live),
        }
    }

    fn sit(&mut self, live: Live) {
        let used = live.used();
        match &self.seat {
            Some(seat) => {
                let mut seat = seat.lock();
                (seat.live, seat.used) = (Some(live), used);
            }
            None => {
                let seat = Arc::new(Mutex::new(Seat {
                    live: Some(live),
                    used,
                }));
                self.idlers.0.lock().push(Arc::downgrade(&seat));
                self.seat = Some(seat);
            }
        }
    }

    fn failed(&self, who: &Who, failure: &Failure) {
        if failure.blame() != portcullis_model::Blame::Plugin {
            return;
        }
        let plugin = &self.plugin;
        let quarantined = plugin
            .quarantine
            .failed(&who.place, &who.identity, Instant::now());
        tracing::warn!(plugin = %plugin.label, digest = %plugin.digest, session = %who.session, %failure, "a plugin failed");
        if quarantined {
            let minutes = limits::QUARANTINE_LASTS.as_secs() / 60;
            tracing::error!(plugin = %plugin.label, digest = %plugin.digest, session = %who.session, minutes, "a plugin is in quarantine for this identity and target");
        }
    }
}
