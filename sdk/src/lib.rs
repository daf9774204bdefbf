//! Write Portcullis plugins in Rust: a [`Masker`] says what stands in a response, a [`Classifier`] says
//! what a request does. The plugin runs in a sandbox inside the gateway and in plain `cargo test`.
//!
//! This crate refuses to give a plugin anything but the message: no clock, file, socket, environment
//! or randomness. What a plugin cannot decide it must `panic!` about: that denies, and nothing else does.

#[cfg(feature = "build")]
pub mod build;
pub mod call;
pub mod checks;
mod classifier;
pub mod facts;
#[doc(hidden)]
pub mod glue;
pub mod host;
pub mod manifest;
mod masker;
pub mod needles;
#[cfg(not(target_arch = "wasm32"))]
pub mod sieve;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod types;

pub use classifier::{Classifier, Effect, Message, Object, Opinion, Protocol, Risk, Stage, Verbs};
pub use manifest::{Manifest, Rule};
pub use masker::{Batch, BatchKind, Cell, Column, Edits, Masker, Shape};

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// What most plugins import.
pub mod prelude {
    pub use crate::{
        Batch, BatchKind, Cell, Classifier, Column, ConfigError, Edits, Effect, Masker, Message,
        NoConfig, Object, Opinion, Protocol, Risk, Rule, Shape, Stage, Stream, Verbs,
        export_classifier, export_masker,
    };
    pub use serde::Deserialize;
}

/// A plugin with its manifest. `export_masker!` and `export_classifier!` implement it from the file
/// `plugin.json` next to the plugin's `Cargo.toml`.
pub trait Described {
    /// The manifest, JSON.
    const MANIFEST: &'static str;
}

/// The configuration of a plugin that has none: accepts `{}` and `null` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoConfig;

impl<'de> Deserialize<'de> for NoConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Empty {}
        Option::<Empty>::deserialize(deserializer).map(|_| Self)
    }
}

/// What is wrong with a configuration; shown to the operator by `portcullis check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// JSON pointer: `/entities/3`; empty for the whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ConfigError {
    /// An error at a JSON pointer.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// What a plugin learns of the stream it works on: labels, never a credential, a name or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Stream {
    /// `postgres`, `ssh`, `kubernetes`.
    pub protocol: String,
    /// The target's name.
    pub target: String,
    /// The target's labels: `env: prod`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// PostgreSQL: the upstream database.
    #[serde(default)]
    pub database: Option<String>,
    /// Who acts: `human`, `agent`, `ci`, `service`.
    pub actor: String,
    /// Groups of the actor.
    #[serde(default)]
    pub groups: Vec<String>,
}
