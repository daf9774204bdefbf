//! Moments, as nanoseconds since the Unix epoch. This module never reads a clock: whoever knows the
//! time passes it in, so that everything built on it can be replayed.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment: nanoseconds since 1970-01-01T00:00:00Z. Good until the year 2262.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this moment is; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment of a date and a time in UTC; none where the calendar has no such day, or a day no such time. A
    /// leap second (60) is the moment after it. Saturates.
    #[must_use]
    pub fn of_utc([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<Self> {
        let date = (0..=9999).contains(&year) && (1..=12).contains(&month);
        let time = (0..24).contains(&hour) && (0..60).contains(&minute);
        if !date || !(1..=31).contains(&day) || !time || !(0..=60).contains(&second) {
            return None;
        }
        let days = days_from_civil(year, month, day);
        // A day that the month has not comes back as another one.
        if civil_from_days(days) != (year, month, day) {
            return None;
        }
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self(seconds.saturating_mul(1_000_000_000)))
    }

    /// The moment that a text says as RFC 3339 has it in UTC, with `Z`: `2026-11-20T10:00:00Z`, with or without a
    /// fraction, of which nanoseconds are kept. Nothing else is read: no other zone, no date without a year, no sign.
    #[must_use]
    pub fn of_rfc3339_utc(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let at = Self::of_utc(
            numbers(date, '-', [4, 2, 2])?,
            numbers(time, ':', [2, 2, 2])?,
        )?;
        if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        Some(at.after(Duration::from_nanos(nanos)))
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// RFC 3339 in UTC with milliseconds, as shown to people.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (days, rest) = (
            self.seconds().div_euclid(86_400),
            self.seconds().rem_euclid(86_400),
        );
        let (year, month, day) = civil_from_days(days);
        let millis = self.0.rem_euclid(1_000_000_000) / 1_000_000;
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let [a, b, c] = digits.map(|count| {
        let part = parts.next()?;
        let plain = part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    });
    parts.next().is_none().then_some([a?, b?, c?])
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let nanos = at
            .duration_since(UNIX_EPOCH)
            .map(|d| d.as_nanos())
            .unwrap_or(0);
        Self(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// The proleptic Gregorian calendar to days since the epoch (H. Hinnant, `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

/// Days since the epoch to the proleptic Gregorian calendar (H. Hinnant, `civil_from_days`).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_rfc3339() {
        assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Timestamp(951_827_696_789_000_000).rfc3339(),
            "2000-02-29T12:34:56.789Z"
        );
    }

    #[test]
    fn a_date_is_a_moment_where_the_calendar_has_it() {
        let midnight = [0, 0, 0];
        for (date, time, text) in [
            ([1970, 1, 1], midnight, "1970-01-01T00:00:00.000Z"),
            ([2000, 2, 29], [12, 34, 56], "2000-02-29T12:34:56.000Z"),
            ([1969, 12, 31], [23, 59, 59], "1969-12-31T23:59:59.000Z"),
            ([2016, 12, 31], [23, 59, 60], "2017-01-01T00:00:00.000Z"),
        ] {
            let at = Timestamp::of_utc(date, time).map(Timestamp::rfc3339);
            assert_eq!(at.as_deref(), Some(text));
        }
        let late = Timestamp::of_utc([9999, 12, 31], midnight);
        assert_eq!(late, Some(Timestamp(i64::MAX)));
        for (date, time) in [
            ([2026, 2, 31], midnight),
            ([2025, 2, 29], midnight),
            ([1900, 2, 29], midnight),
            ([2026, 4, 31], midnight),
            ([2026, 0, 1], midnight),
            ([2026, 13, 1], midnight),
            ([2026, 1, 0], midnight),
            ([2026, 1, 32], midnight),
            ([-1, 1, 1], midnight),
            ([i64::MAX, 1, 1], midnight),
            ([2026, 1, 1], [24, 0, 0]),
            ([2026, 1, 1], [0, 60, 0]),
            ([2026, 1, 1], [0, 0, 61]),
            ([2026, 1, 1], [0, -1, 0]),
        ] {
            assert_eq!(Timestamp::of_utc(date, time), None, "{date:?} {time:?}");
        }
    }

    #[test]
    fn a_moment_in_utc_is_read_in_one_form_only() {
        for (text, shown) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"),
            ("2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.250Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"),
        ] {
            let at = Timestamp::of_rfc3339_utc(text).map(Timestamp::rfc3339);
            assert_eq!(at.as_deref(), Some(shown), "{text}");
        }
        let nanos = |text| Timestamp::of_rfc3339_utc(text).map(|at| at.0);
        assert_eq!(nanos("1970-01-01T00:00:00.000000001Z"), Some(1));
        assert_eq!(nanos("1970-01-01T00:00:00.0000000019999Z"), Some(1));
        for text in [
            "",
            "Z",
            "now",
            "2026-11-20",
            "2026-11-20T10:00:00",
            "2026-11-20T10:00:00z",
            "2026-11-20 10:00:00Z",
            "2026-11-20T10:00:00+01:00",
            "2026-11-20T10:00Z",
            "2026-11-20T10:00:00:00Z",
            "2026-11-20T10:00:00.Z",
            "2026-11-20T10:00:00.0-1Z",
            "2026-11-20T10:00:-1Z",
            "2026-11-20T24:00:00Z",
            "2026-02-31T10:00:00Z",
            "+026-11-20T10:00:00Z",
            "20260-11-20T10:00:00Z",
            "2026-1-20T10:00:00Z",
            "2026-11-20T10:00:٠٠Z",
        ] {
            assert_eq!(Timestamp::of_rfc3339_utc(text), None, "{text}");
        }
    }
}
