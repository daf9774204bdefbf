//! What a system outside says back, signed. The signature says which system it is, and nothing about who wants what: a
//! vote in it carries the fresh token of the person whose vote it is. It refuses what is forged, late or came before, and
//! whatever says more or less than a vote.

use super::sign::{Seen, verify};
use super::{Keys, NotSigned, Phrase};
use crate::request::Ballot;
use portcullis_model::{Fault, Timestamp};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A vote as it comes in. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// The request.
    pub request: String,
    /// Yes or no.
    pub choice: Ballot,
    /// Why.
    pub reason: String,
    /// The approver's own token, wiped after use.
    pub token: Zeroizing<String>,
}

/// Takes callbacks in.
pub struct Inbound {
    secret: Arc<dyn Phrase>,
    seen: Seen,
}

impl Inbound {
    /// With the secret that they are signed with.
    #[must_use]
    pub fn new(secret: Arc<dyn Phrase>) -> Self {
        Self {
            secret,
            seen: Seen::default(),
        }
    }

    /// The vote in a message: `id`, `timestamp` and `signature` are its headers.
    ///
    /// # Errors
    /// The outer one when the secret cannot be had; the inner one when the message is not taken in, or is no vote.
    pub async fn read(
        &self,
        headers: [&str; 3],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Result<Callback, NotSigned>, Fault> {
        let keys = Keys::read(&self.secret.read().await?)?;
        if let Err(why) = verify(&keys, &self.seen, headers, body, now) {
            return Ok(Err(why));
        }
        // Its members in a list, without their names, are read as a vote as well.
        let named = body.trim_ascii_start().starts_with(b"{");
        let vote = serde_json::from_slice(body).ok().filter(|_| named);
        Ok(vote.ok_or(NotSigned::Nameless))
    }
}
