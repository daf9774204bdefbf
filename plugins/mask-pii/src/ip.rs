//! IPv4 addresses in dotted form. Unspecified and loopback addresses name nobody.

use crate::digits::{Run, stands_alone};
use std::ops::Range;

/// An address within a run.
pub fn within(bytes: &[u8], run: &Run) -> Option<Range<usize>> {
    let text = std::str::from_utf8(bytes.get(run.range())?).ok()?;
    let address: std::net::Ipv4Addr = text.parse().ok()?;
    let fine =
        !address.is_unspecified() && !address.is_loopback() && stands_alone(bytes, &run.range());
    fine.then(|| run.range())
}
