//! Runs of digits as people write numbers: groups with single blanks, dots, dashes, slashes and parentheses between.

use std::ops::Range;

/// A run of digit groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// First byte: a digit, or the `+` or `(` right before it.
    pub start: usize,
    /// One past the last digit.
    pub end: usize,
    /// How many digits.
    pub digits: usize,
}

impl Run {
    /// Its bytes.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

fn joins(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')')
}

/// All runs of a text, in order. At most two separators stand between groups (`) `).
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at >= bytes.len() {
            return None;
        }
        let mut start = at;
        while start > 0 && matches!(bytes[start - 1], b'+' | b'(') {
            start -= 1;
        }
        let (mut end, mut digits, mut gap) = (at, 0, 0);
        while at < bytes.len() {
            match bytes[at] {
                byte if byte.is_ascii_digit() => {
                    digits += 1;
                    gap = 0;
                    end = at + 1;
                }
                byte if joins(byte) && gap < 2 => gap += 1,
                _ => break,
            }
            at += 1;
        }
        at = at.max(end);
        Some(Run { start, end, digits })
    })
}

/// The digits of a range, without what stands between them.
pub fn only(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(u8::is_ascii_digit).collect()
}

/// True when neither side continues a word: `x4539…` is an identifier, no number.
pub fn stands_alone(bytes: &[u8], range: &Range<usize>) -> bool {
    let wordy = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    !range
        .start
        .checked_sub(1)
        .and_then(|i| bytes.get(i))
        .is_some_and(wordy)
        && !bytes.get(range.end).is_some_and(wordy)
}
