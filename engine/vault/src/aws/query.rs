//! The one request to STS that needs no signature: a role for a token of another platform
//! (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html). Its answer is XML, of which
//! four texts are taken; a text with anything but the letters of base64, names and times in it is refused.

use super::Account;
use super::credentials::Keys;
use super::sigv4::encoded;
use crate::error::Unavailable;
use crate::local;
use crate::reference::SecretRef;
use crate::rfc3339::seconds;
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
        let token = Zeroizing::new(encoded(token));
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=portcullis\
             &RoleArn={}&WebIdentityToken={}",
            encoded(role),
            token.as_str()
        );
        let request = Request::post(self.endpoint("sts"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/xml")
            // It is wiped where it is sent from.
            .body(form.into_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

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
