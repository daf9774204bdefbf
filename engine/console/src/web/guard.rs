//! Who asks: a cookie for people, a token for programs, and for everything that changes something the proof that it
//! comes from our own pages. One way in for every handler: there is none that could forget to ask.
//!
//! It refuses a form without its token or from another site, a body that says something twice, and a token that was
//! verified half a minute ago without asking again whether it was revoked.

use super::frame;
use super::role::Roles;
use super::visits::{Asked, Key, Known, Tokens, Visit, key, same};
use super::{BODY_BYTES_MAX, Console};
use crate::operations::Refused;
use crate::portal::{TokenError, TokenRequest, bearer};
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use portcullis_model::{Identity, Timestamp, limits};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The cookie of a visit. Its name keeps it to this host, to TLS and to `/` (RFC 6265bis section 4.1.3.2).
pub(super) const VISIT: &str = "__Host-portcullis";
/// The cookie of a login that is under way.
pub(super) const LOGIN: &str = "__Host-portcullis-login";

/// The header of a request that a page makes by itself.
const AGAIN: &str = "x-portcullis-again";

/// A token is renewed so long before it ends.
const AHEAD: Duration = Duration::from_secs(60);
/// So long a verified token is not verified again.
const VERIFIED: Duration = Duration::from_secs(30);
/// Tokens that are remembered.
const BEARERS_MAX: usize = 4096;

/// Somebody who was let in.
#[derive(Clone)]
pub(super) struct Visitor {
    pub identity: Arc<Identity>,
    pub roles: Roles,
    pub via: Via,
}

/// By what.
#[derive(Clone)]
pub(super) enum Via {
    /// A cookie.
    Visit(Arc<Visit>),
    /// A token.
    Bearer(Zeroizing<String>),
}

impl Visitor {
    /// What a form carries; programs have none.
    pub(super) fn csrf(&self) -> &str {
        match &self.via {
            Via::Visit(visit) => &visit.csrf,
            Via::Bearer(_) => "",
        }
    }

    /// Their own token, as it is now.
    pub(super) async fn token(&self) -> Zeroizing<String> {
        match &self.via {
            Via::Visit(visit) => visit.tokens.lock().await.token.clone(),
            Via::Bearer(token) => token.clone(),
        }
    }
}

/// The value of a cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<Zeroizing<String>> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|l| l.to_str().ok())
        .flat_map(|l| l.split(';'));
    let value = pairs.find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then(|| Zeroizing::new(value.to_owned()))
    })?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (value.len() == 43 && value.bytes().all(plain)).then_some(value)
}

/// Tokens that were verified a moment ago.
#[derive(Default)]
pub(super) struct Bearers(Mutex<HashMap<Key, Remembered>>);

struct Remembered {
    identity: Arc<Identity>,
    until: Timestamp,
    since: Timestamp,
    count: u32,
}

impl Bearers {
    /// True when its token was verified a moment ago. Nothing is counted.
    pub(super) fn knows(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let token = bearer(headers).map(|token| key(&token));
        token.is_some_and(|key| self.0.lock().get(&key).is_some_and(|r| r.until > now))
    }

    fn find(&self, key: &Key, now: Timestamp) -> Option<Result<Arc<Identity>, Refused>> {
        let mut all = self.0.lock();
        let found = all.get_mut(key).filter(|r| r.until > now)?;
        if now.since(found.since) >= Duration::from_secs(60) {
            (found.since, found.count) = (now, 0);
        }
        found.count = found.count.saturating_add(1);
        match found.count <= limits::CONSOLE_REQUESTS_PER_MINUTE {
            true => Some(Ok(Arc::clone(&found.identity))),
            false => Some(Err(busy())),
        }
    }

    fn keep(&self, key: Key, identity: &Arc<Identity>, now: Timestamp) {
        let mut all = self.0.lock();
        if all.len() >= BEARERS_MAX {
            all.retain(|_, r| r.until > now);
        }
        if all.len() >= BEARERS_MAX {
            return;
        }
        // The count goes on where it was.
        let (since, count) = all.get(&key).map_or((now, 0), |r| (r.since, r.count));
        all.insert(
            key,
            Remembered {
                identity: Arc::clone(identity),
                until: now.after(VERIFIED),
                since,
                count,
            },
        );
    }
}

fn busy() -> Refused {
    Refused::new(429, "you ask too often (console/rate)").hint("wait a minute")
}

/// Why there is no token: the login is over, or nobody can say.
pub(super) fn not_granted(error: TokenError) -> Refused {
    match error.status {
        429 | 500.. => Refused::new(503, error.error_description).hint("try again in a while"),
        _ => Refused::new(401, error.error_description).hint("log in again"),
    }
}

fn unknown() -> Refused {
    Refused::new(401, "nobody is logged in (console/login)").hint("log in, or send a token")
}

impl Console {
    /// Whoever has this cookie, now.
    async fn visitor(self: &Arc<Self>, parts: &Parts) -> Result<Visitor, Refused> {
        let cookie = cookie(&parts.headers, VISIT).ok_or_else(unknown)?;
        let visit = match self.visits.find(&cookie, (self.clock)(), asked(parts)) {
            Known::Visit(visit) => visit,
            Known::Busy => return Err(busy()),
            Known::Nobody => return Err(unknown()),
        };
        let stands = self.renewed(&visit).await.and_then(|()| {
            let identity = visit.identity();
            let roles = self.bureau.standing(&identity)?;
            Ok((identity, roles))
        });
        match stands {
            Ok((identity, roles)) => Ok(Visitor {
                identity,
                roles,
                via: Via::Visit(visit),
            }),
            Err(refused) => {
                // Where nobody can say now who it is, or with which roles, the login is not over.
                if refused.status == 401 {
                    self.visits.end(&visit);
                }
                Err(refused)
            }
        }
    }

    /// A token that is about to end is renewed; the provider is asked again who it is.
    async fn renewed(self: &Arc<Self>, visit: &Arc<Visit>) -> Result<(), Refused> {
        if !self.soon(visit) {
            return Ok(());
        }
        // A refresh token is good once: whoever asked may go away, what was exchanged for it is kept all the same.
        let (console, visit) = (Arc::clone(self), Arc::clone(visit));
        let renewed = tokio::spawn(async move { console.exchange(&visit).await });
        let failed = |_| Refused::new(503, "the login cannot be renewed now");
        renewed.await.map_err(failed)?
    }

    /// True when a token is about to end.
    fn soon(&self, visit: &Visit) -> bool {
        visit.identity().expires <= (self.clock)().after(AHEAD)
    }

    async fn exchange(&self, visit: &Visit) -> Result<(), Refused> {
        let mut tokens = visit.tokens.lock().await;
        let Some(refresh) = tokens.refresh.clone().filter(|_| self.soon(visit)) else {
            // Renewed by somebody else meanwhile, or good for a little longer: standing says when it is over.
            return Ok(());
        };
        let granted = self
            .entrance
            .token(TokenRequest::Refresh { token: refresh });
        let granted = granted.await.map_err(not_granted)?;
        // What was sent is spent: what came for it is kept, whoever can say now whose it is.
        *tokens = Tokens {
            token: granted.access_token,
            refresh: granted.refresh_token,
        };
        let identity = self.bureau.verify(&tokens.token).await?;
        visit.renew(identity);
        Ok(())
    }

    /// Whoever has this token.
    async fn client(self: &Arc<Self>, parts: &Parts) -> Result<Visitor, Refused> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return self.visitor(parts).await;
        }
        let token = bearer(&parts.headers).ok_or_else(|| {
            Refused::new(401, "no token was given (console/login)")
                .hint("send it as `Authorization: Bearer …`")
        })?;
        let (key, now) = (key(&token), (self.clock)());
        let identity = match self.bearers.find(&key, now) {
            Some(found) => found?,
            None => {
                let identity = self.bureau.verify(&token).await?;
                self.bearers.keep(key, &identity, now);
                identity
            }
        };
        let roles = self.bureau.standing(&identity)?;
        Ok(Visitor {
            identity,
            roles,
            via: Via::Bearer(token),
        })
    }

    /// The roles of somebody who watches, now; refused once they are no longer let in, and while nobody can say.
    pub(super) fn still(&self, visitor: &Visitor) -> Result<Roles, Refused> {
        let (identity, open) = match &visitor.via {
            Via::Visit(visit) => (visit.identity(), self.visits.holds(visit, (self.clock)())),
            Via::Bearer(_) => (Arc::clone(&visitor.identity), true),
        };
        match open {
            true => self.bureau.standing(&identity),
            false => Err(unknown()),
        }
    }

    /// Refuses what another site has sent here.
    fn sent_from_here(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let head = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
        let no = || {
            Err(
                Refused::new(403, "this was sent by another site (console/cross-site)")
                    .hint("open the console itself and do it there"),
            )
        };
        match (head("sec-fetch-site"), head("origin")) {
            (Some("same-origin"), None | Some("null")) => Ok(()),
            (None | Some("same-origin"), Some(origin)) if origin == self.origin => Ok(()),
            _ => no(),
        }
    }
}

/// A person with a cookie, for pages.
pub(super) struct Person(pub Visitor);

impl FromRequestParts<Arc<Console>> for Person {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Response> {
        if let Some(again) = bounced(parts) {
            return Err(again);
        }
        match console.visitor(parts).await {
            Ok(visitor) => Ok(Self(visitor)),
            Err(refused) if refused.status == 401 => {
                Err(super::login::sign_in(console, &here(&parts.uri), None))
            }
            Err(refused) => Err(frame::refusal(&refused)),
        }
    }
}

/// A strict cookie does not come along from another site's link: the page asks for itself once more, and then it does.
fn bounced(parts: &Parts) -> Option<Response> {
    let cross = parts
        .headers
        .get("sec-fetch-site")
        .is_some_and(|v| v == "cross-site");
    let page = parts.method == Method::GET && cookie(&parts.headers, VISIT).is_none();
    (cross && page).then(|| frame::onwards(&here(&parts.uri)))
}

fn here(uri: &Uri) -> String {
    uri.path_and_query()
        .map_or("/console", |p| p.as_str())
        .to_owned()
}

/// Whether somebody has asked, or a page that is open: our script says so in a header, a page without script in its
/// address, and a feed that was cut off with the place where it was.
fn asked(parts: &Parts) -> Asked {
    let told = |name| parts.headers.contains_key(name);
    match told(AGAIN) || told("last-event-id") || parts.uri.query() == Some("again=1") {
        true => Asked::Again,
        false => Asked::Person,
    }
}

/// Somebody with a token or a cookie, for the API.
pub(super) struct Client(pub Visitor);

impl FromRequestParts<Arc<Console>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Problem> {
        let visitor = console.client(parts).await;
        visitor.map(Self).map_err(Problem)
    }
}

/// A form of ours, and who has sent it.
pub(super) struct Posted<F>(pub Visitor, pub F);

impl<F: DeserializeOwned> FromRequest<Arc<Console>> for Posted<F> {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let refuse = |refused: Refused| frame::refusal(&refused);
        console.sent_from_here(&parts.headers).map_err(refuse)?;
        let visitor = match console.visitor(&parts).await {
            Ok(visitor) => visitor,
            Err(refused) if refused.status == 401 => {
                return Err(super::login::sign_in(console, "/console", None));
            }
            Err(refused) => return Err(refuse(refused)),
        };
        let body = to_bytes(body, BODY_BYTES_MAX).await;
        let body = body.map_err(|_| refuse(Refused::new(413, "the form is too large")))?;
        let (csrf, fields) = form(&body).ok_or_else(|| refuse(unread()))?;
        if !same(&csrf, visitor.csrf()) {
            return Err(refuse(
                Refused::new(403, "the form is not one of yours (console/form)")
                    .hint("open the page again and send it from there"),
            ));
        }
        let form = serde_urlencoded::from_str(&fields).map_err(|_| refuse(unread()))?;
        Ok(Self(visitor, form))
    }
}

fn unread() -> Refused {
    Refused::new(400, "the form cannot be read").hint("open the page again and send it from there")
}

/// The token of a form, and its other fields. Nothing comes twice.
fn form(body: &Bytes) -> Option<(Zeroizing<String>, String)> {
    let mut pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).ok()?;
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return None;
    }
    let at = pairs.iter().position(|(name, _)| name == "csrf")?;
    let (_, csrf) = pairs.swap_remove(at);
    let rest = serde_urlencoded::to_string(&pairs).ok()?;
    Some((Zeroizing::new(csrf), rest))
}

/// JSON, and who has sent it.
pub(super) struct Sent<T>(pub Visitor, pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let visitor = console.client(&parts).await.map_err(Problem)?;
        if let Via::Visit(visit) = &visitor.via {
            console.sent_from_here(&parts.headers).map_err(Problem)?;
            let sent = parts
                .headers
                .get("x-csrf-token")
                .and_then(|v| v.to_str().ok());
            if !sent.is_some_and(|sent| same(sent, &visit.csrf)) {
                return Err(Problem(
                    Refused::new(403, "the request does not carry your token (console/form)")
                        .hint("send `csrf` of /api/v1/me as X-CSRF-Token"),
                ));
            }
        }
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok());
        let kind = kind.and_then(|k| k.split(';').next()).map(str::trim);
        if kind != Some("application/json") {
            return Err(Problem(
                Refused::new(415, "the body is no JSON").hint("send application/json"),
            ));
        }
        let body = to_bytes(body, BODY_BYTES_MAX).await;
        let body = body.map_err(|_| Problem(Refused::new(413, "the body is too large")))?;
        let value = serde_json::from_slice(&body).map_err(|_| {
            Problem(
                Refused::new(400, "the body is not what belongs here")
                    .hint("send exactly the fields that /api/v1/openapi.json lists"),
            )
        })?;
        Ok(Self(visitor, value))
    }
}

/// A refusal for programs (RFC 9457).
pub(super) struct Problem(pub Refused);

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Refused {
            status,
            error,
            hint,
        } = self.0;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Refused"),
            "status": status.as_u16(),
            "detail": error,
            "hint": hint,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut answer = (status, kind, body.to_string()).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let bearer = header::HeaderValue::from_static("Bearer");
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        answer
    }
}
