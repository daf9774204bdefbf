//! Finds secrets in responses, and in requests on their way into the record. One automaton over the prefixes of
//! all formats runs over the whole batch; only where a prefix stands does a format's own rule look closer.
//!
//! It refuses to match on entropy alone: a hash or an id in every second row would make the mask useless.

mod assignment;
mod formats;
mod structured;

use aho_corasick::{AhoCorasick, MatchKind};
use formats::{FORMATS, Found};
use portcullis_sdk::prelude::*;

/// The masker; it has no configuration.
pub struct MaskSecrets {
    prefixes: AhoCorasick,
}

impl Masker for MaskSecrets {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        let prefixes = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(FORMATS.iter().map(|f| f.prefix))
            .map_err(|e| ConfigError::at("", e.to_string()))?;
        Ok(Self { prefixes })
    }

    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        for hit in self.prefixes.find_overlapping_iter(batch.data()) {
            let Some((cell, within)) = batch.locate(hit.start()) else {
                continue;
            };
            let Some(format) = FORMATS.get(hit.pattern().as_usize()) else {
                continue;
            };
            if let Some(Found { range, rule }) = format.find(cell.bytes(), within) {
                match rule {
                    formats::URL_PASSWORD | formats::ASSIGNMENT => {
                        out.entity_without_tail(cell, range, rule)
                    }
                    _ => out.entity(cell, range, rule),
                }
            }
        }
    }
}

portcullis_sdk::export_masker!(MaskSecrets);

#[cfg(test)]
mod tests;
