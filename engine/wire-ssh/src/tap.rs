//! The client's socket as russh gets it, with two things of ours: the line by which a client names itself is read along,
//! and the connection can be cut from outside. russh runs a connection in a task that nobody else can end, and before
//! login it may wait for ever: cutting the stream ends it.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// RFC 4253 section 4.2: the line has 255 bytes at most.
const LINE_BYTES_MAX: usize = 255;

/// What the client calls itself, once it has.
#[derive(Clone, Default)]
pub(crate) struct Program(Arc<Mutex<Vec<u8>>>);

impl Program {
    /// `OpenSSH_9.2p1 Debian-2`: a claim, not a fact.
    pub(crate) fn name(&self) -> Option<String> {
        let line = self.0.lock();
        let text = std::str::from_utf8(&line).ok()?;
        let line = text.lines().next()?;
        let name = line.strip_prefix("SSH-2.0-")?.trim();
        let shown = !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        shown.then(|| name.to_owned())
    }

    fn hear(&self, bytes: &[u8]) -> bool {
        let mut line = self.0.lock();
        let room = LINE_BYTES_MAX - line.len().min(LINE_BYTES_MAX);
        line.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        line.len() >= LINE_BYTES_MAX || line.contains(&b'\n')
    }
}

/// Dropping it cuts the connection.
pub(crate) struct Cut {
    _sender: oneshot::Sender<()>,
}

/// The socket.
pub(crate) struct Tap<S> {
    stream: S,
    program: Program,
    named: bool,
    cut: oneshot::Receiver<()>,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S) -> (Self, Program, Cut) {
        let (sender, cut) = oneshot::channel();
        let program = Program::default();
        let tap = Self {
            stream,
            program: program.clone(),
            named: false,
            cut,
        };
        (tap, program, Cut { _sender: sender })
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        Pin::new(&mut self.cut).poll(cx).is_ready()
    }
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() && self.is_cut(cx) {
            return gone();
        }
        if !self.named && read.is_ready() {
            let fresh = buf.filled().get(before..).unwrap_or_default();
            self.named = self.program.hear(fresh);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        match wrote.is_pending() && self.is_cut(cx) {
            true => gone(),
            false => wrote,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn the_clients_name_is_read_along_and_nothing_is_lost() {
        let (mut client, server) = tokio::io::duplex(64);
        let (mut tap, program, _cut) = Tap::new(server);
        for part in ["SSH-2.0-Open", "SSH_9.2\r\n", "rest"] {
            client.write_all(part.as_bytes()).await.unwrap();
            let mut seen = vec![0; part.len()];
            tap.read_exact(&mut seen).await.unwrap();
            assert_eq!(seen, part.as_bytes());
        }
        assert_eq!(program.name().as_deref(), Some("OpenSSH_9.2"));
    }

    #[tokio::test]
    async fn a_cut_ends_whoever_waits_for_bytes() {
        let (_client, server) = tokio::io::duplex(64);
        let (mut tap, program, cut) = Tap::new(server);
        let waiting = tokio::spawn(async move { tap.read_u8().await });
        tokio::task::yield_now().await;
        drop(cut);
        assert!(waiting.await.unwrap().is_err());
        assert_eq!(program.name(), None);
    }

    #[test]
    fn a_name_that_could_act_on_a_terminal_is_none() {
        let program = Program::default();
        program.hear(b"SSH-2.0-\x1b[2J\r\n");
        assert_eq!(program.name(), None);
    }
}
