//! In and out: the page with the providers, the way to one of them and back, and leaving. The provider's answer is taken
//! at the portal's own address; what comes here is a code of minutes that this browser alone can redeem.
//!
//! It refuses a return that this browser did not begin, and to send anybody anywhere but to a page of the console.

use super::Console;
use super::frame;
use super::guard::{LOGIN, Posted, VISIT, Via, cookie, not_granted};
use super::visits::{Drawn, Pending, Tokens, Visit, Way, key};
use crate::operations::Refused;
use crate::portal::{BrowserWish, Source, TokenRequest, block};
use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/login", get(page))
        .route("/console/login/begin", get(begin))
        .route("/console/login/done", get(done))
        .route("/console/logout", post(leave))
}

/// The page with the providers.
pub(super) fn sign_in(console: &Console, next: &str, said: Option<&str>) -> Response {
    let offers = console.entrance.offers();
    let next = local(next);
    let link = |provider: &str| {
        let query = [("provider", provider), ("next", &next)];
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        format!("/console/login/begin?{query}")
    };
    let body = html! {
        section.card.narrow {
            h1 { "Log in" }
            @if let Some(said) = said { p.notice.bad role="alert" { (said) } }
            p { "Prove who you are at your provider. What you may see here is decided by policy." }
            @for (index, provider) in offers.providers.iter().enumerate() {
                p { a.button.primary href=(link(provider)) accesskey=[(index == 0).then_some("l")] { "Log in with " (provider) } }
            }
            @if offers.providers.is_empty() {
                p.notice.bad { "This gateway has no provider to log in at." }
            }
        }
    };
    let status = StatusCode::UNAUTHORIZED;
    (status, frame::bare("Log in", &body)).into_response()
}

/// More is not carried through a login.
pub(super) const NEXT_BYTES_MAX: usize = 2048;

/// A page of the console, whatever was asked for. Of one that says too much, the page alone.
pub(super) fn local(next: &str) -> String {
    let path = next.split('?').next().unwrap_or_default();
    let next = match next.len() <= NEXT_BYTES_MAX {
        true => next,
        false => path,
    };
    let ours = path == "/console" || path.starts_with("/console/");
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') && !next.contains("//");
    // Not back to where one logs in or out.
    // Browsers read `%2e%2e` as two dots.
    let up = path.contains("..") || path.to_ascii_lowercase().contains("%2e");
    let page = !path.starts_with("/console/log") && !up;
    match ours && plain && page && next.len() <= NEXT_BYTES_MAX {
        true => next.to_owned(),
        false => "/console".to_owned(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    provider: Option<String>,
    next: String,
    fresh: bool,
}

async fn page(State(console): State<Arc<Console>>, Query(wanted): Query<Wanted>) -> Response {
    sign_in(&console, &wanted.next, None)
}

async fn begin(
    State(console): State<Arc<Console>>,
    Extension(from): Extension<Source>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Response> {
    let refuse = |refused: Refused| frame::refusal(&refused);
    let drawn = Drawn::new();
    let drawn =
        drawn.ok_or_else(|| refuse(Refused::new(503, "the gateway cannot draw random numbers")))?;
    let way = Way {
        provider: wanted.provider.clone(),
        next: local(&wanted.next),
        from: block(from.0),
        // The return comes from the provider's site: the strict cookie does not come along then.
        before: cookie(&headers, VISIT).map(|before| key(&before)),
        typed: None,
    };
    let wish = BrowserWish {
        provider: wanted.provider,
        port: 0,
        challenge: drawn.challenge(),
        state: drawn.state.to_string(),
        console: true,
        fresh: wanted.fresh,
    };
    let begun = console.entrance.begin(way.from, &wish).await;
    let begun = begun.map_err(refuse)?;
    let pending = drawn.cookie.clone();
    console.visits.begin(drawn, way, (console.clock)());
    // Lax: the return is a top-level navigation from the provider's site.
    let kept = format!(
        "{LOGIN}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600",
        *pending
    );
    let heads = [(header::LOCATION, begun.url), (header::SET_COOKIE, kept)];
    Ok((StatusCode::SEE_OTHER, heads).into_response())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Done {
    state: String,
    code: Option<String>,
    error: Option<String>,
}

async fn done(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Query(done): Query<Done>,
) -> Response {
    let begun = cookie(&headers, LOGIN)
        .and_then(|cookie| console.visits.back(&cookie, &done.state, (console.clock)()));
    let Some(begun) = begun else {
        let no = "this login was not begun in this browser, or too long ago";
        let said = Refused::new(400, no).hint("log in again").to_string();
        return sign_in(&console, "/console", Some(&said));
    };
    let next = begun.way.next.clone();
    match entered(&console, &headers, begun, done).await {
        Ok(answer) => answer,
        Err(refused) => {
            let mut answer = sign_in(&console, &next, Some(&refused.to_string()));
            if refused.status == 503 {
                // Nobody has said that they are not let in.
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            answer
        }
    }
}

async fn entered(
    console: &Console,
    headers: &HeaderMap,
    mut begun: Pending,
    done: Done,
) -> Result<Response, Refused> {
    let now = (console.clock)();
    let code = match (done.code, done.error) {
        (Some(code), None) => Zeroizing::new(code),
        _ => return Err(Refused::new(401, "the provider has not let you in").hint("log in again")),
    };
    let granted = console.entrance.token(TokenRequest::Code {
        code,
        verifier: begun.verifier,
        before: None,
    });
    let granted = granted.await.map_err(not_granted)?;
    let identity = console.bureau.verify(&granted.access_token).await?;
    let roles = console.bureau.standing(&identity)?;
    // Which roles, and by which policy.
    let revision = console.bureau.glance().policy_revision;
    let detail = serde_json::json!({"roles": roles.names(), "policy": revision});
    console.bureau.note("console-login", &identity, &detail)?;
    let tokens = Tokens {
        token: granted.access_token,
        refresh: granted.refresh_token,
    };
    let before = begun.way.before.as_ref();
    begun.way.typed =
        before.and_then(|before| console.visits.typed(before, &identity.principal, now));
    let visit = console.visits.enter(identity, tokens, &begun.way, now);
    let visit = visit.ok_or_else(|| Refused::new(503, "the gateway cannot draw random numbers"))?;
    // A second login in one browser takes the place of the first.
    let known = cookie(headers, VISIT).map(|before| key(&before));
    for before in begun.way.before.into_iter().chain(known) {
        if let Some(before) = console.visits.leave(&before) {
            over(console, &before).await;
        }
    }
    let mut answer = frame::onwards(&begun.way.next);
    let kept = format!(
        "{VISIT}={}; Path=/; Secure; HttpOnly; SameSite=Strict",
        *visit
    );
    for line in [kept, gone(LOGIN)] {
        if let Ok(line) = line.parse() {
            answer.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    Ok(answer)
}

/// Ends the login of a visit that another one has replaced.
async fn over(console: &Console, visit: &Visit) {
    let tokens = visit.tokens.lock().await;
    let known = tokens.refresh.as_ref().unwrap_or(&tokens.token);
    if let Err(refused) = console.entrance.leave(known).await {
        // The visit itself is gone; what is left of its login ends by time.
        tracing::warn!(why = refused.error, "the login before could not be ended");
    }
}

fn gone(name: &str) -> String {
    format!("{name}=; Path=/; Secure; HttpOnly; Max-Age=0")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The login is over, with everything that came of it.
async fn leave(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Posted(visitor, Nothing {}): Posted<Nothing>,
) -> Response {
    if let Some(cookie) = cookie(&headers, VISIT) {
        console.visits.leave(&key(&cookie));
    }
    if let Via::Visit(visit) = &visitor.via {
        let tokens = visit.tokens.lock().await;
        let known = tokens.refresh.as_ref().unwrap_or(&tokens.token);
        if let Err(refused) = console.entrance.leave(known).await {
            return frame::refusal(&refused);
        }
    }
    let mut answer = frame::onwards("/console/login");
    if let Ok(line) = gone(VISIT).parse() {
        answer.headers_mut().append(header::SET_COOKIE, line);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_anywhere_but_to_a_page_of_ours() {
        for next in [
            "/console",
            "/console/approvals/ap-1",
            "/console?q=1",
            "/console/sessions?q=a%20b",
            "/console/access?reason=the+import+hangs...+again",
        ] {
            assert_eq!(local(next), next);
        }
        let long = format!("/console/access?reason={}", "x".repeat(NEXT_BYTES_MAX));
        assert_eq!(local(&long), "/console/access");
        let longer = format!("/console/{}", "x".repeat(NEXT_BYTES_MAX));
        assert_eq!(local(&longer), "/console");
        for next in [
            "",
            "/",
            "//evil.example",
            "https://evil.example",
            "/console/..//evil",
            "/console//evil.example",
            "/console/\\evil",
            "/consoleevil",
            "/console/login/begin",
            "/console/logout",
            "javascript:alert(1)",
            "/console/\r\nSet-Cookie: a=b",
            "/console/../v1/token",
            "/console/../v1/token?a=b",
            "/console/%2e%2E/v1/token?a=b",
            "/console/.%2e/v1/token",
            "/console?//evil.example",
        ] {
            assert_eq!(local(next), "/console", "{next}");
        }
    }
}
