//! What is typed at a terminal, on its way into the record: its keys follow its length once the terminal has shown them.
//! What was typed without echo is withheld once, for it may be a password; further lines are kept, and marked.
//!
//! It refuses to record a key before its echo was seen.

use super::up::named;
use super::{Ended, Stream};
use bytes::Bytes;
use portcullis_gate::{Lane, Next, Reader};
use portcullis_model::message::{Body, Message};
use portcullis_stream::terminal::Kept;

impl Stream {
    /// Keys that have gone to the host.
    pub(super) async fn typed(&self, keys: &[u8]) -> Result<(), Ended> {
        if self.reader != Reader::Terminal {
            return Ok(());
        }
        let kept = self.typing.lock().typed(keys, self.now());
        self.keep(kept).await
    }

    /// What the host has shown, before masks.
    pub(super) async fn echoed(&self, lane: Lane, piece: &[u8], next: Next) -> Result<(), Ended> {
        if self.reader != Reader::Terminal || lane != Lane::Output {
            return Ok(());
        }
        if let Some(followed) = &self.followed {
            followed.shows(piece);
        }
        let kept = {
            let mut typing = self.typing.lock();
            let mut kept = typing.shown(piece);
            kept.extend(match next {
                Next::Open | Next::Idle => typing.tick(self.now()),
                Next::End => typing.finish(),
            });
            kept
        };
        self.keep(kept).await
    }

    async fn keep(&self, kept: Vec<Kept>) -> Result<(), Ended> {
        for kept in kept {
            let keys = match kept {
                Kept::Echoed(keys) => keys,
                Kept::Unechoed(keys) => {
                    let length = keys.len().to_string();
                    let _nothing_moves = self.permitted(named("unechoed", &length)).await?;
                    keys
                }
                // Its length is on record.
                Kept::Withheld(_) => continue,
            };
            let message = Message {
                body: Body::Typed {
                    bytes: Bytes::from(keys),
                    shown: true,
                },
                wire: Bytes::new(),
            };
            let _nothing_moves = self.permitted(message).await?;
        }
        Ok(())
    }
}
