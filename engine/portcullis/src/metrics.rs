//! Decisions, timed and counted on their way to the gate. It refuses to change one.

use crate::registry::Live;
use portcullis_console::Metrics;
use portcullis_gate::{BoxFuture, Decide, Question};
use portcullis_model::{Decision, Fault, Session, TicketCheck, Verdict};
use std::sync::Arc;
use std::time::Instant;

/// The policy of one session, watched.
pub struct Watched {
    policy: Arc<dyn Decide>,
    live: Arc<Live>,
    metrics: Arc<Metrics>,
}

impl Watched {
    /// Watches what `policy` decides for `live`.
    #[must_use]
    pub fn new(policy: Arc<dyn Decide>, live: Arc<Live>, metrics: Arc<Metrics>) -> Self {
        Self {
            policy,
            live,
            metrics,
        }
    }
}

impl Decide for Watched {
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        let began = Instant::now();
        let decided = self.policy.decide(question);
        self.metrics.decided(began.elapsed());
        let mut counts = question.history;
        counts.session.commands += 1;
        match &decided {
            Ok(decision) => match &decision.verdict {
                Verdict::Allow { .. } => {}
                Verdict::Deny(denial) => {
                    counts.session.denied += 1;
                    self.metrics.denied(&denial.rule);
                }
                Verdict::Hold(requirements) => {
                    for requirement in requirements {
                        self.metrics.held(&requirement.rule);
                    }
                }
            },
            Err(fault) => {
                counts.session.denied += 1;
                self.metrics.fault(fault);
            }
        }
        self.live.count(counts, keywords(question));
        decided
    }

    fn revision(&self) -> Arc<str> {
        self.policy.revision()
    }

    fn ticket<'a>(
        &'a self,
        session: &'a Session,
        key: &'a str,
    ) -> BoxFuture<'a, Option<Arc<TicketCheck>>> {
        self.policy.ticket(session, key)
    }
}

/// Statements named in a list, at most.
const KEYWORDS_MAX: usize = 3;

/// The statements by their keywords, which the grammar knows: nothing a client wrote.
fn keywords(question: &Question<'_>) -> String {
    let statements = &question.facts.statements;
    let verbs: Vec<&str> = statements
        .iter()
        .take(KEYWORDS_MAX)
        .map(|s| s.verb.as_str())
        .collect();
    let more = if statements.len() > KEYWORDS_MAX {
        "; …"
    } else {
        ""
    };
    verbs.join("; ") + more
}
