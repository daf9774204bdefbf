//! Loading and reloading: bytes and configuration in, a set of plugins out. A set that does not load as a whole does
//! not serve at all; the one before goes on. Streams keep the set that they were opened with.

use crate::artifacts::Artifacts;
use crate::classifiers::Classifiers;
use crate::contract;
use crate::engine::{self, InFlight};
use crate::error::{Failure, LoadError};
use crate::guest::{Bounds, Guest};
use crate::interest::Interest;
use crate::loader::{Inspection, inspect};
use crate::mark::{Marks, TenantKey};
use crate::maskers::Maskers;
use crate::plugin::{Image, NotConfigured, Plugin, Rules, Warm};
use crate::quarantine::Quarantine;
use crate::schema;
use crate::sift::{MASKERS_MAX, Sift};
use crate::slot::{Idlers, Slot, Who};
use crate::snapshot::{self, Maker};
use crate::stats::{Counts, PluginStats};
use arc_swap::ArcSwap;
use lru::LruCache;
use parking_lot::Mutex;
use portcullis_gate::{Classify, Mask};
use portcullis_model::{Protocol, Session, limits};
use portcullis_sdk::manifest::{Limits, World};
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
    /// Configured plugins are kept as snapshots, where there is a cache.
    pub snapshots: bool,
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
            snapshots: true,
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
    snapshots: bool,
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
            sift: Arc::new(Sift::default()),
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
            snapshots: settings.snapshots,
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
        self.load_keyed(specs, None).await
    }

    /// The same with the tenant's key. Without one, what policy wants to be the same in all sessions is redacted.
    ///
    /// # Errors
    /// The first plugin that does not load.
    pub async fn load_keyed(
        self: &Arc<Self>,
        specs: Vec<PluginSpec>,
        tenant: Option<TenantKey>,
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
        let maskers = || plugins.iter().filter(|p| p.masker);
        if maskers().count() > MASKERS_MAX {
            return Err(LoadError::TooMany { most: MASKERS_MAX });
        }
        let sift = Sift::of(maskers())
            .map_err(|(name, detail)| LoadError::ReadManifest { name, detail })?;
        Ok(Arc::new(PluginSet {
            generation: self.generations.fetch_add(1, Ordering::Relaxed) + 1,
            sift: Arc::new(sift),
            plugins,
            idlers: self.idlers.clone(),
            marks: Arc::new(self.marks.with(tenant)),
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
        let (name, plugin, bytes) = blocking
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
        self.freeze(&plugin, bytes);
        Ok(plugin)
    }

    /// Everything that needs no runtime: inspect, compile or read the artifact, link.
    fn prepared(&self, spec: PluginSpec) -> Result<(String, Arc<Plugin>, Vec<u8>), LoadError> {
        let PluginSpec {
            name,
            bytes,
            config,
            sha256,
        } = spec;
        let Inspection {
            digest,
            manifest,
            version,
            ..
        } = inspect(&name, &bytes, sha256.as_deref())?;
        let problems = schema::misfits(manifest.config_schema.as_ref(), &config);
        if !problems.is_empty() {
            return Err(LoadError::Configure { name, problems });
        }
        let interest = Interest::of(&manifest).map_err(|detail| LoadError::ReadManifest {
            name: name.clone(),
            detail,
        })?;
        let compile = |e: wasmtime::Error| LoadError::Compile {
            name: name.clone(),
            detail: format!("{e:#}"),
        };
        let config = config.to_string().into_bytes();
        let image = self.image(&digest, &bytes, &config).map_err(compile)?;
        let label = format!("{}@{}", manifest.name, manifest.version);
        let ledger = self.ledger(&digest, &label, manifest.counters.len());
        let plugin = Plugin {
            rules: Rules::of(&manifest.rules, &label, &digest),
            name: manifest.name,
            version: manifest.version,
            label,
            digest,
            masker: manifest.world == World::Masker,
            contract: version,
            interest,
            needles: manifest.needles,
            facts_only: manifest.facts_only,
            counters: manifest.counters,
            counts: ledger.counts,
            quarantine: ledger.quarantine,
            config,
            engine: self.engine.clone(),
            image: ArcSwap::from_pointee(image),
            bounds: bounds(manifest.limits),
            in_flight: self.in_flight.clone(),
            warm: Warm::new(self.warm),
        };
        Ok((name, Arc::new(plugin), bytes))
    }

    /// What instances are made of: a snapshot if there is one, else the component.
    fn image(&self, digest: &str, bytes: &[u8], config: &[u8]) -> wasmtime::Result<Image> {
        if let Some(image) = self.snapshot(digest, config) {
            return Ok(image);
        }
        let component = self.component(digest, bytes)?;
        Ok(Image {
            component: self.linker.instantiate_pre(&component)?,
            configured: false,
        })
    }

    /// The snapshot of a plugin with this configuration, if one was made before.
    fn snapshot(&self, digest: &str, config: &[u8]) -> Option<Image> {
        let artifacts = self.artifacts.as_ref().filter(|_| self.snapshots)?;
        let artifact = artifacts.read(&snapshot::key(digest, config))?;
        let component = self.trusted(&artifact).ok()?;
        Some(Image {
            component: self.linker.instantiate_pre(&component).ok()?,
            configured: true,
        })
    }

    /// Makes the snapshot in the background; what opens meanwhile is configured one by one.
    fn freeze(self: &Arc<Self>, plugin: &Arc<Plugin>, bytes: Vec<u8>) {
        if self.artifacts.is_none() || !self.snapshots || plugin.image.load().configured {
            return;
        }
        let (sandbox, plugin) = (self.clone(), plugin.clone());
        tokio::task::spawn_blocking(move || match sandbox.frozen(&plugin, &bytes) {
            Ok(image) => plugin.image.store(Arc::new(image)),
            Err(why) => {
                tracing::warn!(plugin = %plugin.label, why, "a plugin cannot be snapshotted: opening it takes longer");
            }
        });
    }

    fn frozen(&self, plugin: &Plugin, bytes: &[u8]) -> Result<Image, String> {
        let says = |e: wasmtime::Error| format!("{e:#}");
        let maker = Maker {
            engine: &self.engine,
            linker: &self.linker,
            world: plugin.world(),
            bounds: plugin.bounds,
            in_flight: &self.in_flight,
        };
        let component = maker.make(bytes, &plugin.config)?;
        let artifact = self.engine.precompile_component(&component).map_err(says)?;
        if let Some(artifacts) = &self.artifacts {
            let key = snapshot::key(&plugin.digest, &plugin.config);
            artifacts.write(&key, &artifact);
        }
        let component = self.trusted(&artifact).map_err(says)?;
        Ok(Image {
            component: self.linker.instantiate_pre(&component).map_err(says)?,
            configured: true,
        })
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
    sift: Arc<Sift>,
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
        let (marks, sift) = (self.marks.clone(), self.sift.clone());
        let mask = Maskers::new(who, marks, sift, slots(true));
        (Box::new(classify), Box::new(mask))
    }

    /// Counts of its plugins.
    #[must_use]
    pub fn stats(&self) -> Vec<PluginStats> {
        let now = Instant::now();
        let of = |p: &Arc<Plugin>| {
            let identity = (p.name.as_str(), p.version.as_str(), p.digest.as_str());
            let mut stats = p
                .counts
                .read(identity, &p.counters, p.quarantine.count(now));
            stats.snapshot = p.image.load().configured;
            stats
        };
        self.plugins.iter().map(of).collect()
    }
}

/// The gateway's limits, or tighter ones of the plugin's own.
fn bounds(own: Limits) -> Bounds {
    let mib = |mib: u32| usize::try_from(mib).map_or(usize::MAX, |mib| mib.saturating_mul(1 << 20));
    let call = own.call_ms.map(|ms| Duration::from_millis(ms.into()));
    Bounds {
        memory: own
            .memory_mib
            .map_or(limits::PLUGIN_MEMORY_MAX, mib)
            .min(limits::PLUGIN_MEMORY_MAX),
        call: call
            .unwrap_or(limits::PLUGIN_CALL_MAX)
            .min(limits::PLUGIN_CALL_MAX),
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
