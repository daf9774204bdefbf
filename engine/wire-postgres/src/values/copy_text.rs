//! COPY's text format (`CopyAttributeOutText`, src/backend/commands/copyto.c): fields between delimiters, a
//! newline behind each row, backslash escapes. Refuses options that the server would refuse.

use super::copy::Progress;
use super::pass::{Form, Token};
use portcullis_model::facts::CopyFacts;

/// The options that matter.
pub(super) struct Text {
    delimiter: u8,
    pub(super) null: Vec<u8>,
}

/// No delimiter may be one of these (`ProcessCopyOptions`).
const NO_DELIMITERS: &[u8] = b"\r\n\\.abcdefghijklmnopqrstuvwxyz0123456789";

impl Text {
    pub(super) fn new(facts: &CopyFacts) -> Option<Self> {
        let null = facts.null.as_bytes();
        let lawful = facts.delimiter.is_ascii()
            && !NO_DELIMITERS.contains(&facts.delimiter)
            && !null
                .iter()
                .any(|b| matches!(b, b'\r' | b'\n') || *b == facts.delimiter);
        lawful.then(|| Self {
            delimiter: facts.delimiter,
            null: null.to_vec(),
        })
    }

    /// Behind the newline of the first row.
    pub(super) fn end(&self, bytes: &[u8], progress: &mut Progress) -> Option<usize> {
        loop {
            if progress.escaped {
                if progress.at >= bytes.len() {
                    return None;
                }
                progress.at += 1;
                progress.escaped = false;
            }
            let rest = bytes.get(progress.at..)?;
            let Some(found) = memchr::memchr2(b'\\', b'\n', rest) else {
                progress.at = bytes.len();
                return None;
            };
            progress.at += found + 1;
            match rest.get(found) {
                Some(b'\n') => return Some(progress.at),
                _ => progress.escaped = true,
            }
        }
    }

    /// The fields of the row at `start`, and where it ends; `None` when their number is wrong.
    pub(super) fn fields(
        &self,
        bytes: &[u8],
        start: usize,
        columns: usize,
        tokens: &mut Vec<Token>,
    ) -> Option<usize> {
        let (mut at, mut field, mut form) = (start, start, Form::Bare);
        loop {
            let rest = bytes.get(at..)?;
            let found = memchr::memchr3(b'\\', b'\n', self.delimiter, rest);
            let stop = at + found.unwrap_or(rest.len());
            let byte = bytes.get(stop);
            if byte == Some(&b'\\') {
                form = Form::Escaped;
                at = stop + 2;
                continue;
            }
            if bytes.get(field..stop) == Some(&self.null) {
                form = Form::Null;
            }
            tokens.push(Token {
                start: field,
                end: stop,
                form,
            });
            if byte != Some(&self.delimiter) {
                let end = stop + usize::from(byte.is_some());
                // The row of a table without columns is an empty line.
                if columns == 0 && stop == start {
                    tokens.clear();
                }
                return (tokens.len() == columns).then_some(end);
            }
            (at, field, form) = (stop + 1, stop + 1, Form::Bare);
        }
    }

    /// A value as the server writes it.
    pub(super) fn escape(&self, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(value.len() + 8);
        for byte in value {
            match byte {
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x0b => out.extend_from_slice(b"\\v"),
                byte if *byte == b'\\' || *byte == self.delimiter => {
                    out.extend_from_slice(&[b'\\', *byte]);
                }
                byte => out.push(*byte),
            }
        }
        out
    }
}

/// A field without its escapes (`CopyReadAttributesText`).
pub(super) fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let Some((kind, after)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        let (byte, length) = match kind {
            b'b' => (0x08, 1),
            b'f' => (0x0c, 1),
            b'n' => (b'\n', 1),
            b'r' => (b'\r', 1),
            b't' => (b'\t', 1),
            b'v' => (0x0b, 1),
            b'0'..=b'7' => number(rest, 8, 3),
            b'x' => match number(after, 16, 2) {
                (_, 0) => (b'x', 1),
                (byte, length) => (byte, length + 1),
            },
            other => (*other, 1),
        };
        out.push(byte);
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// Up to `most` digits; what does not fit a byte is cut, as the server does.
fn number(text: &[u8], radix: u32, most: usize) -> (u8, usize) {
    let digits = text
        .iter()
        .take(most)
        .map_while(|b| char::from(*b).to_digit(radix));
    let (value, length) = digits.fold((0, 0), |(value, n), d| (value * radix + d, n + 1));
    (u8::try_from(value & 0xff).unwrap_or(0), length)
}
