//! The examiner: cache, limit for each identity, pool, deadline.
//!
//! Refuses: no answer in time is a fault, and the message is then refused by whoever asked.

use crate::cache::Cache;
use crate::pool::{self, Pool, Work};
use parking_lot::Mutex;
use portcullis_gate::{BoxFuture, Examine};
use portcullis_model::fault::Blame;
use portcullis_model::{Facts, Fault, Principal};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Identities remembered before the idle ones are forgotten.
pub const IDENTITIES_MAX: usize = 4096;

/// How the examiner is bounded.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads that parse, two at least; each reserves (not uses) [`crate::STACK_BYTES`].
    pub threads: usize,
    /// Texts whose facts are kept.
    pub cache_entries: usize,
    /// Bytes of texts and facts that are kept, about.
    pub cache_bytes: usize,
    /// Texts of one identity that are parsed or queued at a time; more of them wait their turn. Always
    /// fewer than the threads, so that nobody ever has all of them.
    pub per_identity: usize,
    /// From the question to the answer.
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: 3,
            cache_entries: 4096,
            cache_bytes: 16 * 1024 * 1024,
            per_identity: 2,
            deadline: Duration::from_secs(2),
        }
    }
}

/// What can go wrong when the examiner is made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gives no thread.
    #[error("the parser's threads could not be started")]
    Start(#[source] std::io::Error),
}

/// Host facts for the whole process. Implements [`Examine`].
pub struct Examiner {
    cache: Cache,
    pool: Pool,
    identities: Mutex<HashMap<Principal, Arc<Semaphore>>>,
    per_identity: usize,
    deadline: Duration,
}

impl Examiner {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`Error::Start`] when the system gives no thread.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        Self::with_work(settings, pool::extract)
    }

    pub(crate) fn with_work(settings: Settings, work: Work) -> Result<Self, Error> {
        let threads = settings.threads.max(2);
        let pool = Pool::start(threads, settings.deadline, work).map_err(Error::Start)?;
        Ok(Self {
            cache: Cache::new(settings.cache_entries, settings.cache_bytes),
            pool,
            identities: Mutex::default(),
            per_identity: settings.per_identity.clamp(1, threads - 1),
            deadline: settings.deadline,
        })
    }

    #[cfg(test)]
    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    async fn charged(&self, who: &Principal) -> Result<OwnedSemaphorePermit, Fault> {
        let turn = {
            let mut identities = self.identities.lock();
            if identities.len() >= IDENTITIES_MAX {
                identities.retain(|_, turn| turn.available_permits() < self.per_identity);
            }
            match identities.get(who) {
                Some(turn) => turn.clone(),
                None => identities
                    .entry(who.clone())
                    .or_insert_with(|| Arc::new(Semaphore::new(self.per_identity)))
                    .clone(),
            }
        };
        turn.acquire_owned()
            .await
            .map_err(|_| Fault::bare(Blame::Gateway, "examine a statement: closed"))
    }

    async fn parse(&self, who: &Principal, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        let late = || Fault::bare(Blame::Gateway, "examine a statement in time");
        let until = Instant::now() + self.deadline;
        let charge = timeout_at(until, self.charged(who))
            .await
            .map_err(|_| late())??;
        let (id, answer) = self.pool.submit(text.clone(), charge)?;
        let Ok(answer) = timeout_at(until, answer).await else {
            self.pool.late(id);
            return Err(late());
        };
        let examined =
            answer.map_err(|_| Fault::bare(Blame::Gateway, "examine a statement: no answer"))??;
        Ok(self.cache.put(text, examined))
    }
}

impl Examine for Examiner {
    fn cached(&self, text: &str) -> Option<Arc<Facts>> {
        self.cache.get(text)
    }

    fn examine<'a>(
        &'a self,
        who: &'a Principal,
        text: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Arc<Facts>, Fault>> {
        Box::pin(async move {
            if let Some(facts) = self.cached(text) {
                return Ok(facts);
            }
            self.parse(who, text).await
        })
    }
}
