//! Finds secrets in responses, and in requests on their way into the record. One search for the anchors of all formats,
//! plain, in base64 and in hexadecimal digits, runs over the whole batch; only where an anchor stands does a format's
//! own rule look closer.
//!
//! It refuses to match on entropy alone: a hash or an id in every second row would make the mask useless.

mod assignment;
mod checksum;
mod decode;
mod format;
mod kubernetes;
mod lines;
mod rules;
mod scan;
mod search;
mod structured;
mod vendors;
mod words;
mod wrapped;

use lines::Lines;
use portcullis_sdk::manifest::Manifest;
use portcullis_sdk::prelude::*;
use search::Search;
use std::collections::BTreeSet;

/// What an operator may say: names of rules that are not wanted, as in `plugin.json`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `{"without": ["assignment"]}`.
    pub without: Vec<String>,
}

/// The masker.
pub struct MaskSecrets {
    search: Search,
    without: BTreeSet<Rule>,
    lines: Lines,
}

impl Masker for MaskSecrets {
    type Config = Option<Config>;

    fn configure(config: Option<Config>) -> Result<Self, ConfigError> {
        let manifest = Manifest::parse(<Self as portcullis_sdk::Described>::MANIFEST)
            .map_err(|e| ConfigError::at("", e))?;
        let mut without = BTreeSet::new();
        for (index, name) in config.unwrap_or_default().without.iter().enumerate() {
            let rule = manifest
                .rules
                .iter()
                .find(|r| r.name == *name)
                .ok_or_else(|| {
                    let names: Vec<&str> = manifest.rules.iter().map(|r| r.name.as_str()).collect();
                    ConfigError::at(
                        format!("/without/{index}"),
                        format!("there is no rule `{name}`; there are {}", names.join(", ")),
                    )
                })?;
            without.insert(Rule(rule.id));
        }
        Ok(Self {
            search: Search::new().map_err(|e| ConfigError::at("", e))?,
            without,
            lines: Lines::default(),
        })
    }

    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        let Self {
            search,
            without,
            lines,
        } = self;
        let mut report = |cell: Cell<'_>, range: std::ops::Range<usize>, rule: Rule| {
            if !without.contains(&rule) {
                match rule {
                    rules::URL_PASSWORD
                    | rules::ASSIGNMENT
                    | rules::KUBERNETES
                    | rules::BASIC_AUTH => {
                        out.entity_without_tail(cell, range, rule);
                    }
                    _ => out.entity(cell, range, rule),
                }
            }
        };
        search.batch(batch, &mut report);
        let held = lines.batch(batch, &mut report);
        if held > 0 {
            out.hold(held);
        }
    }
}

portcullis_sdk::export_masker!(MaskSecrets);

#[cfg(test)]
mod tests;
