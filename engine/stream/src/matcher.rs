//! Finds any of many needles in a text: Wu and Manber, "A fast algorithm for multi-pattern searching"
//! (1994), with blocks of four bytes.
//!
//! It exists in place of an Aho-Corasick automaton for two reasons: it jumps (all needles are long, so
//! most of a text is never looked at, however many sessions are live), and its tables hold hashes only, so
//! that wiping the needles wipes the secrets. It refuses needles shorter than a block.

use crate::encodings::Needle;
use std::collections::HashMap;
use std::sync::Arc;

const BLOCK: usize = 4;
const WINDOW_MAX: usize = 64;
const TABLE_BITS: std::ops::RangeInclusive<u32> = 12..=20;

/// A set of needles, ready to be searched for. Immutable: a change builds another.
pub(crate) struct Matcher {
    /// Sorted, for `partial`.
    needles: Vec<Arc<Needle>>,
    window: usize,
    reach: usize,
    table_shift: u32,
    /// By hash of the window's last block: how far the window may move.
    jumps: Vec<u8>,
    /// By hash of the whole window: the needles that begin so.
    starts: HashMap<u32, Vec<u32>>,
}

impl Matcher {
    /// Builds the tables.
    pub(crate) fn new(mut needles: Vec<Arc<Needle>>) -> Self {
        needles.retain(|needle| needle.len() >= BLOCK);
        needles.sort();
        needles.dedup();
        let reach = needles.iter().map(|n| n.len()).max().unwrap_or(0);
        let window = needles.iter().map(|n| n.len()).min().unwrap_or(0);
        let window = window.min(WINDOW_MAX);
        let blocks = needles.len() * window;
        let bits = (blocks * 8)
            .next_power_of_two()
            .trailing_zeros()
            .clamp(*TABLE_BITS.start(), *TABLE_BITS.end());
        let mut matcher = Self {
            window,
            reach,
            table_shift: 32 - bits,
            jumps: Vec::new(),
            starts: HashMap::new(),
            needles,
        };
        matcher.fill(bits);
        matcher
    }

    fn fill(&mut self, bits: u32) {
        let Some(furthest) = (self.window + 1).checked_sub(BLOCK) else {
            return;
        };
        let furthest = u8::try_from(furthest).unwrap_or(u8::MAX);
        self.jumps = vec![furthest; 1 << bits];
        for (number, needle) in (0_u32..).zip(&self.needles) {
            let head = needle.get(..self.window).unwrap_or_default();
            for (at, block) in head.windows(BLOCK).enumerate() {
                let slot = slot(block, self.table_shift);
                let jump = u8::try_from(self.window - BLOCK - at).unwrap_or(0);
                if let Some(entry) = self.jumps.get_mut(slot) {
                    *entry = jump.min(*entry);
                }
            }
            self.starts.entry(fold(head)).or_default().push(number);
        }
    }

    /// Length of the longest needle.
    pub(crate) fn reach(&self) -> usize {
        self.reach
    }

    /// Ranges where needles stand, sorted; those that overlap or touch are one.
    pub(crate) fn hits(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        if self.window == 0 || text.len() < self.window {
            return found;
        }
        let mut start = 0;
        while let Some(window) = text.get(start..start + self.window) {
            let Some(block) = window.last_chunk::<BLOCK>() else {
                break;
            };
            let jump = self
                .jumps
                .get(slot(block, self.table_shift))
                .copied()
                .unwrap_or(0);
            if jump != 0 {
                start += usize::from(jump);
                continue;
            }
            if let Some(end) = self.longest_at(window, text.get(start..).unwrap_or_default()) {
                merge(&mut found, (start, start + end));
            }
            start += 1;
        }
        found
    }

    /// Length of the longest needle that `rest` begins with.
    fn longest_at(&self, window: &[u8], rest: &[u8]) -> Option<usize> {
        self.starts
            .get(&fold(window))?
            .iter()
            .filter_map(|number| self.needles.get(usize::try_from(*number).ok()?))
            .filter(|needle| rest.starts_with(needle))
            .map(|needle| needle.len())
            .max()
    }

    /// How many bytes at the end of `text` may be the beginning of a needle: they have to be seen again.
    pub(crate) fn partial(&self, text: &[u8]) -> usize {
        let most = text.len().min(self.reach.saturating_sub(1));
        let earliest = text.len() - most;
        (earliest..text.len())
            .find(|start| {
                text.get(*start..)
                    .is_some_and(|tail| self.begins_needle(tail))
            })
            .map_or(0, |start| text.len() - start)
    }

    fn begins_needle(&self, tail: &[u8]) -> bool {
        let at = self.needles.partition_point(|n| &***n < tail);
        self.needles.get(at).is_some_and(|n| n.starts_with(tail))
    }
}

fn slot(block: &[u8], table_shift: u32) -> usize {
    let word = block
        .first_chunk::<BLOCK>()
        .map_or(0, |b| u32::from_le_bytes(*b));
    usize::try_from(word.wrapping_mul(0x9e37_79b1) >> table_shift).unwrap_or(0)
}

/// FNV-1a, 32 bits: says little about the 10 bytes or more that go in.
fn fold(window: &[u8]) -> u32 {
    window.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn merge(found: &mut Vec<(usize, usize)>, next: (usize, usize)) {
    match found.last_mut() {
        Some(last) if next.0 <= last.1 => last.1 = last.1.max(next.1),
        _ => found.push(next),
    }
}
