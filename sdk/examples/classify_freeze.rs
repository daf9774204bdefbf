//! A classifier in a page: during a change freeze, whatever writes a table of the configured list needs a
//! second pair of eyes. Refuses to guess: what the gateway could not parse stays `unknown`.

use portcullis_sdk::facts::Parse;
use portcullis_sdk::prelude::*;

const FROZEN: Rule = Rule(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    tables: Vec<String>,
}

struct Freeze {
    tables: Vec<String>,
}

impl Classifier for Freeze {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let tables = config.tables;
        Ok(Self { tables })
    }

    fn classify(&mut self, message: &Message<'_>) -> Opinion {
        if message.facts().parse != Parse::Ok {
            return Opinion::unknown("freeze-unparsed");
        }
        let statements = message.facts().statements.iter();
        statements.fold(Opinion::nothing(), |opinion, statement| {
            let mut written = statement.objects.iter().filter(|o| o.write);
            let span = statement.span.start as usize..statement.span.end as usize;
            match written.find(|o| self.tables.contains(&o.name)) {
                Some(table) => opinion
                    .risk(Risk::High)
                    .verbs(Verbs::WRITE)
                    .label("change-freeze")
                    .finding(FROZEN, span)
                    .object(table.clone()),
                None => opinion,
            }
        })
    }
}

export_classifier!(Freeze, "examples/classify_freeze.json");
