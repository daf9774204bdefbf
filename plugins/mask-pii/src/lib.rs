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
use finder::{Finder, Found};
use kinds::Kind;
use portcullis_sdk::{BatchKind, prelude::*};
use scan::Maps;

/// The masker.
pub struct MaskPii {
    settings: Settings,
    words: Words,
    /// The shape that was told last, and what the names of its columns say.
    shape: u32,
    columns: Vec<u32>,
    /// Reused from call to call.
    maps: Maps,
    found: Vec<Found>,
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
            shape: Shape::NONE,
            columns: Vec::new(),
            maps: Maps::default(),
            found: Vec::new(),
            filler: memchr::memmem::Finder::new(b"<<"),
        })
    }

    fn schema(&mut self, shape: &Shape) {
        self.shape = shape.serial;
        let said = |c: &Column| self.words.column(&c.name);
        self.columns = shape.columns.iter().map(said).collect();
    }

    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        let data = batch.data();
        self.maps.fill(data);
        // What has no columns of its own must not be taken for what came before.
        let columns = match batch.shape().serial == self.shape {
            true => self.columns.as_slice(),
            false => &[],
        };
        let Self {
            maps,
            settings,
            words,
            found,
            filler,
            ..
        } = self;
        let mut finder = Finder::new(batch, maps, (settings, words), columns, found);
        let mails = match finder.on(&[Kind::Email]) {
            true => data,
            false => &[],
        };
        for at in memchr::memchr_iter(b'@', mails) {
            if let Some(range) = email::around(data, at) {
                finder.consider(Kind::Email, range, 90);
            }
        }
        let mut from = 0;
        while let Some(found) = data.get(from..).and_then(|rest| filler.find(rest)) {
            let (end, zone) = passport::around(data, from + found);
            if let Some(range) = zone {
                finder.consider(Kind::Passport, range, 90);
            }
            from = end.max(from + found + 2);
        }
        numbers::all(&mut finder);
        if finder.on(&[Kind::Ip]) {
            net::v6(data, maps, &mut |range| {
                finder.consider(Kind::Ip, range, 75)
            });
        }
        if finder.on(&[Kind::Mac]) {
            net::mac(data, maps, &mut |range| {
                finder.consider(Kind::Mac, range, 75)
            });
        }
        finder::report(batch, found, out);
        if batch.kind() == BatchKind::Stream {
            out.hold(unfinished(data));
        }
    }
}

portcullis_sdk::export_masker!(MaskPii);

/// The last line of a stream, until its end is there: a number may go on, and words count up to the line's begin. A line
/// that is longer than may be held goes as it is.
fn unfinished(data: &[u8]) -> usize {
    const HELD_MAX: usize = 4096;
    let text = data.strip_suffix(&[0]).unwrap_or(data);
    let line = memchr::memrchr(b'\n', text).map_or(text.len(), |at| text.len() - at - 1);
    if line > HELD_MAX { 0 } else { line }
}

#[cfg(test)]
mod tests;
