//! SSH through the gate: russh at both edges, and what happens above the channel between them.
//!
//! A client's connection is one session; each of its channels is a stream with a gate of its own and, while it is
//! active, an upstream connection of its own, so that a channel that stalls parks nothing but itself. What a client asks
//! for is judged before one byte of it goes upstream; what comes back is masked and recorded before it is shown.
//!
//! It refuses, by name and with a reason: tunnels, a second command on a channel, what leads from a host back to the client (its
//! agent, its display, forwards) where policy does not name it, and on the stricter levels of control terminals, shells and forwards. What a typed line
//! in a shell does cannot be known here: `assist` and `record` are no boundary, `exec-only` is.

#[cfg(feature = "transport")]
mod arrival;
#[cfg(feature = "transport")]
mod back;
#[cfg(feature = "transport")]
mod channel;
#[cfg(feature = "transport")]
mod conversation;
#[cfg(feature = "transport")]
mod inbox;
#[cfg(feature = "transport")]
mod keyring;
#[cfg(feature = "transport")]
mod listener;
#[cfg(feature = "transport")]
mod naming;
#[cfg(feature = "transport")]
mod passage;
#[cfg(feature = "transport")]
mod refuse;
pub mod sftp;
#[cfg(feature = "transport")]
mod sides;
#[cfg(feature = "transport")]
mod spill;
#[cfg(feature = "transport")]
mod start;
#[cfg(feature = "transport")]
mod startups;
#[cfg(feature = "transport")]
mod tap;
pub mod transfer;
#[cfg(feature = "transport")]
mod upline;
#[cfg(feature = "transport")]
mod words;

#[cfg(feature = "transport")]
pub use listener::{Listener, Ssh, Unusable};
