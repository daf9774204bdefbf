//! Finds personal data in responses. One pass makes bitmaps of digits, words, colons and dashes; validators (Luhn and
//! issuer range, ISO 7064, national check digits, checksums of addresses) look at what stands there; column names and
//! words nearby decide where a number alone cannot tell.
//!
//! It refuses to guess names and postal addresses: that needs a language model, which has no place in a data path.
//! Use column rules of the policy for those.

mod brazil_india;
mod card;
mod checks;
mod config;
mod context;
mod crypto;
mod date;
mod email;
mod europe;
mod finder;
mod groups;
mod iban;
mod kinds;
mod letters;
mod net;
mod numbers;
mod passport;
mod phone;
mod scan;
mod us;

use config::{Config, Settings};
use context::Words;
use finder::Finder;
use kinds::Kind;
use portcullis_sdk::prelude::*;
use scan::Maps;

/// The masker.
pub struct MaskPii {
    settings: Settings,
    words: Words,
    columns: Vec<u32>,
    maps: Maps,
    filler: memchr::memmem::Finder<'static>,
}

impl Masker for MaskPii {
    type Config = Option<Config>;

    fn configure(config: Option<Config>) -> Result<Self, ConfigError> {
        let settings = config.unwrap_or_default().settings()?;
        let words = Words::new(&settings.words).map_err(|e| ConfigError::at("/context", e))?;
        Ok(Self {
            settings,
            words,
            columns: Vec::new(),
            maps: Maps::default(),
            filler: memchr::memmem::Finder::new(b"<<"),
        })
    }

    fn schema(&mut self, shape: &Shape) {
        let said = |c: &Column| self.words.column(&c.name);
        self.columns = shape.columns.iter().map(said).collect();
    }

    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        let data = batch.data();
        self.maps.fill(data);
        let columns: &[u32] = &self.columns;
        let mut finder = Finder::new(batch, &self.maps, &self.settings, &self.words, columns, out);
        for at in memchr::memchr_iter(b'@', data) {
            if let Some(range) = email::around(data, at) {
                finder.consider(Kind::Email, range, 90);
            }
        }
        let mut from = 0;
        while let Some(found) = data.get(from..).and_then(|rest| self.filler.find(rest)) {
            let (end, zone) = passport::around(data, from + found);
            if let Some(range) = zone {
                finder.consider(Kind::Passport, range, 90);
            }
            from = end.max(from + found + 2);
        }
        numbers::all(&mut finder);
        let mut addresses = Vec::new();
        net::v6(data, &self.maps, &mut |range| addresses.push((Kind::Ip, range)));
        net::mac(data, &self.maps, &mut |range| addresses.push((Kind::Mac, range)));
        for (kind, range) in addresses {
            finder.consider(kind, range, 75);
        }
    }
}

portcullis_sdk::export_masker!(MaskPii);

#[cfg(test)]
mod tests;
