//! What a pack may add to an approval, read as strictly as the rest: an escalation to nobody, a grant for no time or a
//! glass that nobody reviews is a wrong shape, not a laxer approval.

use super::Approval;
use portcullis_model::{Escalation, Glass, Reuse, Sameness, Terms, limits};
use serde::Deserialize;
use std::time::Duration;

/// `escalate: {after_seconds, groups}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Escalate {
    pub after_seconds: u64,
    pub groups: Vec<String>,
}

/// `reuse: {ttl_seconds, class}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReuseForm {
    pub ttl_seconds: u64,
    pub class: Sameness,
}

/// `break_glass: {groups, reviewer_groups, ttl_seconds?, review_seconds?}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakGlass {
    pub groups: Vec<String>,
    pub reviewer_groups: Vec<String>,
    #[serde(default = "an_hour")]
    pub ttl_seconds: u64,
    #[serde(default = "three_days")]
    pub review_seconds: u64,
}

fn an_hour() -> u64 {
    3600
}

fn three_days() -> u64 {
    3 * 24 * 3600
}

impl Approval {
    /// True when what was added can be meant.
    pub(super) fn terms_are_sound(&self) -> bool {
        let most = limits::GRANT_TTL_MAX.as_secs();
        let fits = |seconds: u64| (1..=most).contains(&seconds);
        let named = |groups: &[String]| !groups.is_empty() && groups.iter().all(|g| !g.is_empty());
        // More people than groups could never stand for a group each.
        let distinct = !self.distinct_groups
            || usize::try_from(self.approvers).is_ok_and(|n| n <= self.groups_in_all());
        let escalates = self
            .escalate
            .as_ref()
            .is_none_or(|e| named(&e.groups) && (1..self.ttl_seconds).contains(&e.after_seconds));
        let reused = self.reuse.as_ref().is_none_or(|r| fits(r.ttl_seconds));
        let opened = self.access_ttl_seconds.is_none_or(fits);
        let glass = self.break_glass.as_ref().is_none_or(|g| {
            named(&g.groups)
                && named(&g.reviewer_groups)
                && fits(g.ttl_seconds)
                && fits(g.review_seconds)
        });
        distinct && escalates && reused && opened && glass
    }

    fn groups_in_all(&self) -> usize {
        let mut groups: Vec<&String> = self.approver_groups.iter().collect();
        groups.extend(self.escalate.iter().flat_map(|e| &e.groups));
        groups.sort();
        groups.dedup();
        groups.len()
    }

    /// The same in the words of the model.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            distinct_groups: self.distinct_groups,
            escalate: self.escalate.as_ref().map(|e| Escalation {
                after: Duration::from_secs(e.after_seconds),
                groups: e.groups.clone(),
            }),
            reuse: self.reuse.as_ref().map(|r| Reuse {
                ttl: Duration::from_secs(r.ttl_seconds),
                class: r.class,
            }),
            access: self.access_ttl_seconds.map(Duration::from_secs),
            glass: self.break_glass.as_ref().map(|g| Glass {
                groups: g.groups.clone(),
                lasts: Duration::from_secs(g.ttl_seconds),
                reviewers: g.reviewer_groups.clone(),
                review_within: Duration::from_secs(g.review_seconds),
            }),
            chat: self.chat,
        }
    }
}
