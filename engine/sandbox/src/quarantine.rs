//! Who a plugin has failed for, and where that ends its use. One planted row must not deny service to all: a plugin
//! that fails repeatedly is refused for that identity on that target, and everywhere only after that has happened
//! to several identities that have nothing to do with each other. Every quarantine ends by itself.

use parking_lot::Mutex;
use portcullis_model::{Identity, Principal, limits};
use std::collections::HashMap;
use std::time::Instant;

/// An identity on a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    principal: Principal,
    target: String,
}

impl Place {
    pub(crate) fn new(principal: &Principal, target: &str) -> Self {
        Self {
            principal: principal.clone(),
            target: target.to_owned(),
        }
    }
}

/// The record of one plugin digest.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    records: Mutex<HashMap<Place, Record>>,
}

#[derive(Debug)]
struct Record {
    /// The identity and everybody it involves.
    people: Vec<Principal>,
    failures: Vec<Instant>,
    until: Option<Instant>,
}

impl Record {
    fn holds(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    fn stale(&self, now: Instant) -> bool {
        let old = |at: &Instant| now.duration_since(*at) > limits::QUARANTINE_WINDOW;
        !self.holds(now) && self.failures.iter().all(old)
    }
}

impl Quarantine {
    /// True when no failure is on record: the common case, which costs a lock that nobody holds.
    pub(crate) fn is_clear(&self) -> bool {
        self.records.lock().is_empty()
    }

    /// True when the plugin must not be used for this identity on this target.
    pub(crate) fn refuses(&self, place: &Place, now: Instant) -> bool {
        let records = self.records.lock();
        records.get(place).is_some_and(|r| r.holds(now)) || global(&records, now)
    }

    /// Takes down a failure. True when it has led to quarantine just now.
    pub(crate) fn failed(&self, place: &Place, identity: &Identity, now: Instant) -> bool {
        let mut records = self.records.lock();
        if records.len() >= limits::QUARANTINE_RECORDS_MAX {
            records.retain(|_, record| !record.stale(now));
        }
        if records.len() >= limits::QUARANTINE_RECORDS_MAX {
            let last = |r: &Record| r.failures.last().copied();
            let oldest = records.iter().min_by_key(|(_, r)| last(r));
            if let Some(oldest) = oldest.map(|(place, _)| place.clone()) {
                records.remove(&oldest);
            }
        }
        let record = records.entry(place.clone()).or_insert_with(|| Record {
            people: people(identity),
            failures: Vec::new(),
            until: None,
        });
        record
            .failures
            .retain(|at| now.duration_since(*at) <= limits::QUARANTINE_WINDOW);
        record.failures.push(now);
        if record.failures.len() < limits::QUARANTINE_FAILURES {
            return false;
        }
        record.failures.clear();
        record.until = Some(now + limits::QUARANTINE_LASTS);
        true
    }

    /// Pairs of identity and target for which it is in quarantine.
    pub(crate) fn count(&self, now: Instant) -> usize {
        self.records
            .lock()
            .values()
            .filter(|r| r.holds(now))
            .count()
    }
}

fn people(identity: &Identity) -> Vec<Principal> {
    let mut people = vec![identity.principal.clone()];
    people.extend(identity.actors.iter().cloned());
    people.extend(identity.owner.clone());
    people
}

/// True when identities that share no actor and no owner are in quarantine, as many as it takes.
fn global(records: &HashMap<Place, Record>, now: Instant) -> bool {
    let held: Vec<&Record> = records.values().filter(|r| r.holds(now)).collect();
    if held.len() < limits::QUARANTINE_IDENTITIES {
        return false;
    }
    let mut apart: Vec<&Record> = Vec::new();
    for record in held {
        let related = |other: &&Record| other.people.iter().any(|p| record.people.contains(p));
        if !apart.iter().any(related) {
            apart.push(record);
        }
    }
    apart.len() >= limits::QUARANTINE_IDENTITIES
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::{Kind, Timestamp};
    use std::time::Duration;

    fn identity(subject: &str, owner: Option<&str>) -> Identity {
        let principal = |subject: &str| Principal {
            issuer: "corp".to_owned(),
            subject: subject.to_owned(),
        };
        Identity {
            principal: principal(subject),
            provider: "corp".to_owned(),
            kind: Kind::Agent,
            name: subject.to_owned(),
            groups: Vec::new(),
            claims: serde_json::Map::new(),
            actors: Vec::new(),
            owner: owner.map(principal),
            authenticated: None,
            methods: Vec::new(),
            assurance: None,
            token_id: None,
            expires: Timestamp(0),
        }
    }

    fn fail(quarantine: &Quarantine, who: &Identity, target: &str, times: usize, now: Instant) {
        let place = Place::new(&who.principal, target);
        for _ in 0..times {
            quarantine.failed(&place, who, now);
        }
    }

    fn refuses(quarantine: &Quarantine, who: &Identity, target: &str, now: Instant) -> bool {
        quarantine.refuses(&Place::new(&who.principal, target), now)
    }

    #[test]
    fn three_failures_in_a_minute_end_it_for_that_identity_and_target() {
        let (quarantine, now) = (Quarantine::default(), Instant::now());
        let (ana, bea) = (identity("ana", None), identity("bea", None));
        fail(&quarantine, &ana, "orders", 2, now);
        assert!(!refuses(&quarantine, &ana, "orders", now));
        fail(&quarantine, &ana, "orders", 1, now);
        assert!(refuses(&quarantine, &ana, "orders", now));
        assert!(!refuses(&quarantine, &ana, "billing", now));
        assert!(!refuses(&quarantine, &bea, "orders", now));
        let later = now + limits::QUARANTINE_LASTS;
        assert!(!refuses(&quarantine, &ana, "orders", later));
    }

    #[test]
    fn failures_far_apart_do_not_add_up() {
        let (quarantine, now) = (Quarantine::default(), Instant::now());
        let ana = identity("ana", None);
        let mut at = now;
        for _ in 0..10 {
            fail(&quarantine, &ana, "orders", 1, at);
            at += Duration::from_secs(40);
        }
        assert!(!refuses(&quarantine, &ana, "orders", at));
    }

    #[test]
    fn the_bots_of_one_owner_cannot_deny_service_to_all() {
        let (quarantine, now) = (Quarantine::default(), Instant::now());
        for bot in ["bot-1", "bot-2", "bot-3", "bot-4"] {
            fail(&quarantine, &identity(bot, Some("eve")), "orders", 3, now);
        }
        assert!(!refuses(&quarantine, &identity("ana", None), "orders", now));
    }

    #[test]
    fn three_unrelated_identities_end_it_everywhere_for_a_while() {
        let (quarantine, now) = (Quarantine::default(), Instant::now());
        let ana = identity("ana", None);
        for (name, target) in [("bea", "orders"), ("cem", "orders")] {
            fail(&quarantine, &identity(name, None), target, 3, now);
        }
        assert!(!refuses(&quarantine, &ana, "billing", now));
        fail(&quarantine, &identity("dan", None), "billing", 3, now);
        assert!(refuses(&quarantine, &ana, "billing", now));
        assert!(!refuses(
            &quarantine,
            &ana,
            "billing",
            now + limits::QUARANTINE_LASTS
        ));
    }

    #[test]
    fn the_record_is_bounded() {
        let (quarantine, now) = (Quarantine::default(), Instant::now());
        for number in 0..limits::QUARANTINE_RECORDS_MAX + 10 {
            fail(
                &quarantine,
                &identity(&number.to_string(), None),
                "orders",
                1,
                now,
            );
        }
        assert_eq!(
            quarantine.records.lock().len(),
            limits::QUARANTINE_RECORDS_MAX
        );
    }
}
