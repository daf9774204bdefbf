//! Grants: made when enough people have said yes, used, extended, ended early. Each use and each end is on record.
//! Refuses to last longer than the shortest of what policy allows and what each approver has said.

use super::{Desk, Shelves, THE_GATEWAY, fresh_id, show};
use crate::electorate::{VoteRefused, is_present};
use crate::grant::{Grant, Purpose, by_objects, may_break};
use crate::moment::{Deadline, Moment};
use crate::news::News;
use crate::request::{Ballot, Request, kept_text};
use crate::state::State;
use crate::store::Shelf;
use crate::view::GrantView;
use portcullis_gate::{Answer, HoldRequest, Standing};
use portcullis_model::{Class, Fault, Identity, Principal, Requirement, Sameness, limits};
use serde_json::{Value, json};
use std::time::Duration;

impl Desk {
    /// The answer that a grant gives, if one covers the request: broken glass before what people gave, because it is paged,
    /// reviewed and recorded in full. Whoever breaks the glass asks for that, and for nothing that people gave.
    pub(super) fn under_grant(
        &self,
        shelves: &mut Shelves,
        asked: &HoldRequest,
        now: Moment,
    ) -> Result<Option<(String, Option<Answer>)>, Fault> {
        let breaks = asked.wish.glass.is_some();
        let grants = shelves.grants.values_mut();
        let covering = grants.filter(|g| g.is_live(now) && g.covers(asked));
        let covering = covering.filter(|g| !breaks || g.purpose == Purpose::Glass);
        let Some(grant) = covering.max_by_key(|g| g.purpose == Purpose::Glass) else {
            return Ok(None);
        };
        let answer = self.used(grant, asked)?;
        Ok(Some((grant.id.clone(), Some(answer))))
    }

    /// The yes of a grant, on record.
    pub(super) fn used(&self, grant: &mut Grant, asked: &HoldRequest) -> Result<Answer, Fault> {
        let detail = json!({
            "grant": grant.id, "purpose": grant.purpose, "session": asked.session.id,
            "binding": hex::encode(asked.binding), "access": asked.access,
        });
        self.hands.notes.note("approval/grant-used", &detail)?;
        grant.uses += 1;
        Ok(Answer::Approve {
            id: grant.id.clone(),
            by: grant.by.clone(),
        })
    }

    /// The grant that an approved request becomes, where policy and approvers have made it one. `Err` when it cannot be
    /// recorded or kept: the yes is none then.
    pub(super) fn grant_of(
        &self,
        shelves: &mut Shelves,
        id: &str,
        now: Moment,
    ) -> Option<Result<String, Fault>> {
        let request = shelves.requests.get(id)?;
        let (purpose, lasts) = match request.asked.access {
            true => (Purpose::Access, opens_for(request)?),
            false => (Purpose::Commands, stands_for(request)?),
        };
        let older = shelves.grants.values().find(|g| {
            purpose == Purpose::Access
                && g.purpose == Purpose::Access
                && g.is_live(now)
                && g.binding == request.asked.binding
                // What other rules have opened keeps its own time.
                && g.requirements == request.asked.requirements
        });
        match older.map(|grant| grant.id.clone()) {
            Some(older) => Some(self.extend(shelves, &older, id, lasts, now)),
            None => Some(self.grant(shelves, id, purpose, lasts, now)),
        }
    }

    fn grant(
        &self,
        shelves: &mut Shelves,
        request: &str,
        purpose: Purpose,
        lasts: Duration,
        now: Moment,
    ) -> Result<String, Fault> {
        if shelves.grants.len() >= limits::GRANTS_MAX {
            return Err(Fault::bare(
                portcullis_model::Blame::Gateway,
                "make another grant: there are too many",
            ));
        }
        let id = fresh_id("gr-", |id| shelves.grants.contains_key(id))?;
        let Some(request) = shelves.requests.get(request) else {
            return Err(Fault::bare(
                portcullis_model::Blame::Gateway,
                "make a grant of a request that is gone",
            ));
        };
        let grant = made(id.clone(), request, purpose, lasts, now);
        self.enter(shelves, grant, "approval/granted", now)?;
        Ok(id)
    }

    /// Records, keeps and then enters a grant.
    pub(super) fn enter(
        &self,
        shelves: &mut Shelves,
        grant: Grant,
        event: &str,
        now: Moment,
    ) -> Result<(), Fault> {
        self.hands.notes.note(event, &detail(&grant))?;
        self.put(Shelf::Grant, &grant.id, &grant, now)?;
        self.tell_of(&grant, "grant.opened", now, "");
        shelves.grants.insert(grant.id.clone(), grant);
        Ok(())
    }

    /// More time, which the same people have voted on as if it were new.
    fn extend(
        &self,
        shelves: &mut Shelves,
        grant: &str,
        request: &str,
        lasts: Duration,
        now: Moment,
    ) -> Result<String, Fault> {
        let Shelves {
            requests, grants, ..
        } = shelves;
        let (Some(grant), Some(request)) = (grants.get_mut(grant), requests.get(request)) else {
            return Err(Fault::bare(
                portcullis_model::Blame::Gateway,
                "extend a grant that is gone",
            ));
        };
        let longer = Deadline::after(now, lasts);
        let mut extended = grant.clone();
        if grant
            .deadline
            .is_none_or(|old| old.left(now) < longer.left(now))
        {
            extended.deadline = Some(longer);
            extended.until = longer.wall;
        }
        extended.by = request.approvers();
        extended.requirements = request.asked.requirements.clone();
        extended.request = request.id.clone();
        self.hands
            .notes
            .note("approval/extended", &detail(&extended))?;
        self.put(Shelf::Grant, &extended.id, &extended, now)?;
        self.tell_of(&extended, "grant.extended", now, "");
        *grant = extended;
        Ok(grant.id.clone())
    }

    /// Ends a grant early, whoever says so: that only ever takes away.
    ///
    /// # Errors
    /// When there is none. That it cannot be recorded or kept does not let it live; but where a restart could bring it
    /// back ([`VoteRefused::NotForgotten`]), whoever ends it is told.
    pub fn end_grant(&self, id: &str, by: &Value, why: &str) -> Result<GrantView, VoteRefused> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        let grant = shelves
            .grants
            .remove(id)
            .ok_or(VoteRefused::Nothing("grant"))?;
        match self.ended(&mut shelves, &grant, by, why, now) {
            true => Ok(GrantView::of(&grant, now)),
            false => Err(VoteRefused::NotForgotten),
        }
    }

    /// A grant of whoever holds it, or the refusal that tells nothing of others'.
    ///
    /// # Errors
    /// When there is none of theirs.
    pub fn grant_held_by(&self, id: &str, who: &Identity) -> Result<GrantView, VoteRefused> {
        let shelves = self.shelves.lock();
        let now = self.clocks.now();
        let grant = shelves.grants.get(id).filter(|g| g.is_live(now));
        let grant = grant.filter(|g| g.holder.principal == who.principal);
        grant
            .map(|g| GrantView::of(g, now))
            .ok_or(VoteRefused::Nothing("grant"))
    }

    /// Says that a grant has ended, and forgets it. False when it is not forgotten for good yet.
    pub(super) fn ended(
        &self,
        shelves: &mut Shelves,
        grant: &Grant,
        by: &Value,
        why: &str,
        now: Moment,
    ) -> bool {
        let mut detail = detail(grant);
        detail["ended_by"] = by.clone();
        detail["why"] = json!(why);
        detail["uses"] = json!(grant.uses);
        let noted = self.hands.notes.note("approval/grant-ended", &detail);
        if let Err(fault) = noted {
            tracing::error!(id = grant.id, fault = %fault.chain(), "the end of a grant is not on record");
        }
        let forgotten = self.hands.keep.remove(Shelf::Grant, &grant.id, now.wall);
        if let Err(fault) = &forgotten {
            tracing::error!(id = grant.id, fault = %fault.chain(), "a grant has ended, and a restart could bring it back");
            shelves.unforgotten.insert(grant.id.clone());
        }
        self.tell_of(grant, "grant.ended", now, why);
        forgotten.is_ok()
    }

    /// Tries again to forget for good what has ended.
    pub(super) fn forget_again(&self, shelves: &mut Shelves, now: Moment) {
        let keep = &self.hands.keep;
        shelves
            .unforgotten
            .retain(|id| keep.remove(Shelf::Grant, id, now.wall).is_err());
    }

    fn tell_of(&self, grant: &Grant, event: &'static str, now: Moment, why: &str) {
        let news = News::of_grant(event, grant, now, why);
        if let Err(fault) = self.hands.tell.announce(&news) {
            tracing::warn!(id = grant.id, event, fault = %fault.chain(), "nobody was told");
        }
    }

    /// Grants in force, the newest first.
    #[must_use]
    pub fn grants(&self) -> Vec<GrantView> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        self.sweep_locked(&mut shelves, now);
        let mut views: Vec<_> = shelves
            .grants
            .values()
            .map(|g| GrantView::of(g, now))
            .collect();
        views.sort_by(|a, b| b.from.cmp(&a.from).then_with(|| a.id.cmp(&b.id)));
        views
    }

    pub(super) fn live(&self, id: &str) -> Option<Standing> {
        let shelves = self.shelves.lock();
        let now = self.clocks.now();
        let grant = shelves.grants.get(id).filter(|g| g.is_live(now))?;
        Some(Standing {
            until: grant.until,
            glass: grant.purpose == Purpose::Glass,
        })
    }

    /// True when what people have said to this grant, or to this request that a connection was opened by, answers these
    /// requirements too. What was forgotten answers nothing.
    #[must_use]
    pub fn opens_still(&self, id: &str, who: &Identity, wanted: &[Requirement]) -> bool {
        let shelves = self.shelves.lock();
        let now = self.clocks.now();
        let voted = |on: &[Requirement]| wanted.iter().all(|r| on.contains(r));
        if let Some(grant) = shelves.grants.get(id).filter(|g| g.is_live(now)) {
            let broken = grant.purpose == Purpose::Glass;
            return voted(&grant.requirements)
                && (!broken || wanted.iter().all(|r| may_break(who, r)));
        }
        let request = shelves.requests.get(id);
        request.is_some_and(|r| r.state() == State::Consumed && voted(&r.asked.requirements))
    }

    /// Whether this is a person who has logged in just now: what lets a chat account vote for them takes that.
    ///
    /// # Errors
    /// When it is not.
    pub fn is_at_the_door(&self, who: &Identity) -> Result<(), VoteRefused> {
        // What is fresh where the operator says nothing is the most here, whatever the operator says.
        let most = limits::FRESH_LOGIN;
        let within = self.settings.fresh_within.unwrap_or(most);
        is_present(who, self.clocks.now().wall, Some(within.min(most)))
    }

    /// Ends what somebody holds who has to do with nobody here any more.
    ///
    /// # Errors
    /// When a restart could bring one of them back; all have ended.
    pub fn end_grants_of(&self, who: &Principal, why: &str) -> Result<usize, VoteRefused> {
        let mut shelves = self.shelves.lock();
        let now = self.clocks.now();
        let theirs: Vec<String> = shelves
            .grants
            .values()
            .filter(|g| g.holder.involves(who))
            .map(|g| g.id.clone())
            .collect();
        let mut forgotten = true;
        for id in &theirs {
            if let Some(grant) = shelves.grants.remove(id) {
                forgotten &= self.ended(&mut shelves, &grant, &THE_GATEWAY.into(), why, now);
            }
        }
        match forgotten {
            true => Ok(theirs.len()),
            false => Err(VoteRefused::NotForgotten),
        }
    }
}

fn detail(grant: &Grant) -> serde_json::Value {
    let mut detail = json!({
        "grant": grant.id, "request": grant.request, "purpose": grant.purpose,
        "holder": grant.holder.principal, "actors": grant.holder.actors, "name": grant.holder.name,
        "target": grant.target.name, "class": grant.sameness,
        "by": grant.by, "reason": grant.reason, "from": grant.from, "until": grant.until,
        "binding": hex::encode(grant.binding),
    });
    show(
        &mut detail,
        &grant.shown,
        grant.purpose != Purpose::Commands,
    );
    detail
}

pub(super) fn made(
    id: String,
    request: &Request,
    purpose: Purpose,
    lasts: Duration,
    now: Moment,
) -> Grant {
    let asked = &request.asked;
    let deadline = Deadline::after(now, lasts);
    Grant {
        id,
        purpose,
        request: request.id.clone(),
        holder: asked.session.identity.clone(),
        target: asked.session.target.clone(),
        binding: asked.binding,
        sameness: sameness(&asked.requirements, &asked.class),
        class: asked.class.clone(),
        context: asked.context.clone(),
        shown: kept_text(asked.shown.clone()),
        requirements: asked.requirements.clone(),
        reason: asked.session.reason.clone().unwrap_or_default(),
        ticket: asked.ticket.clone(),
        by: request.approvers(),
        from: now.wall,
        until: deadline.wall,
        deadline: Some(deadline),
        uses: 0,
    }
}

/// The strictest that a rule says; and what its objects do not tell stands for itself alone.
pub(crate) fn sameness(requirements: &[Requirement], class: &Class) -> Sameness {
    let reuse = requirements.iter().filter_map(|r| r.terms.reuse.as_ref());
    let said = reuse.map(|r| r.class).min().unwrap_or(Sameness::Exact);
    match by_objects(class) {
        true => said,
        false => Sameness::Exact,
    }
}

/// How long a connection stays open, where every rule that holds it says that it may.
pub(crate) fn opens_for(request: &Request) -> Option<Duration> {
    let requirements = &request.asked.requirements;
    let most: Option<Vec<Duration>> = requirements.iter().map(|r| r.terms.access).collect();
    let most = most?.into_iter().min()?;
    Some(request.asked.wish.lasts.unwrap_or(most).min(most))
}

/// How long a class is open, where every rule and every approver says that it is.
fn stands_for(request: &Request) -> Option<Duration> {
    let requirements = request.asked.requirements.iter();
    let most: Option<Vec<Duration>> = requirements
        .map(|r| r.terms.reuse.as_ref().map(|reuse| reuse.ttl))
        .collect();
    let approving = request.votes.iter().filter(|v| v.ballot == Ballot::Approve);
    let said: Option<Vec<Duration>> = approving.map(|vote| vote.reuse).collect();
    most?
        .into_iter()
        .chain(said?)
        .min()
        .filter(|time| !time.is_zero())
}
