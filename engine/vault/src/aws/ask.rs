//! A signed request to any service of an account: secrets, and copies of the record in S3. The keys stay here; whoever
//! asks sees an answer.
//!
//! It refuses paths that are not encoded, and answers that are longer than was asked for.

use super::sigv4::{Scope, Signable};
use super::{Account, host_of};
use crate::error::Unavailable;
use aws_lc_rs::digest;
use hyper::{Request, Response};
use portcullis_fetch::Bounds;

/// What is asked.
#[derive(Debug)]
pub struct AwsRequest<'a> {
    /// `s3`.
    pub service: &'a str,
    /// `PUT`.
    pub method: &'a str,
    /// Encoded, from the first `/`.
    pub path: &'a str,
    /// Not encoded.
    pub query: &'a [(String, String)],
    /// In lower case, and signed.
    pub headers: &'a [(String, String)],
    /// What is sent.
    pub body: Vec<u8>,
    /// How long it may take, and how much may come back.
    pub bounds: Bounds,
}

impl Account {
    /// Sends it, signed with the account's keys. Any status is an answer.
    ///
    /// # Errors
    /// When there are no keys, or no answer in bounds.
    pub async fn ask(&self, asked: AwsRequest<'_>) -> Result<Response<Vec<u8>>, Unavailable> {
        let root = self.endpoint(asked.service);
        let keys = self.keys().await?;
        let host = host_of(&root).ok_or(Unavailable::Credential)?;
        let scope = Scope {
            region: &self.account.region,
            service: asked.service,
            seconds: (self.clock)().seconds(),
        };
        let mut headers = asked.headers.to_vec();
        let digest = digest::digest(&digest::SHA256, &asked.body);
        headers.push(("host".to_owned(), host));
        headers.push(("x-amz-content-sha256".to_owned(), hex::encode(digest)));
        headers.push(("x-amz-date".to_owned(), scope.stamp()));
        if let Some(token) = keys.token() {
            headers.push(("x-amz-security-token".to_owned(), token.to_owned()));
        }
        let signable = Signable {
            method: asked.method,
            path: asked.path,
            query: asked.query,
            headers: &headers,
            body: &asked.body,
        };
        let authorization = scope.authorization(&signable, &keys);
        let mut url = format!("{}{}", root.trim_end_matches('/'), asked.path);
        if !asked.query.is_empty() {
            url.push('?');
            url.push_str(&signable.canonical_query());
        }
        let mut request = Request::builder()
            .method(asked.method)
            .uri(url)
            .header("authorization", authorization);
        for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        let request = request
            .body(asked.body)
            .map_err(|_| Unavailable::Credential)?;
        let answer = self.fetcher.send_within(request, asked.bounds).await;
        let answer = answer.map_err(Unavailable::Unreachable)?;
        if may_be_of_keys(answer.status().as_u16()) {
            // Keys that are over are had anew the next time.
            self.chain.forget(&keys).await;
        }
        Ok(answer)
    }
}

/// Whether keys that are over are told so: S3 and the JSON services say it with 400 as well (`ExpiredToken`,
/// `ExpiredTokenException`). Other answers, such as the 404 and 412 of S3, are no reason to ask for keys again.
fn may_be_of_keys(status: u16) -> bool {
    matches!(status, 400 | 401 | 403)
}
