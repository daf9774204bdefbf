//! The routes for what stands longer than one run.

use super::{Answer, Gateway, read};
use crate::door::Caller;
use crate::standing::{
    AccessWish, Asked, Bearer, Delegation, DelegationWish, Ending, Extension, Grant, LinkWish,
    LinkedAccount, Mine, Review, ReviewWord,
};
use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::routing::{delete, get, post};
use std::sync::Arc;

type Body<T> = Result<Json<T>, JsonRejection>;

pub(super) fn routes() -> Router<Arc<dyn crate::Operations>> {
    Router::new()
        .route("/v1/mine", post(mine))
        .route("/v1/access", post(request_access))
        .route("/v1/accounts", post(link))
        .route("/v1/grants", get(grants))
        .route("/v1/grants/{id}", delete(end_grant))
        .route("/v1/grants/{id}/extensions", post(extend))
        .route("/v1/reviews", get(reviews))
        .route("/v1/reviews/{id}", post(review))
        .route("/v1/delegations", get(delegations).post(delegate))
        .route("/v1/delegations/{id}", delete(end_delegation))
}

async fn mine(State(gateway): Gateway, body: Body<Bearer>) -> Answer<Mine> {
    gateway.mine(&read(body)?).await.map(Json)
}

async fn request_access(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body<AccessWish>,
) -> Answer<Asked> {
    gateway.request_access(&read(body)?, caller).await.map(Json)
}

async fn grants(State(gateway): Gateway) -> Json<Vec<Grant>> {
    Json(gateway.grants())
}

async fn end_grant(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(id): Path<String>,
    body: Body<Ending>,
) -> Answer<Grant> {
    let ending = read(body)?;
    gateway.end_grant(&id, &ending.reason, caller).map(Json)
}

async fn extend(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(id): Path<String>,
    body: Body<Extension>,
) -> Answer<Asked> {
    gateway.extend(&id, &read(body)?, caller).await.map(Json)
}

async fn reviews(State(gateway): Gateway) -> Json<Vec<Review>> {
    Json(gateway.reviews())
}

async fn review(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(id): Path<String>,
    body: Body<ReviewWord>,
) -> Answer<Review> {
    gateway.review(&id, &read(body)?, caller).await.map(Json)
}

async fn link(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body<LinkWish>,
) -> Answer<LinkedAccount> {
    gateway.link(&read(body)?, caller).await.map(Json)
}

async fn delegations(State(gateway): Gateway) -> Json<Vec<Delegation>> {
    Json(gateway.delegations())
}

async fn delegate(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body<DelegationWish>,
) -> Answer<Delegation> {
    gateway.delegate(&read(body)?, caller).await.map(Json)
}

async fn end_delegation(
    State(gateway): Gateway,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(id): Path<String>,
    body: Body<Bearer>,
) -> Answer<Delegation> {
    gateway
        .end_delegation(&id, &read(body)?, caller)
        .await
        .map(Json)
}
