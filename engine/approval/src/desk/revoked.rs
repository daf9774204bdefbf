//! What becomes of a yes whose giver is revoked before it was used: it counts no more. Refuses to let an approval stand
//! that had not come about without it.

use super::{Desk, Request};
use crate::electorate::VoteRefused;
use crate::moment::Moment;
use crate::state::State;
use portcullis_model::Principal;
use serde_json::json;

impl Desk {
    /// Takes back what somebody has said to requests that are open or not used yet. Returns how many those were. Grants
    /// that stand already have ends of their own, and are ended by hand.
    ///
    /// # Errors
    /// When a restart could bring one of the votes back; none of them counts until then.
    pub fn end_votes_of(&self, who: &Principal, why: &str) -> Result<usize, VoteRefused> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        let mut concerned = 0;
        let mut forgotten = true;
        for request in shelves.requests.values_mut() {
            if request.state().is_final() || !has_vote_of(request, who) {
                continue;
            }
            concerned += 1;
            request.votes.retain(|vote| vote.voter.principal != *who);
            forgotten &= self.without(request, who, why, now);
        }
        match forgotten {
            true => Ok(concerned),
            false => Err(VoteRefused::NotForgotten),
        }
    }

    /// Records that a vote is gone, and what the request is without it. False when the vote is still kept.
    fn without(&self, request: &mut Request, who: &Principal, why: &str, now: Moment) -> bool {
        let detail = json!({"id": request.id, "voter": who, "why": why});
        if let Err(fault) = self.hands.notes.note("approval/vote-ended", &detail) {
            tracing::error!(id = request.id, fault = %fault.chain(), "that a vote has ended is not on record");
        }
        if request.state() == State::Approved && !request.is_met(now) {
            // Nobody has said no: whoever asked may ask anew.
            self.end(request, State::Withdrawn, now);
        }
        let kept = match request.state().is_final() {
            // Out of what is kept, or it would come back with the vote.
            true => self
                .hands
                .keep
                .remove(crate::Shelf::Request, &request.id, now.wall),
            false => self.keep_request(request, now),
        };
        if let Err(fault) = &kept {
            tracing::error!(id = request.id, fault = %fault.chain(), "a vote that has ended is still kept");
        }
        kept.is_ok()
    }
}

fn has_vote_of(request: &Request, who: &Principal) -> bool {
    let mut votes = request.votes.iter();
    votes.any(|vote| vote.voter.principal == *who)
}
