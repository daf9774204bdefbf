//! E-mail addresses (RFC 5321 section 4.1.2 dot-string, RFC 6531 for bytes above 127), found by walking both ways from
//! the `@`. Quoted local parts and address literals are left out: nobody has them.

use std::ops::Range;

/// RFC 5321 section 4.5.3.1.
const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 255;

fn local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 128 || b".!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

fn domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 128 || byte == b'-' || byte == b'.'
}

/// The address around the `@` at `at`, if it is one.
pub fn around(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let before = bytes.get(..at)?;
    let count = before
        .iter()
        .rev()
        .take(LOCAL_MAX + 1)
        .take_while(|b| local(**b))
        .count();
    let mut start = at - count.min(LOCAL_MAX);
    // Punctuation that opens something does not belong to the name.
    while start < at
        && !(bytes[start].is_ascii_alphanumeric() || bytes[start] >= 128 || bytes[start] == b'_')
    {
        start += 1;
    }
    if start == at {
        return None;
    }
    let rest = bytes.get(at + 1..)?;
    let mut length = rest
        .iter()
        .take(DOMAIN_MAX)
        .take_while(|b| domain(**b))
        .count();
    while length > 0 && matches!(rest[length - 1], b'.' | b'-') {
        length -= 1;
    }
    let name = rest.get(..length)?;
    let top = name.rsplit(|b| *b == b'.').next()?;
    let labels = name.split(|b| *b == b'.').count();
    let fine = labels >= 2
        && !code(bytes, start..at + 1 + length, at, top)
        && top.len() >= 2
        && top
            .iter()
            .all(|b| b.is_ascii_alphabetic() || *b >= 128 || *b == b'-')
        && name
            .split(|b| *b == b'.')
            .all(|label| !label.is_empty() && label.len() <= 63);
    fine.then_some(start..at + 1 + length)
}

/// Other things with an `@` in the middle: `git@host:path`, `icon@2x.png`, a product of matrices, a version of a package.
fn code(bytes: &[u8], range: Range<usize>, at: usize, top: &[u8]) -> bool {
    const FILES: [&[u8]; 12] = [
        b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"json", b"html", b"yaml",
        b"service",
    ];
    let next = bytes.get(range.end).copied();
    let called = matches!(next, Some(b'(' | b'['));
    let copied = next == Some(b':') && bytes.get(range.start..at) == Some(b"git");
    let file = FILES.iter().any(|f| f.eq_ignore_ascii_case(top));
    let instance = bytes
        .get(range.start..at)
        .is_some_and(|local| local.contains(&b'/'));
    called || copied || file || instance && next == Some(b'/')
}
