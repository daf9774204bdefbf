//! The calls for what stands longer than one run, in the shapes of the admin API: what `--json` prints of `access` and
//! `approvals`. A call that acts does so with the proof it is sent with; there is no token in a body.

use super::{Answer, Call, Calls, Desk, Reason};
use crate::desk::Item;
use crate::standing::{Asked, Delegation, Finding, Grant, LinkedAccount, Mine, Review};
use crate::web::acts::{Away, Wanted};
use crate::web::guard::{Client, Problem, Sent};
use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// A whole number, however it is written: to JSON, `60.0` is an integer as `60` is.
pub(super) fn whole<'de, D: Deserializer<'de>>(number: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(number)?;
    let written = number.as_f64().filter(|n| n.fract() == 0.0);
    // Up to here every whole number has a float of its own (2^53).
    let written = written.filter(|n| (0.0..=9_007_199_254_740_992.0).contains(n));
    let whole = number.as_u64().or(written.map(|n| n as u64));
    whole.ok_or_else(|| D::Error::custom("a whole number is wanted"))
}

/// The same, or nothing.
pub(super) fn maybe_whole<'de, D: Deserializer<'de>>(number: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole")] u64);
    Ok(Option::<Whole>::deserialize(number)?.map(|Whole(number)| number))
}

/// A connection, in advance.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AccessAsked {
    /// The connection.
    #[schemars(length(min = 1, max = 200))]
    target: String,
    /// For so long; the longest that policy lets it when not given.
    #[serde(default, deserialize_with = "maybe_whole")]
    #[schemars(range(min = 1, max = 2_678_400))]
    seconds: Option<u64>,
    /// Why; recorded, and shown to approvers.
    #[schemars(length(min = 1, max = 1000), regex(pattern = r"\S"))]
    reason: String,
    /// The ticket it belongs to.
    #[serde(default)]
    #[schemars(length(max = 200))]
    ticket: Option<String>,
    /// Go ahead without an approval, where policy lets you; it is reviewed afterwards.
    #[serde(default)]
    break_glass: bool,
}

/// More time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MoreTime {
    /// For so long from now.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 2_678_400))]
    seconds: u64,
    /// Why; recorded, and shown to approvers.
    #[schemars(length(min = 1, max = 1000))]
    reason: String,
}

/// The word of a reviewer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Found {
    /// What was found.
    finding: Finding,
    /// In your words; recorded.
    #[schemars(length(min = 1, max = 1000))]
    text: String,
}

/// Somebody who stands in while you are away.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StandIn {
    /// `sub` of whoever stands in.
    #[schemars(length(min = 1, max = 400))]
    subject: String,
    /// `iss` of them; your own when not given.
    #[serde(default)]
    #[schemars(length(max = 400))]
    issuer: Option<String>,
    /// For so long.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 2_678_400))]
    seconds: u64,
    /// Why; recorded.
    #[schemars(length(min = 1, max = 1000))]
    reason: String,
}

/// A chat account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AccountAsked {
    /// What the account was given.
    #[schemars(length(min = 1, max = 100))]
    code: String,
    /// You have seen which account it is, and it is yours.
    #[serde(default)]
    confirm: bool,
}

pub(super) fn calls(calls: &mut Calls) {
    asking(calls);
    chatting(calls);
    looking_back(calls);
}

fn asking(calls: &mut Calls) {
    calls.add(
        Call::get("/api/v1/mine", "mine", "What you have asked for, and hold").gives::<Mine>(),
        get(mine),
    );
    calls.add(
        Call::post(
            "/api/v1/access",
            "requestAccess",
            "Ask for a connection in advance; breaking its glass takes a fresh proof",
        )
        .takes::<AccessAsked>()
        .gives::<Asked>(),
        post(request_access),
    );
    calls.add(
        Call::get(
            "/api/v1/grants",
            "grants",
            "Grants in force: your own, or all of them (approver, auditor, operator)",
        )
        .gives::<Vec<Grant>>(),
        get(grants),
    );
    calls.add(
        Call::get("/api/v1/grants/{id}", "grant", "One grant").gives::<Grant>(),
        get(grant),
    );
    calls.add(
        Call::post(
            "/api/v1/grants/{id}/end",
            "endGrant",
            "End a grant early, and the sessions it has opened: your own, or any (approver, operator)",
        )
        .takes::<Reason>()
        .gives::<Grant>(),
        post(end_grant),
    );
    calls.add(
        Call::post(
            "/api/v1/grants/{id}/extensions",
            "extend",
            "Ask for more time of a grant of your own",
        )
        .takes::<MoreTime>()
        .gives::<Asked>(),
        post(extend),
    );
}

fn chatting(calls: &mut Calls) {
    calls.add(
        Call::post(
            "/api/v1/accounts",
            "link",
            "Which chat account a code came from; with `confirm` it is linked to you, which takes a fresh proof",
        )
        .takes::<AccountAsked>()
        .gives::<LinkedAccount>(),
        post(link),
    );
}

fn looking_back(calls: &mut Calls) {
    calls.add(
        Call::get(
            "/api/v1/reviews",
            "reviews",
            "Reviews of broken glass: yours to see, or all of them (approver, auditor)",
        )
        .gives::<Vec<Review>>(),
        get(reviews),
    );
    calls.add(
        Call::get("/api/v1/reviews/{id}", "review", "One review").gives::<Review>(),
        get(review),
    );
    calls.add(
        Call::post(
            "/api/v1/reviews/{id}/finding",
            "closeReview",
            "Close a review with what you found, with your own fresh proof (its reviewers)",
        )
        .takes::<Found>()
        .gives::<Review>(),
        post(close_review),
    );
    calls.add(
        Call::get(
            "/api/v1/delegations",
            "delegations",
            "Who stands in for whom: as far as it is about you, or all of it (approver, auditor)",
        )
        .gives::<Vec<Delegation>>(),
        get(delegations),
    );
    calls.add(
        Call::post(
            "/api/v1/delegations",
            "delegate",
            "Have somebody stand in while you are away, with your own fresh proof; it gives no right",
        )
        .takes::<StandIn>()
        .gives::<Delegation>(),
        post(delegate),
    );
    calls.add(
        Call::post(
            "/api/v1/delegations/{id}/end",
            "endDelegation",
            "Take a delegation of your own back",
        )
        .takes::<Nothing>()
        .gives::<Delegation>(),
        post(end_delegation),
    );
}

/// Nothing more has to be said.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn all<T>(items: Vec<Item<T>>) -> Json<Vec<T>> {
    Json(items.into_iter().map(|item| item.it).collect())
}

async fn mine(State(console): Desk, Client(by): Client) -> Answer<Mine> {
    Ok(Json(console.mine(&by)?))
}

async fn request_access(State(console): Desk, Sent(by, asked): Sent<AccessAsked>) -> Answer<Asked> {
    let wanted = Wanted {
        target: asked.target,
        seconds: asked.seconds,
        reason: asked.reason,
        ticket: asked.ticket,
        break_glass: asked.break_glass,
    };
    let asked = console.request_access(&by, &wanted).await;
    asked.map(Json).map_err(|not| Problem(not.refused()))
}

async fn grants(State(console): Desk, Client(by): Client) -> Answer<Vec<Grant>> {
    Ok(all(console.grants(&by)?))
}

async fn grant(State(console): Desk, Client(by): Client, Path(id): Path<String>) -> Answer<Grant> {
    Ok(Json(console.grant(&by, &id)?.it))
}

async fn end_grant(
    State(console): Desk,
    Path(id): Path<String>,
    Sent(by, Reason { reason }): Sent<Reason>,
) -> Answer<Grant> {
    Ok(Json(console.end_grant(&by, &id, &reason)?))
}

async fn extend(
    State(console): Desk,
    Path(id): Path<String>,
    Sent(by, more): Sent<MoreTime>,
) -> Answer<Asked> {
    let asked = console.extend(&by, &id, more.seconds, &more.reason).await?;
    Ok(Json(asked))
}

async fn reviews(State(console): Desk, Client(by): Client) -> Answer<Vec<Review>> {
    Ok(all(console.reviews(&by)?))
}

async fn review(
    State(console): Desk,
    Client(by): Client,
    Path(id): Path<String>,
) -> Answer<Review> {
    Ok(Json(console.review(&by, &id)?.it))
}

async fn close_review(
    State(console): Desk,
    Path(id): Path<String>,
    Sent(by, found): Sent<Found>,
) -> Answer<Review> {
    let closed = console
        .close_review(&by, &id, found.finding, &found.text)
        .await;
    closed.map(Json).map_err(|not| Problem(not.refused()))
}

async fn delegations(State(console): Desk, Client(by): Client) -> Answer<Vec<Delegation>> {
    Ok(all(console.delegations(&by)?))
}

async fn delegate(State(console): Desk, Sent(by, wish): Sent<StandIn>) -> Answer<Delegation> {
    let away = Away {
        subject: wish.subject,
        issuer: wish.issuer,
        seconds: wish.seconds,
        reason: wish.reason,
    };
    let made = console.delegate(&by, &away).await;
    made.map(Json).map_err(|not| Problem(not.refused()))
}

async fn link(State(console): Desk, Sent(by, asked): Sent<AccountAsked>) -> Answer<LinkedAccount> {
    let linked = console.link(&by, &asked.code, asked.confirm).await;
    linked.map(Json).map_err(|not| Problem(not.refused()))
}

async fn end_delegation(
    State(console): Desk,
    Path(id): Path<String>,
    Sent(by, Nothing {}): Sent<Nothing>,
) -> Answer<Delegation> {
    Ok(Json(console.end_delegation(&by, &id).await?))
}
