//! How a refusal is put so that the client stays in step.

use super::{Conversation, Intent};
use portcullis_model::Transaction;

/// Where a refusal goes, and what has to happen upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusing {
    /// Straight to the client, followed by ReadyForQuery with this status.
    Ready(u8),
    /// Straight to the client, which then has its Sync answered by the server.
    UntilSync,
    /// In the place of the error that an unacceptable simple query makes the server answer.
    AbortSimple,
    /// In the place of the error that an unacceptable Parse makes the server answer.
    AbortExtended,
    /// In the place of the error that a CopyFail makes the server answer.
    AbortUpload,
}

impl Conversation {
    /// Decides it. When the answer is `UntilSync`, the client's messages are dropped from here on.
    pub fn refusing(&mut self, intent: &Intent) -> Refusing {
        if matches!(intent, Intent::Upload | Intent::UploadEnd) {
            return Refusing::AbortUpload;
        }
        if intent.extended() {
            return self.refusing_extended();
        }
        match self.at_rest() {
            true => Refusing::Ready(match self.context.transaction {
                Transaction::Idle => b'I',
                Transaction::Open => b'T',
                Transaction::Failed => b'E',
            }),
            false => Refusing::AbortSimple,
        }
    }

    /// The same for a message of the extended protocol.
    pub fn refusing_extended(&mut self) -> Refusing {
        match self.at_rest() {
            true => {
                self.discard = true;
                Refusing::UntilSync
            }
            false => Refusing::AbortExtended,
        }
    }

    /// True while a result that went over its budget is being skipped.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// A result went over its budget and its error was shown: nothing more of it is, until the server
    /// is ready again.
    pub fn cut(&mut self) {
        self.cut = true;
        let synced = self.queue.iter().any(|e| {
            matches!(
                e.what,
                super::What::Sync | super::What::Query(_) | super::What::Call(_)
            )
        });
        if !synced {
            self.discard = true;
        }
    }
}
