//! What is judged, whatever carries it: SQL, or a command that is none.

use super::*;

/// A request that has to be judged.
#[derive(Clone)]
pub(super) enum Asked {
    Sql(Statement),
    Command(Command),
}

impl Asked {
    /// What of a message has to be judged, if anything.
    pub(super) fn of(body: &Body) -> Option<Self> {
        match body {
            Body::Statement(statement) => Some(Self::Sql(statement.clone())),
            Body::Command(command) => Some(Self::Command(command.clone())),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> &Arc<str> {
        match self {
            Self::Sql(statement) => &statement.text,
            Self::Command(command) => &command.text,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Sql(statement) => statement.stage,
            Self::Command(command) => command.stage,
        }
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        match self {
            Self::Sql(statement) => &statement.parameters,
            Self::Command(_) => &[],
        }
    }

    /// An approver has to see what would run: no name that stands for something else, no undecoded bytes.
    pub(super) fn shows_all(&self) -> bool {
        match self {
            Self::Sql(statement) => {
                statement.resolved.is_empty() && !statement.parameters.iter().any(|p| p.opaque)
            }
            Self::Command(_) => true,
        }
    }
}

/// The stage of what has to be judged.
pub(super) fn stage(body: &Body) -> Option<Stage> {
    match body {
        Body::Statement(statement) => Some(statement.stage),
        Body::Command(command) => Some(command.stage),
        _ => None,
    }
}
