//! What an exchanged token was narrowed to, held against every answer of policy: no pack can widen it, and no
//! setting of a session undo it. It refuses every command that is not known to read only.

use portcullis_gate::{BoxFuture, Decide, Question};
use portcullis_identity::Narrowing;
use portcullis_model::{Decision, Denial, Effect, Fault, Identity, Session, TicketCheck, Verdict};
use std::sync::Arc;

/// The bounds of whoever knocks; none for most.
pub(super) struct Bounds(Option<Narrowing>);

impl Bounds {
    /// # Errors
    /// When they cannot be read, or do not include this target.
    pub(super) fn of(identity: &Identity, target: &str) -> Result<Self, Denial> {
        let narrowing = Narrowing::of(identity)?;
        narrowing.as_ref().map_or(Ok(()), |n| n.opens(target))?;
        Ok(Self(narrowing))
    }

    /// The connect decision, with the bounds in it.
    pub(super) fn hold(&self, decision: &mut Decision) {
        if self.reads_only() && !decision.obligations.read_only {
            Arc::make_mut(&mut decision.outcome).obligations.read_only = true;
        }
    }

    /// Policy for commands, with the bounds around it.
    pub(super) fn around(&self, policy: Arc<dyn Decide>) -> Arc<dyn Decide> {
        match self.reads_only() {
            true => Arc::new(ReadsOnly(policy)),
            false => policy,
        }
    }

    fn reads_only(&self) -> bool {
        self.0.as_ref().is_some_and(|n| n.read_only)
    }
}

/// Policy that allows reading and nothing else.
struct ReadsOnly(Arc<dyn Decide>);

impl Decide for ReadsOnly {
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        let mut decision = self.0.decide(question)?;
        if question.class.effect > Effect::Read && !matches!(decision.verdict, Verdict::Deny(_)) {
            Arc::make_mut(&mut decision.outcome).verdict = Verdict::Deny(
                Denial::new(
                    "identity/read-only",
                    "the token was exchanged for reading only, and this does more",
                )
                .hint("Exchange a token without `read_only` in its scope, if you may."),
            );
        }
        Ok(decision)
    }

    fn revision(&self) -> Arc<str> {
        self.0.revision()
    }

    fn ticket<'a>(
        &'a self,
        session: &'a Session,
        key: &'a str,
    ) -> BoxFuture<'a, Option<Arc<TicketCheck>>> {
        self.0.ticket(session, key)
    }
}
