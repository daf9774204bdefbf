//! Refused knocks, in the record and in the log. Never the token: not a byte of it. It refuses to let
//! strangers fill the disk: beyond so many a second, refusals are counted and the next entry says how
//! many were left out.

use super::Desk;
use parking_lot::Mutex;
use portcullis_gate::Knock;
use portcullis_model::{Denial, Identity};
use serde_json::json;

/// Refusals of one second that get an entry of their own.
const ENTRIES_PER_SECOND_MAX: u32 = 20;
/// What a client says of itself is cut to this many characters.
const CLAIM_CHARS_MAX: usize = 128;

pub(super) struct Refusals {
    tally: Mutex<Tally>,
}

struct Tally {
    second: i64,
    written: u32,
    left_out: u64,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            tally: Mutex::new(Tally {
                second: 0,
                written: 0,
                left_out: 0,
            }),
        }
    }

    pub(super) fn note(
        &self,
        desk: &Desk,
        knock: &Knock,
        identity: Option<&Identity>,
        denial: &Denial,
    ) {
        let Some(left_out) = self.tally.lock().admit((desk.clock)().seconds()) else {
            return;
        };
        let detail = json!({
            "rule": denial.rule,
            "reason": denial.reason,
            "approval": denial.approval,
            "identity": identity.map(|identity| &identity.principal),
            "claimed": { "target": cut(&knock.target), "login": cut(&knock.login) },
            "address": knock.client.address,
            "program": knock.client.program.as_deref().map(cut),
            "left_out_before": left_out,
        });
        tracing::info!(rule = denial.rule, address = %knock.client.address, "login refused");
        if let Err(fault) = desk.books.note("login_refused", &detail) {
            desk.metrics.fault(&fault);
            tracing::error!(fault = fault.chain(), "a refused login is not on record");
        }
    }
}

impl Tally {
    /// How many were left out before this one, or nothing when this one is left out too.
    fn admit(&mut self, second: i64) -> Option<u64> {
        if self.second != second {
            self.second = second;
            self.written = 0;
        }
        if self.written >= ENTRIES_PER_SECOND_MAX {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

fn cut(text: &str) -> String {
    text.chars().take(CLAIM_CHARS_MAX).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_flood_of_strangers_is_counted_not_written() {
        let mut tally = Tally {
            second: 0,
            written: 0,
            left_out: 0,
        };
        let written = (0..1000).filter(|_| tally.admit(7).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(tally.admit(8), Some(980));
        assert_eq!(tally.admit(8), Some(0));
    }
}
