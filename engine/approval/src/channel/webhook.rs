//! Webhooks out: each message signed, to one configured address. It refuses plain http, redirects, and addresses of this
//! machine or its network unless the configuration names the receiver as one of those; and it holds no answer, so that a
//! receiver cannot say anything.

use super::{Channel, Keys, Phrase, link, named};
use crate::news::News;
use hyper::Request;
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_gate::{BoxFuture, Clock};
use portcullis_model::{Blame, Fault};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What a receiver may take, and say.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(10),
    bytes: 16 * 1024,
};

/// One receiver.
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is told of; everything when empty.
    pub events: Vec<String>,
    /// What messages are signed with.
    pub secret: Arc<dyn Phrase>,
    /// Reaches it, and no others.
    pub fetcher: Fetcher,
    /// Where people look.
    pub portal: Option<String>,
    /// The time of day.
    pub clock: Clock,
}

impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, news: &News) -> bool {
        named(&self.events, &news.event)
    }

    fn deliver<'a>(&'a self, id: &'a str, news: &'a News) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let keys = Keys::read(&self.secret.read().await?)?;
            let body = body(news, self.portal.as_deref());
            let seconds = (self.clock)().seconds();
            let request = Request::post(&self.url)
                .header("content-type", "application/json")
                .header("webhook-id", id)
                .header("webhook-timestamp", seconds)
                .header("webhook-signature", keys.sign(id, seconds, &body))
                .body(body)
                .map_err(|e| Fault::new(Blame::Gateway, "address a webhook", e))?;
            let answer = self.fetcher.send_within(request, BOUNDS).await;
            let answer = answer.map_err(|e| Fault::new(Blame::Gateway, "send a webhook", e))?;
            match answer.status().is_success() {
                true => Ok(()),
                false => Err(Fault::bare(
                    Blame::Gateway,
                    "send a webhook: it was not taken in",
                )),
            }
        })
    }
}

/// The payload: `type`, `timestamp` and `data`, as the standard recommends.
fn body(news: &News, portal: Option<&str>) -> Vec<u8> {
    let body = json!({
        "type": news.event,
        "timestamp": news.at.rfc3339(),
        "data": {
            "id": news.id, "urgent": news.urgent, "text": news.line, "groups": news.groups,
            "link": link(portal, &news.id), "detail": news.detail,
        },
    });
    body.to_string().into_bytes()
}
