//! What a token was narrowed to when it was exchanged (RFC 8693): fewer targets, reading only, a task, less
//! time. And where it came from, so that revoking that revokes it.
//!
//! It stands among the claims under a name that no issuer may map, so that Rego sees it and only the
//! gateway can have written it. It refuses to widen, and to pass when it cannot be read.

use portcullis_model::{Denial, Identity, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Its name among the claims.
pub const MINE: &str = "portcullis";

/// A token that another was made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// `iss`.
    pub issuer: String,
    /// `jti`, or the id of the login.
    pub id: String,
}

/// The bounds of an exchanged token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowing {
    /// Targets that it opens; all that policy grants when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    /// It only reads.
    #[serde(default)]
    pub read_only: bool,
    /// What it is for, in the words of whoever asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Groups that the actor itself has: policy may want both to be allowed.
    #[serde(default)]
    pub actor_groups: Vec<String>,
    /// The tokens that it was made from.
    #[serde(default)]
    pub origins: Vec<Origin>,
}

impl Narrowing {
    /// The bounds that an identity came with, if any.
    ///
    /// # Errors
    /// When they cannot be read: then nothing is allowed.
    pub fn of(identity: &Identity) -> Result<Option<Self>, Denial> {
        match identity.claims.get(MINE) {
            None => Ok(None),
            Some(written) => serde_json::from_value(written.clone())
                .map(Some)
                .map_err(|_| {
                    Denial::new(
                        "identity/narrowing",
                        "the bounds of the token cannot be read",
                    )
                    .hint("Exchange the token again.")
                }),
        }
    }

    /// Refuses a target that the token was not made for.
    ///
    /// # Errors
    /// A denial that names no other target.
    pub fn opens(&self, target: &str) -> Result<(), Denial> {
        match &self.targets {
            Some(targets) if !targets.iter().any(|t| t == target) => Err(Denial::new(
                "identity/narrowed",
                "the token was exchanged for other targets than this one",
            )
            .hint("Exchange a token with this target in its scope.")),
            _ => Ok(()),
        }
    }

    /// These bounds, and what is asked for within them.
    ///
    /// # Errors
    /// When more is asked for than there is.
    pub(crate) fn within(&self, asked: Self) -> Result<Self, Denial> {
        let wider = || {
            Denial::new(
                "identity/wider",
                "the exchange asks for more than the token it comes from allows",
            )
            .hint("An exchange only narrows: ask for targets of the token, and read_only if it has it.")
        };
        let targets = match (&self.targets, asked.targets) {
            (None, asked) => asked,
            (Some(have), None) => Some(have.clone()),
            (Some(have), Some(asked)) => match asked.iter().all(|t| have.contains(t)) {
                true => Some(asked),
                false => return Err(wider()),
            },
        };
        // What every actor in the chain is in, and not what the last one is.
        let mut actor_groups = asked.actor_groups;
        actor_groups.retain(|group| self.actor_groups.contains(group));
        let mut origins = self.origins.clone();
        for origin in asked.origins {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        if origins.len() > limits::TOKEN_ACTORS_MAX * 2 {
            return Err(wider());
        }
        Ok(Self {
            targets,
            read_only: self.read_only || asked.read_only,
            task: asked.task.or_else(|| self.task.clone()),
            actor_groups,
            origins,
        })
    }

    /// As a claim.
    pub(crate) fn claim(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// The tokens that an identity's token was made from. What cannot be read is refused elsewhere.
pub(crate) fn origins(identity: &Identity) -> Vec<Origin> {
    match Narrowing::of(identity) {
        Ok(Some(narrowing)) => narrowing.origins,
        _ => Vec::new(),
    }
}
