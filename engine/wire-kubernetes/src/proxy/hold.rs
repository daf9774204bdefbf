//! A request that waits for people. Where policy says so it is refused with the approval's id and how many wait before it,
//! and comes back by itself (429 and Retry-After, which kubectl and client-go follow); else the client waits for its answer, and is told
//! with it (a Warning header) who let it through.
//!
//! It refuses to outlive its client: one that hangs up withdraws what it asked for.

use super::live::Live;
use super::refuse::Refused;
use super::visit::Visit;
use portcullis_gate::{Answer, ApprovalDesk, Gate, Held, Ruling, before_it};
use portcullis_model::message::Context;
use portcullis_model::{Denial, Fault, Principal, Requirement, limits};
use std::sync::Arc;

/// That people said yes.
#[derive(Debug)]
pub(super) struct Approved {
    pub id: String,
    pub by: Vec<Principal>,
    /// What had been asked for.
    pub requirements: Vec<Requirement>,
}

impl Approved {
    /// True when all that is asked for now was asked for then, of the same people and in the same words.
    pub(super) fn covers(&self, asked: &[Requirement]) -> bool {
        asked.iter().all(|one| self.requirements.contains(one))
    }

    /// What the client is told about it.
    pub(super) fn warning(&self) -> String {
        let by: Vec<&str> = self.by.iter().map(|who| who.subject.as_str()).collect();
        let (rules, by) = (Requirement::rules(&self.requirements), by.join(", "));
        format!("held by {rules}, approved by {by} ({})", self.id)
    }
}

/// Withdraws a request that nobody waits for any longer.
struct Waiting {
    desk: Arc<dyn ApprovalDesk>,
    id: Option<String>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.desk.withdraw(id);
        }
    }
}

impl Visit {
    /// Asks people, and judges again with their answer. Beside it what the client is told.
    pub(super) async fn ask_people(
        &self,
        live: &Arc<Live>,
        gate: &mut Gate,
        mut held: Held,
    ) -> Result<(Ruling, Option<Arc<Approved>>), Refused> {
        let context = Context::new();
        let request = gate.hold_request(&mut held, &context);
        let requirements = held.requirements().to_vec();
        let (id, answer) = match live.approvals.open(request).await {
            Ok(opened) => opened,
            Err(fault) => {
                let answer = Answer::Refuse(unasked(&fault));
                let ruling = gate.resolve(held, answer, &context, self.now()).await?;
                return Ok((ruling, None));
            }
        };
        gate.note_hold(&held, &id, self.now())?;
        let answer = match answer {
            Some(answer) => answer,
            None if requirements.iter().any(|r| r.defer) => {
                let before = before_it(&*live.approvals, &id);
                let mut denial = deferred(&requirements, &id, &before);
                let at = live.approvals.decided_at(&id);
                denial.hint = denial.hint.map(|hint| hint + &at);
                Answer::Refuse(denial)
            }
            None => self.wait(live, &id).await,
        };
        let approved = match &answer {
            Answer::Approve { id, by } => Some(Arc::new(Approved {
                id: id.clone(),
                by: by.clone(),
                requirements,
            })),
            Answer::Refuse(_) => None,
        };
        let ruling = gate.resolve(held, answer, &context, self.now()).await?;
        Ok((ruling, approved))
    }

    async fn wait(&self, live: &Arc<Live>, id: &str) -> Answer {
        live.tether.doing(&format!("held, waiting for {id}"));
        let mut waiting = Waiting {
            desk: Arc::clone(&live.approvals),
            id: Some(id.to_owned()),
        };
        let answer = tokio::select! {
            answer = live.approvals.wait(id) => {
                waiting.id = None;
                answer.unwrap_or_else(|fault| Answer::Refuse(unasked(&fault)))
            }
            denial = live.tether.severed() => Answer::Refuse(denial),
        };
        live.tether.doing("");
        answer
    }
}

fn unasked(fault: &Fault) -> Denial {
    Denial::new(
        format!("fault/{}", fault.blame.label()),
        "the approval could not be asked for",
    )
    .hint("Nothing was done. Try again.")
}

fn deferred(requirements: &[Requirement], id: &str, before: &str) -> Denial {
    let mut denial = Denial::new(
        Requirement::rules(requirements),
        format!(
            "approval {id} is needed from {}{before}",
            Requirement::people(requirements)
        ),
    )
    .hint(format!(
        "Send the same request again once {id} is approved; kubectl does so by itself for a while."
    ));
    denial.approval = Some(id.to_owned());
    denial.retry_after = Some(limits::DEFERRED_RETRY_SECONDS);
    denial
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn asked(rule: &str, group: &str) -> Requirement {
        Requirement {
            rule: rule.to_owned(),
            msg: "opens a port".to_owned(),
            approver_groups: vec![group.to_owned()],
            approvers: 1,
            ttl: Duration::from_secs(60),
            execution_ttl: Duration::from_secs(60),
            defer: false,
            in_transaction: false,
            ticket: false,
            terms: Default::default(),
        }
    }

    #[test]
    fn a_yes_covers_what_the_same_people_would_be_asked() {
        let yes = Approved {
            id: "a-1".to_owned(),
            by: Vec::new(),
            requirements: vec![asked("ports/open", "sre"), asked("hours", "lead")],
        };
        assert!(yes.covers(&[asked("ports/open", "sre")]));
        assert!(yes.covers(&[asked("hours", "lead"), asked("ports/open", "sre")]));
        // The same rule sends another port to other people, or to more of them.
        assert!(!yes.covers(&[asked("ports/open", "dba")]));
        let mut two = asked("ports/open", "sre");
        two.approvers = 2;
        assert!(!yes.covers(&[two]));
        assert!(!yes.covers(&[asked("ports/open", "sre"), asked("databases", "sre")]));
        assert_eq!(
            yes.warning(),
            "held by ports/open, hours, approved by  (a-1)"
        );
    }
}
