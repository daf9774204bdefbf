//! The routes of the admin API, version 1: JSON in, JSON out. Bodies are bounded; unknown fields are
//! refused. It decides nothing: each route is one call of [`Operations`].

mod standing;

use crate::door::Caller;
use crate::operations::{
    Approval, Ballot, HoldWish, Kill, Operations, Refused, Reloaded, Revocation,
};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use portcullis_model::SessionId;
use serde_json::{Value, json};
use std::sync::Arc;

/// A token is at most 16 KiB (`limits::PROOF_BYTES_MAX`); the rest is a reason.
const BODY_BYTES_MAX: usize = 64 * 1024;

type Gateway = State<Arc<dyn Operations>>;
type Answer<T> = Result<Json<T>, Refused>;

/// The routes.
pub fn router(operations: Arc<dyn Operations>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}", get(session).delete(kill))
        .route("/v1/revocations", post(revoke))
        .route("/v1/approvals", get(approvals))
        .route("/v1/approvals/{id}", get(approval))
        .route("/v1/approvals/{id}/votes", post(vote))
        .route("/v1/holds", get(holds).post(hold))
        .route("/v1/holds/{id}", axum::routing::delete(release))
        .route("/v1/connections", get(connections))
        .route("/v1/reload", post(reload))
        .route("/v1/journal/public-key", get(public_key))
        .merge(standing::routes())
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(operations)
}

async fn status(State(gateway): Gateway) -> Response {
    Json(gateway.status()).into_response()
}

async fn sessions(State(gateway): Gateway) -> Response {
    Json(gateway.sessions()).into_response()
}

async fn session(State(gateway): Gateway, Path(id): Path<String>) -> Response {
    let found = gateway
        .sessions()
        .into_iter()
        .find(|row| row.id.to_string() == id);
    match found {
        Some(row) => Json(row).into_response(),
        None => no_session(&id).into_response(),
    }
}

async fn kill(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(id): Path<String>,
    body: Result<Json<Kill>, JsonRejection>,
) -> Answer<Value> {
    let kill = read(body)?;
    let id: SessionId = id.parse().map_err(|_| no_session(&id))?;
    gateway.kill(id, &kill, caller)?;
    Ok(Json(json!({ "ended": id })))
}

async fn revoke(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Result<Json<Revocation>, JsonRejection>,
) -> Answer<Value> {
    let ended = gateway.revoke(&read(body)?, caller)?;
    Ok(Json(json!({ "ended": ended })))
}

async fn approvals(State(gateway): Gateway) -> Response {
    Json(gateway.approvals()).into_response()
}

async fn approval(State(gateway): Gateway, Path(id): Path<String>) -> Answer<Approval> {
    gateway
        .approvals()
        .into_iter()
        .find(|approval| approval.id == id)
        .map(Json)
        .ok_or_else(|| {
            Refused::new(404, format!("there is no request {id}"))
                .hint("`portcullis approvals list` shows what waits")
        })
}

async fn vote(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(id): Path<String>,
    body: Result<Json<Ballot>, JsonRejection>,
) -> Answer<Approval> {
    let ballot = read(body)?;
    gateway.vote(&id, &ballot, caller).await.map(Json)
}

async fn holds(State(gateway): Gateway) -> Answer<Vec<Value>> {
    gateway.holds().await.map(Json)
}

async fn hold(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Result<Json<HoldWish>, JsonRejection>,
) -> Answer<Value> {
    gateway.hold(&read(body)?, caller).map(Json)
}

async fn release(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(id): Path<String>,
    body: Result<Json<Kill>, JsonRejection>,
) -> Answer<Value> {
    let reason = read(body)?;
    gateway.release(&id, &reason, caller).await?;
    Ok(Json(json!({ "released": id })))
}

async fn connections(State(gateway): Gateway) -> Response {
    Json(gateway.connections()).into_response()
}

async fn reload(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
) -> Answer<Reloaded> {
    gateway.reload(caller).await.map(Json)
}

async fn public_key(State(gateway): Gateway) -> Response {
    Json(json!({ "public_key": gateway.journal_public_key() })).into_response()
}

async fn nothing() -> Refused {
    Refused::new(404, "there is nothing here").hint("the API stands under /v1")
}

fn no_session(id: &str) -> Refused {
    Refused::new(404, format!("there is no live session {id}"))
        .hint("`portcullis sessions list` shows them")
}

/// The body, or why not. The rejection's own text may quote the body, which may hold a token.
fn read<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refused> {
    body.map(|Json(value)| value).map_err(|rejection| {
        Refused::new(
            rejection.status().as_u16(),
            "the body is not what belongs here",
        )
        .hint("send application/json with exactly the fields of the API")
    })
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}
