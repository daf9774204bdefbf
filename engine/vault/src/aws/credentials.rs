//! The gateway's own credentials at AWS: from the environment, from the instance's metadata (IMDSv2), for a token of
//! another platform, or by reference. Those that end are had anew before they do.

use super::query::Assumed;
use super::{Account, AwsCredentials};
use crate::error::Unavailable;
use crate::local;
use crate::reference::SecretRef;
use crate::secret::{Secret, Wiped};
use hyper::Request;
use portcullis_fetch::{Bounds, Fetcher, Plain};
use portcullis_model::limits;
use portcullis_stream::{Armed, Tripwires};
use std::sync::Arc;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// Where an instance finds its metadata.
const METADATA: &str = "http://169.254.169.254";
/// In the place of it, as AWS's own tools have it: for tests, and IPv6.
const METADATA_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// Keys are had anew so many seconds before they end.
const EARLIER_SECONDS: i64 = 300;

/// One set of keys.
pub(super) struct Keys {
    pub(super) access_key_id: String,
    secret: Secret,
    token: Option<Secret>,
    /// Seconds since 1970.
    until: Option<i64>,
    _armed: Vec<Armed>,
}

impl Keys {
    pub(super) fn of(
        access_key_id: String,
        secret: Secret,
        token: Option<Secret>,
        until: Option<i64>,
        tripwires: &Tripwires,
    ) -> Self {
        let secrets = [Some(&secret), token.as_ref()];
        let armed = secrets.into_iter().flatten();
        let armed = armed.filter_map(|secret| tripwires.arm(secret.expose()).ok());
        Self {
            _armed: armed.collect(),
            access_key_id,
            secret,
            token,
            until,
        }
    }

    #[cfg(test)]
    pub(super) fn new(id: &str, secret: &str, token: Option<&str>) -> Self {
        let bytes = |text: &str| Secret::new(text.as_bytes().to_vec());
        let tripwires = Tripwires::new();
        Self::of(
            id.to_owned(),
            bytes(secret),
            token.map(bytes),
            None,
            &tripwires,
        )
    }

    /// What signatures begin with: never kept.
    pub(super) fn seed(&self) -> Zeroizing<Vec<u8>> {
        let mut seed = Zeroizing::new(Vec::with_capacity(4 + self.secret.expose().len()));
        seed.extend_from_slice(b"AWS4");
        seed.extend_from_slice(self.secret.expose());
        seed
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().and_then(Secret::text)
    }

    pub(super) fn good(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until - EARLIER_SECONDS)
    }
}

/// Has keys, and has them anew.
pub(super) struct Chain {
    pub(super) current: Mutex<Option<Arc<Keys>>>,
    metadata: Fetcher,
}

impl Chain {
    pub(super) fn new(metadata: Fetcher) -> Self {
        Self {
            current: Mutex::new(None),
            metadata: metadata.with_plain(Plain::LinkLocal),
        }
    }

    pub(super) async fn current(
        &self,
        account: &Account,
        now: i64,
    ) -> Result<Arc<Keys>, Unavailable> {
        let mut current = self.current.lock().await;
        // Keys without an end are read every time: their file may have been rotated.
        if let Some(keys) = current.as_ref()
            && keys.until.is_some()
            && keys.good(now)
        {
            return Ok(Arc::clone(keys));
        }
        *current = None;
        let keys = Arc::new(self.fresh(account).await?);
        if keys.until.is_some() {
            *current = Some(Arc::clone(&keys));
        }
        Ok(keys)
    }

    /// They are no good.
    pub(super) async fn forget(&self, keys: &Arc<Keys>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|now| Arc::ptr_eq(now, keys)) {
            *current = None;
        }
    }

    async fn fresh(&self, account: &Account) -> Result<Keys, Unavailable> {
        match &account.account.credentials {
            AwsCredentials::Environment => {
                let read = |name: &str| local::read(&SecretRef::Env(name.to_owned()));
                let id = read("AWS_ACCESS_KEY_ID").map_err(|_| Unavailable::Credential)?;
                let secret = read("AWS_SECRET_ACCESS_KEY").map_err(|_| Unavailable::Credential)?;
                let id = id.text().ok_or(Unavailable::Credential)?.to_owned();
                let token = read("AWS_SESSION_TOKEN").ok();
                Ok(Keys::of(id, secret, token, None, &account.tripwires))
            }
            AwsCredentials::Keys {
                access_key_id,
                secret_access_key,
                session_token,
            } => {
                let secret = secret_access_key.read().await;
                let secret = secret.map_err(|_| Unavailable::Credential)?;
                let token = match session_token {
                    Some(source) => {
                        let held = source.read().await.map_err(|_| Unavailable::Credential)?;
                        Some(Secret::new(held.expose().to_vec()))
                    }
                    None => None,
                };
                let secret = Secret::new(secret.expose().to_vec());
                let id = access_key_id.clone();
                Ok(Keys::of(id, secret, token, None, &account.tripwires))
            }
            AwsCredentials::Instance => {
                let base = std::env::var(METADATA_VARIABLE);
                let base = base.unwrap_or_else(|_| METADATA.to_owned());
                self.instance(&base, &account.tripwires).await
            }
            AwsCredentials::WebIdentity => account.assume_with_web_identity().await,
        }
    }

    /// IMDSv2: a token first, by a request that a confused server-side fetch would not make
    /// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html).
    pub(super) async fn instance(
        &self,
        base: &str,
        tripwires: &Tripwires,
    ) -> Result<Keys, Unavailable> {
        let base = base.trim_end_matches('/');
        let ask = Request::put(format!("{base}/latest/api/token"))
            .header("X-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = self.metadata(ask).await?;
        let token = token.text().ok_or(Unavailable::Answer)?.to_owned();
        let token = Zeroizing::new(token);
        let path = format!("{base}/latest/meta-data/iam/security-credentials/");
        let get =
            |url: String| Request::get(url).header("X-aws-ec2-metadata-token", token.as_str());
        let role = self.metadata(get(path.clone())).await?;
        let role = role.text().and_then(|roles| roles.lines().next());
        let role = role.ok_or(Unavailable::Answer)?.trim().to_owned();
        let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if role.is_empty() || !role.chars().all(fits) {
            return Err(Unavailable::Answer);
        }
        let keys = self.metadata(get(format!("{path}{role}"))).await?;
        let keys = Wiped::read(keys.expose().to_vec()).ok_or(Unavailable::Answer)?;
        let assumed = Assumed {
            access_key_id: keys.text("/AccessKeyId"),
            secret: keys.secret("", "SecretAccessKey"),
            token: keys.secret("", "Token"),
            until: keys.text("/Expiration"),
        };
        assumed.keys(tripwires)
    }

    async fn metadata(
        &self,
        request: hyper::http::request::Builder,
    ) -> Result<Secret, Unavailable> {
        let request = request
            .body(Vec::new())
            .map_err(|_| Unavailable::Credential)?;
        let bounds = Bounds {
            time: limits::SECRET_FETCH_MAX,
            bytes: limits::SECRET_ANSWER_BYTES_MAX,
        };
        let answer = self.metadata.send_within(request, bounds).await;
        let answer = answer.map_err(Unavailable::Unreachable)?;
        match answer.status().as_u16() {
            200 => Ok(Secret::new(answer.into_body())),
            status => Err(Unavailable::Login(status)),
        }
    }
}
