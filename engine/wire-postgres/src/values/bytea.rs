//! `bytea` in text format (`byteaout`): hex `\x…` or the older escape format. Refuses an odd digit or a
//! backslash that starts nothing: such a text is no bytea.

/// How a value was written, so that it is written back the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `bytea_output = hex`.
    Hex,
    /// `bytea_output = escape`.
    Escape,
}

/// The bytes; `None` when the text is no bytea.
pub(super) fn decode(text: &[u8]) -> Option<(Vec<u8>, Style)> {
    match text.strip_prefix(b"\\x") {
        Some(digits) => hex(digits).map(|bytes| (bytes, Style::Hex)),
        None => escape(text).map(|bytes| (bytes, Style::Escape)),
    }
}

/// The bytes of a value in hex format only.
pub(super) fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    hex(text.strip_prefix(b"\\x")?)
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |d: u8| {
        char::from(d)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?))
        .collect()
}

fn escape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        match rest {
            [b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => return None,
        }
    }
    Some(out)
}

/// The text of these bytes.
pub(super) fn encode(bytes: &[u8], style: Style) -> Vec<u8> {
    match style {
        Style::Hex => {
            let mut out = Vec::with_capacity(2 + bytes.len() * 2);
            out.extend_from_slice(b"\\x");
            let digit = |n: u8| match n {
                0..=9 => b'0' + n,
                n => b'a' + (n - 10),
            };
            for byte in bytes {
                out.push(digit(byte >> 4));
                out.push(digit(byte & 15));
            }
            out
        }
        Style::Escape => {
            let mut out = Vec::with_capacity(bytes.len());
            for byte in bytes {
                match byte {
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    0x20..=0x7e => out.push(*byte),
                    byte => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
                }
            }
            out
        }
    }
}
