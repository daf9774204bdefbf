//! Dates, times and intervals in binary format, as `DateStyle = ISO` and `IntervalStyle = postgres` print
//! them; `timestamptz` in UTC. Days count from 2000-01-01, time in microseconds
//! (src/include/datatype/timestamp.h). Refuses a time of day beyond 24:00.

use std::fmt::{self, Write};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH: i64 = 10_957;

/// Prints a `date`.
pub(super) fn date(days: i32, out: &mut impl Write) -> fmt::Result {
    match days {
        i32::MAX => out.write_str("infinity"),
        i32::MIN => out.write_str("-infinity"),
        days => {
            let era = day(i64::from(days), out)?;
            out.write_str(era)
        }
    }
}

/// Prints a `timestamp`; `zone` is `+00` for `timestamptz`.
pub(super) fn timestamp(micros: i64, zone: &str, out: &mut impl Write) -> fmt::Result {
    match micros {
        i64::MAX => out.write_str("infinity"),
        i64::MIN => out.write_str("-infinity"),
        micros => {
            let era = day(micros.div_euclid(DAY), out)?;
            out.write_char(' ')?;
            clock(micros.rem_euclid(DAY).unsigned_abs(), out)?;
            write!(out, "{zone}{era}")
        }
    }
}

/// Prints a `time`.
pub(super) fn time(micros: i64, out: &mut impl Write) -> fmt::Result {
    match (0..=DAY).contains(&micros) {
        true => clock(micros.unsigned_abs(), out),
        false => Err(fmt::Error),
    }
}

/// Prints a `timetz`; the zone counts seconds west of Greenwich.
pub(super) fn time_with_zone(micros: i64, west: i32, out: &mut impl Write) -> fmt::Result {
    time(micros, out)?;
    let sign = if west > 0 { '-' } else { '+' };
    let offset = west.unsigned_abs();
    let (hours, minutes, seconds) = (offset / 3600, offset / 60 % 60, offset % 60);
    write!(out, "{sign}{hours:02}")?;
    if minutes != 0 || seconds != 0 {
        write!(out, ":{minutes:02}")?;
    }
    if seconds != 0 {
        write!(out, ":{seconds:02}")?;
    }
    Ok(())
}

/// Prints an `interval`.
pub(super) fn interval(micros: i64, days: i32, months: i32, out: &mut impl Write) -> fmt::Result {
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return out.write_str("infinity"),
        (i64::MIN, i32::MIN, i32::MIN) => return out.write_str("-infinity"),
        _ => {}
    }
    let mut space = "";
    let mut behind_negative = false;
    let parts = [(months / 12, "year"), (months % 12, "mon"), (days, "day")];
    for (value, unit) in parts.into_iter().filter(|(value, _)| *value != 0) {
        let plus = if behind_negative && value > 0 {
            "+"
        } else {
            ""
        };
        let plural = if value == 1 { "" } else { "s" };
        write!(out, "{space}{plus}{value} {unit}{plural}")?;
        behind_negative = value < 0;
        space = " ";
    }
    if !space.is_empty() && micros == 0 {
        return Ok(());
    }
    let sign = match (micros < 0, behind_negative) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    };
    write!(out, "{space}{sign}")?;
    clock(micros.unsigned_abs(), out)
}

/// `YYYY-MM-DD`; returns ` BC` where the year asks for it (Howard Hinnant's `civil_from_days`).
fn day(days: i64, out: &mut impl Write) -> Result<&'static str, fmt::Error> {
    let z = days + EPOCH + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (year, era) = match year > 0 {
        true => (year, ""),
        false => (1 - year, " BC"),
    };
    write!(out, "{year:04}-{month:02}-{day:02}")?;
    Ok(era)
}

/// `HH:MM:SS[.ffffff]`, hours without bound, fraction without trailing zeros.
fn clock(micros: u64, out: &mut impl Write) -> fmt::Result {
    let (seconds, mut fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(out, "{hours:02}:{minutes:02}:{seconds:02}")?;
    if fraction == 0 {
        return Ok(());
    }
    let mut digits = 6;
    while fraction % 10 == 0 {
        fraction /= 10;
        digits -= 1;
    }
    write!(out, ".{fraction:0digits$}")
}
