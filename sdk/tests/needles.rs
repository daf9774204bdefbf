//! Needles of a manifest through the harness: sound ones pass, unsound ones fail with the cell that shows it.

use portcullis_sdk::Described;
use portcullis_sdk::prelude::*;
use portcullis_sdk::testing::harness;
use serde_json::json;

const PIN: Rule = Rule(1);

macro_rules! pins {
    ($name:ident, $needles:literal) => {
        /// Finds four digits in a row, and everything in a column named `pin`.
        struct $name;

        impl Described for $name {
            const MANIFEST: &'static str = concat!(
                r#"{"api": "portcullis:plugin@0.1", "name": "pins", "version": "1.0.0", "world": "masker",
                "interest": [{"protocol": "postgres", "direction": "response", "kinds": ["rows"]}],
                "rules": [{"id": 1, "name": "pin", "entity": "PIN"}], "needles": "#,
                $needles,
                "}"
            );
        }

        impl Masker for $name {
            type Config = NoConfig;

            fn configure(_: NoConfig) -> Result<Self, ConfigError> {
                Ok(Self)
            }

            fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
                for cell in batch.cells() {
                    let digits = |w: &[u8]| w.iter().all(u8::is_ascii_digit);
                    let found = cell.bytes().windows(4).position(digits);
                    match found {
                        Some(at) => out.entity(cell, at..at + 4, PIN),
                        None if cell.name() == "pin" && !cell.bytes().is_empty() => {
                            out.entity(cell, 0..cell.bytes().len(), PIN);
                        }
                        None => {}
                    }
                }
            }
        }
    };
}

pins!(
    Sound,
    r#"{"any_of": [{"digits": 4, "gap": 0}], "columns": ["pin"]}"#
);
pins!(Forgets, r#"{"any_of": [{"digits": 4, "gap": 0}]}"#);
pins!(
    Greedy,
    r#"{"any_of": [{"digits": 5, "gap": 0}], "columns": ["pin"]}"#
);

const SEEDS: [&str; 3] = ["pin 1234", "a-1 2", "12-34 5678"];

#[test]
fn needles_that_are_sound_hold() {
    let pins = harness::<Sound>(json!({})).columns(&["pin", "note"]);
    pins.row(&["x", "1234"])
        .expect(&["[pc-masked:pin]", "[pc-masked:pin]"]);
    pins.needles_hold(&SEEDS);
}

#[test]
#[should_panic(expected = "no needle of plugin.json stands there")]
fn a_column_that_was_forgotten_shows() {
    let pins = harness::<Forgets>(json!({})).columns(&["pin"]);
    let _ = pins.row(&["x"]);
}

#[test]
#[should_panic(expected = "no needle of plugin.json stands there")]
fn a_needle_that_is_too_narrow_shows_in_variations() {
    harness::<Greedy>(json!({})).needles_hold(&SEEDS);
}

#[test]
fn a_classifier_has_no_needles() {
    let json = Sound::MANIFEST.replace("masker", "classifier");
    let error = portcullis_sdk::Manifest::parse(&json).unwrap_err();
    assert!(error.contains("a classifier has no `needles`"), "{error}");
}
