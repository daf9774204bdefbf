//! Signatures of messages, out and in: Standard Webhooks 1.0 (`v1`, HMAC-SHA256 over `id.timestamp.body`). Several keys
//! are good at once, so that one can be replaced. It refuses a message that is not signed, not of now, or was taken in
//! before.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use portcullis_model::{Blame, Fault, Timestamp, limits};
use std::collections::BTreeMap;
use std::time::Duration;

/// So far may a message's clock be behind ours: what the standard says.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// So far may it be ahead. What was taken in and is dated later than a start could be taken in after it again: so it is
/// little, and for as long after a start nothing is taken in ([`may_have_come`]).
pub(crate) const AHEAD: Duration = Duration::from_secs(5);
/// Bytes of a key, by the standard.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a message was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// No signature of ours fits.
    #[error("the signature is not good")]
    Forged,
    /// Too old, or from the future.
    #[error("the message is not of now")]
    Late,
    /// It was taken in already.
    #[error("the message came before")]
    Replayed,
    /// No id, or one that is too long.
    #[error("the message has no id")]
    Nameless,
}

/// The keys of one secret: `whsec_…`, several of them with spaces between while one replaces another.
pub struct Keys(Vec<hmac::Key>);

impl Keys {
    /// Reads them.
    ///
    /// # Errors
    /// When one is no key. The error does not repeat it.
    pub fn read(secret: &str) -> Result<Self, Fault> {
        let wrong = || {
            Fault::bare(
                Blame::Gateway,
                "read a webhook's secret: it is no whsec_ key",
            )
        };
        let keys: Option<Vec<_>> = secret.split_whitespace().map(key).collect();
        let keys = keys.ok_or_else(wrong)?;
        match keys.is_empty() {
            true => Err(wrong()),
            false => Ok(Self(keys)),
        }
    }

    /// The value of `webhook-signature`: one for each key.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let text = signed(id, seconds, body);
        let each = self.0.iter().map(|key| {
            let signature = hmac::sign(key, &text);
            format!("v1,{}", STANDARD.encode(signature.as_ref()))
        });
        each.collect::<Vec<_>>().join(" ")
    }

    /// Whether one of the signatures in `offered` is ours.
    fn fits(&self, id: &str, seconds: i64, body: &[u8], offered: &str) -> bool {
        let text = signed(id, seconds, body);
        // A message carries a few; more of them would be work for us alone.
        let mut offered = offered.split(' ').take(8);
        offered.any(|one| {
            let coded = one.strip_prefix("v1,");
            let bytes = coded.and_then(|coded| STANDARD.decode(coded).ok());
            let good = |key: &hmac::Key, bytes: &[u8]| hmac::verify(key, &text, bytes).is_ok();
            bytes.is_some_and(|bytes| self.0.iter().any(|key| good(key, &bytes)))
        })
    }
}

fn key(text: &str) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    KEY_BYTES
        .contains(&bytes.len())
        .then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn signed(id: &str, seconds: i64, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{id}.{seconds}.").into_bytes();
    text.extend_from_slice(body);
    text
}

/// What was taken in lately, so that nothing is twice.
#[derive(Default)]
pub(crate) struct Seen(Mutex<BTreeMap<String, Timestamp>>);

impl Seen {
    /// Remembers an id for as long as its message could come again.
    pub(crate) fn first(&self, id: &str, now: Timestamp) -> Result<(), NotSigned> {
        let mut seen = self.0.lock();
        seen.retain(|_, until| *until > now);
        if seen.contains_key(id) || seen.len() >= limits::CALLBACKS_SEEN_MAX {
            return Err(NotSigned::Replayed);
        }
        seen.insert(id.to_owned(), now.after(2 * TOLERANCE));
        Ok(())
    }
}

/// Whether a message's time is close enough to ours.
pub(crate) fn of_now(seconds: i64, now: Timestamp) -> Result<(), NotSigned> {
    let ahead = seconds > now.after(AHEAD).seconds();
    let behind = now.since(Timestamp(seconds.saturating_mul(1_000_000_000)));
    match ahead || behind.as_secs() > TOLERANCE.as_secs() {
        false => Ok(()),
        true => Err(NotSigned::Late),
    }
}

/// Whether a message of this second may have been taken in before the start: nobody knows any more.
pub(crate) fn may_have_come(seconds: i64, started: Timestamp) -> bool {
    seconds <= started.after(AHEAD).seconds()
}

/// Verifies a message with the headers of the standard.
pub(crate) fn verify(
    keys: &Keys,
    seen: &Seen,
    [id, time, signature]: [&str; 3],
    body: &[u8],
    now: Timestamp,
) -> Result<(), NotSigned> {
    if id.is_empty() || id.len() > 128 || id.contains('.') {
        return Err(NotSigned::Nameless);
    }
    let seconds: i64 = time.parse().map_err(|_| NotSigned::Late)?;
    of_now(seconds, now)?;
    if !keys.fits(id, seconds, body, signature) {
        return Err(NotSigned::Forged);
    }
    // Only what was signed can fill the memory.
    seen.first(id, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const SECONDS: i64 = 1_614_265_330;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    #[test]
    fn a_message_is_of_now_for_five_minutes_and_hardly_ahead() {
        for (seconds, good) in [
            (SECONDS, true),
            (SECONDS - 300, true),
            (SECONDS - 301, false),
            (SECONDS + 5, true),
            (SECONDS + 6, false),
            (0, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            assert_eq!(of_now(seconds, at(SECONDS)).is_ok(), good, "{seconds}");
        }
    }

    #[test]
    fn whatever_was_of_now_before_a_start_is_none_after_it() {
        let started = Timestamp(SECONDS * 1_000_000_000 + 999_999_999);
        for seconds in SECONDS - 310..=SECONDS + 310 {
            let taken = of_now(seconds, started).is_ok();
            let again = !may_have_come(seconds, started);
            assert!(!(taken && again), "{seconds}");
        }
        assert!(!may_have_come(SECONDS + 6, started), "it goes on then");
    }

    #[test]
    fn the_example_of_the_standard_is_signed_the_same() {
        let keys = Keys::read(SECRET).unwrap();
        assert_eq!(keys.sign(ID, SECONDS, BODY), SIGNATURE);
    }

    #[test]
    fn what_is_forged_late_or_came_before_is_not_taken_in() {
        let keys = Keys::read(SECRET).unwrap();
        let seen = Seen::default();
        let time = SECONDS.to_string();
        let take = |id: &str, time: &str, signature: &str, body: &[u8], now: i64| {
            verify(&keys, &seen, [id, time, signature], body, at(now))
        };
        let good = |now: i64| take(ID, &time, SIGNATURE, BODY, now);
        assert_eq!(good(SECONDS + 301), Err(NotSigned::Late));
        assert_eq!(good(SECONDS - 6), Err(NotSigned::Late));
        let forged = Err(NotSigned::Forged);
        assert_eq!(take(ID, &time, SIGNATURE, b"{}", SECONDS), forged);
        assert_eq!(take("msg_2", &time, SIGNATURE, BODY, SECONDS), forged);
        assert_eq!(take(ID, "1614265331", SIGNATURE, BODY, SECONDS), forged);
        for bad in ["", "v1,", "v1,AAAA", "v1a,AAAA", &SIGNATURE[3..]] {
            assert_eq!(take(ID, &time, bad, BODY, SECONDS), forged, "{bad}");
        }
        assert_eq!(
            take("", &time, SIGNATURE, BODY, SECONDS),
            Err(NotSigned::Nameless)
        );
        assert_eq!(good(SECONDS), Ok(()));
        assert_eq!(good(SECONDS + 1), Err(NotSigned::Replayed));
    }

    #[test]
    fn a_key_is_replaced_while_both_are_good() {
        let other = format!("whsec_{}", STANDARD.encode([9; 32]));
        let both = Keys::read(&format!("{other} {SECRET}")).unwrap();
        let text = both.sign(ID, SECONDS, BODY);
        assert!(text.ends_with(SIGNATURE) && text.split(' ').count() == 2);
        let new = Keys::read(&other).unwrap();
        assert!(new.fits(ID, SECONDS, BODY, &text));
        for bad in [
            "",
            "whsec_",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_?",
        ] {
            assert!(Keys::read(bad).is_err(), "{bad}");
        }
    }
}
