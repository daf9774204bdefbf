//! How much one identity may write into the record in an hour, so that one agent cannot fill the disk for
//! all. Refuses that identity alone; its sessions may still record refusals and their end in a margin of
//! one eighth.

use parking_lot::Mutex;
use portcullis_model::{Principal, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// Identities remembered before idle ones are let go.
const IDLE_KEPT: usize = 1024;

/// The hour and the bytes written in it.
#[derive(Debug, Default)]
pub(crate) struct Volume(Mutex<(i64, u64)>);

impl Volume {
    /// Counts `bytes`; false when they are over `limit`, and then nothing is counted. `closing` bytes
    /// may use the margin.
    #[must_use]
    pub(crate) fn charge(&self, now: Timestamp, bytes: u64, limit: u64, closing: bool) -> bool {
        let hour = now.seconds().div_euclid(3600);
        let limit = if closing {
            limit.saturating_add(limit / 8)
        } else {
            limit
        };
        let mut counted = self.0.lock();
        if counted.0 != hour {
            *counted = (hour, 0);
        }
        let after = counted.1.saturating_add(bytes);
        if after <= limit {
            counted.1 = after;
        }
        after <= limit
    }
}

/// The volumes of all identities with a session.
#[derive(Default)]
pub(crate) struct Volumes(Mutex<HashMap<Principal, Arc<Volume>>>);

impl Volumes {
    pub(crate) fn of(&self, who: &Principal, now: Timestamp) -> Arc<Volume> {
        let mut volumes = self.0.lock();
        if volumes.len() >= IDLE_KEPT {
            let hour = now.seconds().div_euclid(3600);
            volumes.retain(|_, v| Arc::strong_count(v) > 1 || v.0.lock().0 == hour);
        }
        volumes.entry(who.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_a_limit_and_closing_has_a_margin() {
        let volume = Volume::default();
        let now = Timestamp(0);
        assert!(volume.charge(now, 800, 800, false));
        assert!(!volume.charge(now, 1, 800, false));
        assert!(volume.charge(now, 100, 800, true));
        assert!(!volume.charge(now, 1, 800, true));
        assert!(volume.charge(Timestamp(3_600_000_000_000), 800, 800, false));
    }
}
