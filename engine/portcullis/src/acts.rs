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
    desk.forget_keys_of(&live.session.identity);
    live.sever(Denial::new("admin/kill", why).hint("Ask whoever runs the gateway."));
    Ok(())
}

/// Puts on record that a vote was refused, and over which way in it came. It stays refused where that cannot be done.
pub(crate) fn refused_vote(journal: &Journal, id: &str, refused: &Refused, from: (&str, Value)) {
    let (key, from) = from;
    let detail = json!({"id": id_of(id), "why": refused.error, (key): from});
    if let Err(fault) = journal.node("vote_refused", &detail) {
        tracing::error!(fault = fault.chain(), "a refused vote is not on record");
    }
}

/// The id is whatever was sent; only what ids are made of goes on record, and no more than they have.
fn id_of(sent: &str) -> String {
    let of_ids = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    sent.chars().filter(of_ids).take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_sent_as_an_id_only_an_id_goes_on_record() {
        assert_eq!(id_of("ap-7f3a"), "ap-7f3a");
        assert_eq!(id_of("ap-1\u{1b}[2J\n\"x\""), "ap-12Jx");
        assert_eq!(id_of(&"a".repeat(500)).len(), 16);
    }
}
