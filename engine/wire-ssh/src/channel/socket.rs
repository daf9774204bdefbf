//! A forward to a socket of the host's (`ssh -L PORT:/PATH`). Nothing in it can be read here, and what stands behind a socket
//! (a database, a container engine, an agent) often asks for no password: so it has a name of its own, by which policy lets
//! it pass or does not.
//!
//! It refuses a path that is not absolute, holds what cannot be shown, or climbs (`..`): what is judged is what is opened.

use super::ask::{channel, known};
use super::forward::ruled_out;
use super::{Ended, Stream, Talk};
use crate::naming::sound;
use crate::upline::Opening;
use bytes::Bytes;
use portcullis_gate::Reader;
use portcullis_model::message::{Context, Message};
use portcullis_model::{Denial, Effect, Risk, Verbs};
use russh::server::ChannelOpenHandle;
use russh::{ChannelOpenFailure, ChannelReadHalf};
use serde_json::json;
use std::sync::Arc;

/// The name by which policy lets it pass.
pub(super) const NAME: &str = "streamlocal";

impl Talk {
    /// The whole life of a forward to a socket. It is opened only once the other end is.
    pub(crate) async fn socket(self, path: String, reply: ChannelOpenHandle) {
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
        let what = json!({"ssh": NAME, "path": path});
        let opened = self.opened(entered, &what, Context::new(), Reader::Program, Some(NAME));
        let Some(stream) = opened.await else {
            return refuse(reply, prohibited).await;
        };
        let begun = tokio::select! {
            biased;
            () = stream.conversation.over() => Err(Ended::ClientGone),
            begun = stream.begin_socket(&path) => begun,
        };
        match begun {
            Ok(read) => {
                reply.accept().await;
                let ended = stream.pass_through(read).await;
                stream.part_forward(ended).await;
            }
            Err(ended) => {
                let failure = match ended {
                    Ended::Broken(_) => ChannelOpenFailure::ConnectFailed,
                    _ => prohibited,
                };
                refuse(reply, failure).await;
                stream.part_unopened(ended);
            }
        }
    }
}

impl Stream {
    async fn begin_socket(&self, path: &str) -> Result<ChannelReadHalf, Ended> {
        if !self.entered.control.allows_terminals() {
            return Err(self.deny(&ruled_out(self.entered.control)).await?);
        }
        if !is_plain(path) {
            return Err(self.deny(&no_path()).await?);
        }
        let allowed = self.allowed(asked(path)).await?;
        self.may_pass_unread(allowed.decision()).await?;
        // The forward itself has no bytes: what was permitted is the opening.
        drop(self.commit(vec![allowed]).await?);
        self.dial(Opening::Socket(path), None).await
    }
}

pub(super) fn is_plain(path: &str) -> bool {
    let climbs = path.split('/').any(|part| part == ".." || part == ".");
    sound(path) && path.starts_with('/') && !climbs
}

fn asked(path: &str) -> Message {
    let mut known = known(Effect::Write, Risk::High, Verbs::NET, "forward");
    known.labels.insert("forward-socket".to_owned());
    let bound = Bytes::from(json!({"socket": path}).to_string());
    channel(
        &format!("streamlocal {path}"),
        NAME,
        known,
        bound,
        Bytes::new(),
    )
}

/// What is judged is what is opened.
pub(super) fn no_path() -> Denial {
    Denial::new(
        "ssh/forward-socket",
        "a forward leads to a socket by its whole path, plainly written",
    )
    .hint("Write it from / on, without `..` and spaces.")
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn a_socket_is_named_by_its_whole_path() {
        for path in ["/run/app.sock", "/var/run/postgresql/.s.PGSQL.5432"] {
            assert!(is_plain(path), "{path}");
        }
        let long = format!("/{}", "x".repeat(300));
        for path in [
            "",
            "app.sock",
            "~/app.sock",
            "/run/../etc/app.sock",
            "/run/./app.sock",
            "/run/a b",
            "/run/a\nb",
            &long,
        ] {
            assert!(!is_plain(path), "{path:?}");
        }
    }
}
