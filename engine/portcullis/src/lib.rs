//! The gateway as a program: configuration, command line, listeners, the front desk, and the one place
//! where the parts meet. It refuses to decide anything itself: who, whether, what and how are answered
//! by `identity`, `policy`, `sandbox` and `vault`, and this crate only keeps their order.

mod acts;
pub mod archive;
pub mod assemble;
pub mod cli;
pub mod clock;
pub mod config;
pub mod feed;
pub mod front_desk;
mod guesses;
pub mod harden;
pub mod ledgers;
pub mod listen;
pub mod metrics;
pub mod operations;
pub mod paths;
pub mod registry;
pub mod reload;
pub mod revocation;
pub mod serve;
pub mod watch;
