//! The console: pages that the gateway renders itself, and the same as JSON. Over TLS only, on the HTTPS listener.
//! People log in at their provider and have a cookie for it; programs send a token. What they may see is one table
//! ([`role`]), what they do is in [`acts`], and pages and API are two ways to show it.
//!
//! It refuses what comes from another site, a form without its token, a page without a role, and everything when the
//! record cannot be written. No page needs a script but the live view and the film.

mod acts;
mod assets;
mod drafts;
mod frame;
mod guard;
mod login;
mod openapi;
mod pages;
mod places;
mod rest;
pub mod role;
mod shown;
#[cfg(test)]
pub(crate) mod tests;
mod visits;

pub use openapi::document as openapi_document;
pub use visits::Stay;

use crate::archive::Archive;
use crate::bureau::Bureau;
use crate::portal::Entrance;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use places::{Places, Turns};
use portcullis_gate::Clock;
use portcullis_model::limits;
use std::sync::Arc;
use visits::Visits;

/// Nothing but our own style, scripts and forms; in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A form with a reason, or a vote.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// What the console is made of.
pub struct Parts {
    /// What can be asked and done.
    pub bureau: Arc<dyn Bureau>,
    /// What was recorded.
    pub archive: Arc<dyn Archive>,
    /// Where people log in.
    pub entrance: Arc<dyn Entrance>,
    /// The gateway's own address, as browsers reach it, without a path.
    pub origin: String,
    /// How long people stay.
    pub stay: Stay,
    /// The time.
    pub clock: Clock,
}

/// The console.
pub struct Console {
    bureau: Arc<dyn Bureau>,
    archive: Arc<dyn Archive>,
    entrance: Arc<dyn Entrance>,
    origin: String,
    visits: Visits,
    bearers: guard::Bearers,
    watching: Arc<Places>,
    playing: Arc<Places>,
    reading: Turns,
    shown: shown::Shown,
    clock: Clock,
}

impl Console {
    /// Nobody is here.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            bureau: parts.bureau,
            archive: parts.archive,
            entrance: parts.entrance,
            origin: parts.origin,
            visits: Visits::new(parts.stay),
            bearers: guard::Bearers::default(),
            watching: Places::new(limits::WATCHES_MAX, limits::WATCHES_PER_IDENTITY_MAX),
            playing: Places::new(limits::FILMS_MAX, limits::FILMS_PER_IDENTITY_MAX),
            reading: Turns::default(),
            shown: shown::Shown::default(),
            clock: parts.clock,
        })
    }

    /// The routes of pages and API.
    pub fn routes(self: &Arc<Self>) -> Router {
        let body = DefaultBodyLimit::max(BODY_BYTES_MAX);
        pages::routes()
            .merge(login::routes())
            .merge(rest::routes())
            .layer(body)
            .layer(middleware::from_fn(guarded))
            .with_state(Arc::clone(self))
            .merge(assets::routes())
    }

    /// The same for whoever comes from one address, without a listener: for figures.
    #[doc(hidden)]
    pub fn routes_from(self: &Arc<Self>, from: std::net::IpAddr) -> Router {
        let from = axum::Extension(crate::portal::Source(from));
        self.routes().layer(from)
    }

    /// True for somebody who is known already: the listener does not count them.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> bool {
        guard::cookie(headers, guard::VISIT).is_some_and(|cookie| self.visits.knows(&cookie))
            || self.bearers.knows(headers, (self.clock)())
    }
}

/// What every answer says, and how long any answer but a stream may take to begin.
async fn guarded(request: Request, next: Next) -> Response {
    let answer = match tokio::time::timeout(limits::HANDSHAKE_MAX, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => crate::operations::Refused::new(503, "this takes too long; nothing was shown")
            .hint("ask for less: a shorter time, fewer rows")
            .into_response(),
    };
    sealed(answer)
}

/// The heads that keep a page to itself.
fn sealed(mut answer: Response) -> Response {
    let heads = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        heads.insert(name, HeaderValue::from_static(value));
    }
    heads
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    answer
}
