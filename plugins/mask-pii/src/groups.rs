//! Numbers as people write them: groups of digits with blanks, dots, dashes, slashes or parentheses between. A run is
//! what belongs together at most; the families look at windows of it.

use crate::scan::Maps;
use std::ops::Range;

/// Groups of one run; a longer one goes on in the next, with an overlap.
pub const GROUPS_MAX: usize = 16;

/// A run of groups. Positions are offsets of the batch's data.
pub struct Run<'a> {
    data: &'a [u8],
    groups: [(u32, u32); GROUPS_MAX],
    count: usize,
}

impl<'a> Run<'a> {
    /// An empty run, to be read into again and again: clearing it costs more than most runs do.
    pub fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            groups: [(0, 0); GROUPS_MAX],
            count: 0,
        }
    }

    /// Reads the run that begins with the digits at `start..end`.
    pub fn read(&mut self, maps: &Maps, start: usize, end: usize) {
        let data = self.data;
        self.groups[0] = (start as u32, end as u32);
        self.count = 1;
        let mut end = end;
        while self.count < GROUPS_MAX {
            let Some(next) = next_group(data, maps, end) else {
                break;
            };
            let stop = maps.digit.end(next);
            let whole = maps.word.end(next);
            // `2A` and `2B` stand for Corsica in the middle of a French number.
            let corsica = whole == next + 2
                && self.count == 3
                && data[next] == b'2'
                && matches!(data[next + 1], b'A' | b'B');
            if stop != whole && !corsica {
                break;
            }
            self.groups[self.count] = (next as u32, whole as u32);
            self.count += 1;
            end = whole;
        }
    }

    /// How many groups.
    pub fn len(&self) -> usize {
        self.count
    }

    /// How many digits there are.
    pub fn total(&self) -> usize {
        (0..self.count).map(|g| self.length(g)).sum()
    }

    /// Where the scan goes on: behind the run, or in its second half where it may have been cut.
    pub fn next(&self) -> usize {
        match self.count == GROUPS_MAX {
            true => self.groups[GROUPS_MAX / 2].0 as usize,
            false => self.groups[self.count - 1].1 as usize,
        }
    }

    /// The length of a group.
    pub fn length(&self, group: usize) -> usize {
        let (start, end) = self.groups[group];
        (end - start) as usize
    }

    /// From the first byte of one group to the last of another.
    pub fn range(&self, first: usize, last: usize) -> Range<usize> {
        self.groups[first].0 as usize..self.groups[last].1 as usize
    }

    /// The bytes of a group.
    pub fn digits(&self, group: usize) -> &'a [u8] {
        let (start, end) = self.groups[group];
        &self.data[start as usize..end as usize]
    }

    /// What stands between a group and the next.
    pub fn gap(&self, group: usize) -> &'a [u8] {
        &self.data[self.groups[group].1 as usize..self.groups[group + 1].0 as usize]
    }

    /// True when all gaps of a window are this one byte.
    pub fn joined(&self, first: usize, last: usize, by: u8) -> bool {
        (first..last).all(|g| self.gap(g) == [by])
    }

    /// True when all gaps of a window are the same blank or the same dash.
    pub fn evenly(&self, first: usize, last: usize) -> bool {
        self.joined(first, last, b' ') || self.joined(first, last, b'-')
    }

    /// True when the groups of a window have these lengths.
    pub fn shaped(&self, first: usize, lengths: &[usize]) -> bool {
        first + lengths.len() <= self.count
            && lengths
                .iter()
                .enumerate()
                .all(|(i, n)| self.length(first + i) == *n)
    }

    /// True when a window stands by itself: only blanks join it to its neighbours, and no decimal point, sign of
    /// a version or letter touches it.
    pub fn apart(&self, first: usize, last: usize) -> bool {
        let blank = |gap: &[u8]| gap.contains(&b' ') || gap == b"/";
        (first == 0 || blank(self.gap(first - 1)))
            && (last + 1 == self.count || blank(self.gap(last)))
            && free(self.data, &self.range(first, last))
    }

    /// True for `2026-11-21` and what may follow it: a day, and no number of any other kind.
    pub fn iso_date(&self) -> bool {
        self.shaped(0, &[4, 2, 2])
            && self.joined(0, 2, b'-')
            && matches!(self.digits(0), [b'1', b'9', ..] | [b'2', b'0', ..])
            && matches!(self.digits(1)[0], b'0' | b'1')
            && (self.count == 3 || self.gap(2) == b" ")
    }

    /// True when a comma and more digits follow: an amount.
    pub fn decimal(&self) -> bool {
        let end = self.groups[self.count - 1].1 as usize;
        self.data.get(end) == Some(&b',') && self.data.get(end + 1).is_some_and(u8::is_ascii_digit)
    }

    /// The digits of a window, without what stands between.
    pub fn plain(&self, first: usize, last: usize) -> Plain {
        let mut plain = Plain {
            bytes: [0; 40],
            length: 0,
        };
        for group in first..=last {
            for byte in self.digits(group) {
                if plain.length < plain.bytes.len() {
                    plain.bytes[plain.length] = *byte;
                    plain.length += 1;
                }
            }
        }
        plain
    }
}

/// A number without its separators; at most 40 bytes of it.
pub struct Plain {
    bytes: [u8; 40],
    length: usize,
}

impl std::ops::Deref for Plain {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Where the next group begins, at most two separators on.
#[inline]
fn next_group(data: &[u8], maps: &Maps, end: usize) -> Option<usize> {
    let joins = |at: usize| {
        data.get(at)
            .is_some_and(|b| matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')'))
    };
    if !joins(end) {
        return None;
    }
    if maps.digit.has(end + 1) {
        return Some(end + 1);
    }
    (joins(end + 1) && maps.digit.has(end + 2)).then_some(end + 2)
}

/// True when neither side continues a word, a fraction or a path of dots: `x4539…` is an identifier, `0.4539…` a number.
pub fn free(data: &[u8], range: &Range<usize>) -> bool {
    let word = |at: usize| {
        data.get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    };
    let digit = |at: usize| data.get(at).is_some_and(u8::is_ascii_digit);
    let dotted = |dot: usize| matches!(data.get(dot), Some(b'.'));
    let fraction = |dot: usize| dotted(dot) && dot.checked_sub(1).is_some_and(digit);
    let left = match range.start.checked_sub(1) {
        Some(at) => !word(at) && !fraction(at),
        None => true,
    };
    let goes_on = dotted(range.end) && digit(range.end + 1);
    left && !word(range.end) && !goes_on
}
