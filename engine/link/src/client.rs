//! The client's connection after admission. The writer takes what the gate has made and one constant;
//! there is no way to hand it bytes.

use crate::half::{ReadHalf, WriteHalf};
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use bytes::{Bytes, BytesMut};
use portcullis_gate::{Housed, Refusal, Release};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt as _;

/// Reads what the client says.
pub struct ClientReader {
    half: ReadHalf,
    inbox: Inbox,
}

impl ClientReader {
    pub(crate) fn new(half: ReadHalf, inbox: Inbox) -> Self {
        Self { half, inbox }
    }

    /// What has been read and not yet been consumed.
    pub fn bytes(&mut self) -> &mut BytesMut {
        self.inbox.bytes()
    }

    /// Reads once; `Ok(0)` is the end of the stream. `more` is how much the unfinished frame still
    /// needs, 0 if that is not known.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, more: usize) -> Poll<io::Result<usize>> {
        self.inbox.poll_fill(cx, Pin::new(&mut self.half), more)
    }

    /// Reads what still comes and throws it away, until the peer has closed. Closing a socket with unread
    /// bytes resets it, and a reset takes along what was written last: put a time limit around this.
    pub async fn linger(&mut self) {
        loop {
            self.inbox.bytes().clear();
            match poll_fn(|cx| self.poll_fill(cx, 0)).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// Writes to the client, and nothing but what the gate has recorded.
pub struct ClientWriter {
    half: WriteHalf,
    outbox: Outbox,
    _slot: Box<dyn Send + Sync>,
}

impl ClientWriter {
    pub(crate) fn new(half: WriteHalf, slot: Box<dyn Send + Sync>) -> Self {
        Self {
            half,
            outbox: Outbox::default(),
            _slot: slot,
        }
    }

    /// A response that was masked and recorded.
    pub fn release(&mut self, release: Release) {
        for frame in release.into_frames() {
            self.outbox.push(frame);
        }
    }

    /// A denial that was recorded.
    pub fn refuse(&mut self, refusal: Refusal) {
        for frame in refusal.into_frames() {
            self.outbox.push(frame);
        }
    }

    /// Something that the gateway says itself.
    pub fn say(&mut self, housed: Housed) {
        self.outbox.push(housed.into_wire());
    }

    /// The one thing that needs no entry in the journal: that the journal is dead.
    pub fn journal_dead(&mut self, constant: &'static [u8]) {
        self.outbox.push(Bytes::from_static(constant));
    }

    /// Bytes that the kernel has not taken yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.outbox.pending()
    }

    /// True when everything has been written and flushed.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.outbox.idle()
    }

    /// Writes what is pending, in one call where the kernel takes it.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_flush(cx, Pin::new(&mut self.half))
    }

    /// Writes what is pending and waits for it.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Closes the writing side, so that what was written arrives.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.half.shutdown().await
    }
}
