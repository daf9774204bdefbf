//! How long a description that was kept may be believed. The same text can mean another table after a
//! change of search_path, role or structure, and after the undoing of one; the server then says so to
//! whoever asks, so the gateway asks again. It refuses to guess which of them matter to which statement.

use super::Conversation;
use super::names::{opaque, undoes_savepoint};
use portcullis_model::facts::SessionChange;
use portcullis_model::limits::CATALOG_AGE_MAX;
use portcullis_model::{Category, Facts, Timestamp, Transaction};

/// What a text may do to the meaning of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// Nothing.
    Nothing,
    /// It ends what its transaction has changed.
    Ends,
    /// It changes it.
    Changes,
}

/// Works it out from the facts.
pub(super) fn moves(facts: &Facts) -> Moves {
    let changes = |change: &SessionChange| match change {
        SessionChange::Set { name, .. } => matches!(
            name.as_str(),
            "search_path" | "role" | "session_authorization"
        ),
        SessionChange::ResetAll | SessionChange::Rollback => true,
        _ => false,
    };
    let all = || facts.statements.iter().flat_map(|s| &s.changes);
    let structure = facts.statements.iter().any(|s| s.category >= Category::Ddl);
    if structure
        || opaque(facts)
        || all().any(changes)
        || facts.statements.iter().any(undoes_savepoint)
    {
        return Moves::Changes;
    }
    match all().any(|change| matches!(change, SessionChange::Commit)) {
        true => Moves::Ends,
        false => Moves::Nothing,
    }
}

impl Conversation {
    /// What is sent from here on may mean something else than before.
    pub(super) fn moved(&mut self) {
        self.epoch += 1;
        // Whoever asked before has asked in another state.
        self.segment += 1;
    }

    /// Facts of something that goes up now.
    pub(super) fn moves(&mut self, facts: &Facts) {
        match moves(facts) {
            Moves::Changes => {
                self.moving = true;
                self.moved();
            }
            Moves::Ends if self.moving => self.moved(),
            Moves::Ends | Moves::Nothing => {}
        }
    }

    /// A Sync or a simple query goes up: an implicit transaction may end there, one way or the other.
    pub(super) fn next_segment(&mut self) {
        match self.moving {
            true => self.moved(),
            false => self.segment += 1,
        }
    }

    /// ReadyForQuery: an error may have undone what was changed.
    pub(super) fn movement_ends(&mut self, transaction: Transaction) {
        if self.moving {
            self.moved();
            self.moving = transaction != Transaction::Idle || !self.queue.is_empty();
        }
    }

    /// Other sessions change structure as well: a description gets no older than the catalog.
    pub(super) fn age(&mut self, now: Timestamp) {
        let age_max = i64::try_from(CATALOG_AGE_MAX.as_nanos()).unwrap_or(i64::MAX);
        if now.0.saturating_sub(self.aged.0) > age_max {
            self.aged = now;
            self.moved();
        }
    }
}
