//! What a ticket system says of a ticket that somebody has named. It refuses to be valid by default: a system that does
//! not answer, or does not know it, leaves it as it is named, and no more.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The word of a ticket system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketCheck {
    /// The system that was asked, by its name in the configuration; none keeps tickets like that.
    pub system: Option<String>,
    /// It is there, and every check of the configuration holds.
    pub valid: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Its fields that the configuration names, as text.
    pub fields: BTreeMap<String, String>,
}

impl TicketCheck {
    /// Not valid, and why.
    #[must_use]
    pub fn not(system: Option<&str>, reason: &str) -> Self {
        Self {
            system: system.map(str::to_owned),
            valid: false,
            reason: Some(reason.to_owned()),
            fields: BTreeMap::new(),
        }
    }
}
