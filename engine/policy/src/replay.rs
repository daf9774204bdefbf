//! The same question, asked again of another set: what a recorded decision would be today, and whether
//! that is another answer. It compares what *policy* said: where the gateway refused for reasons of its
//! own (a mask that would be lost, a budget, people who said no), that is taken out first.

use crate::input::{Input, VERSION};
use crate::set::PolicySet;
use portcullis_model::{Blame, Decision, Fault, Obligations, Reason, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What an answer comes to; the stricter, the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// No.
    Deny,
    /// When people agree.
    Hold,
    /// Yes.
    Allow,
}

impl Outcome {
    /// Of a verdict.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Deny(_) => Self::Deny,
            Verdict::Hold(_) => Self::Hold,
            Verdict::Allow { .. } => Self::Allow,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Deny => "deny",
            Self::Hold => "hold",
            Self::Allow => "allow",
        })
    }
}

/// A decision as it is on record.
#[derive(Clone, Copy, Debug)]
pub struct Then<'a> {
    /// `allow`, `deny` or `hold`.
    pub verdict: &'a str,
    /// The rule that decided; `approval` when people did.
    pub rule: &'a str,
    /// Everything that was said.
    pub reasons: &'a [Reason],
    /// What came with it.
    pub obligations: &'a Value,
}

impl Then<'_> {
    /// What policy said; none where the gateway refused by itself what policy did not deny.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.verdict {
            "hold" => Some(Outcome::Hold),
            "allow" if self.rule == "approval" => Some(Outcome::Hold),
            "allow" => Some(Outcome::Allow),
            _ if self.reasons.iter().any(|r| r.rule == self.rule) => Some(Outcome::Deny),
            _ if self.rule.starts_with("approval/") => Some(Outcome::Hold),
            _ => None,
        }
    }
}

/// An answer that is another one now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it was.
    pub then: Outcome,
    /// What it would be.
    pub now: Outcome,
    /// The rule that makes the difference: the one that speaks now, or the one that no longer does.
    pub rule: String,
    /// Obligations that are others now, by name.
    pub obligations: Vec<&'static str>,
}

/// Whether the answer is another one now; none when it is the same, or was not policy's to give.
#[must_use]
pub fn change(then: &Then<'_>, now: &Decision) -> Option<Change> {
    let before = then.outcome()?;
    let after = Outcome::of(&now.verdict);
    let obligations = match (before, after) {
        // What comes with a no is kept by nobody.
        (Outcome::Deny, _) | (_, Outcome::Deny) => Vec::new(),
        _ => differing(then.obligations, &now.obligations),
    };
    if before == after && obligations.is_empty() {
        return None;
    }
    let rule = match before <= after {
        true if before == after => obligations.join(", "),
        true => gone(then, now),
        false => speaking(now),
    };
    Some(Change {
        then: before,
        now: after,
        rule,
        obligations,
    })
}

/// The rule that speaks now.
fn speaking(now: &Decision) -> String {
    match &now.verdict {
        Verdict::Deny(denial) => denial.rule.clone(),
        Verdict::Hold(requirements) => requirements
            .first()
            .map(|r| r.rule.clone())
            .unwrap_or_default(),
        Verdict::Allow { rule } => rule.clone(),
    }
}

/// The rule that spoke then and does not now.
fn gone(then: &Then<'_>, now: &Decision) -> String {
    let still = |rule: &str| now.reasons.iter().any(|r| r.rule == rule);
    if !then.rule.is_empty() && then.rule != "approval" && !still(then.rule) {
        return then.rule.to_owned();
    }
    let mut silent = then.reasons.iter().filter(|r| !still(&r.rule));
    silent
        .next()
        .map_or_else(|| speaking(now), |reason| reason.rule.clone())
}

/// Names of obligations that differ. One that is missing on record is what it is when nobody says
/// anything: records are older than obligations.
fn differing(then: &Value, now: &Obligations) -> Vec<&'static str> {
    let json = |o: &Obligations| serde_json::to_value(o).unwrap_or_default();
    let (now, nothing) = (json(now), json(&Obligations::none()));
    let fields = now.as_object().cloned().unwrap_or_default();
    let differs = |name: &String, value: &Value| {
        let then = then.get(name).or_else(|| nothing.get(name));
        then != Some(value)
    };
    fields
        .iter()
        .filter(|(name, value)| differs(name, value))
        .map(|(name, _)| known(name))
        .collect()
}

/// The name as the README has it.
fn known(name: &str) -> &'static str {
    match name {
        "entities" | "columns" => "mask",
        "row_limit" => "row_limit",
        "byte_limit" => "byte_limit",
        "read_only" => "read_only",
        "record" => "record",
        "session_max" => "session_max_seconds",
        "role" => "credential",
        "labels" => "label",
        "allow_function_call" => "function_call",
        "replication" => "replication",
        "opaque" => "opaque",
        "control" => "control",
        _ => "obligation",
    }
}

impl PolicySet {
    /// Decides over a recorded input document.
    ///
    /// # Errors
    /// When it is no input document of this version.
    pub fn decide_again(&self, input: &Value) -> Result<Decision, Fault> {
        let input = Input::deserialize(input)
            .map_err(|e| Fault::new(Blame::Policy, "read a recorded policy input", e))?;
        if input.version != VERSION {
            return Err(Fault::bare(
                Blame::Policy,
                "read a recorded policy input of another version",
            ));
        }
        self.decide(&input)
    }
}
