//! US social security numbers: `AAA-GG-SSSS` with the areas, groups and serials that were ever assigned (SSA POMS
//! RM 10201.035). Without dashes only in a column that says so: any nine digits would do otherwise.

use crate::digits::{Run, only, stands_alone};
use std::ops::Range;

/// A number within a run.
pub fn within(bytes: &[u8], run: &Run, context: bool) -> Option<Range<usize>> {
    if run.digits != 9 {
        return None;
    }
    let text = bytes.get(run.range())?;
    let dashed = text.len() == 11
        && [3, 6]
            .iter()
            .all(|i| matches!(text.get(*i), Some(b'-' | b' ')));
    let plain = text.len() == 9 && context;
    let digits = only(text);
    let number = |range: Range<usize>| {
        digits
            .get(range)
            .unwrap_or_default()
            .iter()
            .fold(0_u32, |n, d| n * 10 + u32::from(d - b'0'))
    };
    let (area, group, serial) = (number(0..3), number(3..5), number(5..9));
    let assigned = area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
    ((dashed || plain) && assigned && stands_alone(bytes, &run.range())).then(|| run.range())
}
