//! Places that people hold while something goes on for them (a feed, a film), and turns at what is slow. Both are counted
//! by identity, so that one person with many pages takes from nobody else. They refuse one more than there is room for.

use parking_lot::Mutex;
use portcullis_model::Principal;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many in all, and so many for each.
pub(super) struct Places {
    all: usize,
    each: usize,
    taken: Mutex<HashMap<Principal, usize>>,
}

impl Places {
    /// All free.
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            each,
            taken: Mutex::default(),
        })
    }

    /// A place, where there is one.
    pub(super) fn take(self: &Arc<Self>, whose: &Principal) -> Option<Place> {
        let mut taken = self.taken.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(whose).copied().unwrap_or(0);
        if all >= self.all || own >= self.each {
            return None;
        }
        taken.insert(whose.clone(), own + 1);
        Some(Place {
            places: Arc::clone(self),
            whose: whose.clone(),
        })
    }

    #[cfg(test)]
    pub(super) fn are_free(&self) -> bool {
        self.taken.lock().is_empty()
    }
}

/// It is free again when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    whose: Principal,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(count) = taken.get_mut(&self.whose) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

/// One at a time for each identity; the next one waits.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Principal, Arc<Semaphore>>>);

impl Turns {
    /// Waits for this person's turn, which lasts until it is dropped.
    pub(super) async fn turn(&self, whose: &Principal) -> Option<OwnedSemaphorePermit> {
        let own = {
            let mut all = self.0.lock();
            // Whoever reads or waits holds a copy of theirs.
            all.retain(|_, turn| Arc::strong_count(turn) > 1);
            let own = all.entry(whose.clone());
            Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        own.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::person;
    use std::time::Duration;
    use tokio::time::timeout;

    #[test]
    fn one_person_takes_so_many_places_and_all_together_so_many() {
        let places = Places::new(3, 2);
        let (ana, bea) = (person("ana").principal, person("bea").principal);
        let held = [places.take(&ana), places.take(&ana)];
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(&ana).is_none(), "ana has two");
        let third = places.take(&bea);
        assert!(third.is_some());
        assert!(places.take(&bea).is_none(), "there are three");
        drop(held);
        assert!(places.take(&bea).is_some());
        drop(third);
        assert!(places.are_free());
    }

    #[tokio::test]
    async fn whoever_reads_waits_for_their_own_read_and_for_nobody_elses() {
        let turns = Turns::default();
        let (ana, bea) = (person("ana").principal, person("bea").principal);
        let first = turns.turn(&ana).await;
        assert!(first.is_some());
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, turns.turn(&ana)).await.is_err());
        assert!(timeout(soon, turns.turn(&bea)).await.is_ok());
        drop(first);
        assert!(timeout(soon, turns.turn(&ana)).await.is_ok());
    }
}
