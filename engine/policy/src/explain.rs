//! Which pack said what about one input, and whether the answer can be remembered: for `policy explain`.

use crate::input::{Document, Input};
use crate::set::PolicySet;
use portcullis_model::{Blame, Decision, Fault};
use serde::Serialize;

/// A decision, taken apart.
pub struct Explanation {
    /// The decision itself.
    pub decision: Decision,
    /// One for each pack that has something to say at this stage, in order.
    pub packs: Vec<PackExplanation>,
}

/// What one pack said.
#[derive(Clone, Debug, Serialize)]
pub struct PackExplanation {
    /// The pack.
    pub pack: String,
    /// On trial.
    pub dry_run: bool,
    /// Why it could not answer: `policy/error: … (file:line:column)`.
    pub failure: Option<String>,
    /// Rules that granted.
    pub grants: Vec<String>,
    /// Rules that denied.
    pub denials: Vec<String>,
    /// Rules that asked for an approval.
    pub approvals: Vec<String>,
    /// How many obligations it laid on.
    pub obligations: usize,
}

impl PolicySet {
    /// Decides a recorded input and says what each pack contributed.
    ///
    /// # Errors
    /// When the bytes are no input document.
    pub fn explain(&self, input: &[u8]) -> Result<Explanation, Fault> {
        let decision = self.decide_recorded(input)?;
        let input: Input<'_> = serde_json::from_slice(input)
            .map_err(|e| Fault::new(Blame::Policy, "read a recorded policy input", e))?;
        let mut document = Document::render(&input)
            .map_err(|e| Fault::new(Blame::Policy, "render the policy input", e))?;
        let packs = self
            .ask(input.action, &mut document)
            .into_iter()
            .map(|heard| {
                let (said, failure) = match heard.said {
                    Ok(said) => (Some(said), None),
                    Err(failure) => (None, Some(format!("{}: {failure}", failure.rule()))),
                };
                let said = said.as_deref();
                let rules = |pick: fn(&crate::said::Said) -> Vec<String>| {
                    said.map(pick).unwrap_or_default()
                };
                PackExplanation {
                    pack: heard.pack.to_string(),
                    dry_run: heard.dry_run,
                    failure,
                    grants: rules(|s| s.grants.iter().map(|g| g.rule.clone()).collect()),
                    denials: rules(|s| s.denials.iter().map(|d| d.rule.clone()).collect()),
                    approvals: rules(|s| s.approvals.iter().map(|a| a.rule.clone()).collect()),
                    obligations: said.map_or(0, |s| s.obligations.len()),
                }
            })
            .collect();
        Ok(Explanation { decision, packs })
    }
}
