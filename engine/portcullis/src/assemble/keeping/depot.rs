//! A bucket as the place for copies: `PUT` of whole objects, signed with the account's keys
//! (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html). The bucket stands in the path, as stand-ins want it
//! and S3 takes it.
//!
//! The crate `object_store` is not used: its client for S3 brings reqwest, a second TLS configuration and an XML reader,
//! for one request that the account can sign already. Refuses to call taken what was not answered with 200.

use aws_lc_rs::digest;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis_fetch::Bounds;
use portcullis_gate::{BoxFuture, Clock};
use portcullis_journal::copies::Depot;
use portcullis_model::limits;
use portcullis_vault::{Account, AwsRequest};
use std::sync::Arc;
use std::time::Duration;

/// A bucket of an account.
pub struct Bucket {
    /// Who signs.
    pub account: Arc<Account>,
    /// The bucket.
    pub bucket: String,
    /// Before every name.
    pub prefix: String,
    /// For how long objects are locked.
    pub lock: Option<Duration>,
    /// The time.
    pub clock: Clock,
}

impl Depot for Bucket {
    fn put(&self, key: String, bytes: Vec<u8>, locked: bool) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let digest = digest::digest(&digest::SHA256, &bytes);
            let mut headers = vec![
                (
                    "content-type".to_owned(),
                    "application/octet-stream".to_owned(),
                ),
                (
                    "x-amz-sdk-checksum-algorithm".to_owned(),
                    "SHA256".to_owned(),
                ),
                (
                    "x-amz-checksum-sha256".to_owned(),
                    BASE64_STANDARD.encode(digest),
                ),
            ];
            if let Some(lock) = self.lock.filter(|_| locked) {
                let until = (self.clock)().after(lock).rfc3339();
                headers.push(("x-amz-object-lock-mode".to_owned(), "COMPLIANCE".to_owned()));
                headers.push(("x-amz-object-lock-retain-until-date".to_owned(), until));
            }
            let path = format!("/{}/{}{key}", self.bucket, self.prefix);
            let asked = AwsRequest {
                service: "s3",
                method: "PUT",
                path: &path,
                query: &[],
                headers: &headers,
                body: bytes,
                bounds: Bounds {
                    time: limits::COPY_PUT_MAX,
                    bytes: limits::SINK_ANSWER_BYTES_MAX,
                },
            };
            let answer = self.account.ask(asked).await;
            let answer = answer.map_err(|error| crate::cli::explain(&error))?;
            match answer.status().as_u16() {
                200 => Ok(()),
                status => Err(format!(
                    "the bucket answers {status}{}",
                    code(answer.body()).map_or_else(String::new, |code| format!(" {code}"))
                )),
            }
        })
    }
}

/// `<Code>AccessDenied</Code>`: nothing else of an answer is told.
fn code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = code.chars().all(|c| c.is_ascii_alphanumeric());
    (plain && code.len() < 64).then(|| code.to_owned())
}
