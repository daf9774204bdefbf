//! Delegation while somebody is away. It tells whom to ask and stands in the record of votes; it gives no right. Who
//! stands in votes as themselves, where they may vote anyway: so a delegation can be refused nothing by it and widen
//! nothing.

use super::{Desk, fresh_id};
use crate::electorate::{VoteRefused, is_present, reason};
use crate::news::News;
use crate::review::Delegation;
use crate::store::Shelf;
use crate::view::DelegationView;
use portcullis_model::{Identity, Principal, limits};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

impl Desk {
    /// Somebody asks somebody else to stand in. `from` was verified from a fresh token just now.
    ///
    /// # Errors
    /// When it is for themselves, for no time, without a reason, or cannot be recorded.
    pub fn delegate(
        &self,
        from: &Arc<Identity>,
        to: Principal,
        lasts: Duration,
        because: &str,
    ) -> Result<DelegationView, VoteRefused> {
        let because = reason(because)?;
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        is_present(from, now.wall, self.settings.fresh_within)?;
        if to == from.principal || to.subject.trim().is_empty() {
            return Err(VoteRefused::NotTheirs("nobody stands in for themselves"));
        }
        if lasts.is_zero() || lasts > limits::GRANT_TTL_MAX {
            return Err(VoteRefused::Time);
        }
        let theirs = shelves.delegations.values();
        let theirs = theirs
            .filter(|d| d.from.principal == from.principal)
            .count();
        if theirs >= limits::DELEGATIONS_PER_PERSON_MAX
            || shelves.delegations.len() >= limits::DELEGATIONS_MAX
        {
            return Err(VoteRefused::Full("delegations"));
        }
        let unrecorded = |_| VoteRefused::Unrecorded;
        let id = fresh_id("dg-", |id| shelves.delegations.contains_key(id)).map_err(unrecorded)?;
        let delegation = Delegation {
            id: id.clone(),
            from: from.clone(),
            to,
            reason: because.to_owned(),
            since: now.wall,
            until: now.wall.after(lasts),
        };
        let notes = &self.hands.notes;
        notes
            .note("approval/delegated", &detail(&delegation))
            .map_err(unrecorded)?;
        self.put(Shelf::Delegation, &id, &delegation, now)
            .map_err(unrecorded)?;
        let news = News::of_delegation("delegation.opened", &delegation, now);
        if let Err(fault) = self.hands.tell.announce(&news) {
            tracing::warn!(id, fault = %fault.chain(), "nobody was told");
        }
        let view = DelegationView::of(&delegation);
        shelves.delegations.insert(id, delegation);
        Ok(view)
    }

    /// Ends a delegation early: by whoever has made it.
    ///
    /// # Errors
    /// When there is none of theirs.
    pub fn end_delegation(&self, id: &str, by: &Identity) -> Result<DelegationView, VoteRefused> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        let theirs = shelves.delegations.get(id);
        if theirs.is_none_or(|d| d.from.principal != by.principal) {
            return Err(VoteRefused::Nothing("delegation"));
        }
        let delegation = shelves.delegations.remove(id);
        let delegation = delegation.ok_or(VoteRefused::Nothing("delegation"))?;
        self.over(&delegation, now);
        Ok(DelegationView::of(&delegation))
    }

    pub(super) fn over(&self, delegation: &Delegation, now: crate::moment::Moment) {
        let notes = &self.hands.notes;
        let noted = notes.note("approval/delegation-ended", &detail(delegation));
        let forgotten = self
            .hands
            .keep
            .remove(Shelf::Delegation, &delegation.id, now.wall);
        if let Err(fault) = noted.and(forgotten) {
            tracing::error!(id = delegation.id, fault = %fault.chain(), "the end of a delegation is not on record");
        }
    }

    /// Delegations in force.
    #[must_use]
    pub fn delegations(&self) -> Vec<DelegationView> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        shelves
            .delegations
            .values()
            .map(DelegationView::of)
            .collect()
    }
}

fn detail(delegation: &Delegation) -> serde_json::Value {
    json!({
        "delegation": delegation.id, "from": delegation.from.principal,
        "name": delegation.from.name, "to": delegation.to, "reason": delegation.reason,
        "since": delegation.since, "until": delegation.until,
    })
}
