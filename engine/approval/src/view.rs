//! What people are shown of a request. Refuses raw text: every string in it is escaped, so that what an
//! approver reads is what is there and nothing in it acts on a terminal or hides.

mod standing;

pub use standing::{DelegationView, GrantView, ReviewView};

use crate::desk::{opens_for, sameness};
use crate::moment::Moment;
use crate::request::{Ballot, Request, needed};
use crate::state::State;
use portcullis_model::{Chat, Identity, Sameness, Timestamp, escape_for_people, escape_line};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// A request as it may be shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// `ap-…`.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// True for an access request at connect.
    pub access: bool,
    /// True when a rerun consumes it, false when the client holds.
    pub deferred: bool,
    /// Clients that hold and wait.
    pub waiting: usize,
    /// Requests that wait for the same people and were opened before it.
    pub ahead: usize,
    /// An access request: for so long, in seconds.
    pub lasts_seconds: Option<u64>,
    /// An access request: for so long an approval opens the connection, in seconds; nothing where it opens it once.
    pub opens_seconds: Option<u64>,
    /// The longest that approvers may let it stand for its class, in seconds; nothing where policy does not let them.
    pub reuse_seconds: Option<u64>,
    /// What its class is then: `exact` the same bytes, `objects` nothing worse on no other objects.
    pub reuse_class: Option<Sameness>,
    /// The grant it has become.
    pub grant: Option<String>,
    /// When it was opened.
    pub opened: Timestamp,
    /// Seconds left to approve it or, once approved, to use it; 0 when it has ended.
    pub remaining_seconds: u64,
    /// The ticket that was named.
    pub ticket: Option<String>,
    /// The request itself, whole, secrets masked.
    pub shown: String,
    /// What the approval is bound to, hex.
    pub binding: String,
    /// Risk, effect, labels, objects, findings.
    pub class: Value,
    /// Role, search_path, settings, shadowing objects, transaction.
    pub context: Value,
    /// Who asks, and from where.
    pub session: SessionView,
    /// What is required, and how far it is met.
    pub requirements: Vec<RequirementView>,
    /// What was said.
    pub votes: Vec<VoteView>,
}

/// Who asks.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// The session.
    pub id: String,
    /// Name.
    pub identity: String,
    /// Issuer.
    pub issuer: String,
    /// Subject.
    pub subject: String,
    /// human, agent, ci, service.
    pub kind: Value,
    /// Groups.
    pub groups: Vec<String>,
    /// The act chain, outermost first: `subject at issuer`.
    pub actors: Vec<String>,
    /// Who answers for a machine.
    pub owner: Option<String>,
    /// Target.
    pub target: String,
    /// Its labels.
    pub labels: Value,
    /// Upstream login.
    pub login: String,
    /// Client address.
    pub address: String,
    /// What the client calls itself.
    pub program: Option<String>,
    /// The reason that was given.
    pub reason: Option<String>,
    /// When the session began.
    pub started: Timestamp,
}

/// One requirement.
#[derive(Clone, Debug, Serialize)]
pub struct RequirementView {
    /// Path of the rule.
    pub rule: String,
    /// Its message.
    pub msg: String,
    /// Groups that may vote; empty when policy decides alone.
    pub groups: Vec<String>,
    /// Distinct people needed.
    pub needed: usize,
    /// Of these, there.
    pub have: usize,
    /// Each has to stand for another group.
    pub distinct_groups: bool,
    /// What a chat message about it may do.
    pub chat: Chat,
}

/// One vote.
#[derive(Clone, Debug, Serialize)]
pub struct VoteView {
    /// Name.
    pub voter: String,
    /// Subject and issuer.
    pub principal: String,
    /// approve or deny.
    pub ballot: Ballot,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// For so long it is meant for the whole class, in seconds.
    pub reuse_seconds: Option<u64>,
    /// Who has asked the voter to stand in.
    pub stands_in_for: Vec<String>,
    /// Where it was cast.
    pub channel: String,
}

impl View {
    /// Of a request that waits behind so many others ([`ahead`], [`all_ahead`]).
    pub(crate) fn of(request: &Request, ahead: usize, now: Moment) -> Self {
        let asked = &request.asked;
        let state = request.state();
        let remaining = match state.is_final() {
            true => 0,
            false => request.until.left(now).as_secs(),
        };
        Self {
            id: request.id.clone(),
            state,
            access: asked.access,
            deferred: request.is_deferred(),
            waiting: request.waiting,
            ahead,
            lasts_seconds: asked.wish.lasts.map(|time| time.as_secs()),
            opens_seconds: opens_for(request)
                .filter(|_| asked.access)
                .map(|time| time.as_secs()),
            reuse_seconds: reuse(request),
            reuse_class: reuse(request).map(|_| sameness(&asked.requirements, &asked.class)),
            grant: request.grant.clone(),
            opened: request.opened,
            remaining_seconds: remaining,
            ticket: asked.ticket.as_deref().map(escape_line),
            shown: escape_for_people(&asked.shown),
            binding: hex::encode(asked.binding),
            class: escaped(serde_json::to_value(&asked.class).unwrap_or_default()),
            context: escaped(serde_json::to_value(&asked.context).unwrap_or_default()),
            session: SessionView::of(request),
            requirements: requirements(request, now),
            votes: votes(request),
        }
    }
}

impl SessionView {
    fn of(request: &Request) -> Self {
        let session = &request.asked.session;
        let identity: &Identity = &session.identity;
        Self {
            id: session.id.to_string(),
            identity: escape_line(&identity.name),
            issuer: escape_line(&identity.principal.issuer),
            subject: escape_line(&identity.principal.subject),
            kind: serde_json::to_value(identity.kind).unwrap_or_default(),
            groups: identity.groups.iter().map(|g| escape_line(g)).collect(),
            actors: identity.actors.iter().map(principal).collect(),
            owner: identity.owner.as_ref().map(principal),
            target: escape_line(&session.target.name),
            labels: escaped(serde_json::to_value(&session.target.labels).unwrap_or_default()),
            login: escape_line(&session.login),
            address: session.client.address.to_string(),
            program: session.client.program.as_deref().map(escape_line),
            reason: session.reason.as_deref().map(escape_line),
            started: session.started,
        }
    }
}

/// Pending ones that wait for any of the same groups and came before.
pub(crate) fn ahead(request: &Request, all: &HashMap<String, Request>, now: Moment) -> usize {
    if request.state() != State::Pending {
        return 0;
    }
    let mine = request.waits_for(now);
    let earlier = all
        .values()
        .filter(|r| r.state() == State::Pending && r.opened < request.opened);
    earlier
        .filter(|r| !r.waits_for(now).is_disjoint(&mine))
        .count()
}

/// The same of every pending one, by id, in one pass over them from the oldest on. Many requests wait for few different
/// sets of groups: those are compared, not the requests.
pub(crate) fn all_ahead(all: &HashMap<String, Request>, now: Moment) -> HashMap<&str, usize> {
    let pending = all.values().filter(|r| r.state() == State::Pending);
    let mut pending: Vec<_> = pending.map(|r| (r, r.waits_for(now))).collect();
    pending.sort_by_key(|(request, _)| request.opened);
    let mut earlier: HashMap<&BTreeSet<&str>, usize> = HashMap::new();
    let mut found = HashMap::new();
    // Of those that were opened in the same moment none is before another.
    for at_once in pending.chunk_by(|a, b| a.0.opened == b.0.opened) {
        for (request, mine) in at_once {
            let met = earlier
                .iter()
                .filter(|(groups, _)| !groups.is_disjoint(mine));
            found.insert(request.id.as_str(), met.map(|(_, count)| count).sum());
        }
        for (_, groups) in at_once {
            *earlier.entry(groups).or_default() += 1;
        }
    }
    found
}

fn reuse(request: &Request) -> Option<u64> {
    let requirements = request.asked.requirements.iter();
    let each: Option<Vec<u64>> = requirements
        .map(|r| r.terms.reuse.as_ref().map(|reuse| reuse.ttl.as_secs()))
        .collect();
    each?.into_iter().min().filter(|_| !request.asked.access)
}

fn requirements(request: &Request, now: Moment) -> Vec<RequirementView> {
    let all = request.asked.requirements.iter().enumerate();
    all.map(|(place, requirement)| RequirementView {
        rule: escape_line(&requirement.rule),
        msg: escape_line(&requirement.msg),
        groups: request
            .groups(requirement, now)
            .iter()
            .map(|g| escape_line(g))
            .collect(),
        needed: needed(requirement),
        have: request.counted(place, requirement, now),
        distinct_groups: requirement.terms.distinct_groups,
        chat: requirement.terms.chat,
    })
    .collect()
}

fn votes(request: &Request) -> Vec<VoteView> {
    let all = request.votes.iter();
    all.map(|vote| VoteView {
        voter: escape_line(&vote.voter.name),
        principal: principal(&vote.voter.principal),
        ballot: vote.ballot,
        reason: escape_for_people(&vote.reason),
        at: vote.at,
        reuse_seconds: vote.reuse.map(|time| time.as_secs()),
        stands_in_for: vote.stands_in_for.iter().map(|n| escape_line(n)).collect(),
        channel: escape_line(&vote.channel),
    })
    .collect()
}

fn principal(who: &portcullis_model::Principal) -> String {
    format!(
        "{} at {}",
        escape_line(&who.subject),
        escape_line(&who.issuer)
    )
}

/// Every string in a document, keys too.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escape_line(&text)),
        Value::Array(items) => items.into_iter().map(escaped).collect(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(key, value)| (escape_line(&key), escaped(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}
