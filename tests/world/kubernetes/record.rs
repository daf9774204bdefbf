//! What the record has of a cluster's sessions, as a reader of it sees it: entry by entry, and as text.
//!
//! It refuses nothing that has to do with the record; a session that is still being written is shown as far as it is.

use super::ClusterWorld;
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

impl ClusterWorld {
    /// The sessions on record, by their names.
    ///
    /// # Errors
    /// When the gateway does not list them.
    pub fn recorded(&self) -> Result<Vec<String>> {
        let sessions = self.gateway.json(&["sessions", "list", "--recorded"])?;
        let each = sessions.as_array().context("sessions")?.iter();
        let name = |session: &Value| session["id"].as_str().map(str::to_owned);
        each.map(|session| name(session).context("a session's name"))
            .collect()
    }

    /// All entries of one of them.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn entries_of(&self, session: &str) -> Result<Vec<Value>> {
        let words = ["sessions", "replay", session, "--verbose", "--json"];
        let told = self.gateway.admin(&words)?.out;
        let read = told.lines().map(serde_json::from_str::<Value>);
        Ok(read.filter_map(Result::ok).collect())
    }

    /// All entries on record.
    ///
    /// # Errors
    /// As the two above.
    pub fn entries(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for session in self.recorded()? {
            all.extend(self.entries_of(&session)?);
        }
        Ok(all)
    }
}

/// The bytes of entries of one kind (`upload`, `release`, `diagnostic`), as text.
#[must_use]
pub fn text(entries: &[Value], kind: &str) -> String {
    let coded = entries
        .iter()
        .filter(|entry| entry["kind"] == kind)
        .filter_map(|entry| entry["payload"]["base64"].as_str());
    let decoded = coded.filter_map(|coded| STANDARD.decode(coded).ok());
    let all: Vec<u8> = decoded.flatten().collect();
    String::from_utf8_lossy(&all).into_owned()
}
