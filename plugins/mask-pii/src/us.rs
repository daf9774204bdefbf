//! US social security numbers: `AAA-GG-SSSS` with the areas, groups and serials that were ever assigned (SSA POMS
//! RM 10201.035), and individual taxpayer numbers (IRS Publication 1915: area 9xx, groups 50-65, 70-88, 90-92, 94-99).
//! Without dashes only where words say so: any nine digits would do otherwise.

use crate::checks::{number, uniform};
use crate::groups::Run;
use crate::kinds::Kind;

/// Which of the two a window is, and how sure that is.
pub fn score(run: &Run<'_>, first: usize, last: usize) -> Option<(Kind, u8)> {
    let (dashed, spaced, plain) = match last - first {
        0 => (0, 0, 20),
        2 if run.shaped(first, &[3, 2, 4]) && run.joined(first, last, b'-') => (65, 0, 0),
        2 if run.shaped(first, &[3, 2, 4]) && run.joined(first, last, b' ') => (0, 50, 0),
        _ => return None,
    };
    let digits = run.plain(first, last);
    let (area, group, serial) = (
        number(&digits[..3]),
        number(&digits[3..5]),
        number(&digits[5..]),
    );
    let score = dashed + spaced + plain;
    if serial == 0 || uniform(&digits) {
        return None;
    }
    match (area, group) {
        (900.., 50..=65 | 70..=88 | 90..=92 | 94..=99) => Some((Kind::Itin, score)),
        (0 | 666 | 900.., _) | (_, 0) => None,
        // Printed on millions of wallets' sample cards, and in every advertisement.
        (78, 5) if serial == 1120 => None,
        _ => Some((Kind::Ssn, score)),
    }
}
