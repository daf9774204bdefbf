//! Something of ours, or of a peer, broke. A `Fault` is for the log; the person at the keyboard gets a
//! [`crate::Denial`] that says nothing of the inside. `Display` never prints the source: the log does.

use std::error::Error as StdError;
use std::fmt;

/// Whose failure it was; the label of the metric `portcullis_faults_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Blame {
    /// The client broke the protocol.
    Client,
    /// We did.
    Gateway,
    /// The record could not be written.
    Journal,
    /// A plugin trapped, was late or answered nonsense.
    Plugin,
    /// A policy could not be evaluated.
    Policy,
    /// The upstream broke the protocol or went away.
    Upstream,
}

impl Blame {
    /// The label used in metrics and in `fault/<label>` rules.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Journal => "journal",
            Self::Plugin => "plugin",
            Self::Policy => "policy",
            Self::Upstream => "upstream",
        }
    }
}

/// A failure with who is to blame, what was being done, and the cause.
pub struct Fault {
    /// Whose failure it was.
    pub blame: Blame,
    /// What was being done: "read a frame header", "evaluate pack access".
    pub doing: &'static str,
    /// The cause, for the log only.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Fault {
    /// A fault with a cause.
    pub fn new(
        blame: Blame,
        doing: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            blame,
            doing,
            source: Some(source.into()),
        }
    }

    /// A fault whose `doing` says it all.
    #[must_use]
    pub fn bare(blame: Blame, doing: &'static str) -> Self {
        Self {
            blame,
            doing,
            source: None,
        }
    }

    /// The whole chain on one line, for logs.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        line
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed to {}", self.blame.label(), self.doing)
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|s| s as &(dyn StdError + 'static))
    }
}
