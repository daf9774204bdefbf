//! Grants, reviews and delegations as they may be shown. Refuses raw text, as all that is shown does.

use super::principal;
use crate::grant::{Grant, Purpose};
use crate::moment::Moment;
use crate::review::{Delegation, Finding, Review};
use portcullis_model::{Principal, Sameness, Timestamp, escape_for_people, escape_line};
use serde::Serialize;

/// A grant in force.
#[derive(Clone, Debug, Serialize)]
pub struct GrantView {
    /// `gr-…`.
    pub id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The request that it came from.
    pub request: String,
    /// Name of the holder.
    pub holder: String,
    /// Issuer and subject of the holder.
    #[serde(skip)]
    pub principal: Principal,
    /// What it opens.
    pub target: String,
    /// What was approved.
    pub shown: String,
    /// When a later command belongs to it.
    pub class: Option<Sameness>,
    /// Why it was asked for.
    pub reason: String,
    /// Who has approved it.
    pub by: Vec<String>,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Seconds left.
    pub remaining_seconds: u64,
    /// How often it was used on this node since its start.
    pub uses: u64,
}

impl GrantView {
    pub(crate) fn of(grant: &Grant, now: Moment) -> Self {
        let left = grant.deadline.map(|deadline| deadline.left(now).as_secs());
        Self {
            id: grant.id.clone(),
            purpose: grant.purpose,
            request: grant.request.clone(),
            holder: escape_line(&grant.holder.name),
            principal: grant.holder.principal.clone(),
            target: escape_line(&grant.target.name),
            shown: escape_for_people(&grant.shown),
            class: (grant.purpose == Purpose::Commands).then_some(grant.sameness),
            reason: escape_for_people(&grant.reason),
            by: grant.by.iter().map(principal).collect(),
            from: grant.from,
            until: grant.until,
            remaining_seconds: left.unwrap_or(0),
            uses: grant.uses,
        }
    }
}

/// The review of a broken glass.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewView {
    /// `rv-…`.
    pub id: String,
    /// `open`, `overdue` or `closed`.
    pub state: &'static str,
    /// The grant that was taken.
    pub grant: String,
    /// Who broke it.
    pub holder: String,
    /// Of what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// The rules that were passed by.
    pub rules: Vec<String>,
    /// Groups that may review it.
    pub reviewers: Vec<String>,
    /// When it was broken.
    pub broken: Timestamp,
    /// Until when it has to be reviewed.
    pub due: Timestamp,
    /// Who has reviewed it.
    pub by: Option<String>,
    /// What they found.
    pub finding: Option<Finding>,
    /// In their words.
    pub text: Option<String>,
}

impl ReviewView {
    pub(crate) fn of(review: &Review, now: Timestamp) -> Self {
        let closed = review.closed.as_ref();
        Self {
            id: review.id.clone(),
            state: review.state(now),
            grant: review.grant.clone(),
            holder: escape_line(&review.holder.name),
            target: escape_line(&review.target),
            reason: escape_for_people(&review.reason),
            rules: review.rules.iter().map(|r| escape_line(r)).collect(),
            reviewers: review.reviewers.iter().map(|g| escape_line(g)).collect(),
            broken: review.broken,
            due: review.due,
            by: closed.map(|c| escape_line(&c.name)),
            finding: closed.map(|c| c.finding),
            text: closed.map(|c| escape_for_people(&c.text)),
        }
    }
}

/// Somebody who stands in.
#[derive(Clone, Debug, Serialize)]
pub struct DelegationView {
    /// `dg-…`.
    pub id: String,
    /// Who is away.
    pub from: String,
    /// Issuer and subject of whoever is away.
    #[serde(skip)]
    pub giver: Principal,
    /// Who stands in: subject and issuer.
    pub to: String,
    /// The same, as it is.
    #[serde(skip)]
    pub taker: Principal,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl DelegationView {
    pub(crate) fn of(delegation: &Delegation) -> Self {
        Self {
            id: delegation.id.clone(),
            from: escape_line(&delegation.from.name),
            giver: delegation.from.principal.clone(),
            to: principal(&delegation.to),
            taker: delegation.to.clone(),
            reason: escape_for_people(&delegation.reason),
            since: delegation.since,
            until: delegation.until,
        }
    }
}
