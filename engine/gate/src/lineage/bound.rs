//! What names are in scope while an outline is traced.
//!
//! Refuses: a source whose columns cannot be told brings any name with it.

use super::{Origins, Traced};
use std::collections::BTreeSet;

/// A source of rows, with what its columns are made of.
pub(super) struct Bound {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<Traced>,
    /// Columns that not every relation has which may be meant.
    pub(super) lacking: BTreeSet<String>,
    /// It is a relation, which has system columns.
    pub(super) relation: bool,
    pub(super) more: More,
}

/// What a source has beside its columns.
pub(super) enum More {
    /// Nothing.
    Nothing,
    /// Nothing, but in which order its columns stand cannot be told.
    Unordered,
    /// Columns that can only be made of this.
    Of(Origins),
    /// Any column: nobody knows the relation.
    Anything,
}

impl Bound {
    /// Its columns that have no name here: to the server they may have this one.
    pub(super) fn nameless(&self) -> impl Iterator<Item = &Traced> {
        self.columns.iter().filter(|column| column.name.is_none())
    }

    /// Its columns of that name.
    pub(super) fn named<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b Traced> {
        let same = move |column: &&Traced| column.name.as_deref() == Some(name);
        self.columns.iter().filter(same)
    }

    /// True when it is called so.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Its whole row.
    pub(super) fn row(&self) -> Origins {
        let mut row = Origins::all(self.columns.iter().map(|column| &column.origins));
        match &self.more {
            More::Nothing | More::Unordered => {}
            More::Of(origins) => row.add(origins),
            More::Anything => row.add(&Origins::guessed("*")),
        }
        row
    }

    /// What a column of that name may be made of beside those that are known.
    pub(super) fn rest(&self, name: &str) -> Option<Origins> {
        match &self.more {
            More::Nothing | More::Unordered => None,
            More::Of(origins) => Some(origins.clone()),
            More::Anything => Some(Origins::guessed(name)),
        }
    }

    /// What `source.name` is where it has no such column: the call of a function on the whole row.
    pub(super) fn otherwise(&self, name: &str) -> Origins {
        match &self.more {
            More::Anything => Origins::guessed(name),
            _ => Origins {
                unknown: true,
                ..self.row()
            },
        }
    }

    /// Its columns in order, where they can be told.
    pub(super) fn in_order(&self) -> Option<Vec<Traced>> {
        let starred = |column: &Traced| Traced {
            starred: true,
            ..column.clone()
        };
        match &self.more {
            More::Nothing => Some(self.columns.iter().map(starred).collect()),
            _ => None,
        }
    }
}

/// A common table expression; without columns while they cannot be told.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) columns: Option<Vec<Traced>>,
}

/// One level of names, and those around it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) above: Option<&'s Scope<'s>>,
    pub(super) sources: &'s [Bound],
    pub(super) shared: &'s [Shared],
}

impl<'s> Scope<'s> {
    fn levels(&'s self) -> impl Iterator<Item = &'s Scope<'s>> {
        std::iter::successors(Some(self), |scope| scope.above)
    }

    /// All sources, the innermost first.
    pub(super) fn sources(&'s self) -> impl Iterator<Item = &'s Bound> {
        self.levels().flat_map(|scope| scope.sources)
    }

    /// The common table expression of that name.
    pub(super) fn shared(&'s self, name: &str) -> Option<&'s Shared> {
        self.levels()
            .find_map(|scope| scope.shared.iter().rev().find(|shared| shared.name == name))
    }
}

/// The first columns get these names.
pub(super) fn renamed(mut columns: Vec<Traced>, names: &[String]) -> Vec<Traced> {
    for (column, name) in columns.iter_mut().zip(names) {
        column.name = Some(name.clone());
    }
    columns
}

/// Column by column; nothing when there is not one for each.
pub(super) fn united(mut one: Vec<Traced>, other: Vec<Traced>) -> Option<Vec<Traced>> {
    if one.len() != other.len() {
        return None;
    }
    for (column, more) in one.iter_mut().zip(other) {
        column.origins.add(&more.origins);
        column.starred |= more.starred;
    }
    Some(one)
}
