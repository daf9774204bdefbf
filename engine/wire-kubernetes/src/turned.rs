//! Requests that are turned away before anybody judges them, because two readers could understand them in two
//! ways, or because the gateway cannot look into them. Each says what, why, and what to do instead.
//!
//! It refuses to quote what the client sent: the text may hold anything.

use portcullis_model::Denial;

/// Why a request goes no further, and the status code that says so in HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Status code.
    pub code: u16,
    /// Path of the rule.
    pub rule: &'static str,
    /// What and why.
    pub reason: &'static str,
    /// What to do next.
    pub hint: &'static str,
}

impl Turned {
    /// A request that is malformed, or has more than one reading.
    #[must_use]
    pub fn malformed(rule: &'static str, reason: &'static str) -> Self {
        Self {
            code: 400,
            rule,
            reason,
            hint: "Send the request as kubectl or a client library writes it.",
        }
    }

    /// One that is well formed and that nobody may send through here.
    #[must_use]
    pub fn forbidden(rule: &'static str, reason: &'static str, hint: &'static str) -> Self {
        Self {
            code: 403,
            rule,
            reason,
            hint,
        }
    }

    /// The same with another status code.
    #[must_use]
    pub fn code(mut self, code: u16) -> Self {
        self.code = code;
        self
    }

    /// The same with another hint.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// As what the client reads.
    #[must_use]
    pub fn denial(&self) -> Denial {
        Denial::new(self.rule, self.reason).hint(self.hint)
    }
}
