//! A request target in origin form (RFC 9112 section 3.2.1), taken apart into segments and parameters. It goes on
//! exactly as it came, so only targets are read that everybody on the way reads alike.
//!
//! Refuses: other forms, fragments, empty and dot segments, encoded slashes, backslashes, dots, percent signs and
//! control characters, anything encoded that needs no encoding, and what is no UTF-8 when decoded.

use super::query::{self, Query};
use crate::turned::Turned;
use portcullis_model::limits;

/// What every refusal here is named.
const RULE: &str = "kubernetes/target";

/// A target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The segments of the path, decoded.
    pub segments: Vec<String>,
    /// The path ends with a slash.
    pub slash: bool,
    /// The path as it came.
    pub path: String,
    /// The parameters.
    pub query: Query,
}

/// Takes a target apart.
///
/// # Errors
/// When it has more than one reading.
pub fn read(raw: &str) -> Result<Target, Turned> {
    if raw.len() > limits::TARGET_BYTES_MAX {
        return Err(Turned::malformed(RULE, "the request target is too long").code(414));
    }
    let (path, query) = match raw.split_once('?') {
        Some((path, query)) => (path, query),
        None => (raw, ""),
    };
    let Some(rest) = path.strip_prefix('/') else {
        return Err(Turned::malformed(
            RULE,
            "the request target is no path: absolute and authority forms are not served",
        ));
    };
    let (rest, slash) = match rest.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (rest, rest.is_empty()),
    };
    let mut segments = Vec::new();
    if !rest.is_empty() {
        for part in rest.split('/') {
            segments.push(segment(part)?);
        }
    } else if path.len() > 1 {
        return Err(empty());
    }
    if segments.len() > limits::TARGET_SEGMENTS_MAX {
        return Err(Turned::malformed(RULE, "the path has too many segments"));
    }
    Ok(Target {
        segments,
        slash,
        path: path.to_owned(),
        query: query::read(query)?,
    })
}

fn empty() -> Turned {
    Turned::malformed(RULE, "the path has an empty segment (`//`)")
}

/// One segment, decoded.
fn segment(raw: &str) -> Result<String, Turned> {
    if raw.is_empty() {
        return Err(empty());
    }
    if raw == "." || raw == ".." {
        return Err(Turned::malformed(RULE, "the path has a dot segment"));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (byte, after) = escape(rest)?;
                if matches!(byte, b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f) || is_unreserved(byte) {
                    return Err(Turned::malformed(
                        RULE,
                        "the path encodes a character that readers disagree about, or that needs no encoding",
                    ));
                }
                bytes.push(byte);
                rest = after;
            }
            _ if is_unreserved(first) || b"!$&'()*+,=:@".contains(&first) => bytes.push(first),
            _ => {
                return Err(Turned::malformed(
                    RULE,
                    "the path has a character that belongs into none",
                ));
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| Turned::malformed(RULE, "the path is no UTF-8"))
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn escape(bytes: &[u8]) -> Result<(u8, &[u8]), Turned> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if let Some((&[high, low], rest)) = bytes.split_first_chunk::<2>()
        && let (Some(high), Some(low)) = (digit(high), digit(low))
        && let Ok(byte) = u8::try_from(high << 4 | low)
    {
        return Ok((byte, rest));
    }
    Err(Turned::malformed(
        RULE,
        "a percent sign is followed by no two hexadecimal digits",
    ))
}
