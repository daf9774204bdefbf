//! The harness for classifiers. Facts come from the test: this crate has no SQL parser.

use super::{manifest, stream_json};
use crate::classifier::{Classifier, Opinion, Protocol, Stage};
use crate::glue::{ClassifierGlue, Lifecycle};
use crate::{ConfigError, Described, Manifest};
use serde_json::{Value, json};
use std::marker::PhantomData;

/// A classifier under test.
#[derive(Debug)]
pub struct ClassifierHarness<C> {
    config: Vec<u8>,
    protocol: Protocol,
    stage: Stage,
    facts: Value,
    manifest: Manifest,
    plugin: PhantomData<C>,
}

/// Tests a classifier with this configuration, on PostgreSQL simple queries with empty facts.
#[must_use]
pub fn classifier<C: Classifier + Described>(config: Value) -> ClassifierHarness<C> {
    ClassifierHarness {
        config: config.to_string().into_bytes(),
        protocol: Protocol::Postgres,
        stage: Stage::Query,
        facts: json!({"parse": "Ok", "statements": [], "secrets": []}),
        manifest: manifest::<C>(),
        plugin: PhantomData,
    }
}

impl<C: Classifier + Described> ClassifierHarness<C> {
    /// Another protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Another stage.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    /// The facts of the messages that follow, as JSON of [`crate::facts::Facts`].
    #[must_use]
    pub fn facts(mut self, facts: Value) -> Self {
        self.facts = facts;
        self
    }

    /// The error of a configuration that must be refused.
    ///
    /// # Panics
    /// When the configuration is accepted.
    #[must_use]
    pub fn config_error(&self) -> ConfigError {
        match ClassifierGlue::<C>::configure(&self.config) {
            Err(error) => error,
            Ok(_) => panic!("the configuration is accepted, it should be refused"),
        }
    }

    /// The opinion on a text: asked of a fresh instance twice and of a used one, which must agree.
    ///
    /// # Panics
    /// When they do not, or when the opinion names what the manifest does not know.
    #[must_use]
    pub fn opinion(&self, text: &str) -> Opinion {
        let facts = self.facts.to_string();
        let ask = |glue: &mut ClassifierGlue<C>| {
            glue.classify(
                self.protocol as u32,
                self.stage as u32,
                text.as_bytes(),
                facts.as_bytes(),
            )
        };
        let mut glue = self.fresh();
        let opinion = ask(&mut glue);
        assert_eq!(ask(&mut glue), opinion, "a used instance answers otherwise");
        let again = ask(&mut self.fresh());
        assert_eq!(again, opinion, "another instance answers otherwise");
        self.check(text, &opinion);
        opinion
    }

    fn fresh(&self) -> ClassifierGlue<C> {
        let mut glue = ClassifierGlue::<C>::configure(&self.config)
            .unwrap_or_else(|e| panic!("the configuration is refused: {e}"));
        glue.open(&stream_json());
        glue
    }

    fn check(&self, text: &str, opinion: &Opinion) {
        for (rule, range) in &opinion.findings {
            assert!(
                self.manifest.rules.iter().any(|r| r.id == rule.0),
                "rule {} is not in plugin.json",
                rule.0
            );
            assert!(
                range.start <= range.end && range.end <= text.len(),
                "the finding {range:?} is not within the text"
            );
        }
        for label in &opinion.labels {
            let plain =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._/:".contains(&b);
            assert!(
                !label.is_empty() && label.len() <= 64 && label.bytes().all(plain),
                "label {label:?} must be lower case, digits and `-._/:`, at most 64 bytes"
            );
        }
    }
}
