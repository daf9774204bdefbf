//! The live sessions: who, on what, since when, doing what, and the string by which each can be pulled
//! back. An admission ends when policy, identity, time or an operator ends it; this is where that word
//! arrives. It refuses to end a session without telling it why.

use parking_lot::Mutex;
use portcullis_console::{Metrics, SessionRow};
use portcullis_gate::{BoxFuture, Clock, History, Tether};
use portcullis_model::{Denial, Kind, Session, SessionId, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a client calls itself and what it does are cut to this many characters in lists.
const DOING_CHARS_MAX: usize = 200;

/// All live sessions of the node.
pub struct Registry {
    live: Mutex<HashMap<SessionId, Arc<Live>>>,
    count: watch::Sender<usize>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// What the admission stands on, to be asked about again.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The login name asked for.
    pub login: String,
    /// The settings asked for.
    pub settings: BTreeMap<String, String>,
    /// A replication connection was asked for.
    pub replication: bool,
}

/// When a session ends by itself, and what it is told then.
#[derive(Clone, Debug)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub denial: Denial,
}

/// One live session.
pub struct Live {
    /// The session.
    pub session: Arc<Session>,
    /// What it stands on.
    pub ground: Ground,
    end: End,
    deadline: Instant,
    doing: Mutex<String>,
    latest: Mutex<String>,
    counts: Mutex<History>,
    cut: watch::Sender<Option<Denial>>,
}

impl Registry {
    /// Nobody is here.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            live: Mutex::new(HashMap::new()),
            count: watch::Sender::new(0),
            metrics,
            clock,
        })
    }

    /// Enters a session. It leaves when the pass is dropped.
    pub fn enter(self: &Arc<Self>, session: Arc<Session>, ground: Ground, end: End) -> Arc<Pass> {
        let left = end.at.since((self.clock)());
        let live = Arc::new(Live {
            deadline: Instant::now() + left,
            doing: Mutex::new(String::new()),
            latest: Mutex::new("logging in".to_owned()),
            counts: Mutex::new(History::default()),
            cut: watch::Sender::new(None),
            session,
            ground,
            end,
        });
        self.metrics.session_opened(&live.session.target.name);
        let mut all = self.live.lock();
        all.insert(live.session.id, Arc::clone(&live));
        self.count.send_replace(all.len());
        drop(all);
        Arc::new(Pass {
            live,
            registry: Arc::clone(self),
        })
    }

    /// Everybody who is here, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Live>> {
        let mut all: Vec<_> = self.live.lock().values().cloned().collect();
        all.sort_by_key(|live| live.session.started);
        all
    }

    /// How many are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.lock().len()
    }

    /// True when nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One session.
    #[must_use]
    pub fn find(&self, id: SessionId) -> Option<Arc<Live>> {
        self.live.lock().get(&id).cloned()
    }

    /// Ends every session for which `why` has an answer, and says how many.
    pub fn sever(&self, why: impl Fn(&Live) -> Option<Denial>) -> usize {
        self.all()
            .iter()
            .filter(|live| why(live).is_some_and(|denial| live.sever(denial)))
            .count()
    }

    /// Resolves once nobody is here.
    pub async fn empty(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`: there is always an answer.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    fn leave(&self, live: &Live) {
        let mut all = self.live.lock();
        all.remove(&live.session.id);
        self.count.send_replace(all.len());
        drop(all);
        self.metrics.session_ended(&live.session.target.name);
    }
}

impl Live {
    /// Ends it. The first reason stands: false when there was one already.
    pub fn sever(&self, denial: Denial) -> bool {
        self.cut.send_if_modified(|cut| {
            let first = cut.is_none();
            if first {
                *cut = Some(denial);
            }
            first
        })
    }

    /// True once it has been ended, although it may not have left yet.
    #[must_use]
    pub fn is_severed(&self) -> bool {
        self.cut.borrow().is_some()
    }

    /// Notes what has been counted, and the latest statement by its keywords.
    pub fn count(&self, counts: History, latest: String) {
        *self.counts.lock() = counts;
        *self.latest.lock() = latest;
    }

    /// What the protocol says it does, else its latest statement.
    fn doing(&self) -> String {
        let doing = self.doing.lock().clone();
        match doing.is_empty() {
            true => self.latest.lock().clone(),
            false => doing,
        }
    }

    /// As it stands in a list.
    #[must_use]
    pub fn row(&self) -> SessionRow {
        let session = &self.session;
        let counts = *self.counts.lock();
        SessionRow {
            id: session.id,
            name: session.identity.name.clone(),
            issuer: session.identity.principal.issuer.clone(),
            subject: session.identity.principal.subject.clone(),
            kind: kind_name(session.identity.kind).to_owned(),
            target: session.target.name.clone(),
            login: session.login.clone(),
            address: session.client.address.to_string(),
            started: session.started.rfc3339(),
            ends: Some(self.end.at.rfc3339()),
            doing: self.doing(),
            commands: counts.session.commands,
            denied: counts.session.denied,
            rows: counts.session.rows,
            bytes: counts.session.bytes,
        }
    }
}

/// The word for a kind, as policies and tokens use it.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "agent",
        Kind::Ci => "ci",
        Kind::Human => "human",
        Kind::Service => "service",
    }
}

/// The tether of one session: as long as it lives, the session is in the registry.
pub struct Pass {
    live: Arc<Live>,
    registry: Arc<Registry>,
}

impl Pass {
    /// The session.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Tether for Pass {
    fn severed<'a>(&'a self) -> BoxFuture<'a, Denial> {
        Box::pin(async move {
            let mut cut = self.live.cut.subscribe();
            let told = async {
                match cut.wait_for(Option::is_some).await {
                    Ok(denial) => denial.clone(),
                    Err(_) => None,
                }
            };
            tokio::select! {
                denial = told => denial.unwrap_or_else(|| self.live.end.denial.clone()),
                () = tokio::time::sleep_until(self.live.deadline) => self.live.end.denial.clone(),
            }
        })
    }

    fn doing(&self, what: &str) {
        *self.live.doing.lock() = what.chars().take(DOING_CHARS_MAX).collect();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.registry.leave(&self.live);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_desk::tests::{identity, session};
    use std::time::Duration;

    fn registry() -> Arc<Registry> {
        Registry::new(Arc::new(Metrics::new()), Arc::new(|| Timestamp(0)))
    }

    fn enter(registry: &Arc<Registry>, id: u128, lasts: Duration) -> Arc<Pass> {
        let ground = Ground {
            login: "ana".to_owned(),
            settings: BTreeMap::new(),
            replication: false,
        };
        let end = End {
            at: Timestamp(0).after(lasts),
            denial: Denial::new("session/max", "time is up"),
        };
        registry.enter(Arc::new(session(id, identity("ana"))), ground, end)
    }

    #[tokio::test]
    async fn a_session_is_told_the_first_reason_why_it_ends() {
        let registry = registry();
        let pass = enter(&registry, 1, Duration::from_secs(3600));
        assert_eq!(
            registry.sever(|_| Some(Denial::new("admin/kill", "enough"))),
            1
        );
        assert_eq!(
            registry.sever(|_| Some(Denial::new("drain/stop", "late"))),
            0
        );
        assert_eq!(pass.severed().await.rule, "admin/kill");
    }

    #[tokio::test]
    async fn time_ends_a_session() {
        let registry = registry();
        let pass = enter(&registry, 1, Duration::from_millis(1));
        assert_eq!(pass.severed().await.rule, "session/max");
    }

    #[tokio::test]
    async fn whoever_drops_the_pass_has_left() {
        let registry = registry();
        let (one, two) = (
            enter(&registry, 1, Duration::from_secs(9)),
            enter(&registry, 2, Duration::from_secs(9)),
        );
        one.doing("SELECT");
        assert_eq!(registry.all().len(), 2);
        assert_eq!(one.live().row().doing, "SELECT");
        drop(one);
        assert_eq!(registry.len(), 1);
        drop(two);
        registry.empty().await;
    }
}
