//! Addresses of machines: IPv4 in dotted form, IPv6 (RFC 4291 section 2.2), MAC (IEEE 802). Unspecified, loopback,
//! broadcast and documentation-only masks name nobody.

use crate::groups::Run;
use crate::scan::Maps;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Four groups joined by dots.
pub fn v4(run: &Run<'_>, data: &[u8], first: usize) -> Option<(Range<usize>, u8)> {
    let last = first + 3;
    if last >= run.len() || !run.joined(first, last, b'.') {
        return None;
    }
    let range = run.range(first, last);
    let dotted = |at: usize| data.get(at) == Some(&b'.');
    let more =
        first > 0 && run.gap(first - 1) == b"." || last + 1 < run.len() && run.gap(last) == b".";
    // `x1.2.3.4` and `v1.2.3.4` are names; a fifth number makes an object id.
    if more || !sides(data, &range) || range.start > 0 && dotted(range.start - 1) {
        return None;
    }
    let address: Ipv4Addr = std::str::from_utf8(&data[range.clone()])
        .ok()?
        .parse()
        .ok()?;
    let first = address.octets()[0];
    let nobody = address.is_unspecified()
        || address.is_loopback()
        || address.is_broadcast()
        || first == 0
        || first == 255;
    (!nobody && !product(data, &range)).then_some((range, 65))
}

/// `Chrome/120.0.0.0`: the version of a product, as browsers say it.
fn product(data: &[u8], range: &Range<usize>) -> bool {
    let named = range.start >= 2
        && data[range.start - 1] == b'/'
        && data[range.start - 2].is_ascii_alphabetic();
    named && data[range.clone()].ends_with(b".0.0")
}

fn sides(data: &[u8], range: &Range<usize>) -> bool {
    let word = |at: usize| {
        data.get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    };
    !range.start.checked_sub(1).is_some_and(word) && !word(range.end)
}

/// Six pairs of hexadecimal digits joined by colons or by dashes, found by the signs' distance.
pub fn mac(data: &[u8], maps: &Maps, out: &mut impl FnMut(Range<usize>)) {
    for (map, sign) in [(&maps.colon, b':'), (&maps.dash, b'-')] {
        for block in 0..map.words().len() {
            let mut hits = map.from(block * 64);
            for step in [3, 6, 9, 12] {
                if hits == 0 {
                    break;
                }
                hits &= map.from(block * 64 + step);
            }
            while hits != 0 {
                let at = block * 64 + hits.trailing_zeros() as usize;
                hits &= hits - 1;
                if let Some(range) = mac_at(data, at, sign) {
                    out(range);
                }
            }
        }
    }
}

fn mac_at(data: &[u8], sign: usize, by: u8) -> Option<Range<usize>> {
    let range = sign.checked_sub(2)?..sign + 15;
    let text = data.get(range.clone())?;
    let pairs = text.iter().enumerate().all(|(i, b)| {
        if i % 3 == 2 {
            *b == by
        } else {
            b.is_ascii_hexdigit()
        }
    });
    let goes_on = |at: usize| {
        data.get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == by || *b == b'_')
    };
    let alone = !range.start.checked_sub(1).is_some_and(goes_on) && !goes_on(range.end);
    let varied = text.chunks(3).any(|pair| pair[..2] != text[..2]);
    (pairs && alone && varied).then_some(range)
}

/// Chains of hexadecimal groups with colons close together.
pub fn v6(data: &[u8], maps: &Maps, out: &mut impl FnMut(Range<usize>)) {
    let map = &maps.colon;
    let mut from = 0;
    for block in 0..map.words().len() {
        let base = block * 64;
        let mut near = 0;
        for step in 1..=5 {
            near |= map.from(base + step);
        }
        let mut hits = map.from(base) & near;
        while hits != 0 {
            let at = base + hits.trailing_zeros() as usize;
            hits &= hits - 1;
            if at >= from {
                let (end, found) = v6_at(data, at);
                from = end;
                found.into_iter().for_each(&mut *out);
            }
        }
    }
}

/// The address around a colon, and where the chain ends.
fn v6_at(data: &[u8], colon: usize) -> (usize, Option<Range<usize>>) {
    let part = |b: &u8| b.is_ascii_hexdigit() || *b == b':';
    let head = data[..colon]
        .iter()
        .rev()
        .take(5)
        .take_while(|b| b.is_ascii_hexdigit())
        .count();
    let start = colon - head;
    let mut end = colon
        + data[colon..]
            .iter()
            .take(46)
            .take_while(|b| part(b) || **b == b'.')
            .count();
    while end > colon && matches!(data[end - 1], b'.' | b':') && !data[..end].ends_with(b"::") {
        end -= 1;
    }
    let text = &data[start..end];
    let colons = text.iter().filter(|b| **b == b':').count();
    let doubled = text.windows(2).any(|pair| pair == b"::");
    let digits = text.iter().any(u8::is_ascii_digit);
    let edge = |at: usize| {
        data.get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'))
    };
    let alone = head < 5 && !start.checked_sub(1).is_some_and(edge) && !edge(end);
    let scan = end.max(colon + 1);
    if !alone || !digits || !(doubled || colons == 7) {
        return (scan, None);
    }
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.parse::<Ipv6Addr>().ok());
    let Some(address) = parsed else {
        return (scan, None);
    };
    let lead = text.iter().take_while(|b| **b != b':').count();
    // `a::1` is a path of some language; an address of few groups begins with a whole one.
    let telling = lead == 4 || colons >= 4 || address.to_ipv4_mapped().is_some();
    let nobody = address.is_unspecified() || address.is_loopback();
    (scan, (telling && !nobody).then_some(start..end))
}
