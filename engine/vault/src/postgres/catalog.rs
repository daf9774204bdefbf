//! The catalog of a target, for provenance: which relation a column comes from, and what that relation is
//! derived from.
//!
//! It exists so that masking by column holds through views, partitions and renames. It refuses to answer
//! from a snapshot that is too old, and to guess: unknown stays unknown, and unknown is masked.

use super::catalog_rows::read;
use super::origins::Definitions;
use super::side_channel::{AdminLogin, SideChannel};
use crate::error::VaultError;
use parking_lot::RwLock;
use portcullis_gate::{BoxFuture, Catalog, Relation};
use portcullis_model::{Fault, limits};
use portcullis_stream::Tripwires;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// For so long an OID that was looked for in vain is not looked for again.
const MISSING_FOR: Duration = Duration::from_secs(2);
const MISSING_MAX: usize = 4096;

/// The catalog of one target.
pub struct PostgresCatalog {
    side: SideChannel,
    max_age: Duration,
    snapshot: RwLock<Arc<Snapshot>>,
    missing: RwLock<HashMap<u32, Instant>>,
    loading: Mutex<Definitions>,
}

#[derive(Default)]
struct Snapshot {
    relations: HashMap<u32, Arc<Relation>>,
    names: HashMap<String, Vec<Arc<Relation>>>,
    loaded: Option<Instant>,
    generation: u64,
}

impl PostgresCatalog {
    /// Empty: everything is unknown until [`PostgresCatalog::load`] or the first refresh. `max_age` is at
    /// most [`limits::CATALOG_AGE_MAX`].
    #[must_use]
    pub fn new(login: AdminLogin, tripwires: Tripwires, max_age: Duration) -> Self {
        Self {
            side: SideChannel::new(login, tripwires),
            max_age: max_age.min(limits::CATALOG_AGE_MAX),
            snapshot: RwLock::default(),
            missing: RwLock::default(),
            loading: Mutex::default(),
        }
    }

    /// Reads everything anew, unless it is fresh. Await it before a session is admitted.
    ///
    /// # Errors
    /// [`VaultError`] when the target cannot be asked or is too big.
    pub async fn load(&self) -> Result<(), VaultError> {
        match self.fresh() {
            true => Ok(()),
            false => self.reload(Instant::now()).await,
        }
    }

    /// Keeps it fresh, for ever: run it as a task.
    pub async fn maintain(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.max_age / 2).await;
            if let Err(error) = self.reload(Instant::now()).await {
                tracing::warn!(%error, "the catalog could not be read");
            }
        }
    }

    /// One load for everybody who asked before it began.
    async fn reload(&self, asked: Instant) -> Result<(), VaultError> {
        let mut definitions = self.loading.lock().await;
        let began = Instant::now();
        if self.snapshot.read().loaded.is_some_and(|at| at >= asked) {
            return Ok(());
        }
        let client = self.side.client().await?;
        let rows = tokio::time::timeout(limits::SIDE_STATEMENT_MAX, read(&client))
            .await
            .map_err(|_| VaultError::CatalogBounds)??;
        // Parsing and tracing views is work for the processor.
        let known = std::mem::take(&mut *definitions);
        let traced = tokio::task::spawn_blocking(move || known.trace(rows)).await;
        let (known, relations) = traced.map_err(|_| VaultError::CatalogBounds)?;
        *definitions = known;
        let mut snapshot = Snapshot {
            loaded: Some(began),
            ..Snapshot::default()
        };
        for relation in relations {
            let names = &mut snapshot.names;
            names
                .entry(relation.name.clone())
                .or_default()
                .push(relation.clone());
            snapshot.relations.insert(relation.oid, relation);
        }
        let before = self.snapshot.read().clone();
        let changed = before.relations != snapshot.relations;
        snapshot.generation = before.generation + u64::from(changed);
        *self.snapshot.write() = Arc::new(snapshot);
        Ok(())
    }

    fn age(&self) -> Option<Duration> {
        self.snapshot.read().loaded.map(|at| at.elapsed())
    }

    fn fresh(&self) -> bool {
        self.age().is_some_and(|age| age <= self.max_age)
    }

    /// True when looking again would find nothing new.
    fn settled(&self, oids: &[u32]) -> bool {
        let snapshot = self.snapshot.read().clone();
        let missing = self.missing.read();
        oids.iter().all(|oid| {
            snapshot.relations.contains_key(oid)
                || missing
                    .get(oid)
                    .is_some_and(|at| at.elapsed() < MISSING_FOR)
        })
    }

    fn remember_missing(&self, oids: &[u32]) {
        let snapshot = self.snapshot.read().clone();
        let mut missing = self.missing.write();
        if missing.len() + oids.len() > MISSING_MAX {
            missing.clear();
        }
        let now = Instant::now();
        let unknown = oids.iter().filter(|o| !snapshot.relations.contains_key(o));
        missing.extend(unknown.take(MISSING_MAX).map(|oid| (*oid, now)));
    }
}

impl Catalog for PostgresCatalog {
    /// None also when the snapshot is twice too old: then the caller refreshes.
    fn relation(&self, oid: u32) -> Option<Arc<Relation>> {
        let snapshot = self.snapshot.read();
        let age = snapshot.loaded?.elapsed();
        let usable = age <= self.max_age * 2;
        usable.then(|| snapshot.relations.get(&oid).cloned())?
    }

    fn named(&self, name: &str) -> Vec<Arc<Relation>> {
        let snapshot = self.snapshot.read();
        snapshot.names.get(name).cloned().unwrap_or_default()
    }

    fn generation(&self) -> u64 {
        self.snapshot.read().generation
    }

    fn refresh<'a>(&'a self, oids: &'a [u32]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            if self.fresh() && self.settled(oids) {
                return Ok(());
            }
            self.reload(Instant::now()).await?;
            self.remember_missing(oids);
            Ok(())
        })
    }
}
