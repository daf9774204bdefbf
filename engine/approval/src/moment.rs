//! The time as the desk knows it: the time of day, which may jump, beside a count that only ever grows. It refuses to
//! let a clock that was set back give anybody more time: what has run out by either has run out.

use portcullis_gate::Clock;
use portcullis_model::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Time since some start, which never goes back. Implemented by `portcullis` over the monotonic clock.
pub type Steady = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Both clocks.
#[derive(Clone)]
pub struct Clocks {
    wall: Clock,
    steady: Steady,
}

impl Clocks {
    /// These two.
    #[must_use]
    pub fn new(wall: Clock, steady: Steady) -> Self {
        Self { wall, steady }
    }

    /// What both say now.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment {
            wall: (self.wall)(),
            steady: (self.steady)(),
        }
    }
}

/// One look at both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub wall: Timestamp,
    /// The steady count.
    pub steady: Duration,
}

/// The end of some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// By the time of day: what is shown and kept.
    pub wall: Timestamp,
    steady: Duration,
}

impl Deadline {
    pub(crate) fn after(now: Moment, time: Duration) -> Self {
        Self {
            wall: now.wall.after(time),
            steady: now.steady.saturating_add(time),
        }
    }

    /// A kept one. `seen` is the latest time that the store knows of: a clock that was set back while nobody looked
    /// gives no more than was left then.
    pub(crate) fn kept(wall: Timestamp, seen: Timestamp, now: Moment) -> Self {
        let left = wall.since(now.wall.max(seen));
        Self {
            wall,
            steady: now.steady.saturating_add(left),
        }
    }

    pub(crate) fn passed(self, now: Moment) -> bool {
        self.left(now).is_zero()
    }

    /// What the steady count alone leaves.
    pub(crate) fn left_steady(self, now: Moment) -> Duration {
        self.steady.saturating_sub(now.steady)
    }

    /// The less of what both clocks leave.
    pub(crate) fn left(self, now: Moment) -> Duration {
        self.wall.since(now.wall).min(self.left_steady(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: i64, steady: u64) -> Moment {
        Moment {
            wall: Timestamp(wall * 1_000_000_000),
            steady: Duration::from_secs(steady),
        }
    }

    #[test]
    fn what_has_run_out_by_either_clock_has_run_out() {
        let deadline = Deadline::after(at(1000, 10), Duration::from_secs(60));
        assert!(!deadline.passed(at(1059, 69)));
        assert!(deadline.passed(at(1061, 11)), "the clock went ahead");
        assert!(deadline.passed(at(500, 70)), "the clock went back");
        assert_eq!(deadline.left(at(500, 40)), Duration::from_secs(30));
    }

    #[test]
    fn a_restart_with_a_clock_set_back_extends_nothing() {
        let until = at(2000, 0).wall;
        let kept = Deadline::kept(until, at(1900, 0).wall, at(100, 5));
        assert_eq!(kept.left(at(100, 5)), Duration::from_secs(100));
        assert!(kept.passed(at(150, 105)));
    }
}
