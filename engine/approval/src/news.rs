//! What the channels are told, escaped and short. Refuses to carry a secret or more than a glance: what is shown is the
//! masked form, cut; whoever wants all of it looks at the request.

use crate::grant::Grant;
use crate::moment::Moment;
use crate::request::Request;
use crate::review::{Delegation, Review};
use portcullis_model::{Chat, Fault, Timestamp, escape_line};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// So much of a command is shown in a message.
const SHOWN_CHARS_MAX: usize = 400;

/// Whoever passes news on. Implemented by the outbox.
pub trait Announce: Send + Sync {
    /// Takes a message in: when this returns, it will be delivered or at least not be lost.
    ///
    /// # Errors
    /// When it could be lost.
    fn announce(&self, news: &News) -> Result<(), Fault>;
}

/// Nobody to tell.
#[derive(Debug, Default)]
pub struct Nobody;

impl Announce for Nobody {
    fn announce(&self, _: &News) -> Result<(), Fault> {
        Ok(())
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// `approval.opened`, `glass.broken`, …
    pub event: String,
    /// What it is about.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Somebody has to look now.
    pub urgent: bool,
    /// One line for people.
    pub line: String,
    /// Groups that it concerns.
    pub groups: Vec<String>,
    /// What a chat message about it may do.
    pub chat: Chat,
    /// The rest, for programs.
    pub detail: Value,
}

impl News {
    pub(crate) fn of_request(event: &str, request: &Request, now: Moment, urgent: bool) -> Self {
        let asked = &request.asked;
        let session = &asked.session;
        let requirements = &asked.requirements;
        let mut groups: Vec<String> = requirements
            .iter()
            .flat_map(|r| request.groups(r, now))
            .map(|g| escape_line(&g))
            .collect();
        groups.sort();
        groups.dedup();
        let who = escape_line(&session.identity.name);
        let target = escape_line(&session.target.name);
        let shown = glance(&asked.shown);
        let state = request.state().name();
        Self {
            event: event.to_owned(),
            id: request.id.clone(),
            at: now.wall,
            urgent,
            line: format!("{}: {who} on {target}, {state}: {shown}", request.id),
            groups,
            chat: requirements
                .iter()
                .map(|r| r.terms.chat)
                .min()
                .unwrap_or_default(),
            detail: json!({
                "state": state, "requester": who, "kind": session.identity.kind, "target": target,
                "shown": shown, "access": asked.access,
                "rules": requirements.iter().map(|r| escape_line(&r.rule)).collect::<Vec<_>>(),
                "messages": requirements.iter().map(|r| escape_line(&r.msg)).collect::<Vec<_>>(),
                "reason": session.reason.as_deref().map(glance),
                "ticket": asked.ticket.as_deref().map(glance),
                "expires": request.until.wall.rfc3339(),
                "votes": request.votes.iter().map(|v| json!({
                    "by": escape_line(&v.voter.name), "ballot": v.ballot,
                })).collect::<Vec<_>>(),
                "grant": request.grant,
            }),
        }
    }

    pub(crate) fn of_grant(event: &str, grant: &Grant, now: Moment, why: &str) -> Self {
        let who = escape_line(&grant.holder.name);
        let target = escape_line(&grant.target.name);
        let purpose = grant.purpose.name();
        let until = grant.until.rfc3339();
        Self {
            event: event.to_owned(),
            id: grant.id.clone(),
            at: now.wall,
            urgent: false,
            line: format!(
                "{}: {purpose} of {who} on {target} until {until} ({event})",
                grant.id
            ),
            groups: Vec::new(),
            chat: Chat::Notify,
            detail: json!({
                "holder": who, "target": target, "purpose": purpose, "until": until,
                "request": grant.request, "why": escape_line(why),
            }),
        }
    }

    pub(crate) fn of_review(event: &str, review: &Review, now: Moment, urgent: bool) -> Self {
        let who = escape_line(&review.holder.name);
        let target = escape_line(&review.target);
        let reason = glance(&review.reason);
        let due = review.due.rfc3339();
        let state = review.state(now.wall);
        Self {
            event: event.to_owned(),
            id: review.id.clone(),
            at: now.wall,
            urgent,
            line: format!(
                "{}: {who} broke the glass of {target}: {reason}; review {state}, due {due}",
                review.id
            ),
            groups: review.reviewers.iter().map(|g| escape_line(g)).collect(),
            chat: Chat::Notify,
            detail: json!({
                "holder": who, "target": target, "reason": reason, "due": due,
                "grant": review.grant, "state": state,
            }),
        }
    }

    pub(crate) fn of_delegation(event: &str, delegation: &Delegation, now: Moment) -> Self {
        let from = escape_line(&delegation.from.name);
        let to = escape_line(&delegation.to.subject);
        let until = delegation.until.rfc3339();
        Self {
            event: event.to_owned(),
            id: delegation.id.clone(),
            at: now.wall,
            urgent: false,
            line: format!("{}: {to} stands in for {from} until {until}", delegation.id),
            groups: Vec::new(),
            chat: Chat::Notify,
            detail: json!({"from": from, "to": to, "until": until}),
        }
    }
}

fn glance(text: &str) -> String {
    let line = escape_line(text);
    match line.char_indices().nth(SHOWN_CHARS_MAX) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}
