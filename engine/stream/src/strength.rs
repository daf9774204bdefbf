//! How hard a secret is to guess, at least: a lower estimate in bits.
//!
//! It exists to decide which secrets may be matched in output. It refuses to be generous: words, runs and
//! repetitions count next to nothing, so that a real secret may be called weak but hardly the reverse.

use std::collections::HashSet;

/// Bits a letter is worth inside a run of letters of one case: English text carries 1 to 1.5 (Shannon 1951).
const WORD_LETTER_BITS: f64 = 1.5;
/// From this length on, letters of one case in a row are taken for a word.
const WORD_LETTERS: usize = 4;

/// A conservative estimate of a secret's entropy, in bits.
#[must_use]
pub fn strength(secret: &[u8]) -> u32 {
    let distinct = secret.iter().collect::<HashSet<_>>().len();
    if distinct < 2 {
        return 0;
    }
    let full = (distinct as f64).log2();
    let in_word = words(secret);
    let mut seen = HashSet::new();
    let mut bits = 0.0;
    let mut before: [Option<u8>; 2] = [None, None];
    for (&byte, word) in secret.iter().zip(in_word) {
        let [older, last] = before;
        let follows = last.is_some_and(|last| byte.abs_diff(last) <= 1);
        let repeats = match (older, last) {
            (Some(a), Some(b)) => !seen.insert([a, b, byte]),
            _ => false,
        };
        bits += match (follows || repeats, word) {
            (true, _) => 0.0,
            (false, true) => full.min(WORD_LETTER_BITS),
            (false, false) => full,
        };
        before = [last, Some(byte)];
    }
    // At most a few hundred thousand bits: a secret has a bound of its own.
    bits as u32
}

/// For each byte, whether it stands in what may be a word.
fn words(secret: &[u8]) -> Vec<bool> {
    let class = |b: &u8| match b {
        b'a'..=b'z' => 1_u8,
        b'A'..=b'Z' => 2,
        _ => 0,
    };
    let mut marks = Vec::with_capacity(secret.len());
    for run in secret.chunk_by(|a, b| class(a) == class(b)) {
        let word = run.len() >= WORD_LETTERS && run.first().is_some_and(|b| class(b) != 0);
        marks.extend(std::iter::repeat_n(word, run.len()));
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::limits::TRIPWIRE_BITS_MIN;

    #[test]
    fn random_secrets_are_strong_and_human_ones_weak() {
        for strong in [
            "K7vQ9wZ2xR4tB8nM3pL6sJ1hG5fD0cXy",
            "9f86d081884c7d659a2feaa0c55ad015",
            "xJ3-_k9Zq0P7bT2vN8mW4rY6uE1oA5iSdFgHlKz",
            "b3BlbnNlc2FtZTEyMzQ1Njc4OTAhQCMkJV4mKigp",
        ] {
            assert!(strength(strong.as_bytes()) >= TRIPWIRE_BITS_MIN, "{strong}");
        }
        for weak in [
            "",
            "a",
            "postgres",
            "hunter2",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "Summer2026!Summer2026!Summer2026!",
            "correct horse battery staple",
            "passwordpasswordpassword1",
        ] {
            assert!(strength(weak.as_bytes()) < TRIPWIRE_BITS_MIN, "{weak}");
        }
    }
}
