//! A channel as a stream of bytes, for a protocol inside of it: SSH (ProxyJump), or what the gateway serves besides. Reading takes from the inbox, so that
//! the outer connection's loop is never parked by the inner one.

use crate::inbox::{Event, Inbox};
use bytes::{Buf as _, Bytes};
use portcullis_gate::BoxFuture;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

struct Pipe<W> {
    inbox: Arc<Inbox>,
    left: Bytes,
    next: Option<BoxFuture<'static, Option<Event>>>,
    ended: bool,
    write: W,
    /// Resolves when the channel is closed: russh wakes nobody who waits for its window then.
    closed: BoxFuture<'static, ()>,
    gone: bool,
}

/// Both directions of a channel.
pub(crate) fn pipe(
    inbox: Arc<Inbox>,
    half: &ChannelWriteHalf<Msg>,
) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let closing = Arc::clone(&inbox);
    Pipe {
        closed: Box::pin(async move { closing.closed().await }),
        gone: false,
        inbox,
        left: Bytes::new(),
        next: None,
        ended: false,
        write: Box::pin(half.make_writer()),
    }
}

impl<W> Pipe<W> {
    fn is_gone(&mut self, cx: &mut Context<'_>) -> bool {
        self.gone = self.gone || self.closed.as_mut().poll(cx).is_ready();
        self.gone
    }
}

impl<W: Unpin> AsyncRead for Pipe<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.left.is_empty() {
                let count = self.left.len().min(buf.remaining());
                let piece = self.left.split_to(count);
                buf.put_slice(piece.chunk());
                // As a host does that takes it: whatever is left counts as lost when the stream ends.
                self.inbox.took(count);
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            let inbox = Arc::clone(&self.inbox);
            let next = self
                .next
                .get_or_insert_with(|| Box::pin(async move { inbox.next().await }));
            let event = std::task::ready!(next.as_mut().poll(cx));
            self.next = None;
            match event {
                Some(Event::Data(data)) => self.left = data,
                Some(Event::Eof) | None => self.ended = true,
                Some(_) => {}
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Pipe<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.write).poll_write(cx, buf);
        match wrote.is_pending() && self.is_gone(cx) {
            true => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            false => wrote,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::{Share, Spills};
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn what_was_read_within_was_taken_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let spills = Spills::new(folder.path().to_owned(), 1 << 20, 1 << 20);
        let inbox = Arc::new(Inbox::new(Share::new(&spills)));
        for count in [1000, 500] {
            inbox.put_data(Bytes::from(vec![7; count])).await.unwrap();
        }
        let mut pipe = Pipe {
            inbox: Arc::clone(&inbox),
            left: Bytes::new(),
            next: None,
            ended: false,
            write: tokio::io::sink(),
            closed: Box::pin(std::future::pending()),
            gone: false,
        };
        let mut piece = [0; 300];
        let mut came = 0;
        while came < 1500 {
            let read = pipe.read(&mut piece).await.unwrap();
            assert!(read > 0);
            came += read as u64;
            assert_eq!(inbox.untaken(), 1500 - came);
        }
        assert_eq!(inbox.untaken(), 0, "nothing is lost");
    }
}
