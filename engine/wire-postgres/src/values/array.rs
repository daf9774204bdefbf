//! Array literals (`array_out`, src/backend/utils/adt/arrayfuncs.c): `{a,"b \"c\"",NULL,{…}}` with an
//! optional `[lower:upper]=` in front. Refuses everything that the server would not have printed:
//! what does not scan is no array.

use super::pass::{Form, Token};
use smallvec::SmallVec;

/// The parts of a value; most have few.
pub(super) type Tokens = SmallVec<[Token; 16]>;

/// Whether `[lower:upper]=` may stand in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bounds {
    /// The type says that it is an array.
    Allowed,
    /// It only looks like one.
    Refused,
}

/// `MAXDIM` (src/include/utils/array.h).
pub(super) const DIMENSIONS_MAX: usize = 6;

/// The elements of an array literal, nested ones too; `None` when it is none.
///
/// Bounds in front are for values that the server says are arrays: in other texts they would be a place
/// where digits are looked at by nobody.
pub(super) fn scan(text: &[u8], delimiter: u8, bounds: Bounds) -> Option<Tokens> {
    let mut tokens = Tokens::new();
    let mut at = match bounds {
        Bounds::Allowed => behind_bounds(text)?,
        Bounds::Refused => 0,
    };
    if text.get(at)? != &b'{' {
        return None;
    }
    let mut depth = 0;
    let mut element_next = true;
    while at < text.len() {
        let byte = *text.get(at)?;
        match (element_next, byte) {
            (true, b'{') => {
                depth += 1;
                at += 1;
                if depth > DIMENSIONS_MAX {
                    return None;
                }
                if depth == 1 && text.get(at) == Some(&b'}') {
                    return (at + 1 == text.len()).then_some(tokens);
                }
            }
            (true, b'"') => {
                let token = quoted(text, at)?;
                at = token.end;
                tokens.push(token);
                element_next = false;
            }
            (true, _) => {
                let token = bare(text, at, delimiter)?;
                at = token.end;
                tokens.push(token);
                element_next = false;
            }
            (false, b'}') => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return (at == text.len()).then_some(tokens);
                }
            }
            (false, byte) if byte == delimiter => {
                at += 1;
                element_next = true;
            }
            (false, _) => return None,
        }
    }
    None
}

/// Where the braces begin, behind `[1:3][0:1]=` if that is there.
fn behind_bounds(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'[') {
        return Some(0);
    }
    let sign = memchr::memchr(b'=', text)?;
    let numbers = text.get(..sign)?;
    let lawful = |b: &u8| b.is_ascii_digit() || matches!(b, b'[' | b']' | b':' | b'-');
    (numbers.iter().all(lawful) && numbers.contains(&b':')).then_some(sign + 1)
}

fn quoted(text: &[u8], start: usize) -> Option<Token> {
    let mut at = start + 1;
    let mut form = Form::Quoted;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(at)? {
            b'"' => break,
            _ => {
                form = Form::Escaped;
                text.get(at + 1)?;
                at += 2;
            }
        }
    }
    Some(Token {
        start,
        end: at + 1,
        form,
    })
}

fn bare(text: &[u8], start: usize, delimiter: u8) -> Option<Token> {
    let rest = text.get(start..)?;
    let length = rest.iter().position(|b| *b == delimiter || *b == b'}')?;
    let element = rest.get(..length)?;
    let lawful = |b: &u8| !b.is_ascii_whitespace() && *b != 0x0b && !b"\"\\{".contains(b);
    if element.is_empty() || !element.iter().all(lawful) {
        return None;
    }
    Some(Token {
        start,
        end: start + length,
        form: match element.eq_ignore_ascii_case(b"NULL") {
            true => Form::Null,
            false => Form::Bare,
        },
    })
}

/// What stands between the quotes, without its backslashes.
pub(super) fn unescape(within: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(within.len());
    let mut bytes = within.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            byte => out.push(*byte),
        }
    }
    out
}

/// An element as `array_out` writes it: between quotes where it has to be.
pub(super) fn quote(element: &[u8], delimiter: u8) -> Vec<u8> {
    let special =
        |b: &u8| *b == delimiter || b.is_ascii_whitespace() || *b == 0x0b || b"\"\\{}".contains(b);
    let bare = !element.is_empty()
        && !element.eq_ignore_ascii_case(b"NULL")
        && !element.iter().any(special);
    if bare {
        return element.to_vec();
    }
    let mut out = Vec::with_capacity(element.len() + 8);
    out.push(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}
