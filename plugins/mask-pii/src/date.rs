//! Days that may be somebody's birthday. A date is nothing by itself: without a word or a column that speaks of birth it is
//! left alone.

use crate::checks::{is_date, number};
use crate::groups::Run;
use std::ops::Range;

/// What a date is worth before words are heard.
pub const SCORE: u8 = 25;

/// Nobody alive was born before.
const FIRST_YEAR: u32 = 1900;

/// Three groups, or eight digits in one.
pub fn numeric(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let part = |g: usize| number(run.digits(first + g));
    let (a, b, c) = match last - first {
        0 => {
            let n = run.digits(first);
            (number(&n[..4]), number(&n[4..6]), number(&n[6..]))
        }
        2 if [b'-', b'/', b'.', b' ']
            .iter()
            .any(|by| run.joined(first, last, *by)) =>
        {
            (part(0), part(1), part(2))
        }
        2 if run.gap(first) == b". " && run.gap(first + 1) == b". " => (part(0), part(1), part(2)),
        _ => return None,
    };
    let full = |n: u32| if n < 100 { 1900 + n } else { n };
    let lengths = (run.length(first), run.length(last));
    let fine = match lengths {
        (4 | 8, _) => is_date(a, b, c),
        (1 | 2, 4) => is_date(c, b, a) || is_date(c, a, b),
        (1 | 2, 2) => is_date(full(c), b, a) || is_date(full(c), a, b),
        _ => false,
    };
    let year = if matches!(lengths.0, 4 | 8) {
        a
    } else {
        full(c)
    };
    (fine && year >= FIRST_YEAR).then_some(SCORE)
}

/// Behind the time of day that follows a day at `end` (RFC 3339, ISO 8601, the server's own `ISO` style): every row has some,
/// and there is nothing in it to be found. Where none follows, `end`.
pub fn behind_clock(data: &[u8], end: usize) -> usize {
    let digit = |at: usize| data.get(at).is_some_and(u8::is_ascii_digit);
    let pair = |at: usize| digit(at) && digit(at + 1) && !digit(at + 2);
    let is = |at: usize, signs: &[u8]| data.get(at).is_some_and(|b| signs.contains(b));
    if !(is(end, b" T") && pair(end + 1) && is(end + 3, b":") && pair(end + 4)) {
        return end;
    }
    let mut at = end + 6;
    if is(at, b":") && pair(at + 1) {
        at += 3;
        if is(at, b".,") && digit(at + 1) {
            let digits = data[at + 1..].iter().take(10);
            let count = digits.take_while(|b| b.is_ascii_digit()).count();
            // More than nanoseconds are no fraction of a second.
            at += if count < 10 { count + 1 } else { 0 };
        }
    }
    if is(at, b"+-") && pair(at + 1) {
        at += 3;
        if is(at, b":") && pair(at + 1) {
            at += 3;
        }
    }
    let goes_on =
        |b: &u8| b.is_ascii_alphanumeric() && *b != b'Z' || matches!(b, b'_' | b':' | b'.' | b'-');
    match data.get(at).is_some_and(goes_on) {
        true => end,
        false => at,
    }
}

/// A day with the name of its month, whose year stands at `year`: `12 March 1980`, `March 12, 1980`, `12. März 1980`.
pub fn written(data: &[u8], year: Range<usize>) -> Option<Range<usize>> {
    let number_of_year = number(data.get(year.clone())?);
    if !(1900..=2099).contains(&number_of_year) {
        return None;
    }
    let from = year.start.saturating_sub(32);
    let before = data.get(from..year.start)?;
    let before = &before[memchr::memrchr(0, before).map_or(0, |at| at + 1)..];
    let mut words = [(0, 0); 3];
    let mut count = 0;
    let mut end = before.len();
    while count < 3 && end > 0 {
        let wordy = |b: u8| b.is_ascii_alphanumeric() || b >= 128;
        while end > 0 && !wordy(before[end - 1]) {
            end -= 1;
        }
        let mut start = end;
        while start > 0 && wordy(before[start - 1]) {
            start -= 1;
        }
        if start < end {
            words[count] = (start, end);
            count += 1;
        }
        end = start;
    }
    let text = |n: usize| &before[words[n].0..words[n].1];
    let start = match count {
        2.. if month(text(0)) && day(text(1)) => words[1].0,
        2.. if month(text(1)) && day(text(0)) => words[1].0,
        // `12 de marzo de 1980`
        3 if text(0) == b"de" && month(text(1)) => words[2].0,
        _ => return None,
    };
    // Spanish and Portuguese put one more word between day and month.
    let start = match count {
        3 if text(0) == b"de" && text(2) == b"de" => first_number(before, words[2].0)?,
        _ => start,
    };
    Some(year.start - before.len() + start..year.end)
}

fn first_number(before: &[u8], end: usize) -> Option<usize> {
    let head = before.get(..end)?.trim_ascii_end();
    let digits = head.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    (1..=2).contains(&digits).then(|| head.len() - digits)
}

fn day(word: &[u8]) -> bool {
    let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = &word[digits..];
    let ordinal = matches!(rest, b"" | b"st" | b"nd" | b"rd" | b"th" | b"er");
    (1..=2).contains(&digits) && ordinal && (1..=31).contains(&number(&word[..digits]))
}

fn month(word: &[u8]) -> bool {
    MONTHS
        .iter()
        .any(|m| m.as_bytes().eq_ignore_ascii_case(word))
}

const MONTHS: [&str; 64] = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "gennaio",
    "febbraio",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_passed_over_and_nothing_else() {
        for (rest, passed) in [
            (" 10:41:07.123456", 16),
            ("T10:41:07Z", 9),
            (" 10:41", 6),
            (" 10:41:07+00", 12),
            (" 10:41:07.123+02:00 next", 19),
            (" 10:41:07,123", 13),
            (" 10:41:07 555-0100", 9),
            (" 10:41:07.1234567890123", 0),
            (" 10:41:07.5.6", 0),
            (" 10:41:07-555-0100", 0),
            (" 10:41:07:aa:bb:cc", 0),
            (" 10:411", 0),
            (" 1041", 0),
            ("", 0),
            (" 4539 5787 6362 1486", 0),
        ] {
            let text = format!("2026-11-27{rest}");
            assert_eq!(behind_clock(text.as_bytes(), 10), 10 + passed, "{text}");
        }
    }
}
