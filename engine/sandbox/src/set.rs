//! Loading and reloading: bytes and configuration in, a set of plugins out. A set that does not load as a whole does
//! not serve at all; the one before goes on. Streams keep the set that they were opened with.

use crate::artifacts::Artifacts;
use crate::contract;
use crate::engine::{self, InFlight};
use crate::error::{Failure, LoadError};
use crate::guest::{Bounds, Guest};
use crate::interest::Interest;
use crate::loader::{Inspection, inspect};
use crate::mark::Marks;
use crate::plugin::{NotConfigured, Plugin, Rules, Warm};
use crate::quarantine::Quarantine;
use crate::slot::{Idlers, Slot, Who};
use crate::stats::{Counts, PluginStats};
use crate::stream::{Classifiers, Flat, Masker, Maskers};
use arc_swap::ArcSwap;
use lru::LruCache;
use parking_lot::Mutex;
use portcullis_gate::{Classify, Mask};
use portcullis_model::{Protocol, Session, limits};
use portcullis_sdk::manifest::World;
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// Compiled components kept in memory, so that a reload that changes a configuration compiles nothing.
const COMPONENTS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where compiled plugins are kept; none means that every start compiles.
    pub cache_dir: Option<PathBuf>,
    /// Live instances at most.
    pub instances: u32,
    /// Configured instances kept ready per plugin.
    pub warm: usize,
    /// An instance that was not called for so long is dropped.
    pub idle: Duration,
}

impl Settings {
    /// The limits of the gateway, and no cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cache_dir: None,
            instances: limits::PLUGIN_INSTANCES_MAX,
            warm: 4,
            idle: limits::PLUGIN_IDLE_MAX,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// One plugin as configured.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// The name in the configuration, for messages.
    pub name: String,
    /// The component.
    pub bytes: Vec<u8>,
    /// Its configuration.
    pub config: serde_json::Value,
    /// The sha256 that it must have, in hex, `sha256:` in front or not.
    pub sha256: Option<String>,
}

/// What outlives a generation, by digest.
#[derive(Clone)]
struct Ledger {
    counts: Arc<Counts>,
    quarantine: Arc<Quarantine>,
}

/// The engine and everything that is shared between sets of plugins. One per process.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<Guest>,
    artifacts: Option<Artifacts>,
    components: Mutex<LruCache<String, Component>>,
    ledgers: Mutex<HashMap<String, Ledger>>,
    in_flight: Arc<InFlight>,
    idlers: Arc<Idlers>,
    marks: Arc<Marks>,
    warm: usize,
    generations: AtomicU64,
    serving: ArcSwap<PluginSet>,
}

impl Sandbox {
    /// Starts the engine, its ticker and the sweeper of idle instances.
    ///
    /// # Errors
    /// When the engine or the cache cannot be used on this machine.
    pub fn new(settings: &Settings) -> Result<Arc<Self>, LoadError> {
        let engine = engine::engine(settings.instances)?;
        let in_flight = Arc::new(InFlight::default());
        engine::start_ticker(&engine, &in_flight)?;
        let mut linker = Linker::new(&engine);
        contract::link_host(&mut linker).map_err(|e| LoadError::StartEngine(format!("{e:#}")))?;
        let artifacts = match &settings.cache_dir {
            Some(folder) => Some(Artifacts::open(folder, &engine)?),
            None => None,
        };
        let idlers = Arc::new(Idlers::default());
        start_sweeper(&idlers, settings.idle)?;
        let marks = Arc::new(Marks::new()?);
        let nothing = PluginSet {
            generation: 0,
            plugins: Vec::new(),
            idlers: idlers.clone(),
            marks: marks.clone(),
        };
        Ok(Arc::new(Self {
            engine,
            linker,
            artifacts,
            components: Mutex::new(LruCache::new(COMPONENTS_MAX)),
            ledgers: Mutex::new(HashMap::new()),
            in_flight,
            idlers,
            marks,
            warm: settings.warm,
            generations: AtomicU64::new(0),
            serving: ArcSwap::from_pointee(nothing),
        }))
    }

    /// Loads, configures and warms a set of plugins. Nothing serves it yet: see [`Sandbox::serve`].
    /// Needs a tokio runtime; compiling happens on its blocking threads.
    ///
    /// # Errors
    /// The first plugin that does not load.
    pub async fn load(
        self: &Arc<Self>,
        specs: Vec<PluginSpec>,
    ) -> Result<Arc<PluginSet>, LoadError> {
        let mut names = BTreeSet::new();
        for spec in &specs {
            if !names.insert(spec.name.clone()) {
                let name = spec.name.clone();
                return Err(LoadError::NameTwice { name });
            }
        }
        let mut plugins = Vec::with_capacity(specs.len());
        for spec in specs {
            plugins.push(self.plugin(spec).await?);
        }
        Ok(Arc::new(PluginSet {
            generation: self.generations.fetch_add(1, Ordering::Relaxed) + 1,
            plugins,
            idlers: self.idlers.clone(),
            marks: self.marks.clone(),
        }))
    }

    /// New streams use this set from now on; those that are open keep theirs.
    pub fn serve(&self, set: Arc<PluginSet>) {
        tracing::info!(generation = set.generation, "plugins serve");
        self.serving.store(set);
    }

    /// The set that serves new streams; an empty one before the first.
    #[must_use]
    pub fn serving(&self) -> Arc<PluginSet> {
        self.serving.load_full()
    }

    /// Counts of the plugins that serve.
    #[must_use]
    pub fn stats(&self) -> Vec<PluginStats> {
        self.serving.load().stats()
    }

    async fn plugin(self: &Arc<Self>, spec: PluginSpec) -> Result<Arc<Plugin>, LoadError> {
        let sandbox = self.clone();
        let blocking = tokio::task::spawn_blocking(move || sandbox.prepared(spec));
        let (name, plugin) = blocking
            .await
            .map_err(|e| LoadError::StartEngine(format!("a plugin was not compiled: {e}")))??;
        match plugin.configured().await {
            Ok(live) => plugin.keep(live),
            Err(NotConfigured::Refused(problems)) => {
                return Err(LoadError::Configure { name, problems });
            }
            Err(NotConfigured::Failed(Failure::World(detail))) => {
                let world = if plugin.masker {
                    "masker"
                } else {
                    "classifier"
                };
                return Err(LoadError::MatchWorld {
                    name,
                    world,
                    detail,
                });
            }
            Err(NotConfigured::Failed(failure)) => return Err(LoadError::Start { name, failure }),
        }
        plugin.refill();
        Ok(plugin)
    }

    /// Everything that needs no runtime: inspect, compile or read the artifact, link.
    fn prepared(&self, spec: PluginSpec) -> Result<(String, Arc<Plugin>), LoadError> {
        let PluginSpec {
            name,
            bytes,
            config,
            sha256,
        } = spec;
        let Inspection {
            digest, manifest, ..
        } = inspect(&name, &bytes, sha256.as_deref())?;
        let interest = Interest::of(&manifest).map_err(|detail| LoadError::ReadManifest {
            name: name.clone(),
            detail,
        })?;
        let compile = |e: wasmtime::Error| LoadError::Compile {
            name: name.clone(),
            detail: format!("{e:#}"),
        };
        let component = self.component(&digest, &bytes).map_err(compile)?;
        let component = self.linker.instantiate_pre(&component).map_err(compile)?;
        let label = format!("{}@{}", manifest.name, manifest.version);
        let ledger = self.ledger(&digest, &label, manifest.counters.len());
        let mib = |mib: u32| {
            usize::try_from(mib)
                .unwrap_or(usize::MAX)
                .saturating_mul(1 << 20)
        };
        let bounds = Bounds {
            memory: manifest
                .limits
                .memory_mib
                .map_or(limits::PLUGIN_MEMORY_MAX, mib)
                .min(limits::PLUGIN_MEMORY_MAX),
            call: manifest
                .limits
                .call_ms
                .map_or(limits::PLUGIN_CALL_MAX, |ms| {
                    Duration::from_millis(ms.into())
                })
                .min(limits::PLUGIN_CALL_MAX),
        };
        let plugin = Plugin {
            rules: Rules::of(&manifest.rules, &label),
            name: manifest.name,
            version: manifest.version,
            label,
            digest,
            masker: manifest.world == World::Masker,
            interest,
            counters: manifest.counters,
            counts: ledger.counts,
            quarantine: ledger.quarantine,
            config: config.to_string().into_bytes(),
            engine: self.engine.clone(),
            component,
            bounds,
            in_flight: self.in_flight.clone(),
            warm: Warm::new(self.warm),
        };
        Ok((name, Arc::new(plugin)))
    }

    /// The compiled component: from memory, from a genuine artifact, or compiled now.
    fn component(&self, digest: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        if let Some(component) = self.components.lock().get(digest) {
            return Ok(component.clone());
        }
        let component = match &self.artifacts {
            None => Component::from_binary(&self.engine, bytes)?,
            Some(artifacts) => match artifacts.read(digest) {
                Some(artifact) => self.trusted(&artifact)?,
                None => {
                    let artifact = self.engine.precompile_component(bytes)?;
                    artifacts.write(digest, &artifact);
                    self.trusted(&artifact)?
                }
            },
        };
        self.components
            .lock()
            .put(digest.to_owned(), component.clone());
        Ok(component)
    }

    fn trusted(&self, artifact: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: these very bytes came out of `precompile_component`: just now in this process, or
        // earlier and then under a MAC, made with a key that only this user can read, over the
        // artifact, the component's digest and the engine's compatibility hash.
        unsafe { Component::deserialize(&self.engine, artifact) }
    }

    fn ledger(&self, digest: &str, label: &str, counters: usize) -> Ledger {
        let mut ledgers = self.ledgers.lock();
        let new = || Ledger {
            counts: Arc::new(Counts::new(label.to_owned(), counters)),
            quarantine: Arc::new(Quarantine::default()),
        };
        ledgers.entry(digest.to_owned()).or_insert_with(new).clone()
    }
}

/// A set of plugins that serve together: one generation.
pub struct PluginSet {
    generation: u64,
    plugins: Vec<Arc<Plugin>>,
    idlers: Arc<Idlers>,
    marks: Arc<Marks>,
}

impl PluginSet {
    /// Counts up with every set that was loaded.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// `name@version` and sha256 of every plugin, for the record.
    #[must_use]
    pub fn names(&self) -> Vec<(String, String)> {
        let of = |p: &Arc<Plugin>| (p.label.clone(), p.digest.clone());
        self.plugins.iter().map(of).collect()
    }

    /// The plugins of one stream. No instance is made before the first message that one of them is
    /// interested in, and none is shared with any other stream.
    #[must_use]
    pub fn stream(
        &self,
        session: &Session,
        protocol: Protocol,
    ) -> (Box<dyn Classify>, Box<dyn Mask>) {
        let who = Arc::new(Who::of(session, protocol));
        let slots = |masker: bool| {
            let of = self.plugins.iter().filter(move |p| p.masker == masker);
            of.map(|p| Slot::new(p, &self.idlers))
        };
        let classify = Classifiers {
            who: who.clone(),
            slots: slots(false).collect(),
        };
        let mask = Maskers {
            who,
            marks: self.marks.clone(),
            slots: slots(true).map(Masker::new).collect(),
            flat: Flat::default(),
        };
        (Box::new(classify), Box::new(mask))
    }

    /// Counts of its plugins.
    #[must_use]
    pub fn stats(&self) -> Vec<PluginStats> {
        let now = Instant::now();
        let of = |p: &Arc<Plugin>| {
            let identity = (p.name.as_str(), p.version.as_str(), p.digest.as_str());
            p.counts
                .read(identity, &p.counters, p.quarantine.count(now))
        };
        self.plugins.iter().map(of).collect()
    }
}

fn start_sweeper(idlers: &Arc<Idlers>, idle: Duration) -> Result<(), LoadError> {
    let idlers = Arc::downgrade(idlers);
    let pause = (idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(5));
    let sweep = move || {
        while let Some(idlers) = idlers.upgrade() {
            idlers.sweep(idle);
            drop(idlers);
            thread::sleep(pause);
        }
    };
    let named = thread::Builder::new().name("plugin-sweeper".to_owned());
    named
        .spawn(sweep)
        .map(drop)
        .map_err(|e| LoadError::StartEngine(format!("no thread for the sweeper: {e}")))
}
