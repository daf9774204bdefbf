//! How much of an SSH session is under control, from least to most. The names are what policies, configuration and lists
//! say. No level claims more than it can keep: what a line typed in a shell does cannot be known from outside.

use serde::{Deserialize, Serialize};

/// A level of control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Everything is recorded; commands and channels are decided, what is typed in a shell is not.
    Record,
    /// The same, and lines typed at a prompt are judged before they are sent, as far as they can be recovered: an aid,
    /// not a boundary.
    Assist,
    /// No terminal, no shell, no forward: each command is decided before one byte of it goes to the host.
    ExecOnly,
    /// The same, and a command is a program and plain words, which reach the host as they were decided.
    Argv,
}

impl Control {
    /// The name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Assist => "assist",
            Self::ExecOnly => "exec-only",
            Self::Argv => "argv",
        }
    }

    /// Whether there may be terminals, shells and forwards.
    #[must_use]
    pub fn allows_terminals(self) -> bool {
        self <= Self::Assist
    }
}
