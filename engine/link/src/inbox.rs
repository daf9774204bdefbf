//! What has been read and not yet framed: one reusable buffer per direction. Reads start small, so that
//! an idle session costs little, and grow while a peer fills them. It refuses to read beyond the bound
//! that its owner sets.

use bytes::BytesMut;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// The smallest read; enough for nearly every statement and its reply.
const READ_MIN: usize = 16 * 1024;
/// The largest read.
const READ_MAX: usize = 256 * 1024;

/// A read buffer that adapts.
pub(crate) struct Inbox {
    bytes: BytesMut,
    step: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self::with(BytesMut::new())
    }

    pub(crate) fn with(bytes: BytesMut) -> Self {
        Self {
            bytes,
            step: READ_MIN,
        }
    }

    pub(crate) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    pub(crate) fn into_bytes(self) -> BytesMut {
        self.bytes
    }

    /// Reads once. `more` is how many bytes the frame that stands at the end still needs, 0 if that is
    /// not known. `Ok(0)` is the end of the stream.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: Pin<&mut (impl AsyncRead + ?Sized)>,
        more: usize,
    ) -> Poll<io::Result<usize>> {
        let room = self.step.max(more.min(READ_MAX));
        if self.bytes.capacity() - self.bytes.len() < room.min(READ_MIN).max(more.min(READ_MAX)) {
            self.bytes.reserve(room);
        }
        let spare = self.bytes.spare_capacity_mut();
        let offered = spare.len();
        let mut buf = ReadBuf::uninit(spare);
        ready!(from.poll_read(cx, &mut buf))?;
        let read = buf.filled().len();
        // SAFETY: `poll_read` has initialised the first `read` bytes of the spare capacity, as `ReadBuf`
        // guarantees for its filled part, and `read` is at most that capacity.
        unsafe { self.bytes.set_len(self.bytes.len() + read) };
        if read == offered && self.step < READ_MAX {
            self.step *= 2;
        } else if read < self.step / 4 && self.step > READ_MIN {
            self.step /= 2;
        }
        Poll::Ready(Ok(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn reads_grow_while_the_peer_fills_them() {
        let data = vec![7u8; 4 * 1024 * 1024];
        let mut source = data.as_slice();
        let mut inbox = Inbox::new();
        let (mut total, mut largest) = (0, 0);
        loop {
            let read = poll_fn(|cx| inbox.poll_fill(cx, Pin::new(&mut source), 0))
                .await
                .unwrap();
            if read == 0 {
                break;
            }
            total += read;
            largest = largest.max(inbox.step);
            let _taken = inbox.bytes().split().freeze();
        }
        assert_eq!(total, data.len());
        assert_eq!(largest, READ_MAX);
    }
}
