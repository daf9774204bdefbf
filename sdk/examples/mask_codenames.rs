//! A masker in a page: finds the code names that its configuration lists, and badge numbers in a column named
//! `badge`. Refuses an empty list: a masker that can find nothing is a mistake.

use portcullis_sdk::prelude::*;

const CODENAME: Rule = Rule(1);
const BADGE: Rule = Rule(2);
const CELLS: u32 = 0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    codenames: Vec<String>,
}

struct Codenames {
    names: Vec<Vec<u8>>,
    badges: Vec<bool>,
}

impl Masker for Codenames {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        if config.codenames.iter().all(String::is_empty) {
            return Err(ConfigError::at("/codenames", "list at least one name"));
        }
        Ok(Self {
            names: config
                .codenames
                .into_iter()
                .map(String::into_bytes)
                .collect(),
            badges: Vec::new(),
        })
    }

    fn schema(&mut self, shape: &Shape) {
        self.badges = shape.columns.iter().map(|c| c.name == "badge").collect();
    }

    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        portcullis_sdk::host::count(CELLS, batch.len() as u64);
        for cell in batch.cells() {
            let bytes = cell.bytes();
            for name in &self.names {
                let places = bytes.windows(name.len()).enumerate();
                for (at, _) in places.filter(|(_, window)| window == name) {
                    out.replace(cell, at..at + name.len(), "[a project]", CODENAME);
                }
            }
            if self.badges.get(cell.column()) == Some(&true) && !bytes.is_empty() {
                out.entity(cell, 0..bytes.len(), BADGE);
            }
        }
    }
}

export_masker!(Codenames, "examples/mask_codenames.json");
