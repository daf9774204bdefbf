//! Telephone numbers: international form (E.164: a plus, an assigned country code, up to fifteen digits), the North
//! American form with separators, and any national form where words say that it is one.

use crate::checks::{is_date, number, uniform};
use crate::groups::Run;
use std::ops::Range;

/// What stands at one place of a run.
pub struct Number {
    /// Where.
    pub range: Range<usize>,
    /// How sure.
    pub score: u8,
    /// The last group that belongs to it.
    pub last: usize,
}

/// Assigned country codes (ITU-T E.164, list of 2024), as one, two or three digits, with the shortest and the longest
/// national number where the plan is firm.
fn plan(digits: &[u8]) -> Option<(usize, usize, usize)> {
    let lead = |n: usize| number(digits.get(..n).unwrap_or(b"0"));
    match lead(1) {
        1 | 7 => return Some((1, 10, 10)),
        _ => {}
    }
    let two = match lead(2) {
        20 => (8, 10),
        27 | 31 | 32 | 33 | 34 | 36 | 41 | 45 | 47 | 48 | 61 | 64 | 65 => match lead(2) {
            33 | 34 | 48 | 61 | 27 => (9, 9),
            45 | 47 | 65 => (8, 10),
            _ => (8, 11),
        },
        30 => (10, 10),
        39 => (6, 12),
        40 | 44 | 46 | 51 | 56 | 60 | 62 | 63 | 66 | 84 | 90 | 94 | 95 | 98 => (7, 12),
        43 | 49 => (6, 13),
        52 | 55 => (10, 11),
        53 | 54 | 57 | 58 => (8, 11),
        81 | 82 => (8, 11),
        86 => (9, 12),
        91..=93 => (8, 10),
        _ => (0, 0),
    };
    if two.1 > 0 {
        return Some((2, two.0, two.1));
    }
    let three = matches!(
        lead(3),
        211..=213 | 216 | 218 | 220..=269 | 290 | 291 | 297..=299 | 350..=359 | 370..=383 | 385..=387 | 389 | 420 | 421
            | 423 | 500..=509 | 590..=599 | 670 | 672..=683 | 685..=692 | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870
            | 878 | 880..=883 | 886 | 888 | 960..=968 | 970..=977 | 979 | 992..=996 | 998
    );
    three.then_some((3, 5, 12))
}

/// A number that begins with this group.
pub fn at(data: &[u8], run: &Run<'_>, first: usize) -> Option<Number> {
    let start = run.range(first, first).start;
    let before = |n: usize| start.checked_sub(n).and_then(|i| data.get(i)).copied();
    let plus = match (before(2), before(1)) {
        (_, Some(b'+')) => Some(start - 1),
        (Some(b'+'), Some(b'(')) => Some(start - 2),
        _ => None,
    };
    match plus {
        Some(from) => international(data, run, first, from),
        None => american(data, run, first),
    }
}

fn international(data: &[u8], run: &Run<'_>, first: usize, from: usize) -> Option<Number> {
    let wordy = |b: &u8| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'_';
    if from
        .checked_sub(1)
        .and_then(|i| data.get(i))
        .is_some_and(wordy)
    {
        return None;
    }
    let (mut best, mut digits) = (None, [0; 16]);
    let mut length = 0;
    for last in first..run.len() {
        if last > first && !phone_gap(run.gap(last - 1)) {
            break;
        }
        let group = run.digits(last);
        // `(0)` is for those who call from within.
        let trunk = group == b"0" && last > first && run.gap(last - 1).ends_with(b"(");
        if !trunk {
            if length + group.len() > 15 {
                break;
            }
            digits[length..length + group.len()].copy_from_slice(group);
            length += group.len();
        }
        let Some((code, least, most)) = plan(&digits[..length]) else {
            continue;
        };
        let national = length.saturating_sub(code);
        let ends = !data
            .get(run.range(last, last).end)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if length >= 8 && (least..=most).contains(&national) && ends && digits[0] != b'0' {
            best = Some(last);
        }
    }
    let last = best?;
    let range = from..run.range(first, last).end;
    let body = &digits[1..length];
    (!uniform(body)).then_some(Number {
        range,
        score: 70,
        last,
    })
}

fn phone_gap(gap: &[u8]) -> bool {
    matches!(
        gap,
        b" " | b"-" | b"." | b"/" | b") " | b" (" | b")-" | b")" | b"(" | b" -" | b"- "
    )
}

/// `(415) 555-2671`, `415-555-2671`, `1 415 555 2671`: area code and exchange begin with 2 to 9 (NANP).
fn american(data: &[u8], run: &Run<'_>, first: usize) -> Option<Number> {
    let area = match (
        run.shaped(first, &[1, 3, 3, 4]),
        run.shaped(first, &[3, 3, 4]),
    ) {
        (true, _) if run.digits(first) == b"1" => first + 1,
        (_, true) => first,
        _ => return None,
    };
    let last = area + 2;
    let begins = |group: usize| matches!(run.digits(group)[0], b'2'..=b'9');
    if !begins(area) || !begins(area + 1) || &run.digits(area)[1..] == b"11" {
        return None;
    }
    let open = run
        .range(area, area)
        .start
        .checked_sub(1)
        .filter(|i| data.get(*i) == Some(&b'('));
    let (one, two) = (run.gap(area), run.gap(area + 1));
    let score = match (one, two) {
        (b") " | b")" | b")-", b"-" | b"." | b" ") if open.is_some() => 75,
        (b"-", b"-") => 65,
        (b".", b".") => 60,
        (b" ", b"-") => 60,
        (b" ", b" ") => 50,
        _ => return None,
    };
    let whole = run.range(first, last);
    let start = if first == area {
        open.unwrap_or(whole.start)
    } else {
        whole.start
    };
    let range = start..whole.end;
    let edge = first == 0 || run.gap(first - 1).contains(&b' ');
    let after = last + 1 == run.len() || matches!(run.gap(last), b" " | b"/" | b" (");
    let free = crate::groups::free(data, &range);
    (edge && after && free).then_some(Number { range, score, last })
}

/// A whole run in the form of some country: only words can tell.
pub fn national(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let digits = run.plain(first, last);
    let gaps = (first..last).all(|g| phone_gap(run.gap(g)));
    let groups = last + 1 - first;
    let date = groups == 3 && {
        let part = |g: usize| number(run.digits(first + g));
        is_date(part(0), part(1), part(2))
            || is_date(part(2), part(1), part(0))
            || is_date(part(2), part(0), part(1))
    };
    let whole = first == 0 && last + 1 == run.len() && !run.decimal();
    let address = groups == 4 && run.joined(first, last, b'.');
    let fine = whole && gaps && groups <= 7 && !date && !address && !uniform(&digits);
    // A short number in one piece is one only where the column says so.
    fine.then_some(match (groups, digits.len()) {
        (1, ..9) => 12,
        _ => 25,
    })
}
