//! `password = …`, `"api_key": "…"`, `Authorization: Bearer …`: a telling name, a sign, and a value that looks like no
//! word. Values of a language (null, true, a variable, a type) are left alone.

use crate::formats::{ASSIGNMENT, Found};

const VALUE_LEAST: usize = 8;

/// The value after the name at `at`.
pub fn find(bytes: &[u8], at: usize) -> Option<Found> {
    let mut next = at
        + bytes
            .get(at..)?
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            .count();
    let blank = |next: &mut usize| {
        while bytes
            .get(*next)
            .is_some_and(|b| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'\\'))
            && *next - at < 96
        {
            *next += 1;
        }
    };
    blank(&mut next);
    match bytes.get(next)? {
        b'=' | b':' => next += 1,
        _ => return None,
    }
    if bytes.get(next) == Some(&b'>') || bytes.get(next) == Some(&b'=') {
        next += 1;
    }
    blank(&mut next);
    for scheme in [b"Bearer ".as_slice(), b"Basic ", b"token "] {
        if bytes
            .get(next..next + scheme.len())
            .is_some_and(|b| b.eq_ignore_ascii_case(scheme))
        {
            next += scheme.len();
        }
    }
    let value = |b: &u8| {
        b.is_ascii_graphic()
            && !matches!(
                b,
                b'"' | b'\'' | b',' | b';' | b'<' | b'>' | b'(' | b')' | b'`' | b'{' | b'}' | b'\\'
            )
    };
    let length = bytes.get(next..)?.iter().take_while(|b| value(b)).count();
    let text = bytes.get(next..next + length)?;
    (length >= VALUE_LEAST && looks_secret(text)).then_some(Found {
        range: next..next + length,
        rule: ASSIGNMENT,
    })
}

/// Mixed enough to be no word, no path and no placeholder.
fn looks_secret(text: &[u8]) -> bool {
    if text.starts_with(b"[pc-masked:") || text.starts_with(b"$") || text.starts_with(b"***") {
        return false;
    }
    let digits = text.iter().any(u8::is_ascii_digit);
    let letters = text.iter().any(u8::is_ascii_alphabetic);
    let marks = text
        .iter()
        .any(|b| b.is_ascii_punctuation() && !matches!(b, b'_' | b'-' | b'.' | b'/' | b':'));
    let mut distinct = [false; 256];
    text.iter().for_each(|b| distinct[usize::from(*b)] = true);
    let variety = distinct.iter().filter(|d| **d).count();
    variety >= 5 && letters && (digits || marks)
}
