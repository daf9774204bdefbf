//! How dangerous a message is. Host facts are the floor; a plugin's answer is joined to them and can
//! only raise. `join` is the only way two classes meet, and the worse always wins.

use crate::facts::Object;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Ordered by danger; `Unknown` ranks worst on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Reads only.
    Read,
    /// Changes data.
    Write,
    /// Destroys data or structure.
    Destroy,
    /// Changes who may do what.
    Escalate,
    /// Could not be established.
    Unknown,
}

/// A plugin's graded opinion, least to worst.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing to say.
    #[default]
    None,
    /// Noted.
    Low,
    /// Worth a look.
    Medium,
    /// Should be approved.
    High,
    /// Should not happen.
    Critical,
}

/// What a message does, as a set of bits (the `verbs` of the plugin contract).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verbs(pub u32);

impl Verbs {
    /// Reads data.
    pub const READ: Self = Self(1);
    /// Changes data.
    pub const WRITE: Self = Self(1 << 1);
    /// Changes structure.
    pub const DDL: Self = Self(1 << 2);
    /// Changes rights or roles.
    pub const DCL: Self = Self(1 << 3);
    /// Runs code or programs.
    pub const EXEC: Self = Self(1 << 4);
    /// Bulk transfer.
    pub const COPY: Self = Self(1 << 5);
    /// Touches files of the server.
    pub const FILE: Self = Self(1 << 6);
    /// Opens network connections from the server.
    pub const NET: Self = Self(1 << 7);
    /// Changes privileges of the running session.
    pub const PRIV: Self = Self(1 << 8);
    /// Session settings and transaction control.
    pub const SESSION: Self = Self(1 << 9);
    /// Administers the server.
    pub const ADMIN: Self = Self(1 << 10);

    /// The name of each bit, in order; the words policies see.
    pub const NAMES: [&'static str; 11] = [
        "read", "write", "ddl", "dcl", "exec", "copy", "file", "net", "priv", "session", "admin",
    ];

    /// Both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True when all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, n)| *n)
    }
}

/// What a plugin found, and where: shown to the approver and to policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// `name@version` of the plugin.
    pub plugin: String,
    /// The first 12 hex digits of its sha256.
    pub digest: String,
    /// The rule's name from its manifest.
    pub rule: String,
    /// Half-open byte range of the message.
    pub start: u32,
    /// See `start`.
    pub end: u32,
}

/// The whole answer about one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// The worst effect.
    pub effect: Effect,
    /// The worst risk.
    pub risk: Risk,
    /// All verbs.
    pub verbs: Verbs,
    /// Stable labels: `drop-database`, `delete-without-where`.
    pub labels: BTreeSet<String>,
    /// What it touches.
    pub objects: BTreeSet<Object>,
    /// Who found what where.
    pub findings: Vec<Finding>,
}

impl Class {
    /// What cannot be classified: the worst effect.
    #[must_use]
    pub fn unknown(label: &str) -> Self {
        Self {
            effect: Effect::Unknown,
            risk: Risk::Critical,
            verbs: Verbs::default(),
            labels: BTreeSet::from([label.to_owned()]),
            objects: BTreeSet::new(),
            findings: Vec::new(),
        }
    }

    /// Nothing at all: the unit of `join`.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            effect: Effect::Read,
            risk: Risk::None,
            verbs: Verbs::default(),
            labels: BTreeSet::new(),
            objects: BTreeSet::new(),
            findings: Vec::new(),
        }
    }

    /// The worse of both, with everything both have said.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.effect = self.effect.max(other.effect);
        self.risk = self.risk.max(other.risk);
        self.verbs = self.verbs.union(other.verbs);
        self.labels.extend(other.labels);
        self.objects.extend(other.objects);
        self.findings.extend(other.findings);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_lower_the_floor() {
        let floor = Class::unknown("unparsed");
        let joined = floor.clone().join(Class::nothing());
        assert_eq!(joined, floor);
        assert_eq!(Class::nothing().join(floor.clone()), floor);
    }

    #[test]
    fn verbs_have_names() {
        let verbs = Verbs::READ.union(Verbs::ADMIN);
        assert_eq!(verbs.names().collect::<Vec<_>>(), ["read", "admin"]);
    }
}
