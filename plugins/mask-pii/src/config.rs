//! What an operator may say: which entities are looked for, how sure one must be, and further words that make surer.
//! Refuses entities that do not exist and thresholds out of range, naming the place.

use crate::kinds::{ALL, Kind, THRESHOLD};
use portcullis_sdk::ConfigError;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `{"entities": ["EMAIL"], "threshold": 60, "thresholds": {"PHONE": 90}, "context": {"SSN": ["sozialnummer"]}}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Entities to look for; absent means all.
    pub entities: Option<Vec<String>>,
    /// How sure one must be, 1 to 100.
    pub threshold: Option<u8>,
    /// The same by entity.
    pub thresholds: BTreeMap<String, u8>,
    /// Further words by entity.
    pub context: BTreeMap<String, Vec<String>>,
}

/// The configuration, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// By the number of the kind; what is not looked for has 255.
    pub thresholds: [u8; 32],
    /// The lowest of them.
    pub lowest: u8,
    /// The kinds that are looked for, as a set.
    pub on: u32,
    /// Further words.
    pub words: BTreeMap<Kind, Vec<String>>,
}

impl Config {
    /// Checks it.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let mut thresholds = [u8::MAX; 32];
        let general = sane("/threshold", self.threshold.unwrap_or(THRESHOLD))?;
        for kind in ALL {
            thresholds[*kind as usize] = general;
        }
        for (name, value) in &self.thresholds {
            let at = format!("/thresholds/{name}");
            thresholds[known(&at, name)? as usize] = sane(&at, *value)?;
        }
        if let Some(wanted) = &self.entities {
            let mut set = 0;
            for (index, name) in wanted.iter().enumerate() {
                set |= known(&format!("/entities/{index}"), name)?.bit();
            }
            let unwanted = ALL.iter().filter(|k| set & k.bit() == 0);
            unwanted.for_each(|k| thresholds[*k as usize] = u8::MAX);
        }
        let mut words = BTreeMap::new();
        for (name, list) in &self.context {
            let at = format!("/context/{name}");
            let kind = known(&at, name)?;
            if list.iter().any(|w| w.chars().count() < 2) {
                return Err(ConfigError::at(at, "a word has at least two letters"));
            }
            words.insert(kind, list.clone());
        }
        let lowest = thresholds.iter().copied().min().unwrap_or(0);
        let looked_for = ALL.iter().filter(|k| thresholds[**k as usize] != u8::MAX);
        Ok(Settings {
            thresholds,
            lowest,
            on: looked_for.fold(0, |set, kind| set | kind.bit()),
            words,
        })
    }
}

fn known(at: &str, name: &str) -> Result<Kind, ConfigError> {
    Kind::named(name).ok_or_else(|| {
        let all: Vec<&str> = ALL.iter().map(|k| k.entity()).collect();
        ConfigError::at(
            at,
            format!("there is no entity `{name}`; there are {}", all.join(", ")),
        )
    })
}

fn sane(at: &str, threshold: u8) -> Result<u8, ConfigError> {
    match threshold {
        1..=100 => Ok(threshold),
        _ => Err(ConfigError::at(at, "a threshold is a number from 1 to 100")),
    }
}
