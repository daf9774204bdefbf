//! A local forward (`ssh -L`, `-D`, `-W`). One that leads to a server of the configuration is served by whoever serves that
//! protocol, as a session of its own. Any other goes through the target by host and port, as policy says: nothing in it can
//! be read here, so it passes only where no mask applies or policy has named it, and secrets of ours end it all the same.
//!
//! It refuses to let a known server's stream pass unread, by whichever name the client calls it.

use super::ask::{channel, known};
use super::{Ended, Stream, Talk};
use crate::naming::is_host;
use crate::sides::Exit;
use crate::upline::Opening;
use bytes::Bytes;
use portcullis_gate::Reader;
use portcullis_link::{Behind, Indoors, Inner, Place};
use portcullis_model::message::{Context, Message};
use portcullis_model::{Control, Denial, Effect, Risk, Target, Verbs};
use russh::server::ChannelOpenHandle;
use russh::{ChannelOpenFailure, ChannelReadHalf};
use serde_json::json;
use std::sync::Arc;

/// The name by which policy lets it pass.
pub(super) const NAME: &str = "forward";

impl Talk {
    /// The whole life of a forward. It is opened only once the other end is.
    pub(crate) async fn forward(
        self,
        indoors: Option<Arc<dyn Indoors>>,
        host: String,
        port: u16,
        reply: ChannelOpenHandle,
    ) {
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
        let through = entered.gates.session().target.name.clone();
        let place = Place {
            host,
            port,
            through: Some(through),
        };
        // What is refused anyway is not looked up.
        let may = entered.control.allows_terminals() && is_host(&place.host);
        let lead = lead(&place, indoors.filter(|_| may)).await;
        let unread = match lead {
            Lead::Within(..) => None,
            Lead::Opaque { .. } => Some(NAME),
        };
        let what = json!({"ssh": NAME, "host": place.host, "port": port, "within": lead.word()});
        let context = Context::new();
        let opened = self.opened(entered, &what, context, Reader::Program, unread);
        let Some(stream) = opened.await else {
            return refuse(reply, prohibited).await;
        };
        let begun = tokio::select! {
            biased;
            () = stream.conversation.over() => Err(Ended::ClientGone),
            begun = stream.begin_forward(&place, &lead) => begun,
        };
        let read = match begun {
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
        let ended = match (lead, read) {
            (Lead::Within(indoors, targets), _) => stream.serve_within(indoors, targets).await,
            (_, Some(read)) => stream.pass_through(read).await,
            (_, None) => Ended::ClientGone,
        };
        stream.part_forward(ended).await;
    }
}

/// Where a forward leads.
enum Lead {
    /// To a server that the gateway knows, and whose protocol it serves.
    Within(Arc<dyn Indoors>, Vec<Arc<Target>>),
    /// Elsewhere, through the host. `unresolved`: the name means nothing to the gateway, so it may be any server.
    Opaque { unresolved: bool },
}

impl Lead {
    /// For the record.
    fn word(&self) -> Option<&'static str> {
        match self {
            Self::Within(..) => Some("postgres"),
            Self::Opaque { .. } => None,
        }
    }
}

async fn lead(place: &Place, indoors: Option<Arc<dyn Indoors>>) -> Lead {
    let Some(indoors) = indoors else {
        return Lead::Opaque { unresolved: false };
    };
    match indoors.behind(place).await {
        Behind::Known(targets) => Lead::Within(indoors, targets),
        Behind::Other => Lead::Opaque { unresolved: false },
        Behind::Unresolved => Lead::Opaque { unresolved: true },
    }
}

impl Stream {
    /// Judged, and dialled where it leads through the host.
    async fn begin_forward(
        &self,
        place: &Place,
        lead: &Lead,
    ) -> Result<Option<ChannelReadHalf>, Ended> {
        if !self.entered.control.allows_terminals() {
            return Err(self.deny(&ruled_out(self.entered.control)).await?);
        }
        if !is_host(&place.host) {
            return Err(self.deny(&no_host()).await?);
        }
        let allowed = self.allowed(asked(place, lead)).await?;
        self.may_pass_unread(allowed.decision()).await?;
        // The forward itself has no bytes: what was permitted is the opening.
        drop(self.commit(vec![allowed]).await?);
        match lead {
            Lead::Within(..) => Ok(None),
            Lead::Opaque { .. } => {
                let opening = Opening::Forward(&place.host, place.port);
                self.dial(opening, None).await.map(Some)
            }
        }
    }

    /// The protocol in it is served here, as a session of its own. Whatever ends the channel ends that too, in its own way:
    /// it is never dropped half done.
    async fn serve_within(&self, indoors: Arc<dyn Indoors>, targets: Vec<Arc<Target>>) -> Ended {
        let session = self.entered.gates.session();
        let inner = Inner {
            stream: self.client.pipe(Arc::clone(&self.inbox)),
            peer: session.client.address,
            identity: Arc::clone(&session.identity),
            session: Some(session.id),
            targets,
        };
        let served = self.conversation.tasks.spawn(indoors.serve(inner));
        let ended = tokio::select! {
            biased;
            () = self.inbox.closed() => self.shut(),
            () = self.conversation.over() => Ended::ClientGone,
            denial = self.entered.tether.severed() => Ended::Severed(denial),
            served = served => match served {
                Ok(Err(fault)) => {
                    tracing::debug!(fault = fault.chain(), "a stream within ended");
                    Ended::Done(Exit::Nothing)
                }
                _ => Ended::Done(Exit::Nothing),
            },
        };
        self.inbox.close();
        ended
    }

    pub(super) async fn pass_through(&self, mut read: ChannelReadHalf) -> Ended {
        tokio::select! {
            biased;
            () = self.inbox.closed() => self.shut(),
            () = self.conversation.over() => Ended::ClientGone,
            denial = self.entered.tether.severed() => Ended::Severed(denial),
            ended = self.both(&mut read) => ended.map_or_else(|ended| ended, Ended::Done),
        }
    }

    /// A forward has no standard error: what is refused in it is on record, and the channel ends.
    pub(super) async fn part_forward(self, ended: Ended) {
        let ended = match ended {
            Ended::Done(_) => Ended::Done(Exit::Nothing),
            ended => Ended::Cut(self.cut(&ended)),
        };
        // Nobody tells of a client that closes what is closed already: the channel's place is free from here on.
        let inbox = Arc::clone(&self.inbox);
        self.client.eof().await;
        self.client.close().await;
        self.part(ended).await;
        inbox.close();
    }

    pub(super) fn part_unopened(self, ended: Ended) {
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

/// What policy is asked. A stream that is read further on can do nothing by itself.
fn asked(place: &Place, lead: &Lead) -> Message {
    let mut known = match lead {
        Lead::Within(..) => known(Effect::Read, Risk::Low, Verbs::NET, "forward"),
        Lead::Opaque { .. } => known(Effect::Write, Risk::Medium, Verbs::NET, "forward"),
    };
    let more = match lead {
        Lead::Within(..) => Some("forward-inspected"),
        Lead::Opaque { unresolved: true } => Some("forward-unresolved"),
        Lead::Opaque { unresolved: false } => None,
    };
    known.labels.extend(more.map(str::to_owned));
    let (host, port) = (&place.host, place.port);
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

pub(super) fn ruled_out(control: Control) -> Denial {
    Denial::new(
        "ssh/exec-only",
        format!("this session has the level {}: no forwards", control.word()),
    )
    .hint("Ask for a connection of its own to where the forward leads.")
}
