//! The names of one connection: prepared statements, portals, cursors, and what each of them runs.
//! EXECUTE, FETCH, Bind and Execute are judged by what a name stands for, so an entry changes only when
//! the server has said that it did. It refuses to remember more than the limits allow.

use crate::frame::Malformed;
use bytes::Bytes;
use portcullis_model::facts::SessionChange;
use portcullis_model::limits::{FRAME_BYTES_MAX, NAMES_BYTES_MAX, NAMES_MAX};
use portcullis_model::{Category, Decision, Facts, Parameter, StatementFacts, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What caused a result: facts for provenance, the decision for obligations.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// Facts of the statement.
    pub facts: Option<Arc<Facts>>,
    /// The decision that allowed it.
    pub decision: Option<Arc<Decision>>,
}

/// A prepared statement, from a Parse or from SQL.
#[derive(Debug)]
pub struct Prepared {
    /// Its text; `EXECUTE "name"` where it was prepared in SQL.
    pub text: Arc<str>,
    /// Facts of the text; none where it was prepared in SQL.
    pub facts: Option<Arc<Facts>>,
    /// What EXECUTE of this name runs.
    pub inner: Option<Arc<StatementFacts>>,
    /// Prepared in SQL: resolved by its own name.
    pub sql_name: Option<String>,
    /// The text the server remembers for it.
    pub source: Arc<str>,
    /// Parameter types as declared, replaced by what the server reports.
    pub declared: Vec<u32>,
    /// As reported by ParameterDescription.
    pub types: OnceLock<Vec<u32>>,
    /// Body of its RowDescription, `None` for NoData; only kept where it cannot change.
    pub description: OnceLock<Option<Bytes>>,
    /// The segment in which its description was last asked for.
    pub asked: AtomicU64,
}

impl Prepared {
    /// From a Parse, once allowed.
    #[must_use]
    pub fn new(text: Arc<str>, facts: Option<Arc<Facts>>, declared: Vec<u32>) -> Self {
        let inner = facts
            .as_ref()
            .and_then(|f| f.statements.first())
            .map(|s| Arc::new(s.clone()));
        Self {
            source: text.clone(),
            text,
            facts,
            inner,
            sql_name: None,
            declared,
            types: OnceLock::new(),
            description: OnceLock::new(),
            asked: AtomicU64::new(0),
        }
    }

    /// From `PREPARE name AS …`, or from nothing that is known.
    #[must_use]
    pub fn named_in_sql(name: &str, inner: Option<Arc<StatementFacts>>, source: &str) -> Self {
        Self {
            source: Arc::from(source),
            text: Arc::from(format!("EXECUTE {}", quoted(name))),
            facts: None,
            inner,
            sql_name: Some(name.to_owned()),
            declared: Vec::new(),
            types: OnceLock::new(),
            description: OnceLock::new(),
            asked: AtomicU64::new(0),
        }
    }

    /// Types of its parameters, as far as they are known.
    #[must_use]
    pub fn parameter_types(&self) -> &[u32] {
        self.types.get().unwrap_or(&self.declared)
    }

    /// True when its description stays what it is for as long as it exists. EXECUTE and FETCH describe
    /// what their name stands for at that moment.
    #[must_use]
    pub fn fixed(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| !uses_names(facts))
    }
}

/// A portal: a statement with its parameters, bound under a decision.
#[derive(Debug)]
pub struct Portal {
    /// What it runs.
    pub prepared: Arc<Prepared>,
    /// Facts and decision of the Bind.
    pub cause: Cause,
    /// Its parameters, for judging it again.
    pub parameters: Vec<Parameter>,
    /// Result formats.
    pub formats: Vec<i16>,
    /// When it was bound.
    pub bound: Timestamp,
    /// What resolves it, where it is a cursor or nothing that is known.
    pub resolved: Vec<(String, Option<Arc<StatementFacts>>)>,
    /// Body of its RowDescription, `None` for NoData.
    pub description: OnceLock<Option<Bytes>>,
    /// The segment in which its description was last asked for.
    pub asked: AtomicU64,
    /// It has returned rows already: its budget goes on.
    pub started: AtomicBool,
    /// It has more rows to return.
    pub suspended: AtomicBool,
}

impl Portal {
    /// From a Bind, once allowed.
    #[must_use]
    pub fn new(
        prepared: Arc<Prepared>,
        cause: Cause,
        parameters: Vec<Parameter>,
        formats: Vec<i16>,
        bound: Timestamp,
    ) -> Self {
        Self {
            prepared,
            cause,
            parameters,
            formats,
            bound,
            resolved: Vec::new(),
            description: OnceLock::new(),
            asked: AtomicU64::new(0),
            started: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
        }
    }

    fn bytes(&self) -> usize {
        self.parameters
            .iter()
            .filter_map(|p| p.value.as_ref())
            .map(Bytes::len)
            .sum()
    }
}

/// A cursor declared in SQL.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Facts of its query.
    pub inner: Arc<StatementFacts>,
    /// It survives its transaction.
    pub hold: bool,
    /// The text the server remembers for it.
    pub source: Arc<str>,
}

/// Statements and portals share nothing but the protocol; portals and cursors share one namespace.
#[derive(Debug, Default)]
pub struct Names {
    /// Prepared statements.
    pub statements: HashMap<String, Arc<Prepared>>,
    /// Portals.
    pub portals: HashMap<String, Arc<Portal>>,
    /// Cursors.
    pub cursors: HashMap<String, Cursor>,
    bytes: usize,
    portal_bytes: usize,
    doubted: bool,
}

impl Names {
    /// Code has run that may have prepared, deallocated, opened or closed anything by name: no name
    /// counts until the server has been asked what it stands for.
    pub fn doubt(&mut self) {
        self.doubted = self.statements.keys().any(|name| !name.is_empty())
            || self.portals.keys().any(|name| !name.is_empty())
            || !self.cursors.is_empty();
    }

    /// True when the server has to be asked.
    #[must_use]
    pub fn doubted(&self) -> bool {
        self.doubted
    }

    /// The server has said what its names stand for: (is a statement, name, text). What differs is
    /// forgotten, and thereby unknown.
    pub fn believe(&mut self, stand: &HashMap<(bool, String), String>) {
        let same = |statement: bool, name: &str, source: &str| {
            name.is_empty()
                || stand
                    .get(&(statement, name.to_owned()))
                    .is_some_and(|text| text == source)
        };
        self.statements
            .retain(|name, s| same(true, name, &s.source));
        self.portals
            .retain(|name, p| same(false, name, &p.prepared.source));
        self.cursors.retain(|name, c| same(false, name, &c.source));
        self.doubted = false;
    }

    /// The server has bound it.
    pub fn bind(&mut self, name: &str, portal: Arc<Portal>) {
        self.unbind(name);
        self.portal_bytes += portal.bytes();
        self.portals.insert(name.to_owned(), portal);
    }

    /// The server has closed it.
    pub fn unbind(&mut self, name: &str) {
        if let Some(old) = self.portals.remove(name) {
            self.portal_bytes = self.portal_bytes.saturating_sub(old.bytes());
        }
    }

    /// The server has closed all of them.
    pub fn unbind_all(&mut self) {
        if !self.portals.is_empty() {
            self.portals.clear();
            self.portal_bytes = 0;
        }
    }

    /// Refuses one more statement or portal than is remembered.
    ///
    /// # Errors
    /// When the connection holds too many names already.
    pub fn room(&self, bytes: usize) -> Result<(), Malformed> {
        let full = self.statements.len() >= NAMES_MAX
            || self.portals.len() >= NAMES_MAX
            || self.cursors.len() >= NAMES_MAX
            || (self.bytes + self.portal_bytes).saturating_add(bytes)
                > NAMES_BYTES_MAX + FRAME_BYTES_MAX;
        match full {
            true => Err(Malformed::TooMany),
            false => Ok(()),
        }
    }

    /// The server has prepared it.
    pub fn prepare(&mut self, name: &str, prepared: Arc<Prepared>) {
        self.forget_statement(name);
        self.bytes += name.len() + prepared.text.len();
        self.statements.insert(name.to_owned(), prepared);
    }

    /// The server has forgotten it.
    pub fn forget_statement(&mut self, name: &str) {
        if let Some(old) = self.statements.remove(name) {
            self.bytes = self.bytes.saturating_sub(name.len() + old.text.len());
        }
    }

    /// DEALLOCATE ALL: the unnamed statement stays.
    pub fn forget_named(&mut self) {
        let unnamed = self.statements.remove("");
        self.statements.clear();
        self.bytes = 0;
        if let Some(unnamed) = unnamed {
            self.prepare("", unnamed);
        }
    }

    /// A transaction has ended: portals and cursors go, but those WITH HOLD.
    pub fn end_transaction(&mut self) {
        self.unbind_all();
        if !self.cursors.is_empty() {
            self.cursors.retain(|_, cursor| cursor.hold);
        }
    }
}

impl Names {
    /// True when rows of an earlier result may still be fetched: budgets then go on, or many small
    /// fetches with something harmless between them would have none.
    #[must_use]
    pub fn half_read(&self) -> bool {
        !self.cursors.is_empty()
            || self
                .portals
                .values()
                .any(|portal| portal.suspended.load(Ordering::Relaxed))
    }
}

/// True when a statement runs what a name stands for.
#[must_use]
pub fn uses_names(facts: &Facts) -> bool {
    facts
        .statements
        .iter()
        .flat_map(|s| &s.changes)
        .any(|c| matches!(c, SessionChange::Execute { .. } | SessionChange::Fetch(_)))
}

/// True when a statement changes what names stand for.
#[must_use]
pub fn changes_names(facts: &Facts) -> bool {
    facts.statements.iter().any(|s| {
        s.verb == "DISCARD"
            || s.changes.iter().any(|c| {
                matches!(
                    c,
                    SessionChange::Prepare { .. }
                        | SessionChange::Deallocate(_)
                        | SessionChange::Declare { .. }
                        | SessionChange::Close(_)
                        | SessionChange::Commit
                        | SessionChange::Rollback
                        | SessionChange::ResetAll
                )
            })
    })
}

/// True when a statement may run code that changes names by itself.
#[must_use]
pub fn opaque(facts: &Facts) -> bool {
    facts.statements.iter().any(|s| {
        !s.transparent
            || matches!(
                s.category,
                Category::Exec | Category::Admin | Category::Unknown
            )
    })
}

/// How many COPY … FROM STDIN it holds.
#[must_use]
pub fn uploads(facts: &Facts) -> usize {
    facts
        .statements
        .iter()
        .filter_map(|s| s.copy.as_ref())
        .filter(|copy| copy.from && !copy.server_side)
        .count()
}

/// A cheap look for the keywords of statements that run what a name stands for. It may say yes for a
/// string that contains them, never no for a statement that does.
#[must_use]
pub fn may_use_names(text: &str) -> bool {
    let bytes = text.as_bytes();
    [&b"execute"[..], b"fetch", b"move"].iter().any(|word| {
        let first = word.first().copied().unwrap_or_default();
        memchr::memchr2_iter(first, first.to_ascii_uppercase(), bytes).any(|at| {
            bytes
                .get(at..at + word.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(word))
        })
    })
}

/// An identifier, quoted.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case() {
        for text in [
            "EXECUTE a",
            "explain\nExecute a",
            "fetch 1 from c",
            "MOVE c",
        ] {
            assert!(may_use_names(text), "{text}");
        }
        for text in ["select 1", "", "fetc", "select execut"] {
            assert!(!may_use_names(text), "{text}");
        }
    }
}
