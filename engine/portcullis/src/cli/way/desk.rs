//! What people want of the approval desk, each with a type and once: the table of where it stands on the admin socket and
//! where under `/api/v1`. It refuses an id that is none, which would lead to another place.

use super::{Call, Reach};
use crate::cli::Exit;
use hyper::Method;
use portcullis_console::{Approval, Asked, Choice, Delegation, Grant, LinkedAccount, Mine, Review};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// A vote.
#[derive(Serialize)]
pub struct Ballot<'a> {
    pub choice: Choice,
    pub reason: &'a str,
    pub reuse_seconds: Option<u64>,
}

/// A connection, in advance.
#[derive(Serialize)]
pub struct Access<'a> {
    pub target: &'a str,
    pub seconds: Option<u64>,
    pub reason: &'a str,
    pub ticket: Option<&'a str>,
    pub break_glass: bool,
}

/// More time.
#[derive(Serialize)]
pub struct More<'a> {
    pub seconds: u64,
    pub reason: &'a str,
}

/// The word of a reviewer.
#[derive(Serialize)]
pub struct Said<'a> {
    pub finding: &'static str,
    pub text: &'a str,
}

/// Somebody who stands in.
#[derive(Serialize)]
pub struct Away<'a> {
    pub subject: &'a str,
    pub issuer: Option<&'a str>,
    pub seconds: u64,
    pub reason: &'a str,
}

/// A chat account.
#[derive(Serialize)]
pub struct Link<'a> {
    pub code: &'a str,
    pub confirm: bool,
}

/// Something to look at, which over the socket takes no token.
fn look(socket: String, server: String) -> Call {
    Call {
        socket: (Method::GET, socket),
        server: (Method::GET, server),
        body: Value::Null,
        own: false,
    }
}

/// Something that is done in somebody's name.
fn act(socket: String, server: String, body: &impl Serialize) -> Result<Call, Exit> {
    Ok(Call {
        socket: (Method::POST, socket),
        server: (Method::POST, server),
        body: serde_json::to_value(body).map_err(std::io::Error::from)?,
        own: true,
    })
}

impl Reach {
    /// Requests: all of them, or those that this person may see.
    pub fn approvals(&self) -> Result<Vec<Approval>, Exit> {
        self.ask(look("/v1/approvals".into(), "/api/v1/approvals".into()))
    }

    /// One request.
    pub fn approval(&self, id: &str) -> Result<Approval, Exit> {
        let id = path_part(id)?;
        self.ask(look(
            format!("/v1/approvals/{id}"),
            format!("/api/v1/approvals/{id}"),
        ))
    }

    /// One request, for whoever waits no longer than that.
    pub fn approval_within(&self, id: &str, left: Duration) -> Result<Approval, Exit> {
        let id = path_part(id)?;
        self.ask_within(
            Some(left),
            look(
                format!("/v1/approvals/{id}"),
                format!("/api/v1/approvals/{id}"),
            ),
        )
    }

    /// Votes.
    pub fn vote(&self, id: &str, ballot: &Ballot<'_>) -> Result<Approval, Exit> {
        let id = path_part(id)?;
        self.ask(act(
            format!("/v1/approvals/{id}/votes"),
            format!("/api/v1/approvals/{id}/votes"),
            ballot,
        )?)
    }

    /// What this person has asked for and holds.
    pub fn mine(&self) -> Result<Mine, Exit> {
        self.ask(Call {
            socket: (Method::POST, "/v1/mine".into()),
            own: true,
            ..look(String::new(), "/api/v1/mine".into())
        })
    }

    /// Asks for a connection in advance, or breaks its glass.
    pub fn request_access(&self, wish: &Access<'_>) -> Result<Asked, Exit> {
        self.ask(act("/v1/access".into(), "/api/v1/access".into(), wish)?)
    }

    /// Grants in force.
    pub fn grants(&self) -> Result<Vec<Grant>, Exit> {
        self.ask(look("/v1/grants".into(), "/api/v1/grants".into()))
    }

    /// Ends a grant early. It only takes away: over the socket it takes no token.
    pub fn end_grant(&self, id: &str, reason: &str) -> Result<Grant, Exit> {
        let id = path_part(id)?;
        let reason = match reason.trim() {
            "" => "ended early, without a reason",
            reason => reason,
        };
        self.ask(Call {
            socket: (Method::DELETE, format!("/v1/grants/{id}")),
            server: (Method::POST, format!("/api/v1/grants/{id}/end")),
            body: json!({"reason": reason}),
            own: false,
        })
    }

    /// Asks for more time.
    pub fn extend(&self, id: &str, more: &More<'_>) -> Result<Asked, Exit> {
        let id = path_part(id)?;
        self.ask(act(
            format!("/v1/grants/{id}/extensions"),
            format!("/api/v1/grants/{id}/extensions"),
            more,
        )?)
    }

    /// Reviews of broken glass.
    pub fn reviews(&self) -> Result<Vec<Review>, Exit> {
        self.ask(look("/v1/reviews".into(), "/api/v1/reviews".into()))
    }

    /// Closes a review.
    pub fn close_review(&self, id: &str, said: &Said<'_>) -> Result<Review, Exit> {
        let id = path_part(id)?;
        self.ask(act(
            format!("/v1/reviews/{id}"),
            format!("/api/v1/reviews/{id}/finding"),
            said,
        )?)
    }

    /// Who stands in for whom.
    pub fn delegations(&self) -> Result<Vec<Delegation>, Exit> {
        self.ask(look("/v1/delegations".into(), "/api/v1/delegations".into()))
    }

    /// Has somebody stand in.
    pub fn delegate(&self, away: &Away<'_>) -> Result<Delegation, Exit> {
        self.ask(act(
            "/v1/delegations".into(),
            "/api/v1/delegations".into(),
            away,
        )?)
    }

    /// Ends a delegation.
    pub fn end_delegation(&self, id: &str) -> Result<Delegation, Exit> {
        let id = path_part(id)?;
        self.ask(Call {
            socket: (Method::DELETE, format!("/v1/delegations/{id}")),
            ..act(
                String::new(),
                format!("/api/v1/delegations/{id}/end"),
                &json!({}),
            )?
        })
    }

    /// Links a chat account, or says which it is.
    pub fn link(&self, link: &Link<'_>) -> Result<LinkedAccount, Exit> {
        self.ask(act("/v1/accounts".into(), "/api/v1/accounts".into(), link)?)
    }
}

/// An id goes into a path: nothing but what ids are made of.
pub(super) fn path_part(id: &str) -> Result<&str, Exit> {
    let plain = id
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    match plain && !id.is_empty() {
        true => Ok(id),
        false => Err(Exit::refused_with(
            "that is no id of a request",
            "`portcullis approvals list` shows them",
        )),
    }
}
