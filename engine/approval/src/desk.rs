//! The desk: requests come in, people vote, whoever waits is answered, once. All of it under one lock, which is waited
//! for off the workers that serve sessions, as the disk is; both clocks are read whenever something is looked at. What has
//! to outlive a restart is on stable storage before it counts. Refuses to say yes when the yes cannot be recorded or kept.

mod away;
mod glass;
mod restore;
mod revoked;
mod standing;
mod sweep;
mod voting;

pub use glass::Concern;
pub use restore::Unreadable;
pub(crate) use standing::{opens_for, sameness};
pub use voting::Word;

use crate::electorate::stands_apart;
use crate::grant::Grant;
use crate::moment::{Clocks, Moment};
use crate::news::{Announce, News};
use crate::patience::PatientLock;
use crate::request::{Ballot, Request, comes_back};
use crate::review::{Delegation, Review};
use crate::state::State;
use crate::store::{Keep, Shelf};
use crate::view::{View, ahead, all_ahead};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_gate::{Answer, ApprovalDesk, BoxFuture, HoldRequest, Standing};
use portcullis_model::{Blame, Denial, Fault, Principal, limits};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Digits of an id: 40 bits, so that none is met by guessing.
const ID_DIGITS: usize = 8;
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Who ends what time or a revocation ends.
const THE_GATEWAY: &str = "the gateway";
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
    /// A login of the last quarter of an hour, and the house's limit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fresh_within: Some(limits::FRESH_LOGIN),
            pending_per_identity: limits::PENDING_PER_IDENTITY_MAX,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// Whom the desk tells, and where it keeps what outlives a restart.
pub struct Hands {
    /// The record.
    pub notes: Arc<dyn Note>,
    /// The store.
    pub keep: Arc<dyn Keep>,
    /// The channels.
    pub tell: Arc<dyn Announce>,
}

/// The desk.
pub struct Desk {
    clocks: Clocks,
    hands: Hands,
    settings: Settings,
    shelves: PatientLock<Shelves>,
}

/// Everything on it.
#[derive(Default)]
struct Shelves {
    requests: HashMap<String, Request>,
    grants: BTreeMap<String, Grant>,
    /// Grants that have ended and could not be forgotten for good yet.
    unforgotten: BTreeSet<String>,
    reviews: BTreeMap<String, Review>,
    delegations: BTreeMap<String, Delegation>,
}

impl Desk {
    /// An empty desk.
    #[must_use]
    pub fn new(clocks: Clocks, hands: Hands, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            clocks,
            hands,
            settings,
            shelves: PatientLock::default(),
        })
    }

    /// All requests, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<View> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        views(&shelves.requests, now, |_| true)
    }

    /// How many wait that somebody else has asked for: for who is told on every page, and sees none of them there.
    #[must_use]
    pub fn waiting_beside(&self, who: &Principal) -> usize {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        let pending = shelves.requests.values();
        let pending = pending.filter(|r| r.state() == State::Pending);
        pending
            .filter(|r| r.asked.session.identity.principal != *who)
            .count()
    }

    /// The requests of one identity, or of whoever acts for it: the newest first.
    #[must_use]
    pub fn list_of(&self, who: &Principal) -> Vec<View> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        let theirs = |r: &Request| r.requesters.iter().any(|i| i.involves(who));
        views(&shelves.requests, now, theirs)
    }

    /// One request.
    #[must_use]
    pub fn show(&self, id: &str) -> Option<View> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.expire(shelves.requests.get_mut(id)?, now);
        let requests = &shelves.requests;
        let request = requests.get(id)?;
        Some(View::of(request, ahead(request, requests, now), now))
    }

    /// Sweeps once a second, for ever: to be spawned by whoever owns the desk.
    pub async fn keep_swept(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.sweep();
        }
    }

    /// What has been granted or approved already and this one may use.
    fn used_of(
        &self,
        shelves: &mut Shelves,
        asked: &HoldRequest,
        now: Moment,
    ) -> Result<Option<(String, Option<Answer>)>, Fault> {
        if asked.wish.detached {
            return Ok(None);
        }
        if let Some(answered) = self.under_grant(shelves, asked, now)? {
            return Ok(Some(answered));
        }
        // One whose own waiters are about to use it is not for somebody else.
        let usable =
            |r: &&mut Request| r.state() == State::Approved && r.waiting == 0 && r.covers(asked);
        // Nor for whoever breaks the glass: it would be used up for nothing.
        if asked.wish.glass.is_none()
            && let Some(request) = shelves.requests.values_mut().find(usable)
        {
            let answer = self.consume(request, now)?;
            return Ok(Some((request.id.clone(), Some(answer))));
        }
        Ok(None)
    }

    fn ready_now(&self, asked: &HoldRequest) -> Result<Option<(String, Answer)>, Fault> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        let used = self.used_of(&mut shelves, asked, now)?;
        Ok(used.and_then(|(id, answer)| Some((id, answer?))))
    }

    fn open_now(&self, asked: HoldRequest) -> Result<(String, Option<Answer>), Fault> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        if let Some(used) = self.used_of(&mut shelves, &asked, now)? {
            return Ok(used);
        }
        if asked.wish.glass.is_some() {
            return self.break_glass(&mut shelves, &asked, now);
        }
        self.join_or_open(&mut shelves, asked, now)
    }

    fn join_or_open(
        &self,
        shelves: &mut Shelves,
        asked: HoldRequest,
        now: Moment,
    ) -> Result<(String, Option<Answer>), Fault> {
        let requests = &mut shelves.requests;
        let deferred = comes_back(&asked);
        let joinable = |r: &&mut Request| r.state() == State::Pending && r.covers(&asked);
        if let Some(request) = requests.values_mut().find(joinable) {
            request.waiting += usize::from(!deferred);
            // Who comes back every other second writes nothing each time.
            if join(request, &asked) {
                self.keep_request(request, now)?;
            }
            return Ok((request.id.clone(), None));
        }
        if let Some(told) = told_no(requests, &asked, now) {
            return Ok(told);
        }
        if let Some(denial) = self.no_room(requests, &asked) {
            return Ok((String::new(), Some(Answer::Refuse(denial))));
        }
        let id = fresh_id("ap-", |id| requests.contains_key(id))?;
        let mut request = Request::new(id.clone(), asked, now);
        request.waiting = usize::from(!deferred);
        self.hands
            .notes
            .note("approval/opened", &opened(&request))?;
        self.keep_request(&request, now)?;
        self.announce("approval.opened", &request, now, false);
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
            let mut denial = Denial::new("approval/too-many", reason)
                .hint("Wait for an answer, or let some of them expire.");
            denial.retry_after = Some(limits::DEFERRED_RETRY_SECONDS);
            return Some(denial);
        }
        if requests.len() >= limits::APPROVALS_MAX {
            let ended = requests.values().filter_map(|r| Some((r.ended?, r)));
            let oldest = ended.min_by_key(|(ended, _)| *ended);
            let oldest = oldest.map(|(_, r)| r.id.clone());
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
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        let Shelves {
            requests, grants, ..
        } = &mut *shelves;
        let Some(request) = requests.get_mut(id) else {
            let denial = Denial::new("approval/unknown", "the request for approval is gone");
            return Ok(Some(Answer::Refuse(
                denial.hint("Send it again to ask anew."),
            )));
        };
        self.expire(request, now);
        let granted = request.grant.as_ref().and_then(|id| grants.get_mut(id));
        if let Some(grant) = granted.filter(|grant| grant.is_live(now)) {
            request.waiting = request.waiting.saturating_sub(1);
            return self.used(grant, &request.asked).map(Some);
        }
        match request.state() {
            State::Pending => Ok(None),
            State::Approved => self.consume(request, now).map(Some),
            ended => Ok(Some(Answer::Refuse(refusal(request, ended)))),
        }
    }

    /// Uses an approval: once, whatever happens. If that cannot be recorded, it is used up all the same; and if a
    /// restart could bring it back, it is not used.
    fn consume(&self, request: &mut Request, now: Moment) -> Result<Answer, Fault> {
        request.waiting = request.waiting.saturating_sub(1);
        self.move_to(request, State::Consumed, now)?;
        let keep = &self.hands.keep;
        keep.remove(Shelf::Request, &request.id, now.wall)?;
        Ok(Answer::Approve {
            id: request.id.clone(),
            by: request.approvers(),
        })
    }

    fn expire(&self, request: &mut Request, now: Moment) {
        if !request.state().is_final() && request.until.passed(now) {
            self.end(request, State::Expired, now);
        }
    }

    /// Ends a request, on record if that can be: no failure keeps it open.
    fn end(&self, request: &mut Request, state: State, now: Moment) {
        let noted = self.move_to(request, state, now);
        let forgotten = self
            .hands
            .keep
            .remove(Shelf::Request, &request.id, now.wall);
        if let Err(fault) = noted.and(forgotten) {
            tracing::error!(id = request.id, state = state.name(), fault = %fault.chain(), "a transition is not on record");
        }
        self.announce("approval.ended", request, now, false);
    }

    /// Moves a request on and records it; it moves even where recording fails, unless that would be the
    /// way to a yes.
    fn move_to(&self, request: &mut Request, state: State, now: Moment) -> Result<(), Fault> {
        let detail = json!({
            "id": request.id, "from": request.state().name(), "to": state.name(),
            "by": request.approvers(), "session": request.asked.session.id,
            "grant": request.grant,
        });
        let noted = self.hands.notes.note("approval/state", &detail);
        if noted.is_ok() || state != State::Approved {
            request.move_to(state, now);
        }
        noted
    }

    /// Keeps a request that nobody holds bytes for. One whose client waits is gone with the client.
    fn keep_request(&self, request: &Request, now: Moment) -> Result<(), Fault> {
        match request.is_deferred() {
            true => self.put(Shelf::Request, &request.id, &request.to_keep(), now),
            false => Ok(()),
        }
    }

    fn put(
        &self,
        shelf: Shelf,
        id: &str,
        thing: &impl serde::Serialize,
        now: Moment,
    ) -> Result<(), Fault> {
        let value = serde_json::to_value(thing)
            .map_err(|error| Fault::new(Blame::Gateway, "write down what the desk keeps", error))?;
        self.hands.keep.put(shelf, id, value, now.wall)
    }

    /// Tells the channels. That they cannot be told keeps nothing from happening here, and approves nothing.
    fn announce(&self, event: &'static str, request: &Request, now: Moment, urgent: bool) {
        let news = News::of_request(event, request, now, urgent);
        if let Err(fault) = self.hands.tell.announce(&news) {
            tracing::warn!(id = request.id, event, fault = %fault.chain(), "nobody was told");
        }
    }
}

impl ApprovalDesk for Desk {
    fn open<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<(String, Option<Answer>), Fault>> {
        Box::pin(async move { self.open_now(request) })
    }

    fn ready<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<Option<(String, Answer)>, Fault>> {
        Box::pin(async move { self.ready_now(&request) })
    }

    fn wait<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(async move {
            loop {
                // Subscribed before looking: a change in between is not missed.
                let changed = self
                    .shelves
                    .lock()
                    .requests
                    .get(id)
                    .map(|r| (r.changed.subscribe(), r.until));
                if let Some(answer) = self.answer_now(id)? {
                    return Ok(answer);
                }
                let Some((mut changed, until)) = changed else {
                    continue;
                };
                let left = until
                    .left(self.clocks.now())
                    .clamp(Duration::from_millis(1), LOOK_EVERY);
                let _ = tokio::time::timeout(left, changed.changed()).await;
            }
        })
    }

    fn ahead(&self, id: &str) -> usize {
        self.show(id).map_or(0, |view| view.ahead)
    }

    /// In defer mode nobody holds bytes, and a client that leaves withdraws nothing: its rerun comes later.
    fn withdraw(&self, id: &str) {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        let Some(request) = shelves.requests.get_mut(id) else {
            return;
        };
        request.waiting = request.waiting.saturating_sub(1);
        if request.is_deferred() || request.state().is_final() {
            return;
        }
        if request.waiting == 0 {
            self.end(request, State::Withdrawn, now);
        }
    }

    fn standing(&self, id: &str) -> Option<Standing> {
        self.live(id)
    }
}

/// Some requests as they may be shown: the newest first.
fn views(
    requests: &HashMap<String, Request>,
    now: Moment,
    which: impl Fn(&Request) -> bool,
) -> Vec<View> {
    let ahead = all_ahead(requests, now);
    let wanted = requests.values().filter(|request| which(request));
    let view = |r: &Request| View::of(r, ahead.get(r.id.as_str()).copied().unwrap_or(0), now);
    let mut views: Vec<_> = wanted.map(view).collect();
    views.sort_by(|a, b| b.opened.cmp(&a.opened).then_with(|| a.id.cmp(&b.id)));
    views
}

/// The no of people to whoever came to a door and comes back for the answer. A client that does so by itself hears it, each
/// of its requests does, and nobody is asked again meanwhile.
fn told_no(
    requests: &HashMap<String, Request>,
    asked: &HoldRequest,
    now: Moment,
) -> Option<(String, Option<Answer>)> {
    if !asked.access || asked.wish.detached || !comes_back(asked) {
        return None;
    }
    let lately = |r: &&Request| {
        let ended = r.ended.filter(|_| r.state() == State::Denied);
        ended.is_some_and(|ended| now.wall.since(ended) < limits::APPROVAL_NO_HEARD_FOR)
    };
    let mut denied = requests.values().filter(lately);
    let request = denied.find(|r| r.covers(asked))?;
    let denial = refusal(request, State::Denied)
        .hint("Ask again in a minute, or in advance: portcullis access request NAME --for 2h --reason WHY.");
    Some((request.id.clone(), Some(Answer::Refuse(denial))))
}

/// Another session of the same identity asks for the same; its claims exclude voters too. True when that changes anything.
fn join(request: &mut Request, asked: &HoldRequest) -> bool {
    let identity = &asked.session.identity;
    let another = !request.requesters.contains(identity);
    if another {
        request.requesters.push(identity.clone());
    }
    // Where somebody will come back for it, it no longer ends with the client that waits.
    let (wish, now) = (&request.asked.wish, &asked.wish);
    let stays = (now.detached && !wish.detached) || (now.returns && !wish.returns);
    if stays {
        let mut kept = (*request.asked).clone();
        kept.wish.detached |= now.detached;
        kept.wish.returns |= now.returns;
        request.asked = Arc::new(kept);
    }
    let votes = request.votes.len();
    request
        .votes
        .retain(|vote| stands_apart(identity, &vote.voter).is_ok());
    another || stays || votes != request.votes.len()
}

fn opened(request: &Request) -> Value {
    let asked = &request.asked;
    let mut detail = json!({
        "id": request.id, "session": asked.session.id, "identity": asked.session.identity.principal,
        "actors": asked.session.identity.actors, "target": asked.session.target.name,
        "binding": hex::encode(asked.binding), "access": asked.access,
        "deferred": request.is_deferred(), "requirements": asked.requirements,
        "ticket": asked.ticket, "reason": asked.session.reason,
        "until": request.until.wall,
        "lasts_seconds": asked.wish.lasts.map(|time| time.as_secs()),
    });
    show(&mut detail, &asked.shown, asked.access);
    detail
}

/// What people saw. What is held stands in its session's own entry, which is sealed and shredded with the session; the
/// node's entries stay for ever, and have its digest.
fn show(detail: &mut Value, shown: &str, access: bool) {
    let (key, said) = match access {
        true => ("shown", shown.to_owned()),
        false => {
            let digest = digest(&SHA256, shown.as_bytes());
            ("shown_sha256", hex::encode(digest))
        }
    };
    detail[key] = said.into();
}

/// What whoever waited is told when it ended without a yes.
fn refusal(request: &Request, ended: State) -> Denial {
    let id = &request.id;
    let denial = match ended {
        State::Denied => {
            let denier = request.votes.iter().find(|v| v.ballot == Ballot::Deny);
            let (who, why) = denier.map_or(("nobody", "unrecorded"), |vote| {
                (vote.voter.name.as_str(), vote.reason.as_str())
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

/// An id that nothing has yet.
fn fresh_id(prefix: &str, taken: impl Fn(&str) -> bool) -> Result<String, Fault> {
    let random = SystemRandom::new();
    loop {
        let mut bytes = [0; ID_DIGITS];
        random
            .fill(&mut bytes)
            .map_err(|_| Fault::bare(Blame::Gateway, "draw random bytes for an approval"))?;
        let digits = bytes
            .iter()
            .map(|b| char::from(CROCKFORD[usize::from(b & 31)]));
        let id: String = prefix.chars().chain(digits).collect();
        if !taken(&id) {
            return Ok(id);
        }
    }
}
