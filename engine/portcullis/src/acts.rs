//! What people do over more than one way in, done and put on record in one way: the admin socket, the console, hooks.
//!
//! It refuses to end a session where that cannot be recorded, and to record what was sent in the place of an id.

use crate::front_desk::Desk;
use portcullis_console::Refused;
use portcullis_journal::Journal;
use portcullis_model::{Denial, SessionId, escape_line};
use serde_json::{Value, json};

/// Ends a session for a reason. `record` adds who wanted it. The keys that are remembered of whoever had it are forgotten, else
/// the next command of the same client is a new session at once.
pub(crate) fn kill(
    desk: &Desk,
    id: SessionId,
    reason: &str,
    record: impl FnOnce(&str, Value) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let live = desk.registry.find(id).ok_or_else(|| {
        Refused::new(404, format!("there is no live session {id}"))
            .hint("it may have ended by itself; the list of sessions shows those that live")
    })?;
    record("session_killed", json!({"session": id, "reason": reason}))?;
    let why = match reason.trim() {
        "" => "an operator has ended the session".to_owned(),
        // It is shown in somebody else's terminal.
        reason => format!("an operator has ended the session: {}", escape_line(reason)),
    };
    let denial = Denial::new("admin/kill", why).hint("Ask whoever runs the gateway.");
    desk.send_away(&live, denial);
    Ok(())
}

/// Puts on record that a vote was refused, and what is known of who cast it. It stays refused where that cannot be done.
pub(crate) fn refused_vote(journal: &Journal, id: &str, refused: &Refused, by: &Value) {
    let mut detail = json!({"id": id_of(id), "why": refused.error});
    add(&mut detail, by);
    if let Err(fault) = journal.node("vote_refused", &detail) {
        tracing::error!(fault = fault.chain(), "a refused vote is not on record");
    }
}

/// Puts on record what the desk has refused: somebody who guesses ids is seen. `by` says who asked.
pub(crate) fn desk_refused(
    what: &str,
    of: &str,
    refused: &Refused,
    by: (&str, Value),
    record: impl FnOnce(&str, &Value) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let (key, by) = by;
    let detail = json!({"what": what, "id": name_of(of), "why": refused.error, (key): by});
    record("desk_refused", &detail)
}

/// What one entry says besides.
pub(crate) fn add(entry: &mut Value, more: &Value) {
    if let (Some(entry), Some(more)) = (entry.as_object_mut(), more.as_object()) {
        entry.extend(more.clone());
    }
}

/// The id is whatever was sent; only what ids are made of goes on record, and no more than they have.
fn id_of(sent: &str) -> String {
    let of_ids = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    sent.chars().filter(of_ids).take(16).collect()
}

/// The same of what may be a name too.
fn name_of(sent: &str) -> String {
    let of_names = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    sent.chars().filter(of_names).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_sent_as_an_id_only_an_id_goes_on_record() {
        assert_eq!(id_of("ap-7f3a"), "ap-7f3a");
        assert_eq!(id_of("ap-1\u{1b}[2J\n\"x\""), "ap-12Jx");
        assert_eq!(id_of(&"a".repeat(500)).len(), 16);
        assert_eq!(name_of("orders_1.eu\u{1b}[2J \"x\""), "orders_1.eu2Jx");
        assert_eq!(name_of(&"a".repeat(500)).len(), 64);
    }

    #[test]
    fn what_the_desk_refuses_is_on_record_or_whoever_asked_is_told_that_it_is_not() {
        let refused = Refused::new(404, "there is none");
        let uid = ("uid", json!(7));
        let mut said = Vec::new();
        let noted = desk_refused(
            "end",
            "gr-1\u{1b}[2J",
            &refused,
            uid.clone(),
            |event, detail| {
                said.push((event.to_owned(), detail.clone()));
                Ok(())
            },
        );
        assert_eq!(noted, Ok(()));
        let detail = json!({"what": "end", "id": "gr-12J", "why": "there is none", "uid": 7});
        assert_eq!(said, [("desk_refused".to_owned(), detail)]);
        let full = |_: &str, _: &Value| Err(Refused::new(503, "full"));
        let unheard = desk_refused("end", "gr-1", &refused, uid, full);
        assert_eq!(unheard.map_err(|refused| refused.status), Err(503));
    }
}
