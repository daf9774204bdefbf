//! The body of an answer: a whole one, or a pipe whose far end is a `link::ClientOutlet`. It refuses to buffer: who
//! writes waits until the client has read.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use portcullis_gate::BoxFuture;
use portcullis_link::Sink;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Pieces that wait for a client to read.
const PIECES_MAX: usize = 2;

/// The body of an answer.
pub(super) enum Outlet {
    /// All of it.
    Whole(Option<Bytes>),
    /// Piece by piece; an error breaks the answer off.
    Piped(mpsc::Receiver<io::Result<Bytes>>),
}

/// The writing end of a pipe.
#[derive(Clone)]
pub(super) struct Pipe(mpsc::Sender<io::Result<Bytes>>);

/// A pipe and the body at its other end.
pub(super) fn pipe() -> (Pipe, Outlet) {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    (Pipe(sender), Outlet::Piped(receiver))
}

impl Pipe {
    /// Resolves when nobody reads any longer.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }

    /// Breaks the answer off, so that the client does not take it for whole.
    pub(super) async fn broken(&self) {
        let broken = io::Error::from(io::ErrorKind::ConnectionAborted);
        // Nobody may be reading any longer.
        let _told = self.0.send(Err(broken)).await;
    }
}

impl Sink for Pipe {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            let sent = self.0.send(Ok(bytes)).await;
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
        })
    }
}

impl Body for Outlet {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Piped(pieces) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Piped(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Piped(_) => SizeHint::default(),
        }
    }
}
