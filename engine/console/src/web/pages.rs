//! The pages. Each asks [`super::acts`] and shows what it says; none knows a rule of its own. It refuses to be shown to
//! nobody: every handler takes a person.

mod access;
mod approvals;
mod delegations;
mod desk;
mod grants;
mod home;
mod live;
mod replay;
mod reviews;
mod sessions;
mod setup;
mod show;

use super::Console;
use super::frame;
use crate::operations::Refused;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;

/// A refusal, as a page.
pub(super) struct Shown(Refused);

impl From<Refused> for Shown {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        frame::refusal(&self.0)
    }
}

pub(super) use live::events;
pub(super) use replay::lines;

type Page = Result<Response, Shown>;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/", get(|| async { frame::see("/console") }))
        .route("/console", get(home::page))
        .route("/console/live", get(live::list))
        .route("/console/live/{id}", get(live::one))
        .route("/console/live/{id}/feed", get(live::feed))
        .route("/console/live/{id}/kill", post(live::kill))
        .route("/console/sessions", get(sessions::list))
        .route("/console/sessions/{id}", get(sessions::one))
        .route("/console/sessions/{id}/play", get(replay::player))
        .route("/console/sessions/{id}/film", get(replay::film))
        .route(
            "/console/sessions/{id}/decisions/{sequence}",
            get(sessions::decision),
        )
        .route("/console/approvals", get(approvals::list))
        .route("/console/approvals/{id}", get(approvals::one))
        .route("/console/approvals/{id}/vote", post(approvals::vote))
        .merge(standing())
        .route("/console/connections", get(setup::connections))
        .route("/console/policies", get(setup::policies))
        .route("/console/policies/trial", get(setup::trial))
        .route("/console/plugins", get(setup::plugins))
        .route("/console/events", get(setup::events))
        .route(
            "/console/{*rest}",
            get(|| async { Shown(Refused::new(404, "there is no such page")) }),
        )
}

/// What stands longer than one run.
fn standing() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/access", get(access::form).post(access::ask))
        .route("/console/grants", get(grants::list))
        .route("/console/grants/{id}", get(grants::one))
        .route("/console/grants/{id}/end", post(grants::end))
        .route("/console/grants/{id}/extend", post(grants::extend))
        .route("/console/reviews", get(reviews::list))
        .route(
            "/console/reviews/{id}",
            get(reviews::one).post(reviews::close),
        )
        .route(
            "/console/delegations",
            get(delegations::list).post(delegations::give),
        )
        .route(
            "/console/delegations/{id}/end",
            post(delegations::take_back),
        )
}

/// What a page is asked for.
fn asked<T: serde::de::DeserializeOwned>(query: Option<&str>) -> Result<T, Refused> {
    serde_urlencoded::from_str(query.unwrap_or_default())
        .map_err(|_| Refused::new(400, "the address asks for something that is not there"))
}
