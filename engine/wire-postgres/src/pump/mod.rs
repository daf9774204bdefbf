//! One session, one task: reads both sides, drives the conversation, asks the gate, and writes what the
//! gate has made. It holds no rule of its own: what may pass is the gate's answer, where it goes is the
//! conversation's.
//!
//! It refuses to read ahead: while one side does not take what it is owed, the other is not read.

mod client_side;
mod ending;
mod events;
mod hold;
mod upstream_side;

use crate::auth_upstream::Login;
use crate::conversation::Conversation;
use crate::keys::Key;
use crate::startup::Walsender;
use bytes::Bytes;
use events::Event;
use hold::Hold;
use portcullis_gate::{ApprovalDesk, BoxFuture, Clock, Gate, House, Tether, Upstream};
use portcullis_link::{ClientReader, ClientWriter, UpstreamReader, UpstreamWriter};
use portcullis_model::{Denial, Fault, SessionId, Timestamp};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::Sleep;

/// Why a session ends.
pub(crate) enum End {
    /// The client has gone.
    ClientGone,
    /// The upstream has gone.
    UpstreamGone,
    /// The admission has lost its ground.
    Severed(Denial),
    /// A response could not be masked, recorded or rebuilt.
    Unreleased(Fault),
    /// Something broke.
    Fault(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The two connections of a session.
pub(crate) struct Lines {
    pub client: ClientReader,
    pub to_client: ClientWriter,
    pub upstream: UpstreamReader,
    pub to_upstream: UpstreamWriter,
}

/// What a session needs besides its lines.
pub(crate) struct Surroundings {
    pub clock: Clock,
    pub approvals: Arc<dyn ApprovalDesk>,
    pub tether: Arc<dyn Tether>,
    pub target: Upstream,
    pub login: Login,
    pub key: Key,
    pub session: SessionId,
    pub replication: Option<Walsender>,
}

/// A session under way.
pub(crate) struct Pump {
    lines: Lines,
    gate: Gate,
    talk: Conversation,
    around: Surroundings,
    severed: BoxFuture<'static, Denial>,
    /// A frame that waits for answers that are due.
    stalled: Option<(u8, Bytes)>,
    hold: Option<Hold>,
    /// A CancelRequest on its way upstream: nothing else goes up before it has been done.
    cancelling: Option<BoxFuture<'static, ()>>,
    /// The client has said good-bye or hung up; what runs may end until then.
    closing: Option<Pin<Box<Sleep>>>,
    /// Frames that have been read may be taken up again.
    resume: bool,
    client_needs: usize,
    upstream_needs: usize,
}

impl Pump {
    pub(crate) fn new(lines: Lines, gate: Gate, around: Surroundings) -> Self {
        let tether = around.tether.clone();
        Self {
            lines,
            gate,
            talk: Conversation::on(around.replication),
            around,
            severed: Box::pin(async move { tether.severed().await }),
            stalled: None,
            hold: None,
            cancelling: None,
            closing: None,
            resume: false,
            client_needs: 0,
            upstream_needs: 0,
        }
    }

    /// Runs the session to its end.
    pub(crate) async fn run(mut self) -> Result<(), Fault> {
        let end = loop {
            if let Err(end) = self.turn().await {
                break end;
            }
        };
        self.end(end).await
    }

    async fn turn(&mut self) -> Result<(), End> {
        match poll_fn(|cx| self.poll_event(cx)).await {
            Event::ClientRead(0) => self.client_gone(),
            Event::ClientRead(_) => self.take_client().await,
            Event::ClientBroken => Err(End::ClientGone),
            Event::UpstreamRead(0) | Event::UpstreamBroken => Err(End::UpstreamGone),
            Event::UpstreamRead(_) => self.take_upstream().await,
            Event::Severed(denial) => Err(End::Severed(denial)),
            Event::CancelAsked => self.cancel_asked().await,
            Event::CancelDone => {
                self.cancelling = None;
                self.take_client().await
            }
            Event::Answered(answer) => self.answered(answer),
            Event::Resume => self.take_client().await,
            Event::NoticeDue => self.notice_again(),
            Event::Patience => Err(End::ClientGone),
        }
    }

    fn now(&self) -> Timestamp {
        (self.around.clock)()
    }

    /// Says something upstream on the gateway's own account.
    fn say(&mut self, house: House, wire: Bytes) -> Result<(), Fault> {
        let now = self.now();
        let housed = self.gate.house(house, wire, now)?;
        self.lines.to_upstream.say(housed);
        Ok(())
    }
}
