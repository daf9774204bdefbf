//! What can go wrong: [`LoadError`] before a plugin serves, for the operator, with advice; [`Failure`] while it
//! serves, for the log. Neither ever holds a byte of a message.

use portcullis_model::{Blame, Fault, escape_line};
use std::fmt;

/// Why a plugin is not loaded. The set that serves stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The engine cannot be built on this machine.
    #[error("the WASM engine cannot start: {0}")]
    StartEngine(String),
    /// The artifact cache cannot be used.
    #[error("the plugin cache cannot be used: {0}")]
    OpenCache(String),
    /// It is no component.
    #[error("plugin {name}: not a WASM component ({detail}); `portcullis plugin build` makes one")]
    ReadComponent {
        /// The configured name.
        name: String,
        /// What was found.
        detail: String,
    },
    /// More maskers than can serve one stream.
    #[error("at most {most} maskers can serve together")]
    TooMany {
        /// How many can.
        most: usize,
    },
    /// Its sha256 is not the pinned one.
    #[error("plugin {name}: sha256 is {found}, but {pinned} is pinned")]
    VerifyPin {
        /// The configured name.
        name: String,
        /// The pin.
        pinned: String,
        /// The digest of the bytes.
        found: String,
    },
    /// Its manifest is missing or malformed.
    #[error("plugin {name}: {detail}")]
    ReadManifest {
        /// The configured name.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// It speaks an API version that this gateway does not.
    #[error("plugin {name}: speaks {found}; this gateway speaks {supported}: {advice}")]
    MatchApi {
        /// The configured name.
        name: String,
        /// The manifest's.
        found: String,
        /// Ours.
        supported: String,
        /// What to do.
        advice: &'static str,
    },
    /// It imports what no plugin may have.
    #[error(
        "plugin {name}: imports `{import}`, and only `portcullis:plugin/host` exists here{advice}"
    )]
    CheckImports {
        /// The configured name.
        name: String,
        /// The import.
        import: String,
        /// What to do instead.
        advice: String,
    },
    /// The compiler refuses it.
    #[error("plugin {name}: does not compile: {detail}")]
    Compile {
        /// The configured name.
        name: String,
        /// The compiler's message.
        detail: String,
    },
    /// It does not export what its world needs.
    #[error(
        "plugin {name}: its manifest says {world}, but it does not export that world: {detail}"
    )]
    MatchWorld {
        /// The configured name.
        name: String,
        /// The manifest's world.
        world: &'static str,
        /// What is missing.
        detail: String,
    },
    /// It refuses its configuration.
    #[error("plugin {name}: refuses its configuration: {}", listed(.problems))]
    Configure {
        /// The configured name.
        name: String,
        /// Each with its place.
        problems: Vec<ConfigProblem>,
    },
    /// It failed while it was configured.
    #[error("plugin {name}: failed while it was configured: {failure}")]
    Start {
        /// The configured name.
        name: String,
        /// How.
        failure: Failure,
    },
    /// Two plugins have the same name.
    #[error("two plugins are named {name}")]
    NameTwice {
        /// The name.
        name: String,
    },
}

/// What is wrong with the configuration of a plugin: what its schema does not allow, or what it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// JSON pointer into the configuration: `/entities/3`; empty for the whole.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    /// On one line, and harmless on a terminal: the words are those of the plugin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pointer, message) = (escape_line(&self.pointer), escape_line(&self.message));
        match pointer.is_empty() {
            true => f.write_str(&message),
            false => write!(f, "{pointer}: {message}"),
        }
    }
}

pub(crate) fn listed(problems: &[ConfigProblem]) -> String {
    let all: Vec<_> = problems.iter().map(ConfigProblem::to_string).collect();
    all.join("; ")
}

/// How a plugin failed on a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It did not answer in time.
    #[error("no answer within the deadline")]
    Deadline,
    /// It trapped: a panic, out of memory, out of stack, an answer that the component model refuses.
    #[error("trap: {0}")]
    Trap(String),
    /// It does not export the functions of its world.
    #[error("its exports do not fit: {0}")]
    World(String),
    /// Its edits are out of range, out of order, overlapping or too many.
    #[error("invalid edits: {0}")]
    Edits(&'static str),
    /// Its opinion is malformed.
    #[error("invalid opinion: {0}")]
    Opinion(&'static str),
    /// It refused a configuration that it had accepted before.
    #[error("refuses a configuration that it accepted before")]
    Reconfigure,
    /// It has failed too often for this identity and target, or for too many identities.
    #[error("in quarantine after repeated failures")]
    Quarantined,
    /// All instances of the node are in use.
    #[error("all plugin instances of this node are in use")]
    Exhausted,
    /// The message is larger than what is shown to a plugin.
    #[error("the message is too large to be shown to a plugin")]
    TooLarge,
}

impl Failure {
    /// The fault that the gate sees.
    pub(crate) fn fault(self, doing: &'static str) -> Fault {
        Fault::new(self.blame(), doing, self)
    }

    /// Whose failure it is: only a plugin's own counts towards its quarantine.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Exhausted | Self::TooLarge => Blame::Gateway,
            _ => Blame::Plugin,
        }
    }
}
