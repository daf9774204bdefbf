//! Labelled corpora for detectors: values of every entity, in cells as databases have them, near misses of each, and text
//! that holds nothing at all. Generated from fixed seeds, so that every run sees the same; check digits are computed
//! here by other means than in the detectors. Nobody's data is in here.

mod americas;
pub mod clean;
mod digits;
mod europe;
pub mod judge;
mod lorem;
pub mod secrets;
mod tokens;
mod world;

use std::fmt::Write as _;

/// A cell, and what a detector has to find in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The entity.
    pub entity: &'static str,
    /// A finer name: the vendor, the form.
    pub kind: String,
    /// The column's name.
    pub column: String,
    /// The cell.
    pub text: String,
    /// What must be covered; empty in a near miss.
    pub value: String,
}

/// Values and near misses.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// Each holds its value.
    pub positives: Vec<Case>,
    /// Each looks like one and is none.
    pub misses: Vec<Case>,
}

/// Personal data.
#[must_use]
pub fn personal() -> Corpus {
    let mut corpus = Corpus::default();
    world::fill(&mut corpus);
    europe::fill(&mut corpus);
    americas::fill(&mut corpus);
    corpus
}

/// Numbers without a clock: splitmix64.
#[derive(Clone, Debug)]
pub struct Dice(std::cell::Cell<u64>);

impl Dice {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(std::cell::Cell::new(seed))
    }

    /// The next number.
    pub fn roll(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `n - 1`.
    pub fn below(&self, n: u64) -> u64 {
        self.roll() % n
    }

    /// From `low` to `high`.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// One of these.
    pub fn pick<'a, T: ?Sized>(&self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }

    /// So many characters of these.
    pub fn text(&self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..length)
            .map(|_| alphabet[self.below(alphabet.len() as u64) as usize])
            .collect()
    }

    /// So many digits.
    pub fn digits(&self, length: usize) -> String {
        self.text("0123456789", length)
    }
}

/// Puts a value where values stand: alone, in a sentence, in JSON, in CSV, quoted.
pub(crate) fn seat(dice: &Dice, value: &str) -> String {
    match dice.below(8) {
        0..=2 => value.to_owned(),
        3 => format!("see {value}."),
        4 => format!("{{\"v\": \"{value}\", \"n\": 1}}"),
        5 => format!("a;{value};b"),
        6 => format!("first line\n{value}\nlast line"),
        _ => format!("({value})"),
    }
}

/// One row of the table.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Values.
    pub positives: usize,
    /// Of these, found.
    pub found: usize,
    /// Near misses.
    pub misses: usize,
    /// Of these, left alone.
    pub left: usize,
    /// A few that were not found, or found wrongly.
    pub examples: Vec<String>,
}

impl Score {
    /// Found of all values.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.found as f64 / self.positives.max(1) as f64
    }

    /// True finds of all finds.
    #[must_use]
    pub fn precision(&self) -> f64 {
        let wrong = self.misses - self.left;
        self.found as f64 / (self.found + wrong).max(1) as f64
    }
}

/// Scores by entity or kind, as a table.
#[must_use]
pub fn table(title: &str, scores: &std::collections::BTreeMap<String, Score>) -> String {
    let mut text = format!(
        "\n{title:<24} {:>9} {:>7} {:>7} {:>6} {:>9}\n",
        "positives", "recall", "misses", "left", "precision"
    );
    for (name, score) in scores {
        let _ = writeln!(
            text,
            "{name:<24} {:>9} {:>7.4} {:>7} {:>6} {:>9.4}",
            score.positives,
            score.recall(),
            score.misses,
            score.left,
            score.precision()
        );
    }
    text
}
