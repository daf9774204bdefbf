//! BEGIN, COMMIT, SAVEPOINT and two-phase commit.
//!
//! Refuses: turning a transaction to read-write is no harmless setting.

use crate::literal;
use crate::names::Name;
use crate::reader::Reader;
use crate::tree::Seen;
use pg_query::protobuf::{Node, TransactionStmt, TransactionStmtKind as Kind, node};
use portcullis_model::facts::{Category, SessionChange};
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::TransactionStmt(statement) => transaction(reader, statement),
        _ => return None,
    }
    Some(false)
}

fn transaction(reader: &mut Reader<'_>, statement: &TransactionStmt) {
    reader.does(Category::Session, Effect::Read, Verbs::SESSION);
    let (verb, change) = match Kind::try_from(statement.kind) {
        Ok(Kind::TransStmtBegin) => ("BEGIN", SessionChange::Begin),
        Ok(Kind::TransStmtStart) => ("START TRANSACTION", SessionChange::Begin),
        Ok(Kind::TransStmtCommit) => ("COMMIT", SessionChange::Commit),
        Ok(Kind::TransStmtRollback) => ("ROLLBACK", SessionChange::Rollback),
        Ok(Kind::TransStmtSavepoint) => ("SAVEPOINT", SessionChange::Savepoint),
        Ok(Kind::TransStmtRelease) => ("RELEASE", SessionChange::Savepoint),
        Ok(Kind::TransStmtRollbackTo) => ("ROLLBACK TO", SessionChange::Savepoint),
        Ok(Kind::TransStmtPrepare) => {
            two_phase(reader, Effect::Write);
            ("PREPARE TRANSACTION", SessionChange::Commit)
        }
        Ok(Kind::TransStmtCommitPrepared) => {
            two_phase(reader, Effect::Write);
            ("COMMIT PREPARED", SessionChange::Savepoint)
        }
        Ok(Kind::TransStmtRollbackPrepared) => {
            two_phase(reader, Effect::Destroy);
            ("ROLLBACK PREPARED", SessionChange::Savepoint)
        }
        Ok(Kind::Undefined) | Err(_) => return reader.unknown("unknown-node"),
    };
    reader.named(verb, None);
    // The two of a prepared transaction touch no name of this session.
    if !matches!(verb, "COMMIT PREPARED" | "ROLLBACK PREPARED") {
        reader.changes.push(change);
    }
    if !statement.gid.is_empty() {
        reader.object("transaction", Name::bare(&statement.gid), true);
    }
    if writable(&statement.options) {
        reader.does(Category::Session, Effect::Write, Verbs::SESSION);
        reader.label("read-write");
    }
}

fn two_phase(reader: &mut Reader<'_>, effect: Effect) {
    reader.does(Category::Admin, effect, Verbs::ADMIN);
    reader.label("two-phase");
}

/// READ WRITE among transaction modes.
pub(super) fn writable(modes: &[Node]) -> bool {
    modes.iter().any(|mode| match &mode.node {
        Some(node::Node::DefElem(mode)) => {
            mode.defname == "transaction_read_only"
                && !matches!(
                    mode.arg.as_deref().and_then(literal::option).as_deref(),
                    Some("1" | "true")
                )
        }
        _ => false,
    })
}
