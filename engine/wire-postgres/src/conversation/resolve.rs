//! What EXECUTE and FETCH in a text run. A text may hold several statements, and those before may change
//! what the names of those behind stand for; where that cannot be followed, a name is unknown.

use super::Conversation;
use super::names::{Resolved, renames, runs, runs_code, undoes_savepoint, uses_names};
use portcullis_model::facts::SessionChange;
use portcullis_model::{Facts, StatementFacts, Transaction};
use std::sync::Arc;

/// What the statements of a text have done to names so far.
#[derive(Default)]
struct Reading {
    /// Made by the text itself: (is a cursor, name, what it runs).
    made: Vec<(bool, String, Option<Arc<StatementFacts>>)>,
    /// What names stood for before the text does not count any more.
    clouded: bool,
    /// The same of cursors only.
    closed: bool,
    found: Resolved,
}

impl Reading {
    /// Some cursor is closed, whichever.
    fn close(&mut self) {
        self.closed = true;
        self.made.retain(|(cursor, _, _)| !cursor);
    }
}

impl Conversation {
    /// What EXECUTE and FETCH in a text stand for; `None` when that depends on answers still to come.
    #[must_use]
    pub fn resolve(&self, facts: &Facts) -> Option<Resolved> {
        if !uses_names(facts) {
            return Some(Vec::new());
        }
        if self.unsettled > 0 || self.doubtful() {
            return None;
        }
        let mut reading = Reading::default();
        for statement in &facts.statements {
            self.read(statement, &mut reading);
        }
        Some(reading.found)
    }

    fn read(&self, statement: &StatementFacts, reading: &mut Reading) {
        let mut clouds = runs_code(statement);
        for change in &statement.changes {
            let (cursor, name) = match change {
                SessionChange::Prepare { name, inner } => {
                    reading.made.push((false, name.clone(), runs(inner)));
                    continue;
                }
                SessionChange::Declare { name, inner, .. } => {
                    reading.made.push((true, name.clone(), runs(inner)));
                    continue;
                }
                SessionChange::Execute { name, .. } => (false, name),
                SessionChange::Fetch(name) => (true, name),
                SessionChange::Deallocate(_) | SessionChange::ResetAll => {
                    clouds = true;
                    continue;
                }
                SessionChange::Close(_) | SessionChange::Commit | SessionChange::Rollback => {
                    reading.close();
                    continue;
                }
                SessionChange::Savepoint if undoes_savepoint(statement) => {
                    reading.close();
                    continue;
                }
                _ => continue,
            };
            let inner = self.stands_for(cursor, name, reading);
            clouds |= inner
                .as_ref()
                .is_none_or(|inner| renames(inner) || runs_code(inner));
            reading.found.push((name.clone(), inner));
        }
        if clouds {
            reading.clouded = true;
            reading.made.clear();
        }
    }

    fn stands_for(
        &self,
        cursor: bool,
        name: &str,
        reading: &Reading,
    ) -> Option<Arc<StatementFacts>> {
        let mut made = reading.made.iter().rev();
        if let Some((_, _, inner)) = made.find(|(kind, other, _)| *kind == cursor && other == name)
        {
            return inner.clone();
        }
        match (reading.clouded || cursor && reading.closed, cursor) {
            (true, _) => None,
            (false, true) => self.cursor(name),
            (false, false) => self.names.statements.get(name)?.inner.clone(),
        }
    }

    /// True when the server has to be asked what its names stand for before one of them counts. In a
    /// failed transaction it answers nothing, and runs nothing either.
    #[must_use]
    pub fn doubtful(&self) -> bool {
        let runs = self.context.transaction != Transaction::Failed || self.recovered;
        self.names.doubted() && runs
    }

    /// What a cursor or portal of that name runs.
    pub(super) fn cursor(&self, name: &str) -> Option<Arc<StatementFacts>> {
        let portal = self.names.portals.get(name);
        match (self.names.cursors.get(name), portal) {
            (Some(cursor), None) => cursor.inner.clone(),
            (None, Some(portal)) => portal.prepared.inner.clone(),
            _ => None,
        }
    }
}
