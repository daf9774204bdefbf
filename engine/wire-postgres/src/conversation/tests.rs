//! Names in a map that is full, and names that pass from one thing to another.

use super::Conversation;
use super::names::{Cause, Cursor, Portal, Prepared};
use portcullis_model::facts::SessionChange;
use portcullis_model::limits::NAMES_MAX;
use portcullis_model::{Category, Effect, StatementFacts, Timestamp, Verbs};
use std::sync::Arc;

fn statement(verb: &str, changes: Vec<SessionChange>) -> StatementFacts {
    StatementFacts {
        category: Category::Read,
        effect: Effect::Read,
        transparent: true,
        moves: Vec::new(),
        changes,
        verbs: Verbs::READ,
        ..StatementFacts::unknown(verb)
    }
}

fn prepare(name: &str) -> StatementFacts {
    let change = SessionChange::Prepare {
        name: name.to_owned(),
        inner: Box::new(statement("SELECT", Vec::new())),
    };
    statement("PREPARE", vec![change])
}

fn declare(name: &str) -> StatementFacts {
    let change = SessionChange::Declare {
        name: name.to_owned(),
        inner: Box::new(statement("SELECT", Vec::new())),
        hold: false,
    };
    statement("DECLARE", vec![change])
}

fn portal() -> Arc<Portal> {
    let inner = Some(Arc::new(statement("SELECT", Vec::new())));
    let prepared = Arc::new(Prepared::named_in_sql("s", inner, ""));
    let at = (Timestamp(0), 0);
    Arc::new(Portal::new(
        prepared,
        Cause::default(),
        Vec::new(),
        Vec::new(),
        at,
    ))
}

#[test]
fn a_full_map_keeps_nothing_stale() {
    let mut talk = Conversation::new();
    talk.completed(&prepare("s"), "");
    for number in 0..=NAMES_MAX {
        talk.completed(&declare(&format!("c{number}")), "");
    }
    assert_eq!(talk.names.cursors.len(), NAMES_MAX);
    // What it stood for is gone, and what it stands for has no room: it is not known.
    assert!(talk.names.statements.contains_key("s"));
    talk.completed(&prepare("s"), "");
    assert!(talk.names.statements.is_empty());
    talk.names.bind("c2", portal());
    talk.completed(&declare("c1"), "the same name again");
    let kept = talk.names.cursors.get("c1").map(|cursor| &*cursor.source);
    assert_eq!(kept, Some("the same name again"));
}

#[test]
fn long_texts_fill_the_map_as_many_names_do() {
    let mut talk = Conversation::new();
    let text = "x".repeat(8 * 1024 * 1024);
    for number in 0..64 {
        talk.completed(&prepare(&format!("s{number}")), &text);
        talk.completed(&declare(&format!("c{number}")), &text);
    }
    let kept = talk.names.statements.len() + talk.names.cursors.len();
    assert!((2..20).contains(&kept), "{kept}");
    talk.completed(&statement("CLOSE", vec![SessionChange::Close(None)]), "");
    talk.completed(
        &statement("DEALLOCATE", vec![SessionChange::Deallocate(None)]),
        "",
    );
    assert!(talk.names.room(8 * 1024 * 1024).is_ok());
}

#[test]
fn a_cursor_takes_the_name_of_a_portal_and_the_other_way_round() {
    let mut talk = Conversation::new();
    talk.names.bind("p", portal());
    talk.completed(&declare("p"), "DECLARE p");
    assert!(talk.names.portals.is_empty());
    assert!(talk.cursor("p").is_some());
    talk.names.bind("p", portal());
    assert!(talk.names.cursors.is_empty());
    assert!(talk.cursor("p").is_some());
}

#[test]
fn a_cursor_over_what_runs_by_name_is_unknown() {
    let execute = SessionChange::Execute {
        name: "x".to_owned(),
        literal: true,
    };
    let inner = statement("EXECUTE", vec![execute]);
    let mut talk = Conversation::new();
    let cursor = Cursor {
        inner: super::names::runs(&inner),
        hold: false,
        source: Arc::from(""),
    };
    talk.names.declare("c", cursor);
    assert!(talk.cursor("c").is_none());
}
