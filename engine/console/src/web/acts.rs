//! What can be seen and done, once: pages and API both call these. Each asks the table of roles first, keeps a
//! requester to what is its own, and puts on record who looked at what.
//!
//! It refuses to say whether something is there that is somebody else's, and to show what cannot be noted.

mod standing;

pub(super) use standing::{Away, Wanted};

use super::Console;
use super::guard::Visitor;
use super::places::Place;
use super::role::{Page, Roles, Scope};
use crate::archive::{Ask, EventAsk, Events, Found, Judged, Recorded, Shot, Steps, Trial, Volume};
use crate::bureau::{Explained, PluginView, PolicyView, Watched};
use crate::operations::{Approval, Ballot, Choice, ConnectionRow, Refused, SessionRow};
use portcullis_model::{Identity, Principal, SessionId, escape_line, limits};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Steps of a page of a session.
pub(super) const STEPS: u32 = 200;

/// A vote.
pub(super) struct Cast<'a> {
    pub choice: Choice,
    pub reason: &'a str,
    /// A yes: for so long it is meant for the whole class.
    pub reuse_seconds: Option<u64>,
}

/// Something that was not done: a vote, a review, whatever takes a fresh login.
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
            Self::Again => Refused::new(403, "this needs a fresh login (console/fresh-login)")
                .hint("log in again (`portcullis login --fresh`), with a token that says when that was (`auth_time`); \
                    where the provider does not, ask the operator for `approvals.fresh_login: token`"),
        }
    }
}

/// Something that goes on while somebody looks: by whom, by which right, and on which place.
pub(super) struct Sight {
    console: Arc<Console>,
    by: Visitor,
    page: Page,
    own: bool,
    _place: Place,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It does.
    Goes,
    /// Policy cannot say now: nothing is shown until it can.
    Rests,
    /// The login or the right to it is over, and why.
    Over(&'static str),
}

impl Sight {
    /// Whether it goes on, as things stand now.
    pub(super) fn outlook(&self) -> Outlook {
        let roles = match self.console.still(&self.by) {
            Ok(roles) => roles,
            Err(refused) if refused.status == 503 => return Outlook::Rests,
            Err(_) => return Outlook::Over("you are no longer logged in"),
        };
        match self.page.scope(roles) {
            Ok(Scope::All) => Outlook::Goes,
            Ok(Scope::Own) if self.own => Outlook::Goes,
            Ok(Scope::Own) | Err(_) => Outlook::Over("you may no longer see this"),
        }
    }
}

/// Letters of a reason, as the document of the API says. The desk takes as many, of four bytes each.
const REASON_CHARS_MAX: usize = 1000;
const _: () = assert!(REASON_CHARS_MAX * 4 <= limits::VOTE_REASON_BYTES_MAX);

fn nothing(what: &str) -> Refused {
    Refused::new(404, format!("there is no such {what}"))
        .hint("it may be somebody else's, or over for too long")
}

/// An id, as a path has it.
pub(super) fn session_id(text: &str) -> Result<SessionId, Refused> {
    text.parse().map_err(|_| nothing("session"))
}

/// A reason, without the space around it.
fn reason(text: &str) -> Result<&str, Refused> {
    let text = text.trim();
    match text.is_empty() || text.chars().count() > REASON_CHARS_MAX {
        true => Err(Refused::new(400, "a reason is missing, or too long")
            .hint("say in a sentence why; it is recorded, and whoever it is about is told")),
        false => Ok(text),
    }
}

fn mine(who: &Identity, issuer: &str, subject: &str) -> bool {
    let Principal {
        issuer: own_issuer,
        subject: own_subject,
    } = &who.principal;
    // What is shown is escaped.
    escape_line(own_issuer) == issuer && escape_line(own_subject) == subject
}

fn may_read(roles: Roles, who: &Identity, session: &Recorded) -> bool {
    match Page::Replay.scope(roles) {
        Ok(Scope::All) => true,
        Ok(Scope::Own) => mine(who, &session.issuer, &session.subject),
        Err(_) => false,
    }
}

fn for_the_auditor() -> Refused {
    Refused::new(403, "what was recorded is for the auditor (console/role)")
        .hint("you see who, where and when of other people's sessions")
}

/// Refuses a session that is not within what they see, as if there were none.
fn of_theirs(scope: Scope, by: &Visitor, session: &Recorded) -> Result<(), Refused> {
    match scope == Scope::All || mine(&by.identity, &session.issuer, &session.subject) {
        true => Ok(()),
        false => Err(nothing("session")),
    }
}

/// True for whoever may read what was recorded of others.
fn reads_all(roles: Roles) -> bool {
    matches!(Page::Replay.scope(roles), Ok(Scope::All))
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

    /// Watches a live session. Whoever may not read what was recorded sees what comes, not what was before.
    pub(super) async fn watch(
        self: &Arc<Self>,
        by: &Visitor,
        id: SessionId,
    ) -> Result<(mpsc::Receiver<Watched>, Sight), Refused> {
        let scope = Page::Watch.scope(by.roles)?;
        let row = self.live_one(by, id)?;
        let own = mine(&by.identity, &row.issuer, &row.subject);
        if scope == Scope::Own && !own {
            return Err(nothing("live session"));
        }
        let place = self.watching.take(&by.identity.principal).ok_or_else(|| {
            Refused::new(429, "too many sessions are being watched (console/watches)")
                .hint("close another page that watches")
        })?;
        self.looked(by, "session-watched", &row.id.to_string())?;
        let past = own || reads_all(by.roles);
        let feed = self.bureau.watch(id, past).await;
        let feed = feed.ok_or_else(|| nothing("live session"))?;
        Ok((feed, self.sight(by, Page::Watch, own, place)))
    }

    fn sight(self: &Arc<Self>, by: &Visitor, page: Page, own: bool, place: Place) -> Sight {
        Sight {
            console: Arc::clone(self),
            by: by.clone(),
            page,
            own,
            _place: place,
        }
    }

    /// Ends a live session.
    pub(super) fn kill(&self, by: &Visitor, id: SessionId, reason: &str) -> Result<(), Refused> {
        Page::Kill.scope(by.roles)?;
        self.bureau.kill(id, self::reason(reason)?, &by.identity)
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
        let _turn = self.turn(by).await?;
        self.archive.sessions(ask, whose).await
    }

    /// One recorded session.
    pub(super) async fn session(&self, by: &Visitor, id: SessionId) -> Result<Volume, Refused> {
        let scope = Page::Sessions.scope(by.roles)?;
        let volume = {
            let _turn = self.turn(by).await?;
            self.archive.session(id).await?
        };
        let volume = volume.ok_or_else(|| nothing("session"))?;
        of_theirs(scope, by, &volume.session)?;
        Ok(volume)
    }

    /// Its row in the list: nothing else of it is read, however long it is.
    pub(super) async fn recorded(&self, by: &Visitor, id: SessionId) -> Result<Recorded, Refused> {
        let scope = Page::Sessions.scope(by.roles)?;
        let row = {
            let _turn = self.turn(by).await?;
            self.archive.row(id).await?
        };
        let row = row.ok_or_else(|| nothing("session"))?;
        of_theirs(scope, by, &row)?;
        Ok(row)
    }

    /// One recorded session and what happened in it after an entry, where they may see that: it is read once, and shown
    /// once it is on record that they looked.
    pub(super) async fn opened(
        &self,
        by: &Visitor,
        id: SessionId,
        after: u64,
        most: u32,
    ) -> Result<(Volume, Option<Steps>), Refused> {
        let scope = Page::Sessions.scope(by.roles)?;
        let (roles, who) = (by.roles, Arc::clone(&by.identity));
        let may = Box::new(move |session: &Recorded| may_read(roles, &who, session));
        let opened = {
            let _turn = self.turn(by).await?;
            self.archive.opened(id, may, after, most).await?
        };
        let (volume, steps) = opened.ok_or_else(|| nothing("session"))?;
        of_theirs(scope, by, &volume.session)?;
        if steps.is_some() {
            // Every page of it: whoever begins in the middle has looked as well.
            let detail = json!({"session": id, "after": after});
            self.bureau
                .note("recording-viewed", &by.identity, &detail)?;
        }
        Ok((volume, steps))
    }

    /// What happened in a session.
    pub(super) async fn steps(
        &self,
        by: &Visitor,
        id: SessionId,
        after: u64,
        most: u32,
    ) -> Result<Steps, Refused> {
        let (_, steps) = self.opened(by, id, after, most).await?;
        steps.ok_or_else(for_the_auditor)
    }

    /// A terminal of a session.
    pub(super) async fn film(
        self: &Arc<Self>,
        by: &Visitor,
        id: SessionId,
        stream: Option<u32>,
    ) -> Result<(mpsc::Receiver<Shot>, Sight), Refused> {
        let session = self.recorded(by, id).await?;
        if !may_read(by.roles, &by.identity, &session) {
            return Err(for_the_auditor());
        }
        let own = mine(&by.identity, &session.issuer, &session.subject);
        let place = self.playing.take(&by.identity.principal).ok_or_else(|| {
            Refused::new(429, "too many films are being played (console/films)")
                .hint("close another page that plays one")
        })?;
        self.looked(by, "recording-played", &id.to_string())?;
        let shots = self.archive.film(id, stream).await?;
        Ok((shots, self.sight(by, Page::Replay, own, place)))
    }

    /// One read at a time for each identity: nobody takes all the readers with a page that is opened many times.
    async fn turn(&self, by: &Visitor) -> Result<OwnedSemaphorePermit, Refused> {
        let turn = self.reading.turn(&by.identity.principal).await;
        turn.ok_or_else(|| Refused::new(503, "the record cannot be read now"))
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
        let own = all.iter().filter(|a| my_request(&by.identity, a));
        self.shown.keep(&by.identity, own.map(|a| a.id.as_str()));
        if scope == Scope::All {
            let ids = all.iter().map(|a| a.id.as_str());
            self.shown.keep_for_all(Page::Approvals, ids);
        }
        // What waits comes first.
        all.sort_by_key(|a| a.state != "pending");
        Ok(all)
    }

    /// One request; whoever asks for what is not theirs to see is on record.
    pub(super) fn approval(&self, by: &Visitor, id: &str) -> Result<Approval, Refused> {
        self.seen_to(by, "look at a request", id, self.request(by, id))
    }

    fn request(&self, by: &Visitor, id: &str) -> Result<Approval, Refused> {
        let scope = Page::Approvals.scope(by.roles)?;
        let found = self.bureau.approval(id);
        let theirs = |a: &Approval| scope == Scope::All || my_request(&by.identity, a);
        let found = found.filter(theirs).ok_or_else(|| nothing("request"))?;
        if my_request(&by.identity, &found) {
            self.shown.keep(&by.identity, [found.id.as_str()]);
        }
        if scope == Scope::All {
            let id = found.id.as_str();
            self.shown.keep_for_all(Page::Approvals, [id]);
        }
        Ok(found)
    }

    /// True when there is such a request that they may see.
    pub(super) fn has_request(&self, by: &Visitor, id: &str) -> bool {
        self.request(by, id).is_ok()
    }

    /// True when this person may vote on it, as far as the console can tell.
    pub(super) fn may_vote(&self, by: &Visitor, approval: &Approval) -> bool {
        Page::Vote.scope(by.roles).is_ok()
            && approval.state == "pending"
            && !my_request(&by.identity, approval)
    }

    /// True when this person has proved who they are not long ago. The provider has to say when that was: that it was
    /// told to ask does not show that it did.
    pub(super) fn is_fresh(&self, by: &Visitor) -> bool {
        let stay = self.visits.stay();
        match by.identity.authenticated {
            Some(_) => by.identity.proved_within(stay.fresh, (self.clock)()),
            None => stay.unsaid,
        }
    }

    /// Votes.
    pub(super) async fn vote(
        &self,
        by: &Visitor,
        id: &str,
        cast: &Cast<'_>,
    ) -> Result<Approval, NotCast> {
        let open = Page::Vote.scope(by.roles);
        if let Err(refused) = open.and_then(|_| self.request(by, id)) {
            if !self.shown.to(&by.identity, id) {
                self.bureau.refused_vote(id, &refused, &by.identity);
            }
            return Err(refused.into());
        }
        self.proved_just_now(by)?;
        let ballot = Ballot {
            choice: cast.choice,
            reason: cast.reason.to_owned(),
            reuse_seconds: cast.reuse_seconds,
            token: by.token().await,
        };
        Ok(self.bureau.vote(id, &ballot, &by.identity).await?)
    }

    /// What takes a fresh login is not done without one.
    fn proved_just_now(&self, by: &Visitor) -> Result<(), NotCast> {
        match self.is_fresh(by) {
            true => Ok(()),
            false => Err(NotCast::Again),
        }
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

    /// What packs on trial would have said; to which commands, for whoever may read what was recorded.
    pub(super) async fn trial(&self, by: &Visitor) -> Result<Trial, Refused> {
        Page::Policies.scope(by.roles)?;
        let examples = reads_all(by.roles);
        if examples {
            self.bureau.note("trial-viewed", &by.identity, &json!({}))?;
        }
        let _turn = self.turn(by).await?;
        let mut trial = self.archive.trial().await?;
        if !examples {
            for row in &mut trial.rules {
                (row.example, row.session) = (None, None);
            }
        }
        Ok(trial)
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
        let judged = {
            let _turn = self.turn(by).await?;
            self.archive.decision(id, sequence).await?
        };
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
        let _turn = self.turn(by).await?;
        self.archive.events(ask).await
    }

    /// How many things wait for this person, for the head of every page.
    pub(super) fn waiting(&self, roles: Roles, who: &Identity) -> usize {
        if Page::Vote.scope(roles).is_err() {
            return 0;
        }
        self.bureau.waiting(who)
    }
}
