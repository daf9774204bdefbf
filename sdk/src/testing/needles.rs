//! Soundness of needles: what a masker finds must stand in a cell that the gateway would have shown it. The same
//! automaton as the gateway's is asked. Texts are varied the same way in every run, so a failure stays a failure.

use crate::Manifest;
use crate::needles::Needles;
use crate::sieve::Sieve;
use std::collections::HashMap;

/// Rows that are made of the seeds.
const ROWS: usize = 6000;

/// The needles of a manifest; everything is sound without them.
#[derive(Debug)]
pub(super) struct Sound(Option<(Needles, Sieve)>);

/// Columns in which something may go on, and for how many cells.
#[derive(Debug, Default)]
pub(super) struct Following(HashMap<usize, u32>);

/// A needle stands here, and one that shows what follows.
const HERE: u32 = 1;
const FOLLOWS: u32 = 2;

impl Sound {
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self(manifest.needles.clone().map(|needles| {
            let mut owned = vec![(HERE, needles.any_of.as_slice())];
            if let Some(follow) = &needles.follow {
                owned.push((FOLLOWS, follow.any_of.as_slice()));
            }
            let sieve = Sieve::new(&owned);
            let sieve = sieve.unwrap_or_else(|e| panic!("plugin.json: {e}"));
            (needles, sieve)
        }))
    }

    /// Is there any needle that could be missing?
    pub(super) fn claims(&self) -> bool {
        self.0.is_some()
    }

    /// True when the gateway would show this cell.
    pub(super) fn shows(
        &self,
        following: &mut Following,
        column: usize,
        name: &str,
        cell: &[u8],
    ) -> bool {
        let Some((needles, sieve)) = &self.0 else {
            return true;
        };
        let found = sieve.scan(cell, HERE | FOLLOWS);
        let left = following.0.entry(column).or_default();
        let goes_on = *left > 0;
        *left = left.saturating_sub(1);
        if let Some(follow) = needles.follow.as_ref().filter(|_| found & FOLLOWS != 0) {
            *left = follow.cells;
        }
        found != 0 || goes_on || needles.names(name)
    }
}

/// What is wrong where something is found in a cell that the gateway would not show.
pub(super) fn unsound(cell: &[u8], column: &str, rule: &str) -> String {
    format!(
        "rule `{rule}` finds something in {:?} (column `{column}`), but no needle of plugin.json stands there: \
         the gateway would not show it this cell",
        String::from_utf8_lossy(cell)
    )
}

/// Rows of varied texts.
pub(super) fn variations(seeds: &[&str], width: usize) -> impl Iterator<Item = Vec<Vec<u8>>> {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|s| s.as_bytes().to_vec()).collect();
    (0..ROWS).map(move |_| (0..width).map(|_| dice.varied(&seeds)).collect())
}

/// Numbers that are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn varied(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let pick = self.below(seeds.len());
        let mut text = seeds.get(pick).cloned().unwrap_or_default();
        for _ in 0..self.below(6) {
            self.vary(&mut text, seeds);
        }
        text
    }

    fn vary(&mut self, text: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        const BETWEEN: &[u8] = b" -./()_:,;=@+\"'\t\\\n";
        let at = self.below(text.len() + 1);
        match self.below(9) {
            0 => text.truncate(at),
            1 => drop(text.drain(..at)),
            2 => text.insert(at, BETWEEN[self.below(BETWEEN.len())]),
            3 => text.insert(at, b'0' + self.below(10) as u8),
            4 => text.insert(at, b'a' + self.below(26) as u8),
            5 => {
                let other = self.below(seeds.len());
                text.extend_from_slice(seeds.get(other).map_or(b"", Vec::as_slice));
            }
            6 => text.make_ascii_uppercase(),
            7 => text.make_ascii_lowercase(),
            _ if at < text.len() => {
                let byte = text[at];
                text[at] = match byte {
                    b'0'..=b'9' => b'0' + self.below(10) as u8,
                    b' ' | b'-' | b'.' => BETWEEN[self.below(BETWEEN.len())],
                    _ => byte ^ 0x20,
                };
            }
            _ => {}
        }
    }
}
