//! The machine's clock, read here and nowhere else: everything that needs the time is given this.

use portcullis_gate::Clock;
use portcullis_model::Timestamp;
use std::sync::Arc;
use std::time::SystemTime;

/// The time of day. It may jump; nothing that is compared for order relies on it alone.
#[must_use]
pub fn clock() -> Clock {
    Arc::new(|| Timestamp::from(SystemTime::now()))
}
