//! One request at the desk and what people have said to it. Refuses to be met by anything but enough
//! distinct people for each requirement.

use crate::state::State;
use portcullis_gate::HoldRequest;
use portcullis_model::{Identity, Principal, Requirement, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What somebody says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ballot {
    /// Let it happen.
    Approve,
    /// Do not; one is enough.
    Deny,
}

/// A vote that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// Who, as verified.
    pub voter: Arc<Identity>,
    /// What.
    pub ballot: Ballot,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A request at the desk.
pub(crate) struct Request {
    pub id: String,
    pub asked: Arc<HoldRequest>,
    /// Everybody who asks for it: sessions of one identity that joined, each with its claims.
    pub requesters: Vec<Arc<Identity>>,
    pub opened: Timestamp,
    /// Until when it may be approved; once it is, until when it may be used.
    pub until: Timestamp,
    pub votes: Vec<Vote>,
    /// Those who hold its bytes and wait. None in defer mode.
    pub waiting: usize,
    /// Tells those who wait that something has changed.
    pub changed: watch::Sender<State>,
}

impl Request {
    pub(crate) fn new(id: String, asked: HoldRequest, now: Timestamp) -> Self {
        let pending = shortest(&asked.requirements, |r| r.ttl);
        Self {
            id,
            requesters: vec![asked.session.identity.clone()],
            opened: now,
            until: now.after(pending),
            votes: Vec::new(),
            waiting: 0,
            changed: watch::Sender::new(State::Pending),
            asked: Arc::new(asked),
        }
    }

    pub(crate) fn state(&self) -> State {
        *self.changed.borrow()
    }

    /// True when a rerun finds it by its binding, instead of waiting with the bytes in hand.
    pub(crate) fn is_deferred(&self) -> bool {
        self.asked.requirements.iter().any(|r| r.defer)
    }

    /// True when the votes for this request are votes for that one too: the same bytes by the same
    /// identity (the binding), in the same state, under the same requirements.
    pub(crate) fn covers(&self, other: &HoldRequest) -> bool {
        self.asked.binding == other.binding
            && self.asked.access == other.access
            && self.asked.context == other.context
            && self.asked.requirements == other.requirements
            && self.asked.session.target.name == other.session.target.name
            && self.asked.session.identity.principal == other.session.identity.principal
    }

    /// The votes that count for a requirement. A person votes once; a vote counts for every
    /// requirement whose groups the person is in.
    pub(crate) fn counted(&self, requirement: &Requirement) -> usize {
        let approves = |vote: &&Vote| vote.ballot == Ballot::Approve;
        self.votes
            .iter()
            .filter(approves)
            .filter(|vote| may_meet(&vote.voter, requirement))
            .count()
    }

    /// True when every requirement has its people. No requirement at all is met by nobody.
    pub(crate) fn is_met(&self) -> bool {
        let requirements = &self.asked.requirements;
        !requirements.is_empty() && requirements.iter().all(|r| self.counted(r) >= needed(r))
    }

    pub(crate) fn execution_ttl(&self) -> Duration {
        shortest(&self.asked.requirements, |r| r.execution_ttl)
    }

    pub(crate) fn approvers(&self) -> Vec<Principal> {
        let approving = self.votes.iter().filter(|v| v.ballot == Ballot::Approve);
        approving.map(|v| v.voter.principal.clone()).collect()
    }
}

/// True when a vote of this identity counts for the requirement. Without groups policy decides alone.
pub(crate) fn may_meet(voter: &Identity, requirement: &Requirement) -> bool {
    let groups = &requirement.approver_groups;
    groups.is_empty() || groups.iter().any(|group| voter.groups.contains(group))
}

/// A requirement of nobody would be none.
pub(crate) fn needed(requirement: &Requirement) -> usize {
    usize::try_from(requirement.approvers)
        .unwrap_or(usize::MAX)
        .max(1)
}

/// The strictest of all requirements; without any, no time at all.
fn shortest(requirements: &[Requirement], ttl: impl Fn(&Requirement) -> Duration) -> Duration {
    requirements.iter().map(ttl).min().unwrap_or(Duration::ZERO)
}
