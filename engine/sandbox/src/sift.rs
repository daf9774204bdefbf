//! The needles of a set of maskers, looked for natively in one pass before any of them is called. A masker without
//! needles is shown everything; a set with more maskers than bits is refused.
//!
//! Needles that are too many for one automaton get one each: that costs time, never a value.

use crate::plugin::Plugin;
use portcullis_sdk::needles::{Needle, Needles};
use portcullis_sdk::sieve::Sieve;
use std::sync::Arc;

/// Maskers, by their place in the configuration, as bits. Above them one more bit each: what follows is shown too.
pub(crate) type Owners = u32;

/// Maskers of one set.
pub(crate) const MASKERS_MAX: usize = 16;
/// From the bit of a masker to that of its needles that show what follows.
pub(crate) const FOLLOW_SHIFT: u32 = 16;

/// The needles of a set.
#[derive(Debug, Default)]
pub(crate) struct Sift {
    sieves: Vec<Sieve>,
}

impl Sift {
    /// Can these be looked for?
    pub(crate) fn check(needles: &Needles) -> Result<(), String> {
        Sieve::new(&owned(1, needles)).map(drop)
    }

    /// Of the maskers of a set, in order.
    pub(crate) fn of<'a>(maskers: impl Iterator<Item = &'a Arc<Plugin>>) -> Result<Self, String> {
        let each: Vec<Vec<(Owners, &[Needle])>> = maskers
            .enumerate()
            .filter_map(|(place, plugin)| Some(owned(owner(place), plugin.needles.as_ref()?)))
            .collect();
        if each.is_empty() {
            return Ok(Self::default());
        }
        let sieves = match Sieve::new(&each.concat()) {
            Ok(together) => vec![together],
            Err(_) => each
                .iter()
                .map(|one| Sieve::new(one))
                .collect::<Result<_, _>>()?,
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

fn owned(owner: Owners, needles: &Needles) -> Vec<(Owners, &[Needle])> {
    let mut owned = vec![(owner, needles.any_of.as_slice())];
    if let Some(follow) = &needles.follow {
        owned.push((owner << FOLLOW_SHIFT, follow.any_of.as_slice()));
    }
    owned
}

/// The bit of the masker at this place; a set has no more than there are bits.
pub(crate) fn owner(place: usize) -> Owners {
    match place < MASKERS_MAX {
        true => 1 << place,
        false => 0,
    }
}

/// Columns in which something may go on: a masker is shown so many more of their cells.
#[derive(Debug, Default)]
pub(crate) struct Following(Vec<Follower>);

#[derive(Debug)]
struct Follower {
    column: u32,
    owner: Owners,
    left: u32,
}

impl Following {
    /// Takes the next cell of a column: who has found what in it, and who sees it.
    pub(crate) fn see(
        &mut self,
        column: u32,
        found: Owners,
        cells: impl Fn(Owners) -> u32,
    ) -> Owners {
        let opens = found >> FOLLOW_SHIFT;
        let mut seen = (found & (Owners::MAX >> FOLLOW_SHIFT)) | opens;
        if opens == 0 && self.0.is_empty() {
            return seen;
        }
        for follower in self.0.iter_mut().filter(|f| f.column == column) {
            seen |= follower.owner;
            follower.left -= 1;
        }
        self.0
            .retain(|f| f.left > 0 && !(f.column == column && f.owner & opens != 0));
        let owners = (0..FOLLOW_SHIFT).map(|place| 1 << place);
        self.0
            .extend(owners.filter(|o| o & opens != 0).map(|owner| Follower {
                column,
                owner,
                left: cells(owner).max(1),
            }));
        seen
    }
}
