//! Breaking the glass, and the review that follows. Refuses whoever is no person, is in no group that the rule names, or
//! gives no reason; and does nothing that is not on record, kept, and on its way to whoever has to know.

use super::{Desk, Shelves, fresh_id};
use crate::electorate::{VoteRefused, is_present, reason, stands_apart};
use crate::grant::{Purpose, may_break};
use crate::moment::Moment;
use crate::news::News;
use crate::request::Request;
use crate::review::{Closed, Finding, Review};
use crate::store::Shelf;
use crate::view::ReviewView;
use portcullis_gate::{Answer, HoldRequest};
use portcullis_model::{Denial, Fault, Glass, Identity, limits};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Less is no explanation.
const WHY_BYTES_MIN: usize = 12;

impl Desk {
    /// Goes ahead without a vote.
    pub(super) fn break_glass(
        &self,
        shelves: &mut Shelves,
        asked: &HoldRequest,
        now: Moment,
    ) -> Result<(String, Option<Answer>), Fault> {
        let why = asked.wish.glass.as_deref().unwrap_or_default().trim();
        let fresh = self.settings.fresh_within;
        if let Some(denial) = not_theirs_to_break(asked, why, fresh, now) {
            return Ok((String::new(), Some(Answer::Refuse(denial))));
        }
        if shelves.grants.len() >= limits::GRANTS_MAX
            || shelves.reviews.len() >= limits::REVIEWS_MAX
        {
            let denial = Denial::new("approval/desk-full", "too many grants or reviews are open");
            return Ok((String::new(), Some(Answer::Refuse(denial))));
        }
        let glasses = || {
            asked
                .requirements
                .iter()
                .filter_map(|r| r.terms.glass.as_ref())
        };
        let shortest = |pick: fn(&Glass) -> Duration| glasses().map(pick).min().unwrap_or_default();
        let lasts = shortest(|g| g.lasts);
        let lasts = asked.wish.lasts.unwrap_or(lasts).min(lasts);
        let id = fresh_id("gr-", |id| shelves.grants.contains_key(id))?;
        let request = Request::new(id.clone(), asked.clone(), now);
        let mut grant = super::standing::made(id.clone(), &request, Purpose::Glass, lasts, now);
        why.clone_into(&mut grant.reason);
        let mut reviewers: Vec<String> = glasses().flat_map(|g| g.reviewers.clone()).collect();
        reviewers.sort();
        reviewers.dedup();
        let review = Review {
            id: fresh_id("rv-", |id| shelves.reviews.contains_key(id))?,
            grant: id.clone(),
            holder: grant.holder.clone(),
            target: grant.target.name.clone(),
            reason: why.to_owned(),
            rules: asked.requirements.iter().map(|r| r.rule.clone()).collect(),
            reviewers,
            broken: now.wall,
            due: now.wall.after(shortest(|g| g.review_within)),
            noted: false,
            closed: None,
        };
        self.hands.notes.note("glass/broken", &detail(&review))?;
        // The page goes out, or at least cannot be lost, before the glass is broken.
        self.put(Shelf::Review, &review.id, &review, now)?;
        self.hands
            .tell
            .announce(&News::of_review("glass.broken", &review, now, true))?;
        shelves.reviews.insert(review.id.clone(), review);
        self.enter(shelves, grant, "approval/granted", now)?;
        let by = Vec::new();
        Ok((id.clone(), Some(Answer::Approve { id, by })))
    }

    /// Closes a review. `who` was verified from a fresh token just now.
    ///
    /// # Errors
    /// When it is not theirs to close, or cannot be recorded.
    pub fn review(
        &self,
        id: &str,
        who: &Arc<Identity>,
        finding: Finding,
        text: &str,
    ) -> Result<ReviewView, VoteRefused> {
        let text = reason(text)?;
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        let review = shelves.reviews.get_mut(id);
        let review = review.filter(|r| r.closed.is_none());
        let review = review.ok_or(VoteRefused::Nothing("review"))?;
        is_present(who, now.wall, self.settings.fresh_within)?;
        stands_apart(&review.holder, who)?;
        if !is_reviewer(review, who) {
            return Err(VoteRefused::NotAnApprover);
        }
        let mut closed = review.clone();
        closed.closed = Some(Closed {
            by: who.principal.clone(),
            name: who.name.clone(),
            at: now.wall,
            finding,
            text: text.to_owned(),
        });
        let unrecorded = |_| VoteRefused::Unrecorded;
        let notes = &self.hands.notes;
        notes
            .note("glass/reviewed", &detail(&closed))
            .map_err(unrecorded)?;
        self.put(Shelf::Review, id, &closed, now)
            .map_err(unrecorded)?;
        *review = closed;
        self.tell_of_review(review, "glass.reviewed", now, false);
        Ok(ReviewView::of(review, now.wall))
    }

    /// Reviews: open ones first, the earliest due first among them.
    #[must_use]
    pub fn reviews(&self) -> Vec<ReviewView> {
        let shelves = self.shelves.lock();
        let now = self.clocks.now();
        let mut reviews: Vec<&Review> = shelves.reviews.values().collect();
        reviews.sort_by_key(|r| (r.closed.is_some(), r.due));
        reviews
            .iter()
            .map(|r| ReviewView::of(r, now.wall))
            .collect()
    }

    /// The same, each with what it has to do with somebody.
    #[must_use]
    pub fn reviews_for(&self, who: &Identity) -> Vec<(ReviewView, Concern)> {
        let shelves = self.shelves.lock();
        let now = self.clocks.now();
        let mut reviews: Vec<&Review> = shelves.reviews.values().collect();
        reviews.sort_by_key(|r| (r.closed.is_some(), r.due));
        let concern = |review: &Review| {
            let asked = is_reviewer(review, who);
            Concern {
                own: asked || review.holder.principal == who.principal,
                // Whether the login is fresh is seen when they close it.
                acts: asked
                    && review.closed.is_none()
                    && who.expires > now.wall
                    && is_present(who, now.wall, None).is_ok()
                    && stands_apart(&review.holder, who).is_ok(),
            }
        };
        let views = reviews.iter();
        views
            .map(|r| (ReviewView::of(r, now.wall), concern(r)))
            .collect()
    }

    /// Says once that a review is overdue. The list says so for as long as it is.
    pub(super) fn mind_reviews(&self, shelves: &mut Shelves, now: Moment) {
        for review in shelves.reviews.values_mut() {
            if review.noted || review.state(now.wall) != "overdue" {
                continue;
            }
            review.noted = true;
            tracing::error!(
                id = review.id,
                target = review.target,
                "the review of a broken glass is overdue"
            );
            let noted = self
                .hands
                .notes
                .note("glass/review-overdue", &detail(review));
            let kept = self.put(Shelf::Review, &review.id, review, now);
            if let Err(fault) = noted.and(kept) {
                tracing::error!(id = review.id, fault = %fault.chain(), "an overdue review is not on record");
            }
            self.tell_of_review(review, "glass.review_overdue", now, true);
        }
    }

    fn tell_of_review(&self, review: &Review, event: &'static str, now: Moment, urgent: bool) {
        let news = News::of_review(event, review, now, urgent);
        if let Err(fault) = self.hands.tell.announce(&news) {
            tracing::warn!(id = review.id, event, fault = %fault.chain(), "nobody was told");
        }
    }
}

/// What a review has to do with somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concern {
    /// They broke the glass, or are one of those who review it.
    pub own: bool,
    /// They may close it, once they have logged in just now.
    pub acts: bool,
}

/// Groups are names of one issuer: those of another say nothing here.
fn is_reviewer(review: &Review, who: &Identity) -> bool {
    let of_issuer = who.principal.issuer == review.holder.principal.issuer;
    of_issuer && review.reviewers.iter().any(|g| who.groups.contains(g))
}

fn detail(review: &Review) -> serde_json::Value {
    json!({
        "review": review.id, "grant": review.grant, "holder": review.holder.principal,
        "name": review.holder.name, "target": review.target, "reason": review.reason,
        "rules": review.rules, "reviewers": review.reviewers, "broken": review.broken,
        "due": review.due, "closed": review.closed,
    })
}

/// Why this requester may not go ahead.
fn not_theirs_to_break(
    asked: &HoldRequest,
    why: &str,
    fresh_within: Option<Duration>,
    now: Moment,
) -> Option<Denial> {
    let who = &asked.session.identity;
    let present = is_present(who, now.wall, fresh_within);
    let fits = (WHY_BYTES_MIN..=limits::VOTE_REASON_BYTES_MAX).contains(&why.len());
    if present == Err(VoteRefused::Stale) {
        // As for a vote, which this goes ahead of.
        let reason = "breaking the glass takes a fresh login";
        let denial = Denial::new("approval/glass-login", reason);
        return Some(denial.hint(
            "Log in afresh (`portcullis login --fresh`, or in the console), then go ahead.",
        ));
    }
    let (rule, text) = if present.is_err() {
        (
            "approval/glass-person",
            "only a person breaks the glass, in person",
        )
    } else if !asked.access {
        (
            "approval/glass",
            "the glass is broken for a connection, not for one command",
        )
    } else if asked.requirements.is_empty() || !asked.requirements.iter().all(|r| may_break(who, r))
    {
        (
            "approval/glass",
            "no rule here lets you go ahead without an approval",
        )
    } else if !fits {
        (
            "approval/glass-reason",
            "breaking the glass takes a reason that somebody can review",
        )
    } else {
        return None;
    };
    Some(Denial::new(rule, text).hint("Ask for an approval: `portcullis access request`."))
}
