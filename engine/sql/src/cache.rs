//! Facts by exact text, and by shape where they hold for all texts of a shape. Least recently used out first,
//! bounded by entries and by bytes. Nothing else decides what facts are, so nothing makes an entry stale: not
//! role, search path or settings (facts know no catalog), nor policy or plugins (they come later).
//!
//! Refuses: a text with a secret in it, for the cache outlives the session; a text so long that a few of
//! its kind would empty the cache.

use crate::facts::Examined;
use crate::shape::Shape;
use lru::LruCache;
use parking_lot::Mutex;
use portcullis_model::Facts;
use std::collections::hash_map::RandomState;
use std::hash::Hash;
use std::sync::Arc;

/// One entry may take at most this share of the bytes.
const SHARE: usize = 16;
/// Lengths of texts for which the facts of one shape are kept ready.
const LENGTHS_MAX: usize = 64;

pub(crate) struct Cache {
    entries: usize,
    bytes: usize,
    texts: Mutex<Bounded<Arc<str>, Arc<Facts>>>,
    shapes: Mutex<Bounded<Box<[u8]>, Shared>>,
}

/// Facts that hold for a shape. Only where the statement ends depends on the literals, by their length.
struct Shared {
    /// Bytes behind the end of the statement.
    tail: usize,
    weight: usize,
    /// By the length of the text.
    lengths: Vec<(usize, Arc<Facts>)>,
}

impl Shared {
    fn of(text: &str, facts: &Arc<Facts>, weight: usize) -> Option<Self> {
        let end = facts.statements.first()?.span.end as usize;
        Some(Self {
            tail: text.len().checked_sub(end)?,
            // The outline is one for all lengths.
            weight: weight.saturating_sub(outlines(facts)),
            lengths: vec![(text.len(), facts.clone())],
        })
    }

    /// The facts of a text of this length, and what they weigh if they had to be made.
    fn sized(&mut self, length: usize) -> Option<(Arc<Facts>, usize)> {
        let place = match self.lengths.binary_search_by_key(&length, |(l, _)| *l) {
            Ok(found) => return self.lengths.get(found).map(|(_, facts)| (facts.clone(), 0)),
            Err(place) => place,
        };
        let mut facts = (*self.lengths.first()?.1).clone();
        let end = length.checked_sub(self.tail)?;
        facts.statements.first_mut()?.span.end = u32::try_from(end).ok()?;
        let facts = Arc::new(facts);
        if self.lengths.len() >= LENGTHS_MAX {
            return Some((facts, 0));
        }
        self.lengths.insert(place, (length, facts.clone()));
        Some((facts, self.weight))
    }
}

impl Cache {
    /// Texts and shapes may each hold so many entries, and together so many bytes.
    pub(crate) fn new(entries: usize, bytes: usize) -> Self {
        Self {
            entries,
            bytes: bytes / 2,
            texts: Mutex::new(Bounded::new()),
            shapes: Mutex::new(Bounded::new()),
        }
    }

    /// Two locks at most, no allocation where this length of this shape was seen before.
    pub(crate) fn get(&self, text: &str) -> Option<Arc<Facts>> {
        if let Some(shape) = Shape::of(text)
            && let Some(facts) = self.by_shape(&shape, text.len())
        {
            return Some(facts);
        }
        let mut texts = self.texts.lock();
        texts.held.get(text).map(|(facts, _)| facts.clone())
    }

    fn by_shape(&self, shape: &Shape, length: usize) -> Option<Arc<Facts>> {
        let mut shapes = self.shapes.lock();
        let (shared, weight) = shapes.held.get_mut(shape.key())?;
        let (facts, more) = shared.sized(length)?;
        *weight += more;
        shapes.bytes += more;
        shapes.shrink(self.entries, self.bytes);
        Some(facts)
    }

    /// Keeps the facts where they may be kept, and hands them on.
    pub(crate) fn put(&self, text: &Arc<str>, examined: Examined) -> Arc<Facts> {
        let facts = Arc::new(examined.facts);
        let weight = text.len() + weight(&facts);
        if !facts.secrets.is_empty() || weight > self.bytes / SHARE || self.entries == 0 {
            return facts;
        }
        let shape = Shape::of(text).filter(|_| examined.literal_free);
        match shape.and_then(|shape| Some((shape, Shared::of(text, &facts, weight)?))) {
            Some((shape, shared)) => {
                let mut shapes = self.shapes.lock();
                shapes.put(Box::from(shape.key()), shared, weight);
                shapes.shrink(self.entries, self.bytes);
            }
            None => {
                let mut texts = self.texts.lock();
                texts.put(text.clone(), facts.clone(), weight);
                texts.shrink(self.entries, self.bytes);
            }
        }
        facts
    }

    #[cfg(test)]
    pub(crate) fn measure(&self) -> [(usize, usize); 2] {
        let (texts, shapes) = (self.texts.lock(), self.shapes.lock());
        [
            (texts.held.len(), texts.bytes),
            (shapes.held.len(), shapes.bytes),
        ]
    }
}

/// Entries with what they weigh.
struct Bounded<K: Hash + Eq, V> {
    held: LruCache<K, (V, usize), RandomState>,
    bytes: usize,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    fn new() -> Self {
        Self {
            held: LruCache::unbounded_with_hasher(RandomState::new()),
            bytes: 0,
        }
    }

    fn put(&mut self, key: K, value: V, weight: usize) {
        if let Some((_, before)) = self.held.put(key, (value, weight)) {
            self.bytes = self.bytes.saturating_sub(before);
        }
        self.bytes += weight;
    }

    fn shrink(&mut self, entries: usize, bytes: usize) {
        while self.bytes > bytes || self.held.len() > entries {
            let Some((_, (_, freed))) = self.held.pop_lru() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(freed);
        }
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
    EACH + outlines(facts) + facts.statements.iter().map(statement).sum::<usize>()
}

/// About how many bytes the outlines take.
fn outlines(facts: &Facts) -> usize {
    const EACH: usize = 128;
    let outlines = facts.statements.iter().filter_map(|s| s.outline.as_ref());
    outlines.map(|outline| EACH * outline.size).sum()
}
