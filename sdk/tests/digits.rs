//! A whole plugin of a page, through the harness: what an author would write first. It refuses nothing of
//! its own; it shows that the harness does.

use portcullis_sdk::facts::{Category, Facts, Predicate};
use portcullis_sdk::prelude::*;
use portcullis_sdk::testing::{classifier, harness};
use portcullis_sdk::{Described, Manifest};
use serde_json::json;

const PIN: Rule = Rule(1);
const LONG: Rule = Rule(2);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    digits: usize,
}

/// Finds runs of digits.
struct Digits {
    digits: usize,
}

impl Described for Digits {
    const MANIFEST: &'static str = r#"{
        "api": "portcullis:plugin@0.1", "name": "digits", "version": "1.0.0", "world": "masker",
        "interest": [{"protocol": "postgres", "direction": "response", "kinds": ["rows"]}],
        "rules": [{"id": 1, "name": "pin", "entity": "PIN"}, {"id": 2, "name": "long", "entity": "LONG"}]
    }"#;
}

impl Masker for Digits {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        match config.digits {
            0 => Err(ConfigError::at("/digits", "must be at least 1")),
            digits => Ok(Self { digits }),
        }
    }

    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        for cell in batch.cells() {
            let bytes = cell.bytes();
            let mut at = 0;
            while at < bytes.len() {
                let run = bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_digit())
                    .count();
                if run >= self.digits && cell.name() != "id" {
                    out.entity(cell, at..at + run, PIN);
                }
                if run > 2 * self.digits {
                    out.replace(cell, at..at + run - 1, "<long>", LONG);
                }
                if batch.kind() == BatchKind::Stream && at + run == bytes.len() {
                    out.hold(run);
                }
                at += run.max(1);
            }
        }
    }
}

#[test]
fn rows_are_masked_by_rule_and_column() {
    let digits = harness::<Digits>(json!({"digits": 4})).columns(&["id", "note"]);
    let row = digits.row(&["12345", "pin 12345, year 19"]);
    row.expect(&["12345", "pin [pc-masked:pin], year 19"]);
    row.expect_found(&[("pin", "12345")]);
}

#[test]
fn a_policy_that_chooses_one_of_two_overlapping_finds_gets_it() {
    let digits = harness::<Digits>(json!({"digits": 2}));
    digits.row(&["123456"]).expect(&["[pc-masked:pin]"]);
    let long = harness::<Digits>(json!({"digits": 2})).only(&["LONG"]);
    long.row(&["123456"]).expect(&["<long>6"]);
}

#[test]
fn a_stream_is_masked_the_same_wherever_it_is_cut() {
    let digits = harness::<Digits>(json!({"digits": 4})).only(&["PIN"]);
    let masked = digits.stream(b"a 1234 b 99 c 123456");
    assert_eq!(masked, b"a [pc-masked:pin] b 99 c [pc-masked:pin]");
}

#[test]
fn a_wrong_configuration_says_what_is_wrong() {
    let zero = harness::<Digits>(json!({"digits": 0})).config_error();
    assert_eq!(zero.to_string(), "/digits: must be at least 1");
    let unknown = harness::<Digits>(json!({"digits": 1, "colour": 3})).config_error();
    assert!(unknown.message.contains("colour"), "{unknown}");
}

#[test]
fn one_search_over_all_cells_finds_its_cell() {
    let shape = Shape::nameless();
    let batch = Batch::new(
        BatchKind::Rows,
        &shape,
        &[0, 0, 2, 0, 3, 3, 0, 4, 6],
        b"ab\0\0cd\0",
    );
    let at = |offset| {
        batch
            .locate(offset)
            .map(|(cell, within)| (cell.index(), within))
    };
    assert_eq!(at(1), Some((0, 1)));
    assert_eq!(at(2), None);
    assert_eq!(at(4), Some((2, 0)));
    assert_eq!(at(6), None);
}

/// A classifier that knows one word.
struct Word;

impl Described for Word {
    const MANIFEST: &'static str = r#"{
        "api": "portcullis:plugin@0.1", "name": "word", "version": "1.0.0", "world": "classifier",
        "interest": [{"protocol": "postgres", "direction": "request", "kinds": ["query"]}],
        "rules": [{"id": 7, "name": "fire"}]
    }"#;
}

impl Classifier for Word {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn classify(&mut self, message: &Message<'_>) -> Opinion {
        let all_rows = message
            .facts()
            .statements
            .iter()
            .any(|s| s.predicate == Predicate::Missing);
        let found = match message.text().find("fire") {
            Some(at) => Opinion::nothing()
                .risk(Risk::High)
                .finding(Rule(7), at..at + 4),
            None => Opinion::nothing(),
        };
        match all_rows {
            true => found.join(Opinion::nothing().effect(Effect::Destroy).label("all-rows")),
            false => found,
        }
    }
}

#[test]
fn an_opinion_is_the_worst_of_its_parts() {
    let word = classifier::<Word>(json!({})).facts(json!({
        "parse": "Ok", "secrets": [],
        "statements": [{"verb": "DELETE", "category": "from the future", "effect": "write", "predicate": "missing", "span": {"start": 0, "end": 4}}],
    }));
    let opinion = word.opinion("on fire");
    assert_eq!(
        (opinion.effect, opinion.risk),
        (Effect::Destroy, Risk::High)
    );
    assert_eq!(opinion.findings, [(Rule(7), 3..7)]);
    assert_eq!(
        classifier::<Word>(json!(null)).opinion("ice"),
        Opinion::nothing()
    );
}

#[test]
fn a_word_from_the_future_reads_as_the_worst() {
    let facts: Facts = serde_json::from_value(json!({
        "parse": "Partial", "later": 1,
        "statements": [{"verb": "X", "category": "new", "effect": "new", "predicate": "new", "span": {"start": 0, "end": 0}}],
    }))
    .unwrap();
    let statement = &facts.statements[0];
    assert_eq!(
        (statement.category, statement.effect),
        (Category::Unknown, Effect::Unknown)
    );
    assert_eq!(statement.predicate, Predicate::Missing);
}

#[test]
fn a_masker_without_an_entity_is_no_masker() {
    let json = Digits::MANIFEST.replace(r#", "entity": "PIN""#, "");
    let error = Manifest::parse(&json).unwrap_err();
    assert!(error.contains("rule `pin`"), "{error}");
}
