//! The words of `console:`: the gateway's own pages and their API, and how long people stay in them.

use super::duration::Period;
use portcullis_model::limits::FRESH_LOGIN;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Pages for people and a JSON API, on the https listeners. It needs `login`, and TLS there. Who may see what is said by
/// policy data (`console: { roles: … }`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// A login there ends when nothing was asked for so long.
    #[serde(default = "idle")]
    pub idle: Period,
    /// And after so long in any case.
    #[serde(default = "longest")]
    pub longest: Period,
    /// A vote needs a login that is no older; people are sent to their provider again.
    #[serde(default = "fresh")]
    pub fresh: Period,
}

fn idle() -> Period {
    Period(Duration::from_secs(30 * 60))
}

fn longest() -> Period {
    Period(Duration::from_secs(8 * 3600))
}

fn fresh() -> Period {
    Period(FRESH_LOGIN)
}
