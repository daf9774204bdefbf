//! Refused knocks, in the record and in the log. Never the token: not a byte of it. It refuses to let
//! strangers fill the disk: beyond so many a second, refusals are counted and the next entry says how
//! many were left out. Who comes back for the same answer is on record once: nobody was refused more often.

use super::Desk;
use parking_lot::Mutex;
use portcullis_gate::Knock;
use portcullis_model::{Denial, Identity};
use serde_json::json;
use std::collections::VecDeque;

/// Refusals of one second that get an entry of their own.
const ENTRIES_PER_SECOND_MAX: u32 = 20;
/// What a client says of itself is cut to this many characters.
const CLAIM_CHARS_MAX: usize = 128;
/// Requests for approval whose clients are known to come back.
const RETURNING_MAX: usize = 256;

pub(super) struct Refusals {
    tally: Mutex<Tally>,
    returning: Mutex<VecDeque<String>>,
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
            returning: Mutex::new(VecDeque::new()),
        }
    }

    /// True of somebody who was told before to come back for this answer.
    fn returns(&self, denial: &Denial) -> bool {
        let (Some(id), Some(_)) = (&denial.approval, denial.retry_after) else {
            return false;
        };
        let mut returning = self.returning.lock();
        if returning.contains(id) {
            return true;
        }
        if returning.len() >= RETURNING_MAX {
            returning.pop_front();
        }
        returning.push_back(id.clone());
        false
    }

    pub(super) fn note(
        &self,
        desk: &Desk,
        knock: &Knock,
        identity: Option<&Identity>,
        denial: &Denial,
    ) {
        if self.returns(denial) {
            return;
        }
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
    fn whoever_comes_back_for_an_answer_is_refused_once() {
        let refusals = Refusals::new();
        let mut denial = Denial::new("access/approval", "it has to be approved");
        assert!(!refusals.returns(&denial) && !refusals.returns(&denial));
        denial.approval = Some("ap-1".to_owned());
        assert!(!refusals.returns(&denial), "a no is each time a no");
        denial.retry_after = Some(2);
        assert!(!refusals.returns(&denial));
        assert!(refusals.returns(&denial));
        for number in 2..RETURNING_MAX + 2 {
            denial.approval = Some(format!("ap-{number}"));
            assert!(!refusals.returns(&denial), "{number}");
        }
        assert_eq!(refusals.returning.lock().len(), RETURNING_MAX);
    }

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
