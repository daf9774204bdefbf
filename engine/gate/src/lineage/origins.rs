//! What a value is made of.
//!
//! Refuses: nothing is ever taken away from it, only added.

use std::collections::BTreeSet;

/// What a value is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Columns, as OID of the relation and number of the column from 1.
    pub columns: BTreeSet<(u32, u16)>,
    /// It may also be made of anything else.
    pub unknown: bool,
    /// A name in it stands for nothing that is known, in the midst of what is: it may be any column.
    pub untold: bool,
    /// Names of columns of relations that nobody knows.
    pub guessed: BTreeSet<String>,
}

impl Origins {
    /// One column.
    #[must_use]
    pub fn column(oid: u32, place: usize) -> Self {
        match u16::try_from(place + 1) {
            Ok(number) => Self {
                columns: BTreeSet::from([(oid, number)]),
                ..Self::default()
            },
            Err(_) => Self::untold(),
        }
    }

    /// Anything.
    #[must_use]
    pub fn untold() -> Self {
        Self {
            unknown: true,
            untold: true,
            ..Self::default()
        }
    }

    /// A column of a relation that nobody knows.
    pub(super) fn guessed(name: &str) -> Self {
        Self {
            unknown: true,
            guessed: BTreeSet::from([name.to_owned()]),
            ..Self::default()
        }
    }

    /// All of these together.
    pub(super) fn all<'o>(parts: impl Iterator<Item = &'o Self>) -> Self {
        let mut all = Self::default();
        parts.for_each(|part| all.add(part));
        all
    }

    /// Adds what else it is made of.
    pub fn add(&mut self, other: &Self) {
        self.columns.extend(&other.columns);
        self.unknown |= other.unknown;
        self.untold |= other.untold;
        if !other.guessed.is_empty() {
            self.guessed.extend(other.guessed.iter().cloned());
        }
    }

    /// What it costs to copy it.
    pub(super) fn weight(&self) -> usize {
        1 + self.columns.len() + self.guessed.len()
    }

    /// True when it is made of no column that matters, and of nothing that is not known.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.columns.is_empty() && !self.unknown
    }
}
