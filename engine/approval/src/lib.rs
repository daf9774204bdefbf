//! The desk where holds and access requests wait for people.
//!
//! A request is bound to identity, actors, target and exact bytes; it is used once; it has one time to be
//! approved in and another to be used in. What stands longer is a grant, another object ([`grant`]), which policy has to
//! allow. Whatever policy says, the desk itself refuses the vote of the requester, of anybody in an act chain with it, of
//! a machine's owner, of whatever is not human, of the same person twice, and of a token that is not fresh
//! ([`electorate`]).
//!
//! What it refuses: to approve by silence, by restart or by failure. Whoever holds bytes and waits is refused when the
//! gateway ends; what nobody waits for, grants, reviews and delegations are on stable storage before they count
//! ([`store`]). A transition that cannot be recorded does not happen, where it would let something through; where it ends
//! a request, it happens anyway.

mod channel;
mod desk;
mod electorate;
mod grant;
mod moment;
mod news;
mod patience;
mod request;
mod review;
mod state;
mod store;
mod view;

#[cfg(fuzzing)]
pub use channel::fuzzing as hook_fuzzing;
pub use channel::{
    Account, Callback, Channel, Inbound, Keys, Linked, Links, Mail, MailServer, MailTls, NotSigned,
    Outbox, Phrase, Slack, SlackDesk, SlackWord, TicketChecks, Tickets, Tracker, TrackerKind,
    Webhook,
};
pub use desk::{Concern, Desk, Hands, Note, Settings, Unreadable, Word};
pub use electorate::VoteRefused;
pub use grant::Purpose;
pub use moment::{Clocks, Moment, Steady};
pub use news::{Announce, News, Nobody};
pub use patience::PatientKeep;
pub use portcullis_model::{escape_for_people, escape_line};
pub use request::{Ballot, Vote};
pub use review::Finding;
pub use state::State;
pub use store::{FileStore, Keep, Kept, Nowhere, Shelf, StoreError};
pub use view::{
    DelegationView, GrantView, RequirementView, ReviewView, SessionView, View, VoteView,
};
