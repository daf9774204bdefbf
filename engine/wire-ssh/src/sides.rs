//! The two ends of one channel. Whatever goes through them needs a proof of the gate: `Permit` towards the host,
//! `Release`, `Refusal` or `Housed` towards the client. This file and `upline` are the only ones that write to russh.
//!
//! Sending waits for the peer's window and has no end of its own where the peer is gone: whoever calls it watches for
//! that, and drops the call.

use crate::inbox::Inbox;
use crate::start::{Size, Start, Wish};
use bytes::Bytes;
use portcullis_gate::{BoxFuture, Housed, Lane, Permit, Refusal, Release, SshBack};
use portcullis_link::{ClientOutlet, Duplex, Sink};
use portcullis_model::{Blame, Fault};
use russh::server::{Handle, Msg};
use russh::{ChannelId, ChannelWriteHalf, Sig, client};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// RFC 4254 section 5.2, `SSH_EXTENDED_DATA_STDERR`.
pub(crate) const STDERR: u32 = 1;

/// How much waits as one for a window that is shut.
const SHUT_BYTES: usize = 512;

/// One lane towards the client.
struct ToClient {
    half: Arc<ChannelWriteHalf<Msg>>,
    extended: Option<u32>,
}

impl Sink for ToClient {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            let wrote = match self.extended {
                None => self.half.data_bytes(bytes).await,
                Some(kind) => self.half.extended_data_bytes(kind, bytes).await,
            };
            wrote.map_err(|_| io::ErrorKind::BrokenPipe.into())
        })
    }
}

/// The client's end.
pub(crate) struct ClientSide {
    output: Mutex<ClientOutlet<ToClient>>,
    diagnostic: Mutex<ClientOutlet<ToClient>>,
    half: Arc<ChannelWriteHalf<Msg>>,
    handle: Handle,
    /// The client knows that no more output comes: RFC 4254 section 5.3 allows nothing but the channel's end behind that, and
    /// some clients leave when they see more.
    ended: AtomicBool,
}

/// See [`ClientSide::end`].
pub(crate) struct ClientEnd(Arc<ChannelWriteHalf<Msg>>);

impl ClientEnd {
    pub(crate) async fn close(&self) {
        let _closed = self.0.close().await;
    }
}

impl ClientSide {
    pub(crate) fn new(half: ChannelWriteHalf<Msg>, handle: Handle) -> Self {
        let half = Arc::new(half);
        let lane = |extended| {
            Mutex::new(ClientOutlet::new(ToClient {
                half: Arc::clone(&half),
                extended,
            }))
        };
        Self {
            output: lane(None),
            diagnostic: lane(Some(STDERR)),
            half,
            handle,
            ended: AtomicBool::new(false),
        }
    }

    /// What closes it, whatever becomes of the rest.
    pub(crate) fn end(&self) -> ClientEnd {
        ClientEnd(Arc::clone(&self.half))
    }

    /// Both directions as a stream, for a protocol inside of the channel that the gateway serves itself.
    pub(crate) fn pipe(&self, inbox: Arc<Inbox>) -> Box<dyn Duplex> {
        Box::new(crate::channel::pipe(inbox, &self.half))
    }

    /// The connection.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub(crate) fn id(&self) -> ChannelId {
        self.half.id()
    }

    fn lane(&self, lane: Lane) -> &Mutex<ClientOutlet<ToClient>> {
        match lane {
            Lane::Output => &self.output,
            Lane::Diagnostic => &self.diagnostic,
        }
    }

    pub(crate) async fn release(&self, lane: Lane, release: Release) -> Result<(), Fault> {
        let mut outlet = self.lane(lane).lock().await;
        outlet.release(release).await.map_err(gone)
    }

    pub(crate) async fn refuse(&self, lane: Lane, refusal: Refusal) -> Result<(), Fault> {
        if self.ended.load(Ordering::Relaxed) {
            // It is on record.
            return Ok(());
        }
        let mut outlet = self.lane(lane).lock().await;
        outlet.refuse(refusal).await.map_err(gone)
    }

    pub(crate) async fn say(&self, lane: Lane, housed: Housed) -> Result<(), Fault> {
        if self.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut outlet = self.lane(lane).lock().await;
        outlet.say(housed).await.map_err(gone)
    }

    pub(crate) async fn journal_dead(&self) {
        let mut outlet = self.diagnostic.lock().await;
        let _told = outlet.journal_dead(crate::refuse::JOURNAL_DEAD).await;
    }

    /// Before admission, and where there is no session: nothing of an upstream exists that could be shown.
    pub(crate) async fn tell(&self, text: Bytes) {
        let _told = self.half.extended_data_bytes(STDERR, text).await;
    }

    /// The command's end, as the host told it or as the gateway does.
    pub(crate) async fn exit(&self, exit: &Exit) {
        let id = self.id();
        match exit {
            Exit::Status(status) => {
                let _sent = self.handle.exit_status_request(id, *status).await;
            }
            Exit::Signal { signal, core } => {
                let sent = self.handle.exit_signal_request(
                    id,
                    signal.clone(),
                    *core,
                    String::new(),
                    String::new(),
                );
                let _sent = sent.await;
            }
            Exit::Nothing => {}
        }
    }

    /// No more output: said once.
    pub(crate) async fn eof(&self) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            let _sent = self.half.eof().await;
        }
    }

    pub(crate) async fn close(&self) {
        let _sent = self.half.close().await;
    }
}

fn gone(error: io::Error) -> Fault {
    Fault::new(Blame::Client, "take what it asked for", error)
}

/// How a command ended.
#[derive(Clone, Debug)]
pub(crate) enum Exit {
    Status(u32),
    Signal {
        signal: Sig,
        core: bool,
    },
    /// The host closed the channel without a word.
    Nothing,
}

/// The host's end.
pub(crate) struct HostSide {
    half: ChannelWriteHalf<client::Msg>,
}

impl HostSide {
    pub(crate) fn new(half: ChannelWriteHalf<client::Msg>) -> Self {
        Self { half }
    }

    /// Environment, terminal and the command itself: the bytes that were permitted, and no others.
    pub(crate) async fn start(
        &self,
        permit: Permit,
        start: &Start,
        back: SshBack,
    ) -> Result<(), Fault> {
        let frame: Vec<u8> = permit.into_frames().concat();
        for (name, value) in &start.environment {
            // A host that does not accept a variable says so, and ssh goes on: so do we.
            self.half.set_env(false, name, value).await.map_err(lost)?;
        }
        if let Some(terminal) = &start.terminal {
            let size = terminal.size;
            let asked = self.half.request_pty(
                false,
                &terminal.term,
                size.columns,
                size.rows,
                size.width,
                size.height,
                &terminal.modes,
            );
            asked.await.map_err(lost)?;
        }
        // As with a variable: a host that will not leads nowhere, and the command runs.
        if back.agent {
            self.half.agent_forward(false).await.map_err(lost)?;
        }
        if let Some(display) = start.display.as_ref().filter(|_| back.x11) {
            let asked = self.half.request_x11(
                false,
                display.single,
                &*display.protocol,
                display.cookie.as_str(),
                display.screen,
            );
            asked.await.map_err(lost)?;
        }
        let started = match &start.wish {
            Wish::Exec(_) => self.half.exec(true, frame).await,
            Wish::Shell => self.half.request_shell(true).await,
            Wish::Subsystem(name) => self.half.request_subsystem(true, name).await,
        };
        started.map_err(lost)
    }

    pub(crate) async fn send(&self, permit: Permit) -> Result<(), Fault> {
        self.send_telling(permit, |_| {}).await
    }

    /// The same, saying how many bytes the host has taken each time that it opens its window.
    pub(crate) async fn send_telling(
        &self,
        permit: Permit,
        took: impl Fn(usize),
    ) -> Result<(), Fault> {
        // An empty one is no news to a host.
        for mut frame in permit.into_frames().into_iter().filter(|f| !f.is_empty()) {
            while !frame.is_empty() {
                let open = self.half.writable_packet_size().await;
                let piece = frame.split_to(open.max(SHUT_BYTES).min(frame.len()));
                let count = piece.len();
                self.half.data_bytes(piece).await.map_err(lost)?;
                took(count);
            }
        }
        Ok(())
    }

    /// Something that the gateway asks on its own.
    pub(crate) async fn say(&self, housed: Housed) -> Result<(), Fault> {
        self.half.data_bytes(housed.into_wire()).await.map_err(lost)
    }

    pub(crate) async fn eof(&self, _permit: Permit) -> Result<(), Fault> {
        self.half.eof().await.map_err(lost)
    }

    pub(crate) async fn resize(&self, _permit: Permit, size: Size) -> Result<(), Fault> {
        let resized = self
            .half
            .window_change(size.columns, size.rows, size.width, size.height);
        resized.await.map_err(lost)
    }

    pub(crate) async fn signal(&self, _permit: Permit, signal: Sig) -> Result<(), Fault> {
        self.half.signal(signal).await.map_err(lost)
    }

    /// Ends the channel there: what runs in it gets a hangup from its server.
    pub(crate) async fn close(&self) {
        let _closed = self.half.close().await;
    }
}

fn lost(error: russh::Error) -> Fault {
    Fault::new(Blame::Upstream, "take what was sent", error)
}
