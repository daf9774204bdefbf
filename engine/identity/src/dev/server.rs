//! The pages of the development issuer: discovery, keys, tokens, rotation.
//!
//! It refuses requests that a web page can make a browser send: anything with an `Origin`, and any `Host`
//! that is not its own (DNS rebinding).

use super::{DevIssuer, WARNING};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const CONNECTIONS_MAX: usize = 64;
const BODY_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: Duration = Duration::from_secs(10);
/// After a failed accept (no file descriptors left).
const BREATHE: Duration = Duration::from_millis(100);

type Page = Response<Full<Bytes>>;

impl DevIssuer {
    /// Answers, for ever: run it as a task.
    pub async fn serve(self: Arc<Self>) {
        tracing::warn!(issuer = self.issuer(), "{WARNING}");
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            let Ok((socket, _)) = self.listener.accept().await else {
                tokio::time::sleep(BREATHE).await;
                continue;
            };
            let issuer = self.clone();
            tokio::spawn(async move {
                let answer = service_fn(|request| {
                    let issuer = issuer.clone();
                    async move { Ok::<_, Infallible>(issuer.answer(request).await) }
                });
                // A client that breaks off is no news.
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS_MAX)
                    .serve_connection(TokioIo::new(socket), answer)
                    .await;
                drop(slot);
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Page {
        let host = request.headers().get(header::HOST);
        let ours = host
            .and_then(|host| host.to_str().ok())
            .is_some_and(|host| self.is_ours(host));
        if !ours || request.headers().contains_key(header::ORIGIN) {
            return refuse(StatusCode::FORBIDDEN, "not for web pages");
        }
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::GET, "/.well-known/openid-configuration") => page(&json!({
                "issuer": self.issuer(),
                "jwks_uri": format!("{}/jwks", self.issuer()),
                "token_endpoint": format!("{}/token", self.issuer()),
                "id_token_signing_alg_values_supported": ["ES256"],
                "subject_types_supported": ["public"],
                "response_types_supported": ["token"],
                "grant_types_supported": ["client_credentials"],
                "warning": WARNING,
            })),
            (&Method::GET, "/jwks") => page(&self.jwks()),
            (&Method::GET, "/") => page(&json!({"warning": WARNING, "issuer": self.issuer()})),
            (&Method::POST, "/rotate") => match self.rotate() {
                Ok(()) => page(&json!({"rotated": true, "warning": WARNING})),
                Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "no new key"),
            },
            (&Method::POST, "/token") => self.token(request).await,
            _ => refuse(StatusCode::NOT_FOUND, "no such page"),
        }
    }

    /// Its own address, or `localhost` with its port.
    fn is_ours(&self, host: &str) -> bool {
        let address = self.issuer().trim_start_matches("http://");
        let port = address.rsplit_once(':').map(|(_, port)| port);
        host == address || host.strip_prefix("localhost:") == port && port.is_some()
    }

    async fn token(&self, request: Request<Incoming>) -> Page {
        let json_body = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX)
            .collect()
            .await;
        let Ok(body) = body else {
            return refuse(StatusCode::BAD_REQUEST, "the body is too long");
        };
        let body = body.to_bytes();
        let asked = match json_body {
            true => serde_json::from_slice(&body).unwrap_or(Value::Null),
            false => Value::Object(form(&body)),
        };
        match self.grant(&asked) {
            Ok((token, seconds)) => page(&json!({
                "access_token": token, "token_type": "Bearer", "expires_in": seconds,
                "warning": WARNING,
            })),
            Err(reason) => refuse(StatusCode::BAD_REQUEST, reason),
        }
    }

    /// `subject`, and optionally `aud`, `nonce`, `ttl` (seconds), `proved_ago` (seconds), `act` (a subject or an object); when no
    /// identities are configured also `kind`, `groups`, `email`, `owner`.
    fn grant(&self, asked: &Value) -> Result<(String, i64), &'static str> {
        let text = |name: &str| asked.get(name).and_then(Value::as_str);
        let subject = text("subject")
            .or_else(|| text("client_id"))
            .ok_or("`subject` is missing")?;
        let mut claims = self
            .claims_of(subject)
            .ok_or("no identity of that subject is configured")?;
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        if self.identities.is_empty() {
            put("kind", text("kind").unwrap_or("service").into());
            put("groups", list(asked.get("groups")));
            if let Some(email) = text("email") {
                put("email", email.into());
                put("email_verified", true.into());
            }
            if let Some(owner) = text("owner") {
                put("owner", owner.into());
            }
        }
        if let Some(audience) = asked.get("aud").or_else(|| asked.get("audience")) {
            put("aud", audience.clone());
        }
        if let Some(nonce) = text("nonce") {
            put("nonce", nonce.into());
        }
        match asked.get("act") {
            None => {}
            Some(Value::String(actor)) => {
                put("act", json!({ "sub": actor }));
            }
            Some(chain) => {
                put("act", chain.clone());
            }
        }
        if let Some(ago) = asked.get("proved_ago").and_then(Value::as_i64) {
            put(
                "auth_time",
                ((self.clock)().seconds().saturating_sub(ago)).into(),
            );
        }
        let seconds = match asked.get("ttl") {
            None => super::LIFETIME_SECONDS,
            Some(Value::String(text)) => text.parse().map_err(|_| "`ttl` is no number")?,
            Some(number) => number.as_i64().ok_or("`ttl` is no number")?,
        };
        if !(1..=86_400).contains(&seconds) {
            return Err("`ttl` must be between 1 and 86400 seconds");
        }
        put("exp", ((self.clock)().seconds() + seconds).into());
        Ok((self.mint(&Value::Object(claims)), seconds))
    }
}

/// Groups as a list, or as one text with commas or spaces.
fn list(groups: Option<&Value>) -> Value {
    match groups {
        Some(Value::String(text)) => text
            .split([',', ' '])
            .filter(|name| !name.is_empty())
            .collect(),
        Some(Value::Array(names)) => Value::Array(names.clone()),
        _ => json!([]),
    }
}

/// `application/x-www-form-urlencoded`.
fn form(body: &[u8]) -> Map<String, Value> {
    body.split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let mut half = || decode(halves.next().unwrap_or_default());
            (half(), Value::String(half()))
        })
        .collect()
}

fn decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        let byte = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        (rest, _) = match byte {
            Some(byte) => (after.get(2..).unwrap_or_default(), out.push(byte)),
            None if *first == b'+' => (after, out.push(b' ')),
            None => (after, out.push(*first)),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn page(body: &Value) -> Page {
    answer(StatusCode::OK, body)
}

fn refuse(status: StatusCode, reason: &str) -> Page {
    answer(
        status,
        &json!({"error": "invalid_request", "error_description": reason, "warning": WARNING}),
    )
}

fn answer(status: StatusCode, body: &Value) -> Page {
    let mut page = Response::new(Full::new(Bytes::from(body.to_string())));
    *page.status_mut() = status;
    let headers = page.headers_mut();
    let json = header::HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    let no_store = header::HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    page
}
