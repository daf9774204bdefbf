//! Payment card numbers: 12 to 19 digits (ISO/IEC 7812-1), the check digit of its annex B (Luhn), and an issuer
//! range of a known scheme, because one number in ten passes Luhn by chance.

use crate::digits::{Run, only, stands_alone};
use std::ops::Range;

/// A card number within a run. Groups before or after it may belong to something else (a date, a security code).
pub fn within(bytes: &[u8], run: &Run) -> Option<Range<usize>> {
    let groups = groups(bytes, run);
    for first in 0..groups.len() {
        for last in (first..groups.len()).rev() {
            let range = groups[first].start..groups[last].end;
            if valid(bytes.get(range.clone())?)
                && stands_alone(bytes, &range)
                && !fraction(bytes, &range)
            {
                return Some(range);
            }
        }
    }
    None
}

fn groups(bytes: &[u8], run: &Run) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = None;
    for at in run.start..=run.end {
        match (
            bytes.get(at).is_some_and(u8::is_ascii_digit) && at < run.end,
            start,
        ) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                groups.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    // Bounded: nobody writes a card in more than eight groups.
    groups.truncate(24);
    groups
}

/// Digits of a decimal fraction are no card.
fn fraction(bytes: &[u8], range: &Range<usize>) -> bool {
    let dot = range.start.checked_sub(1).and_then(|i| bytes.get(i)) == Some(&b'.');
    let digit = range
        .start
        .checked_sub(2)
        .and_then(|i| bytes.get(i))
        .is_some_and(u8::is_ascii_digit);
    dot && digit
}

fn valid(bytes: &[u8]) -> bool {
    // Blanks and dashes only: a dot or a slash separates other things.
    if bytes
        .iter()
        .any(|b| !(b.is_ascii_digit() || *b == b' ' || *b == b'-'))
    {
        return false;
    }
    let digits = only(bytes);
    scheme(&digits) && luhn(&digits) && digits.iter().any(|d| *d != digits[0])
}

/// Issuer identification numbers of the schemes, as they publish them.
fn scheme(digits: &[u8]) -> bool {
    let lead = |n: usize| {
        digits
            .iter()
            .take(n)
            .fold(0_u32, |sum, d| sum * 10 + u32::from(d - b'0'))
    };
    match digits.len() {
        13 | 19 if lead(1) == 4 => true,
        14 => matches!(lead(3), 300..=305 | 309) || matches!(lead(2), 36 | 38 | 39),
        15 => matches!(lead(2), 34 | 37),
        16 => {
            lead(1) == 4
                || matches!(lead(2), 51..=55 | 65)
                || matches!(lead(4), 2221..=2720 | 3528..=3589 | 6011)
                || matches!(lead(3), 644..=649)
                || matches!(lead(2), 62 | 81)
                || matches!(
                    lead(4),
                    5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763
                )
        }
        12 | 13 | 17..=19 => {
            matches!(
                lead(4),
                5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763
            ) || lead(2) == 62
        }
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let d = u32::from(d - b'0') << (i % 2);
            if d > 9 { d - 9 } else { d }
        })
        .sum();
    sum.is_multiple_of(10)
}
