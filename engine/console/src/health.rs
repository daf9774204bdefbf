//! `/healthz`, `/readyz` and `/metrics`, without authentication, on loopback: whoever opens the listener
//! refuses any other address. Nothing here names an identity.

use crate::metrics::Metrics;
use crate::operations::Operations;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;

#[derive(Clone)]
struct Seen {
    operations: Arc<dyn Operations>,
    metrics: Arc<Metrics>,
}

/// The routes.
pub fn router(operations: Arc<dyn Operations>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(Seen {
            operations,
            metrics,
        })
}

async fn ready(State(seen): State<Seen>) -> Response {
    let checks = seen.operations.readiness();
    let status = if checks.iter().all(|check| check.ok) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(checks)).into_response()
}

async fn scrape(State(seen): State<Seen>) -> Response {
    seen.operations.measure();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], seen.metrics.encode()).into_response()
}
