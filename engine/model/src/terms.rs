//! What a rule may add to an approval that it asks for: who votes later, what a yes may be used for again, who may
//! go ahead without one. All of it is optional, and everything left out is the strict way. It refuses nothing itself:
//! the desk reads it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The terms of one requirement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Each of the people needed has to stand for another group.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub distinct_groups: bool,
    /// Who may vote too, once nobody has for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalation>,
    /// What approvers may grant beyond the one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// A connection: the longest time that an approved access request may open it for. Without it, an approval opens it
    /// once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Duration>,
    /// Who may go ahead without a vote, and who reviews it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glass: Option<Glass>,
    /// What a chat message about it may do.
    #[serde(skip_serializing_if = "Chat::notifies")]
    pub chat: Chat,
}

impl Terms {
    /// True when nothing was added.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// Other groups, after a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Escalation {
    /// So long after the request was opened.
    pub after: Duration,
    /// These may vote as well from then on.
    pub groups: Vec<String>,
}

/// A grant for a class of commands, which approvers may give besides their yes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reuse {
    /// The longest time it may be given for.
    pub ttl: Duration,
    /// What belongs to the class.
    pub class: Sameness,
}

/// When a later command is of the class that was approved. Ordered from the strictest to the laxest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sameness {
    /// The same bytes with the same parameters.
    Exact,
    /// Nothing worse on no other objects: effect, risk, verbs, labels and findings within those approved. What could not
    /// be understood, or names no object, belongs to no such class.
    Objects,
}

/// Going ahead without a vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Glass {
    /// People of these groups, with a reason.
    pub groups: Vec<String>,
    /// For so long.
    pub lasts: Duration,
    /// Who reviews it afterwards.
    pub reviewers: Vec<String>,
    /// Until when.
    pub review_within: Duration,
}

/// What a chat message about a request may do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Chat {
    /// Say where to look; a vote takes a fresh login.
    #[default]
    Notify,
    /// Take the vote of a person whose account is linked.
    Approve,
}

impl Chat {
    fn notifies(&self) -> bool {
        *self == Self::Notify
    }
}
