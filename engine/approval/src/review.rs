//! What comes after a broken glass: somebody else looks at it, by a date. It refuses to be closed by whoever broke it,
//! and never closes by itself: one that is overdue stays so, loudly.

use portcullis_model::{Identity, Principal, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a reviewer finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// It was right.
    Justified,
    /// It was not, or something has to be done.
    Concern,
}

/// A review as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Review {
    pub id: String,
    pub grant: String,
    pub holder: Arc<Identity>,
    pub target: String,
    pub reason: String,
    pub rules: Vec<String>,
    pub reviewers: Vec<String>,
    pub broken: Timestamp,
    pub due: Timestamp,
    /// Everybody was told that it is overdue.
    pub noted: bool,
    pub closed: Option<Closed>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closed {
    pub by: Principal,
    pub name: String,
    pub at: Timestamp,
    pub finding: Finding,
    pub text: String,
}

impl Review {
    /// `open`, `overdue` or `closed`.
    pub(crate) fn state(&self, now: Timestamp) -> &'static str {
        match (&self.closed, self.due <= now) {
            (Some(_), _) => "closed",
            (None, true) => "overdue",
            (None, false) => "open",
        }
    }
}

/// Somebody is away, and somebody else stands in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delegation {
    pub id: String,
    pub from: Arc<Identity>,
    pub to: Principal,
    pub reason: String,
    pub since: Timestamp,
    pub until: Timestamp,
}
