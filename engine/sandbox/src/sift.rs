//! The needles of a set of maskers, looked for natively in one pass before any of them is called. A masker without
//! needles is shown everything; a set with more maskers than bits is refused.
//!
//! Needles that are too many for one automaton get one each: that costs time, never a value.

use crate::plugin::Plugin;
use portcullis_sdk::needles::Needles;
pub(crate) use portcullis_sdk::sieve::OWNERS_MAX;
use portcullis_sdk::sieve::Sieve;
use std::sync::Arc;

/// Maskers, by their place in the configuration, as bits.
pub(crate) type Owners = u32;

/// The needles of a set.
#[derive(Debug, Default)]
pub(crate) struct Sift {
    sieves: Vec<Sieve>,
}

impl Sift {
    /// Of the maskers of a set, in order.
    pub(crate) fn of<'a>(maskers: impl Iterator<Item = &'a Arc<Plugin>>) -> Result<Self, String> {
        let owned: Vec<(Owners, &Needles)> = maskers
            .enumerate()
            .filter_map(|(place, plugin)| Some((owner(place), plugin.needles.as_ref()?)))
            .filter(|(owner, _)| *owner != 0)
            .collect();
        let sieves = match owned.is_empty() {
            true => Vec::new(),
            false => match Sieve::new(&owned) {
                Ok(together) => vec![together],
                Err(_) => owned
                    .iter()
                    .map(|one| Sieve::new(std::slice::from_ref(one)))
                    .collect::<Result<_, _>>()?,
            },
        };
        Ok(Self { sieves })
    }

    /// Adds to `found`, for each of these texts, those of the asked that have a needle in it.
    pub(crate) fn scan<'t>(
        &self,
        texts: impl Iterator<Item = (usize, &'t [u8], Owners)> + Clone,
        found: &mut [Owners],
    ) {
        for sieve in &self.sieves {
            sieve.scan_all(texts.clone(), |number, owners| {
                if let Some(found) = found.get_mut(number) {
                    *found |= owners;
                }
            });
        }
    }
}

/// The bit of the masker at this place; none for those beyond.
pub(crate) fn owner(place: usize) -> Owners {
    u32::try_from(place)
        .ok()
        .and_then(|place| 1_u32.checked_shl(place))
        .unwrap_or(0)
}
