//! A local forward (`ssh -L`, `-D`, `-W`): by host and port, as policy says, through the target. Nothing in it can be read
//! here, so it passes only where no mask applies or policy has named it, and its secrets of ours end it all the same.

use super::ask::{channel, known};
use super::{Ended, Stream, Talk};
use crate::naming::is_host;
use crate::sides::Exit;
use crate::upline::Opening;
use bytes::Bytes;
use portcullis_gate::Reader;
use portcullis_model::message::{Context, Message};
use portcullis_model::{Control, Denial, Effect, Risk, Verbs};
use russh::server::ChannelOpenHandle;
use russh::{ChannelOpenFailure, ChannelReadHalf};
use serde_json::json;
use std::sync::Arc;

/// The name by which policy lets it pass.
pub(super) const NAME: &str = "forward";

impl Talk {
    /// The whole life of a forward. It is opened only once the other end is.
    pub(crate) async fn forward(self, host: String, port: u16, reply: ChannelOpenHandle) {
        let prohibited = ChannelOpenFailure::AdministrativelyProhibited;
        let inbox = Arc::clone(&self.inbox);
        // The client will never close what was never opened: the channel's place is free again at once.
        let refuse = async move |reply: ChannelOpenHandle, failure| {
            inbox.close();
            reply.reject(failure).await;
        };
        let settled = self.conversation.settled(None);
        let Ok(entered) = settled.await else {
            return refuse(reply, prohibited).await;
        };
        let what = json!({"ssh": NAME, "host": host, "port": port});
        let context = Context::new();
        let opened = self.opened(entered, &what, context, Reader::Program, Some(NAME));
        let Some(stream) = opened.await else {
            return refuse(reply, prohibited).await;
        };
        let ended = tokio::select! {
            biased;
            () = stream.conversation.over() => Err(Ended::ClientGone),
            begun = stream.begin_forward(&host, port) => begun,
        };
        let mut read = match ended {
            Ok(read) => read,
            Err(ended) => {
                let failure = match ended {
                    Ended::Broken(_) => ChannelOpenFailure::ConnectFailed,
                    _ => prohibited,
                };
                refuse(reply, failure).await;
                return stream.part_unopened(ended);
            }
        };
        reply.accept().await;
        let ended = tokio::select! {
            biased;
            () = stream.inbox.closed() => stream.shut(),
            () = stream.conversation.over() => Ended::ClientGone,
            denial = stream.entered.tether.severed() => Ended::Severed(denial),
            ended = stream.both(&mut read) => ended.map_or_else(|ended| ended, Ended::Done),
        };
        stream.part_forward(ended).await;
    }
}

impl Stream {
    async fn begin_forward(&self, host: &str, port: u16) -> Result<ChannelReadHalf, Ended> {
        if !self.entered.control.allows_terminals() {
            return Err(self.deny(&ruled_out(self.entered.control)).await?);
        }
        if !is_host(host) {
            return Err(self.deny(&no_host()).await?);
        }
        let allowed = self.allowed(asked(host, port)).await?;
        self.may_pass_unread(allowed.decision()).await?;
        // The forward itself has no bytes: what was permitted is the opening.
        drop(self.commit(vec![allowed]).await?);
        self.dial(Opening::Forward(host, port)).await
    }

    /// A forward has no standard error: what is refused in it is on record, and the channel ends.
    async fn part_forward(self, ended: Ended) {
        let ended = match ended {
            Ended::Done(_) => Ended::Done(Exit::Nothing),
            _ => Ended::ClientGone,
        };
        self.client.eof().await;
        self.client.close().await;
        self.part(ended).await;
    }

    fn part_unopened(self, ended: Ended) {
        let reason = match ended {
            Ended::Refused(_) => "refused",
            Ended::ClientGone => "client gone",
            _ => "the host did not open it",
        };
        let now = self.now();
        let closed = self
            .gate
            .into_inner()
            .close(&json!({"reason": reason}), now);
        if let Err(fault) = closed {
            tracing::error!(fault = fault.chain(), "a forward's end is not on record");
        }
    }
}

fn asked(host: &str, port: u16) -> Message {
    let known = known(Effect::Write, Risk::Medium, Verbs::NET, "forward");
    let bound = Bytes::from(json!({"host": host, "port": port}).to_string());
    channel(
        &format!("forward {host}:{port}"),
        NAME,
        known,
        bound,
        Bytes::new(),
    )
}

/// What is judged is what is dialled.
fn no_host() -> Denial {
    Denial::new(
        "ssh/forward-host",
        "a forward leads to a host by its name in ASCII, or by its address",
    )
    .hint("Write a name with other letters as DNS has it (xn--...).")
}

fn ruled_out(control: Control) -> Denial {
    Denial::new(
        "ssh/exec-only",
        format!("this session has the level {}: no forwards", control.word()),
    )
    .hint("Ask for a connection of its own to where the forward leads.")
}
