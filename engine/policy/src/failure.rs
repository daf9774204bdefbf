//! Why a pack could not answer. Every kind has its own rule, and every kind is a no. Nothing of the
//! engine's text is kept but the place: it may quote values of the input.

use crate::diagnostic::pointed;
use regorus::LimitError;
use std::fmt;

/// A pack that could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    /// `file:line:column`, when the engine said where.
    place: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Undefined,
    Error,
    Conflict,
    Timeout,
    Panic,
    Shape,
    UnknownObligation,
}

impl Failure {
    /// A set that is not defined for this input.
    pub(crate) fn undefined() -> Self {
        Kind::Undefined.bare()
    }

    /// The time was over.
    pub(crate) fn timeout() -> Self {
        Kind::Timeout.bare()
    }

    /// The engine panicked.
    pub(crate) fn panic() -> Self {
        Kind::Panic.bare()
    }

    /// What a rule says has the wrong form; `set` is where.
    pub(crate) fn shape(set: &str) -> Self {
        Self {
            kind: Kind::Shape,
            place: Some(set.to_owned()),
        }
    }

    /// An obligation that the gateway does not know: it cannot keep it.
    pub(crate) fn unknown_obligation() -> Self {
        Kind::UnknownObligation.bare()
    }

    /// Two packs oblige to different things.
    pub(crate) fn conflict() -> Self {
        Kind::Conflict.bare()
    }

    /// An error of the engine with this text.
    pub(crate) fn error(text: &str) -> Self {
        let (place, said) = pointed(text);
        let late = ["exceeded time limit"];
        let contradiction = [
            "multiple outputs",
            "generated multiple times",
            "conflicts with rule",
        ];
        let is = |words: &[&str]| words.iter().any(|w| said.contains(w));
        let kind = match () {
            () if is(&late) => return Self::timeout(),
            () if is(&contradiction) => Kind::Conflict,
            () => Kind::Error,
        };
        let place = place.map(|(file, line, column)| format!("{file}:{line}:{column}"));
        Self { kind, place }
    }

    /// A limit of the engine.
    pub(crate) fn limit(limit: &LimitError) -> Self {
        match limit {
            LimitError::TimeLimitExceeded { .. } => Self::timeout(),
            _ => Kind::Error.bare(),
        }
    }

    /// The rule that a denial carries.
    pub(crate) fn rule(&self) -> &'static str {
        match self.kind {
            Kind::Undefined => "policy/undefined",
            Kind::Error => "policy/error",
            Kind::Conflict => "policy/conflict",
            Kind::Timeout => "policy/timeout",
            Kind::Panic => "policy/panic",
            Kind::Shape => "policy/shape",
            Kind::UnknownObligation => "policy/unknown-obligation",
        }
    }
}

impl Kind {
    fn bare(self) -> Failure {
        Failure {
            kind: self,
            place: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Undefined => "one of its sets is undefined",
            Kind::Error => "a rule ended with an error",
            Kind::Conflict => "rules contradict each other",
            Kind::Timeout => "it took too long",
            Kind::Panic => "the policy engine broke",
            Kind::Shape => "a rule answered in a form that is not known",
            Kind::UnknownObligation => {
                "a rule asks for an obligation that the gateway does not know"
            }
        })?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}
