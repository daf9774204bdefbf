//! The keys of one issuer, fetched, kept and refreshed.
//!
//! It exists because issuers rotate keys, some every few hours, and because a `kid` is chosen by whoever
//! sends the token. It refuses to fetch more than once per cool-down for unknown keys, to lose the last
//! good set over an outage, and to serve it for ever.

use crate::config::{Algorithm, IssuerConfig, Jwks, Naming};
use crate::key_set::{Key, KeySet, NoKey};
use parking_lot::RwLock;
use portcullis_fetch::{Document, FetchError, Fetcher, is_plain};
use portcullis_gate::Clock;
use portcullis_model::{Timestamp, limits};
use std::sync::Arc;
use std::time::Duration;

/// Between two attempts while there are no keys at all.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Between two attempts of the background refresh after a failure.
const REFRESH_RETRY: Duration = Duration::from_secs(60);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoKeys {
    #[error("fetch")]
    Fetch(#[from] FetchError),
    #[error("use the discovery document: it names another issuer, or no key set that may be used")]
    Discovery,
    #[error("use the key set: it holds no usable key")]
    Empty,
}

/// What a search for a key came to.
pub(crate) enum Lookup {
    /// The set that holds candidates.
    Found(Arc<KeySet>),
    /// No such key.
    Missing(NoKey),
    /// No keys: the issuer cannot be reached and none, or too old ones, are remembered.
    Unavailable,
}

/// The cache.
pub(crate) struct KeyCache {
    name: String,
    issuer: String,
    naming: Naming,
    source: Jwks,
    cool_down: Duration,
    fetcher: Fetcher,
    clock: Clock,
    state: RwLock<State>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct State {
    set: Option<Arc<KeySet>>,
    fetched: Timestamp,
    refresh: Timestamp,
    attempted: Option<Timestamp>,
    failed: bool,
}

impl KeyCache {
    /// # Errors
    /// When the authorities cannot be read or inline keys hold none.
    pub(crate) fn new(config: &IssuerConfig, clock: Clock) -> Result<Self, NoKeys> {
        let mut state = State::default();
        if let Jwks::Inline(document) = &config.jwks {
            state.set = Some(Arc::new(usable(document, config.naming)?));
        }
        Ok(Self {
            name: config.name.clone(),
            issuer: config.issuer.clone(),
            naming: config.naming,
            source: config.jwks.clone(),
            cool_down: config.cool_down,
            fetcher: Fetcher::new(config.ca_file.as_deref())?,
            clock,
            state: RwLock::new(state),
            fetching: tokio::sync::Mutex::new(()),
        })
    }

    /// Keys for a token: from memory, else after at most one fetch.
    pub(crate) async fn lookup(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Lookup {
        match self.remembered(id, algorithm) {
            // Inline keys are all there will ever be.
            Lookup::Missing(NoKey::Unknown) | Lookup::Unavailable if !self.is_inline() => {}
            answer => return answer,
        }
        // In a task of its own: a client that hangs up must not waste the one fetch per cool-down.
        let cache = self.clone();
        let before = self.state.read().attempted;
        let fetch = tokio::spawn(async move { cache.fetch_once(before).await });
        if fetch.await.is_err() {
            return Lookup::Unavailable;
        }
        self.remembered(id, algorithm)
    }

    fn is_inline(&self) -> bool {
        matches!(self.source, Jwks::Inline(_))
    }

    fn remembered(&self, id: Option<&str>, algorithm: Algorithm) -> Lookup {
        let state = self.state.read();
        let Some(set) = &state.set else {
            return Lookup::Unavailable;
        };
        if !self.is_inline() && (self.clock)().since(state.fetched) > limits::JWKS_STALE_MAX {
            return Lookup::Unavailable;
        }
        match set.candidates(id, algorithm) {
            Ok(_) => Lookup::Found(set.clone()),
            Err(reason) => Lookup::Missing(reason),
        }
    }

    /// One fetch for everybody who waits, and none within the cool-down.
    async fn fetch_once(&self, before: Option<Timestamp>) {
        let _turn = self.fetching.lock().await;
        let now = (self.clock)();
        let (attempted, wait) = {
            let state = self.state.read();
            let wait = match state.set {
                Some(_) => self.cool_down,
                None => FIRST_RETRY.min(self.cool_down),
            };
            (state.attempted, wait)
        };
        let done_meanwhile = attempted != before;
        let too_soon = attempted.is_some_and(|at| now.since(at) < wait);
        if !done_meanwhile && !too_soon {
            self.fetch(now).await;
        }
    }

    /// Fetches when it is time to; called by the background task.
    pub(crate) async fn refresh_if_due(&self) {
        let now = (self.clock)();
        if now < self.state.read().refresh {
            return;
        }
        let _turn = self.fetching.lock().await;
        self.fetch(now).await;
    }

    async fn fetch(&self, now: Timestamp) {
        if self.is_inline() {
            self.state.write().refresh = now.after(limits::JWKS_STALE_MAX);
            return;
        }
        self.state.write().attempted = Some(now);
        let fetched = self.document().await.and_then(|document| {
            let set = usable(&document.value, self.naming)?;
            Ok((set, document.max_age))
        });
        let mut state = self.state.write();
        match fetched {
            Ok((set, max_age)) => {
                let every = max_age.unwrap_or(limits::JWKS_REFRESH_EVERY);
                let every = every.clamp(REFRESH_RETRY, limits::JWKS_REFRESH_EVERY);
                state.set = Some(Arc::new(set));
                state.fetched = now;
                state.refresh = now.after(every);
                state.failed = false;
            }
            Err(error) => {
                tracing::warn!(issuer = %self.name, %error, "the keys could not be fetched");
                state.refresh = now.after(REFRESH_RETRY);
                state.failed = true;
            }
        }
    }

    async fn document(&self) -> Result<Document, NoKeys> {
        let address = match &self.source {
            Jwks::Url(address) => address.clone(),
            Jwks::Discover | Jwks::Inline(_) => self.discover().await?,
        };
        Ok(self.fetcher.get(&address).await?)
    }

    /// OpenID Connect Discovery 1.0 section 4.
    async fn discover(&self) -> Result<String, NoKeys> {
        let root = self.issuer.trim_end_matches('/');
        let address = format!("{root}/.well-known/openid-configuration");
        let document = self.fetcher.get(&address).await?.value;
        let text = |name: &str| document.get(name).and_then(serde_json::Value::as_str);
        if text("issuer") != Some(self.issuer.as_str()) {
            return Err(NoKeys::Discovery);
        }
        let keys = text("jwks_uri").ok_or(NoKeys::Discovery)?;
        // A remote issuer must not send us to a service on our own machine.
        if is_plain(keys) && !is_plain(root) {
            return Err(NoKeys::Discovery);
        }
        Ok(keys.to_owned())
    }

    /// How many keys are remembered, since when, and whether the last attempt failed.
    pub(crate) fn state(&self) -> (usize, Timestamp, bool) {
        let state = self.state.read();
        let keys = state.set.as_ref().map_or(0, |set| set.len());
        (keys, state.fetched, state.failed)
    }
}

/// The keys of a document, of which there must be some.
fn usable(document: &serde_json::Value, naming: Naming) -> Result<KeySet, NoKeys> {
    KeySet::read(document, naming)
        .filter(|set| set.len() > 0)
        .ok_or(NoKeys::Empty)
}

/// The candidates in a set that [`KeyCache::lookup`] found.
pub(crate) fn candidates<'s>(
    set: &'s KeySet,
    id: Option<&str>,
    algorithm: Algorithm,
) -> Vec<&'s Key> {
    set.candidates(id, algorithm).unwrap_or_default()
}
