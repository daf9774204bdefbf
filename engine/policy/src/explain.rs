//! Why a decision is what it is, for `policy explain`: which rules spoke, and of each that did not, the
//! first condition that failed, with what it looked at. Each condition is asked on its own, by rules made
//! of the pack's own text: what is shown is what stands in the file.

mod probe;

use crate::input::{Document, Input};
use crate::load::Contents;
use crate::set::{Occasion, PolicySet};
use portcullis_model::{Blame, Decision, Fault};
use probe::Probes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use probe::{Condition, RuleExplanation};

/// A decision, taken apart.
pub struct Explanation {
    /// The decision itself.
    pub decision: Decision,
    /// One for each pack, in order.
    pub packs: Vec<PackExplanation>,
}

/// What one pack said.
#[derive(Clone, Debug, Serialize)]
pub struct PackExplanation {
    /// The pack.
    pub pack: String,
    /// On trial.
    pub dry_run: bool,
    /// False when it has no rule for this stage and is not asked.
    pub asked: bool,
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
    /// Its rules, those that spoke and those that did not.
    pub rules: Vec<RuleExplanation>,
}

/// The text of a set, kept for explaining.
pub(crate) struct Anatomy {
    pub modules: std::sync::Arc<Vec<crate::load::Module>>,
    pub contents: Vec<Contents>,
    pub data: regorus::Value,
}

impl PolicySet {
    /// Decides a recorded input and says what each pack contributed, and why the rest was silent.
    ///
    /// # Errors
    /// When it is no input document, or the set cannot be taken apart.
    pub fn explain(&self, input: &Value) -> Result<Explanation, Fault> {
        let decision = self.decide_again(input)?;
        let parsed = Input::deserialize(input)
            .map_err(|e| Fault::new(Blame::Policy, "read a recorded policy input", e))?;
        let mut document = Document::render(&parsed)
            .map_err(|e| Fault::new(Blame::Policy, "render the policy input", e))?;
        let occasion = Occasion::of(&parsed);
        let heard = self.ask(occasion, &mut document);
        let concerned: Vec<&str> = self.concerned(occasion).collect();
        let mut probes = Probes::new(self.anatomy(), &document)?;
        let names: Vec<(String, bool)> = self
            .packs()
            .map(|(name, dry_run)| (name.to_owned(), dry_run))
            .collect();
        let packs = names
            .into_iter()
            .map(|(pack, dry_run)| {
                let heard = heard.iter().find(|h| *h.pack == *pack);
                let (said, failure) = match heard.map(|h| &h.said) {
                    None => (None, None),
                    Some(Ok(said)) => (Some(said.as_ref()), None),
                    Some(Err(failure)) => (None, Some(format!("{}: {failure}", failure.rule()))),
                };
                let rules = |pick: fn(&crate::said::Said) -> Vec<String>| {
                    said.map(pick).unwrap_or_default()
                };
                PackExplanation {
                    dry_run,
                    asked: concerned.contains(&pack.as_str()),
                    failure,
                    grants: rules(|s| s.grants.iter().map(|g| g.rule.clone()).collect()),
                    denials: rules(|s| s.denials.iter().map(|d| d.rule.clone()).collect()),
                    approvals: rules(|s| s.approvals.iter().map(|a| a.rule.clone()).collect()),
                    obligations: said.map_or(0, |s| s.obligations.len()),
                    rules: match concerned.contains(&pack.as_str()) {
                        true => probes.pack(&pack),
                        false => Vec::new(),
                    },
                    pack,
                }
            })
            .collect();
        Ok(Explanation { decision, packs })
    }
}
