//! Times as servers write them: `2026-11-27T16:00:00Z`, with or without a fraction. It refuses every other form, offsets
//! among them: a time that is misread is a credential that is used too long.

use portcullis_model::Timestamp;

/// As seconds since 1970.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let at = Timestamp::of_rfc3339_utc(text)?.seconds();
    // Before 1970 there was no credential that could have ended.
    (at >= 0).then_some(at)
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
            "2015-02-31T12:36:00Z",
            "1969-12-31T23:59:59Z",
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
