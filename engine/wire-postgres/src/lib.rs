//! PostgreSQL v3 as a sans-IO state machine, and the pump that drives it through `link`.
//!
//! [`Postgres`] serves one listener. Below it: `greet` (up to the proof), `auth_upstream` (login with an
//! opaque credential), `conversation` (the state machine after login, no I/O), `values` (what can hold a
//! value, as text and back) and `pump` (one task per session). What cannot be framed is not forwarded;
//! an answer that nobody asked for ends the session; a refusal keeps the client in step.

mod auth_upstream;
mod bearer;
mod conversation;
mod frame;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod greet;
mod house_frames;
mod keys;
mod postgres;
mod pump;
mod refuse;
mod replication;
mod startup;
mod values;
mod wait_room;

pub use bearer::Bearer;
pub use postgres::{Listener, Postgres};
