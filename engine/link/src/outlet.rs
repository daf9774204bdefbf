//! Ways out that are no socket of ours: a channel of an SSH connection, the body of an HTTP response. Whoever has one
//! wraps it here once, and from then on only what the gate has made gets through. It refuses bare bytes.

use bytes::Bytes;
use portcullis_gate::{BoxFuture, Housed, Permit, Refusal, Release};
use std::io;

/// Where bytes go.
pub trait Sink: Send {
    /// Writes all of it, waiting for room.
    ///
    /// # Errors
    /// When it is closed.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>>;
}

/// A way to the upstream.
pub struct UpstreamOutlet<S> {
    sink: S,
}

/// A way to the client.
pub struct ClientOutlet<S> {
    sink: S,
}

impl<S: Sink> UpstreamOutlet<S> {
    /// Seals it.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self { sink }
    }

    /// Requests that were classified, allowed and recorded.
    ///
    /// # Errors
    /// When the way is closed.
    pub async fn permit(&mut self, permit: Permit) -> io::Result<()> {
        write(&mut self.sink, permit.into_frames()).await
    }

    /// Something that the gateway says itself.
    ///
    /// # Errors
    /// When the way is closed.
    pub async fn say(&mut self, housed: Housed) -> io::Result<()> {
        self.sink.write(housed.into_wire()).await
    }
}

impl<S: Sink> ClientOutlet<S> {
    /// Seals it.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self { sink }
    }

    /// A response that was masked and recorded.
    ///
    /// # Errors
    /// When the way is closed.
    pub async fn release(&mut self, release: Release) -> io::Result<()> {
        write(&mut self.sink, release.into_frames()).await
    }

    /// A denial that was recorded.
    ///
    /// # Errors
    /// When the way is closed.
    pub async fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        write(&mut self.sink, refusal.into_frames()).await
    }

    /// Something that the gateway says itself.
    ///
    /// # Errors
    /// When the way is closed.
    pub async fn say(&mut self, housed: Housed) -> io::Result<()> {
        self.sink.write(housed.into_wire()).await
    }

    /// The one thing that needs no entry in the journal: that the journal is dead.
    ///
    /// # Errors
    /// When the way is closed.
    pub async fn journal_dead(&mut self, constant: &'static [u8]) -> io::Result<()> {
        self.sink.write(Bytes::from_static(constant)).await
    }
}

async fn write(sink: &mut impl Sink, frames: Vec<Bytes>) -> io::Result<()> {
    for frame in frames {
        if !frame.is_empty() {
            sink.write(frame).await?;
        }
    }
    Ok(())
}
