//! Where people are asked: the approval desk, with the identity of whoever votes verified like a client's,
//! and policy asked whether that person may. It refuses votes by uid: who may open the admin socket may
//! look, and no more.

mod standing;

use super::Broken;
use super::channels::Channels;
use super::issuers::Doormen;
use crate::clock::steady;
use crate::front_desk::revoked;
use portcullis_approval::{
    Announce, Ballot as Says, Clocks, Desk, FileStore, Hands, Keep, Kept, Note, PatientKeep,
    Settings, View, VoteRefused, VoteView, Word,
};
use portcullis_console::{Approval, Ballot, Choice, Refused, Vote};
use portcullis_gate::{Answer, ApprovalDesk, BoxFuture, Clock, HoldRequest, Standing};
use portcullis_identity::Revocations;
use portcullis_journal::Journal;
use portcullis_model::{Chat, Denial, Fault, Identity, Requirement, Timestamp, Verdict};
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
    channels: Channels,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

/// Writes the desk's transitions into the record.
pub(super) struct OnRecord(pub Arc<Journal>);

impl Note for OnRecord {
    fn note(&self, event: &str, detail: &Value) -> Result<(), Fault> {
        self.0.node(event, detail).map(drop)
    }
}

/// What was kept, and where more is kept.
pub struct Drawer {
    /// The store.
    pub keep: Arc<dyn Keep>,
    /// What stood in it at the start.
    pub kept: Kept,
}

impl Drawer {
    /// Opens the store below the state folder.
    ///
    /// # Errors
    /// When it cannot be read: who was let in, and what has to be reviewed, would be forgotten.
    pub fn open(state: &std::path::Path) -> Result<Self, Broken> {
        let (file, key) = (crate::paths::desk(state), crate::paths::desk_key(state));
        let (keep, kept) = FileStore::open(&file, &key).map_err(|e| Broken::Desk(e.to_string()))?;
        Ok(Self {
            keep: Arc::new(PatientKeep(keep)),
            kept,
        })
    }
}

/// Whom the desk works with.
pub struct Staff<'a> {
    /// What is recorded.
    pub journal: &'a Arc<Journal>,
    /// Who verifies tokens.
    pub doormen: &'a Arc<Doormen>,
    /// Who is refused.
    pub revocations: &'a Arc<Revocations>,
    /// Who decides.
    pub policy: &'a Arc<Policy>,
    /// The time of day.
    pub clock: &'a Clock,
}

impl People {
    /// The desk with what was kept. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When something kept cannot be read.
    pub fn new(
        staff: &Staff<'_>,
        drawer: &Drawer,
        channels: Channels,
        fresh_within: Option<Duration>,
    ) -> Result<Arc<Self>, Broken> {
        let Staff {
            journal,
            doormen,
            revocations,
            policy,
            clock,
        } = *staff;
        let hands = Hands {
            notes: Arc::new(OnRecord(Arc::clone(journal))),
            keep: Arc::clone(&drawer.keep),
            tell: Arc::clone(&channels.outbox) as Arc<dyn Announce>,
        };
        let settings = Settings {
            fresh_within,
            ..Settings::new()
        };
        let clocks = Clocks::new(Arc::clone(clock), steady());
        let desk = Desk::restore(clocks, hands, settings, &drawer.kept)
            .map_err(|error| Broken::Desk(error.to_string()))?;
        Ok(Arc::new(Self {
            _tasks: vec![
                AbortOnDropHandle::new(tokio::spawn(Arc::clone(&desk).keep_swept())),
                AbortOnDropHandle::new(tokio::spawn(Arc::clone(&channels.outbox).run())),
            ],
            channels,
            desk,
            doormen: Arc::clone(doormen),
            revocations: Arc::clone(revocations),
            policy: Arc::clone(policy),
            clock: Arc::clone(clock),
        }))
    }

    /// All requests, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Approval> {
        listed(&self.desk, (self.clock)())
    }

    /// One request.
    #[must_use]
    pub fn one(&self, id: &str) -> Option<Approval> {
        let view = self.desk.show(id)?;
        Some(shown(&view, (self.clock)()))
    }

    /// How many wait that somebody else has asked for.
    #[must_use]
    pub fn waiting_beside(&self, who: &Identity) -> usize {
        self.desk.waiting_beside(&who.principal)
    }

    /// Casts a vote with the token inside.
    ///
    /// # Errors
    /// When the token proves nothing, or the vote does not count.
    pub async fn vote(
        &self,
        id: &str,
        ballot: &Ballot,
        channel: &'static str,
    ) -> Result<Approval, Refused> {
        let voter = self.who(&ballot.token).await?;
        let word = Word {
            ballot: match ballot.choice {
                Choice::Approve => Says::Approve,
                Choice::Deny => Says::Deny,
            },
            because: &ballot.reason,
            reuse: ballot.reuse_seconds.map(Duration::from_secs),
            channel,
        };
        self.cast(id, &voter, word)
    }

    /// Casts the vote of somebody who was verified just now.
    ///
    /// # Errors
    /// When the vote does not count.
    pub fn cast(
        &self,
        id: &str,
        voter: &Arc<Identity>,
        word: Word<'_>,
    ) -> Result<Approval, Refused> {
        let left = self.desk.show(id).map_or(0, |view| view.remaining_seconds);
        let policy = |request: &HoldRequest| self.may_vote(id, voter, request, left);
        self.desk
            .vote(id, voter, word, policy)
            .map_err(|refused| not_counted(&refused))?;
        let view = self
            .desk
            .show(id)
            .ok_or_else(|| Refused::new(404, "the request is gone"))?;
        Ok(shown(&view, (self.clock)()))
    }

    /// Casts the vote of whoever is linked to a chat account: where every rule says that chat may take it.
    ///
    /// # Errors
    /// When it may not, or the vote does not count.
    pub fn cast_in_chat(
        &self,
        id: &str,
        voter: &Arc<Identity>,
        word: Word<'_>,
    ) -> Result<Approval, Refused> {
        let view = self.desk.show(id);
        let view = view.ok_or_else(|| not_counted(&VoteRefused::Unknown))?;
        let open = view.requirements.iter().all(|r| r.chat == Chat::Approve);
        if !open || view.requirements.is_empty() {
            return Err(Refused::new(
                403,
                "the rule takes no votes from chat: log in and vote",
            ));
        }
        let now = (self.clock)();
        if self.revocations.covers(voter, None, now).is_some() {
            return Err(Refused::denied(401, &revoked()));
        }
        self.cast(id, voter, word)
    }

    /// The ways out and in.
    #[must_use]
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Policy's word on this voter: one requirement that it may answer is enough to be heard, and the vote counts for
    /// those that it may answer and no others.
    fn may_vote(
        &self,
        id: &str,
        voter: &Identity,
        request: &HoldRequest,
        seconds_left: u64,
    ) -> Result<Vec<usize>, Denial> {
        let now = (self.clock)();
        let mut allowed = Vec::new();
        let mut last = Denial::new("approval/nothing-required", "there is nothing to vote on");
        for (place, requirement) in request.requirements.iter().enumerate() {
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
                Ok(Verdict::Allow { .. }) => {
                    allowed.push(place);
                    continue;
                }
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
        match allowed.is_empty() {
            true => Err(last),
            false => Ok(allowed),
        }
    }

    /// True when what people have opened answers these requirements too.
    #[must_use]
    pub fn opens_still(&self, id: &str, who: &Identity, wanted: &[Requirement]) -> bool {
        self.desk.opens_still(id, who, wanted)
    }
}

impl ApprovalDesk for People {
    fn open<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<(String, Option<Answer>), Fault>> {
        self.desk.open(request)
    }

    fn ready<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<Option<(String, Answer)>, Fault>> {
        self.desk.ready(request)
    }

    fn wait<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Answer, Fault>> {
        self.desk.wait(id)
    }

    fn withdraw(&self, id: &str) {
        self.desk.withdraw(id);
    }

    fn ahead(&self, id: &str) -> usize {
        self.desk.ahead(id)
    }

    fn standing(&self, id: &str) -> Option<Standing> {
        self.desk.standing(id)
    }

    fn page(&self, id: &str) -> Option<String> {
        let portal = self.channels.portal.as_deref()?;
        Some(format!("{}/approvals/{id}", portal.trim_end_matches('/')))
    }
}

fn not_counted(why: &VoteRefused) -> Refused {
    let status = match why {
        VoteRefused::Unknown | VoteRefused::Nothing(_) => 404,
        VoteRefused::TooLate(_) => 409,
        VoteRefused::NoReason | VoteRefused::Time => 400,
        VoteRefused::Unrecorded => 503,
        VoteRefused::NotForgotten => 500,
        _ => 403,
    };
    match why {
        VoteRefused::Policy(denial) => Refused::denied(status, denial),
        VoteRefused::Stale => Refused::new(status, format!("{why} (approval/fresh-login)")).hint(
            "Log in afresh and send it again: `portcullis login --fresh`, or in the console, which asks for it; an account in chat is linked again \
             (`/portcullis link`). How fresh is `approvals.fresh_login`.",
        ),
        _ => Refused::new(status, why.to_string()),
    }
}

/// All requests at a desk as they are shown, newest first.
pub(crate) fn listed(desk: &Desk, now: Timestamp) -> Vec<Approval> {
    desk.list().iter().map(|view| shown(view, now)).collect()
}

/// A request as it is shown.
pub(crate) fn shown(view: &View, now: Timestamp) -> Approval {
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
        "access": view.access,
        "deferred": view.deferred,
        "waiting": view.waiting,
        "ahead": view.ahead,
        "remaining_seconds": view.remaining_seconds,
        "lasts_seconds": view.lasts_seconds,
        "opens_seconds": view.opens_seconds,
        "reuse_seconds": view.reuse_seconds,
        "reuse_class": view.reuse_class,
        "grant": view.grant,
        "requirements": view.requirements,
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
        votes: view.votes.iter().map(voted).collect(),
        facts,
    }
}

fn voted(vote: &VoteView) -> Vote {
    Vote {
        by: vote.voter.clone(),
        choice: match vote.ballot {
            Says::Approve => Choice::Approve,
            Says::Deny => Choice::Deny,
        },
        reason: vote.reason.clone(),
        reuse_seconds: vote.reuse_seconds,
        stands_in_for: vote.stands_in_for.clone(),
    }
}
