//! What was shown: somebody's own to them, as digests, and what is there for all of it to whoever sees all of it. The desk
//! forgets what is over; whoever opens it again then has not guessed. It refuses to grow: the oldest are forgotten, and then
//! it counts as a guess again.

use super::role::{Page, Roles, Scope};
use super::visits::{Key, key};
use parking_lot::Mutex;
use portcullis_model::Identity;
use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// Ids that are remembered: as many as the desk keeps requests (`APPROVALS_MAX`).
const SHOWN_MAX: usize = portcullis_model::limits::APPROVALS_MAX;

/// All of them.
#[derive(Default)]
pub(super) struct Shown {
    own: Mutex<Kept<Key>>,
    /// By the page that lists it.
    all: Mutex<Kept<(Page, String)>>,
}

struct Kept<K> {
    known: HashSet<K>,
    order: VecDeque<K>,
}

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self {
            known: HashSet::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Kept<K> {
    fn keep(&mut self, key: K) {
        if !self.known.insert(key.clone()) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > SHOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn of(who: &Identity, id: &str) -> Key {
    let principal = &who.principal;
    key(&serde_json::json!([principal.issuer, principal.subject, id]).to_string())
}

impl Shown {
    /// These were shown to whoever they belong to.
    pub(super) fn keep<'a>(&self, who: &Identity, ids: impl IntoIterator<Item = &'a str>) {
        for id in ids {
            self.own.lock().keep(of(who, id));
        }
    }

    /// These were on a page for whoever sees all of it.
    pub(super) fn keep_for_all<'a>(&self, page: Page, ids: impl IntoIterator<Item = &'a str>) {
        let mut kept = self.all.lock();
        for id in ids {
            kept.keep((page, id.to_owned()));
        }
    }

    /// True when it was on a page of which these roles see all.
    pub(super) fn to_all(&self, roles: Roles, id: &str) -> bool {
        let kept = self.all.lock();
        let pages = [Page::Approvals, Page::Grants].into_iter();
        let mut pages = pages.filter(|page| page.scope(roles) == Ok(Scope::All));
        pages.any(|page| kept.known.contains(&(page, id.to_owned())))
    }

    /// True when it was shown to them as their own.
    pub(super) fn to(&self, who: &Identity, id: &str) -> bool {
        self.own.lock().known.contains(&of(who, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::person;

    #[test]
    fn what_was_shown_is_known_to_its_owner_alone_and_forgotten_in_the_end() {
        let (shown, ana) = (Shown::default(), person("ana"));
        shown.keep(&ana, ["ap-1", "ap-1"]);
        assert!(shown.to(&ana, "ap-1"));
        assert!(!shown.to(&ana, "ap-2") && !shown.to(&person("bea"), "ap-1"));
        let ids: Vec<String> = (0..SHOWN_MAX).map(|n| format!("gr-{n}")).collect();
        shown.keep(&ana, ids.iter().map(String::as_str));
        assert!(!shown.to(&ana, "ap-1") && shown.to(&ana, "gr-0"));
    }
}
