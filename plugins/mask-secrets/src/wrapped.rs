//! Secrets in base64 or in hexadecimal digits. The anchors themselves are looked for in both forms (base64 in each of its
//! three alignments), so that no blob is decoded on suspicion; what such an anchor stands in is decoded and searched.

use crate::decode;
use crate::format::{base64_any, hex, run_before};
use std::ops::Range;

/// How an anchor is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// base64, so many bytes after a boundary of three.
    Base64(usize),
    /// Hexadecimal digits.
    Hex,
}

/// No more than this is decoded of a blob.
const DECODED_MAX: usize = 8192;
/// What is looked at before the anchor, so that it is seen whether it continues a word.
const BEFORE: usize = 64;
/// Shorter ones would be met by chance too often.
const ANCHOR_MIN: usize = 4;

/// The wrapped forms of a literal.
pub fn forms(anchor: &str) -> Vec<(String, Wrapping)> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(anchor.as_bytes());
        let text = decode::to_base64(&bytes);
        // Only characters that depend on nothing but the anchor.
        let first = (shift * 8).div_ceil(6);
        let last = (shift + anchor.len()) * 8 / 6;
        if last - first >= ANCHOR_MIN {
            forms.push((text[first..last].to_owned(), Wrapping::Base64(shift)));
        }
    }
    let digits: String = anchor.bytes().map(|b| format!("{b:02x}")).collect();
    forms.push((digits, Wrapping::Hex));
    forms
}

/// A blob with an anchor in it.
pub struct Blob {
    /// All of it.
    pub range: Range<usize>,
    /// What it holds, from a little before the anchor on.
    pub inside: Vec<u8>,
}

/// The blob around a wrapped anchor at `at`.
pub fn blob(bytes: &[u8], at: usize, wrapping: Wrapping) -> Option<Blob> {
    let class = match wrapping {
        Wrapping::Base64(_) => base64_any,
        Wrapping::Hex => hex,
    };
    let before = run_before(bytes, at, class);
    let start = lines_before(bytes, at - before, class);
    let end = at + lines(bytes, at, class);
    if end - start < 16 {
        return None;
    }
    let (back, text) = match wrapping {
        Wrapping::Base64(shift) => {
            let first = (shift * 8).div_ceil(6);
            let back = before.saturating_sub(first).min(BEFORE) / 4 * 4 + first;
            (back.min(before), true)
        }
        Wrapping::Hex => (before.min(BEFORE) / 2 * 2, false),
    };
    let piece = bytes.get(at - back..end.min(at + DECODED_MAX))?;
    let inside = if text {
        decode::base64(piece)
    } else {
        decode::hex(piece)
    };
    Some(Blob {
        range: start..end,
        inside,
    })
}

/// How far a blob goes, line breaks between full lines included.
fn lines(bytes: &[u8], at: usize, class: fn(u8) -> bool) -> usize {
    let mut length = 0;
    loop {
        let rest = bytes.get(at + length..).unwrap_or_default();
        let line = rest.iter().take_while(|b| class(**b)).count();
        length += line;
        let rest = &rest[line..];
        let gap = [b"\r\n".as_slice(), b"\n", b"\\r\\n", b"\\n"]
            .into_iter()
            .find(|g| rest.starts_with(g))
            .map_or(0, <[u8]>::len);
        let next = rest.get(gap..).unwrap_or_default();
        let goes_on = next.iter().take(4).filter(|b| class(**b)).count() >= 2;
        if gap == 0 || line < 48 || !goes_on || length > DECODED_MAX * 8 {
            return length;
        }
        length += gap;
    }
}

/// Full lines of a blob above the one that begins at `start`.
fn lines_before(bytes: &[u8], mut start: usize, class: fn(u8) -> bool) -> usize {
    for _ in 0..DECODED_MAX / 48 {
        let head = &bytes[..start];
        let gap = [b"\r\n".as_slice(), b"\\r\\n", b"\n", b"\\n"]
            .into_iter()
            .find(|g| head.ends_with(g))
            .map_or(0, <[u8]>::len);
        let line = run_before(bytes, start - gap, class);
        if gap == 0 || line < 48 {
            break;
        }
        start -= gap + line;
    }
    start
}
