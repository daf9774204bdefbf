//! The values of a Kubernetes Secret, as YAML, as JSON and as JSON inside a string
//! (<https://kubernetes.io/docs/concepts/configuration/secret/>): everything under `data` and `stringData`, whatever it
//! looks like.

use crate::format::Found;
use crate::rules::KUBERNETES;
use std::ops::Range;

/// Values of one Secret at most.
const VALUES_MAX: usize = 512;

/// True when the word at `at` says that this is a Secret: `kind: Secret`, `"kind": "Secret"`, with quotes escaped or not.
pub fn is_secret(bytes: &[u8], at: usize) -> bool {
    if bytes.get(at..at + 6) != Some(b"Secret") {
        return false;
    }
    let next = bytes.get(at + 6).copied();
    // `SecretList` holds Secrets as well; `SecretStore` does not.
    let whole = next.is_none_or(|b| !b.is_ascii_alphanumeric())
        || bytes.get(at + 6..at + 10) == Some(b"List");
    let head = bytes.get(at.saturating_sub(16)..at).unwrap_or_default();
    let quiet: Vec<u8> = head
        .iter()
        .copied()
        .filter(|b| !matches!(b, b' ' | b'"' | b'\\' | b'\''))
        .collect();
    whole && quiet.ends_with(b"kind:")
}

/// All values of all Secrets in a text.
pub fn values(bytes: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    for name in [b"data".as_slice(), b"stringData"] {
        for at in memchr::memmem::find_iter(bytes, name) {
            let before = at.checked_sub(1).and_then(|i| bytes.get(i)).copied();
            let begins = matches!(
                before,
                None | Some(b'"' | b' ' | b'\n' | b'\t' | b'{' | b'\'')
            );
            if !begins || found.len() > VALUES_MAX {
                continue;
            }
            let mut ranges = Vec::new();
            match before {
                Some(b'"') => json(bytes, at + name.len(), &mut ranges),
                _ => yaml(bytes, at, name.len(), &mut ranges),
            }
            found.extend(ranges.into_iter().map(|range| Found {
                range,
                rule: KUBERNETES,
            }));
        }
    }
    found
}

/// `"data": {"key": "value", …}`; every second string is a value.
fn json(bytes: &[u8], from: usize, out: &mut Vec<Range<usize>>) {
    let quote = bytes
        .get(from..)
        .unwrap_or_default()
        .iter()
        .take_while(|b| matches!(b, b'"' | b'\\'))
        .count();
    let mut at = from + quote;
    let blank = |at: usize| matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r' | b':'));
    while blank(at) {
        at += 1;
    }
    if bytes.get(at) != Some(&b'{') {
        return;
    }
    let escapes = bytes
        .get(from..)
        .unwrap_or_default()
        .iter()
        .take_while(|b| **b == b'\\')
        .count();
    let (mut string, mut strings) = (None, 0);
    while let Some(byte) = bytes.get(at) {
        let depth = bytes[..at]
            .iter()
            .rev()
            .take_while(|b| **b == b'\\')
            .count();
        match (byte, string) {
            (b'"', None) => string = Some(at + 1),
            (b'"', Some(start)) if depth <= escapes => {
                let end = at - depth.min(at - start);
                if strings % 2 == 1 && end > start {
                    out.push(start..end);
                }
                strings += 1;
                string = None;
            }
            (b'}', None) => return,
            _ => {}
        }
        if out.len() >= VALUES_MAX {
            return;
        }
        at += 1;
    }
}

/// Lines under `data:` that stand further in; a block scalar (`|`) with all its lines.
fn yaml(bytes: &[u8], at: usize, name: usize, out: &mut Vec<Range<usize>>) {
    let line_start = bytes[..at]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |i| i + 1);
    let indent = at - line_start;
    let rest = bytes.get(at + name..).unwrap_or_default();
    let own = bytes[line_start..at]
        .iter()
        .all(|b| *b == b' ' || *b == b'-');
    if rest.first() != Some(&b':') || !own {
        return;
    }
    let mut from = at
        + name
        + rest
            .iter()
            .position(|b| *b == b'\n')
            .map_or(rest.len(), |i| i + 1);
    let mut keys = None;
    while from < bytes.len() && out.len() < VALUES_MAX {
        let line = &bytes[from..];
        let length = line.iter().position(|b| *b == b'\n').unwrap_or(line.len());
        let line = &line[..length];
        let depth = line.iter().take_while(|b| **b == b' ').count();
        if depth < length {
            if depth <= indent {
                return;
            }
            let keyed = *keys.get_or_insert(depth);
            if let Some(range) = value(line, depth, depth > keyed) {
                out.push(from + range.start..from + range.end);
            }
        }
        from += length + 1;
    }
}

/// The value of `key: value`, or the whole line where it goes on with the value before.
fn value(line: &[u8], depth: usize, goes_on: bool) -> Option<Range<usize>> {
    let end = line.trim_ascii_end().len();
    if goes_on {
        return Some(depth..end);
    }
    let colon = depth + line.get(depth..)?.iter().position(|b| *b == b':')?;
    let mut start = colon + 1;
    while matches!(line.get(start), Some(b' ' | b'"' | b'\'')) {
        start += 1;
    }
    let mut end = end;
    while end > start && matches!(line[end - 1], b'"' | b'\'') {
        end -= 1;
    }
    let text = line.get(start..end)?;
    let empty =
        text.is_empty() || matches!(text, b"|" | b"|-" | b">" | b">-" | b"|+" | b"{}" | b"null");
    (!empty).then_some(start..end)
}
