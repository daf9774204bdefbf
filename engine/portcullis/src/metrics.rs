//! Decisions, timed and counted on their way to the gate. It refuses to change one.

use crate::registry::Live;
use portcullis_console::Metrics;
use portcullis_gate::{Decide, Question};
use portcullis_model::{Decision, Fault, Verdict};
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
        counts.commands += 1;
        match &decided {
            Ok(decision) => match &decision.verdict {
                Verdict::Allow { .. } => {}
                Verdict::Deny(denial) => {
                    counts.denied += 1;
                    self.metrics.denied(&denial.rule);
                }
                Verdict::Hold(requirements) => {
                    for requirement in requirements {
                        self.metrics.held(&requirement.rule);
                    }
                }
            },
            Err(fault) => {
                counts.denied += 1;
                self.metrics.fault(fault);
            }
        }
        self.live.count(counts);
        decided
    }

    fn revision(&self) -> Arc<str> {
        self.policy.revision()
    }
}
