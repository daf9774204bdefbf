//! Dates, times and intervals in binary format, as `DateStyle = ISO` and `IntervalStyle = postgres` print
//! them; `timestamptz` in UTC. Days count from 2000-01-01, time in microseconds
//! (src/include/datatype/timestamp.h). Refuses a time of day beyond 24:00.

use std::fmt::Write as _;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH: i64 = 10_957;

/// The text of a `date`.
pub(super) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        days => {
            let (day, before_christ) = day(i64::from(days));
            format!("{day}{before_christ}")
        }
    }
}

/// The text of a `timestamp`; `zone` is `+00` for `timestamptz`.
pub(super) fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => {
            let (day, before_christ) = day(micros.div_euclid(DAY));
            let clock = clock(micros.rem_euclid(DAY));
            format!("{day} {clock}{zone}{before_christ}")
        }
    }
}

/// The text of a `time`.
pub(super) fn time(micros: i64) -> Option<String> {
    (0..=DAY).contains(&micros).then(|| clock(micros))
}

/// The text of a `timetz`; the zone counts seconds west of Greenwich.
pub(super) fn time_with_zone(micros: i64, west: i32) -> Option<String> {
    let mut text = time(micros)?;
    let sign = if west > 0 { '-' } else { '+' };
    let offset = west.unsigned_abs();
    let (hours, minutes, seconds) = (offset / 3600, offset / 60 % 60, offset % 60);
    write!(text, "{sign}{hours:02}").ok()?;
    if minutes != 0 || seconds != 0 {
        write!(text, ":{minutes:02}").ok()?;
    }
    if seconds != 0 {
        write!(text, ":{seconds:02}").ok()?;
    }
    Some(text)
}

/// The text of an `interval`.
pub(super) fn interval(micros: i64, days: i32, months: i32) -> String {
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return "infinity".to_owned(),
        (i64::MIN, i32::MIN, i32::MIN) => return "-infinity".to_owned(),
        _ => {}
    }
    let mut text = String::new();
    let mut behind_negative = false;
    let parts = [(months / 12, "year"), (months % 12, "mon"), (days, "day")];
    for (value, unit) in parts {
        if value == 0 {
            continue;
        }
        let space = if text.is_empty() { "" } else { " " };
        let plus = if behind_negative && value > 0 {
            "+"
        } else {
            ""
        };
        let plural = if value == 1 { "" } else { "s" };
        text.push_str(&format!("{space}{plus}{value} {unit}{plural}"));
        behind_negative = value < 0;
    }
    if text.is_empty() || micros != 0 {
        let space = if text.is_empty() { "" } else { " " };
        let sign = match (micros < 0, behind_negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        text.push_str(&format!("{space}{sign}{}", span(micros.unsigned_abs())));
    }
    text
}

/// `YYYY-MM-DD`, and ` BC` where the year asks for it (Howard Hinnant's `civil_from_days`).
fn day(days: i64) -> (String, &'static str) {
    let z = days + EPOCH + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    match year > 0 {
        true => (format!("{year:04}-{month:02}-{day:02}"), ""),
        false => (format!("{:04}-{month:02}-{day:02}", 1 - year), " BC"),
    }
}

fn clock(micros: i64) -> String {
    span(micros.unsigned_abs())
}

/// `HH:MM:SS[.ffffff]`, hours without bound.
fn span(micros: u64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = format!("{hours:02}:{minutes:02}:{seconds:02}");
    match fraction {
        0 => text,
        fraction => format!("{text}.{fraction:06}")
            .trim_end_matches('0')
            .to_owned(),
    }
}
