//! Where a request stands. Refuses every way back: a request that has ended stays so.

use serde::{Deserialize, Serialize};

/// The life of a request: pending, then approved, then consumed; or ended before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for votes.
    Pending,
    /// Has them, and was not used yet.
    Approved,
    /// Was used, once.
    Consumed,
    /// Somebody said no.
    Denied,
    /// Was not approved, or not used, in time.
    Expired,
    /// Who asked has gone away.
    Withdrawn,
}

impl State {
    /// True when nothing can happen to it any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Approved)
    }

    /// As in records and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Consumed => "consumed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}
