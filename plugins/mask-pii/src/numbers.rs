//! Everything with a digit in it: each word with digits is looked at once, as a number with its neighbours or as a word
//! of letters and digits, and handed to the families that its length and form allow.

use crate::finder::Finder;
use crate::groups::{Run, free};
use crate::kinds::Kind;
use crate::{brazil_india, card, crypto, date, europe, iban, letters, net, phone, us};

/// Looks at every digit of the batch.
pub fn all(finder: &mut Finder<'_, '_>) {
    let maps = finder.maps;
    let digits = &maps.digit;
    let mut run = Run::new(finder.data);
    let mut carry = 0;
    let mut from = 0;
    for (block, bits) in digits.words().iter().enumerate() {
        let mut starts = bits & !(bits << 1 | carry);
        carry = bits >> 63;
        while starts != 0 {
            let at = block * 64 + starts.trailing_zeros() as usize;
            starts &= starts - 1;
            if at >= from {
                from = one(finder, &mut run, at);
            }
        }
    }
}

/// Looks at what stands around a digit; returns where to go on.
#[inline]
fn one<'b>(finder: &mut Finder<'_, 'b>, run: &mut Run<'b>, at: usize) -> usize {
    let maps = finder.maps;
    let (stop, end) = (maps.digit.end(at), maps.word.end(at));
    let start = match maps.word.has(at.wrapping_sub(1)) && at > 0 {
        true => maps.word.start(at),
        false => at,
    };
    if start == at && stop == end {
        run.read(maps, at, end);
        return number(finder, run);
    }
    word(finder, start, end);
    end
}

/// A word of letters and digits.
fn word(finder: &mut Finder<'_, '_>, start: usize, end: usize) {
    let data = finder.data;
    let text = &data[start..end];
    if text.len() < 4 {
        return;
    }
    if text[1].is_ascii_alphabetic()
        && text[2].is_ascii_digit()
        && finder.on(&[Kind::Iban])
        && let Some(range) = iban::at(data, start)
    {
        finder.consider(Kind::Iban, range, 95);
    }
    let range = start..end;
    match text.len() {
        9 | 10 | 13 | 15 | 16 => {
            if finder.on(&letters::KINDS)
                && let Some((kind, score)) = letters::score(text)
                && free(data, &range)
            {
                finder.consider(kind, range, score);
            }
        }
        14 | 26..=90 => {
            if finder.on(&[Kind::Crypto])
                && let Some(score) = crypto::score(text)
            {
                finder.consider(Kind::Crypto, range, score);
            }
        }
        _ => {}
    }
}

/// A group of digits and those that follow it; returns where to go on.
fn number(finder: &mut Finder<'_, '_>, run: &Run<'_>) -> usize {
    if run.len() == 1 {
        single(finder, run);
        return run.next();
    }
    if run.iso_date() {
        birthday(finder, run, 0, 2);
        return date::behind_clock(finder.data, run.range(2, 2).end);
    }
    // A price, a version, a fraction: too few digits for anything but an address, a day or what has letters beside it.
    if run.total() < 7 && run.len() < 3 {
        if run.length(1) == 4 {
            written(finder, run, 1);
        }
        corner(finder, run);
        return run.next();
    }
    let mut phones = 0;
    for first in 0..run.len() {
        windows(finder, run, first);
        if first >= phones
            && finder.wants(Kind::Phone, 75)
            && let Some(number) = phone::at(finder.data, run, first)
        {
            phones = number.last + 1;
            finder.consider(Kind::Phone, number.range, number.score);
        }
        if run.length(first) == 4 && first > 0 {
            written(finder, run, first);
        }
    }
    corner(finder, run);
    run.next()
}

/// What a number in one piece is worth at most, of those that words have to speak for.
const SCORE_IN_ONE_PIECE: u8 = 45;

/// A group that stands alone: most numbers are one.
fn single(finder: &mut Finder<'_, '_>, run: &Run<'_>) {
    let digits = run.length(0);
    let start = run.range(0, 0).start;
    let before = start.checked_sub(1).map(|i| finder.data[i]);
    if digits >= 7 {
        if matches!(before, Some(b'+' | b'('))
            && finder.wants(Kind::Phone, 75)
            && let Some(number) = phone::at(finder.data, run, 0)
        {
            finder.consider(Kind::Phone, number.range, number.score);
        }
        // Without a word only cards of the usual lengths and French numbers can be sure enough.
        let usual = matches!(digits, 15 | 16) || finder.lenient(SCORE_IN_ONE_PIECE);
        if usual || !finder.deaf(start, run.range(0, 0).end) {
            if digits == 8 {
                birthday(finder, run, 0, 0);
            }
            window(finder, run, 0, 0, digits);
        }
    }
    match digits {
        4 if before == Some(b' ') && matches!(finder.data[start], b'1' | b'2') => {
            written(finder, run, 0);
        }
        2 | 6 | 8 => corner(finder, run),
        _ => {}
    }
}

/// All windows of a run that begin with this group.
fn windows(finder: &mut Finder<'_, '_>, run: &Run<'_>, first: usize) {
    if finder.on(&[Kind::Ip])
        && let Some((range, score)) = net::v4(run, finder.data, first)
    {
        finder.consider(Kind::Ip, range, score);
    }
    let mut digits = 0;
    for last in first..run.len().min(first + 8) {
        digits += run.length(last);
        if digits > 19 {
            break;
        }
        if digits < 5 {
            continue;
        }
        if digits <= 8 && last == first + 2 || digits == 8 && last == first {
            birthday(finder, run, first, last);
        }
        if digits >= 7 {
            window(finder, run, first, last, digits);
        }
    }
}

/// How sure a family is that a window of a run is its own.
type Score = fn(&Run<'_>, usize, usize) -> Option<u8>;

/// One window, by how many digits it has.
fn window(finder: &mut Finder<'_, '_>, run: &Run<'_>, first: usize, last: usize, digits: usize) {
    let mut found = [(Kind::Card, None); 3];
    let scored = |kind, score: Score| match finder.on(&[kind]) {
        true => (kind, score(run, first, last)),
        false => (kind, None),
    };
    match digits {
        9 => {
            if finder.on(&[Kind::Ssn, Kind::Itin])
                && let Some((kind, score)) = us::score(run, first, last)
            {
                found[0] = (kind, Some(score));
            }
            found[1] = scored(Kind::Bsn, europe::dutch);
        }
        10 => found[0] = scored(Kind::Nhs, europe::nhs),
        11 => {
            found[0] = scored(Kind::DeTax, europe::german_tax);
            found[1] = scored(Kind::Pesel, europe::polish);
            found[2] = scored(Kind::Cpf, brazil_india::cpf);
        }
        12..=19 => {
            found[0] = scored(Kind::Card, card::score);
            match digits {
                12 => found[1] = scored(Kind::Aadhaar, brazil_india::aadhaar),
                14 => found[1] = scored(Kind::Cnpj, brazil_india::cnpj),
                15 => found[1] = scored(Kind::Nir, europe::french),
                _ => {}
            }
        }
        _ => {}
    }
    let range = run.range(first, last);
    let mut apart = None;
    for (kind, score) in found {
        if let Some(score) = score
            && *apart.get_or_insert_with(|| run.apart(first, last))
        {
            finder.consider(kind, range.clone(), score);
        }
    }
    if digits <= 15
        && first == 0
        && last + 1 == run.len()
        && finder.wants(Kind::Phone, 25)
        && (finder.lenient(25) || !finder.deaf(range.start, range.end))
        && let Some(score) = phone::national(run, first, last)
        && run.apart(first, last)
    {
        let open = range
            .start
            .checked_sub(1)
            .filter(|i| matches!(finder.data[*i], b'(' | b'+'));
        finder.consider(Kind::Phone, open.unwrap_or(range.start)..range.end, score);
    }
}

fn birthday(finder: &mut Finder<'_, '_>, run: &Run<'_>, first: usize, last: usize) {
    let range = run.range(first, last);
    if finder.wants(Kind::Birthdate, date::SCORE)
        && (finder.lenient(date::SCORE) || !finder.deaf(range.start, range.end))
        && let Some(score) = date::numeric(run, first, last)
        && run.apart(first, last)
    {
        finder.consider(Kind::Birthdate, range, score);
    }
}

fn written(finder: &mut Finder<'_, '_>, run: &Run<'_>, group: usize) {
    if finder.wants(Kind::Birthdate, date::SCORE)
        && let Some(range) = date::written(finder.data, run.range(group, group))
    {
        finder.consider(Kind::Birthdate, range, date::SCORE);
    }
}

/// Numbers with letters at their edges: `12345678-Z`, `AB 12 34 56 C`, `12.ABC.345/01DE-35`.
fn corner(finder: &mut Finder<'_, '_>, run: &Run<'_>) {
    if !finder.on(&[Kind::Dni, Kind::Nino, Kind::Cnpj]) {
        return;
    }
    let data = finder.data;
    let last = run.len() - 1;
    let range = run.range(0, last);
    let letter = |at: usize| data.get(at).is_some_and(u8::is_ascii_alphabetic);
    let wordy = |at: usize| {
        data.get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    };
    let end = range.end;
    let suffix = matches!(data.get(end), Some(b'-' | b' ')) && letter(end + 1) && !wordy(end + 2);
    if suffix && run.length(last) == 8 && letters::dni_letter(0, run.digits(last), data[end + 1]) {
        let range = run.range(last, last).start..end + 2;
        let score = if data[end] == b'-' && data[end + 1].is_ascii_uppercase() {
            65
        } else {
            35
        };
        if free(data, &range) {
            finder.consider(Kind::Dni, range, score);
        }
    }
    let pairs = last == 2 && run.shaped(0, &[2, 2, 2]) && run.evenly(0, 2);
    let start = range.start;
    let front = start >= 3
        && matches!(data[start - 1], b' ' | b'-')
        && letter(start - 2)
        && letter(start - 3)
        && !(start >= 4 && wordy(start - 4));
    if (pairs || last == 0 && run.length(0) == 6)
        && suffix
        && front
        && letters::nino_letters(&data[start - 3..start - 1], data[end + 1])
    {
        finder.consider(Kind::Nino, start - 3..end + 2, 70);
    }
    if run.length(last) == 2
        && let check = run.range(last, last).start
        && check >= 16
        && data[check - 1] == b'-'
        && data[check - 6] == b'/'
        && let Some(range) = brazil_india::cnpj_with_letters(data, check)
        && free(data, &range)
    {
        finder.consider(Kind::Cnpj, range, 95);
    }
}
