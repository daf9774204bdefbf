//! What the gateway says on its own, as a closed list. Anything not on it needs a `Permit` or a
//! `Release`. The journal records the name, never the bytes: a login carries a proof of a secret.

/// One thing the gateway says by itself, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum House {
    /// To the upstream: makes the current implicit or open transaction fail, so that nothing of a
    /// refused batch is half-applied.
    Abort,
    /// To the client: protocol negotiation, authentication requests and results, session parameters.
    Greeting,
    /// To the upstream, on a connection of its own: cancel the running statement.
    Cancel,
    /// To the upstream: ask for the shape of a statement that the client never described.
    Describe,
    /// To the upstream: deliver what is pending.
    Flush,
    /// To the upstream: forced settings after login.
    ForcedSet,
    /// To the upstream: startup and authentication.
    Login,
    /// To the client: a notice ("held, waiting for …").
    Notice,
    /// To the upstream: role, search path, shadowing objects, before a hold is shown to an approver.
    Probe,
    /// To the client: ReadyForQuery and the like, to keep it in step after a refusal.
    Step,
    /// To the upstream: Sync.
    Sync,
    /// To the upstream: Terminate.
    Terminate,
}

impl House {
    /// The name under which it is recorded.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Greeting => "greeting",
            Self::Cancel => "cancel",
            Self::Describe => "describe",
            Self::Flush => "flush",
            Self::ForcedSet => "forced-set",
            Self::Login => "login",
            Self::Notice => "notice",
            Self::Probe => "probe",
            Self::Step => "step",
            Self::Sync => "sync",
            Self::Terminate => "terminate",
        }
    }
}
