//! Token exchange (RFC 8693), the part that decides: an agent acts for a person, with the person's token and
//! its own. What comes out stands for the person, names the agent in `act`, is of the agent's kind, and ends
//! with the earlier of the two.
//!
//! It only narrows. It refuses people as actors (they log in), machines as subjects (they have a token of
//! their own), an actor that the person's token does not want (`may_act`), and chains over the limit.

use super::narrow::{MINE, Narrowing, Origin};
use portcullis_model::{Denial, Identity, Kind, Principal, Timestamp, limits};
use serde_json::{Value, json};
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    /// Targets; all of the subject's when not said.
    pub targets: Option<Vec<String>>,
    /// Reading only.
    pub read_only: bool,
    /// What for.
    pub task: Option<String>,
    /// How long at most.
    pub lasts: Duration,
}

/// The identity of `actor` acting for `subject`, within what is asked for. `id` becomes its token's.
///
/// # Errors
/// A denial for whoever asked.
pub fn delegate(
    subject: &Identity,
    actor: &Identity,
    asked: Delegation,
    id: &str,
    now: Timestamp,
) -> Result<Identity, Denial> {
    let before = Narrowing::of(subject)?;
    roles(subject, actor, before.is_some())?;
    bounded(&asked)?;
    let expires = now
        .after(asked.lasts)
        .min(subject.expires)
        .min(actor.expires);
    if expires <= now {
        return Err(refused("one of the two tokens has expired"));
    }
    let mut origins = Vec::new();
    for part in [subject, actor] {
        origins.extend(part.token_id.iter().map(|id| Origin {
            issuer: part.principal.issuer.clone(),
            id: id.clone(),
        }));
    }
    let wanted = Narrowing {
        targets: asked.targets,
        read_only: asked.read_only,
        task: asked.task,
        actor_groups: actor.groups.clone(),
        origins,
    };
    let narrowing = match before {
        None => wanted,
        Some(before) => before.within(wanted)?,
    };
    let mut identity = subject.clone();
    identity.kind = actor.kind;
    identity.actors.insert(0, actor.principal.clone());
    identity.owner = Some(subject.principal.clone());
    identity.token_id = Some(id.to_owned());
    identity.expires = expires;
    identity.claims.insert(MINE.to_owned(), narrowing.claim());
    Ok(identity)
}

fn roles(subject: &Identity, actor: &Identity, delegated: bool) -> Result<(), Denial> {
    let acted_for = delegated && !subject.actors.is_empty();
    if subject.kind != Kind::Human && !acted_for {
        return Err(refused(
            "the subject is no person: a machine uses its own token",
        ));
    }
    if actor.kind == Kind::Human {
        return Err(refused(
            "the actor is a person, and people act for themselves",
        ));
    }
    if !actor.actors.is_empty() || actor.claims.contains_key(MINE) {
        return Err(refused("the actor acts for somebody else already"));
    }
    if subject.involves(&actor.principal) {
        return Err(refused("the actor is in the chain already"));
    }
    if subject.actors.len() >= limits::TOKEN_ACTORS_MAX {
        return Err(refused("the chain of actors is at its limit"));
    }
    match subject.claims.get("may_act") {
        None => Ok(()),
        Some(wanted) if is(wanted, &actor.principal, &subject.principal.issuer) => Ok(()),
        Some(_) => Err(refused(
            "the person's token wants another actor (`may_act`)",
        )),
    }
}

/// RFC 8693 section 4.4.
fn is(wanted: &Value, actor: &Principal, issuer: &str) -> bool {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let from = match wanted.get("iss") {
        None => Some(issuer),
        Some(_) => text("iss"),
    };
    text("sub") == Some(actor.subject.as_str()) && from == Some(actor.issuer.as_str())
}

fn bounded(asked: &Delegation) -> Result<(), Denial> {
    let fits = |target: &String| !target.is_empty() && target.len() <= limits::TOKEN_NAME_BYTES_MAX;
    let targets = asked.targets.as_ref().is_none_or(|targets| {
        !targets.is_empty()
            && targets.len() <= limits::NARROWED_TARGETS_MAX
            && targets.iter().all(fits)
    });
    let task = asked.task.as_ref().is_none_or(|task| {
        task.len() <= limits::TASK_BYTES_MAX && !task.chars().any(char::is_control)
    });
    match targets && task {
        true => Ok(()),
        false => Err(refused(
            "the targets or the task are too many, too long or empty",
        )),
    }
}

fn refused(why: &'static str) -> Denial {
    Denial::new("identity/exchange", why).hint(
        "subject_token is the person's, actor_token the agent's own; both must be good for this gateway.",
    )
}

/// The chain as the claim `act` (RFC 8693 section 4.1), the current actor outermost.
pub(super) fn act(actors: &[Principal]) -> Option<Value> {
    actors.iter().rev().fold(None, |inner, actor| {
        let mut claim = json!({"iss": actor.issuer, "sub": actor.subject});
        if let Some(inner) = inner {
            claim["act"] = inner;
        }
        Some(claim)
    })
}
