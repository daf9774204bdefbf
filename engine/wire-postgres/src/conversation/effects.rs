//! What statements do to names and settings once the server says that they have run.

use super::Conversation;
use super::names::{Cursor, Prepared, runs, undoes_savepoint};
use portcullis_model::facts::SessionChange;
use portcullis_model::limits::NAMES_MAX;
use portcullis_model::{StatementFacts, Transaction};
use std::sync::Arc;

impl Conversation {
    /// One statement has completed. `text` is the text it stands in.
    pub(super) fn completed(&mut self, statement: &StatementFacts, text: &str) {
        for change in &statement.changes {
            self.apply(change, text);
        }
        if undoes_savepoint(statement) {
            self.names.doubt_open();
            self.rolled_back();
            self.recovered = true;
        }
        if statement.verb == "DISCARD" {
            let span = statement.span.start as usize..statement.span.end as usize;
            let words = text.get(span).unwrap_or(text).to_ascii_lowercase();
            if words.contains("all") {
                self.names.forget_named();
                self.names.close_all();
            }
        }
    }

    fn apply(&mut self, change: &SessionChange, text: &str) {
        match change {
            SessionChange::Set { name, value, .. } => self.set(name, value.clone()),
            SessionChange::ResetAll => {
                self.context.role = None;
                self.context.search_path = None;
                self.context.settings.clear();
                self.context.settings.insert("*".to_owned(), None);
            }
            SessionChange::Prepare { name, inner } => {
                // Whatever it stood for before is gone, remembered or not.
                self.names.forget_statement(name);
                if self.names.room(text.len()).is_ok() {
                    let prepared = Prepared::named_in_sql(name, runs(inner), text);
                    self.names.prepare(name, Arc::new(prepared));
                }
            }
            SessionChange::Deallocate(Some(name)) => self.names.forget_statement(name),
            SessionChange::Deallocate(None) => self.names.forget_named(),
            SessionChange::Declare { name, inner, hold } => {
                let cursor = Cursor {
                    inner: runs(inner),
                    hold: *hold,
                    source: Arc::from(text),
                };
                self.names.declare(name, cursor);
            }
            SessionChange::Close(Some(name)) => {
                self.names.close_cursor(name);
                self.names.unbind(name);
            }
            SessionChange::Close(None) => self.names.close_all(),
            SessionChange::Rollback => {
                self.names.end_transaction();
                self.rolled_back();
                self.recovered = true;
            }
            SessionChange::Commit => {
                self.names.end_transaction();
                self.recovered = true;
            }
            SessionChange::Begin
            | SessionChange::Savepoint
            | SessionChange::Execute { .. }
            | SessionChange::Fetch(_)
            | SessionChange::Channel(_) => {}
        }
    }

    fn set(&mut self, name: &str, value: Option<String>) {
        match name {
            "search_path" => self.context.search_path.clone_from(&value),
            "role" | "session_authorization" => self.context.role = None,
            _ => {}
        }
        let full = self.context.settings.len() >= NAMES_MAX;
        let (name, value) = match full && !self.context.settings.contains_key(name) {
            true => ("*", None),
            false => (name, value),
        };
        if !self.touched.iter().any(|known| known == name) {
            self.touched.push(name.to_owned());
        }
        self.context.settings.insert(name.to_owned(), value);
    }

    /// Settings of a transaction that was undone are what they were before: unknown here.
    fn rolled_back(&mut self) {
        for name in std::mem::take(&mut self.touched) {
            self.context.role = None;
            self.context.search_path = None;
            self.context.settings.insert(name, None);
        }
    }

    /// ReadyForQuery.
    pub(super) fn ready(&mut self, transaction: Transaction) {
        let before = std::mem::replace(&mut self.context.transaction, transaction);
        self.recovered = false;
        self.movement_ends(transaction);
        if transaction != Transaction::Idle {
            return;
        }
        self.names.end_transaction();
        match before {
            Transaction::Failed => self.rolled_back(),
            Transaction::Idle | Transaction::Open => self.touched.clear(),
        }
    }
}
