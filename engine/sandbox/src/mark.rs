//! What stands in the place of a value. The host computes it, so that no key and no policy enters a guest,
//! and every mask of ours begins with the marker that is refused when it comes back.

use crate::error::LoadError;
use aws_lc_rs::{hmac, rand::SecureRandom, rand::SystemRandom};
use bytes::Bytes;
use portcullis_model::rows::mask_text;
use portcullis_model::{SessionId, Strategy};

/// A value shorter than this shows no tail: four of eight characters are half of it.
const PARTIAL_CHARS_MIN: usize = 9;
const TAIL_CHARS: usize = 4;
const HASH_HEX: usize = 12;

/// The key of [`Strategy::Hash`]: new in every process, never written down.
#[derive(Debug)]
pub(crate) struct Marks {
    key: hmac::Key,
}

impl Marks {
    pub(crate) fn new() -> Result<Self, LoadError> {
        let mut key = [0; 32];
        SystemRandom::new()
            .fill(&mut key)
            .map_err(|_| LoadError::StartEngine("no random bytes".to_owned()))?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
        })
    }

    /// The mark for a value. `entity` in lower case; `tail` is false when no part of it may be shown.
    pub(crate) fn mark(
        &self,
        session: SessionId,
        strategy: Strategy,
        entity: &str,
        value: &[u8],
        tail: bool,
    ) -> Bytes {
        let text = match strategy {
            // A part of a cell cannot be NULL.
            Strategy::Redact | Strategy::Null => mask_text(entity, None),
            Strategy::Partial => mask_text(entity, last_characters(value).filter(|_| tail)),
            Strategy::Hash => {
                let hash = self.hash(session, entity, value);
                mask_text(&format!("{entity} #{hash}"), None)
            }
        };
        Bytes::from(text)
    }

    /// The same for the same value within a session, and for no other.
    fn hash(&self, session: SessionId, entity: &str, value: &[u8]) -> String {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(&session.0.to_be_bytes());
        mac.update(entity.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        let mut hash = hex::encode(mac.sign());
        hash.truncate(HASH_HEX);
        hash
    }
}

/// The last four characters, where four are little of the whole and all of them can be shown.
fn last_characters(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (at, _) = text.char_indices().nth_back(TAIL_CHARS - 1)?;
    let enough = text.chars().nth(PARTIAL_CHARS_MIN - 1).is_some();
    let tail = text.get(at..)?;
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '{' | '}' | '[' | ']' | ',');
    (enough && tail.chars().all(plain)).then_some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(strategy: Strategy, value: &str, tail: bool) -> String {
        let marks = Marks::new().unwrap();
        let mark = marks.mark(SessionId(1), strategy, "card", value.as_bytes(), tail);
        String::from_utf8(mark.to_vec()).unwrap()
    }

    #[test]
    fn a_tail_is_shown_only_of_long_values_that_may_have_one() {
        for (value, tail, expected) in [
            ("4111 1111 1111 1234", true, "[pc-masked:card …1234]"),
            ("4111 1111 1111 1234", false, "[pc-masked:card]"),
            ("123456789", true, "[pc-masked:card …6789]"),
            ("12345678", true, "[pc-masked:card]"),
            ("ääääääüöäß", true, "[pc-masked:card …üöäß]"),
            ("abcdefghi\nkl", true, "[pc-masked:card]"),
            ("", true, "[pc-masked:card]"),
        ] {
            assert_eq!(mark(Strategy::Partial, value, tail), expected, "{value}");
        }
        assert_eq!(mark(Strategy::Null, "x", true), "[pc-masked:card]");
    }

    #[test]
    fn a_hash_is_the_same_within_a_session_and_nowhere_else() {
        let marks = Marks::new().unwrap();
        let hash = |session, entity, value: &[u8]| {
            marks.mark(SessionId(session), Strategy::Hash, entity, value, true)
        };
        let first = hash(1, "card", b"4111");
        assert_eq!(first.len(), "[pc-masked:card #]".len() + 12);
        assert_eq!(first, hash(1, "card", b"4111"));
        assert_ne!(first, hash(2, "card", b"4111"));
        assert_ne!(first, hash(1, "iban", b"4111"));
        assert_ne!(first, hash(1, "card", b"4112"));
        let elsewhere = Marks::new().unwrap();
        let other = elsewhere.mark(SessionId(1), Strategy::Hash, "card", b"4111", true);
        assert_ne!(first, other);
    }
}
