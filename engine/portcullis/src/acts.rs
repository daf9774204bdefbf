//! What people do over more than one way in, done and put on record in one way: the admin socket, the console, hooks.
//!
//! It refuses to end a session where that cannot be recorded.

use crate::front_desk::Desk;
use portcullis_console::Refused;
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

/// What one entry says besides.
pub(crate) fn add(entry: &mut Value, more: &Value) {
    if let (Some(entry), Some(more)) = (entry.as_object_mut(), more.as_object()) {
        entry.extend(more.clone());
    }
}
