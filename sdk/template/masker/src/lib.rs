//! Finds badge numbers (`B-` and seven digits; the configuration may set another prefix) wherever they stand in what a
//! target answers. Refuses to guess: what has fewer or more digits, or stands inside a longer word, is no badge.

use portcullis_sdk::prelude::*;
use std::ops::Range;

/// The rule of `plugin.json` with this id.
const BADGE: Rule = Rule(1);
/// Digits after the prefix.
const DIGITS: usize = 7;

/// The configuration. Keep it in step with `config_schema` in `plugin.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default = "prefix")]
    prefix: String,
}

fn prefix() -> String {
    "B-".to_owned()
}

/// The plugin. One instance serves one stream and is never shared.
pub struct PLUGIN_TYPE {
    prefix: Vec<u8>,
}

impl Masker for PLUGIN_TYPE {
    type Config = Config;

    /// Runs ahead of time: build what is expensive here. An error keeps the plugin from loading.
    fn configure(config: Config) -> Result<Self, ConfigError> {
        match config.prefix.is_empty() {
            true => Err(ConfigError::at(
                "/prefix",
                "must not be empty: every number would be a badge",
            )),
            false => Ok(Self {
                prefix: config.prefix.into_bytes(),
            }),
        }
    }

    /// Reports what stands in these cells; the gateway decides by policy how it is masked.
    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        for cell in batch.cells() {
            let mut from = 0;
            while let Some(badge) = self.find(cell.bytes(), from) {
                from = badge.end;
                out.entity(cell, badge, BADGE);
            }
            if batch.kind() == BatchKind::Stream {
                out.hold(self.unfinished(cell.bytes()));
            }
        }
    }
}

impl PLUGIN_TYPE {
    /// The first badge that begins at `from` or later.
    fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let len = self.prefix.len() + DIGITS;
        let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
        let word = |at: Option<usize>| {
            at.and_then(|at| text.get(at))
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        let starts = from..(text.len() + 1).saturating_sub(len);
        starts.map(|at| at..at + len).find(|badge| {
            text[badge.start..].starts_with(&self.prefix)
                && (badge.start + self.prefix.len()..badge.end).all(digit)
                && !digit(badge.end)
                && !word(badge.start.checked_sub(1))
        })
    }

    /// Bytes at the end of a piece of a stream that more bytes could make a badge, or a number too long to be one.
    fn unfinished(&self, text: &[u8]) -> usize {
        // A badge, what stands before it, and what stands after it.
        let longest = 1 + self.prefix.len() + DIGITS;
        longest.min(text.len())
    }
}

export_masker!(PLUGIN_TYPE);

#[cfg(test)]
mod tests {
    use super::PLUGIN_TYPE;
    use portcullis_sdk::testing::{harness, masker_fixtures};
    use serde_json::json;

    #[test]
    fn a_badge_is_found_wherever_it_stands() {
        let badges = harness::<PLUGIN_TYPE>(json!({})).columns(&["id", "note"]);
        let row = badges.row(&["7", "Ana has B-1234567, Bea B-7654321"]);
        row.expect(&["7", "Ana has [pc-masked:badge], Bea [pc-masked:badge]"]);
    }

    #[test]
    fn what_only_looks_like_a_badge_stays() {
        let badges = harness::<PLUGIN_TYPE>(json!({}));
        for text in ["B-123456", "B-12345678", "AB-1234567", "b-1234567", "B-"] {
            badges.row(&[text]).expect(&[text]);
        }
    }

    #[test]
    fn the_prefix_is_configured() {
        let badges = harness::<PLUGIN_TYPE>(json!({"prefix": "EMP"}));
        badges
            .row(&["EMP1234567 B-1234567"])
            .expect(&["[pc-masked:badge] B-1234567"]);
        let error = harness::<PLUGIN_TYPE>(json!({"prefix": ""})).config_error();
        assert_eq!(error.path, "/prefix");
    }

    /// Every `fixtures/NAME.trace` against its `NAME.golden`. `PORTCULLIS_BLESS=1 cargo test` writes the latter.
    #[test]
    fn fixtures() {
        masker_fixtures::<PLUGIN_TYPE>("fixtures");
    }
}
