//! The strings and numbers of JSON: checked, decoded and written again.
//!
//! Refuses control characters, broken escapes, text that is no UTF-8, and numbers that other readers would not take.

use super::Broken;
use std::borrow::Cow;

/// A number that is longer is none that a server writes.
pub(super) const WORD_BYTES_MAX: usize = 512;

/// Checks the raw text of a string.
pub(super) fn check(raw: &[u8], escaped: bool) -> Result<(), Broken> {
    if raw.iter().any(|b| *b < 0x20) || std::str::from_utf8(raw).is_err() {
        return Err(Broken);
    }
    if !escaped {
        return Ok(());
    }
    let mut rest = raw;
    while let Some(place) = memchr::memchr(b'\\', rest) {
        let after = rest.get(place + 1..).ok_or(Broken)?;
        let (kind, tail) = after.split_first().ok_or(Broken)?;
        rest = match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => tail,
            b'u' => {
                let digits = tail.get(..4).ok_or(Broken)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Broken);
                }
                tail.get(4..).ok_or(Broken)?
            }
            _ => return Err(Broken),
        };
    }
    Ok(())
}

/// What a string says. Half a surrogate pair becomes U+FFFD, as in Go.
pub(crate) fn decode(raw: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    if !escaped {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(place) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..place).unwrap_or_default());
        let after = rest.get(place + 1..).unwrap_or_default();
        let Some((kind, tail)) = after.split_first() else {
            rest = &[];
            break;
        };
        rest = tail;
        match kind {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (letter, tail) = unicode(tail);
                let mut bytes = [0; 4];
                out.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
                rest = tail;
            }
            other => out.push(*other),
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The character behind `\u`, and what follows it.
fn unicode(tail: &[u8]) -> (char, &[u8]) {
    let unit = |bytes: &[u8]| -> Option<u32> {
        let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(tail) else {
        return (char::REPLACEMENT_CHARACTER, tail);
    };
    let rest = tail.get(4..).unwrap_or_default();
    if let Some(letter) = char::from_u32(first) {
        return (letter, rest);
    }
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = rest.strip_prefix(b"\\u")
        && let Some(second) = unit(low)
        && (0xdc00..0xe000).contains(&second)
        && let Some(letter) = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    {
        return (letter, low.get(4..).unwrap_or_default());
    }
    (char::REPLACEMENT_CHARACTER, rest)
}

/// A string with its quotes.
pub(crate) fn encode(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// RFC 8259 section 6.
pub(super) fn is_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> (usize, &[u8]) {
        let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
        (count, text.get(count..).unwrap_or_default())
    }
    if text.len() > WORD_BYTES_MAX {
        return false;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let leading_zero = text.first() == Some(&b'0');
    let (whole, mut rest) = digits(text);
    if whole == 0 || (leading_zero && whole > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (count, tail) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = tail;
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let signed = exponent
            .strip_prefix(b"+")
            .or_else(|| exponent.strip_prefix(b"-"))
            .unwrap_or(exponent);
        let (count, tail) = digits(signed);
        if count == 0 {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}
