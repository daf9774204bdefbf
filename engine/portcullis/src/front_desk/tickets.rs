//! Tickets that clients name, held against the systems that keep them. The result is policy's to judge. It refuses
//! nothing itself, and takes no answer for a good one.

use portcullis_gate::{BoxFuture, Decide, Question};
use portcullis_model::{Decision, Fault, Identity, Principal, Session, TicketCheck};
use std::sync::Arc;

/// What ticket systems say. Implemented over `approval`.
pub trait TicketOffice: Send + Sync {
    /// What is said of a ticket for somebody; nothing where no system is configured.
    fn check<'a>(&'a self, _: &'a Identity, _: &'a str) -> BoxFuture<'a, Option<Arc<TicketCheck>>> {
        Box::pin(std::future::ready(None))
    }
    /// What was last said of it, for a session that stands on it.
    fn last(&self, _: &Principal, _: &str) -> Option<Arc<TicketCheck>> {
        None
    }
}

/// Policy for commands, which is told of the ticket in force.
pub(super) struct Ticketed {
    pub policy: Arc<dyn Decide>,
    pub office: Arc<dyn TicketOffice>,
}

impl Decide for Ticketed {
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        self.policy.decide(question)
    }

    fn revision(&self) -> Arc<str> {
        self.policy.revision()
    }

    fn ticket<'a>(
        &'a self,
        session: &'a Session,
        key: &'a str,
    ) -> BoxFuture<'a, Option<Arc<TicketCheck>>> {
        self.office.check(&session.identity, key)
    }
}
