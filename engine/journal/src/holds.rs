//! Legal holds: what must not be shredded, whatever its age. A hold is an entry of the node and so is its release; which
//! are in force follows from the record alone.
//!
//! Refuses to be lifted by anything but its own release: a hold that cannot be read holds everything.

use crate::error::Error;
use crate::{NODE, Reader};
use portcullis_model::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// The events by which holds stand in the record.
pub const HOLD_ADDED: &str = "hold-added";
/// See [`HOLD_ADDED`].
pub const HOLD_RELEASED: &str = "hold-released";

/// A hold. What is not given does not matter; one that gives nothing holds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Its name.
    pub id: String,
    /// Why: the matter it belongs to.
    pub reason: String,
    /// This session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Sessions of this name or subject, and those in which this subject acted on another's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Sessions on this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Sessions that went on then or began later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Sessions that began before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who set it, as the record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

/// What a hold is asked about.
pub(crate) struct Held<'a> {
    pub session: SessionId,
    pub identity: &'a str,
    pub subject: &'a str,
    pub actors: &'a [String],
    pub target: &'a str,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
}

impl Hold {
    fn keeps(&self, what: &Held<'_>) -> bool {
        let is = |wanted: &Option<String>, any: &[&str]| {
            wanted.as_deref().is_none_or(|wanted| any.contains(&wanted))
        };
        self.session.is_none_or(|id| id == what.session)
            && self.is_of(what)
            && is(&self.target, &[what.target])
            && self
                .since
                .is_none_or(|since| what.ended.is_none_or(|ended| ended >= since))
            && self.until.is_none_or(|until| what.started < until)
    }

    /// Whoever acted on somebody's behalf is in the matter too.
    fn is_of(&self, what: &Held<'_>) -> bool {
        self.identity.as_deref().is_none_or(|wanted| {
            [what.identity, what.subject].contains(&wanted)
                || what.actors.iter().any(|actor| actor == wanted)
        })
    }
}

/// The holds met in the record so far.
#[derive(Default)]
pub(crate) struct Holds(Vec<Hold>);

impl Holds {
    /// By the record in `dir`.
    pub(crate) fn of(dir: &Path) -> Result<Self, Error> {
        let mut holds = Self::default();
        Reader::open(dir)?.session(NODE).visit(|frame, _| {
            holds.see(frame.payload);
        })?;
        Ok(holds)
    }

    /// Takes an entry of the node.
    pub(crate) fn see(&mut self, payload: &[u8]) {
        if !payload.starts_with(b"{\"event\":\"hold-") {
            return;
        }
        let json: Value = serde_json::from_slice(payload).unwrap_or_default();
        let detail = json.get("detail").cloned().unwrap_or_default();
        match json["event"].as_str() {
            Some(HOLD_ADDED) => {
                let id = detail["id"].as_str().unwrap_or_default().to_owned();
                let everything = Hold {
                    id,
                    reason: "a hold that cannot be read".to_owned(),
                    ..Hold::default()
                };
                self.0
                    .push(serde_json::from_value(detail).unwrap_or(everything));
            }
            Some(HOLD_RELEASED) => {
                let id = detail["id"].as_str();
                self.0.retain(|hold| Some(hold.id.as_str()) != id);
            }
            _ => {}
        }
    }

    pub(crate) fn keeps(&self, what: &Held<'_>) -> bool {
        self.0.iter().any(|hold| hold.keeps(what))
    }
}

/// The holds in force, by the record in `dir`.
///
/// # Errors
/// When the record cannot be read.
pub fn in_force(dir: &Path) -> Result<Vec<Hold>, Error> {
    Ok(Holds::of(dir)?.0)
}
