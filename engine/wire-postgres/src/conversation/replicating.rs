//! What a walsender line adds to the conversation: commands of another grammar, and a stream in both
//! directions (CopyBoth). The client's side of the stream is a short list of messages, so it is read
//! strictly; the server's side is opaque. It refuses the extended protocol, as the walsender does.

use super::asked::{Asked, Intent};
use super::expect::{Running, What};
use super::{Conversation, Relay};
use crate::frame::{Malformed, body};
use crate::replication::{self, Read};
use crate::startup::Walsender;
use bytes::Bytes;
use portcullis_model::message::{Body, Message, Statement};
use portcullis_model::{Denial, Fault, Side, Stage};
use std::sync::Arc;

/// A stream in both directions, and who has ended its side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Both {
    pub client_done: bool,
    pub upstream_done: bool,
}

impl Conversation {
    /// What a text is on this line.
    pub(super) fn replication(&self, text: &str) -> Read {
        match (self.replication, replication::read(text)) {
            (None, _) => Read::Sql,
            // Both grammars know it, and SQL's is masked and judged as ever.
            (Some(Walsender::Logical), Read::Command(facts)) if replication::shows(&facts) => {
                Read::Sql
            }
            (Some(_), read) => read,
        }
    }

    /// True when the client may send its side of a stream now.
    pub(super) fn streams(&self) -> bool {
        self.both.is_some_and(|both| !both.client_done)
    }

    /// True when the extended protocol is not spoken here.
    pub(super) fn simple_only(&self) -> bool {
        self.replication.is_some()
    }

    /// The client's side of a stream.
    pub(super) fn stream(&self, tag: u8, frame: &Bytes) -> Result<Asked, Malformed> {
        match tag {
            b'd' if is_status(body(frame)) => Ok(said(frame, "replication status", Intent::Upload)),
            b'd' => Err(Malformed::Body),
            b'c' => Ok(said(frame, "replication end", Intent::UploadEnd)),
            _ => Err(Malformed::Unexpected),
        }
    }

    /// Answers to a replication command; what is none of the stream is an ordinary result.
    pub(super) fn replicated(&mut self, tag: u8, frame: &Bytes) -> Result<(bool, Relay), Fault> {
        let unexpected = || Malformed::Unexpected.by(Side::Upstream);
        let Some(What::Query(running)) = self.queue.front_mut().map(|e| &mut e.what) else {
            return Err(unexpected());
        };
        Ok((
            false,
            match (tag, &mut self.both) {
                (b'W', None) if running.uploads > 0 => {
                    self.uploads -= std::mem::take(&mut running.uploads);
                    self.both = Some(Both::default());
                    Relay::Control
                }
                (b'd', Some(both)) if !both.upstream_done => Relay::Opaque,
                (b'c', Some(both)) if !both.upstream_done => {
                    both.upstream_done = true;
                    Relay::Control
                }
                (
                    b'T' | b'C',
                    both @ Some(Both {
                        upstream_done: true,
                        client_done: true,
                    }),
                ) => {
                    *both = None;
                    return self.result(tag, frame);
                }
                (_, Some(_)) => return Err(unexpected()),
                (b'H', None) if running.opaque => {
                    running.streaming = true;
                    Relay::Control
                }
                (b'd', None) if running.streaming => Relay::Opaque,
                (b'c', None) if running.streaming => {
                    running.streaming = false;
                    Relay::Control
                }
                (b'D', None) if running.opaque && running.rows.is_some() => Relay::Opaque,
                (b'G' | b'H', None) => return Err(unexpected()),
                _ => return self.result(tag, frame),
            },
        ))
    }

    /// The client has ended its side.
    pub(super) fn client_ends(&mut self) {
        if let Some(both) = &mut self.both {
            both.client_done = true;
        }
    }
}

/// A command of the replication grammar.
pub(super) fn command(
    frame: &Bytes,
    text: Arc<str>,
    known: Arc<portcullis_model::StatementFacts>,
) -> Asked {
    let statement = Statement {
        text: text.clone(),
        stage: Stage::Replicate,
        parameters: Vec::new(),
        resolved: Vec::new(),
        function: None,
        known: Some(known),
    };
    let message = Message {
        body: Body::Statement(statement),
        wire: frame.clone(),
    };
    Asked::Judge(message, Intent::Replicate(text))
}

/// What is said to a command that begins like one of replication and is not on the list.
pub(super) fn unlisted() -> Denial {
    Denial::new(
        "portcullis/replication-command",
        "this replication command or one of its options does not pass the gateway",
    )
    .hint("IDENTIFY_SYSTEM, SHOW, TIMELINE_HISTORY, slots, START_REPLICATION and BASE_BACKUP to the client do.")
}

fn said(frame: &Bytes, name: &'static str, intent: Intent) -> Asked {
    let message = Message {
        body: Body::Control(name),
        wire: frame.clone(),
    };
    Asked::Judge(message, intent)
}

/// Standby status update (`r`), hot standby feedback (`h`): fixed lengths, numbers only. Anything else would
/// be a way to write.
fn is_status(body: &[u8]) -> bool {
    matches!(
        (body.first(), body.len()),
        (Some(b'r'), 34) | (Some(b'h'), 25)
    )
}

impl Running {
    /// A replication command; `opaque` when what it answers is part of the stream that policy granted.
    pub(super) fn replicates(mut self) -> Self {
        let first = self.cause.facts.as_ref().and_then(|f| f.statements.first());
        let verb = first.map(|s| s.verb.as_str()).unwrap_or_default();
        self.uploads = usize::from(verb == "START_REPLICATION");
        self.opaque = verb != "SHOW";
        self.replicates = true;
        self.changes_names = false;
        self
    }
}

impl What {
    /// The replication command that is being answered.
    pub(super) fn replication(&self) -> Option<&Running> {
        match self {
            Self::Query(running) if running.replicates => Some(running),
            _ => None,
        }
    }
}
