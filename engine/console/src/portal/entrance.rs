//! Where people log in and agents exchange tokens, over HTTPS: the login's beginning and its return from the
//! provider, the token endpoint (RFC 6749 section 3.2, with RFC 7636, 8628 and 8693), who one is, and leaving.
//!
//! It decides nothing: that is [`Entrance`]'s. It refuses bodies that are no form, parameters that come
//! twice (RFC 6749 section 3.2), and to show a browser anything but one sentence.

use super::bearer;
use super::turnstile::block;
use crate::operations::Refused;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use portcullis_gate::BoxFuture;
use portcullis_model::limits;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Two tokens and a little more.
const FORM_BYTES_MAX: usize = limits::PROOF_BYTES_MAX * 2 + 4096;
/// A page for browsers holds one sentence and runs nothing.
const PAGE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

const CODE: &str = "authorization_code";
const REFRESH: &str = "refresh_token";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Logging in. Implemented by `portcullis`.
pub trait Entrance: Send + Sync {
    /// Where one can log in.
    fn offers(&self) -> Offers;
    /// The public keys of session tokens.
    fn keys(&self) -> serde_json::Value;
    /// The gateway's metadata for a SAML provider.
    fn saml_metadata(&self, name: &str) -> Option<String>;
    /// Begins a login in a browser, for whoever asks from this address, or block of addresses.
    fn begin<'a>(
        &'a self,
        from: IpAddr,
        wish: &'a BrowserWish,
    ) -> BoxFuture<'a, Result<Begun, Refused>>;
    /// The browser is back, at this address, or block of addresses: where it goes now.
    fn come_back<'a>(
        &'a self,
        from: IpAddr,
        returned: &'a Returned,
    ) -> BoxFuture<'a, Result<String, Refused>>;
    /// Begins a login on another device, for whoever asks from this address.
    fn begin_on_device<'a>(
        &'a self,
        from: IpAddr,
        wish: &'a DeviceWish,
    ) -> BoxFuture<'a, Result<DeviceBegun, Refused>>;
    /// The token endpoint.
    fn token<'a>(&'a self, request: TokenRequest) -> BoxFuture<'a, Result<Granted, TokenError>>;
    /// Certificates for whoever a session token stands for, and a key of theirs.
    fn certify<'a>(
        &'a self,
        from: IpAddr,
        token: &'a str,
        wish: &'a KeyWish,
    ) -> BoxFuture<'a, Result<Certified, Refused>>;
    /// Leaves, with a refresh token or a session token: everything that came of the login is over.
    fn leave<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<(), Refused>>;
    /// Whom a token stands for.
    fn who<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<WhoAmI, Refused>>;
}

/// Where one can log in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offers {
    /// The gateway's name for itself: `iss` and `aud` of session tokens.
    pub issuer: String,
    /// Providers, by name.
    pub providers: Vec<String>,
}

/// A login in a browser is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrowserWish {
    /// Which provider; the only one when not said.
    #[serde(default)]
    pub provider: Option<String>,
    /// Where the command line listens, on 127.0.0.1.
    pub port: u16,
    /// Its PKCE challenge, S256.
    pub challenge: String,
    /// Its own word.
    pub state: String,
    /// The gateway's own pages ask: nobody else can say so.
    #[serde(skip)]
    pub console: bool,
    /// The provider is to ask for the proof again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// It has begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// What to open.
    pub url: String,
}

/// What a provider sends with the browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// `state`.
    pub state: String,
    /// `code`.
    pub code: Option<String>,
    /// `error`.
    pub error: Option<String>,
    /// `iss` (RFC 9207): who the provider says it is.
    pub issuer: Option<String>,
    /// `SAMLResponse`.
    pub response: Option<String>,
}

/// A login on another device is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceWish {
    /// Which provider; the only one when not said.
    #[serde(default)]
    pub provider: Option<String>,
    /// The PKCE challenge, S256.
    pub challenge: String,
    /// Only a proof counts that comes after this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// It has begun (RFC 8628 section 3.2).
#[derive(Clone, Serialize, Deserialize)]
pub struct DeviceBegun {
    /// What to poll with.
    pub device_code: Zeroizing<String>,
    /// What to type.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// Seconds until it is too late.
    pub expires_in: u64,
    /// Seconds between two polls.
    pub interval: u64,
}

/// What is asked of the token endpoint.
pub enum TokenRequest {
    /// A browser has brought a code.
    Code {
        /// The code.
        code: Zeroizing<String>,
        /// The PKCE verifier.
        verifier: Zeroizing<String>,
        /// `before`: the refresh token of a login of the same person, which goes on. An extension of ours.
        before: Option<Zeroizing<String>>,
    },
    /// Has the other device confirmed?
    Device {
        /// What to poll with.
        code: Zeroizing<String>,
        /// The PKCE verifier.
        verifier: Zeroizing<String>,
        /// As for a code.
        before: Option<Zeroizing<String>>,
    },
    /// A further token.
    Refresh {
        /// The refresh token.
        token: Zeroizing<String>,
    },
    /// A token of one who acts for another (RFC 8693 section 2.1).
    Exchange {
        /// The token of the person.
        subject: Zeroizing<String>,
        /// The token of whoever acts.
        actor: Zeroizing<String>,
        /// `scope`: `target:NAME` for each target, `read_only`.
        scope: Option<String>,
        /// `task`: what for. An extension of ours.
        task: Option<String>,
        /// Seconds at most. An extension of ours.
        lasts: Option<u64>,
    },
}

/// What the token endpoint gives (RFC 6749 section 5.1, RFC 8693 section 2.2.1).
#[derive(Clone, Serialize, Deserialize)]
pub struct Granted {
    /// The session token.
    pub access_token: Zeroizing<String>,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds.
    pub expires_in: u64,
    /// What refreshes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Zeroizing<String>>,
    /// After an exchange: what kind of token it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<String>,
}

/// Why the token endpoint gives nothing (RFC 6749 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenError {
    /// HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// The code of the RFC: `invalid_grant`, `authorization_pending`, ….
    pub error: String,
    /// What and why.
    pub error_description: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl TokenError {
    /// With a status, a code of the RFC and a sentence.
    pub fn new(status: u16, error: &str, description: impl Into<String>) -> Self {
        Self {
            status,
            error: error.to_owned(),
            error_description: description.into(),
            hint: None,
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, NO_STORE, Json(self)).into_response()
    }
}

/// A key is to be certified.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyWish {
    /// An Ed25519 public key, in base64url.
    pub key: String,
    /// The proof that its other half is at hand, in base64url.
    pub signature: String,
}

/// It is certified.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certified {
    /// For TLS, in PEM.
    pub x509: String,
    /// For SSH, a line.
    pub ssh: String,
    /// Until when, RFC 3339.
    pub until: String,
    /// Seconds until then.
    pub expires_in: u64,
}

/// Whom a token stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhoAmI {
    /// What people call it.
    pub name: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// human, agent, ci or service.
    pub kind: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Who acts for it, the current actor first: issuer and subject.
    pub actors: Vec<String>,
    /// Until when, RFC 3339.
    pub until: String,
    /// The login or token, for `portcullis revoke`.
    pub token_id: Option<String>,
}

const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

type Desk = State<Arc<dyn Entrance>>;
type From = Extension<Source>;

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Source(pub IpAddr);

pub(super) fn routes(entrance: Arc<dyn Entrance>) -> Router {
    let small = Router::new()
        .route("/v1/login", get(offers).post(begin))
        .route("/v1/login/callback", get(come_back))
        .route("/v1/login/device", post(begin_on_device))
        .route("/v1/keys", get(keys))
        .route("/v1/whoami", get(who))
        .route("/v1/certificates", post(certify))
        .layer(DefaultBodyLimit::max(super::BODY_BYTES_MAX));
    let saml = Router::new()
        .route("/v1/login/saml", post(consume))
        .route("/v1/login/saml/{name}", get(metadata))
        .layer(DefaultBodyLimit::max(limits::SAML_BYTES_MAX * 2));
    Router::new()
        .route("/v1/token", post(token))
        .route("/v1/logout", post(leave))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .merge(small)
        .merge(saml)
        .with_state(entrance)
}

async fn offers(State(desk): Desk) -> Json<Offers> {
    Json(desk.offers())
}

async fn keys(State(desk): Desk) -> Json<serde_json::Value> {
    Json(desk.keys())
}

async fn begin(State(desk): Desk, Extension(from): From, body: Bytes) -> Result<Response, Refused> {
    let wish = serde_json::from_slice(&body).map_err(|_| not_understood())?;
    let begun = desk.begin(block(from.0), &wish).await?;
    Ok((NO_STORE, Json(begun)).into_response())
}

async fn begin_on_device(
    State(desk): Desk,
    Extension(from): From,
    body: Bytes,
) -> Result<Response, Refused> {
    let wish = serde_json::from_slice(&body).map_err(|_| not_understood())?;
    let begun = desk.begin_on_device(block(from.0), &wish).await?;
    Ok((NO_STORE, Json(begun)).into_response())
}

fn not_understood() -> Refused {
    Refused::new(400, "the body is not what belongs here")
        .hint("use `portcullis login` of the gateway's version")
}

async fn come_back(
    State(desk): Desk,
    Extension(from): From,
    RawQuery(query): RawQuery,
) -> Response {
    let returned = returned(query.as_deref().unwrap_or_default());
    go_on(&*desk, from, returned).await
}

/// The assertion consumer service (SAML bindings section 3.5).
async fn consume(State(desk): Desk, Extension(from): From, body: Bytes) -> Response {
    let returned = form(&body).and_then(|mut form| {
        Some(Returned {
            state: form.remove("RelayState")?.to_string(),
            response: Some(form.remove("SAMLResponse")?.to_string()),
            ..Returned::default()
        })
    });
    go_on(&*desk, from, returned).await
}

async fn metadata(State(desk): Desk, Path(name): Path<String>) -> Result<Response, Refused> {
    let text = desk.saml_metadata(&name);
    let text = text.ok_or_else(|| Refused::new(404, "there is no SAML provider of that name"))?;
    let kind = [(header::CONTENT_TYPE, "application/samlmetadata+xml")];
    Ok((kind, text).into_response())
}

async fn go_on(desk: &dyn Entrance, from: Source, returned: Option<Returned>) -> Response {
    let to = match returned {
        Some(returned) => desk.come_back(block(from.0), &returned).await,
        None => Err(Refused::new(400, "the provider's answer cannot be read")),
    };
    match to {
        Ok(to) => (
            StatusCode::FOUND,
            NO_STORE,
            [
                (header::LOCATION, to.as_str()),
                (header::REFERRER_POLICY, "no-referrer"),
            ],
        )
            .into_response(),
        Err(refused) => page(&refused),
    }
}

fn returned(query: &str) -> Option<Returned> {
    let mut form = form(query.as_bytes())?;
    Some(Returned {
        state: form.remove("state")?.to_string(),
        code: form.remove("code").map(|c| c.to_string()),
        error: form.remove("error").map(|e| e.to_string()),
        issuer: form.remove("iss").map(|i| i.to_string()),
        response: None,
    })
}

/// One sentence, escaped.
fn page(refused: &Refused) -> Response {
    let escape = |text: &str| {
        let mut safe = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => safe.push_str("&amp;"),
                '<' => safe.push_str("&lt;"),
                '>' => safe.push_str("&gt;"),
                '"' => safe.push_str("&quot;"),
                '\'' => safe.push_str("&#39;"),
                c => safe.push(c),
            }
        }
        safe
    };
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    let hint = refused.hint.as_deref().unwrap_or_default();
    let html = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Portcullis</title><p>{}</p><p>{}</p>",
        escape(&refused.error),
        escape(hint)
    );
    let heads = [
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, NO_STORE, heads, Html(html)).into_response()
}

async fn token(State(desk): Desk, body: Bytes) -> Result<Response, TokenError> {
    let request = token_request(&body)?;
    let granted = desk.token(request).await?;
    Ok((NO_STORE, Json(granted)).into_response())
}

fn token_request(body: &[u8]) -> Result<TokenRequest, TokenError> {
    let invalid = |what: &str| TokenError::new(400, "invalid_request", what);
    let mut form =
        form(body).ok_or_else(|| invalid("the body is no form, or says something twice"))?;
    let mut take = |name: &str| form.remove(name);
    let missing = |name: &str| invalid(&format!("`{name}` is missing"));
    let grant = take("grant_type").ok_or_else(|| missing("grant_type"))?;
    let mut need = |name: &str| take(name).ok_or_else(|| missing(name));
    match grant.as_str() {
        CODE => Ok(TokenRequest::Code {
            code: need("code")?,
            verifier: need("code_verifier")?,
            before: form.remove("before"),
        }),
        DEVICE => Ok(TokenRequest::Device {
            code: need("device_code")?,
            verifier: need("code_verifier")?,
            before: form.remove("before"),
        }),
        REFRESH => Ok(TokenRequest::Refresh {
            token: need("refresh_token")?,
        }),
        EXCHANGE => {
            let lasts = match form.remove("expires_in") {
                None => None,
                Some(text) => Some(
                    text.parse()
                        .map_err(|_| invalid("`expires_in` is no number"))?,
                ),
            };
            let mut need = |name: &str| form.remove(name).ok_or_else(|| missing(name));
            Ok(TokenRequest::Exchange {
                subject: need("subject_token")?,
                actor: need("actor_token")?,
                scope: form.remove("scope").map(|s| s.to_string()),
                task: form.remove("task").map(|t| t.to_string()),
                lasts,
            })
        }
        _ => Err(TokenError::new(
            400,
            "unsupported_grant_type",
            "the gateway gives no token for this",
        )),
    }
}

/// A form with every name once.
fn form(body: &[u8]) -> Option<HashMap<String, Zeroizing<String>>> {
    let pairs: Vec<(String, Zeroizing<String>)> = serde_urlencoded::from_bytes(body).ok()?;
    // Bytes that are no text are replaced while reading; nothing that belongs here has that character.
    if pairs.iter().any(|(_, value)| value.contains('\u{fffd}')) {
        return None;
    }
    let many = pairs.len();
    let form: HashMap<_, _> = pairs.into_iter().collect();
    (form.len() == many).then_some(form)
}

async fn leave(State(desk): Desk, body: Bytes) -> Result<Response, Refused> {
    let mut form = form(&body).ok_or_else(not_understood)?;
    let token = form
        .remove("refresh_token")
        .or_else(|| form.remove("token"));
    desk.leave(&token.ok_or_else(not_understood)?).await?;
    Ok((NO_STORE, Json(serde_json::json!({"over": true}))).into_response())
}

async fn certify(
    State(desk): Desk,
    Extension(from): From,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let token = bearer(&headers).ok_or_else(|| Refused::new(401, "no token was given"))?;
    let wish = serde_json::from_slice(&body).map_err(|_| not_understood())?;
    let certified = desk.certify(from.0, &token, &wish).await?;
    Ok((NO_STORE, Json(certified)).into_response())
}

async fn who(State(desk): Desk, headers: HeaderMap) -> Result<Response, Refused> {
    let token = bearer(&headers).ok_or_else(|| Refused::new(401, "no token was given"))?;
    let who = desk.who(&token).await?;
    Ok((NO_STORE, Json(who)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_everything_once() {
        let good = b"grant_type=authorization_code&code=a%2Bb&code_verifier=v";
        let Ok(TokenRequest::Code { code, verifier, .. }) = token_request(good) else {
            panic!("a code");
        };
        assert_eq!((code.as_str(), verifier.as_str()), ("a+b", "v"));
        for (bad, error) in [
            (&b""[..], "invalid_request"),
            (
                b"grant_type=password&username=a&password=b",
                "unsupported_grant_type",
            ),
            (b"grant_type=authorization_code&code=a", "invalid_request"),
            (
                b"grant_type=refresh_token&refresh_token=a&refresh_token=b",
                "invalid_request",
            ),
            (
                b"grant_type=refresh_token&grant_type=refresh_token&refresh_token=a",
                "invalid_request",
            ),
            (b"{\"grant_type\":\"refresh_token\"}", "invalid_request"),
            (
                b"grant_type=refresh_token&refresh_token=%ff",
                "invalid_request",
            ),
        ] {
            let refused = token_request(bad).err().map(|e| e.error);
            assert_eq!(
                refused.as_deref(),
                Some(error),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }

    #[test]
    fn what_a_provider_sends_is_read_strictly() {
        let read = returned("code=abc&state=s&iss=https%3A%2F%2Fidp").expect("reads");
        assert_eq!(
            (read.state.as_str(), read.code.as_deref()),
            ("s", Some("abc"))
        );
        assert_eq!(read.issuer.as_deref(), Some("https://idp"));
        assert!(returned("code=abc").is_none(), "no state");
        assert!(returned("state=s&code=a&code=b").is_none(), "two codes");
    }

    #[test]
    fn a_page_runs_nothing() {
        let answer = page(&Refused::new(400, "<script>alert(1)</script>").hint("a\"b'"));
        assert_eq!(answer.status(), 400);
        let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY);
        assert_eq!(policy.and_then(|p| p.to_str().ok()), Some(PAGE_POLICY));
    }
}
