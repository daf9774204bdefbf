//! The set of live secrets, and the tripwire over them.
//!
//! It exists so that whoever holds a secret arms it once and drops the guard with it. It refuses weak
//! secrets, and it never tells which secret was hit: a hit is a range.

use crate::encodings::{Needle, needles};
use crate::matcher::Matcher;
use crate::strength::strength;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_gate::Tripwire;
use portcullis_model::limits;
use std::collections::HashMap;
use std::sync::Arc;

/// Why a secret is not matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unarmed {
    /// It is too easy to guess: the mask would confirm the guess.
    #[error("the secret is too weak to be matched in output (about {0} bits)")]
    Weak(u32),
    /// It is longer than a secret may be.
    #[error("the secret is too long to be matched in output")]
    TooLong,
    /// Too many secrets are live.
    #[error("too many secrets are live")]
    TooMany,
}

/// Every live secret of the gateway. Cheap to clone: clones share the set.
#[derive(Clone)]
pub struct Tripwires {
    shared: Arc<Shared>,
}

struct Shared {
    live: Mutex<HashMap<Arc<Needle>, Live>>,
    matcher: ArcSwap<Matcher>,
}

struct Live {
    guards: usize,
    needles: Vec<Arc<Needle>>,
}

impl Tripwires {
    /// None yet.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "an armory is never made by default"
    )]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                live: Mutex::new(HashMap::new()),
                matcher: ArcSwap::from_pointee(Matcher::new(Vec::new())),
            }),
        }
    }

    /// Matches `secret` in all its encodings until the guard is dropped. Arming the same secret again
    /// counts.
    ///
    /// # Errors
    /// [`Unarmed`] when it is weaker than [`limits::TRIPWIRE_BITS_MIN`], too long, or one too many.
    pub fn arm(&self, secret: &[u8]) -> Result<Armed, Unarmed> {
        let bits = strength(secret);
        if bits < limits::TRIPWIRE_BITS_MIN {
            return Err(Unarmed::Weak(bits));
        }
        if secret.len() > limits::SECRET_BYTES_MAX {
            return Err(Unarmed::TooLong);
        }
        let mut live = self.shared.live.lock();
        let forms = needles(secret).into_iter().map(Arc::new);
        let plain = Arc::new(Needle::from(secret));
        if let Some(entry) = live.get_mut(&plain) {
            entry.guards += 1;
        } else if live.len() >= limits::TRIPWIRE_SECRETS_MAX {
            return Err(Unarmed::TooMany);
        } else {
            let entry = Live {
                guards: 1,
                needles: forms.collect(),
            };
            live.insert(plain.clone(), entry);
            self.shared.rebuild(&live);
        }
        Ok(Armed {
            shared: self.shared.clone(),
            plain,
        })
    }

    /// How many secrets are matched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.live.lock().len()
    }

    /// True when nothing is matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes at the end of `text` may be the beginning of a secret.
    #[must_use]
    pub fn partial(&self, text: &[u8]) -> usize {
        self.shared.matcher.load().partial(text)
    }
}

impl Tripwire for Tripwires {
    fn hits(&self, text: &[u8]) -> Vec<(usize, usize)> {
        self.shared.matcher.load().hits(text)
    }

    fn reach(&self) -> usize {
        self.shared.matcher.load().reach()
    }
}

impl Shared {
    fn rebuild(&self, live: &HashMap<Arc<Needle>, Live>) {
        let needles = live.values().flat_map(|entry| entry.needles.clone());
        self.matcher
            .store(Arc::new(Matcher::new(needles.collect())));
    }
}

/// A secret is matched for as long as this lives.
#[must_use = "dropping it disarms the secret"]
pub struct Armed {
    shared: Arc<Shared>,
    plain: Arc<Needle>,
}

impl Drop for Armed {
    fn drop(&mut self) {
        let mut live = self.shared.live.lock();
        if let Some(entry) = live.get_mut(&self.plain) {
            entry.guards -= 1;
            if entry.guards == 0 {
                live.remove(&self.plain);
                self.shared.rebuild(&live);
            }
        }
    }
}

#[cfg(test)]
mod tests;
