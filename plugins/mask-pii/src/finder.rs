//! From candidates to reports: what a candidate is worth, what the words around it say, and whether that is enough.

use crate::config::Settings;
use crate::context::{BEFORE, BEHIND, Said, Words};
use crate::kinds::{COLUMN, Kind, LOWERS, RAISES};
use crate::scan::Maps;
use portcullis_sdk::{Batch, Cell, Edits};
use std::ops::Range;

/// Everything that one call works with.
pub struct Finder<'a, 'b> {
    /// The cells' bytes.
    pub data: &'b [u8],
    /// Where digits and the like stand.
    pub maps: &'a Maps,
    settings: &'a Settings,
    words: &'a Words,
    /// What the names of columns say; empty when none says anything.
    columns: &'a [u32],
    cursor: Cursor<'a, 'b>,
    found: &'a mut Vec<Found>,
    /// The words around the last weak candidate: several kinds ask for the same.
    heard: (Range<usize>, Said),
}

/// Something that is reported.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    start: u32,
    end: u32,
    kind: Kind,
}

/// The cell of an offset; offsets mostly rise.
struct Cursor<'a, 'b> {
    batch: &'a Batch<'b>,
    cell: Option<Cell<'b>>,
    index: usize,
    start: usize,
    end: usize,
}

impl<'a, 'b> Cursor<'a, 'b> {
    fn new(batch: &'a Batch<'b>) -> Self {
        let mut cursor = Self {
            batch,
            cell: None,
            index: 0,
            start: 0,
            end: 0,
        };
        cursor.set(0);
        cursor
    }

    fn set(&mut self, index: usize) {
        self.index = index;
        self.cell = self.batch.cell(index);
        let bytes = self.cell.map_or(&self.batch.data()[..0], |c| c.bytes());
        // Both are of the same buffer.
        self.start = bytes.as_ptr() as usize - self.batch.data().as_ptr() as usize;
        self.end = self.start + bytes.len();
    }

    /// The cell, and the offset within it.
    #[inline]
    fn at(&mut self, offset: usize) -> Option<(Cell<'b>, usize)> {
        for _ in 0..12 {
            if offset < self.end || self.cell.is_none() {
                break;
            }
            self.set(self.index + 1);
        }
        if !(self.start..self.end).contains(&offset) {
            let (cell, _) = self.batch.locate(offset)?;
            self.set(cell.index() as usize);
        }
        Some((self.cell?, offset.checked_sub(self.start)?))
    }
}

impl<'a, 'b> Finder<'a, 'b> {
    /// Begins a call.
    pub fn new(
        batch: &'a Batch<'b>,
        maps: &'a Maps,
        (settings, words): (&'a Settings, &'a Words),
        columns: &'a [u32],
        found: &'a mut Vec<Found>,
    ) -> Self {
        found.clear();
        Self {
            data: batch.data(),
            maps,
            settings,
            words,
            columns: if columns.iter().all(|c| *c == 0) {
                &[]
            } else {
                columns
            },
            cursor: Cursor::new(batch),
            found,
            heard: (0..0, Said::default()),
        }
    }

    /// True when any of these kinds is looked for.
    #[inline]
    pub fn on(&self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.settings.on & kind.bit() != 0)
    }

    /// True when anything of this kind could be reported at this score.
    #[inline]
    pub fn wants(&self, kind: Kind, score: u8) -> bool {
        score.saturating_add(COLUMN) >= self.settings.thresholds[kind as usize]
    }

    /// Weighs a candidate and takes it in when that is enough.
    pub fn consider(&mut self, kind: Kind, range: Range<usize>, score: u8) {
        let threshold = self.settings.thresholds[kind as usize];
        if !self.wants(kind, score) || !self.on(&[kind]) {
            return;
        }
        let surely = match kind.lowering().is_empty() {
            true => score,
            false => score.saturating_sub(LOWERS),
        };
        if surely >= threshold || self.weighed(kind, &range, score) >= threshold {
            self.found.push(Found {
                start: range.start as u32,
                end: range.end as u32,
                kind,
            });
        }
    }

    /// True when neither the column's name nor anything around can make such a candidate surer.
    #[inline]
    pub fn deaf(&mut self, start: usize, end: usize) -> bool {
        let Some((cell, within)) = self.cursor.at(start) else {
            return true;
        };
        let named = self.columns.get(cell.column()).is_some_and(|c| *c != 0);
        !named && !self.letters(start - within..self.cursor.end, start, end)
    }

    /// True when letters stand around a value in its cell, as near as words count.
    #[inline]
    fn letters(&self, cell: Range<usize>, start: usize, end: usize) -> bool {
        let any = |from: usize, to: usize| {
            let length = to.saturating_sub(from);
            let bits = self.maps.word.from(from) & !self.maps.digit.from(from);
            length > 0 && bits << (64 - length.min(64)) != 0
        };
        any(cell.start.max(start.saturating_sub(BEFORE)), start)
            || any(end, cell.end.min(end + BEHIND))
    }

    /// True when a score that no word has raised can be enough.
    #[inline]
    pub fn lenient(&self, score: u8) -> bool {
        score >= self.settings.lowest
    }

    /// The score after the column's name and the words around have been heard.
    fn weighed(&mut self, kind: Kind, range: &Range<usize>, score: u8) -> u8 {
        let Some((cell, within)) = self.cursor.at(range.start) else {
            return score;
        };
        let column = self.columns.get(cell.column()).copied().unwrap_or(0);
        if column & kind.bit() != 0 {
            return score.saturating_add(COLUMN);
        }
        let bounds = range.start - within..self.cursor.end;
        if !self.letters(bounds, range.start, range.end) {
            return score;
        }
        if self.heard.0 != *range {
            let said = self.words.around(self.data, range.start, range.end);
            self.heard = (range.clone(), said);
        }
        let said = self.heard.1;
        match (said.raise & kind.bit() != 0, said.lower & kind.bit() != 0) {
            (true, _) => score.saturating_add(RAISES),
            (false, true) => score.saturating_sub(LOWERS),
            (false, false) => score,
        }
    }
}

/// Reports what was found, in order, the same thing once.
pub fn report(batch: &Batch<'_>, found: &mut [Found], out: &mut Edits) {
    // A few stretches that are in order already, one of each scan: a sort that merges them.
    found.sort_by_key(|f| (f.start, f.end, f.kind));
    let mut cursor = Cursor::new(batch);
    let mut last: Option<Found> = None;
    for one in found.iter() {
        // A number that was found by two of its forms: the wider comes second at most once.
        if last.is_some_and(|l| l.kind == one.kind && (l.start, l.end) == (one.start, one.end)) {
            continue;
        }
        last = Some(*one);
        let Some((cell, within)) = cursor.at(one.start as usize) else {
            continue;
        };
        let end = within + (one.end - one.start) as usize;
        if end <= cell.bytes().len() {
            out.entity(cell, within..end, one.kind.rule());
        }
    }
}
