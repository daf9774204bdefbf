//! What the upstream still has to answer, in order, and who is to hear it.

use super::names::{Cause, Portal, Prepared};
use crate::values::{CopyOut, Rows};
use portcullis_gate::Refusal;
use std::sync::Arc;

/// One answer that is due.
#[derive(Debug)]
pub struct Expect {
    /// To what.
    pub what: What,
    /// Who hears it.
    pub voice: Voice,
}

/// Who hears an answer.
#[derive(Debug)]
pub enum Voice {
    /// The client.
    Client,
    /// Nobody: the gateway asked.
    House,
    /// The client, but the error is ours.
    Instead(Refusal),
}

/// What was asked.
#[derive(Debug)]
pub enum What {
    /// Simple query: results, then ReadyForQuery.
    Query(Box<Running>),
    /// Parse of a client.
    Parse(String, Arc<Prepared>),
    /// Bind of a client.
    Bind(String, Arc<Portal>),
    /// Describe of a statement, and the epoch it was asked in. None where it is not certain which
    /// statement answers.
    DescribeStatement(Option<Arc<Prepared>>, u64),
    /// Describe of a portal; none as above.
    DescribePortal(Option<Arc<Portal>>),
    /// Execute.
    Execute(Box<Running>),
    /// Close of a statement (true) or portal.
    Close(bool, String),
    /// Sync.
    Sync,
    /// FunctionCall.
    Call(Cause),
    /// One frame of this type, to something of the gateway's own.
    Answer(u8),
    /// The row of the gateway's own probe.
    Probe,
    /// What the server's names stand for.
    Stand,
}

/// A statement, or a text of several, whose results are coming.
#[derive(Default)]
pub struct Running {
    /// Facts and decision.
    pub cause: Cause,
    /// The text, to find a statement's words in.
    pub text: Option<Arc<str>>,
    /// Statements of the text.
    pub count: usize,
    /// Statements that have completed.
    pub completed: usize,
    /// The portal, in the extended protocol.
    pub portal: Option<Arc<Portal>>,
    /// The shape of the rows that are coming.
    pub rows: Option<Arc<Rows>>,
    /// Rows of this result have come already.
    pub begun: bool,
    /// The COPY data that is coming.
    pub copy_out: Option<CopyOut>,
    /// COPY … FROM STDIN that may still begin.
    pub uploads: usize,
    /// It changes what names stand for.
    pub changes_names: bool,
    /// It is a replication command.
    pub replicates: bool,
    /// What it answers belongs to a stream that policy has named opaque.
    pub opaque: bool,
    /// A stream to the client is coming.
    pub streaming: bool,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("count", &self.count)
            .field("completed", &self.completed)
            .field("uploads", &self.uploads)
            .finish_non_exhaustive()
    }
}
