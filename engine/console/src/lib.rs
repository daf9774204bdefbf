//! The admin API on a Unix socket, health and metrics on loopback, and the HTTPS listener for clients, with the console
//! and its JSON API.
//!
//! Whoever may open the socket (the gateway's own user, or root) may look, end sessions, revoke and
//! reload. It refuses one thing to everybody: voting. A vote needs the approver's own fresh token, so
//! that root on the node is not everybody's approver. Metrics carry names of rules and targets, never
//! identities, statements or values.

mod api;
pub mod archive;
pub mod bureau;
pub mod desk;
mod door;
mod health;
mod metrics;
mod operations;
mod portal;
mod standing;
pub mod web;

pub use api::router as admin_router;
pub use door::{Caller, Door, OpenDoor};
pub use health::router as health_router;
pub use metrics::{Metrics, Outcome};
pub use operations::{
    Approval, Ballot, Check, Choice, ConnectionRow, HoldWish, Kill, Operations, PluginRow, Refused,
    Reloaded, Revocation, SessionRow, Status, Vote,
};

pub use portal::{
    Begun, BrowserWish, Certified, Counter, DeviceBegun, DeviceWish, Entrance, Granted, Hooks,
    IssuedLogin, KeyWish, LoginWish, Offers, Portal, Returned, TokenError, TokenRequest, WhoAmI,
};

pub use standing::{
    AccessWish, Asked, Bearer, Delegation, DelegationWish, Ending, Extension, Finding, Grant,
    LinkWish, LinkedAccount, Mine, Review, ReviewWord, Standing,
};

use std::future::Future;
use std::sync::Arc;

/// Serves the admin API until `stop` resolves.
///
/// # Errors
/// When the socket breaks.
pub async fn serve_admin(
    door: Door,
    operations: Arc<dyn Operations>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = admin_router(operations).into_make_service_with_connect_info::<Caller>();
    axum::serve(door, service)
        .with_graceful_shutdown(stop)
        .await
}

/// Serves health and metrics until `stop` resolves.
///
/// # Errors
/// When the socket breaks.
pub async fn serve_health(
    listener: tokio::net::TcpListener,
    operations: Arc<dyn Operations>,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, health_router(operations, metrics))
        .with_graceful_shutdown(stop)
        .await
}
