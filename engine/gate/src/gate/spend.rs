//! Counting, and what budgets leave. A budget that is used up is a denial with the count in it; it refuses to
//! let the statement or batch that would go over it pass in part.

use super::*;
use portcullis_model::message::Stage;
use portcullis_model::{Budget, Counted, Effects, Per, Tally};

/// When the first five minutes of an hour that is used up are free again, in seconds.
const HOUR_FREES_IN: u32 = 5 * 60;

impl Gate {
    /// Adds to what the session and its identity have done.
    pub(super) fn count(&mut self, done: Tally, now: Timestamp) {
        self.parts
            .remember(|past| past.session = past.session.plus(done));
        self.parts.ledger.add(done, now);
    }

    /// One more statement.
    pub(super) fn count_command(&mut self, now: Timestamp) {
        self.count(
            Tally {
                commands: 1,
                ..Tally::default()
            },
            now,
        );
    }

    /// The verdict of policy, within what its obligations leave: a statement over its budget is refused, and
    /// so is one that has to name a ticket and does not.
    pub(super) fn within(
        &self,
        decision: &Decision,
        stage: Stage,
        context: &Context,
        now: Timestamp,
    ) -> Verdict {
        if let Verdict::Deny(_) = &decision.verdict {
            return decision.verdict.clone();
        }
        // It has been counted already, unless nothing of it runs yet.
        let more = u64::from(stage == Stage::Parse);
        for (what, more) in [(Counted::Statements, more), (Counted::Denials, 0)] {
            if let Some(over) = self.over_budget(&decision.obligations, what, more, now) {
                return Verdict::Deny(over);
            }
        }
        if let Verdict::Hold(requirements) = &decision.verdict {
            let session = &self.parts.session;
            let ticket = portcullis_model::session::ticket(session, context);
            let protocol = session.target.protocol;
            let missing =
                portcullis_model::session::ticket_missing(requirements, ticket, protocol, true);
            if let Some(denial) = missing {
                return Verdict::Deny(denial);
            }
        }
        decision.verdict.clone()
    }

    /// Bytes that are about to be released.
    pub(super) fn count_bytes(&mut self, bytes: usize, now: Timestamp) {
        let done = Tally {
            bytes: bytes as u64,
            ..Tally::default()
        };
        self.count(done, now);
    }

    /// Rows that are about to be released.
    pub(super) fn count_rows(&mut self, rows: u64, now: Timestamp) {
        if rows > 0 {
            let done = Tally {
                rows,
                ..Tally::default()
            };
            self.count(done, now);
        }
    }

    /// One more refusal.
    pub(super) fn count_denied(&mut self, now: Timestamp) {
        self.count(
            Tally {
                denied: 1,
                ..Tally::default()
            },
            now,
        );
    }

    /// One more statement that is let through. Parse runs nothing of the user's.
    pub(super) fn count_effect(&mut self, judged: &Judged, stage: Stage, now: Timestamp) {
        if stage != Stage::Parse {
            self.count(
                Tally {
                    effects: Effects::one(judged.class.effect),
                    ..Tally::default()
                },
                now,
            );
        }
    }

    /// What came before, as policy sees it.
    pub(super) fn past(&self, now: Timestamp) -> History {
        History {
            hour: self.parts.ledger.hour(now),
            ..self.parts.history()
        }
    }

    /// Why `more` of `what` may not come on top of what is used, if it may not.
    pub(super) fn over_budget(
        &self,
        obligations: &Obligations,
        what: Counted,
        more: u64,
        now: Timestamp,
    ) -> Option<Denial> {
        let over = |budget: &&Budget| {
            let used = match budget.per {
                Per::Session => self.parts.history().session,
                Per::IdentityHour => self.parts.ledger.hour(now),
            };
            budget.what == what && what.of(&used).saturating_add(more) > budget.max
        };
        obligations.budgets.iter().find(over).map(used_up)
    }
}

/// What its system says of the ticket in force.
pub(super) async fn vouched(
    decide: &dyn Decide,
    session: &Session,
    context: &Context,
) -> Option<std::sync::Arc<portcullis_model::TicketCheck>> {
    let key = portcullis_model::session::ticket(session, context)?;
    decide.ticket(session, key).await
}

fn used_up(budget: &Budget) -> Denial {
    let word = budget.what.word();
    let (whose, hint, retry_after) = match budget.per {
        Per::Session => (
            "this session",
            "Ask for less at a time, or open a new session if policy allows.",
            None,
        ),
        Per::IdentityHour => (
            "this identity within an hour",
            "Wait, or ask the operator for a larger budget.",
            Some(HOUR_FREES_IN),
        ),
    };
    let mut denial = Denial::new(
        "obligation/budget",
        format!("the budget of {} {word} for {whose} is used up", budget.max),
    )
    .hint(hint);
    denial.retry_after = retry_after;
    denial
}
