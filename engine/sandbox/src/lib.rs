//! Plugins: WASM components that say what stands in a response and what a request does. They run in here and
//! nowhere else, with no way out but two functions that take numbers, bounded in memory, stack and time.
//!
//! This crate refuses to guess: a plugin that traps, is late or answers nonsense is a [`Fault`], and a fault
//! denies. There is no way to let a message pass because a plugin failed.
//!
//! From the outside in: [`Sandbox`] loads a [`PluginSet`]; a set opens streams; a stream calls its own
//! instances (`slot`), checks what they say (`edits`, `opinion`) and remembers who failed (`quarantine`).
//!
//! [`Fault`]: portcullis_model::Fault

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod artifacts;
mod classifiers;
mod contract;
mod edits;
mod engine;
mod error;
mod flat;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod interest;
mod loader;
mod mark;
mod maskers;
mod opinion;
mod plugin;
mod quarantine;
mod schema;
mod set;
mod sift;
pub mod signature;
mod slot;
mod snapshot;
mod stats;
mod workbench;

pub use error::{ConfigProblem, Failure, LoadError};
pub use loader::{Inspection, inspect};
pub use mark::{TenantKey, WeakKey};
pub use set::{PluginSet, PluginSpec, Sandbox, Settings};
pub use stats::PluginStats;
pub use workbench::{Live, Workbench};
