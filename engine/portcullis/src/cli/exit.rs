//! How a command can end other than well, and the exit code of each. The codes are part of the interface:
//! scripts rely on them.

use crate::cli::paint;
use crate::config::Problems;
use hyper::StatusCode;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Exit {
    /// Something is wrong with what was looked at, or the gateway refused. Exit code 1.
    #[error("{message}")]
    Refused {
        /// What and why.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The gateway refuses for now: it is overrun, or something that it needs does not answer. Exit code 1.
    #[error("{message}")]
    Later {
        /// What and why.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// What was waited for has not come in time. Exit code 5.
    #[error("{0}")]
    Undecided(String),
    /// The configuration is wrong. Exit code 1.
    #[error("{0}")]
    Misconfigured(#[from] Problems),
    /// Everything was printed already. Exit code 1.
    #[error("a problem was found")]
    Found,
    /// No gateway answers. Exit code 3.
    #[error("no gateway answers at {}: {source}", socket.display())]
    Unreachable {
        /// Where we asked.
        socket: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No gateway answers at its HTTPS listener. Exit code 3.
    #[error("{message}")]
    Unanswered {
        /// Where we asked, and why not.
        message: String,
        /// What to do next.
        hint: String,
    },
    /// The gateway could not start. Exit code 4.
    #[error("the gateway cannot start: {0}")]
    Start(String),
    /// The output could not be written. Exit code 1.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Exit {
    /// Something is wrong.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused {
            message: message.into(),
            hint: None,
        }
    }

    /// Something is wrong, and this helps.
    pub fn refused_with(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// What a gateway has refused: for good, or for now.
    pub fn by_status(status: StatusCode, message: String, hint: Option<String>) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Self::Later { message, hint }
            }
            _ => Self::Refused { message, hint },
        }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused { .. }
            | Self::Later { .. }
            | Self::Misconfigured(_)
            | Self::Found
            | Self::Output(_) => 1,
            Self::Unreachable { .. } | Self::Unanswered { .. } => 3,
            Self::Start(_) => 4,
            Self::Undecided(_) => 5,
        }
    }

    /// What it says, with what to do next; nothing of it moves a cursor: much comes from a gateway, and any machine can
    /// say that it is one.
    #[must_use]
    pub fn shown(&self) -> (String, Option<String>) {
        // Further lines are set in: none stands there as if the command had begun it.
        let tame = |text: &str| paint::tame(text).replace('\n', "\n  ");
        (tame(&self.to_string()), self.hint().map(tame))
    }

    /// Says it on stderr.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Found => {}
            // Whoever closed the pipe has read enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Misconfigured(problems) => eprintln!("{problems}"),
            _ => {
                let (message, hint) = self.shown();
                eprintln!("{} {message}", paint::error("error:"));
                if let Some(hint) = hint {
                    eprintln!("{} {hint}", paint::error_stream_bold("hint:"));
                }
            }
        }
        ExitCode::from(self.code())
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused { hint, .. } | Self::Later { hint, .. } => hint.as_deref(),
            Self::Unanswered { hint, .. } => Some(hint),
            Self::Unreachable { .. } => Some(
                "start it with `portcullis run`, or name its socket with `--socket`; the socket is for root and the gateway's own user: everybody else names its HTTPS listener for `approvals` and `access`, with `--gateway https://HOST:PORT`",
            ),
            _ => None,
        }
    }
}

/// An error with its causes, on one line.
#[must_use]
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    line
}
