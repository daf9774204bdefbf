//! Payment card numbers: 12 to 19 digits (ISO/IEC 7812-1), the check digit of its annex B (Luhn), and an issuer
//! range of a known scheme, because one number in ten passes Luhn by chance.

use crate::checks::{luhn, number, uniform};
use crate::groups::Run;

/// How sure it is that a window of a run is a card.
pub fn score(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let printed = printed(run, first, last)?;
    let digits = run.plain(first, last);
    (luhn(&digits) && scheme(&digits) && !uniform(&digits)).then_some(printed)
}

/// As cards are embossed, in one piece, or in groups that nobody prints.
fn printed(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    const EMBOSSED: [&[usize]; 5] = [
        &[4, 4, 4, 4],
        &[4, 6, 5],
        &[4, 6, 4],
        &[4, 4, 4, 4, 3],
        &[6, 13],
    ];
    if first == last {
        return Some(match run.length(first) {
            15 | 16 => 75,
            _ => 40,
        });
    }
    if !run.evenly(first, last) {
        return None;
    }
    let window = last + 1 - first;
    let embossed = |lengths: &&[usize]| lengths.len() == window && run.shaped(first, lengths);
    if EMBOSSED.iter().any(embossed) {
        return Some(85);
    }
    // Somebody's own grouping, where nothing else belongs to the run.
    (first == 0 && last + 1 == run.len()).then_some(60)
}

/// Issuer identification numbers of the schemes, as they publish them.
fn scheme(digits: &[u8]) -> bool {
    let lead = |n: usize| number(digits.get(..n).unwrap_or_default());
    let maestro = || {
        matches!(
            lead(4),
            5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763
        )
    };
    match digits.len() {
        14 => matches!(lead(3), 300..=305 | 309) || matches!(lead(2), 36 | 38 | 39),
        15 => matches!(lead(2), 34 | 37),
        16 => {
            lead(1) == 4
                || matches!(lead(2), 51..=55 | 62 | 65 | 81)
                || matches!(lead(4), 2221..=2720 | 3528..=3589 | 6011)
                || matches!(lead(3), 644..=649)
                || maestro()
        }
        13 | 19 if lead(1) == 4 => true,
        12 | 13 | 17..=19 => maestro() || lead(2) == 62,
        _ => false,
    }
}
