//! One loaded plugin with one configuration: how its instances are made, and a few that wait ready. A
//! configured instance is handed to one stream and never comes back.

use crate::contract::{Version, World};
use crate::engine::InFlight;
use crate::error::{ConfigProblem, Failure};
use crate::guest::{Bounds, Guest, Live};
use crate::interest::Interest;
use crate::quarantine::Quarantine;
use crate::stats::Counts;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_sdk::manifest::RuleEntry;
use portcullis_sdk::needles::Needles;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmtime::Engine;
use wasmtime::component::InstancePre;

/// Hex digits of a digest in labels: enough to tell builds apart.
pub(crate) const DIGEST_HEX: usize = 12;

/// A rule, as it is needed for every edit.
#[derive(Debug)]
pub(crate) struct RuleInfo {
    pub(crate) id: u16,
    pub(crate) name: String,
    /// As policies name it; empty for classifiers.
    pub(crate) entity: String,
    /// As it stands in marks.
    pub(crate) tag: String,
    /// `plugin@version#digest/rule`, the digest cut to [`DIGEST_HEX`] digits.
    pub(crate) label: Arc<str>,
}

/// The rules of a manifest, by id.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Arc<RuleInfo>>);

impl Rules {
    pub(crate) fn of(entries: &[RuleEntry], plugin: &str, digest: &str) -> Self {
        let digest = digest.get(..DIGEST_HEX).unwrap_or(digest);
        let mut rules: Vec<_> = entries
            .iter()
            .map(|entry| {
                let entity = entry.entity.clone().unwrap_or_default();
                Arc::new(RuleInfo {
                    id: entry.id,
                    name: entry.name.clone(),
                    tag: entity.to_lowercase(),
                    entity,
                    label: Arc::from(format!("{plugin}#{digest}/{}", entry.name)),
                })
            })
            .collect();
        rules.sort_by_key(|rule| rule.id);
        Self(rules)
    }

    pub(crate) fn find(&self, id: u16) -> Option<(usize, &Arc<RuleInfo>)> {
        let index = self.0.binary_search_by_key(&id, |rule| rule.id).ok()?;
        Some((index, self.0.get(index)?))
    }

    pub(crate) fn get(&self, id: u16) -> Option<&RuleInfo> {
        self.find(id).map(|(_, rule)| &**rule)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RuleInfo> {
        self.0.iter().map(|rule| &**rule)
    }
}

/// A plugin that can be opened.
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `name@version`.
    pub(crate) label: String,
    /// sha256 of the component, hex.
    pub(crate) digest: String,
    pub(crate) masker: bool,
    /// The contract that it was built for.
    pub(crate) contract: &'static Version,
    pub(crate) rules: Rules,
    pub(crate) interest: Interest,
    /// What must stand in a cell for it to be shown; none: every cell is.
    pub(crate) needles: Option<Needles>,
    /// A classifier that goes by the facts alone.
    pub(crate) facts_only: bool,
    pub(crate) counters: Vec<String>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) config: Vec<u8>,
    pub(crate) engine: Engine,
    pub(crate) image: ArcSwap<Image>,
    pub(crate) bounds: Bounds,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) warm: Warm,
}

/// What instances are made of.
pub(crate) struct Image {
    pub(crate) component: InstancePre<Guest>,
    /// A snapshot: instances begin as `configure` leaves them.
    pub(crate) configured: bool,
}

/// Configured instances that wait for a stream.
pub(crate) struct Warm {
    target: usize,
    ready: Mutex<Vec<Live>>,
    refilling: AtomicBool,
}

impl Warm {
    pub(crate) fn new(target: usize) -> Self {
        Self {
            target,
            ready: Mutex::new(Vec::with_capacity(target)),
            refilling: AtomicBool::new(false),
        }
    }
}

/// Why an instance could not be configured.
pub(crate) enum NotConfigured {
    Refused(Vec<ConfigProblem>),
    Failed(Failure),
}

impl Plugin {
    /// A configured instance: a warm one if there is one, else one that is made now.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Live, Failure> {
        let ready = self.warm.ready.lock().pop();
        self.refill();
        match ready {
            Some(live) => Ok(live),
            None => self.configured().await.map_err(|e| match e {
                NotConfigured::Refused(_) => Failure::Reconfigure,
                NotConfigured::Failed(failure) => failure,
            }),
        }
    }

    /// What it exports.
    pub(crate) fn world(&self) -> World {
        World {
            version: self.contract,
            masker: self.masker,
        }
    }

    /// Makes and configures an instance.
    pub(crate) async fn configured(&self) -> Result<Live, NotConfigured> {
        let image = self.image.load_full();
        let started = Live::start(
            &self.engine,
            &image.component,
            self.world(),
            self.bounds,
            &self.counts,
            &self.in_flight,
        );
        let mut live = started.await.map_err(NotConfigured::Failed)?;
        if !image.configured {
            let answer = live.configure(&self.config).await;
            answer
                .map_err(NotConfigured::Failed)?
                .map_err(NotConfigured::Refused)?;
        }
        Ok(live)
    }

    /// Keeps an instance for the first stream.
    pub(crate) fn keep(&self, live: Live) {
        let mut ready = self.warm.ready.lock();
        if ready.len() < self.warm.target {
            ready.push(live);
        }
    }

    /// Fills the warm list in the background, one instance at a time.
    pub(crate) fn refill(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.warm.ready.lock().len() >= self.warm.target
            || self.warm.refilling.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let plugin = Arc::downgrade(self);
        runtime.spawn(async move {
            while let Some(plugin) = plugin.upgrade() {
                if plugin.warm.ready.lock().len() >= plugin.warm.target {
                    plugin.warm.refilling.store(false, Ordering::Release);
                    return;
                }
                match plugin.configured().await {
                    Ok(live) => plugin.keep(live),
                    // Whoever needs one next gets the error.
                    Err(_) => {
                        plugin.warm.refilling.store(false, Ordering::Release);
                        return;
                    }
                }
                drop(plugin);
                tokio::task::yield_now().await;
            }
        });
    }
}
