//! Votes. Refuses one that cannot be recorded and kept; whether a yes becomes one run, a connection for a time or a
//! grant for a class is what policy allows and every approver has said.

use super::{Desk, Shelves};
use crate::electorate::{VoteRefused, may_vote, reason, stands_apart};
use crate::moment::{Deadline, Moment};
use crate::request::{Ballot, Request, Vote, may_meet};
use crate::state::State;
use portcullis_gate::HoldRequest;
use portcullis_model::{Denial, Identity};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What a voter says.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// Yes or no.
    pub ballot: Ballot,
    /// Why.
    pub because: &'a str,
    /// For so long the yes is meant for the whole class.
    pub reuse: Option<Duration>,
    /// Where it was cast.
    pub channel: &'static str,
}

impl Desk {
    /// Votes on a request. `voter` was verified from a fresh token of its own just now. `policy` is asked
    /// what the `approve` stage says about this voter and this request; it is asked without a lock held,
    /// and it can refuse a vote but never allow one that the desk refuses. It answers with the places of the
    /// requirements that the voter may answer: the vote counts for no others.
    ///
    /// # Errors
    /// [`VoteRefused`] says why the vote does not count.
    pub fn vote(
        &self,
        id: &str,
        voter: &Arc<Identity>,
        word: Word<'_>,
        policy: impl FnOnce(&HoldRequest) -> Result<Vec<usize>, Denial>,
    ) -> Result<State, VoteRefused> {
        let because = reason(word.because)?;
        let asked = {
            let mut shelves = self.shelves.lock();
            let now = self.clocks.now();
            let request = self.votable(&mut shelves.requests, id, voter, now)?;
            request.asked_by_now(now)
        };
        let counts_for = policy(&asked).map_err(VoteRefused::Policy)?;
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        // The world may have moved while policy was asked.
        let request = self.votable(&mut shelves.requests, id, voter, now)?;
        let meets = |place: &usize| {
            let requirement = request.asked.requirements.get(*place);
            requirement.is_some_and(|r| may_meet(voter, &request.groups(r, now)))
        };
        if !counts_for.iter().any(meets) {
            return Err(VoteRefused::NotAnApprover);
        }
        let vote = Vote {
            voter: voter.clone(),
            ballot: word.ballot,
            reason: because.to_owned(),
            at: now.wall,
            reuse: word.reuse.filter(|_| word.ballot == Ballot::Approve),
            stands_in_for: stands_in_for(&shelves, id, voter, now),
            counts_for,
            channel: word.channel.to_owned(),
        };
        self.cast(&mut shelves, id, vote, now)
    }

    /// A vote that may be cast: on record, kept, and then counted.
    fn cast(
        &self,
        shelves: &mut Shelves,
        id: &str,
        vote: Vote,
        now: Moment,
    ) -> Result<State, VoteRefused> {
        let request = shelves.requests.get_mut(id).ok_or(VoteRefused::Unknown)?;
        if vote.reuse.is_some_and(|time| !may_reuse(request, time)) {
            return Err(VoteRefused::NoReuse);
        }
        let detail = json!({
            "id": id, "voter": vote.voter.principal, "name": vote.voter.name, "ballot": vote.ballot,
            "reason": vote.reason, "token": vote.voter.token_id, "channel": vote.channel,
            "binding": hex::encode(request.asked.binding), "stands_in_for": vote.stands_in_for,
            "reuse_seconds": vote.reuse.map(|time| time.as_secs()),
        });
        let notes = &self.hands.notes;
        notes
            .note("approval/vote", &detail)
            .map_err(|_| VoteRefused::Unrecorded)?;
        let ballot = vote.ballot;
        request.votes.push(vote);
        if self.keep_request(request, now).is_err() {
            request.votes.pop();
            return Err(VoteRefused::Unrecorded);
        }
        match ballot {
            Ballot::Deny => {
                self.end(request, State::Denied, now);
                Ok(State::Denied)
            }
            Ballot::Approve if !request.is_met(now) => {
                self.announce("approval.vote", request, now, false);
                Ok(State::Pending)
            }
            Ballot::Approve => self.approve(shelves, id, now),
        }
    }

    /// Enough people have said yes.
    fn approve(&self, shelves: &mut Shelves, id: &str, now: Moment) -> Result<State, VoteRefused> {
        if let Some(granted) = self.grant_of(shelves, id, now) {
            let request = shelves.requests.get_mut(id).ok_or(VoteRefused::Unknown)?;
            let Ok(grant) = granted else {
                self.end(request, State::Denied, now);
                return Err(VoteRefused::Unrecorded);
            };
            request.grant = Some(grant);
            // The grant is what is used from here on.
            self.end(request, State::Consumed, now);
            return Ok(State::Approved);
        }
        let request = shelves.requests.get_mut(id).ok_or(VoteRefused::Unknown)?;
        let before = request.until;
        request.until = Deadline::after(now, request.execution_ttl());
        let moved = self.move_to(request, State::Approved, now);
        if moved.is_err() || self.keep_request(request, now).is_err() {
            request.until = before;
            // A yes that is not on record is none; the vote is, so the request cannot go on either.
            self.end(request, State::Denied, now);
            return Err(VoteRefused::Unrecorded);
        }
        self.announce("approval.approved", request, now, false);
        Ok(State::Approved)
    }

    fn votable<'r>(
        &self,
        requests: &'r mut HashMap<String, Request>,
        id: &str,
        voter: &Identity,
        now: Moment,
    ) -> Result<&'r mut Request, VoteRefused> {
        let request = requests.get_mut(id).ok_or(VoteRefused::Unknown)?;
        self.expire(request, now);
        match request.state() {
            State::Pending => {}
            ended => return Err(VoteRefused::TooLate(ended)),
        }
        may_vote(request, voter, now, self.settings.fresh_within)?;
        Ok(request)
    }
}

/// True when every rule that holds it lets a yes stand for a class, and for so long.
fn may_reuse(request: &Request, time: Duration) -> bool {
    let requirements = &request.asked.requirements;
    let lets = |r: &portcullis_model::Requirement| {
        let reuse = r.terms.reuse.as_ref();
        reuse.is_some_and(|reuse| time <= reuse.ttl)
    };
    !request.asked.access && !time.is_zero() && requirements.iter().all(lets)
}

/// Who has asked this voter to stand in, among those who might have voted on this. For the record alone.
fn stands_in_for(shelves: &Shelves, id: &str, voter: &Identity, now: Moment) -> Vec<String> {
    let Some(request) = shelves.requests.get(id) else {
        return Vec::new();
    };
    let live = shelves.delegations.values().filter(|d| d.until > now.wall);
    let mine = live.filter(|d| d.to == voter.principal);
    let might = mine.filter(|d| {
        let apart = request
            .requesters
            .iter()
            .all(|r| stands_apart(r, &d.from).is_ok());
        let requirements = request.asked.requirements.iter();
        let mut groups = requirements.map(|r| request.groups(r, now));
        apart && groups.any(|groups| may_meet(&d.from, &groups))
    });
    might.map(|d| d.from.name.clone()).collect()
}
