//! The doors for other systems: votes by signed callback, and what Slack sends. It reads nothing: the raw bytes go on to
//! be verified. It refuses long ones.

use crate::operations::{Approval, Refused};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use portcullis_gate::BoxFuture;
use serde_json::Value;
use std::sync::Arc;

/// A token of 16 KiB in JSON, or a message of Slack with the blocks it came from.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What is done with messages of other systems. Implemented by `portcullis`.
pub trait Hooks: Send + Sync {
    /// A vote by signed callback: `webhook-id`, `webhook-timestamp`, `webhook-signature`, and the raw bytes.
    ///
    /// # Errors
    /// When it is not taken in, or the vote does not count.
    fn callback<'a>(
        &'a self,
        headers: [&'a str; 3],
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<Approval, Refused>>;
    /// A click or a command in Slack: `X-Slack-Request-Timestamp`, `X-Slack-Signature`, and the raw bytes.
    ///
    /// # Errors
    /// When it is not taken in.
    fn slack<'a>(
        &'a self,
        time: &'a str,
        signature: &'a str,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<Value, Refused>>;
}

type Way = State<Arc<dyn Hooks>>;

pub(super) fn routes(hooks: Arc<dyn Hooks>) -> Router {
    Router::new()
        .route("/hooks/callback", post(callback))
        .route("/hooks/slack", post(slack))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(hooks)
}

/// The one value of a header; none where there are several.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    }
}

async fn callback(
    State(hooks): Way,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Approval>, Refused> {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let signed = names.map(|name| one(&headers, name));
    hooks.callback(signed, &body).await.map(Json)
}

async fn slack(State(hooks): Way, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refused> {
    let time = one(&headers, "x-slack-request-timestamp");
    let signature = one(&headers, "x-slack-signature");
    hooks.slack(time, signature, &body).await.map(Json)
}
