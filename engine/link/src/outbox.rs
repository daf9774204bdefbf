//! What is to be written and has not been taken by the kernel yet. Small frames are copied together,
//! large ones are passed on as they are, and everything that is pending goes out in one vectored write.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Frames up to this size are cheaper to copy than to name in a vectored write.
const COPY_MAX: usize = 4 * 1024;
/// Slices offered to one write.
const SLICES: usize = 32;

#[derive(Default)]
pub(crate) struct Outbox {
    done: VecDeque<Bytes>,
    open: BytesMut,
    pending: usize,
    flushed: bool,
}

impl Outbox {
    /// Appends bytes. Order is kept.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.pending += bytes.len();
        self.flushed = false;
        let alone = self.done.is_empty() && self.open.is_empty();
        if bytes.len() <= COPY_MAX && !alone {
            if self.open.is_empty() && self.done.len() == 1 {
                self.reopen();
            }
            self.open.extend_from_slice(&bytes);
            return;
        }
        self.close();
        self.done.push_back(bytes);
    }

    /// A second small frame arrives: both go into one buffer.
    fn reopen(&mut self) {
        if let Some(only) = self.done.pop_front_if(|only| only.len() <= COPY_MAX) {
            self.open.extend_from_slice(&only);
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push_back(self.open.split().freeze());
        }
    }

    /// Bytes not yet taken by the kernel.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// True when nothing is left to do, not even a flush.
    pub(crate) fn idle(&self) -> bool {
        self.pending == 0 && self.flushed
    }

    /// Writes until everything is taken and flushed. May be polled again after `Pending`, and dropped
    /// at any time without losing bytes.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        mut to: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        self.close();
        while !self.done.is_empty() {
            let written = match self.done.len() {
                1 => match self.done.front() {
                    Some(only) => ready!(to.as_mut().poll_write(cx, only))?,
                    None => break,
                },
                _ => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    for (slice, bytes) in slices.iter_mut().zip(&self.done) {
                        *slice = IoSlice::new(bytes);
                    }
                    let count = self.done.len().min(SLICES);
                    let slices = slices.get(..count).unwrap_or_default();
                    ready!(to.as_mut().poll_write_vectored(cx, slices))?
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.took(written);
        }
        if !self.flushed {
            ready!(to.poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn took(&mut self, mut written: usize) {
        self.pending = self.pending.saturating_sub(written);
        while let Some(front) = self.done.front_mut() {
            if front.len() > written {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.done.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::future::poll_fn;

    /// Takes at most `step` bytes at a time and counts the calls.
    struct Narrow {
        step: usize,
        taken: Vec<u8>,
        calls: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let n = self.step.min(buf.len());
            self.taken.extend_from_slice(&buf[..n]);
            self.calls += 1;
            Poll::Ready(Ok(n))
        }
        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let before = self.taken.len();
            let step = self.step;
            let all = bufs.iter().flat_map(|b| b.iter().copied());
            self.taken.extend(all.take(step));
            self.calls += 1;
            Poll::Ready(Ok(self.taken.len() - before))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn is_write_vectored(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn small_and_large_frames_leave_in_one_write() {
        let mut outbox = Outbox::default();
        let mut to = Narrow {
            step: usize::MAX,
            taken: Vec::new(),
            calls: 0,
        };
        for size in [10, 20, 60_000, 30, 5] {
            outbox.push(Bytes::from(vec![size as u8; size]));
        }
        poll_fn(|cx| outbox.poll_flush(cx, Pin::new(&mut to)))
            .await
            .unwrap();
        assert_eq!((to.calls, to.taken.len()), (1, 60_065));
        assert!(outbox.idle());
    }

    proptest! {
        #[test]
        fn order_and_bytes_are_kept(frames in prop::collection::vec(0usize..9000, 0..40), step in 1usize..20_000) {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (index, size) in frames.iter().enumerate() {
                let frame = vec![index as u8; *size];
                expected.extend_from_slice(&frame);
                outbox.push(Bytes::from(frame));
            }
            prop_assert_eq!(outbox.pending(), expected.len());
            let mut to = Narrow { step, taken: Vec::new(), calls: 0 };
            let mut cx = Context::from_waker(std::task::Waker::noop());
            prop_assert!(outbox.poll_flush(&mut cx, Pin::new(&mut to)).is_ready());
            prop_assert_eq!(to.taken, expected);
            prop_assert_eq!(outbox.pending(), 0);
        }
    }
}
