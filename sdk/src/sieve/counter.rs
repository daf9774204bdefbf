//! Runs of digits, counted beside the patterns: a counter that may start anywhere would make a library's automaton
//! explode. Refuses nothing: what a run may be was checked with the manifest.

use crate::needles::Run;

/// A run of digits that is being counted. Of all places where a run may have begun the earliest is ahead of the
/// others for good, so one number is enough.
pub(super) struct Counter {
    run: Run,
    separates: [bool; 256],
}

/// How far a counter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Count {
    digits: u8,
    gap: u8,
    /// Nothing is counted, and the last byte belongs to a word.
    word: bool,
    /// The run was complete right before the last byte, or with it.
    found: bool,
}

impl Counter {
    pub(super) const START: Count = Count {
        digits: 0,
        gap: 0,
        word: false,
        found: false,
    };

    pub(super) fn of(run: &Run) -> Self {
        let mut separates = [false; 256];
        for byte in run.separators.bytes() {
            separates[usize::from(byte)] = true;
        }
        Self {
            run: run.clone(),
            separates,
        }
    }

    /// The next byte.
    pub(super) fn next(&self, at: Count, byte: u8) -> Count {
        let alone = self.run.alone;
        let word = byte.is_ascii_alphanumeric() || byte == b'_';
        let least = u8::try_from(self.run.least).unwrap_or(u8::MAX);
        let separates = self.separates[usize::from(byte)] && u32::from(at.gap) < self.run.gap;
        let mut next = match at.digits {
            0 if byte.is_ascii_digit() && !(alone && at.word) => Count {
                digits: 1,
                ..Self::START
            },
            digits if digits > 0 && byte.is_ascii_digit() => Count {
                digits: digits.saturating_add(1).min(least),
                ..Self::START
            },
            digits if digits > 0 && separates => Count {
                digits,
                gap: at.gap + 1,
                ..Self::START
            },
            _ => Count {
                word: alone && word,
                ..Self::START
            },
        };
        next.found = match alone {
            true => !word && self.complete(at),
            false => self.complete(next),
        };
        next
    }

    /// The run has all its digits, and the last byte is one of them.
    fn complete(&self, at: Count) -> bool {
        u32::from(at.digits) >= self.run.least && at.gap == 0
    }

    /// It is complete here.
    pub(super) fn found(&self, at: Count) -> bool {
        at.found
    }

    /// It is complete when the text ends here.
    pub(super) fn found_at_end(&self, at: Count) -> bool {
        at.found || self.complete(at)
    }
}
