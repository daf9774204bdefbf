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
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What caused a result: facts for provenance, the decision for obligations.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// Facts of the statement.
    pub facts: Option<Arc<Facts>>,
    /// The decision that allowed it.
    pub decision: Option<Arc<Decision>>,
}

/// What names in a text stand for; `None` where that is not known.
pub type Resolved = Vec<(String, Option<Arc<StatementFacts>>)>;

/// The body of a RowDescription, `None` for NoData, and the epoch in which it was asked for.
#[derive(Debug, Default)]
pub struct Described(Mutex<Option<(u64, Option<Bytes>)>>);

impl Described {
    /// As it was said in that epoch, and in no other.
    #[must_use]
    pub fn at(&self, epoch: u64) -> Option<Option<Bytes>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, body) = known.as_ref()?;
        (*asked == epoch).then(|| body.clone())
    }

    /// The server has said it.
    pub fn set(&self, epoch: u64, body: Option<Bytes>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((epoch, body));
    }
}

/// A prepared statement, from a Parse or from SQL.
#[derive(Debug)]
pub struct Prepared {
    /// Its text; `EXECUTE "name"` where it was prepared in SQL.
    pub text: Arc<str>,
    /// Facts of the text; none where it was prepared in SQL.
    pub facts: Option<Arc<Facts>>,
    /// What EXECUTE of this name runs. None when it is not known, or when it runs what another name
    /// stands for at that moment.
    pub inner: Option<Arc<StatementFacts>>,
    /// Prepared in SQL: resolved by its own name.
    pub sql_name: Option<String>,
    /// The text the server remembers for it.
    pub source: Arc<str>,
    /// Parameter types as declared, replaced by what the server reports.
    pub declared: Vec<u32>,
    /// As reported by ParameterDescription.
    pub types: OnceLock<Vec<u32>>,
    /// Its description; only kept where it runs nothing by name.
    pub description: Described,
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
            .and_then(runs);
        Self {
            source: text.clone(),
            text,
            facts,
            inner,
            sql_name: None,
            declared,
            types: OnceLock::new(),
            description: Described::default(),
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
            description: Described::default(),
            asked: AtomicU64::new(0),
        }
    }

    /// Types of its parameters, as far as they are known.
    #[must_use]
    pub fn parameter_types(&self) -> &[u32] {
        self.types.get().unwrap_or(&self.declared)
    }

    /// True when it runs nothing by name. EXECUTE and FETCH describe what their name stands for at that
    /// moment.
    #[must_use]
    pub fn fixed(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| !uses_names(facts))
    }

    fn bytes(&self) -> usize {
        match self.sql_name {
            Some(_) => self.text.len() + self.source.len(),
            // One and the same text.
            None => self.text.len(),
        }
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
    pub resolved: Resolved,
    /// What its names stood for when it was first executed: it goes on returning rows of that.
    pub begun: OnceLock<Resolved>,
    /// The epoch in which it was planned.
    pub epoch: u64,
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
        (bound, epoch): (Timestamp, u64),
    ) -> Self {
        Self {
            prepared,
            cause,
            parameters,
            formats,
            bound,
            resolved: Vec::new(),
            begun: OnceLock::new(),
            epoch,
            description: OnceLock::new(),
            asked: AtomicU64::new(0),
            started: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
        }
    }

    /// What it runs, given what its names stand for now. When they stood for something else as it was
    /// first executed, rows of either may come: that is not known.
    #[must_use]
    pub fn runs(&self, now: Resolved) -> Resolved {
        let begun = self.begun.get_or_init(|| now.clone());
        let same = begun.len() == now.len()
            && begun.iter().zip(&now).all(|((a, x), (b, y))| {
                a == b
                    && match (x, y) {
                        (Some(x), Some(y)) => Arc::ptr_eq(x, y),
                        (None, None) => true,
                        _ => false,
                    }
            });
        match same {
            true => now,
            false => now.into_iter().map(|(name, _)| (name, None)).collect(),
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
    /// Facts of its query, where they are known.
    pub inner: Option<Arc<StatementFacts>>,
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
    ///
    /// `coming` says that names are on their way into this map.
    pub fn doubt(&mut self, coming: bool) {
        self.doubted |= coming
            || self.statements.keys().any(|name| !name.is_empty())
            || self.portals.keys().any(|name| !name.is_empty())
            || !self.cursors.is_empty();
    }

    /// A savepoint was undone: who knows which portals and cursors are left.
    pub fn doubt_open(&mut self) {
        self.doubted |=
            self.portals.keys().any(|name| !name.is_empty()) || !self.cursors.is_empty();
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
        self.count_again();
        self.doubted = false;
    }

    /// The server has bound it: whatever had that name before is gone.
    pub fn bind(&mut self, name: &str, portal: Arc<Portal>) {
        self.unbind(name);
        self.close_cursor(name);
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
        self.bytes += name.len() + prepared.bytes();
        self.statements.insert(name.to_owned(), prepared);
    }

    /// The server has forgotten it.
    pub fn forget_statement(&mut self, name: &str) {
        if let Some(old) = self.statements.remove(name) {
            self.bytes = self.bytes.saturating_sub(name.len() + old.bytes());
        }
    }

    /// DEALLOCATE ALL: the unnamed statement stays.
    pub fn forget_named(&mut self) {
        let unnamed = self.statements.remove("");
        self.statements.clear();
        self.count_again();
        if let Some(unnamed) = unnamed {
            self.prepare("", unnamed);
        }
    }

    /// The server has opened it: whatever had that name before is gone. Without room it is not
    /// remembered, and thereby unknown.
    pub fn declare(&mut self, name: &str, cursor: Cursor) {
        self.unbind(name);
        self.close_cursor(name);
        if self.room(cursor.source.len()).is_ok() {
            self.bytes += name.len() + cursor.source.len();
            self.cursors.insert(name.to_owned(), cursor);
        }
    }

    /// The server has closed it.
    pub fn close_cursor(&mut self, name: &str) {
        if let Some(old) = self.cursors.remove(name) {
            self.bytes = self.bytes.saturating_sub(name.len() + old.source.len());
        }
    }

    /// The server has closed all portals and cursors.
    pub fn close_all(&mut self) {
        self.unbind_all();
        self.cursors.clear();
        self.count_again();
    }

    /// A transaction has ended: portals and cursors go, but those WITH HOLD.
    pub fn end_transaction(&mut self) {
        self.unbind_all();
        if !self.cursors.is_empty() {
            self.cursors.retain(|_, cursor| cursor.hold);
            self.count_again();
        }
    }

    fn count_again(&mut self) {
        let statements = self.statements.iter().map(|(n, s)| n.len() + s.bytes());
        let cursors = self.cursors.iter().map(|(n, c)| n.len() + c.source.len());
        self.bytes = statements.chain(cursors).sum();
        self.portal_bytes = self.portals.values().map(|portal| portal.bytes()).sum();
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
    facts.statements.iter().any(by_name)
}

fn by_name(statement: &StatementFacts) -> bool {
    let uses = |c: &_| matches!(c, SessionChange::Execute { .. } | SessionChange::Fetch(_));
    statement.changes.iter().any(uses)
}

/// What a name for this statement runs. What such a statement runs by name in turn is looked up when it
/// runs, so its own facts say nothing of it.
#[must_use]
pub fn runs(statement: &StatementFacts) -> Option<Arc<StatementFacts>> {
    (!by_name(statement)).then(|| Arc::new(statement.clone()))
}

/// True for ROLLBACK TO, and for what cannot be told from it: portals and cursors of the savepoint go.
#[must_use]
pub fn undoes_savepoint(statement: &StatementFacts) -> bool {
    !matches!(statement.verb.as_str(), "SAVEPOINT" | "RELEASE")
        && statement
            .changes
            .iter()
            .any(|c| matches!(c, SessionChange::Savepoint))
}

/// True when a statement changes what names stand for.
#[must_use]
pub fn changes_names(facts: &Facts) -> bool {
    facts.statements.iter().any(renames)
}

/// The same of one statement.
#[must_use]
pub fn renames(statement: &StatementFacts) -> bool {
    statement.verb == "DISCARD"
        || undoes_savepoint(statement)
        || statement.changes.iter().any(|c| {
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
}

/// True when a statement may run code that changes names by itself.
#[must_use]
pub fn opaque(facts: &Facts) -> bool {
    facts.statements.iter().any(runs_code)
}

/// The same of one statement.
#[must_use]
pub fn runs_code(statement: &StatementFacts) -> bool {
    !statement.transparent
        || matches!(
            statement.category,
            Category::Exec | Category::Admin | Category::Unknown
        )
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
    let words: [(u8, &[u8]); 3] = [(b'e', b"execute"), (b'f', b"fetch"), (b'm', b"move")];
    words.iter().any(|(first, word)| {
        memchr::memchr2_iter(*first, first.to_ascii_uppercase(), bytes).any(|at| {
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
