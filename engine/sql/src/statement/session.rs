//! SET, SHOW, PREPARE, EXECUTE, cursors, channels, EXPLAIN, LOCK, DISCARD.
//!
//! Refuses: a statement kept for later counts as much as one that runs now.

use super::transaction::writable;
use crate::literal;
use crate::names::Name;
use crate::reader::{Reader, SecretAt};
use crate::settings;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    DeclareCursorStmt, DiscardMode, DiscardStmt, ExecuteStmt, ExplainStmt, LockStmt, Node,
    NotifyStmt, PrepareStmt, VariableSetKind as Kind, VariableSetStmt, node,
};
use portcullis_model::facts::{Category, SessionChange, StatementFacts};
use portcullis_model::{Effect, Verbs};

/// `CURSOR_OPT_HOLD` of PostgreSQL's nodes/parsenodes.h.
const HOLD: i32 = 0x0020;
/// `AccessExclusiveLock` and the others that stop writers, of PostgreSQL's storage/lockdefs.h.
const STOPS_WRITERS: i32 = 5;

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::VariableSetStmt(statement) => set(reader, statement),
        Seen::VariableShowStmt(statement) => {
            plain(reader, "SHOW");
            reader.object("setting", Name::bare(&statement.name), false);
            // A setting of the user's own may hold any value that was put there.
            reader.transparent &= !statement.name.contains('.');
        }
        Seen::PrepareStmt(statement) => prepare(reader, statement),
        Seen::ExecuteStmt(statement) => execute(reader, statement),
        Seen::DeallocateStmt(statement) => {
            plain(reader, "DEALLOCATE");
            let name = (!statement.isall).then(|| statement.name.clone());
            reader.changes.push(SessionChange::Deallocate(name));
        }
        Seen::DeclareCursorStmt(statement) => declare(reader, statement),
        Seen::FetchStmt(statement) => {
            plain(reader, if statement.ismove { "MOVE" } else { "FETCH" });
            let name = statement.portalname.clone();
            reader.changes.push(SessionChange::Fetch(name));
        }
        Seen::ClosePortalStmt(statement) => {
            plain(reader, "CLOSE");
            let name = Some(statement.portalname.clone()).filter(|n| !n.is_empty());
            reader.changes.push(SessionChange::Close(name));
        }
        Seen::ExplainStmt(statement) => explain(reader, statement),
        Seen::ListenStmt(statement) => channel(reader, "LISTEN", &statement.conditionname),
        Seen::UnlistenStmt(statement) => channel(reader, "UNLISTEN", &statement.conditionname),
        Seen::NotifyStmt(statement) => notify(reader, statement),
        Seen::DiscardStmt(statement) => discard(reader, statement),
        Seen::LockStmt(statement) => lock(reader, statement),
        Seen::ConstraintsSetStmt(statement) => {
            plain(reader, "SET CONSTRAINTS");
            reader.objects("constraint", &statement.constraints, false);
        }
        _ => return None,
    }
    Some(false)
}

fn plain(reader: &mut Reader<'_>, verb: &'static str) {
    reader.named(verb, None);
    reader.does(Category::Session, Effect::Read, Verbs::SESSION);
}

fn set<'a>(reader: &mut Reader<'a>, statement: &'a VariableSetStmt) {
    let kind = Kind::try_from(statement.kind).unwrap_or(Kind::Undefined);
    let resets = matches!(kind, Kind::VarReset | Kind::VarResetAll);
    plain(reader, if resets { "RESET" } else { "SET" });
    // A setting may hold a connection string with its password.
    if statement.name.contains("conninfo") || statement.name.contains("password") {
        for literal in statement.args.iter().filter_map(literal::of) {
            reader.secrets.push(SecretAt::Literal(literal.at));
        }
    }
    match kind {
        Kind::VarSetValue => {
            let value = settings::value(&statement.args);
            // `SET ROLE NONE` is no escape from the name: it is the way back to the login role.
            settings::changed(reader, &statement.name, value, statement.is_local);
        }
        Kind::VarSetDefault | Kind::VarSetCurrent | Kind::VarReset => {
            settings::changed(reader, &statement.name, None, statement.is_local);
        }
        Kind::VarResetAll => reset_all(reader),
        Kind::VarSetMulti => modes(reader, statement),
        Kind::Undefined => reader.unknown("unknown-node"),
    }
    statement.args.walk(reader);
}

/// SET TRANSACTION, SET SESSION CHARACTERISTICS, SET TRANSACTION SNAPSHOT.
fn modes(reader: &mut Reader<'_>, statement: &VariableSetStmt) {
    if writable(&statement.args) {
        reader.does(Category::Session, Effect::Write, Verbs::SESSION);
        reader.label("read-write");
    }
    reader.changes.push(SessionChange::Set {
        name: statement.name.to_lowercase(),
        value: None,
        local: true,
    });
}

fn reset_all(reader: &mut Reader<'_>) {
    reader.does(Category::Session, Effect::Escalate, Verbs::SESSION);
    reader.label("reset-all");
    reader.changes.push(SessionChange::ResetAll);
}

fn discard(reader: &mut Reader<'_>, statement: &DiscardStmt) {
    plain(reader, "DISCARD");
    match DiscardMode::try_from(statement.target) {
        Ok(DiscardMode::DiscardPlans | DiscardMode::DiscardSequences) => {}
        Ok(DiscardMode::DiscardTemp) => {
            reader.does(Category::Session, Effect::Destroy, Verbs::SESSION);
            reader.changes.push(SessionChange::ResetAll);
        }
        _ => reset_all(reader),
    }
}

fn prepare<'a>(reader: &mut Reader<'a>, statement: &'a PrepareStmt) {
    plain(reader, "PREPARE");
    let inner = inner(reader, statement.query.as_deref());
    reader.changes.push(SessionChange::Prepare {
        name: statement.name.clone(),
        inner,
    });
    statement.argtypes.walk(reader);
    statement.query.walk(reader);
}

fn declare<'a>(reader: &mut Reader<'a>, statement: &'a DeclareCursorStmt) {
    plain(reader, "DECLARE");
    let inner = inner(reader, statement.query.as_deref());
    reader.changes.push(SessionChange::Declare {
        name: statement.portalname.clone(),
        inner,
        hold: statement.options & HOLD != 0,
    });
    statement.query.walk(reader);
}

/// The facts of a statement that is kept. Its place in the text is found by the lexer, later.
fn inner(reader: &Reader<'_>, query: Option<&Node>) -> Box<StatementFacts> {
    let mut inner = Reader::new(reader.depth);
    let outputs = query.and_then(crate::outputs::of);
    if let Some(query) = query {
        query.walk(&mut inner);
    }
    let hides = inner.hides;
    let mut facts = inner.finish();
    facts.outline = query.map(|query| crate::facts::outlined(query, hides));
    facts.outputs = outputs.filter(|_| facts.transparent);
    Box::new(facts)
}

/// What it runs is resolved by whoever keeps the names of the connection.
fn execute<'a>(reader: &mut Reader<'a>, statement: &'a ExecuteStmt) {
    plain(reader, "EXECUTE");
    reader.changes.push(SessionChange::Execute {
        name: statement.name.clone(),
        literal: statement.params.iter().all(|p| literal::of(p).is_some()),
    });
    statement.params.walk(reader);
}

/// Without ANALYZE nothing runs, yet planning evaluates functions and shows statistics.
fn explain<'a>(reader: &mut Reader<'a>, statement: &'a ExplainStmt) {
    reader.named("EXPLAIN", None);
    let analyzes = statement.options.iter().any(|option| match &option.node {
        Some(node::Node::DefElem(option)) => {
            option.defname == "analyze"
                && !option
                    .arg
                    .as_deref()
                    .and_then(literal::option)
                    .is_some_and(|word| literal::is_off(&word))
        }
        _ => true,
    });
    if analyzes {
        reader.label("explain-analyze");
        return statement.query.walk(reader);
    }
    reader.label("explain");
    let mut planned = Reader::new(reader.depth);
    statement.query.walk(&mut planned);
    reader.plans(planned);
}

fn channel(reader: &mut Reader<'_>, verb: &'static str, name: &str) {
    plain(reader, verb);
    reader.object("channel", Name::bare(name), false);
    reader.changes.push(SessionChange::Channel(name.to_owned()));
}

fn notify(reader: &mut Reader<'_>, statement: &NotifyStmt) {
    channel(reader, "NOTIFY", &statement.conditionname);
    reader.does(Category::Write, Effect::Write, Verbs::WRITE);
    reader.label("notify");
}

fn lock(reader: &mut Reader<'_>, statement: &LockStmt) {
    plain(reader, "LOCK");
    let effect = match statement.mode >= STOPS_WRITERS {
        true => Effect::Write,
        false => Effect::Read,
    };
    reader.does(Category::Write, effect, Verbs::SESSION);
    reader.label("lock-table");
    reader.objects("table", &statement.relations, false);
}
