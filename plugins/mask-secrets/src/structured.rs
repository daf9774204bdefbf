//! Secrets with an inner structure: keys in PEM, web tokens, URLs, verifiers.

use crate::formats::{Found, JWT, PRIVATE_KEY, SCRAM_VERIFIER, URL_PASSWORD, continues_word};

/// `-----BEGIN … PRIVATE KEY-----` to its END line (RFC 7468), or to the end where that is cut off.
pub fn pem(bytes: &[u8], at: usize) -> Option<Found> {
    let head = bytes.get(at..(at + 80).min(bytes.len()))?;
    let label = memchr::memmem::find(head, b"PRIVATE KEY")?;
    if memchr::memchr(b'\n', head.get(..label)?).is_some() {
        return None;
    }
    let rest = bytes.get(at..)?;
    let end = memchr::memmem::find(rest, b"-----END ")
        .and_then(|end| {
            memchr::memmem::find(rest.get(end + 9..)?, b"-----").map(|tail| end + 9 + tail + 5)
        })
        .unwrap_or(rest.len());
    Some(Found {
        range: at..at + end,
        rule: PRIVATE_KEY,
    })
}

/// Three base64url parts; the first begins with `{"` (RFC 7515 section 3.1). The signature of `none` may be empty.
pub fn jwt(bytes: &[u8], at: usize) -> Option<Found> {
    if bytes.get(at..at + 3)? != b"eyJ" || continues_word(bytes, at) {
        return None;
    }
    let url = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
    let part = |from: usize| {
        bytes
            .get(from..)
            .map_or(0, |rest| rest.iter().take_while(|b| url(b)).count())
    };
    let first = part(at);
    let dot = at + first;
    let second = part(dot + 1);
    if first < 16 || bytes.get(dot) != Some(&b'.') || second < 4 {
        return None;
    }
    let mut end = dot + 1 + second;
    if bytes.get(end) == Some(&b'.') {
        end += 1 + part(end + 1);
    }
    Some(Found {
        range: at..end,
        rule: JWT,
    })
}

/// The password in `scheme://user:password@host`.
pub fn url_password(bytes: &[u8], at: usize) -> Option<Found> {
    if !at
        .checked_sub(1)
        .and_then(|i| bytes.get(i))
        .is_some_and(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    let rest = bytes.get(at + 3..)?;
    // User information ends before the path; a quote or a blank ends the URL.
    let stop = rest
        .iter()
        .take(512)
        .position(|b| matches!(b, b'/' | b'?' | b'#' | b' ' | b'"' | b'\'' | b'<' | b'\n'));
    let authority = rest.get(..stop.unwrap_or(rest.len().min(512)))?;
    let host = memchr::memrchr(b'@', authority)?;
    let colon = memchr::memchr(b':', authority.get(..host)?)?;
    let range = at + 3 + colon + 1..at + 3 + host;
    (!range.is_empty()).then_some(Found {
        range,
        rule: URL_PASSWORD,
    })
}

/// `SCRAM-SHA-256$iterations:salt$stored:server`.
pub fn scram(bytes: &[u8], at: usize) -> Option<Found> {
    let rest = bytes.get(at + 14..)?;
    let verifier = |b: &u8| b.is_ascii_alphanumeric() || b"+/=:$".contains(b);
    let length = rest.iter().take_while(|b| verifier(b)).count();
    (length >= 64).then(|| Found {
        range: at..at + 14 + length,
        rule: SCRAM_VERIFIER,
    })
}
