//! Counts per plugin, for metrics and `portcullis plugin list`. Numbers and names only.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a plugin has done so far, over all its generations with the same digest and configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginStats {
    /// Its name, as the manifest says.
    pub name: String,
    /// Its version.
    pub version: String,
    /// sha256 of the component, hex.
    pub digest: String,
    /// Calls on the data path.
    pub calls: u64,
    /// Of these, failed ones.
    pub failures: u64,
    /// Time that its calls took of a worker, in any function; yields are not counted.
    pub nanoseconds: u64,
    /// Bytes of text that it was shown.
    pub bytes: u64,
    /// Linear memory of its instances, in bytes.
    pub memory: u64,
    /// Edits made of its reports.
    pub edits: u64,
    /// Instances that exist, warm ones included.
    pub live_instances: u64,
    /// Identity and target pairs for which it is in quarantine.
    pub quarantined: u64,
    /// Its instances begin configured: opening one costs microseconds.
    pub snapshot: bool,
    /// Its own counters, by name.
    pub counters: BTreeMap<String, u64>,
}

/// The counts behind [`PluginStats`].
#[derive(Debug)]
pub(crate) struct Counts {
    /// `name@version`, for logs.
    pub(crate) plugin: String,
    calls: AtomicU64,
    failures: AtomicU64,
    nanoseconds: AtomicU64,
    edits: AtomicU64,
    bytes: AtomicU64,
    memory: AtomicU64,
    live: AtomicU64,
    own: Mutex<BTreeMap<u32, u64>>,
    own_len: u32,
}

impl Counts {
    pub(crate) fn new(plugin: String, counters: usize) -> Self {
        Self {
            plugin,
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            edits: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            live: AtomicU64::new(0),
            own: Mutex::new(BTreeMap::new()),
            own_len: u32::try_from(counters).unwrap_or(0),
        }
    }

    pub(crate) fn called(&self, failed: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn spent(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn shown(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn grown(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn shrunk(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn edited(&self, edits: usize) {
        let edits = u64::try_from(edits).unwrap_or(u64::MAX);
        self.edits.fetch_add(edits, Ordering::Relaxed);
    }

    pub(crate) fn born(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gone(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// A counter of the plugin's own; what the manifest does not name is dropped.
    pub(crate) fn own(&self, counter: u32, by: u64) {
        if counter < self.own_len {
            let mut own = self.own.lock();
            let sum = own.entry(counter).or_default();
            *sum = sum.saturating_add(by);
        }
    }

    pub(crate) fn read(
        &self,
        identity: (&str, &str, &str),
        counters: &[String],
        quarantined: usize,
    ) -> PluginStats {
        let (name, version, digest) = identity;
        let own = self.own.lock();
        let named = (0u32..).zip(counters).map(|(index, name)| {
            let value = own.get(&index).copied().unwrap_or(0);
            (name.clone(), value)
        });
        PluginStats {
            name: name.to_owned(),
            version: version.to_owned(),
            digest: digest.to_owned(),
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            nanoseconds: self.nanoseconds.load(Ordering::Relaxed),
            edits: self.edits.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            memory: self.memory.load(Ordering::Relaxed),
            live_instances: self.live.load(Ordering::Relaxed),
            quarantined: u64::try_from(quarantined).unwrap_or(u64::MAX),
            snapshot: false,
            counters: named.collect(),
        }
    }
}
