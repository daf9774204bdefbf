//! AWS: secrets of Secrets Manager, and database logins that IAM vouches for. Requests are signed here (Signature
//! Version 4); the account's own credentials come from where AWS puts them for a workload.
//!
//! It refuses to speak to anything but the endpoint of the region, and to tell what that says: an error can quote what
//! was sent.

mod ask;
mod credentials;
mod query;
mod rds;
mod sigv4;

use crate::error::{Unavailable, VaultError};
use crate::secret::{Secret, Wiped};
use crate::secrets::{Fetched, Source};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credentials::Chain;
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_gate::Clock;
use portcullis_model::limits;
use portcullis_stream::Tripwires;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

pub use ask::AwsRequest;
pub use rds::{RdsLogins, RdsRole};

/// An account in a region, and who the gateway is there.
#[derive(Clone, Debug)]
pub struct AwsAccount {
    /// `eu-central-1`.
    pub region: String,
    /// In the place of AWS's own endpoints: a VPC endpoint, or a stand-in for tests.
    pub endpoint: Option<String>,
    /// The authorities that the endpoint's certificate has to come from; the public ones without.
    pub ca: Option<PathBuf>,
    /// Where the gateway's own credentials come from.
    pub credentials: AwsCredentials,
}

/// Where the gateway's own credentials come from.
#[derive(Clone, Debug)]
pub enum AwsCredentials {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    Environment,
    /// The instance's own role, from its metadata (IMDSv2).
    Instance,
    /// A role for a token of another platform: `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`, as EKS sets them.
    WebIdentity,
    /// Keys by reference. They do not end by themselves.
    Keys {
        /// No secret by itself.
        access_key_id: String,
        /// The secret.
        secret_access_key: Source,
        /// With keys that end.
        session_token: Option<Source>,
    },
}

/// The account, spoken to.
pub struct Account {
    account: AwsAccount,
    fetcher: Fetcher,
    chain: Chain,
    clock: Clock,
    tripwires: Tripwires,
}

impl Account {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(
        account: AwsAccount,
        clock: Clock,
        tripwires: Tripwires,
    ) -> Result<Arc<Self>, VaultError> {
        let unusable = |e| {
            let region = format!("aws in {}", account.region);
            VaultError::Unavailable(region, Unavailable::Unreachable(e))
        };
        let fetcher = Fetcher::new(account.ca.as_deref()).map_err(unusable)?;
        let metadata = Fetcher::new(None).map_err(unusable)?;
        Ok(Arc::new(Self {
            chain: Chain::new(metadata),
            account,
            fetcher,
            clock,
            tripwires,
        }))
    }

    /// The current value of a secret, or a member of it
    /// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html).
    pub(crate) async fn secret(
        &self,
        id: &str,
        field: Option<&str>,
    ) -> Result<Fetched, Unavailable> {
        let body = json!({"SecretId": id}).to_string().into_bytes();
        let target = "secretsmanager.GetSecretValue";
        let answer = self.call("secretsmanager", target, body).await?;
        let whole = match (answer.text("/SecretString"), answer.text("/SecretBinary")) {
            (Some(text), _) => Zeroizing::new(text.as_bytes().to_vec()),
            (None, Some(binary)) => {
                let bytes = STANDARD.decode(binary);
                Zeroizing::new(bytes.map_err(|_| Unavailable::Answer)?)
            }
            (None, None) => return Err(Unavailable::Answer),
        };
        let secret = match field {
            None => Secret::bounded(&whole),
            Some(field) => {
                let object = Wiped::read(whole.to_vec()).ok_or(Unavailable::Field)?;
                object.secret("", field)
            }
        };
        Ok(Fetched {
            secret: secret.ok_or(Unavailable::Field)?,
            ttl: None,
        })
    }

    /// One call of a JSON 1.1 service.
    async fn call(&self, service: &str, target: &str, body: Vec<u8>) -> Result<Wiped, Unavailable> {
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let asked = AwsRequest {
            service,
            method: "POST",
            path: "/",
            query: &[],
            headers: &headers,
            body,
            bounds: Bounds {
                time: limits::SECRET_FETCH_MAX,
                bytes: limits::SECRET_ANSWER_BYTES_MAX,
            },
        };
        let answer = self.ask(asked).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body();
        match status {
            200 => Wiped::read(body).ok_or(Unavailable::Answer),
            _ => {
                let why = refused(status, &body);
                drop(Zeroizing::new(body));
                Err(why)
            }
        }
    }

    async fn keys(&self) -> Result<Arc<credentials::Keys>, Unavailable> {
        let now = (self.clock)().seconds();
        self.chain.current(self, now).await
    }

    fn endpoint(&self, service: &str) -> String {
        match &self.account.endpoint {
            Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
            None => {
                let region = &self.account.region;
                let domain = match region.starts_with("cn-") {
                    true => "amazonaws.com.cn",
                    false => "amazonaws.com",
                };
                format!("https://{service}.{region}.{domain}/")
            }
        }
    }
}

/// The words of an error's type are few and known; its message is not shown.
fn refused(status: u16, body: &[u8]) -> Unavailable {
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let kind = answer.as_ref().and_then(|a| a.get("__type")?.as_str());
    match kind.map(|kind| kind.rsplit('#').next().unwrap_or_default()) {
        Some("ResourceNotFoundException") => Unavailable::Status(404),
        Some("AccessDeniedException" | "UnrecognizedClientException") => Unavailable::Status(403),
        _ => Unavailable::Status(status),
    }
}

/// Host and port of a URL, as the `Host` header has them.
fn host_of(url: &str) -> Option<String> {
    let uri: hyper::Uri = url.parse().ok()?;
    uri.authority().map(|a| a.as_str().to_owned())
}

#[cfg(test)]
mod tests;
