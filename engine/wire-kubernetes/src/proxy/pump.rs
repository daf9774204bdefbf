//! Both directions of an open stream. Towards the pod: standard input and sizes of the terminal, recorded before they
//! go. Towards the client: output and errors through the maskers, and how it ended.
//!
//! It refuses messages of channels that a side does not have, and to go on when the session has lost its ground: the
//! client is then told in the stream's own status. What is the same over WebSocket and SPDY stands here; how they word
//! it, in `socket` and `spdy`.

mod ports;
mod socket;
mod spdy;

pub(super) use ports::Asking;
pub(super) use spdy::{Carrier, Spdy};

use crate::mask::{Expected, Walk};
use crate::spdy::data;
use crate::status;
use crate::stream::{Channel, Saying, Size, Subprotocol, exit, frame};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use portcullis_gate::{
    BoxFuture, Clock, Gate, House, Housed, Lane, Next, Outgoing, Permit, Reader, Ruling, Tether,
    Unreleased,
};
use portcullis_link::{ClientOutlet, Sink};
use portcullis_model::message::{Body, Context, Message};
use portcullis_model::{Blame, Decision, Denial, Fault, Timestamp, limits};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What is read at a time.
const READ_BYTES: usize = 32 * 1024;

/// What stands in the messages.
pub(super) enum Mode {
    /// The streams of a command.
    Channels(Subprotocol),
    /// A port: nobody here can read it.
    Forward,
    /// Either of them, in frames of SPDY.
    Spdy(Box<Spdy>),
}

/// Both ends.
pub(super) struct Ends {
    pub client: Upgraded,
    pub cluster: Upgraded,
}

/// Open streams.
pub(super) struct Pump {
    gate: Mutex<Gate>,
    decision: Arc<Decision>,
    mode: Mode,
    tty: bool,
    clock: Clock,
    keys: RandomState,
    /// How the command has ended, once that was said.
    exit: parking_lot::Mutex<Option<i32>>,
}

/// Why they end.
enum End {
    /// A side has closed.
    Closed,
    Denied(Denial),
    Broken(Fault),
}

impl std::convert::From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

impl std::convert::From<Unreleased> for End {
    fn from(unreleased: Unreleased) -> Self {
        match unreleased {
            Unreleased::Budget(denial) => Self::Denied(denial),
            Unreleased::Fault(fault) => Self::Broken(fault),
        }
    }
}

impl std::convert::From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        // A side that is gone has ended the stream.
        Self::Closed
    }
}

type Reading = ReadHalf<TokioIo<Upgraded>>;

/// The writing end of a side. Every write is a whole frame.
#[derive(Clone)]
struct Wire(Arc<Mutex<WriteHalf<TokioIo<Upgraded>>>>);

impl Sink for Wire {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            let mut half = self.0.lock().await;
            half.write_all(&bytes).await?;
            half.flush().await
        })
    }
}

/// How the bytes of one channel are worded.
#[derive(Clone, Copy)]
enum Voice {
    /// A message.
    Message(Channel),
    /// Bytes of a stream.
    Stream(u32),
}

/// The same, for what comes out of a masker: it becomes a part of one channel.
struct Lined {
    wire: Wire,
    voice: Voice,
}

impl Sink for Lined {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>> {
        let worded = match self.voice {
            Voice::Message(channel) => {
                let message = Subprotocol::message(channel, &bytes);
                frame(Saying::Binary(&message), None)
            }
            Voice::Stream(stream) => data(stream, &bytes, false).into(),
        };
        self.wire.write(worded)
    }
}

impl Pump {
    pub(super) fn new(
        gate: Gate,
        decision: Arc<Decision>,
        mode: Mode,
        tty: bool,
        clock: Clock,
    ) -> Self {
        Self {
            gate: Mutex::new(gate),
            decision,
            mode,
            tty,
            clock,
            keys: RandomState::new(),
            exit: parking_lot::Mutex::default(),
        }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Until a side closes, or the session loses its ground.
    pub(super) async fn run(self, ends: Ends, tether: &dyn Tether) {
        let (from_client, to_client) = tokio::io::split(TokioIo::new(ends.client));
        let (from_cluster, to_cluster) = tokio::io::split(TokioIo::new(ends.cluster));
        let client = Wire(Arc::new(Mutex::new(to_client)));
        let cluster = Wire(Arc::new(Mutex::new(to_cluster)));
        let end = tokio::select! {
            biased;
            denial = tether.severed() => End::Denied(denial),
            end = self.down(from_cluster, client.clone(), cluster.clone()) => end,
            end = self.up(from_client, client.clone(), cluster.clone()) => end,
        };
        let mut gate = self.gate.into_inner();
        let now = (self.clock)();
        let how = match &end {
            End::Closed => "closed".to_owned(),
            End::Denied(denial) => denial.rule.clone(),
            End::Broken(fault) => {
                tracing::warn!(fault = fault.chain(), "a stream was broken off");
                format!("fault/{}", fault.blame.label())
            }
        };
        if let End::Denied(denial) = &end {
            let told = last_word(&mut gate, denial, &self.mode, client.clone(), now);
            // A client that does not read is not waited for.
            let _told = timeout(limits::HANDSHAKE_MAX, told).await;
        }
        let status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
        let closing = match *self.exit.lock() {
            Some(code) => serde_json::json!({"status": status, "end": how, "exit": code}),
            None => serde_json::json!({"status": status, "end": how}),
        };
        if let Err(fault) = gate.close(&closing, now) {
            tracing::error!(
                fault = fault.chain(),
                "the end of a stream is not on record"
            );
        }
        for side in [client, cluster] {
            // It may be gone already.
            let _closed = timeout(limits::HANDSHAKE_MAX, async move {
                side.0.lock().await.shutdown().await
            })
            .await;
        }
    }

    /// A mask for the next frame towards the cluster (RFC 6455 section 5.3: nobody may foresee it).
    fn key(&self) -> [u8; 4] {
        let mut hasher = self.keys.build_hasher();
        hasher.write_i64(self.now().0);
        let [a, b, c, d, ..] = hasher.finish().to_ne_bytes();
        [a, b, c, d]
    }

    /// From the client to the pod.
    async fn up(&self, mut from: Reading, client: Wire, cluster: Wire) -> End {
        let done = match &self.mode {
            Mode::Spdy(spdy) => self.spdy_up(spdy, &mut from, client, cluster).await,
            _ => self.upwards(&mut from, client, cluster).await,
        };
        done.err().unwrap_or(End::Closed)
    }

    /// From the pod to the client.
    async fn down(&self, mut from: Reading, client: Wire, cluster: Wire) -> End {
        let done = match &self.mode {
            Mode::Spdy(spdy) => self.spdy_down(spdy, &mut from, client, cluster).await,
            _ => self.downwards(&mut from, client, cluster).await,
        };
        done.err().unwrap_or(End::Closed)
    }

    /// Something that the gateway says itself, recorded.
    async fn house(&self, house: House, wire: impl Into<Bytes>) -> Result<Housed, Fault> {
        self.gate.lock().await.house(house, wire.into(), self.now())
    }

    /// A part towards the pod, judged and recorded.
    async fn permit(&self, body: Body, wire: Bytes) -> Result<Permit, End> {
        let mut gate = self.gate.lock().await;
        let context = Context::new();
        let message = Message { body, wire };
        match gate.judge(message, &context, self.now()).await {
            Ruling::Allow(allowed) => Ok(gate.commit(vec![allowed], &context, self.now()).await?),
            Ruling::Deny(denied) => Err(End::Denied(denied.denial().clone())),
            Ruling::Hold(_) => Err(Fault::bare(Blame::Gateway, "hold a part of a stream").into()),
        }
    }

    /// Standard input, as it is recorded.
    fn input(&self, bytes: Bytes) -> Body {
        match self.tty {
            true => Body::Typed {
                bytes,
                shown: false,
            },
            false => Body::Upload(bytes),
        }
    }

    /// How a channel is worded; `None` when nobody listens to it.
    fn voice(&self, channel: Channel) -> Option<Voice> {
        match &self.mode {
            Mode::Channels(_) => Some(Voice::Message(channel)),
            Mode::Forward => None,
            Mode::Spdy(spdy) => spdy.stream_of(channel).map(Voice::Stream),
        }
    }

    /// Reads; whoever sits at a terminal is shown after a moment what a masker would hold.
    async fn read(
        &self,
        from: &mut Reading,
        buffer: &mut [u8],
        client: &Wire,
    ) -> Result<usize, End> {
        if self.tty {
            match timeout(limits::TERMINAL_IDLE, from.read(buffer)).await {
                Ok(count) => return Ok(count?),
                Err(_) => self.settle(client, Next::Idle).await?,
            }
        }
        Ok(from.read(buffer).await?)
    }

    /// What is held of both lanes.
    async fn settle(&self, client: &Wire, next: Next) -> Result<(), End> {
        for (channel, lane) in [
            (Channel::Output, Lane::Output),
            (Channel::Errors, Lane::Diagnostic),
        ] {
            let held = self.gate.lock().await.held_back(lane);
            if held > 0 {
                self.draw(client, channel, &[], next).await?;
            }
        }
        Ok(())
    }

    async fn draw(
        &self,
        client: &Wire,
        channel: Channel,
        bytes: &[u8],
        next: Next,
    ) -> Result<(), End> {
        let Some(voice) = self.voice(channel) else {
            return Ok(());
        };
        let lane = match channel {
            Channel::Errors => Lane::Diagnostic,
            _ => Lane::Output,
        };
        let reader = match self.tty {
            true => Reader::Terminal,
            false => Reader::Program,
        };
        let mut gate = self.gate.lock().await;
        let decision = Some(&self.decision);
        let release = gate
            .release_piece((lane, reader), bytes, next, decision, self.now())
            .await?;
        drop(gate);
        let lined = Lined {
            wire: client.clone(),
            voice,
        };
        Ok(ClientOutlet::new(lined).release(release).await?)
    }

    /// How it ended, in JSON: masked as an answer is.
    async fn status(&self, client: &Wire, status: &[u8]) -> Result<(), End> {
        if let Some(code) = exit::code(status) {
            *self.exit.lock() = Some(code);
        }
        let mut walk = Walk::new(Expected::default());
        walk.push(status)?;
        walk.end()?;
        let Some(piece) = walk.take() else {
            return Ok(());
        };
        let (batch, rewrite) = piece.batch();
        let outgoing = vec![Outgoing::Values {
            batch,
            rewrite,
            facts: None,
            obligations: Some(Arc::clone(&self.decision)),
        }];
        let Some(voice) = self.voice(Channel::Status) else {
            return Ok(());
        };
        let release = self.gate.lock().await.release(outgoing, self.now()).await?;
        let lined = Lined {
            wire: client.clone(),
            voice,
        };
        Ok(ClientOutlet::new(lined).release(release).await?)
    }
}

/// The terminal has another size, in the words in which the record has it of every terminal.
fn resize(message: &[u8]) -> Result<Body, Fault> {
    if message.is_empty() {
        return Ok(Body::Control("resize"));
    }
    Ok(Body::Named {
        control: "resize",
        name: Size::read(message)?.to_string().into(),
        rows: 0,
    })
}

/// The stream's own status says why it ends.
async fn last_word(
    gate: &mut Gate,
    denial: &Denial,
    mode: &Mode,
    client: Wire,
    now: Timestamp,
) -> io::Result<()> {
    let session = gate.session().id;
    let refusal = gate.reject_session(denial, now, |denial, at| {
        let status = status::of(denial, status::code_of(denial), Some(session), at);
        let message = Subprotocol::message(Channel::Status, status.body.as_bytes());
        let close = frame(Saying::Close(Some(1000)), None);
        match mode {
            Mode::Channels(_) => vec![frame(Saying::Binary(&message), None), close],
            Mode::Forward => vec![close],
            Mode::Spdy(spdy) => spdy.last_word(status.body.as_bytes()),
        }
    });
    match refusal {
        Ok(refusal) => ClientOutlet::new(client).refuse(refusal).await,
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, resize};

    #[test]
    fn the_record_has_the_size_of_a_terminal() {
        let Ok(Body::Named { control, name, .. }) = resize(br#"{"Width":120,"Height":40}"#) else {
            panic!("a size is recorded by its columns and rows");
        };
        assert_eq!((control, &*name), ("resize", "120x40"));
        assert!(matches!(resize(b""), Ok(Body::Control("resize"))));
        assert!(resize(b"120x40").is_err());
    }
}
