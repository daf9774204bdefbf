//! From candidates to reports: what a candidate is worth, what the words around it say, and whether that is enough.

use crate::config::Settings;
use crate::context::{Said, Words};
use crate::kinds::{COLUMN, Kind, LOWERS, RAISES};
use crate::scan::Maps;
use portcullis_sdk::{Batch, Edits};
use std::ops::Range;

/// Everything that one call works with.
pub struct Finder<'a, 'b> {
    /// The cells.
    pub batch: &'a Batch<'b>,
    /// Their bytes.
    pub data: &'b [u8],
    /// Where digits and the like stand.
    pub maps: &'a Maps,
    /// Thresholds.
    pub settings: &'a Settings,
    /// Words.
    pub words: &'a Words,
    /// What the names of columns say.
    pub columns: &'a [u32],
    /// Reports.
    pub out: &'a mut Edits,
    /// The words around the last weak candidate: several kinds ask for the same.
    heard: Option<(Range<usize>, Said)>,
}

impl<'a, 'b> Finder<'a, 'b> {
    /// Begins a call.
    pub fn new(
        batch: &'a Batch<'b>,
        maps: &'a Maps,
        settings: &'a Settings,
        words: &'a Words,
        columns: &'a [u32],
        out: &'a mut Edits,
    ) -> Self {
        Self {
            batch,
            data: batch.data(),
            maps,
            settings,
            words,
            columns,
            out,
            heard: None,
        }
    }

    /// True when anything of this kind could be reported at this score.
    #[inline]
    pub fn wants(&self, kind: Kind, score: u8) -> bool {
        score.saturating_add(COLUMN) >= self.settings.thresholds[kind as usize]
    }

    /// Weighs a candidate and reports it when that is enough.
    pub fn consider(&mut self, kind: Kind, range: Range<usize>, score: u8) -> bool {
        let threshold = self.settings.thresholds[kind as usize];
        if !self.wants(kind, score) || threshold == u8::MAX {
            return false;
        }
        let surely = match kind.lowering().is_empty() {
            true => score,
            false => score.saturating_sub(LOWERS),
        };
        let enough = surely >= threshold || self.weighed(kind, &range, score) >= threshold;
        if enough && let Some((cell, within)) = self.batch.locate(range.start) {
            let end = within + range.len();
            if end <= cell.bytes().len() {
                self.out.entity(cell, within..end, kind.rule());
                return true;
            }
        }
        false
    }

    /// The score after the column's name and the words around have been heard.
    fn weighed(&mut self, kind: Kind, range: &Range<usize>, score: u8) -> u8 {
        if self.column(range.start) & kind.bit() != 0 {
            return score.saturating_add(COLUMN);
        }
        let said = match &self.heard {
            Some((heard, said)) if heard == range => *said,
            _ => {
                let said = self.words.around(self.data, range.start, range.end);
                self.heard = Some((range.clone(), said));
                said
            }
        };
        match (said.raise & kind.bit() != 0, said.lower & kind.bit() != 0) {
            (true, _) => score.saturating_add(RAISES),
            (false, true) => score.saturating_sub(LOWERS),
            (false, false) => score,
        }
    }

    /// What the name of the column at this offset says.
    fn column(&self, at: usize) -> u32 {
        if self.columns.iter().all(|c| *c == 0) {
            return 0;
        }
        let column = self.batch.locate(at).map(|(cell, _)| cell.column());
        column
            .and_then(|c| self.columns.get(c))
            .copied()
            .unwrap_or(0)
    }
}
