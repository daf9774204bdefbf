//! The conversation after login, as a state machine without I/O: what the client may say now, what the
//! upstream still owes, what every name stands for, and what a refusal has to look like so that both
//! sides stay in step.
//!
//! It refuses to guess. A message whose meaning depends on an answer that has not come yet waits for it;
//! an answer that nobody asked for ends the connection.

mod asked;
mod effects;
mod epoch;
mod expect;
mod names;
mod refusing;
mod replicating;
mod resolve;
mod sent;
mod server;
mod shapes;

pub use asked::{Asked, Intent};
pub use names::{Cause, may_use_names};
pub use refusing::Refusing;
pub use server::Relay;
pub(crate) use server::must_stay;

use crate::startup::Walsender;
use expect::{Expect, What};
use names::Names;
use portcullis_model::message::Context;
use portcullis_model::{Timestamp, Transaction};
use replicating::Both;
use shapes::Shapes;
use std::collections::{HashMap, VecDeque};

/// Messages the upstream may still owe an answer to; behind them the client waits.
const PIPELINE_MAX: usize = 16 * 1024;

/// What the gateway's own question about the session's state found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// `current_user`.
    pub role: Option<String>,
    /// `search_path`.
    pub search_path: Option<String>,
    /// Temporary relations.
    pub shadows: Vec<String>,
}

/// A session's state machine.
#[derive(Default)]
pub struct Conversation {
    queue: VecDeque<Expect>,
    names: Names,
    context: Context,
    shapes: Shapes,
    /// Names in the queue that are not certain yet.
    unsettled: usize,
    /// Uploads that may still begin.
    uploads: usize,
    /// Counts Syncs and simple queries sent, from 1, and everything that begins an epoch.
    segment: u64,
    /// Counts what may have changed the meaning of a text.
    epoch: u64,
    /// Something that changes it was sent, and may still be undone.
    moving: bool,
    /// When descriptions were last given up because of their age.
    aged: Timestamp,
    /// Extended messages since the last Sync.
    batch: bool,
    /// A portal was bound or executed among them.
    bound: bool,
    /// Nothing was sent upstream since the last Flush or Sync.
    flushed: bool,
    /// The client's messages are dropped until its Sync.
    discard: bool,
    /// The upstream reads COPY data.
    uploading: bool,
    /// A result went over its budget: everything is swallowed until ReadyForQuery.
    cut: bool,
    /// The row of the probe, while it is under way.
    probed: Option<Probed>,
    probe_failed: bool,
    /// The cause of what completed last, and of the error that came last.
    last: Cause,
    failed: Cause,
    /// What the server says its names stand for, while it is being asked.
    stand: HashMap<(bool, String), String>,
    /// The server said FATAL.
    fatal: bool,
    /// What the session has set since its transaction began.
    touched: Vec<String>,
    /// The server is a walsender: replication commands run, and the extended protocol does not.
    replication: Option<Walsender>,
    /// Both sides send COPY data.
    both: Option<Both>,
    /// A failed transaction was ended or taken back to a savepoint since the last ReadyForQuery.
    recovered: bool,
}

impl Conversation {
    /// A conversation that begins after login.
    #[must_use]
    pub fn new() -> Self {
        Self {
            segment: 1,
            flushed: true,
            ..Self::default()
        }
    }

    /// The same on a line of this kind.
    #[must_use]
    pub fn on(replication: Option<Walsender>) -> Self {
        Self {
            replication,
            ..Self::new()
        }
    }

    /// The state statements run in.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// True when the upstream owes nothing.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.queue.is_empty()
    }

    /// True when a statement of the client runs upstream.
    #[must_use]
    pub fn running(&self) -> bool {
        self.queue.iter().any(|e| {
            matches!(
                e.what,
                What::Query(_)
                    | What::Execute(_)
                    | What::Call(_)
                    | What::Parse(..)
                    | What::Bind(..)
            )
        })
    }

    /// True when what the upstream owes comes only after a Flush.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        self.batch && !self.flushed && !self.queue.is_empty()
    }

    /// A Flush was sent.
    pub fn flushed(&mut self) {
        self.flushed = true;
    }

    /// True when the client's messages are dropped until its Sync.
    #[must_use]
    pub fn discarding(&self) -> bool {
        self.discard
    }

    /// True when holding would keep locks: a transaction is open, or statements of this batch have run.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.context.transaction != Transaction::Idle || self.bound
    }

    /// True when portals were bound or executed since the last Sync.
    #[must_use]
    pub fn batch_bound(&self) -> bool {
        self.bound
    }

    /// True when the server has announced the end itself.
    #[must_use]
    pub fn said_fatal(&self) -> bool {
        self.fatal
    }
}

#[cfg(test)]
mod tests;
