//! The parts of the gateway as the front desk wants to see them. Each adapter is a few lines; anything
//! longer belongs into the part.

use crate::front_desk::{Access, Books, Streams};
use portcullis_console::PluginRow;
use portcullis_gate::{BoxFuture, Plugins, Record, Streamed};
use portcullis_journal::Journal;
use portcullis_model::{Decision, Fault, Principal, Session, SessionId};
use portcullis_policy::{ConnectQuestion, Policy};
use portcullis_sandbox::PluginSet;
use serde_json::Value;
use std::sync::Arc;

/// The connect rule.
pub(super) struct Ruled(pub Arc<Policy>);

impl Access for Ruled {
    fn connect(&self, question: &ConnectQuestion<'_>) -> Result<Decision, Fault> {
        self.0.connect(question)
    }

    fn revision(&self) -> Arc<str> {
        self.0.revision()
    }
}

/// The record.
pub(super) struct OnRecord(pub Arc<Journal>);

impl Books for OnRecord {
    fn session(&self, id: SessionId, who: &Principal) -> Result<Box<dyn Record>, Fault> {
        self.0.session(id, who)
    }

    fn note(&self, event: &str, detail: &Value) -> Result<(), Fault> {
        // Refused logins: strangers bring them about, and take no room from votes on a full disk.
        self.0.node_if_room(event, detail).map(drop)
    }
}

/// One generation of plugins.
pub(super) struct Plugged(pub Arc<PluginSet>);

impl Plugins for Plugged {
    fn open<'a>(&'a self, session: &'a Arc<Session>) -> BoxFuture<'a, Result<Streamed, Fault>> {
        Box::pin(async move {
            let (classify, mask) = self.0.stream(session, session.target.protocol);
            Ok(Streamed { classify, mask })
        })
    }
}

impl Streams for Plugged {
    fn plugins(&self) -> Vec<PluginRow> {
        let rows = self.0.names().into_iter();
        rows.map(|(name, sha256)| PluginRow { name, sha256 })
            .collect()
    }
}
