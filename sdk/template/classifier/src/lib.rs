//! During a change freeze, whatever writes a table of the configured list needs a second pair of eyes. Refuses to
//! guess: a statement that the gateway could not parse stays `unknown`.

use portcullis_sdk::facts::Parse;
use portcullis_sdk::prelude::*;

/// The rule of `plugin.json` with this id.
const FROZEN: Rule = Rule(1);

/// The configuration. Keep it in step with `config_schema` in `plugin.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    tables: Vec<String>,
}

/// The plugin. One instance serves one stream and is never shared.
pub struct PLUGIN_TYPE {
    tables: Vec<String>,
}

impl Classifier for PLUGIN_TYPE {
    type Config = Config;

    /// Runs ahead of time: build what is expensive here. An error keeps the plugin from loading.
    fn configure(config: Config) -> Result<Self, ConfigError> {
        match config.tables.is_empty() {
            true => Err(ConfigError::at("/tables", "list one table at least")),
            false => Ok(Self {
                tables: config.tables,
            }),
        }
    }

    /// What a request does. The gateway joins this with what it knows itself: the worse wins.
    fn classify(&mut self, message: &Message<'_>) -> Opinion {
        let facts = message.facts();
        if facts.parse != Parse::Ok {
            return Opinion::unknown("freeze-unparsed");
        }
        facts
            .statements
            .iter()
            .fold(Opinion::nothing(), |opinion, statement| {
                let mut written = statement.objects.iter().filter(|object| object.write);
                match written.find(|object| self.tables.contains(&object.name)) {
                    Some(table) => opinion
                        .risk(Risk::High)
                        .verbs(Verbs::WRITE)
                        .label("change-freeze")
                        .finding(FROZEN, within(message.text(), &statement.span))
                        .object(table.clone()),
                    None => opinion,
                }
            })
    }
}

/// Where the statement stands; a statement that was prepared earlier does not stand in this text.
fn within(text: &str, span: &std::ops::Range<u32>) -> std::ops::Range<usize> {
    let (start, end) = (span.start as usize, span.end as usize);
    match text.get(start..end) {
        Some(_) => start..end,
        None => 0..0,
    }
}

export_classifier!(PLUGIN_TYPE);

#[cfg(test)]
mod tests {
    use super::PLUGIN_TYPE;
    use portcullis_sdk::testing::{classifier, classifier_fixtures};
    use portcullis_sdk::{Effect, Risk};
    use serde_json::json;

    #[test]
    fn a_write_to_a_frozen_table_is_raised() {
        let freeze = classifier::<PLUGIN_TYPE>(json!({"tables": ["orders"]})).facts(json!({
            "parse": "Ok", "secrets": [], "statements": [{
                "verb": "DELETE", "category": "write", "effect": "write", "predicate": "missing",
                "objects": [{"kind": "table", "schema": null, "name": "orders", "write": true}],
                "span": {"start": 0, "end": 18},
            }],
        }));
        let opinion = freeze.opinion("DELETE FROM orders");
        assert_eq!(opinion.risk, Risk::High);
        assert_eq!(opinion.findings, [(super::FROZEN, 0..18)]);
    }

    #[test]
    fn what_cannot_be_parsed_is_unknown() {
        let freeze = classifier::<PLUGIN_TYPE>(json!({"tables": ["orders"]}));
        let opinion = freeze.facts(json!({"parse": "Partial"})).opinion("?");
        assert_eq!(opinion.effect, Effect::Unknown);
    }

    #[test]
    fn an_empty_list_is_a_mistake() {
        let error = classifier::<PLUGIN_TYPE>(json!({"tables": []})).config_error();
        assert_eq!(error.path, "/tables");
    }

    /// Every `fixtures/NAME.trace` against its `NAME.golden`. `PORTCULLIS_BLESS=1 cargo test` writes the latter.
    #[test]
    fn fixtures() {
        classifier_fixtures::<PLUGIN_TYPE>("fixtures");
    }
}
