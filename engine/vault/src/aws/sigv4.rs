//! AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html): requests that are
//! signed in a header, and URLs that are signed in their query. Pure: no clock, no socket.

use super::credentials::Keys;
use aws_lc_rs::{digest, hmac};
use std::fmt::Write as _;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature is good for.
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Seconds since 1970.
    pub(super) seconds: i64,
}

/// What is signed. Header names are in lower case.
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    /// Encoded already.
    pub(super) path: &'a str,
    pub(super) query: &'a [(String, String)],
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

impl Scope<'_> {
    /// `20150830T123600Z`.
    pub(super) fn stamp(&self) -> String {
        let (date, seconds) = (self.date(), self.seconds.rem_euclid(86_400));
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("{date}T{hour:02}{minute:02}{second:02}Z")
    }

    /// `20150830`. Days since 1970 to a date, proleptic Gregorian (H. Hinnant, `civil_from_days`).
    fn date(&self) -> String {
        let days = self.seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year + era * 400 + i64::from(month <= 2);
        format!("{year:04}{month:02}{day:02}")
    }

    fn name(&self) -> String {
        format!(
            "{}/{}/{}/aws4_request",
            self.date(),
            self.region,
            self.service
        )
    }

    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self, signable: &Signable<'_>, keys: &Keys) -> String {
        let canonical = signable.canonical();
        format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            keys.access_key_id,
            self.name(),
            signable.signed_headers(),
            self.signature(&canonical, keys)
        )
    }

    /// A URL's query, signed: what is given, and what the signature brings along, in order.
    pub(super) fn presigned(
        &self,
        host: &str,
        query: &[(String, String)],
        expires: u64,
        keys: &Keys,
    ) -> String {
        let mut query = query.to_vec();
        let mut add = |name: &str, value: String| query.push((name.to_owned(), value));
        add("X-Amz-Algorithm", ALGORITHM.to_owned());
        add(
            "X-Amz-Credential",
            format!("{}/{}", keys.access_key_id, self.name()),
        );
        add("X-Amz-Date", self.stamp());
        add("X-Amz-Expires", expires.to_string());
        add("X-Amz-SignedHeaders", "host".to_owned());
        if let Some(token) = keys.token() {
            add("X-Amz-Security-Token", token.to_owned());
        }
        let headers = [("host".to_owned(), host.to_owned())];
        let signable = Signable {
            method: "GET",
            path: "/",
            query: &query,
            headers: &headers,
            body: b"",
        };
        let signature = self.signature(&signable.canonical(), keys);
        format!("{}&X-Amz-Signature={signature}", signable.canonical_query())
    }

    fn signature(&self, canonical: &str, keys: &Keys) -> String {
        let hashed = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        let text = format!("{ALGORITHM}\n{}\n{}\n{hashed}", self.stamp(), self.name());
        let mut key = sign(&keys.seed(), self.date().as_bytes());
        for part in [self.region, self.service, "aws4_request"] {
            key = sign(key.as_ref(), part.as_bytes());
        }
        hex::encode(sign(key.as_ref(), text.as_bytes()))
    }
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

impl Signable<'_> {
    fn canonical(&self) -> String {
        let mut headers: Vec<_> = self.headers.iter().collect();
        headers.sort();
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.method,
            self.path,
            self.canonical_query()
        );
        for (name, value) in headers {
            let words: Vec<&str> = value.split_ascii_whitespace().collect();
            let _ = writeln!(text, "{name}:{}", words.join(" "));
        }
        let body = hex::encode(digest::digest(&digest::SHA256, self.body));
        let _ = write!(text, "\n{}\n{body}", self.signed_headers());
        text
    }

    fn signed_headers(&self) -> String {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.join(";")
    }

    pub(super) fn canonical_query(&self) -> String {
        let mut pairs: Vec<(String, String)> = self
            .query
            .iter()
            .map(|(name, value)| (encoded(name), encoded(value)))
            .collect();
        pairs.sort();
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("&")
    }
}

/// Percent-encoding as AWS has it: everything but letters, digits, `-._~`.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z, the time of AWS's Signature Version 4 test suite.
    const THEN: i64 = 1_440_938_160;

    fn keys(token: Option<&str>) -> Keys {
        Keys::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token,
        )
    }

    fn scope<'a>(service: &'a str, seconds: i64) -> Scope<'a> {
        Scope {
            region: "us-east-1",
            service,
            seconds,
        }
    }

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        list.iter().map(owned).collect()
    }

    fn signature(
        method: &str,
        query: &[(&str, &str)],
        more: &[(&str, &str)],
        body: &str,
    ) -> String {
        let scope = scope("service", THEN);
        let mut all = headers(&[
            ("host", "example.amazonaws.com"),
            ("x-amz-date", &scope.stamp()),
        ]);
        all.extend(headers(more));
        let signable = Signable {
            method,
            path: "/",
            query: &headers(query),
            headers: &all,
            body: body.as_bytes(),
        };
        let header = scope.authorization(&signable, &keys(None));
        header.rsplit('=').next().unwrap().to_owned()
    }

    #[test]
    fn the_published_test_suite_is_met() {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for (name, found, expected) in [
            (
                "get-vanilla",
                signature("GET", &[], &[], ""),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                signature(
                    "GET",
                    &[("Param2", "value2"), ("Param1", "value1")],
                    &[],
                    "",
                ),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "post-vanilla",
                signature("POST", &[], &[], ""),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                signature("POST", &[], &form, "Param1=value1"),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn dates_are_the_calendars() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (THEN, "20150830T123600Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            assert_eq!(scope("s", seconds).stamp(), expected);
        }
    }

    #[test]
    fn a_url_is_signed_in_its_query() {
        let query = headers(&[("Action", "connect"), ("DBUser", "app user")]);
        let signed =
            scope("rds-db", THEN).presigned("db.example:5432", &query, 900, &keys(Some("t/0+=")));
        let (start, signature) = signed.split_once("&X-Amz-Signature=").unwrap();
        assert_eq!(
            start,
            "Action=connect&DBUser=app%20user&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-Security-Token=t%2F0%2B%3D\
             &X-Amz-SignedHeaders=host"
        );
        assert_eq!(signature.len(), 64);
    }
}
