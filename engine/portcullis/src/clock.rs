//! The machine's clocks, read here and nowhere else: everything that needs the time is given one of these.

use portcullis_gate::Clock;
use portcullis_model::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The time of day. It may jump; nothing that is compared for order relies on it alone.
#[must_use]
pub fn clock() -> Clock {
    Arc::new(|| Timestamp::from(SystemTime::now()))
}

/// Time since now, which never goes back.
#[must_use]
pub fn steady() -> Arc<dyn Fn() -> Duration + Send + Sync> {
    let start = Instant::now();
    Arc::new(move || start.elapsed())
}
