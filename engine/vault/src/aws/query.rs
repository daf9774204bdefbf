//! The one request to STS that needs no signature: a role for a token of another platform
//! (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html). Its answer is XML, of which
//! four texts are taken; a text with anything but the letters of base64, names and times in it is refused.

use super::Account;
use super::credentials::Keys;
use super::sigv4::encoded;
use crate::error::Unavailable;
use crate::local;
use crate::reference::SecretRef;
use crate::secret::Secret;
use hyper::Request;
use portcullis_fetch::Bounds;
use portcullis_model::limits;
use portcullis_stream::Tripwires;
use zeroize::Zeroizing;

/// What makes a set of keys.
pub(super) struct Assumed<'a> {
    pub(super) access_key_id: Option<&'a str>,
    pub(super) secret: Option<Secret>,
    pub(super) token: Option<Secret>,
    /// RFC 3339.
    pub(super) until: Option<&'a str>,
}

impl Assumed<'_> {
    pub(super) fn keys(self, tripwires: &Tripwires) -> Result<Keys, Unavailable> {
        let until = self.until.and_then(seconds).ok_or(Unavailable::Answer)?;
        let id = self.access_key_id.ok_or(Unavailable::Answer)?.to_owned();
        let secret = self.secret.ok_or(Unavailable::Answer)?;
        let token = self.token.ok_or(Unavailable::Answer)?;
        Ok(Keys::of(id, secret, Some(token), Some(until), tripwires))
    }
}

impl Account {
    pub(super) async fn assume_with_web_identity(&self) -> Result<Keys, Unavailable> {
        let variable = |name: &str| std::env::var(name).map_err(|_| Unavailable::Credential);
        let role = variable("AWS_ROLE_ARN")?;
        let file = variable("AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let token = local::read(&SecretRef::File(file.into()));
        let token = token.map_err(|_| Unavailable::Credential)?;
        let token = token.text().ok_or(Unavailable::Credential)?;
        self.assume(&role, token).await
    }

    pub(super) async fn assume(&self, role: &str, token: &str) -> Result<Keys, Unavailable> {
        let form = Zeroizing::new(format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=portcullis\
             &RoleArn={}&WebIdentityToken={}",
            encoded(role),
            encoded(token)
        ));
        let request = Request::post(self.endpoint("sts"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/xml")
            .body(form.as_bytes().to_vec())
            .map_err(|_| Unavailable::Credential)?;
        let bounds = Bounds {
            time: limits::SECRET_FETCH_MAX,
            bytes: limits::SECRET_ANSWER_BYTES_MAX,
        };
        let answer = self.fetcher.send_within(request, bounds).await;
        let answer = answer.map_err(Unavailable::Unreachable)?;
        let status = answer.status().as_u16();
        let body = Secret::new(answer.into_body());
        if status != 200 {
            return Err(Unavailable::Login(status));
        }
        let text = body.text().ok_or(Unavailable::Answer)?;
        let secret = |name| element(text, name).and_then(|t| Secret::bounded(t.as_bytes()));
        let assumed = Assumed {
            access_key_id: element(text, "AccessKeyId"),
            secret: secret("SecretAccessKey"),
            token: secret("SessionToken"),
            until: element(text, "Expiration"),
        };
        assumed.keys(&self.tripwires)
    }
}

/// The text of the first element of that name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let (_, rest) = text.split_once(&open)?;
    let (found, _) = rest.split_once(&close)?;
    let found = found.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "+/=-_.:".contains(c);
    (!found.is_empty() && found.chars().all(fits)).then_some(found)
}

/// `2026-11-27T16:00:00Z`, with or without a fraction, as seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let parts: Result<Vec<i64>, _> = text.split(by).map(str::parse).collect();
        parts.ok()?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
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
    fn times_are_read() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2015-08-30T12:36:00Z"), Some(1_440_938_160));
        assert_eq!(seconds("2000-02-29T00:00:00.123Z"), Some(951_782_400));
        for bad in [
            "",
            "2015-08-30",
            "2015-13-30T12:36:00Z",
            "2015-08-30T12:36:00+02:00",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_plain_texts_are_taken_out_of_an_answer() {
        let text = "<a><AccessKeyId> ASIA1 </AccessKeyId><SessionToken>a+b/c=</SessionToken>\
                    <Expiration>x<y></y></Expiration></a>";
        assert_eq!(element(text, "AccessKeyId"), Some("ASIA1"));
        assert_eq!(element(text, "SessionToken"), Some("a+b/c="));
        assert_eq!(element(text, "Expiration"), None);
        assert_eq!(element(text, "SecretAccessKey"), None);
    }
}
