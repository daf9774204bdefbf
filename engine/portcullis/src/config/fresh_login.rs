//! How long ago whoever votes, reviews or delegates may have logged in: a time, or the word `token` for as long as the token
//! is good. Without a word it is a quarter of an hour.
//!
//! It refuses every other word, and a number without its unit.

use super::duration::Period;
use portcullis_model::limits::FRESH_LOGIN;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::time::Duration;

/// The word for any token that has not expired.
const TOKEN: &str = "token";
const DESCRIPTION: &str =
    "a duration with its unit, such as `15m` or `8h`; or `token`: any token that has not expired";

/// How fresh a login has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshLogin {
    /// People have proved who they are within this time (`auth_time`).
    Within(Period),
    /// Whatever token has not expired, however it was come by.
    Token,
}

impl FreshLogin {
    /// The time, where there is one.
    #[must_use]
    pub fn within(self) -> Option<Duration> {
        match self {
            Self::Within(period) => Some(period.0),
            Self::Token => None,
        }
    }
}

impl Default for FreshLogin {
    fn default() -> Self {
        Self::Within(Period(FRESH_LOGIN))
    }
}

impl<'de> Deserialize<'de> for FreshLogin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = FreshLogin;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(DESCRIPTION)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<FreshLogin, E> {
                match text.trim() {
                    TOKEN => Ok(FreshLogin::Token),
                    text => text.parse().map(FreshLogin::Within).map_err(E::custom),
                }
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl Serialize for FreshLogin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Within(period) => period.serialize(serializer),
            Self::Token => serializer.serialize_str(TOKEN),
        }
    }
}

impl JsonSchema for FreshLogin {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("FreshLogin")
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": DESCRIPTION,
            "pattern": "^(token|([0-9]+(ms|s|m|h|d))+)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FreshLogin, String> {
        serde_json::from_value(serde_json::json!(text)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_login_is_fresh_for_a_quarter_of_an_hour_unless_another_time_or_the_word_is_written() {
        let quarter = Duration::from_secs(15 * 60);
        assert_eq!(FreshLogin::default().within(), Some(quarter));
        let day = read("8h").expect("a time");
        assert_eq!(day.within(), Some(Duration::from_secs(8 * 3600)));
        assert_eq!(read("token"), Ok(FreshLogin::Token));
        assert_eq!(FreshLogin::Token.within(), None);
        for written in [day, FreshLogin::Token] {
            let text = serde_json::to_value(written).expect("a text");
            assert_eq!(read(text.as_str().expect("a text")), Ok(written));
        }
    }

    #[test]
    fn no_other_word_and_no_bare_number_turns_it_off() {
        for text in ["", "off", "none", "never", "Token", "tokens", "15"] {
            assert!(read(text).is_err(), "{text}");
        }
        for value in [
            serde_json::json!(null),
            serde_json::json!(false),
            serde_json::json!(15),
        ] {
            assert!(serde_json::from_value::<FreshLogin>(value).is_err());
        }
    }
}
