//! Telephone numbers: international form (E.164: a plus and up to fifteen digits), the North American form with
//! separators, and any national form in a column that says it holds one.

use crate::digits::{Run, only, stands_alone};
use std::ops::Range;

/// A number within a run.
pub fn within(bytes: &[u8], run: &Run, context: bool) -> Option<Range<usize>> {
    let text = bytes.get(run.range())?;
    if !stands_alone(bytes, &run.range()) {
        return None;
    }
    let plus = text.contains(&b'+');
    let digits = only(text);
    let international = plus && (8..=15).contains(&digits.len());
    let national = context && (7..=15).contains(&digits.len());
    (international || national || american(text, &digits)).then(|| run.range())
}

/// `(415) 555-2671`, `415-555-2671`, `1 415 555 2671`: area code and exchange begin with 2 to 9 (NANP).
fn american(text: &[u8], digits: &[u8]) -> bool {
    let ten = match digits.len() {
        10 => digits,
        11 if digits[0] == b'1' => &digits[1..],
        _ => return false,
    };
    let grouped = text
        .iter()
        .filter(|b| matches!(b, b'-' | b'.' | b' '))
        .count()
        >= 2
        || (text.contains(&b'(') && text.contains(&b')'));
    // A dotted group of anything else (versions, prices) has other lengths.
    let lengths: Vec<usize> = text
        .split(|b| !b.is_ascii_digit())
        .map(<[u8]>::len)
        .filter(|n| *n > 0)
        .collect();
    let shape = matches!(lengths.as_slice(), [3, 3, 4] | [1, 3, 3, 4]);
    grouped && shape && (b'2'..=b'9').contains(&ten[0]) && (b'2'..=b'9').contains(&ten[3])
}
