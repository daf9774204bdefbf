//! What one identity did within the last hour, over all its sessions on this node. Pure: time is an argument.
//! It refuses to forget too early: the window is an hour and up to five minutes long, so a budget is never
//! fresh before its hour is over.

use portcullis_model::{Tally, Timestamp};
use std::sync::{Mutex, PoisonError};

const SLOT_SECONDS: i64 = 5 * 60;
/// Twelve whole slots are an hour; the thirteenth is the one that runs.
const SLOTS: usize = 13;

/// The counts of one identity.
#[derive(Debug, Default)]
pub struct Ledger {
    hour: Mutex<Hour>,
}

#[derive(Debug, Default)]
struct Hour {
    /// Number of the slot that runs, counted from the epoch.
    slot: i64,
    slots: [Tally; SLOTS],
    sum: Tally,
}

impl Ledger {
    /// Adds what was just done.
    pub fn add(&self, done: Tally, now: Timestamp) {
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        hour.advance(now);
        let index = hour.index(hour.slot);
        if let Some(slot) = hour.slots.get_mut(index) {
            *slot = slot.plus(done);
        }
        hour.sum = hour.sum.plus(done);
    }

    /// The last hour.
    #[must_use]
    pub fn hour(&self, now: Timestamp) -> Tally {
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        hour.advance(now);
        hour.sum
    }
}

impl Hour {
    fn index(&self, slot: i64) -> usize {
        usize::try_from(slot.rem_euclid(SLOTS as i64)).unwrap_or(0)
    }

    /// A clock that goes back changes nothing: what was counted stays counted.
    fn advance(&mut self, now: Timestamp) {
        let current = now.0.div_euclid(1_000_000_000).div_euclid(SLOT_SECONDS);
        let passed = current.saturating_sub(self.slot);
        if passed <= 0 {
            return;
        }
        for ahead in 1..=passed.min(SLOTS as i64) {
            let index = self.index(self.slot.saturating_add(ahead));
            if let Some(slot) = self.slots.get_mut(index) {
                self.sum = self.sum.minus(*slot);
                *slot = Tally::default();
            }
        }
        self.slot = current;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: u64) -> Tally {
        Tally {
            rows,
            ..Tally::default()
        }
    }

    fn minute(minute: i64) -> Timestamp {
        Timestamp(minute * 60_000_000_000)
    }

    #[test]
    fn an_hour_counts_whole_and_no_longer_than_five_minutes_more() {
        let ledger = Ledger::default();
        ledger.add(rows(7), minute(100));
        ledger.add(rows(5), minute(130));
        assert_eq!(ledger.hour(minute(130)).rows, 12);
        assert_eq!(ledger.hour(minute(160)).rows, 12);
        assert_eq!(ledger.hour(minute(165)).rows, 5);
        assert_eq!(ledger.hour(minute(189)).rows, 5);
        assert_eq!(ledger.hour(minute(195)).rows, 0);
        assert_eq!(ledger.hour(minute(100_000)), Tally::default());
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let ledger = Ledger::default();
        ledger.add(rows(3), minute(1000));
        ledger.add(rows(4), minute(10));
        assert_eq!(ledger.hour(minute(10)).rows, 7);
        assert_eq!(ledger.hour(minute(1000)).rows, 7);
    }

    #[test]
    fn the_sum_is_what_the_slots_hold() {
        let ledger = Ledger::default();
        let mut at = 0;
        for step in [1, 4, 5, 6, 11, 59, 60, 61, 64, 65, 66, 300, 2, 3] {
            at += step;
            ledger.add(rows(1), minute(at));
            let hour = ledger.hour.lock().unwrap();
            let held = hour.slots.iter().fold(Tally::default(), |a, b| a.plus(*b));
            assert_eq!(held, hour.sum);
        }
    }
}
