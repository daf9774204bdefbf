//! Which columns a statement that writes carries to another place: a masked column that is copied into a
//! table, a view or another column would be read there without its mask.
//!
//! Refuses: nothing is followed from where it is read to where it is written. Everything that is read outside
//! of WHERE, ON and USING is carried, except what the client gets (the outermost RETURNING) or has sent
//! itself (`excluded`); a star, a whole row and what is not certain is everything.

use crate::reader::Reader;
use crate::tree::Walk;
use std::collections::{BTreeSet, HashSet};

/// What has been read so far.
#[derive(Default)]
pub(crate) struct Carried<'a> {
    /// The statement has a place to carry values to.
    writes: bool,
    /// How many conditions stand around what is read now.
    conditions: u32,
    /// In SET of ON CONFLICT, outside of any query: `excluded` is the row that was to be inserted.
    proposed: bool,
    columns: BTreeSet<String>,
    /// Without a qualifier: columns, or whole rows of relations named so.
    bare: HashSet<&'a str>,
    relations: HashSet<&'a str>,
}

impl Carried<'_> {
    /// The columns; none for a statement that writes nothing.
    pub(crate) fn finish(mut self) -> Vec<String> {
        if !self.writes {
            return Vec::new();
        }
        if self.bare.iter().any(|name| self.relations.contains(name)) {
            self.columns.insert("*".to_owned());
        }
        self.columns
            .extend(self.bare.into_iter().map(str::to_owned));
        self.columns.into_iter().collect()
    }
}

impl<'a> Reader<'a> {
    /// The statement puts values into a relation.
    pub(crate) fn writes(&mut self) {
        self.carried.writes = true;
    }

    /// The value of a column is read; `*` for everything.
    pub(crate) fn carry(&mut self, column: &str) {
        if self.carried.conditions == 0 && !self.carried.columns.contains(column) {
            self.carried.columns.insert(column.to_owned());
        }
    }

    pub(crate) fn carry_bare(&mut self, name: &'a str) {
        if self.carried.conditions == 0 {
            self.carried.bare.insert(name);
        }
    }

    pub(crate) fn carry_from(&mut self, qualifier: &str, column: &str) {
        if !(self.carried.proposed && qualifier == "excluded") {
            self.carry(column);
        }
    }

    /// A name by which a whole row could be meant.
    pub(crate) fn row(&mut self, name: &'a str) {
        self.carried.relations.insert(name);
    }

    /// What is carried by a text inside this one. What a query in a literal reads may go anywhere.
    pub(crate) fn carry_all(&mut self, inner: &[String]) {
        self.carried.writes |= !inner.is_empty();
        self.carried.columns.extend(inner.iter().cloned());
        self.carry("*");
    }

    /// Reads what decides, and is not itself carried.
    pub(crate) fn condition<T: Walk>(&mut self, condition: &'a T) {
        self.carried.conditions += 1;
        condition.walk(self);
        self.carried.conditions -= 1;
    }

    /// RETURNING: the client gets it when it is the outermost, and it is masked there.
    pub(crate) fn returning<T: Walk>(&mut self, outermost: bool, clause: &'a T) {
        match outermost {
            true => self.condition(clause),
            false => clause.walk(self),
        }
    }

    /// Values of ON CONFLICT, which may speak of the proposed row.
    pub(crate) fn proposing(&mut self, proposed: bool, body: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.carried.proposed, proposed);
        body(self);
        self.carried.proposed = before;
    }
}
