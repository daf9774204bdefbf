//! What can be seen and done, once: pages and API both call these. Each asks the table of roles first, keeps a
//! requester to what is its own, and puts on record who looked at what.
//!
//! It refuses to say whether something is there that is somebody else's, and to show what cannot be noted.

use super::Console;
use super::guard::{Via, Visitor};
use super::role::{Page, Roles, Scope};
use crate::archive::{Ask, EventAsk, Events, Found, Judged, Recorded, Shot, Steps, Trial, Volume};
use crate::bureau::{Explained, PluginView, PolicyView, Watched};
use crate::operations::{Approval, Choice, ConnectionRow, Refused, SessionRow};
use portcullis_model::{Identity, Principal, SessionId, escape_line, limits};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Steps of a page of a session.
pub(super) const STEPS: u32 = 200;

/// A vote that was not cast.
pub(super) enum NotCast {
    /// The person has to prove who they are first.
    Again,
    /// It does not count.
    Refused(Refused),
}

impl From<Refused> for NotCast {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl NotCast {
    /// For whoever cannot be sent to a login page.
    pub(super) fn refused(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Again => Refused::new(403, "a vote needs a fresh login (console/fresh-login)")
                .hint("log in again, with a token that says when that was (`auth_time`)"),
        }
    }
}

/// Somebody watches; the place is free again when it is dropped.
pub(super) struct Place {
    console: Arc<Console>,
    whose: Principal,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut watching = self.console.watching.lock();
        if let Some(count) = watching.get_mut(&self.whose) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                watching.remove(&self.whose);
            }
        }
    }
}

fn nothing(what: &str) -> Refused {
    Refused::new(404, format!("there is no such {what}"))
        .hint("it may be somebody else's, or over for too long")
}

/// An id, as a path has it.
pub(super) fn session_id(text: &str) -> Result<SessionId, Refused> {
    text.parse().map_err(|_| nothing("session"))
}

fn mine(who: &Identity, issuer: &str, subject: &str) -> bool {
    let Principal {
        issuer: own_issuer,
        subject: own_subject,
    } = &who.principal;
    // What is shown is escaped.
    escape_line(own_issuer) == issuer && escape_line(own_subject) == subject
}

fn my_request(who: &Identity, approval: &Approval) -> bool {
    let fact = |name: &str| approval.facts.get(name).and_then(|v| v.as_str());
    let (issuer, subject) = (fact("issuer"), fact("subject"));
    mine(who, issuer.unwrap_or_default(), subject.unwrap_or_default())
}

impl Console {
    /// Live sessions.
    pub(super) fn live(&self, by: &Visitor) -> Result<Vec<SessionRow>, Refused> {
        let scope = Page::Live.scope(by.roles)?;
        let mut rows = self.bureau.live();
        rows.retain(|row| scope == Scope::All || mine(&by.identity, &row.issuer, &row.subject));
        rows.reverse();
        Ok(rows)
    }

    /// One live session.
    pub(super) fn live_one(&self, by: &Visitor, id: SessionId) -> Result<SessionRow, Refused> {
        let rows = self.live(by)?;
        let row = rows.into_iter().find(|row| row.id == id);
        row.ok_or_else(|| nothing("live session"))
    }

    /// Watches a live session.
    pub(super) async fn watch(
        self: &Arc<Self>,
        by: &Visitor,
        id: SessionId,
    ) -> Result<(mpsc::Receiver<Watched>, Place), Refused> {
        let scope = Page::Watch.scope(by.roles)?;
        let row = self.live_one(by, id)?;
        if scope == Scope::Own && !mine(&by.identity, &row.issuer, &row.subject) {
            return Err(nothing("live session"));
        }
        let place = self.place(&by.identity.principal)?;
        self.looked(by, "session-watched", &row.id.to_string())?;
        let feed = self.bureau.watch(id).await;
        Ok((feed.ok_or_else(|| nothing("live session"))?, place))
    }

    fn place(self: &Arc<Self>, whose: &Principal) -> Result<Place, Refused> {
        let mut watching = self.watching.lock();
        let all: usize = watching.values().sum();
        let own = watching.get(whose).copied().unwrap_or(0);
        if all >= limits::WATCHES_MAX || own >= limits::WATCHES_PER_IDENTITY_MAX {
            return Err(
                Refused::new(429, "too many sessions are being watched (console/watches)")
                    .hint("close another page that watches"),
            );
        }
        watching.insert(whose.clone(), own + 1);
        Ok(Place {
            console: Arc::clone(self),
            whose: whose.clone(),
        })
    }

    /// Ends a live session.
    pub(super) fn kill(&self, by: &Visitor, id: SessionId, reason: &str) -> Result<(), Refused> {
        Page::Kill.scope(by.roles)?;
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > limits::VOTE_REASON_BYTES_MAX {
            return Err(Refused::new(400, "a reason is missing, or too long")
                .hint("say in a sentence why; the client is told, and it is recorded"));
        }
        self.bureau.kill(id, reason, &by.identity)
    }

    /// Recorded sessions.
    pub(super) async fn sessions(&self, by: &Visitor, ask: &Ask) -> Result<Found, Refused> {
        let whose = match Page::Sessions.scope(by.roles)? {
            Scope::All => None,
            Scope::Own => Some(&by.identity.principal),
        };
        if let (Some(q), None) = (&ask.q, whose) {
            // Whoever may not read what was recorded does not find it by asking either.
            if Page::Replay.scope(by.roles)? == Scope::Own {
                return Err(Refused::new(
                    403,
                    "commands are searched by the auditor (console/role)",
                )
                .hint("look by name, target and time instead"));
            }
            let detail = json!({"words": q});
            self.bureau.note("record-searched", &by.identity, &detail)?;
        }
        self.archive.sessions(ask, whose).await
    }

    /// One recorded session.
    pub(super) async fn session(&self, by: &Visitor, id: SessionId) -> Result<Volume, Refused> {
        let scope = Page::Sessions.scope(by.roles)?;
        let volume = self.archive.session(id).await?;
        let volume = volume.ok_or_else(|| nothing("session"))?;
        let Recorded {
            issuer, subject, ..
        } = &volume.session;
        match scope == Scope::All || mine(&by.identity, issuer, subject) {
            true => Ok(volume),
            false => Err(nothing("session")),
        }
    }

    /// True when this visitor may see what was recorded in it.
    pub(super) fn may_read(&self, by: &Visitor, session: &Recorded) -> bool {
        match Page::Replay.scope(by.roles) {
            Ok(Scope::All) => true,
            Ok(Scope::Own) => mine(&by.identity, &session.issuer, &session.subject),
            Err(_) => false,
        }
    }

    async fn readable(&self, by: &Visitor, id: SessionId) -> Result<Volume, Refused> {
        let volume = self.session(by, id).await?;
        match self.may_read(by, &volume.session) {
            true => Ok(volume),
            false => Err(
                Refused::new(403, "what was recorded is for the auditor (console/role)")
                    .hint("you see who, where and when of other people's sessions"),
            ),
        }
    }

    /// What happened in a session.
    pub(super) async fn steps(
        &self,
        by: &Visitor,
        id: SessionId,
        after: u64,
        most: u32,
    ) -> Result<(Volume, Steps), Refused> {
        let volume = self.readable(by, id).await?;
        // Every page of it: whoever begins in the middle has looked as well.
        let detail = json!({"session": id, "after": after});
        self.bureau
            .note("recording-viewed", &by.identity, &detail)?;
        let steps = self.archive.steps(id, after, most).await?;
        Ok((volume, steps))
    }

    /// A terminal of a session.
    pub(super) async fn film(
        &self,
        by: &Visitor,
        id: SessionId,
        stream: Option<u32>,
    ) -> Result<mpsc::Receiver<Shot>, Refused> {
        self.readable(by, id).await?;
        self.looked(by, "recording-played", &id.to_string())?;
        self.archive.film(id, stream).await
    }

    fn looked(&self, by: &Visitor, event: &str, session: &str) -> Result<(), Refused> {
        let detail = json!({"session": session});
        self.bureau.note(event, &by.identity, &detail)
    }

    /// Requests at the approval desk.
    pub(super) fn approvals(&self, by: &Visitor) -> Result<Vec<Approval>, Refused> {
        let scope = Page::Approvals.scope(by.roles)?;
        let mut all = self.bureau.approvals();
        all.retain(|a| scope == Scope::All || my_request(&by.identity, a));
        // What waits comes first.
        all.sort_by_key(|a| a.state != "pending");
        Ok(all)
    }

    /// One request.
    pub(super) fn approval(&self, by: &Visitor, id: &str) -> Result<Approval, Refused> {
        let all = self.approvals(by)?;
        let found = all.into_iter().find(|a| a.id == id);
        found.ok_or_else(|| nothing("request"))
    }

    /// True when this person may vote on it, as far as the console can tell.
    pub(super) fn may_vote(&self, by: &Visitor, approval: &Approval) -> bool {
        Page::Vote.scope(by.roles).is_ok()
            && approval.state == "pending"
            && !my_request(&by.identity, approval)
    }

    /// True when this person has proved who they are not long ago.
    pub(super) fn is_fresh(&self, by: &Visitor) -> bool {
        let (now, within) = ((self.clock)(), self.visits.stay().fresh);
        by.proved().is_some_and(|at| now.since(at) <= within)
    }

    /// Votes.
    pub(super) async fn vote(
        &self,
        by: &Visitor,
        id: &str,
        choice: Choice,
        reason: &str,
    ) -> Result<Approval, NotCast> {
        Page::Vote.scope(by.roles)?;
        self.approval(by, id)?;
        if !self.is_fresh(by) {
            return Err(NotCast::Again);
        }
        let token = match &by.via {
            Via::Visit(visit) => visit.tokens.lock().await.token.clone(),
            Via::Bearer(token) => token.clone(),
        };
        Ok(self.bureau.vote(id, choice, reason, &token).await?)
    }

    /// What clients may ask for.
    pub(super) fn connections(&self, by: &Visitor) -> Result<Vec<ConnectionRow>, Refused> {
        Page::Connections.scope(by.roles)?;
        Ok(self.bureau.connections())
    }

    /// The policy set that serves.
    pub(super) fn policies(&self, by: &Visitor) -> Result<PolicyView, Refused> {
        Page::Policies.scope(by.roles)?;
        Ok(self.bureau.policies())
    }

    /// What packs on trial would have said.
    pub(super) async fn trial(&self, by: &Visitor) -> Result<Trial, Refused> {
        Page::Policies.scope(by.roles)?;
        self.archive.trial().await
    }

    /// A decision as it was made, and what the set that serves now says to the same input.
    pub(super) async fn explain(
        &self,
        by: &Visitor,
        id: SessionId,
        sequence: u64,
    ) -> Result<(Judged, Option<Explained>), Refused> {
        Page::Explain.scope(by.roles)?;
        self.looked(by, "decision-viewed", &id.to_string())?;
        let judged = self.archive.decision(id, sequence).await?;
        let explained = match judged.input.is_null() {
            true => None,
            false => Some(self.bureau.explain(&judged.input).await?),
        };
        Ok((judged, explained))
    }

    /// Plugins.
    pub(super) fn plugins(&self, by: &Visitor) -> Result<Vec<PluginView>, Refused> {
        Page::Plugins.scope(by.roles)?;
        Ok(self.bureau.plugins())
    }

    /// Events.
    pub(super) async fn events(&self, by: &Visitor, ask: &EventAsk) -> Result<Events, Refused> {
        Page::Events.scope(by.roles)?;
        self.archive.events(ask).await
    }

    /// How many things wait for this person, for the head of every page.
    pub(super) fn waiting(&self, roles: Roles, who: &Identity) -> usize {
        if Page::Vote.scope(roles).is_err() {
            return 0;
        }
        let all = self.bureau.approvals();
        all.iter()
            .filter(|a| a.state == "pending" && !my_request(who, a))
            .count()
    }
}
