//! Who may vote. Refuses, whatever policy says: the requester, anybody in an act chain with the
//! requester, a machine's owner, whatever is not human or acts for a human, the same person twice, a
//! token that is not fresh, a vote without a reason.

use crate::moment::Moment;
use crate::request::{Request, may_meet};
use crate::state::State;
use portcullis_model::{Denial, Identity, Kind, Timestamp, limits};
use std::time::Duration;

/// Why a vote does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoteRefused {
    /// There is no such request, or it was forgotten.
    #[error("there is no request with this id")]
    Unknown,
    /// It has ended, or has enough votes.
    #[error("the request is {} already", .0.name())]
    TooLate(State),
    /// The voter asked for it.
    #[error("nobody votes on a request of their own")]
    Requester,
    /// The voter and the requester act for one another, or one owns the other.
    #[error(
        "who acts with, for or through the requester, or answers for it, does not vote on its request"
    )]
    Involved,
    /// The voter is no human being, or an agent in the name of one.
    #[error("only a person votes, with a token of their own")]
    NotAPerson,
    /// The person has voted already.
    #[error("this person has voted on the request already")]
    Twice,
    /// The token has expired, or was proved too long ago.
    #[error(
        "this needs a fresh login: the token has expired, or does not say that its owner has logged in just now (`auth_time`)"
    )]
    Stale,
    /// No reason, or one that is too long.
    #[error(
        "a vote needs a reason of at most {} bytes",
        limits::VOTE_REASON_BYTES_MAX
    )]
    NoReason,
    /// The voter is in none of the groups that the requirements name.
    #[error("the voter is in none of the groups that may approve this")]
    NotAnApprover,
    /// Policy says no.
    #[error("policy refuses the vote: {} ({})", .0.reason, .0.rule)]
    Policy(Denial),
    /// The approver wants it to stand for longer than one run, and policy does not let that be.
    #[error("policy lets this be approved for one run, not for a class of commands")]
    NoReuse,
    /// There is no such thing at the desk, or it has ended.
    #[error("there is no {0} with this id, or it has ended")]
    Nothing(&'static str),
    /// Not theirs to do.
    #[error("{0}")]
    NotTheirs(&'static str),
    /// A time that is none, or too long.
    #[error("the time has to be longer than nothing and at most {} days", limits::GRANT_TTL_MAX.as_secs() / 86_400)]
    Time,
    /// No room for more.
    #[error("there are too many {0} already")]
    Full(&'static str),
    /// It has ended, and is still in the store.
    #[error(
        "it has ended, which is in force but not kept over a restart; the gateway goes on trying"
    )]
    NotForgotten,
    /// The vote could not be recorded: so it was not cast.
    #[error("the vote could not be recorded and does not count")]
    Unrecorded,
}

/// Whether this identity may vote on this request at all.
pub(crate) fn may_vote(
    request: &Request,
    voter: &Identity,
    now: Moment,
    fresh_within: Option<Duration>,
) -> Result<(), VoteRefused> {
    is_present(voter, now.wall, fresh_within)?;
    for requester in &request.requesters {
        stands_apart(requester, voter)?;
    }
    if request
        .votes
        .iter()
        .any(|vote| same_person(&vote.voter, voter))
    {
        return Err(VoteRefused::Twice);
    }
    let requirements = &request.asked.requirements;
    match requirements
        .iter()
        .any(|r| may_meet(voter, &request.groups(r, now)))
    {
        true => Ok(()),
        false => Err(VoteRefused::NotAnApprover),
    }
}

/// Whether this is a person, in person, who has just proved it.
pub(crate) fn is_present(
    who: &Identity,
    now: Timestamp,
    fresh_within: Option<Duration>,
) -> Result<(), VoteRefused> {
    if who.kind != Kind::Human || !who.actors.is_empty() {
        return Err(VoteRefused::NotAPerson);
    }
    match is_fresh(who, now, fresh_within) {
        true => Ok(()),
        false => Err(VoteRefused::Stale),
    }
}

/// Whether the voter has nothing to do with the requester.
pub(crate) fn stands_apart(requester: &Identity, voter: &Identity) -> Result<(), VoteRefused> {
    if same_person(requester, voter) {
        return Err(VoteRefused::Requester);
    }
    match are_involved(requester, voter) {
        true => Err(VoteRefused::Involved),
        false => Ok(()),
    }
}

/// The reason, without the space around it.
pub(crate) fn reason(text: &str) -> Result<&str, VoteRefused> {
    let text = text.trim();
    let fits = (1..=limits::VOTE_REASON_BYTES_MAX).contains(&text.len());
    fits.then_some(text).ok_or(VoteRefused::NoReason)
}

fn is_fresh(voter: &Identity, now: Timestamp, fresh_within: Option<Duration>) -> bool {
    let recent = match fresh_within {
        None => true,
        Some(within) => voter.proved_within(within, now),
    };
    voter.expires > now && recent
}

/// Issuer and subject are the key. One person with accounts at two issuers is one person all the same,
/// as far as their verified names show it: this can only refuse more.
fn same_person(a: &Identity, b: &Identity) -> bool {
    let human = a.kind == Kind::Human && b.kind == Kind::Human;
    let same_name = !a.name.is_empty() && a.name.to_lowercase() == b.name.to_lowercase();
    a.principal == b.principal || (human && same_name)
}

/// Both ways, and over the chains of both: who acts with whom, and who answers for whom.
fn are_involved(a: &Identity, b: &Identity) -> bool {
    a.involves(&b.principal)
        || b.involves(&a.principal)
        || a.actors.iter().chain(&a.owner).any(|who| b.involves(who))
        || b.actors.iter().chain(&b.owner).any(|who| a.involves(who))
}
