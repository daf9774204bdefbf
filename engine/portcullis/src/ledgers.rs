//! The ledgers of all identities of this node: one each, shared by its sessions. It refuses to grow without a
//! bound: beyond it, whoever has no session and has done nothing within the hour is forgotten first, and then
//! nobody new gets in.

use parking_lot::Mutex;
use portcullis_gate::Ledger;
use portcullis_model::{Blame, Fault, Principal, Tally, Timestamp, limits};
use std::collections::HashMap;
use std::sync::Arc;

/// Ledgers by identity.
#[derive(Debug, Default)]
pub struct Ledgers {
    known: Mutex<HashMap<Principal, Arc<Ledger>>>,
}

impl Ledgers {
    /// The ledger of this identity.
    ///
    /// # Errors
    /// When as many identities as fit have been active within the hour.
    pub fn of(&self, who: &Principal, now: Timestamp) -> Result<Arc<Ledger>, Fault> {
        let mut known = self.known.lock();
        if let Some(ledger) = known.get(who) {
            return Ok(Arc::clone(ledger));
        }
        if known.len() >= limits::LEDGER_IDENTITIES_MAX {
            known.retain(|_, ledger| {
                Arc::strong_count(ledger) > 1 || ledger.hour(now) != Tally::default()
            });
        }
        if known.len() >= limits::LEDGER_IDENTITIES_MAX {
            return Err(Fault::bare(
                Blame::Gateway,
                "keep the counts of one more identity within this hour",
            ));
        }
        let fresh = Arc::new(Ledger::default());
        known.insert(who.clone(), Arc::clone(&fresh));
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(index: usize) -> Principal {
        Principal {
            issuer: "https://idp.example".to_owned(),
            subject: index.to_string(),
        }
    }

    #[test]
    fn idle_identities_make_room_and_busy_ones_stay() {
        let ledgers = Ledgers::default();
        let hour = |hours: i64| Timestamp(hours * 3_600_000_000_000);
        let open = ledgers.of(&who(0), hour(1)).unwrap();
        for index in 1..limits::LEDGER_IDENTITIES_MAX {
            let done = Tally {
                commands: 1,
                ..Tally::default()
            };
            ledgers.of(&who(index), hour(1)).unwrap().add(done, hour(1));
        }
        let new = who(limits::LEDGER_IDENTITIES_MAX);
        assert!(ledgers.of(&new, hour(1)).is_err());
        assert!(ledgers.of(&who(7), hour(1)).is_ok());
        assert!(ledgers.of(&new, hour(4)).is_ok());
        assert!(Arc::ptr_eq(&open, &ledgers.of(&who(0), hour(4)).unwrap()));
    }
}
