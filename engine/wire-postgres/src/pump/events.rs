//! What can happen next, polled in one place: no task, channel or timer more than that.

use super::Pump;
use super::hold::Phase;
use portcullis_gate::Answer;
use portcullis_model::limits::BEHIND_HOLD_BYTES_MAX;
use portcullis_model::{Denial, Fault};
use std::future::Future as _;
use std::task::{Context, Poll};

/// While more than this waits to be taken by one side, the other is not read.
const PENDING_BYTES_MAX: usize = 256 * 1024;

pub(crate) enum Event {
    ClientRead(usize),
    ClientBroken,
    UpstreamRead(usize),
    UpstreamBroken,
    Severed(Denial),
    CancelAsked,
    CancelDone,
    Answered(Result<Answer, Fault>),
    NoticeDue,
    Patience,
    Resume,
}

impl Pump {
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if std::mem::take(&mut self.resume) {
            return Poll::Ready(Event::Resume);
        }
        if let Some(event) = self.poll_writes(cx) {
            return Poll::Ready(event);
        }
        if let Poll::Ready(denial) = self.severed.as_mut().poll(cx) {
            return Poll::Ready(Event::Severed(denial));
        }
        if let Some(event) = self.poll_rare(cx) {
            return Poll::Ready(event);
        }
        if self.lines.to_client.pending() < PENDING_BYTES_MAX
            && let Poll::Ready(read) = self.lines.upstream.poll_fill(cx, self.upstream_needs)
        {
            return Poll::Ready(read.map_or(Event::UpstreamBroken, Event::UpstreamRead));
        }
        let room = match self.blocked() {
            true => self.lines.client.bytes().len() < BEHIND_HOLD_BYTES_MAX,
            false => self.lines.to_upstream.pending() < PENDING_BYTES_MAX,
        };
        if room
            && self.closing.is_none()
            && let Poll::Ready(read) = self.lines.client.poll_fill(cx, self.client_needs)
        {
            return Poll::Ready(read.map_or(Event::ClientBroken, Event::ClientRead));
        }
        Poll::Pending
    }

    /// Writes what is pending. A side that does not take it yet wakes this task when it does.
    fn poll_writes(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if !self.lines.to_upstream.idle()
            && let Poll::Ready(Err(_)) = self.lines.to_upstream.poll_flush(cx)
        {
            // What the server said before it left still has to be read.
            if let Poll::Ready(Ok(read)) = self.lines.upstream.poll_fill(cx, 0) {
                return Some(Event::UpstreamRead(read));
            }
            return Some(Event::UpstreamBroken);
        }
        if !self.lines.to_client.idle()
            && let Poll::Ready(Err(_)) = self.lines.to_client.poll_flush(cx)
        {
            return Some(Event::ClientBroken);
        }
        None
    }

    fn poll_rare(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if self.around.key.poll_rung(cx).is_ready() {
            return Some(Event::CancelAsked);
        }
        if let Some(cancelling) = &mut self.cancelling
            && cancelling.as_mut().poll(cx).is_ready()
        {
            return Some(Event::CancelDone);
        }
        if let Some(Phase::Waiting(waiting)) = self.hold.as_mut().map(|hold| &mut hold.phase) {
            if let Poll::Ready(answer) = waiting.answer.as_mut().poll(cx) {
                return Some(Event::Answered(answer));
            }
            if waiting.notice.as_mut().poll(cx).is_ready() {
                return Some(Event::NoticeDue);
            }
        }
        if let Some(closing) = &mut self.closing
            && closing.as_mut().poll(cx).is_ready()
        {
            return Some(Event::Patience);
        }
        None
    }

    /// True while nothing of the client's may be taken up.
    pub(super) fn blocked(&self) -> bool {
        self.hold.is_some() || self.cancelling.is_some() || self.stalled.is_some()
    }
}
