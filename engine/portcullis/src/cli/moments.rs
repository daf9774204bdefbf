//! Moments on the command line: `2026-11-20`, `2026-11-20T10:00:00Z`, or how long ago: `90m`, `7d`. Refuses what could be
//! read in two ways: there is no other zone than UTC, and no date without a year.

use crate::clock;
use crate::config::Period;
use clap::Args;
use portcullis_model::Timestamp;

/// From when until when.
#[derive(Clone, Debug, Default, Args)]
pub struct Between {
    /// Not before: 2026-11-20, 2026-11-20T10:00:00Z, or how long ago: 90m, 7d
    #[arg(long, value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Before; a date means its first moment
    #[arg(long, value_parser = moment)]
    pub until: Option<Timestamp>,
}

/// Reads a moment.
///
/// # Errors
/// With what a moment looks like.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let now = (clock::clock())();
    read(text, now).ok_or_else(|| {
        "a date (2026-11-20), a moment in UTC (2026-11-20T10:00:00Z) or how long ago (90m, 12h, 7d)"
            .to_owned()
    })
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(Period(ago)) = text.parse() {
        let ago = i64::try_from(ago.as_nanos()).ok()?;
        return Some(Timestamp(now.0.checked_sub(ago)?));
    }
    match text.contains('T') {
        true => Timestamp::of_rfc3339_utc(text),
        // A date is its first moment.
        false => Timestamp::of_rfc3339_utc(&format!("{text}T00:00:00Z")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_one_way_only() {
        let now = Timestamp(1_790_000_000_000_000_000);
        let check = |text: &str, expected: &str| {
            let at = read(text, now).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(at.rfc3339(), expected, "{text}");
        };
        check("2026-11-20", "2026-11-20T00:00:00.000Z");
        check("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z");
        check("2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.250Z");
        assert_eq!(
            read("2d", now),
            Some(Timestamp(now.0 - 172_800_000_000_000))
        );
        assert_eq!(read("1h30m", now), read("90m", now));
        for text in [
            "",
            "d",
            "-1d",
            "1.5h",
            "20-11-2026",
            "2026-11-31",
            "2025-02-29",
            "2026-13-01",
            "2026-11-20T10:00:00",
            "2026-11-20T10:00:00+01:00",
            "2026-11-20T24:00:00Z",
            "99999999999999999999d",
            "2026-11-20 10:00",
        ] {
            assert_eq!(read(text, now), None, "{text}");
        }
    }
}
