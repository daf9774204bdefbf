//! The desk: requests come in, people vote, whoever waits is answered, once. All of it under one lock and
//! in memory; time is read from the clock it was given whenever something is looked at. Refuses to say
//! yes when the yes cannot be recorded.

use crate::electorate::{VoteRefused, may_vote, reason, stands_apart};
use crate::request::{Ballot, Request, Vote};
use crate::state::State;
use crate::view::View;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::Mutex;
use portcullis_gate::{Answer, ApprovalDesk, BoxFuture, Clock, HoldRequest};
use portcullis_model::{Blame, Denial, Fault, Identity, Timestamp, limits};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Digits of an id: 40 bits, so that none is met by guessing.
const ID_DIGITS: usize = 8;
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How long a waiter sleeps at most before it looks at the clock again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Writes transitions into the node's record. Implemented over `journal` by the binary.
pub trait Note: Send + Sync {
    /// Records one transition.
    ///
    /// # Errors
    /// When it cannot be recorded: a vote does not count then, an approval is not used.
    fn note(&self, event: &str, detail: &Value) -> Result<(), Fault>;
}

/// How the desk works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How recently a voter must have proved who they are (`auth_time`); none asks only that the token
    /// has not expired.
    pub fresh_within: Option<Duration>,
    /// Requests one identity may have pending.
    pub pending_per_identity: usize,
}

impl Settings {
    /// Any valid token, and the house's limit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fresh_within: None,
            pending_per_identity: limits::PENDING_PER_IDENTITY_MAX,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// The desk.
pub struct Desk {
    clock: Clock,
    notes: Arc<dyn Note>,
    settings: Settings,
    requests: Mutex<HashMap<String, Request>>,
}

impl Desk {
    /// An empty desk. What was pending before a restart is gone: whoever waited asks again.
    #[must_use]
    pub fn new(clock: Clock, notes: Arc<dyn Note>, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            clock,
            notes,
            settings,
            requests: Mutex::new(HashMap::new()),
        })
    }

    /// Votes on a request. `voter` was verified from a fresh token of its own just now. `policy` is asked
    /// what the `approve` stage says about this voter and this request; it is asked without a lock held,
    /// and it can refuse a vote but never allow one that the desk refuses.
    ///
    /// # Errors
    /// [`VoteRefused`] says why the vote does not count.
    pub fn vote(
        &self,
        id: &str,
        voter: &Arc<Identity>,
        ballot: Ballot,
        because: &str,
        policy: impl FnOnce(&HoldRequest) -> Result<(), Denial>,
    ) -> Result<State, VoteRefused> {
        let because = reason(because)?;
        let asked = {
            let mut requests = self.requests.lock();
            let request = self.votable(&mut requests, id, voter)?;
            request.asked.clone()
        };
        policy(&asked).map_err(VoteRefused::Policy)?;
        let mut requests = self.requests.lock();
        // The world may have moved while policy was asked.
        let request = self.votable(&mut requests, id, voter)?;
        let now = (self.clock)();
        let detail = json!({
            "id": id, "voter": voter.principal, "name": voter.name, "ballot": ballot,
            "reason": because, "token": voter.token_id, "binding": hex::encode(asked.binding),
        });
        self.notes
            .note("approval/vote", &detail)
            .map_err(|_| VoteRefused::Unrecorded)?;
        request.votes.push(Vote {
            voter: voter.clone(),
            ballot,
            reason: because.to_owned(),
            at: now,
        });
        let next = match ballot {
            Ballot::Deny => State::Denied,
            Ballot::Approve if request.is_met() => State::Approved,
            Ballot::Approve => State::Pending,
        };
        if next == State::Pending {
            return Ok(next);
        }
        if self.move_to(request, next).is_err() && next == State::Approved {
            // A yes that is not on record is none; the vote is, so the request cannot go on either.
            self.end(request, State::Denied);
            return Err(VoteRefused::Unrecorded);
        }
        if next == State::Approved {
            request.until = now.after(request.execution_ttl());
        }
        Ok(next)
    }

    /// All requests, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<View> {
        let mut requests = self.requests.lock();
        let now = (self.clock)();
        self.sweep_locked(&mut requests, now);
        let mut views: Vec<_> = requests.values().map(|r| View::of(r, now)).collect();
        views.sort_by(|a, b| b.opened.cmp(&a.opened).then_with(|| a.id.cmp(&b.id)));
        views
    }

    /// One request.
    #[must_use]
    pub fn show(&self, id: &str) -> Option<View> {
        let mut requests = self.requests.lock();
        let now = (self.clock)();
        let request = requests.get_mut(id)?;
        self.expire(request, now);
        Some(View::of(request, now))
    }

    /// Ends what has run out of time and forgets what ended long ago. Everything is looked at when it is
    /// used anyway; this makes the record and the list say so in time.
    pub fn sweep(&self) {
        let mut requests = self.requests.lock();
        let now = (self.clock)();
        self.sweep_locked(&mut requests, now);
    }

    /// Sweeps once a second, for ever: to be spawned by whoever owns the desk.
    pub async fn keep_swept(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.sweep();
        }
    }

    fn open_now(&self, asked: HoldRequest) -> Result<(String, Option<Answer>), Fault> {
        let mut requests = self.requests.lock();
        let now = (self.clock)();
        self.sweep_locked(&mut requests, now);
        let deferred = asked.requirements.iter().any(|r| r.defer);
        // One whose own waiters are about to use it is not for somebody else.
        let usable =
            |r: &&mut Request| r.state() == State::Approved && r.waiting == 0 && r.covers(&asked);
        if let Some(request) = requests.values_mut().find(usable) {
            let answer = self.consume(request)?;
            return Ok((request.id.clone(), Some(answer)));
        }
        let joinable = |r: &&mut Request| r.state() == State::Pending && r.covers(&asked);
        if let Some(request) = requests.values_mut().find(joinable) {
            join(request, &asked);
            request.waiting += usize::from(!deferred);
            return Ok((request.id.clone(), None));
        }
        if let Some(denial) = self.no_room(&mut requests, &asked) {
            return Ok((String::new(), Some(Answer::Refuse(denial))));
        }
        let id = fresh_id(&requests)?;
        let mut request = Request::new(id.clone(), asked, now);
        request.waiting = usize::from(!deferred);
        self.notes.note("approval/opened", &opened(&request))?;
        requests.insert(id.clone(), request);
        Ok((id, None))
    }

    /// Too many pending ones of this identity, or a desk that is full of open ones.
    fn no_room(
        &self,
        requests: &mut HashMap<String, Request>,
        asked: &HoldRequest,
    ) -> Option<Denial> {
        let who = &asked.session.identity.principal;
        let pending = requests
            .values()
            .filter(|r| r.state() == State::Pending)
            .filter(|r| r.asked.session.identity.principal == *who)
            .count();
        if pending >= self.settings.pending_per_identity {
            let reason = format!("{pending} requests of yours wait for approval already");
            let denial = Denial::new("approval/too-many", reason);
            return Some(denial.hint("Wait for an answer, or let some of them expire."));
        }
        if requests.len() >= limits::APPROVALS_MAX {
            let ended = requests.values().filter(|r| r.state().is_final());
            let oldest = ended.min_by_key(|r| r.opened).map(|r| r.id.clone());
            match oldest {
                Some(id) => drop(requests.remove(&id)),
                None => {
                    return Some(
                        Denial::new("approval/desk-full", "too many requests wait for approval")
                            .hint("Try again later."),
                    );
                }
            }
        }
        None
    }

    /// The answer, if there is one by now; using an approval is part of answering.
    fn answer_now(&self, id: &str) -> Result<Option<Answer>, Fault> {
        let mut requests = self.requests.lock();
        let now = (self.clock)();
        let Some(request) = requests.get_mut(id) else {
            let denial = Denial::new("approval/unknown", "the request for approval is gone");
            return Ok(Some(Answer::Refuse(
                denial.hint("Send it again to ask anew."),
            )));
        };
        self.expire(request, now);
        match request.state() {
            State::Pending => Ok(None),
            State::Approved => self.consume(request).map(Some),
            ended => Ok(Some(Answer::Refuse(refusal(request, ended)))),
        }
    }

    /// Uses an approval: once, whatever happens. If that cannot be recorded, it is used up all the same.
    fn consume(&self, request: &mut Request) -> Result<Answer, Fault> {
        request.waiting = request.waiting.saturating_sub(1);
        self.move_to(request, State::Consumed)?;
        Ok(Answer::Approve {
            id: request.id.clone(),
            by: request.approvers(),
        })
    }

    fn votable<'r>(
        &self,
        requests: &'r mut HashMap<String, Request>,
        id: &str,
        voter: &Identity,
    ) -> Result<&'r mut Request, VoteRefused> {
        let request = requests.get_mut(id).ok_or(VoteRefused::Unknown)?;
        let now = (self.clock)();
        self.expire(request, now);
        match request.state() {
            State::Pending => {}
            ended => return Err(VoteRefused::TooLate(ended)),
        }
        may_vote(request, voter, now, self.settings.fresh_within)?;
        Ok(request)
    }

    fn sweep_locked(&self, requests: &mut HashMap<String, Request>, now: Timestamp) {
        for request in requests.values_mut() {
            self.expire(request, now);
        }
        requests.retain(|_, r| {
            !r.state().is_final() || now.since(r.opened) < limits::APPROVAL_SHOWN_FOR
        });
    }

    fn expire(&self, request: &mut Request, now: Timestamp) {
        if !request.state().is_final() && request.until <= now {
            self.end(request, State::Expired);
        }
    }

    /// Ends a request, on record if that can be: no failure keeps it open.
    fn end(&self, request: &mut Request, state: State) {
        if let Err(fault) = self.move_to(request, state) {
            tracing::error!(id = request.id, state = state.name(), fault = %fault.chain(), "a transition is not on record");
        }
    }

    /// Moves a request on and records it; it moves even where recording fails, unless that would be the
    /// way to a yes.
    fn move_to(&self, request: &mut Request, state: State) -> Result<(), Fault> {
        let detail = json!({
            "id": request.id, "from": request.state().name(), "to": state.name(),
            "by": request.approvers(), "session": request.asked.session.id,
        });
        let noted = self.notes.note("approval/state", &detail);
        if noted.is_ok() || state != State::Approved {
            request.changed.send_replace(state);
        }
        noted
    }
}

impl ApprovalDesk for Desk {
    fn open<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<(String, Option<Answer>), Fault>> {
        Box::pin(async move { self.open_now(request) })
    }

    fn wait<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(async move {
            loop {
                // Subscribed before looking: a change in between is not missed.
                let changed = self
                    .requests
                    .lock()
                    .get(id)
                    .map(|r| (r.changed.subscribe(), r.until));
                if let Some(answer) = self.answer_now(id)? {
                    return Ok(answer);
                }
                let Some((mut changed, until)) = changed else {
                    continue;
                };
                let left = until
                    .since((self.clock)())
                    .clamp(Duration::from_millis(1), LOOK_EVERY);
                let _ = tokio::time::timeout(left, changed.changed()).await;
            }
        })
    }

    /// In defer mode nobody holds bytes, and a client that leaves withdraws nothing: its rerun comes later.
    fn withdraw(&self, id: &str) {
        let mut requests = self.requests.lock();
        let Some(request) = requests.get_mut(id) else {
            return;
        };
        if request.is_deferred() || request.state().is_final() {
            return;
        }
        request.waiting = request.waiting.saturating_sub(1);
        if request.waiting == 0 {
            self.end(request, State::Withdrawn);
        }
    }
}

/// Another session of the same identity asks for the same; its claims exclude voters too.
fn join(request: &mut Request, asked: &HoldRequest) {
    let identity = &asked.session.identity;
    if !request.requesters.contains(identity) {
        request.requesters.push(identity.clone());
    }
    request
        .votes
        .retain(|vote| stands_apart(identity, &vote.voter).is_ok());
}

fn opened(request: &Request) -> Value {
    let asked = &request.asked;
    json!({
        "id": request.id, "session": asked.session.id, "identity": asked.session.identity.principal,
        "actors": asked.session.identity.actors, "target": asked.session.target.name,
        "access": asked.access, "binding": hex::encode(asked.binding),
        "requirements": asked.requirements, "until": request.until,
    })
}

/// What the client of a request reads that ended without a yes.
fn refusal(request: &Request, state: State) -> Denial {
    let id = &request.id;
    let denial = match state {
        State::Denied => {
            let no = request.votes.iter().find(|v| v.ballot == Ballot::Deny);
            let (who, why) = no.map_or(("somebody", ""), |v| {
                (v.voter.name.as_str(), v.reason.as_str())
            });
            let reason = portcullis_model::escape_line(&format!("{who} denied {id}: {why}"));
            Denial::new("approval/denied", reason)
        }
        State::Consumed => Denial::new(
            "approval/used",
            format!("{id} was used already: an approval is good for one run"),
        )
        .hint("Send it again to ask anew."),
        State::Withdrawn => Denial::new("approval/withdrawn", format!("{id} was withdrawn")),
        State::Expired | State::Pending | State::Approved => Denial::new(
            "approval/expired",
            format!("{id} was not approved or not used in time"),
        )
        .hint("Send it again to ask anew."),
    };
    Denial {
        approval: Some(id.clone()),
        ..denial
    }
}

fn fresh_id(requests: &HashMap<String, Request>) -> Result<String, Fault> {
    let random = SystemRandom::new();
    loop {
        let mut bytes = [0; ID_DIGITS];
        random
            .fill(&mut bytes)
            .map_err(|_| Fault::bare(Blame::Gateway, "draw random bytes for an approval"))?;
        let digits = bytes
            .iter()
            .map(|b| char::from(CROCKFORD[usize::from(b & 31)]));
        let id: String = "ap-".chars().chain(digits).collect();
        if !requests.contains_key(&id) {
            return Ok(id);
        }
    }
}
