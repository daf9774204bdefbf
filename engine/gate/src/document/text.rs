//! The small parts of JSON (RFC 8259): strings, escapes, numbers. Refuses control characters and escapes that are
//! none: two readers could see two things in them.

use std::ops::Range;

/// What a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object or an array, whole or not.
    Document,
    /// Something between quotes, which may be one.
    Quoted,
    /// Anything else.
    Words,
}

/// What a text begins like.
pub(super) fn looks_like(text: &[u8]) -> Shape {
    let text = text.trim_ascii_start();
    let next = |at: usize| text.get(at..).unwrap_or_default().trim_ascii_start();
    match text.first() {
        Some(b'"') => Shape::Quoted,
        Some(b'{') => match next(1).first() {
            None | Some(b'"' | b'}') => Shape::Document,
            Some(_) => Shape::Words,
        },
        Some(b'[') => {
            let rest = next(1);
            let words: [&[u8]; 3] = [b"true", b"false", b"null"];
            match rest.first() {
                None | Some(b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9') => Shape::Document,
                Some(_) if words.iter().any(|word| rest.starts_with(word)) => Shape::Document,
                Some(_) => Shape::Words,
            }
        }
        _ => Shape::Words,
    }
}

/// The string that begins at `at`, with its quotes.
pub(super) fn string(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut end = at + 1;
    loop {
        match text.get(end)? {
            b'"' => return Some(at..end + 1),
            b'\\' => {
                end += match text.get(end + 1)? {
                    b'u' => {
                        let digits = text.get(end + 2..end + 6)?;
                        digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    _ => return None,
                };
            }
            0..=0x1f => return None,
            _ => end += 1,
        }
    }
}

/// Length of the number that the text begins with; none where that is no number of JSON.
#[must_use]
pub fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && text.get(sign) == Some(&b'0')) {
        return None;
    }
    let mut at = sign + whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += (fraction > 0).then_some(fraction + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        at += (exponent > 0).then_some(exponent + 1 + sign)?;
    }
    Some(at)
}

/// What stands between the quotes of a JSON string, decoded; half a surrogate pair becomes U+FFFD.
#[must_use]
pub fn unescape(within: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(within.len());
    let mut rest = within;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let Some((kind, after)) = rest.split_first() else {
            break;
        };
        rest = after;
        match kind {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (character, after) = unicode(rest);
                rest = after;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(*other),
        }
    }
    out
}

/// The character of the four digits, and of a second escape where they are half a pair.
fn unicode(rest: &[u8]) -> (char, &[u8]) {
    let Some((first, after)) = unit(rest) else {
        return (char::REPLACEMENT_CHARACTER, &[]);
    };
    let second = after.strip_prefix(b"\\u").and_then(unit);
    if let (0xd800..=0xdbff, Some((low @ 0xdc00..=0xdfff, after))) = (first, second) {
        let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        return (
            char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER),
            after,
        );
    }
    let character = char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
    (character, after)
}

fn unit(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, after) = rest.split_at_checked(4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u32::from_str_radix(digits, 16).ok()?, after))
}
