//! The keys of masks and what is derived from them. The session's key is random, made at start and written nowhere;
//! the tenant's comes from the configuration by reference. Both live in HMAC contexts, which wipe themselves.
//!
//! It refuses a tenant's key that is short or not random.

use aws_lc_rs::{hmac, rand::SecureRandom, rand::SystemRandom};
use portcullis_model::{SessionId, limits};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What separates one use of a key from another, and this version of the derivation from a later one.
const HASH: &[u8] = b"portcullis/hash/v1\0";
const TOKEN: &[u8] = b"portcullis/token/v1\0";

/// Hexadecimal digits of a hash: within a session it meets few values, within a tenant many.
const SESSION_HASH_HEX: usize = 12;
const TENANT_HASH_HEX: usize = 16;

/// How many different bytes a random key of 32 has at the very least; the chance of fewer is below 2^-60.
const DISTINCT_BYTES_MIN: usize = 16;

/// Why a key is not taken. It never repeats the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// Too short.
    #[error(
        "a tenant's key has at least 256 bits: 32 bytes, as 64 hexadecimal digits or in base64"
    )]
    Short,
    /// Longer than any key has to be.
    #[error("a tenant's key has at most 1,024 bytes")]
    Long,
    /// Repetitions.
    #[error(
        "a tenant's key is random: this one repeats itself; make one with `openssl rand -hex 32`"
    )]
    Repeats,
}

/// The key of one tenant: the same value has the same token in all its sessions.
#[derive(Clone)]
pub struct TenantKey {
    key: Arc<hmac::Key>,
    /// Whatever is to live as long as the key does.
    _with: Option<Arc<dyn Any + Send + Sync>>,
}

impl TenantKey {
    /// A key of these bytes. Whoever holds them wipes them.
    ///
    /// # Errors
    /// [`WeakKey`] when it is too short, or plainly not random.
    pub fn new(bytes: &[u8]) -> Result<Self, WeakKey> {
        if bytes.len() < limits::TENANT_KEY_BYTES_MIN {
            return Err(WeakKey::Short);
        }
        if bytes.len() > limits::TENANT_KEY_BYTES_MAX {
            return Err(WeakKey::Long);
        }
        let mut seen = [false; 256];
        for byte in bytes {
            if let Some(seen) = seen.get_mut(usize::from(*byte)) {
                *seen = true;
            }
        }
        if seen.iter().filter(|seen| **seen).count() < DISTINCT_BYTES_MIN {
            return Err(WeakKey::Repeats);
        }
        Ok(Self {
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
            _with: None,
        })
    }

    /// Keeps something for as long as any stream may use the key: the guard that has it matched in output.
    #[must_use]
    pub fn keeping(self, guard: impl Any + Send + Sync) -> Self {
        Self {
            _with: Some(Arc::new(guard)),
            ..self
        }
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey")
    }
}

/// Where a value is the same as another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    /// Within one session.
    Session(SessionId),
    /// Everywhere.
    Tenant,
}

/// All keys of a set of plugins.
#[derive(Debug)]
pub(super) struct Keys {
    /// New in every process.
    process: Arc<hmac::Key>,
    tenant: Option<TenantKey>,
    /// That the tenant's key is missing has been said.
    missed: AtomicBool,
}

impl Keys {
    pub(super) fn new() -> Result<Self, &'static str> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(&mut *key)
            .map_err(|_| "no random bytes")?;
        Ok(Self {
            process: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &*key)),
            tenant: None,
            missed: AtomicBool::new(false),
        })
    }

    pub(super) fn with(&self, tenant: Option<TenantKey>) -> Self {
        Self {
            process: self.process.clone(),
            tenant,
            missed: AtomicBool::new(false),
        }
    }

    /// A keyed hash in hexadecimal digits; `None` without the key.
    pub(super) fn hash(&self, scope: Scope, entity: &str, value: &[u8]) -> Option<String> {
        let mut hash = hex::encode(self.digest(HASH, scope, entity, value)?);
        hash.truncate(match scope {
            Scope::Session(_) => SESSION_HASH_HEX,
            Scope::Tenant => TENANT_HASH_HEX,
        });
        Some(hash)
    }

    /// Random bytes that are the same for the same value; `None` without the key.
    pub(super) fn stream(&self, scope: Scope, entity: &str, value: &[u8]) -> Option<Keystream> {
        let seed = self.digest(TOKEN, scope, entity, value)?;
        Some(Keystream {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed.as_ref()),
            counter: 0,
            block: [0; 32],
            used: 32,
        })
    }

    fn tenant(&self) -> Option<&hmac::Key> {
        let tenant = self.tenant.as_ref();
        if tenant.is_none() && !self.missed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "policy asks for masks that are the same in all sessions, and `masking.tenant_key` is not set: they are redacted"
            );
        }
        tenant.map(|tenant| &*tenant.key)
    }

    fn digest(
        &self,
        purpose: &[u8],
        scope: Scope,
        entity: &str,
        value: &[u8],
    ) -> Option<hmac::Tag> {
        let mut mac = match scope {
            Scope::Session(session) => {
                let mut mac = hmac::Context::with_key(&self.process);
                mac.update(&session.0.to_be_bytes());
                mac
            }
            Scope::Tenant => hmac::Context::with_key(self.tenant()?),
        };
        mac.update(purpose);
        // Its length in front: no entity and value together read like two others.
        mac.update(&(entity.len() as u64).to_be_bytes());
        mac.update(entity.as_bytes());
        mac.update(value);
        Some(mac.sign())
    }
}

/// Bytes from a key, as many as are asked for: the counter mode of NIST SP 800-108r1 (section 4.1) with HMAC-SHA-256.
/// The value itself is hashed once, into the key of the stream, so that a long one costs no more than its length.
pub(super) struct Keystream {
    key: hmac::Key,
    counter: u32,
    block: [u8; 32],
    used: usize,
}

impl Keystream {
    /// The next byte.
    pub(super) fn byte(&mut self) -> u8 {
        if self.used >= self.block.len() {
            self.counter = self.counter.wrapping_add(1);
            let tag = hmac::sign(&self.key, &self.counter.to_be_bytes());
            for (to, from) in self.block.iter_mut().zip(tag.as_ref()) {
                *to = *from;
            }
            self.used = 0;
        }
        let byte = self.block.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        byte
    }

    /// A number below `bound`, each with the same chance: bytes beyond the last whole multiple are passed over.
    pub(super) fn below(&mut self, bound: u8) -> u8 {
        let bound = bound.max(1);
        let whole = 256 - 256 % u16::from(bound);
        loop {
            let byte = self.byte();
            if u16::from(byte) < whole {
                return byte % bound;
            }
        }
    }

    /// A number below `bound`; the chances differ by less than 2^-64 for bounds of 64 bits.
    pub(super) fn wide(&mut self, bound: u128) -> u128 {
        let mut bytes = [0; 16];
        bytes.fill_with(|| self.byte());
        u128::from_be_bytes(bytes) % bound.max(1)
    }

    /// So many bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.fill_with(|| self.byte());
        bytes
    }
}
