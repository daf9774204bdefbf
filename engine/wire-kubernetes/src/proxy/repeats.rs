//! Streams that were refused a moment ago. kubectl opens exec over WebSocket first and over SPDY when that was
//! answered with anything but 101 (k8s.io/client-go `FallbackExecutor`): one denial must not become two decisions,
//! two tickets and two entries.
//!
//! It remembers refusals only; nothing is ever allowed from here.

use crate::call::Upgrade;
use crate::status::Status;
use parking_lot::Mutex;
use portcullis_model::{Timestamp, limits};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

/// What was refused.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    known: Mutex<VecDeque<Repeat>>,
}

struct Repeat {
    /// Who and what, under a key of this process.
    key: u64,
    until: Timestamp,
    status: Status,
}

/// True when a refused stream is asked for once more, over SPDY: only the one that came over WebSocket.
pub(super) fn comes_again(upgrade: Option<&Upgrade>) -> bool {
    matches!(upgrade, Some(Upgrade::WebSocket { .. }))
}

impl Repeats {
    /// Remembers a refusal.
    pub(super) fn note(&self, who: &str, what: &str, status: Status, now: Timestamp) {
        let mut known = self.known.lock();
        if known.len() >= limits::REFUSED_STREAMS_MAX {
            known.pop_front();
        }
        known.push_back(Repeat {
            key: self.hasher.hash_one((who, what)),
            until: now.after(limits::REFUSED_STREAM_FOR),
            status,
        });
    }

    /// The refusal of the same stream a moment ago. It is told once.
    pub(super) fn take(&self, who: &str, what: &str, now: Timestamp) -> Option<Status> {
        let key = self.hasher.hash_one((who, what));
        let mut known = self.known.lock();
        known.retain(|repeat| repeat.until > now);
        let place = known.iter().position(|repeat| repeat.key == key)?;
        known.remove(place).map(|repeat| repeat.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_refused_over_websocket_is_answered_unjudged() {
        let protocols = vec!["v4.channel.k8s.io".to_owned()];
        let spdy = Upgrade::Spdy {
            protocols: protocols.clone(),
        };
        let socket = Upgrade::WebSocket {
            key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
            protocols,
        };
        assert!(comes_again(Some(&socket)));
        assert!(!comes_again(Some(&spdy)));
        assert!(!comes_again(None));
    }

    #[test]
    fn a_refusal_is_said_again_once_and_not_for_long() {
        let status = Status {
            code: 403,
            body: "{}".to_owned(),
            retry_after: None,
        };
        let repeats = Repeats::default();
        let now = Timestamp(1_000_000_000_000);
        repeats.note("a", "/x", status.clone(), now);
        assert_eq!(repeats.take("b", "/x", now), None);
        assert_eq!(repeats.take("a", "/y", now), None);
        assert_eq!(repeats.take("a", "/x", now), Some(status.clone()));
        assert_eq!(repeats.take("a", "/x", now), None);
        repeats.note("a", "/x", status, now);
        let late = now.after(limits::REFUSED_STREAM_FOR);
        assert_eq!(repeats.take("a", "/x", late), None);
    }
}
