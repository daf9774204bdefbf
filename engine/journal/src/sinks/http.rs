//! Collectors that speak HTTP: JSON lines, and OpenTelemetry logs (OTLP/HTTP with JSON). Refuses plain http but to this
//! machine, and to follow redirects. Any status of 200 to 299 means taken; who asks for time with another (`Retry-After` in
//! seconds) is given it.

use super::{Deliver, Event, Taken, Untaken, user};
use hyper::{Request, Response, header};
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_gate::BoxFuture;
use portcullis_model::{escape_line, limits};
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// How the token for a collector is had; read anew for each batch, so that it can be rotated.
pub type Token =
    Box<dyn Fn() -> BoxFuture<'static, Result<Zeroizing<String>, String>> + Send + Sync>;

/// One OCSF event a line.
pub struct Http {
    /// Where to.
    pub url: String,
    /// What goes into `Authorization: Bearer`.
    pub token: Option<Token>,
    /// Sends.
    pub fetcher: Fetcher,
}

/// OpenTelemetry logs.
pub struct Otlp {
    /// The collector: `https://collector:4318`; `/v1/logs` is added.
    pub endpoint: String,
    /// What goes into `Authorization: Bearer`.
    pub token: Option<Token>,
    /// Sends.
    pub fetcher: Fetcher,
    /// The node's name, as `service.instance.id`.
    pub node: String,
}

impl Deliver for Http {
    fn deliver<'a>(&'a self, batch: &'a [Event]) -> BoxFuture<'a, Result<Taken, Untaken>> {
        Box::pin(async move {
            let mut body = Vec::new();
            for event in batch {
                body.extend(event.ocsf.to_string().into_bytes());
                body.push(b'\n');
            }
            let kind = "application/x-ndjson";
            let answer = post(&self.fetcher, &self.url, kind, self.token.as_ref(), body).await?;
            taken(&answer)?;
            Ok(Taken::default())
        })
    }
}

impl Deliver for Otlp {
    fn deliver<'a>(&'a self, batch: &'a [Event]) -> BoxFuture<'a, Result<Taken, Untaken>> {
        Box::pin(async move {
            let body = self.logs(batch).to_string().into_bytes();
            let url = format!("{}/v1/logs", self.endpoint.trim_end_matches('/'));
            let kind = "application/json";
            let answer = post(&self.fetcher, &url, kind, self.token.as_ref(), body).await?;
            taken(&answer)?;
            Ok(partly(answer.body(), batch.len()))
        })
    }
}

impl Otlp {
    fn logs(&self, batch: &[Event]) -> Value {
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let records: Vec<Value> = batch
            .iter()
            .map(|event| {
                let ocsf = &event.ocsf;
                let (number, name) = severity(ocsf["severity_id"].as_u64().unwrap_or(1));
                let id = ocsf["metadata"]["uid"].as_str().unwrap_or_default();
                let class = ocsf["class_name"].as_str().unwrap_or_default();
                let attributes = [
                    ("log.record.uid", id),
                    ("ocsf.class_uid", &ocsf["class_uid"].to_string()),
                    ("session.id", ocsf["unmapped"]["session"].as_str().unwrap_or_default()),
                    ("user.name", user(ocsf)),
                ];
                // What is not known is left out: an empty text would be a name.
                let attributes = attributes.into_iter().filter(|(_, value)| !value.is_empty());
                json!({
                    "timeUnixNano": event.at.0.to_string(), "observedTimeUnixNano": event.at.0.to_string(),
                    "severityNumber": number, "severityText": name,
                    "eventName": format!("ocsf.{}", class.to_lowercase().replace(' ', "_")),
                    "body": {"stringValue": ocsf.to_string()},
                    "attributes": attributes.map(|(key, value)| text(key, value)).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({"resourceLogs": [{
            "resource": {"attributes": [
                text("service.name", "portcullis"), text("service.version", env!("CARGO_PKG_VERSION")),
                text("service.instance.id", &self.node),
            ]},
            "scopeLogs": [{"scope": {"name": "portcullis.journal"}, "logRecords": records}],
        }]})
    }
}

/// OpenTelemetry's numbers for the severities of OCSF.
fn severity(id: u64) -> (u64, &'static str) {
    match id {
        2 => (11, "INFO3"),
        3 => (13, "WARN"),
        4 => (17, "ERROR"),
        5 => (20, "ERROR4"),
        6 => (21, "FATAL"),
        _ => (9, "INFO"),
    }
}

async fn post(
    fetcher: &Fetcher,
    url: &str,
    kind: &str,
    token: Option<&Token>,
    body: Vec<u8>,
) -> Result<Response<Vec<u8>>, String> {
    let mut request = Request::post(url).header(header::CONTENT_TYPE, kind);
    if let Some(token) = token {
        let token = token().await?;
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()));
    }
    let request = request
        .body(body)
        .map_err(|_| "the address or the token cannot be sent".to_owned())?;
    let bounds = Bounds {
        time: limits::SINK_DELIVERY_MAX,
        bytes: limits::SINK_ANSWER_BYTES_MAX,
    };
    fetcher
        .send_within(request, bounds)
        .await
        .map_err(|error| explain(&error))
}

/// With what lies behind it: that a certificate is of nobody we trust stands there.
pub(super) fn explain(error: &dyn std::error::Error) -> String {
    let behind = std::iter::successors(error.source(), |error| error.source());
    behind.fold(error.to_string(), |said, error| format!("{said}: {error}"))
}

fn taken(answer: &Response<Vec<u8>>) -> Result<(), Untaken> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let seconds = answer.headers().get(header::RETRY_AFTER);
    let seconds: Option<u64> = seconds.and_then(|v| v.to_str().ok()?.trim().parse().ok());
    let asks = seconds.map_or_else(String::new, |s| format!(", and asks for {s} s"));
    Err(Untaken {
        why: format!("the collector answers {status}{asks}"),
        after: seconds.map(Duration::from_secs),
    })
}

/// What it rejects it will reject again (OTLP, "Partial Success"): said, and not sent again.
fn partly(answer: &[u8], sent: usize) -> Taken {
    let said: Value = serde_json::from_slice(answer).unwrap_or_default();
    let partial = &said["partialSuccess"];
    let refused = match &partial["rejectedLogRecords"] {
        Value::Null => 0,
        Value::Number(number) => number.as_u64().unwrap_or(sent as u64),
        // 64 bits are text in the JSON of protobuf.
        Value::String(text) => text.parse().unwrap_or(sent as u64),
        _ => sent as u64,
    };
    let why = partial["errorMessage"].as_str().unwrap_or_default();
    let why: String = why.chars().take(200).collect();
    Taken {
        refused,
        why: escape_line(&why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use portcullis_model::Timestamp;

    #[test]
    fn events_become_log_records() {
        let otlp = Otlp {
            endpoint: "https://collector:4318/".to_owned(),
            token: None,
            fetcher: Fetcher::new(None).unwrap(),
            node: "gw-1".to_owned(),
        };
        let event = Event {
            at: Timestamp(7),
            leaf: 1,
            ocsf: json!({"class_uid": 6003, "class_name": "API Activity", "severity_id": 3,
                "metadata": {"uid": "s-1-2"}, "unmapped": {"session": "s-1"}}),
        };
        let logs = otlp.logs(&[event]);
        let record = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(record["timeUnixNano"], "7");
        assert_eq!(record["severityNumber"], 13);
        assert_eq!(record["eventName"], "ocsf.api_activity");
        assert_eq!(record["attributes"][0]["value"]["stringValue"], "s-1-2");
        let attributes = record["attributes"].as_array().unwrap();
        let user = attributes.iter().find(|a| a["key"] == "user.name");
        assert_eq!(user, None, "nobody is known");
    }

    #[test]
    fn what_a_collector_refuses_for_good_is_counted_in_either_notation() {
        for (said, refused) in [
            (json!({}), 0),
            (json!({"partialSuccess": {}}), 0),
            (
                json!({"partialSuccess": {"rejectedLogRecords": "0", "errorMessage": "slow"}}),
                0,
            ),
            (json!({"partialSuccess": {"rejectedLogRecords": "2"}}), 2),
            (json!({"partialSuccess": {"rejectedLogRecords": 3}}), 3),
            (json!({"partialSuccess": {"rejectedLogRecords": "all"}}), 7),
            (json!({"partialSuccess": {"rejectedLogRecords": -1}}), 7),
        ] {
            assert_eq!(
                partly(said.to_string().as_bytes(), 7).refused,
                refused,
                "{said}"
            );
        }
        assert_eq!(partly(b"thanks", 7), Taken::default());
        let said = json!({"partialSuccess": {"rejectedLogRecords": 1, "errorMessage": "too\nold\u{1b}[2J"}});
        let why = partly(said.to_string().as_bytes(), 7).why;
        assert!(!why.contains(['\n', '\u{1b}']), "{why:?}");
    }

    #[test]
    fn a_collector_that_asks_for_time_is_given_it() {
        let answer = |after: Option<&str>| {
            let mut answer = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
            if let Some(after) = after {
                answer = answer.header(header::RETRY_AFTER, after);
            }
            taken(&answer.body(Vec::new()).unwrap()).unwrap_err()
        };
        assert_eq!(answer(Some("7")).after, Some(Duration::from_secs(7)));
        assert!(
            answer(Some("7"))
                .why
                .ends_with("503 Service Unavailable, and asks for 7 s")
        );
        assert_eq!(answer(Some("Sat, 28 Nov 2026 07:00:00 GMT")).after, None);
        assert_eq!(answer(Some("-1")).after, None);
        assert_eq!(answer(None).after, None);
    }
}
