//! The desk where holds and access requests wait for people.
//!
//! A request is bound to identity, actors, target and exact bytes; it is used once; it has one time to be
//! approved in and another to be used in. Whatever policy says, the desk itself refuses the vote of the
//! requester, of anybody in an act chain with it, of a machine's owner, of whatever is not human, of the
//! same person twice, and of a token that is not fresh ([`electorate`]).
//!
//! What it refuses: to approve by silence, by restart or by failure. Requests live in memory: after a
//! restart they are gone, whoever waited is refused and asks again. A transition that cannot be recorded
//! does not happen, where it would let something through; where it ends a request, it happens anyway.

mod desk;
mod electorate;
mod request;
mod state;
mod view;

pub use desk::{Desk, Note, Settings};
pub use electorate::VoteRefused;
pub use portcullis_model::{escape_for_people, escape_line};
pub use request::{Ballot, Vote};
pub use state::State;
pub use view::{RequirementView, SessionView, View, VoteView};
