//! The ways out of the gateway, and back in: signed webhooks, chat, e-mail. What goes out is news, escaped and short; what
//! comes in is verified before it is read. It refuses to take a message from outside for a vote: a vote is somebody's, by
//! a fresh login of their own.

mod callback;
#[cfg(fuzzing)]
pub mod fuzzing;
mod links;
mod mail;
mod outbox;
mod sign;
mod slack;
mod ticket;
mod webhook;

pub use callback::{Callback, Inbound};
pub use links::{Account, Linked, Links};
pub use mail::{Mail, MailServer, MailTls};
pub use outbox::Outbox;
pub use sign::{Keys, NotSigned};
pub use slack::{Slack, SlackDesk, SlackWord};
pub use ticket::{TicketChecks, Tickets, Tracker, TrackerKind};
pub use webhook::Webhook;

use crate::news::News;
use portcullis_gate::BoxFuture;
use portcullis_model::Fault;
use zeroize::Zeroizing;

/// One way out.
pub trait Channel: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    /// True when it wants to hear of this.
    fn wants(&self, news: &News) -> bool;
    /// Delivers a message. `id` is the same at every attempt, so that whoever gets it twice can tell.
    ///
    /// # Errors
    /// When it was not taken in; it is tried again.
    fn deliver<'a>(&'a self, id: &'a str, news: &'a News) -> BoxFuture<'a, Result<(), Fault>>;
}

/// A secret, read when it is needed. Implemented over `vault`.
pub trait Phrase: Send + Sync {
    /// The secret as it is now.
    ///
    /// # Errors
    /// When it cannot be had.
    fn read(&self) -> BoxFuture<'_, Result<Zeroizing<String>, Fault>>;
}

/// True when a list of events names this one; no list names all. `glass.*` names all that begin so.
fn named(events: &[String], event: &str) -> bool {
    let fits = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => event.starts_with(start),
        None => pattern == event,
    };
    events.is_empty() || events.iter().any(fits)
}

/// Where people look at what a message is about.
fn link(portal: Option<&str>, id: &str) -> String {
    match portal {
        Some(portal) => format!("{}/approvals/{id}", portal.trim_end_matches('/')),
        None => format!("portcullis approvals show {id}"),
    }
}
