//! What a system outside says back, signed. The signature says which system it is, and nothing about who wants what: a
//! vote in it carries the fresh token of the person whose vote it is. It refuses what is forged, late or came before, what was
//! sent before the gateway was there, since nobody knows any more whether it came, and whatever says more or less than a vote.

use super::sign::{Seen, may_have_come, verify};
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
    /// What is older may have been taken in before a restart.
    started: Timestamp,
}

impl Inbound {
    /// With the secret that they are signed with, from now on.
    #[must_use]
    pub fn new(secret: Arc<dyn Phrase>, started: Timestamp) -> Self {
        Self {
            secret,
            seen: Seen::default(),
            started,
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
        let [_, sent, _] = headers;
        // Before its id is remembered: whoever is told that it was late sends it again, with the same id and a new time.
        if sent
            .parse()
            .map_or(true, |sent| may_have_come(sent, self.started))
        {
            return Ok(Err(NotSigned::Late));
        }
        if let Err(why) = verify(&keys, &self.seen, headers, body, now) {
            return Ok(Err(why));
        }
        // Its members in a list, without their names, are read as a vote as well.
        let named = body.trim_ascii_start().starts_with(b"{");
        let vote = serde_json::from_slice(body).ok().filter(|_| named);
        Ok(vote.ok_or(NotSigned::Nameless))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::BoxFuture;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"request":"ap-1","choice":"approve","reason":"OPS-1","token":"x"}"#;

    struct Said;

    impl Phrase for Said {
        fn read(&self) -> BoxFuture<'_, Result<Zeroizing<String>, Fault>> {
            Box::pin(async { Ok(Zeroizing::new(SECRET.to_owned())) })
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    async fn read(inbound: &Inbound, name: &str, sent: i64, now: i64) -> Result<String, NotSigned> {
        let signature = Keys::read(SECRET).unwrap().sign(name, sent, BODY);
        let sent = sent.to_string();
        let read = inbound.read([name, &sent, &signature], BODY, at(now)).await;
        read.unwrap().map(|vote| vote.request)
    }

    #[tokio::test]
    async fn a_message_is_read_once_also_over_a_restart() {
        let before = Inbound::new(Arc::new(Said), at(1000));
        assert_eq!(read(&before, "m1", 1100, 1101).await, Ok("ap-1".to_owned()));
        assert_eq!(
            read(&before, "m1", 1100, 1102).await,
            Err(NotSigned::Replayed)
        );
        // The one that begins anew has not seen it, and takes none from before.
        let after = Inbound::new(Arc::new(Said), at(1110));
        assert_eq!(read(&after, "m1", 1100, 1111).await, Err(NotSigned::Late));
        // Neither one of the second of the start, nor one that may have come with a clock that was ahead.
        for sent in [1109, 1110, 1115] {
            let name = format!("m{sent}");
            assert_eq!(read(&after, &name, sent, 1111).await, Err(NotSigned::Late));
        }
        assert_eq!(read(&after, "m3", 1116, 1116).await, Ok("ap-1".to_owned()));
    }

    #[tokio::test]
    async fn what_was_late_is_taken_in_when_it_is_sent_again() {
        let inbound = Inbound::new(Arc::new(Said), at(1000));
        assert_eq!(read(&inbound, "m1", 1004, 1004).await, Err(NotSigned::Late));
        let again = read(&inbound, "m1", 1010, 1010).await;
        assert_eq!(again, Ok("ap-1".to_owned()));
        let twice = read(&inbound, "m1", 1011, 1011).await;
        assert_eq!(twice, Err(NotSigned::Replayed));
    }
}
