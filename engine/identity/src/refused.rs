//! Why a proof was refused, in words for the person who sent it.
//!
//! It refuses to repeat any byte of the token: what came from outside does not go into a message.

use portcullis_model::Denial;
use std::fmt;

/// The reason, for metrics, tests and the rule in a denial (`identity/<code>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is described by its message where it is made"
)]
pub enum Code {
    Actors,
    Algorithm,
    Audience,
    Claims,
    Critical,
    Expired,
    Future,
    Groups,
    IssuedAt,
    Issuer,
    Key,
    KeysUnavailable,
    Kind,
    Malformed,
    Nonce,
    NotYet,
    Overage,
    Party,
    Replayed,
    Required,
    Saml,
    Signature,
    Size,
    Subject,
    TooOld,
    Type,
}

impl Code {
    /// The code as it stands in rules and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Actors => "actors",
            Self::Algorithm => "algorithm",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::Critical => "critical",
            Self::Expired => "expired",
            Self::Future => "future",
            Self::Groups => "groups",
            Self::IssuedAt => "issued-at",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::KeysUnavailable => "keys-unavailable",
            Self::Kind => "kind",
            Self::Malformed => "malformed",
            Self::Nonce => "nonce",
            Self::NotYet => "not-yet",
            Self::Overage => "overage",
            Self::Party => "party",
            Self::Replayed => "replayed",
            Self::Required => "required-claim",
            Self::Saml => "saml",
            Self::Signature => "signature",
            Self::Size => "size",
            Self::Subject => "subject",
            Self::TooOld => "too-old",
            Self::Type => "type",
        }
    }
}

/// A proof that proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// Why, in one word.
    pub code: Code,
    /// Why, for people. Holds no byte of the token.
    pub message: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Refused {
    pub(crate) fn new(code: Code, message: &'static str, hint: &'static str) -> Self {
        Self {
            code,
            message,
            hint,
        }
    }

    /// The denial that the client reads.
    #[must_use]
    pub fn denial(&self) -> Denial {
        Denial::new(format!("identity/{}", self.code.label()), self.message).hint(self.hint)
    }
}
