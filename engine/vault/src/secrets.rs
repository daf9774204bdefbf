//! Looks secrets up when they are used. What stands on this machine is read every time, so that a rotated file is seen
//! by the next session; what has to be fetched is kept for a bounded time, matched in all output while it is kept, and
//! wiped afterwards.
//!
//! It refuses to use a value beyond its time because a store is down: no secret, no session.

use crate::aws::Account;
use crate::cluster_secret::ClusterSecrets;
use crate::command::SecretCommand;
use crate::error::{Unavailable, VaultError};
use crate::hashicorp::Hashicorp;
use crate::local;
use crate::reference::SecretRef;
use crate::secret::{Secret, Wiped, decoded};
use crate::store::Store;
use parking_lot::Mutex;
use portcullis_gate::BoxFuture;
use portcullis_model::limits;
use portcullis_stream::{Armed, Tripwires, strength};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Where secrets are fetched from.
pub struct Backends {
    /// How long a fetched value is used before it is fetched again.
    pub ttl: Duration,
    /// The encrypted store: its file, and where its key stands.
    pub store: Option<(PathBuf, Source)>,
    /// Commands, by name.
    pub commands: BTreeMap<String, SecretCommand>,
    /// Servers of HashiCorp Vault or OpenBao, by name.
    pub vault: BTreeMap<String, Arc<Hashicorp>>,
    /// AWS accounts, by name.
    pub aws: BTreeMap<String, Arc<Account>>,
    /// The cluster that the gateway runs in.
    pub kubernetes: Option<ClusterSecrets>,
}

impl Backends {
    /// None: what stands on this machine is all there is.
    #[must_use]
    pub fn none() -> Self {
        Self {
            ttl: limits::SECRET_CACHED_FOR,
            store: None,
            commands: BTreeMap::new(),
            vault: BTreeMap::new(),
            aws: BTreeMap::new(),
            kubernetes: None,
        }
    }
}

/// Every backend of one gateway. Cheap to clone: clones share what is kept.
#[derive(Clone)]
pub struct Secrets {
    shared: Arc<Shared>,
}

struct Shared {
    backends: Mutex<Arc<Backends>>,
    kept: Mutex<HashMap<SecretRef, Arc<Slot>>>,
    /// Servers of an earlier configuration: sessions may still hold what they have lent.
    retired: Mutex<Vec<Arc<Hashicorp>>>,
    tripwires: Tripwires,
}

/// One value at a time, and one who fetches it.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Latest>);

/// What became of the latest attempt.
#[derive(Default)]
struct Latest {
    value: Option<(Held, Instant)>,
    failed: Option<Instant>,
}

/// A value in use. It is wiped when nobody holds it any more.
#[derive(Clone)]
pub struct Held(Arc<Kept>);

struct Kept {
    secret: Secret,
    /// While one that was fetched is kept it is matched in all output. A weak one is not: who uses it says whether that
    /// may be.
    _armed: Option<Armed>,
}

impl Held {
    fn unarmed(secret: Secret) -> Self {
        Self(Arc::new(Kept {
            secret,
            _armed: None,
        }))
    }

    fn new(secret: Secret, tripwires: &Tripwires) -> Self {
        let armed = tripwires.arm(secret.expose()).ok();
        Self(Arc::new(Kept {
            secret,
            _armed: armed,
        }))
    }

    /// The value itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// Whether it says of itself when it ends: a JWT with `exp`. Nothing is verified.
    #[must_use]
    pub fn ends(&self) -> bool {
        let claims = self.text().and_then(|token| {
            let mut parts = token.split('.');
            let claims = parts.nth(1).filter(|_| parts.count() == 1)?;
            Wiped::read(decoded(claims.as_bytes())?.to_vec())
        });
        claims.is_some_and(|claims| claims.seconds("/exp").is_some())
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.secret.expose()
    }

    pub(crate) fn text(&self) -> Option<&str> {
        self.0.secret.text()
    }
}

/// What a backend has answered.
pub(crate) struct Fetched {
    pub(crate) secret: Secret,
    /// Shorter than the usual time, where the backend says so.
    pub(crate) ttl: Option<Duration>,
}

impl Secrets {
    /// With these backends.
    #[must_use]
    pub fn new(backends: Backends, tripwires: Tripwires) -> Self {
        Self {
            shared: Arc::new(Shared {
                backends: Mutex::new(Arc::new(backends)),
                kept: Mutex::new(HashMap::new()),
                retired: Mutex::new(Vec::new()),
                tripwires,
            }),
        }
    }

    /// The backends of another one from now on. What was kept is forgotten; what sessions have been lent is theirs until
    /// they end. Call it inside a tokio runtime.
    pub fn adopt(&self, other: &Self) {
        let old = std::mem::replace(&mut *self.shared.backends.lock(), other.backends());
        self.shared.kept.lock().clear();
        for server in old.vault.values() {
            let server = Arc::clone(server);
            self.shared.retired.lock().push(Arc::clone(&server));
            let shared = Arc::downgrade(&self.shared);
            tokio::spawn(async move {
                server.retire().await;
                if let Some(shared) = shared.upgrade() {
                    let mut retired = shared.retired.lock();
                    retired.retain(|one| !Arc::ptr_eq(one, &server));
                }
            });
        }
    }

    /// A secret of these, to be read when it is needed.
    #[must_use]
    pub fn at(&self, reference: SecretRef) -> Source {
        Source {
            reference,
            secrets: self.clone(),
        }
    }

    /// A server of that name.
    ///
    /// # Errors
    /// When there is none in the configuration.
    pub fn vault(&self, name: &str) -> Result<Arc<Hashicorp>, VaultError> {
        let backends = self.backends();
        backends.vault.get(name).cloned().ok_or_else(|| {
            let why = Unavailable::NotConfigured(format!("secrets.vault.{name}"));
            VaultError::Unavailable(format!("vault:{name}"), why)
        })
    }

    /// An account of that name.
    ///
    /// # Errors
    /// When there is none in the configuration.
    pub fn aws(&self, name: &str) -> Result<Arc<Account>, VaultError> {
        let backends = self.backends();
        backends.aws.get(name).cloned().ok_or_else(|| {
            let why = Unavailable::NotConfigured(format!("secrets.aws.{name}"));
            VaultError::Unavailable(format!("aws:{name}"), why)
        })
    }

    /// Gives back what the gateway holds of the servers, at its end, at most this long.
    pub async fn settle(&self, within: Duration) {
        let backends = self.backends();
        let retired = self.shared.retired.lock().clone();
        let all = async {
            for server in backends.vault.values().chain(&retired) {
                server.settle().await;
            }
        };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!("leases remain on a Vault server; they end by themselves");
        }
    }

    fn backends(&self) -> Arc<Backends> {
        Arc::clone(&self.shared.backends.lock())
    }

    async fn read(&self, reference: &SecretRef) -> Result<Held, VaultError> {
        if reference.is_local() {
            // Whoever uses it has it matched for as long: it may be read for every request.
            return Ok(Held::unarmed(self.local(reference).await?));
        }
        let slot = self.slot(reference);
        let asked = Instant::now();
        let mut latest = slot.0.lock().await;
        if let Some((held, until)) = &latest.value
            && Instant::now() < *until
        {
            return Ok(held.clone());
        }
        latest.value = None;
        let backends = self.backends();
        let named = |why| VaultError::Unavailable(reference.to_string(), why);
        // Whoever has waited for an attempt that failed does not wait for another one of their own.
        if latest.failed.is_some_and(|failed| failed >= asked) {
            return Err(named(Unavailable::Recently));
        }
        let fetched = match self.fetch(&backends, reference).await {
            Ok(fetched) => fetched,
            Err(why) => {
                latest.failed = Some(Instant::now());
                return Err(named(why));
            }
        };
        let ttl = fetched.ttl.unwrap_or(backends.ttl).min(backends.ttl);
        let held = Held::new(fetched.secret, &self.shared.tripwires);
        let until = Instant::now() + ttl;
        latest.value = Some((held.clone(), until));
        tokio::spawn(forget(Arc::downgrade(&slot), until));
        Ok(held)
    }

    async fn local(&self, reference: &SecretRef) -> Result<Secret, VaultError> {
        let SecretRef::Store(name) = reference else {
            return local::read(reference);
        };
        let named = |why| VaultError::Unavailable(reference.to_string(), why);
        let backends = self.backends();
        let Some((path, key)) = &backends.store else {
            let section = "secrets.store".to_owned();
            return Err(named(Unavailable::NotConfigured(section)));
        };
        // The key stands in a backend that has no store of its own, so this ends.
        let key = key.read().await?;
        let (store, name) = (Store::at(path), name.clone());
        // A file of up to [`limits::STORE_BYTES_MAX`], every entry of which is looked at.
        let found = tokio::task::spawn_blocking(move || store.get(key.secret(), &name)).await;
        match found {
            Ok(found) => found.map_err(|error| named(Unavailable::Store(error))),
            // The runtime is going down.
            Err(_) => Err(named(Unavailable::Late)),
        }
    }

    async fn fetch(
        &self,
        backends: &Backends,
        reference: &SecretRef,
    ) -> Result<Fetched, Unavailable> {
        let absent = || match reference.needs() {
            Some((section, "")) => Unavailable::NotConfigured(format!("secrets.{section}")),
            Some((section, name)) => {
                Unavailable::NotConfigured(format!("secrets.{section}.{name}"))
            }
            None => Unavailable::Missing,
        };
        match reference {
            SecretRef::Command { name, field } => {
                let command = backends.commands.get(name).ok_or_else(absent)?;
                command.run(field.as_deref().unwrap_or("value")).await
            }
            SecretRef::Vault {
                server,
                path,
                field,
            } => {
                let server = backends.vault.get(server).ok_or_else(absent)?;
                server.kv(path, field).await
            }
            SecretRef::Aws {
                account,
                secret,
                field,
            } => {
                let account = backends.aws.get(account).ok_or_else(absent)?;
                account.secret(secret, field.as_deref()).await
            }
            SecretRef::Kubernetes {
                namespace,
                name,
                key,
            } => {
                let cluster = backends.kubernetes.as_ref().ok_or_else(absent)?;
                cluster.secret(namespace, name, key).await
            }
            SecretRef::Env(_)
            | SecretRef::File(_)
            | SecretRef::Systemd(_)
            | SecretRef::Store(_) => Err(Unavailable::Missing),
        }
    }

    fn slot(&self, reference: &SecretRef) -> Arc<Slot> {
        let mut kept = self.shared.kept.lock();
        if let Some(slot) = kept.get(reference) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot::default());
        // References come from the configuration alone: a bound that is never met there.
        if kept.len() < limits::SECRETS_CACHED_MAX {
            kept.insert(reference.clone(), Arc::clone(&slot));
        }
        slot
    }
}

/// A value that nobody asks for is not kept any longer than one that somebody does.
async fn forget(slot: Weak<Slot>, until: Instant) {
    tokio::time::sleep_until(until).await;
    let Some(slot) = slot.upgrade() else {
        return;
    };
    let mut latest = slot.0.lock().await;
    if latest.value.as_ref().is_some_and(|(_, at)| *at <= until) {
        latest.value = None;
    }
}

/// A secret by reference, and where to look it up. Safe to print: it shows the reference.
#[derive(Clone)]
pub struct Source {
    reference: SecretRef,
    secrets: Secrets,
}

impl Source {
    /// The secret as it is now, or was within its time.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn read(&self) -> BoxFuture<'_, Result<Held, VaultError>> {
        Box::pin(self.secrets.read(&self.reference))
    }

    /// What is no secret and stands beside one: nobody is warned that others may read its file.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub(crate) async fn public(&self) -> Result<Held, VaultError> {
        match &self.reference {
            SecretRef::File(path) => Ok(Held::unarmed(local::read_public(path)?)),
            _ => self.read().await,
        }
    }

    /// The gateway's own secret as a client of a login provider. It is the one kind that leaves this crate: it opens
    /// no target.
    ///
    /// # Errors
    /// As [`Source::read`], and when it is no text.
    pub async fn client_secret(&self) -> Result<Zeroizing<String>, VaultError> {
        let held = self.read().await?;
        let text = held.text().map(|text| Zeroizing::new(text.to_owned()));
        text.ok_or_else(|| VaultError::Secret(self.to_string()))
    }

    /// For `check`: the estimated bits of the secret when it is too weak to be matched in output.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn weak(&self) -> Result<Option<u32>, VaultError> {
        let bits = strength(self.read().await?.expose());
        Ok((bits < limits::TRIPWIRE_BITS_MIN).then_some(bits))
    }

    /// What is wrong with how it is kept, if anything: for `check`.
    #[must_use]
    pub fn exposed(&self) -> Option<&'static str> {
        local::exposed(&self.reference)
    }

    /// The reference.
    #[must_use]
    pub fn reference(&self) -> &SecretRef {
        &self.reference
    }

    #[cfg(test)]
    pub(crate) fn of_file(path: &std::path::Path) -> Self {
        let secrets = Secrets::new(Backends::none(), Tripwires::new());
        secrets.at(SecretRef::File(path.to_owned()))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.fmt(f)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.fmt(f)
    }
}

#[cfg(test)]
mod tests;
