//! What a client has sent on one channel and nobody has taken yet. The connection's loop puts it here and must not wait
//! long: another channel's bytes stand behind it in the same stream. So the loop waits a little when much is queued, longer
//! the more it is, which slows a client down that sends faster than its host reads; and a channel that fills its share
//! all the same ends.
//!
//! It refuses to grow: bytes are counted per channel and per connection, and events that carry none are few.

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_model::limits::{
    SSH_EVENTS_MAX, SSH_UPLOAD_BRAKE_MAX, SSH_UPLOAD_BYTES_MAX, SSH_UPLOAD_BYTES_SOFT,
};
use russh::Sig;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Something that happened on a channel.
#[derive(Debug)]
pub(crate) enum Event {
    /// What the channel is for.
    Start(Box<crate::start::Start>),
    /// Standard input.
    Data(Bytes),
    /// No more of it.
    Eof,
    /// The terminal has another size.
    Resize(crate::start::Size),
    /// A signal for the command.
    Signal(Sig),
}

/// Bytes that all channels of a connection have queued.
#[derive(Clone, Default)]
pub(crate) struct Share(Arc<AtomicUsize>);

/// The queue of one channel.
pub(crate) struct Inbox {
    state: Mutex<State>,
    share: Share,
    came: Notify,
    taken: Notify,
    over: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    closed: bool,
    overrun: bool,
}

/// There is no room: the channel has to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Inbox {
    pub(crate) fn new(share: Share) -> Self {
        Self {
            state: Mutex::new(State::default()),
            share,
            came: Notify::new(),
            taken: Notify::new(),
            over: Notify::new(),
        }
    }

    /// Puts an event without bytes in.
    pub(crate) fn put(&self, event: Event) -> Result<(), Full> {
        {
            let mut state = self.state.lock();
            // Only the last size of a window matters.
            if matches!(event, Event::Resize(_))
                && matches!(state.events.back(), Some(Event::Resize(_)))
            {
                state.events.pop_back();
            }
            if state.events.len() >= SSH_EVENTS_MAX {
                return Err(Full);
            }
            state.events.push_back(event);
        }
        self.came.notify_one();
        Ok(())
    }

    /// Puts bytes in, and waits for a moment when many are there already.
    pub(crate) async fn put_data(&self, data: Bytes) -> Result<(), Full> {
        let queued = {
            let mut state = self.state.lock();
            if state.closed {
                return Ok(());
            }
            let all = self.share.0.fetch_add(data.len(), Ordering::Relaxed) + data.len();
            state.bytes += data.len();
            let queued = state.bytes;
            state.events.push_back(Event::Data(data));
            if all > SSH_UPLOAD_BYTES_MAX || state.events.len() >= SSH_EVENTS_MAX * 16 {
                return Err(Full);
            }
            queued
        };
        self.came.notify_one();
        if let Some(wait) = brake(queued) {
            let _taken = timeout(wait, self.taken.notified()).await;
        }
        Ok(())
    }

    /// The client has closed the channel, or is gone: what it sent counts no more.
    pub(crate) fn close(&self) {
        {
            let mut state = self.state.lock();
            state.closed = true;
            self.share.0.fetch_sub(state.bytes, Ordering::Relaxed);
            state.bytes = 0;
            state.events.clear();
        }
        self.came.notify_one();
        self.taken.notify_one();
        self.over.notify_waiters();
    }

    /// More came than can be kept: the channel ends, and says why.
    pub(crate) fn overrun(&self) {
        self.state.lock().overrun = true;
        self.close();
    }

    pub(crate) fn is_overrun(&self) -> bool {
        self.state.lock().overrun
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.state.lock().closed
    }

    /// The next event; `None` when the channel is closed.
    pub(crate) async fn next(&self) -> Option<Event> {
        loop {
            let waiting = self.came.notified();
            {
                let mut state = self.state.lock();
                if state.closed {
                    return None;
                }
                if let Some(event) = state.events.pop_front() {
                    if let Event::Data(data) = &event {
                        state.bytes -= data.len();
                        self.share.0.fetch_sub(data.len(), Ordering::Relaxed);
                        if state.bytes <= SSH_UPLOAD_BYTES_SOFT {
                            self.taken.notify_one();
                        }
                    }
                    return Some(event);
                }
            }
            waiting.await;
        }
    }

    /// Resolves when the channel is closed.
    pub(crate) async fn closed(&self) {
        let over = self.over.notified();
        tokio::pin!(over);
        over.as_mut().enable();
        if !self.state.lock().closed {
            over.await;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let bytes = self.state.get_mut().bytes;
        self.share.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// How long to wait with so much queued.
fn brake(queued: usize) -> Option<Duration> {
    let over = queued.checked_sub(SSH_UPLOAD_BYTES_SOFT)?;
    let span = SSH_UPLOAD_BYTES_MAX - SSH_UPLOAD_BYTES_SOFT;
    let share = f64::from(u32::try_from(over.min(span)).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(span).unwrap_or(u32::MAX));
    let least = Duration::from_millis(10);
    Some(least + SSH_UPLOAD_BRAKE_MAX.mul_f64(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn bytes(count: usize) -> Bytes {
        Bytes::from(vec![7; count])
    }

    #[tokio::test]
    async fn events_come_in_order_and_end_with_the_channel() {
        let inbox = Inbox::new(Share::default());
        inbox.put_data(bytes(3)).await.unwrap();
        inbox.put(Event::Eof).unwrap();
        assert!(matches!(inbox.next().await, Some(Event::Data(d)) if d.len() == 3));
        assert!(matches!(inbox.next().await, Some(Event::Eof)));
        inbox.put(Event::Eof).unwrap();
        inbox.close();
        assert!(inbox.next().await.is_none());
        inbox.closed().await;
    }

    #[tokio::test]
    async fn one_channel_cannot_take_more_than_the_connection_has() {
        let share = Share::default();
        let (one, two) = (Inbox::new(share.clone()), Inbox::new(share.clone()));
        let piece = SSH_UPLOAD_BYTES_MAX - 10;
        one.put_data(bytes(piece)).await.unwrap();
        assert_eq!(two.put_data(bytes(11)).await, Err(Full));
        drop(two);
        one.close();
        assert_eq!(share.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_full_queue_slows_whoever_fills_it_until_something_is_taken() {
        let inbox = Arc::new(Inbox::new(Share::default()));
        let start = Instant::now();
        inbox.put_data(bytes(SSH_UPLOAD_BYTES_SOFT)).await.unwrap();
        let first = start.elapsed();
        let start = Instant::now();
        inbox
            .put_data(bytes(SSH_UPLOAD_BYTES_MAX / 2))
            .await
            .unwrap();
        assert!(start.elapsed() > first, "braked");
        assert!(start.elapsed() < Duration::from_secs(2), "and let go");
    }

    #[tokio::test]
    async fn a_channel_that_brings_too_much_ends_and_knows_why() {
        let (inbox, other) = (Inbox::new(Share::default()), Inbox::new(Share::default()));
        inbox.put_data(bytes(3)).await.unwrap();
        inbox.overrun();
        inbox.closed().await;
        assert!(inbox.is_overrun() && !inbox.is_open());
        assert!(inbox.next().await.is_none());
        other.close();
        assert!(!other.is_overrun() && !other.is_open());
    }

    #[test]
    fn only_the_last_size_is_kept_and_events_are_bounded() {
        let inbox = Inbox::new(Share::default());
        for columns in 0..10_000 {
            inbox
                .put(Event::Resize(crate::start::Size {
                    columns,
                    rows: 1,
                    width: 0,
                    height: 0,
                }))
                .unwrap();
        }
        assert_eq!(inbox.state.lock().events.len(), 1);
        let full = (0..10_000).find_map(|_| inbox.put(Event::Eof).err());
        assert_eq!(full, Some(Full));
    }
}
