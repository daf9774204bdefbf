//! What has been done so far, as numbers: by one session, and by one identity within the last hour. Rate and
//! exfiltration rules read them, budgets bound them. It refuses to know what was in it.

use crate::class::Effect;
use serde::{Deserialize, Serialize};

/// Counts. Sums saturate: a count never wraps to a small number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Sessions admitted.
    pub sessions: u64,
    /// Statements judged.
    pub commands: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Rows released.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
    /// Statements that were let through, by their worst effect.
    pub effects: Effects,
}

/// Statements by effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// Reads only.
    pub read: u64,
    /// Changes data.
    pub write: u64,
    /// Destroys data or structure.
    pub destroy: u64,
    /// Changes who may do what.
    pub escalate: u64,
    /// Could not be established.
    pub unknown: u64,
}

impl Effects {
    /// One statement of this effect.
    #[must_use]
    pub fn one(effect: Effect) -> Self {
        let mut effects = Self::default();
        *match effect {
            Effect::Read => &mut effects.read,
            Effect::Write => &mut effects.write,
            Effect::Destroy => &mut effects.destroy,
            Effect::Escalate => &mut effects.escalate,
            Effect::Unknown => &mut effects.unknown,
        } = 1;
        effects
    }

    fn zip(self, other: Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            read: with(self.read, other.read),
            write: with(self.write, other.write),
            destroy: with(self.destroy, other.destroy),
            escalate: with(self.escalate, other.escalate),
            unknown: with(self.unknown, other.unknown),
        }
    }
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// Without what has grown old.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    fn zip(self, other: Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            sessions: with(self.sessions, other.sessions),
            commands: with(self.commands, other.commands),
            denied: with(self.denied, other.denied),
            rows: with(self.rows, other.rows),
            bytes: with(self.bytes, other.bytes),
            effects: self.effects.zip(other.effects, with),
        }
    }
}

/// Whose counts a budget bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// This session.
    Session,
    /// This identity, all its sessions on this node, within an hour.
    IdentityHour,
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Rows released.
    Rows,
    /// Bytes released.
    Bytes,
    /// Statements judged.
    Statements,
    /// Of these, refused.
    Denials,
}

impl Counted {
    /// Its word, as policies write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::Statements => "statements",
            Self::Denials => "denials",
        }
    }

    /// The count of a tally.
    #[must_use]
    pub fn of(self, tally: &Tally) -> u64 {
        match self {
            Self::Rows => tally.rows,
            Self::Bytes => tally.bytes,
            Self::Statements => tally.commands,
            Self::Denials => tally.denied,
        }
    }
}

/// At most so many of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Whose.
    pub per: Per,
    /// What.
    pub what: Counted,
    /// How many.
    pub max: u64,
}
