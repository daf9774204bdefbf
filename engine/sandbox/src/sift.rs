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
    /// Of the maskers of a set, in order. Building it takes a good part of a start, so it is built once: only where that
    /// does not work is each looked at alone.
    ///
    /// # Errors
    /// The plugin whose needles cannot be looked for, and why.
    pub(crate) fn of<'a>(
        maskers: impl Iterator<Item = &'a Arc<Plugin>>,
    ) -> Result<Self, (String, String)> {
        let each: Vec<(&str, Vec<Owned<'_>>)> = maskers
            .enumerate()
            .filter_map(|(place, plugin)| {
                let needles = plugin.needles.as_ref()?;
                Some((plugin.name.as_str(), owned(owner(place), needles)))
            })
            .collect();
        if each.is_empty() {
            return Ok(Self::default());
        }
        let all: Vec<Owned<'_>> = each.iter().flat_map(|(_, owned)| owned.clone()).collect();
        let alone = |(name, owned): &(&str, Vec<Owned<'_>>)| {
            Sieve::new(owned).map_err(|detail| ((*name).to_owned(), detail))
        };
        let sieves = match Sieve::new(&all) {
            Ok(together) => vec![together],
            Err(_) => each.iter().map(alone).collect::<Result<_, _>>()?,
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

/// Needles, and whose they are.
type Owned<'a> = (Owners, &'a [Needle]);

fn owned(owner: Owners, needles: &Needles) -> Vec<Owned<'_>> {
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
