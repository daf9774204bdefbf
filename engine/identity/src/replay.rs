//! Tokens that were used already, for issuers whose tokens are good for one use.
//!
//! It exists because a token that a CI job wrote into a log is still good for minutes. It refuses a second
//! use, a token that cannot be told from others (no `jti`), and, when too many are remembered, everybody:
//! forgetting early would let a replay pass.

use crate::refused::{Code, Refused};
use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use portcullis_model::{Timestamp, limits};
use std::collections::HashMap;

/// What has been used, by digest of issuer and `jti`, until nobody would take it any more.
pub(crate) struct Used {
    seen: Mutex<HashMap<[u8; 32], Timestamp>>,
    most: usize,
}

impl Used {
    pub(crate) fn new() -> Self {
        Self {
            seen: Mutex::new(HashMap::new()),
            most: limits::TOKENS_USED_MAX,
        }
    }

    /// Takes note of a use. `until` is the last moment at which the token would verify.
    pub(crate) fn once(
        &self,
        issuer: &str,
        id: Option<&str>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let id = id.filter(|id| !id.is_empty()).ok_or_else(|| {
            Refused::new(
                Code::Replayed,
                "the token cannot be told from others: it has no `jti`",
                "The operator takes each token of this issuer once; it needs the claim `jti`.",
            )
        })?;
        let mut text = Vec::with_capacity(issuer.len() + id.len() + 8);
        text.extend_from_slice(&(issuer.len() as u64).to_be_bytes());
        text.extend_from_slice(issuer.as_bytes());
        text.extend_from_slice(id.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, &text).as_ref());
        let mut seen = self.seen.lock();
        if seen.len() >= self.most {
            seen.retain(|_, until| *until > now);
            if seen.len() >= self.most {
                return Err(Refused::new(
                    Code::Replayed,
                    "the gateway remembers too many used tokens to tell whether this one is new",
                    "Try again in a few minutes.",
                ));
            }
        }
        match seen.insert(key, until) {
            Some(before) if before > now => Err(Refused::new(
                Code::Replayed,
                "the token has been used already",
                "Each token of this issuer is good for one connection: ask for a fresh one.",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_once_and_a_full_list_refuses_everybody() {
        let used = Used {
            seen: Mutex::new(HashMap::new()),
            most: 2,
        };
        let (now, later) = (Timestamp(10), Timestamp(20));
        let code = |answer: Result<(), Refused>| answer.map_err(|r| r.code).err();
        assert_eq!(code(used.once("a", Some("1"), later, now)), None);
        assert_eq!(
            code(used.once("a", Some("1"), later, now)),
            Some(Code::Replayed)
        );
        // Another issuer may use the same id; a concatenation must not collide.
        assert_eq!(
            code(used.once("a1", Some(""), later, now)),
            Some(Code::Replayed)
        );
        assert_eq!(code(used.once("b", Some("1"), later, now)), None);
        assert_eq!(
            code(used.once("c", Some("1"), later, now)),
            Some(Code::Replayed)
        );
        // What has expired makes room.
        assert_eq!(
            code(used.once("c", Some("1"), Timestamp(30), Timestamp(21))),
            None
        );
        assert_eq!(code(used.once("c", None, later, now)), Some(Code::Replayed));
    }
}
