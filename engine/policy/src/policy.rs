//! The set that serves, and the questions the gateway asks it. Replacing the set is one pointer swap;
//! a decision that runs keeps the set it began with. Whatever Rego says, a vote by the requester, by
//! anyone in the chain of actors, by a machine's owner, by a machine, or by proxy is refused here.

use crate::input::{ApproveQuestion, ConnectQuestion, ConsoleQuestion, Input};
use crate::merge::Roles;
use crate::set::PolicySet;
use arc_swap::ArcSwap;
use portcullis_gate::{Decide, Question};
use portcullis_model::{Blame, Decision, Denial, Fault, Kind, Verdict};
use std::sync::Arc;

/// The policy that serves.
pub struct Policy {
    set: ArcSwap<PolicySet>,
}

impl Policy {
    /// Serves this set.
    #[must_use]
    pub fn new(set: PolicySet) -> Self {
        Self {
            set: ArcSwap::from_pointee(set),
        }
    }

    /// Serves another set from now on. Sessions that are open are asked again by whoever holds them.
    pub fn reload(&self, set: PolicySet) {
        let revision = set.revision();
        self.set.store(Arc::new(set));
        tracing::info!(%revision, "another policy set serves");
    }

    /// The set that serves.
    #[must_use]
    pub fn set(&self) -> Arc<PolicySet> {
        self.set.load_full()
    }

    /// The revision of the set that serves.
    #[must_use]
    pub fn revision(&self) -> Arc<str> {
        self.set.load().revision()
    }

    /// May this identity open this target, and under which obligations?
    ///
    /// # Errors
    /// When the question cannot be put; then the answer is no.
    pub fn connect(&self, question: &ConnectQuestion<'_>) -> Result<Decision, Fault> {
        self.decided(&Input::connect(question))
    }

    /// May this person vote? Allowed or denied, never held.
    ///
    /// # Errors
    /// When the question cannot be put; then the answer is no.
    pub fn approve(&self, question: &ApproveQuestion<'_>) -> Result<Verdict, Fault> {
        if let Some(denial) = never(question) {
            return Ok(Verdict::Deny(denial));
        }
        let decision = self.decided(&Input::approve(question))?;
        Ok(decision.verdict.clone())
    }

    /// Which roles does this identity have in the console? Whoever acts for somebody has none.
    ///
    /// # Errors
    /// When the question cannot be put, or a pack cannot answer it: then there is none, for now.
    pub fn console(&self, question: &ConsoleQuestion<'_>) -> Result<Roles, Fault> {
        let mut given = self.set.load().console(question)?;
        let mut failed = false;
        for reason in &given.reasons {
            if reason.rule.starts_with("policy/") {
                let (rule, pack, why) = (&reason.rule, &reason.pack, &reason.msg);
                tracing::error!(rule, pack, why, revision = %given.revision, "a pack could not say who has which role");
                failed = true;
            }
        }
        if failed {
            let doing = "say who has which role: a pack has failed";
            return Err(Fault::bare(Blame::Policy, doing));
        }
        if !question.identity.actors.is_empty() {
            given.roles.clear();
        }
        Ok(given)
    }

    fn decided(&self, input: &Input<'_>) -> Result<Decision, Fault> {
        let decision = self.set.load().decide(input)?;
        log_failures(&decision);
        Ok(decision)
    }
}

impl Decide for Policy {
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        let decision = self.set.load().command(question)?;
        log_failures(&decision);
        Ok(decision)
    }

    fn revision(&self) -> Arc<str> {
        Self::revision(self)
    }
}

/// A pack that cannot answer is the operator's business at once. Packs on trial too.
fn log_failures(decision: &Decision) {
    for reason in decision.reasons.iter().chain(&decision.would) {
        if reason.rule.starts_with("policy/") {
            let (rule, pack, why) = (&reason.rule, &reason.pack, &reason.msg);
            tracing::error!(rule, pack, why, revision = %decision.revision, "a pack could not answer");
        }
    }
}

/// Votes that no policy can allow.
fn never(question: &ApproveQuestion<'_>) -> Option<Denial> {
    let voter = question.voter;
    let requester = &question.request.session.identity;
    let no = |rule: &str, reason: &str, hint: &str| Some(Denial::new(rule, reason).hint(hint));
    if voter.kind != Kind::Human {
        return no(
            "approval/not-human",
            "only a person may vote",
            "Have a person of the approver group sign in and vote.",
        );
    }
    if !voter.actors.is_empty() {
        return no(
            "approval/by-proxy",
            "a vote cannot be cast on behalf of somebody",
            "Vote with your own token, not through an agent.",
        );
    }
    if requester.involves(&voter.principal) {
        return no(
            "approval/four-eyes",
            "whoever asked, acted or answers for the request cannot vote on it",
            "Ask somebody else of the approver group.",
        );
    }
    if question.votes.contains(&voter.principal) {
        return no(
            "approval/voted",
            "you have voted on this already",
            "Another person has to cast the next vote.",
        );
    }
    if question.now >= question.expires {
        return no(
            "approval/expired",
            "the request has lapsed",
            "Have it sent again.",
        );
    }
    None
}
