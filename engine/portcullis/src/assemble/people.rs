//! Where people are asked: the approval desk, with the identity of whoever votes verified like a client's,
//! and policy asked whether that person may. It refuses votes by uid: who may open the admin socket may
//! look, and no more.

use super::issuers::Doormen;
use crate::front_desk::{Verify, revoked};
use portcullis_approval::{Ballot as Word, Desk, Note, Settings, View, VoteRefused};
use portcullis_console::{Approval, Ballot, Choice, Refused, Vote};
use portcullis_gate::{Answer, ApprovalDesk, BoxFuture, Clock, HoldRequest};
use portcullis_identity::Revocations;
use portcullis_journal::Journal;
use portcullis_model::{Denial, Fault, Identity, Timestamp, Verdict};
use portcullis_policy::{ApproveQuestion, Policy};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// The desk and whom it asks.
pub struct People {
    desk: Arc<Desk>,
    doormen: Arc<Doormen>,
    revocations: Arc<Revocations>,
    policy: Arc<Policy>,
    clock: Clock,
    _sweeper: AbortOnDropHandle<()>,
}

struct OnRecord(Arc<Journal>);

impl Note for OnRecord {
    fn note(&self, event: &str, detail: &Value) -> Result<(), Fault> {
        self.0.node(event, detail).map(drop)
    }
}

impl People {
    /// An empty desk. Call it inside a tokio runtime.
    #[must_use]
    pub fn new(
        journal: &Arc<Journal>,
        doormen: &Arc<Doormen>,
        revocations: &Arc<Revocations>,
        policy: &Arc<Policy>,
        clock: &Clock,
    ) -> Arc<Self> {
        let notes = Arc::new(OnRecord(Arc::clone(journal)));
        let desk = Desk::new(Arc::clone(clock), notes, Settings::new());
        Arc::new(Self {
            _sweeper: AbortOnDropHandle::new(tokio::spawn(Arc::clone(&desk).keep_swept())),
            desk,
            doormen: Arc::clone(doormen),
            revocations: Arc::clone(revocations),
            policy: Arc::clone(policy),
            clock: Arc::clone(clock),
        })
    }

    /// All requests, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Approval> {
        let now = (self.clock)();
        self.desk
            .list()
            .iter()
            .map(|view| shown(view, now))
            .collect()
    }

    /// Casts a vote with the token inside.
    ///
    /// # Errors
    /// When the token proves nothing, or the vote does not count.
    pub async fn vote(&self, id: &str, ballot: &Ballot) -> Result<Approval, Refused> {
        let voter = self
            .doormen
            .verify(&ballot.token)
            .await
            .map_err(|d| refused(401, &d))?;
        if self
            .revocations
            .covers(&voter, None, (self.clock)())
            .is_some()
        {
            return Err(refused(401, &revoked()));
        }
        let voter = Arc::new(voter);
        let word = match ballot.choice {
            Choice::Approve => Word::Approve,
            Choice::Deny => Word::Deny,
        };
        let left = self.desk.show(id).map_or(0, |view| view.remaining_seconds);
        let policy = |request: &HoldRequest| self.may_vote(id, &voter, request, left);
        self.desk
            .vote(id, &voter, word, &ballot.reason, policy)
            .map_err(|refused| not_counted(&refused))?;
        let view = self
            .desk
            .show(id)
            .ok_or_else(|| Refused::new(404, "the request is gone"))?;
        Ok(shown(&view, (self.clock)()))
    }

    /// Policy's word on this voter: one requirement that it may meet is enough to be heard.
    fn may_vote(
        &self,
        id: &str,
        voter: &Identity,
        request: &HoldRequest,
        seconds_left: u64,
    ) -> Result<(), Denial> {
        let now = (self.clock)();
        let mut last = Denial::new("approval/nothing-required", "there is nothing to vote on");
        for requirement in &request.requirements {
            let question = ApproveQuestion {
                id,
                voter,
                client: None,
                request,
                requirement,
                // The desk itself refuses a second vote.
                votes: &[],
                expires: now.after(Duration::from_secs(seconds_left.max(1))),
                now,
            };
            last = match self.policy.approve(&question) {
                Ok(Verdict::Allow { .. }) => return Ok(()),
                Ok(Verdict::Deny(denial)) => denial,
                Ok(Verdict::Hold(_)) => {
                    Denial::new("approval/held", "a vote cannot wait for another vote")
                }
                Err(fault) => {
                    tracing::error!(fault = fault.chain(), "policy cannot say who may vote");
                    Denial::new("fault/policy", "policy cannot say whether you may vote")
                }
            };
        }
        Err(last)
    }
}

impl ApprovalDesk for People {
    fn open<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<(String, Option<Answer>), Fault>> {
        self.desk.open(request)
    }

    fn wait<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Answer, Fault>> {
        self.desk.wait(id)
    }

    fn withdraw(&self, id: &str) {
        self.desk.withdraw(id);
    }
}

fn refused(status: u16, denial: &Denial) -> Refused {
    let refused = Refused::new(status, format!("{} ({})", denial.reason, denial.rule));
    match &denial.hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}

fn not_counted(why: &VoteRefused) -> Refused {
    let status = match why {
        VoteRefused::Unknown => 404,
        VoteRefused::TooLate(_) => 409,
        VoteRefused::NoReason => 400,
        VoteRefused::Unrecorded => 503,
        _ => 403,
    };
    match why {
        VoteRefused::Policy(denial) => refused(status, denial),
        _ => Refused::new(status, why.to_string()),
    }
}

fn shown(view: &View, now: Timestamp) -> Approval {
    let session = &view.session;
    let facts = json!({
        "issuer": session.issuer,
        "subject": session.subject,
        "kind": session.kind,
        "groups": session.groups,
        "actors": session.actors,
        "owner": session.owner,
        "address": session.address,
        "program": session.program,
        "reason": session.reason,
        "ticket": view.ticket,
        "login": session.login,
        "session": session.id,
        "labels": session.labels,
        "class": view.class,
        "context": view.context,
        "binding": view.binding,
        "messages": view.requirements.iter().map(|r| &r.msg).collect::<Vec<_>>(),
    });
    let facts: BTreeMap<String, Value> = serde_json::from_value(facts).unwrap_or_default();
    let requirements = view.requirements.iter();
    let mut groups: Vec<String> = requirements
        .clone()
        .flat_map(|r| r.groups.clone())
        .collect();
    groups.sort();
    groups.dedup();
    let needed = requirements.clone().map(|r| r.needed).max().unwrap_or(0);
    Approval {
        id: view.id.clone(),
        state: view.state.name().to_owned(),
        requester: session.identity.clone(),
        target: session.target.clone(),
        shown: view.shown.clone(),
        rules: requirements.map(|r| r.rule.clone()).collect(),
        approver_groups: groups,
        approvers: u32::try_from(needed).unwrap_or(u32::MAX),
        opened: view.opened.rfc3339(),
        expires: now
            .after(Duration::from_secs(view.remaining_seconds))
            .rfc3339(),
        votes: view
            .votes
            .iter()
            .map(|vote| Vote {
                by: vote.voter.clone(),
                choice: match vote.ballot {
                    Word::Approve => Choice::Approve,
                    Word::Deny => Choice::Deny,
                },
                reason: vote.reason.clone(),
            })
            .collect(),
        facts,
    }
}
