//! The strings and numbers of JSON: checked, decoded and written again.
//!
//! Refuses control characters, broken escapes, text that is no UTF-8, and numbers that other readers would not take.

use super::Broken;
use std::borrow::Cow;

/// A number that is longer is none that a server writes.
pub(super) const WORD_BYTES_MAX: usize = 512;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Bytes of a string up to the next quote or backslash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// How many there are.
    pub length: usize,
    /// There are control characters among them.
    pub control: bool,
    /// There is more than ASCII among them.
    pub wide: bool,
}

/// Looks at eight bytes at a time, once: most strings of an answer are short, and each search costs more to begin than to do.
pub(super) fn stretch(bytes: &[u8]) -> Stretch {
    let mut stretch = Stretch::default();
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        let word = word
            .iter()
            .rev()
            .fold(0, |word, b| word << 8 | u64::from(*b));
        let stops = below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5c), 1);
        let (control, wide) = (below(word, 0x20), word & HIGH);
        if stops == 0 {
            stretch.control |= control != 0;
            stretch.wide |= wide != 0;
            stretch.length += 8;
            continue;
        }
        // Only what stands in front of it counts. Its lowest bit is the highest of the first byte that stops.
        let front = (stops & stops.wrapping_neg()) >> 7;
        let before = front.wrapping_sub(1);
        stretch.control |= control & before != 0;
        stretch.wide |= wide & before != 0;
        stretch.length += front.trailing_zeros() as usize / 8;
        return stretch;
    }
    for byte in words.remainder() {
        if matches!(byte, b'"' | b'\\') {
            break;
        }
        stretch.control |= *byte < 0x20;
        stretch.wide |= *byte >= 0x80;
        stretch.length += 1;
    }
    stretch
}

/// The highest bits of bytes below `bound`, at most 128. Behind the first of them others may be set that are not below it.
fn below(word: u64, bound: u64) -> u64 {
    word.wrapping_sub(ONES * bound) & !word & HIGH
}

/// Checks the escapes in the raw text of a string, and the text where it is more than ASCII.
pub(super) fn check(raw: &[u8], escaped: bool, wide: bool) -> Result<(), Broken> {
    if wide && std::str::from_utf8(raw).is_err() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    /// The same, byte by byte.
    fn slowly(bytes: &[u8]) -> Stretch {
        let stops = |b: &u8| matches!(b, b'"' | b'\\');
        let length = bytes.iter().position(stops).unwrap_or(bytes.len());
        Stretch {
            length,
            control: bytes[..length].iter().any(|b| *b < 0x20),
            wide: bytes[..length].iter().any(|b| *b >= 0x80),
        }
    }

    #[test]
    fn every_byte_at_every_place_of_a_word_is_seen() {
        for byte in 0..=u8::MAX {
            for stop in [b'"', b'\\', b'x'] {
                for place in 0..17 {
                    for end in 0..17 {
                        let mut bytes = [b'a'; 17];
                        bytes[end] = stop;
                        bytes[place] = byte;
                        assert_eq!(stretch(&bytes), slowly(&bytes), "{bytes:?}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn words_and_bytes_say_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..64), ascii in any::<bool>()) {
            let bytes: Vec<u8> = match ascii {
                true => bytes.iter().map(|b| b & 0x7f | 0x20).collect(),
                false => bytes,
            };
            prop_assert_eq!(stretch(&bytes), slowly(&bytes));
        }
    }
}
