//! From the host to the client: masked, recorded, shown, in this order. What comes at once is taken together.

use super::{Ended, Stream, forward, socket};
use crate::back::{AGENT, REMOTE_FORWARD, REMOTE_SOCKET, X11};
use crate::sides::{Exit, STDERR};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use portcullis_gate::{Lane, Next, Outgoing, Reader, Unreleased};
use portcullis_model::limits::{BATCH_BYTES_MAX, PTY_HOLD_MAX};
use portcullis_model::{Blame, Fault};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::time::timeout;

impl Stream {
    /// Until the host closes the channel.
    pub(super) async fn down(&self, read: &mut ChannelReadHalf) -> Result<Exit, Ended> {
        let mut exit = Exit::Nothing;
        let mut ended = false;
        let mut next = None;
        loop {
            let message = match next.take() {
                Some(message) => Some(message),
                None => self.next(read).await?,
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    let (data, behind) = gathered(data, None, read);
                    next = behind;
                    self.show(Lane::Output, &data, Next::Open).await?;
                }
                Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => {
                    let (data, behind) = gathered(data, Some(STDERR), read);
                    next = behind;
                    self.show(Lane::Diagnostic, &data, Next::Open).await?;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => exit = Exit::Status(exit_status),
                Some(ChannelMsg::ExitSignal {
                    signal_name,
                    core_dumped,
                    ..
                }) => {
                    exit = Exit::Signal {
                        signal: signal_name,
                        core: core_dumped,
                    };
                }
                Some(ChannelMsg::Failure) => return Err(Ended::HostRefused),
                Some(ChannelMsg::Eof) if !ended => {
                    self.last(&mut ended).await?;
                    // A client that has sent all closes its channel at this, and takes no exit status any more: a command's
                    // goes first, and the end of its output with it.
                    if self.unread.is_some_and(is_forward) {
                        self.client.eof().await;
                    }
                }
                Some(ChannelMsg::Close) => {
                    self.last(&mut ended).await?;
                    return Ok(exit);
                }
                None => {
                    self.last(&mut ended).await?;
                    // A forward ends as a connection ends; of a command nobody knows what became.
                    return match exit {
                        Exit::Nothing if !self.unread.is_some_and(is_forward) => Err(lost()),
                        exit => Ok(exit),
                    };
                }
                // Success is no news, and a host may send what nobody asked for.
                Some(_) => {}
            }
        }
    }

    /// The next message. A terminal shows what is held when nothing has come for a moment.
    async fn next(&self, read: &mut ChannelReadHalf) -> Result<Option<ChannelMsg>, Ended> {
        if self.reader == Reader::Terminal && self.holds().await {
            match timeout(PTY_HOLD_MAX, read.wait()).await {
                Ok(message) => return Ok(message),
                Err(_) => {
                    for lane in [Lane::Output, Lane::Diagnostic] {
                        self.show(lane, b"", Next::Idle).await?;
                    }
                }
            }
        }
        Ok(read.wait().await)
    }

    async fn holds(&self) -> bool {
        let mut gate = self.gate.lock().await;
        gate.held_back(Lane::Output) + gate.held_back(Lane::Diagnostic) > 0
    }

    async fn last(&self, ended: &mut bool) -> Result<(), Ended> {
        if !std::mem::replace(ended, true) {
            for lane in [Lane::Output, Lane::Diagnostic] {
                self.show(lane, b"", Next::End).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn show(&self, lane: Lane, piece: &[u8], next: Next) -> Result<(), Ended> {
        let released = {
            let mut gate = self.gate.lock().await;
            match self.unread.filter(|_| lane == Lane::Output) {
                Some(_) if piece.is_empty() => return Ok(()),
                Some(stream) => {
                    let wire = Bytes::copy_from_slice(piece);
                    let part = Outgoing::Unread { stream, wire };
                    gate.release(vec![part], self.now()).await
                }
                None => {
                    let decision = self.decision.get();
                    // What somebody has typed is no news to him: it does not wait for what it may be the beginning of.
                    let known = lane == Lane::Output && self.typing.lock().expects(piece);
                    let next = match next {
                        Next::Open if known && gate.held_back(lane) == 0 => Next::Idle,
                        next => next,
                    };
                    let lane = (lane, self.reader);
                    gate.release_piece(lane, piece, next, decision, self.now())
                        .await
                }
            }
        };
        match released {
            Ok(release) => {
                self.client.release(lane, release).await?;
                self.echoed(lane, piece, next).await
            }
            Err(Unreleased::Budget(denial)) => Err(self.deny(&denial).await?),
            Err(Unreleased::Fault(fault)) => Err(Ended::Broken(fault)),
        }
    }
}

/// The host's connection has ended, and no channel was closed before.
fn lost() -> Ended {
    Ended::Broken(Fault::bare(
        Blame::Upstream,
        "keep its connection until the channel's end",
    ))
}

/// True of what has no exit status.
fn is_forward(stream: &str) -> bool {
    matches!(
        stream,
        forward::NAME | socket::NAME | AGENT | X11 | REMOTE_FORWARD | REMOTE_SOCKET
    )
}

/// What has come already of the same lane, and the first message behind it.
fn gathered(
    first: Bytes,
    ext: Option<u32>,
    read: &mut ChannelReadHalf,
) -> (Bytes, Option<ChannelMsg>) {
    let mut all = BytesMut::new();
    while all.len().max(first.len()) < BATCH_BYTES_MAX {
        let more = match read.wait().now_or_never() {
            Some(Some(ChannelMsg::Data { data })) if ext.is_none() => data,
            Some(Some(ChannelMsg::ExtendedData { data, ext: kind })) if Some(kind) == ext => data,
            Some(Some(other)) => return (joined(first, all), Some(other)),
            // The end is seen again by whoever waits next.
            Some(None) | None => break,
        };
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&more);
    }
    (joined(first, all), None)
}

fn joined(first: Bytes, all: BytesMut) -> Bytes {
    match all.is_empty() {
        true => first,
        false => all.freeze(),
    }
}
