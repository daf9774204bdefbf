//! Facts by exact text, least recently used out first, bounded by entries and by bytes.
//!
//! Refuses: a text with a secret in it, for the cache outlives the session; a text so long that a few of
//! its kind would empty the cache.

use lru::LruCache;
use parking_lot::Mutex;
use portcullis_model::Facts;
use std::collections::hash_map::RandomState;
use std::sync::Arc;

/// One entry may take at most this share of the bytes.
const SHARE: usize = 16;

pub(crate) struct Cache {
    entries: usize,
    bytes: usize,
    held: Mutex<Held>,
}

struct Held {
    texts: LruCache<Arc<str>, (Arc<Facts>, usize), RandomState>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn new(entries: usize, bytes: usize) -> Self {
        Self {
            entries,
            bytes,
            held: Mutex::new(Held {
                texts: LruCache::unbounded_with_hasher(RandomState::new()),
                bytes: 0,
            }),
        }
    }

    /// One lock, no allocation.
    pub(crate) fn get(&self, text: &str) -> Option<Arc<Facts>> {
        let mut held = self.held.lock();
        held.texts.get(text).map(|(facts, _)| facts.clone())
    }

    pub(crate) fn put(&self, text: &Arc<str>, facts: &Arc<Facts>) {
        let weight = text.len() + weight(facts);
        if !facts.secrets.is_empty() || weight > self.bytes / SHARE || self.entries == 0 {
            return;
        }
        let mut held = self.held.lock();
        if let Some((_, before)) = held.texts.put(text.clone(), (facts.clone(), weight)) {
            held.bytes = held.bytes.saturating_sub(before);
        }
        held.bytes += weight;
        while held.bytes > self.bytes || held.texts.len() > self.entries {
            let Some((_, (_, freed))) = held.texts.pop_lru() else {
                break;
            };
            held.bytes = held.bytes.saturating_sub(freed);
        }
    }

    #[cfg(test)]
    pub(crate) fn measure(&self) -> (usize, usize) {
        let held = self.held.lock();
        (held.texts.len(), held.bytes)
    }
}

/// About how many bytes the facts take.
fn weight(facts: &Facts) -> usize {
    const EACH: usize = 64;
    let statement = |s: &portcullis_model::StatementFacts| {
        let objects: usize = s.objects.iter().map(|o| o.name.len() + 2 * EACH).sum();
        let words = s.columns.iter().chain(&s.functions).chain(&s.moves);
        let words = words.chain(&s.labels);
        let outputs = s.outputs.iter().flatten().flatten();
        let words: usize = words.chain(outputs).map(|w| w.len() + EACH).sum();
        8 * EACH + objects + words + 8 * EACH * s.changes.len()
    };
    EACH + facts.statements.iter().map(statement).sum::<usize>()
}
