//! Times as servers write them: `2026-11-27T16:00:00Z`, with or without a fraction. It refuses every other form, offsets
//! among them: a time that is misread is a credential that is used too long.

/// As seconds since 1970.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let digits = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
            true => part.parse::<i64>().ok(),
            false => None,
        };
        let parts: Option<Vec<i64>> = text.split(by).map(digits).collect();
        parts?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    let calendar =
        (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    // 60: a leap second.
    let clock = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    if !calendar || !clock {
        return None;
    }
    // Days since 1970, proleptic Gregorian (H. Hinnant, `days_from_civil`).
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_nothing_else_is() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2015-08-30T12:36:00Z"), Some(1_440_938_160));
        assert_eq!(seconds("2000-02-29T00:00:00.123Z"), Some(951_782_400));
        for bad in [
            "",
            "2015-08-30",
            "2015-13-30T12:36:00Z",
            "2015-08-30T12:36:00+02:00",
            "2015-08-30T25:36:00Z",
            "2015-08-30T12:99:00Z",
            "2015-08-30T12:36:-1Z",
            "+2015-08-30T12:36:00Z",
            "2015-08-30T12:36:99999999999999999999Z",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
