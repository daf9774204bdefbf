//! What was somebody's own when it was shown to them: the ids, as digests. The desk forgets what is over; whoever opens it
//! again then has not guessed. It refuses to grow: the oldest are forgotten, and then it counts as a guess again.

use super::visits::{Key, key};
use parking_lot::Mutex;
use portcullis_model::Identity;
use std::collections::{HashSet, VecDeque};

/// Ids that are remembered: as many as the desk keeps requests (`APPROVALS_MAX`).
const SHOWN_MAX: usize = portcullis_model::limits::APPROVALS_MAX;

/// All of them.
#[derive(Default)]
pub(super) struct Shown(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    known: HashSet<Key>,
    order: VecDeque<Key>,
}

fn of(who: &Identity, id: &str) -> Key {
    let principal = &who.principal;
    key(&serde_json::json!([principal.issuer, principal.subject, id]).to_string())
}

impl Shown {
    /// These were shown to whoever they belong to.
    pub(super) fn keep<'a>(&self, who: &Identity, ids: impl IntoIterator<Item = &'a str>) {
        for id in ids {
            let key = of(who, id);
            let mut kept = self.0.lock();
            if !kept.known.insert(key) {
                continue;
            }
            kept.order.push_back(key);
            if kept.order.len() > SHOWN_MAX
                && let Some(oldest) = kept.order.pop_front()
            {
                kept.known.remove(&oldest);
            }
        }
    }

    /// True when it was shown to them as their own.
    pub(super) fn to(&self, who: &Identity, id: &str) -> bool {
        self.0.lock().known.contains(&of(who, id))
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
