//! What time does on its own: requests run out, other groups are told, grants end, reviews become overdue. Everything is
//! looked at when it is used anyway; this makes record, lists and messages say so in time.

use super::{Desk, Shelves, THE_GATEWAY};
use crate::moment::Moment;
use crate::request::Request;
use crate::state::State;
use portcullis_model::limits;
use serde_json::json;

impl Desk {
    /// Ends what has run out of time and forgets what ended long ago.
    pub fn sweep(&self) {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
    }

    pub(super) fn sweep_locked(&self, shelves: &mut Shelves, now: Moment) {
        for request in shelves.requests.values_mut() {
            self.expire(request, now);
            self.escalate(request, now);
        }
        // Since its end: one that waited for days is still there for whoever looks for the answer.
        let shown = |ended| now.wall.since(ended) < limits::APPROVAL_SHOWN_FOR;
        shelves.requests.retain(|_, r| r.ended.is_none_or(shown));
        let over = |id: &String, live: bool| (!live).then(|| id.clone());
        let grants: Vec<_> = shelves
            .grants
            .values()
            .filter_map(|g| over(&g.id, g.is_live(now)))
            .collect();
        for id in grants {
            if let Some(grant) = shelves.grants.remove(&id) {
                let by = THE_GATEWAY.into();
                self.ended(shelves, &grant, &by, "its time is over", now);
            }
        }
        let delegations: Vec<_> = shelves
            .delegations
            .values()
            .filter_map(|d| over(&d.id, d.until > now.wall))
            .collect();
        for id in delegations {
            if let Some(delegation) = shelves.delegations.remove(&id) {
                self.over(&delegation, now);
            }
        }
        self.forget_again(shelves, now);
        self.mind_reviews(shelves, now);
    }

    /// Tells the other groups, once, that they may vote by now. That they may depends on the time alone.
    fn escalate(&self, request: &mut Request, now: Moment) {
        if request.state() != State::Pending {
            return;
        }
        let late: Vec<String> = request
            .asked
            .requirements
            .iter()
            .filter(|r| !request.escalated.contains(&r.rule))
            .filter(|r| request.groups(r, now).len() > r.approver_groups.len())
            .map(|r| r.rule.clone())
            .collect();
        if late.is_empty() {
            return;
        }
        let detail = json!({"id": request.id, "rules": late});
        request.escalated.extend(late);
        let noted = self.hands.notes.note("approval/escalated", &detail);
        if let Err(fault) = noted.and(self.keep_request(request, now)) {
            tracing::error!(id = request.id, fault = %fault.chain(), "an escalation is not on record");
        }
        self.announce("approval.escalated", request, now, true);
    }
}
