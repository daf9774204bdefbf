//! Rows as values: literals (`record_out`: `(1,"a ""b""",)`) and binary (`record_send`: the type OID before
//! each field). Refuses what the server would not have printed.

use super::array::Tokens;
use super::cursor::Cursor;
use super::pass::{Form, Token};
use smallvec::SmallVec;

/// The fields of a row literal; `None` when it is none.
pub(super) fn scan(text: &[u8]) -> Option<Tokens> {
    let mut tokens = Tokens::new();
    if text.first() != Some(&b'(') {
        return None;
    }
    let mut at = 1;
    loop {
        let token = match text.get(at)? {
            b'"' => quoted(text, at)?,
            _ => bare(text, at)?,
        };
        at = token.end;
        tokens.push(token);
        match text.get(at)? {
            b',' => at += 1,
            b')' => return (at + 1 == text.len()).then_some(tokens),
            _ => return None,
        }
    }
}

fn quoted(text: &[u8], start: usize) -> Option<Token> {
    let mut at = start + 1;
    let mut form = Form::Quoted;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        let doubled = text.get(at) == text.get(at + 1);
        match (text.get(at)?, doubled) {
            (b'"', false) => break,
            (_, true) => {
                form = Form::Escaped;
                at += 2;
            }
            (_, false) => return None,
        }
    }
    Some(Token {
        start,
        end: at + 1,
        form,
    })
}

fn bare(text: &[u8], start: usize) -> Option<Token> {
    let rest = text.get(start..)?;
    let length = rest.iter().position(|b| matches!(b, b',' | b')'))?;
    let field = rest.get(..length)?;
    let lawful = |b: &u8| !b.is_ascii_whitespace() && *b != 0x0b && !b"\"\\(".contains(b);
    field.iter().all(lawful).then_some(Token {
        start,
        end: start + length,
        form: match field.is_empty() {
            true => Form::Null,
            false => Form::Bare,
        },
    })
}

/// What stands between the quotes: `""` and `\\` are one character each.
pub(super) fn unescape(within: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(within.len());
    let mut bytes = within.iter();
    while let Some(byte) = bytes.next() {
        if matches!(byte, b'"' | b'\\') {
            bytes.next();
        }
        out.push(*byte);
    }
    out
}

/// A field as `record_out` writes it, always between quotes.
pub(super) fn quote(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len() + 8);
    out.push(b'"');
    for byte in field {
        if matches!(byte, b'"' | b'\\') {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// True for a field that is no characters (digits, a date, a flag): its reader would not take a marker.
pub(super) fn scalar_like(field: &[u8]) -> bool {
    matches!(field, b"t" | b"f")
        || field
            .iter()
            .all(|b| b.is_ascii_digit() || b"+-.:/eE ".contains(b))
}

/// A field of a binary record: its type, and its value with the length prefix.
pub(super) struct Field {
    pub(super) type_oid: u32,
    pub(super) value: Token,
}

/// The fields of a binary record; `None` when it is none.
pub(super) fn scan_binary(raw: &[u8]) -> Option<SmallVec<[Field; 16]>> {
    let mut cursor = Cursor::new(raw);
    let count = usize::try_from(cursor.i32()?).ok()?;
    // Every field has at least its type and its length.
    if count > cursor.remaining() / 8 {
        return None;
    }
    let mut fields = SmallVec::with_capacity(count);
    for _ in 0..count {
        let type_oid = cursor.u32()?;
        let start = cursor.position();
        let form = match cursor.value()? {
            None => Form::Null,
            Some(_) => Form::Bare,
        };
        let end = cursor.position();
        fields.push(Field {
            type_oid,
            value: Token { start, end, form },
        });
    }
    cursor.is_empty().then_some(fields)
}
