//! The same as JSON, under `/api/v1`, for whoever has a token or a cookie. The list of calls is written once: routes and
//! the OpenAPI document are made of it, so that neither can have one that the other lacks.
//!
//! It refuses fields and parameters that it does not know, and answers every refusal as a problem (RFC 9457).

mod standing;

use super::Console;
use super::acts::{Cast, STEPS, session_id};
use super::guard::{Client, Problem, Sent};
use super::openapi::{self, Call, Calls, Means};
use super::pages;
use crate::archive::{Ask, EventAsk, Events, Found, Judged, PAGE_MAX, Steps, Trial, Volume};
use crate::bureau::{Explained, PluginView, PolicyView};
use crate::operations::{Approval, Choice, ConnectionRow, Refused, SessionRow};
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use portcullis_model::escape_line;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

type Desk = State<Arc<Console>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Who asks.
#[derive(Serialize, JsonSchema)]
pub(super) struct Me {
    /// What people call it.
    name: String,
    /// `iss`.
    issuer: String,
    /// `sub`.
    subject: String,
    /// Groups.
    groups: Vec<String>,
    /// `requester`, or what else policy gives: `approver`, `auditor`, `operator`.
    roles: Vec<String>,
    /// Until when the proof is good, RFC 3339.
    until: String,
    /// A vote would be taken without a further login.
    fresh: bool,
    /// With a cookie: what a request that changes something carries in `X-CSRF-Token`.
    csrf: Option<String>,
}

/// Something with a reason.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why; told to the client, and recorded.
    #[schemars(length(min = 1, max = 1000))]
    reason: String,
}

/// A vote. Whoever sends it votes, with the proof it is sent with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CastVote {
    /// Yes or no.
    choice: Choice,
    /// Why; recorded, and shown to whoever asked.
    #[schemars(length(min = 1, max = 1000))]
    reason: String,
    /// A yes: for so many seconds it is meant for the whole class, where the rule lets it be (`facts.reuse_seconds` at most).
    #[serde(default, deserialize_with = "standing::maybe_whole")]
    #[schemars(range(min = 1, max = 2_678_400))]
    reuse_seconds: Option<u64>,
}

/// It has ended.
#[derive(Serialize, JsonSchema)]
pub(super) struct Ended {
    /// The session.
    ended: String,
}

/// No entry has a greater number: whole numbers that every reader of JSON knows apart.
const AFTER_MAX: u64 = (1 << 53) - 1;

/// Where to go on in a session.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FromStep {
    /// The entry to go on after; from the beginning when not given.
    #[schemars(range(max = AFTER_MAX))]
    after: u64,
    /// Entries looked at: 200, and 500 at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
}

/// Which terminal.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WhichStream {
    /// The number of its stream; the first one when not given.
    #[schemars(range(max = 4_294_967_295_u32))]
    stream: Option<u32>,
}

/// A decision as it was made, and what comes out today.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explanation {
    /// As it is on record.
    then: Judged,
    /// What the set that serves now says, and why; null when the record does not hold the input.
    now: Option<Explained>,
}

/// Every call, with its route.
pub(super) fn calls() -> Calls {
    let mut calls = Calls::new();
    reading(&mut calls);
    deciding(&mut calls);
    standing::calls(&mut calls);
    recorded(&mut calls);
    setup(&mut calls);
    calls
}

fn reading(calls: &mut Calls) {
    calls.add(
        Call::get("/api/v1/me", "me", "Who asks, and with which roles").gives::<Me>(),
        get(me),
    );
    calls.add(
        Call::get("/api/v1/live", "live", "Live sessions, the newest first")
            .gives::<Vec<SessionRow>>(),
        get(live),
    );
    calls.add(
        Call::get("/api/v1/live/{session}", "liveOne", "One live session").gives::<SessionRow>(),
        get(live_one),
    );
    calls.add(
        Call::get(
            "/api/v1/live/{session}/feed",
            "feed",
            "A live session as it goes on, as server-sent events",
        )
        .streams("text/event-stream"),
        get(feed),
    );
    calls.add(
        Call::post(
            "/api/v1/live/{session}/kill",
            "kill",
            "End a live session (operator)",
        )
        .takes::<Reason>()
        .gives::<Ended>(),
        post(kill),
    );
}

fn deciding(calls: &mut Calls) {
    calls.add(
        Call::get(
            "/api/v1/approvals",
            "approvals",
            "Requests, what waits first: your own, or all of them (approver, auditor)",
        )
        .gives::<Vec<Approval>>(),
        get(approvals),
    );
    calls.add(
        Call::get("/api/v1/approvals/{id}", "approval", "One request").gives::<Approval>(),
        get(approval),
    );
    calls.add(
        Call::post(
            "/api/v1/approvals/{id}/votes",
            "vote",
            "Vote on a request with your own fresh proof (approver)",
        )
        .takes::<CastVote>()
        .gives::<Approval>(),
        post(vote),
    );
}

fn recorded(calls: &mut Calls) {
    calls.add(
        Call::get(
            "/api/v1/sessions",
            "sessions",
            "Recorded sessions, the newest first",
        )
        .asks::<Ask>()
        .gives::<Found>(),
        get(sessions),
    );
    calls.add(
        Call::get(
            "/api/v1/sessions/{session}",
            "session",
            "One recorded session",
        )
        .gives::<Volume>(),
        get(session),
    );
    calls.add(
        Call::get(
            "/api/v1/sessions/{session}/steps",
            "steps",
            "What happened in it; put on record as a viewing",
        )
        .asks::<FromStep>()
        .gives::<Steps>(),
        get(steps),
    );
    calls.add(
        Call::get(
            "/api/v1/sessions/{session}/film",
            "film",
            "A terminal of it, as lines of JSON; put on record as a viewing",
        )
        .asks::<WhichStream>()
        .streams("application/x-ndjson"),
        get(film),
    );
    calls.add(
        Call::get(
            "/api/v1/sessions/{session}/decisions/{sequence}",
            "decision",
            "A decision, explained (auditor)",
        )
        .gives::<Explanation>(),
        get(decision),
    );
    calls.add(
        Call::get(
            "/api/v1/events",
            "events",
            "Events of the node and security events, the newest first (auditor, operator)",
        )
        .asks::<EventAsk>()
        .gives::<Events>(),
        get(events),
    );
}

fn setup(calls: &mut Calls) {
    calls.add(
        Call::get(
            "/api/v1/connections",
            "connections",
            "What clients may ask for (auditor, operator)",
        )
        .gives::<Vec<ConnectionRow>>(),
        get(connections),
    );
    calls.add(
        Call::get(
            "/api/v1/policies",
            "policies",
            "The policy set that serves (auditor, operator)",
        )
        .gives::<PolicyView>(),
        get(policies),
    );
    calls.add(
        Call::get(
            "/api/v1/policies/trial",
            "trial",
            "What packs on trial would have said (auditor, operator)",
        )
        .gives::<Trial>(),
        get(trial),
    );
    calls.add(
        Call::get(
            "/api/v1/plugins",
            "plugins",
            "Plugins, with what they count (auditor, operator)",
        )
        .gives::<Vec<PluginView>>(),
        get(plugins),
    );
    calls.add(
        Call::get("/api/v1/openapi.json", "openapi", "This document")
            .open()
            .means(Means::Document),
        get(|| async { Json(openapi::document()) }),
    );
}

pub(super) fn routes() -> Router<Arc<Console>> {
    let mut router = Router::new();
    for (path, route) in calls().routes() {
        router = router.route(&path, route);
    }
    router
        .route("/api", get(nothing))
        .route("/api/{*rest}", axum::routing::any(nothing))
        .method_not_allowed_fallback(|| async {
            Problem(Refused::new(405, "this is not done here").hint("see /api/v1/openapi.json"))
        })
}

async fn nothing() -> Problem {
    Problem(Refused::new(404, "there is nothing here").hint("see /api/v1/openapi.json"))
}

/// The parameters of a query. A form may leave a field empty; a program leaves it out.
fn asked<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Problem> {
    let query = query.unwrap_or_default();
    let wrong = || {
        Problem(
            Refused::new(400, "the parameters are not what belongs here")
                .hint("send only those that /api/v1/openapi.json lists"),
        )
    };
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(|_| wrong())?;
    let empty = |(name, value): &(String, String)| {
        value.trim().is_empty() && matches!(name.as_str(), "after" | "since" | "until")
    };
    if pairs.iter().any(empty) {
        return Err(wrong());
    }
    serde_urlencoded::from_str(query).map_err(|_| wrong())
}

async fn me(State(console): Desk, Client(by): Client) -> Json<Me> {
    let who = &by.identity;
    Json(Me {
        name: escape_line(&who.name),
        issuer: escape_line(&who.principal.issuer),
        subject: escape_line(&who.principal.subject),
        groups: who.groups.iter().map(|g| escape_line(g)).collect(),
        roles: by.roles.names().into_iter().map(str::to_owned).collect(),
        until: who.expires.rfc3339(),
        fresh: console.is_fresh(&by),
        csrf: Some(by.csrf().to_owned()).filter(|csrf| !csrf.is_empty()),
    })
}

async fn live(State(console): Desk, Client(by): Client) -> Answer<Vec<SessionRow>> {
    Ok(Json(console.live(&by)?))
}

async fn live_one(
    State(console): Desk,
    Client(by): Client,
    Path(id): Path<String>,
) -> Answer<SessionRow> {
    Ok(Json(console.live_one(&by, session_id(&id)?)?))
}

async fn feed(
    State(console): Desk,
    Client(by): Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (feed, sight) = console.watch(&by, session_id(&id)?).await?;
    Ok(pages::events(feed, sight).into_response())
}

async fn kill(
    State(console): Desk,
    Path(id): Path<String>,
    Sent(by, Reason { reason }): Sent<Reason>,
) -> Answer<Ended> {
    console.kill(&by, session_id(&id)?, &reason)?;
    Ok(Json(Ended { ended: id }))
}

async fn approvals(State(console): Desk, Client(by): Client) -> Answer<Vec<Approval>> {
    Ok(Json(console.approvals(&by)?))
}

async fn approval(
    State(console): Desk,
    Client(by): Client,
    Path(id): Path<String>,
) -> Answer<Approval> {
    Ok(Json(console.approval(&by, &id)?))
}

async fn vote(
    State(console): Desk,
    Path(id): Path<String>,
    Sent(by, cast): Sent<CastVote>,
) -> Answer<Approval> {
    let cast = Cast {
        choice: cast.choice,
        reason: &cast.reason,
        reuse_seconds: cast.reuse_seconds,
    };
    let voted = console.vote(&by, &id, &cast).await;
    voted
        .map(Json)
        .map_err(|not_cast| Problem(not_cast.refused()))
}

async fn sessions(
    State(console): Desk,
    Client(by): Client,
    RawQuery(query): RawQuery,
) -> Answer<Found> {
    let ask: Ask = asked(query.as_deref())?;
    within(ask.limit)?;
    Ok(Json(console.sessions(&by, &ask).await?))
}

/// A page of a size that there is.
fn within(limit: Option<u32>) -> Result<(), Refused> {
    match limit {
        Some(limit) if !(1..=PAGE_MAX).contains(&limit) => {
            Err(Refused::new(400, "`limit` is from 1 to 500"))
        }
        _ => Ok(()),
    }
}

async fn session(
    State(console): Desk,
    Client(by): Client,
    Path(id): Path<String>,
) -> Answer<Volume> {
    Ok(Json(console.session(&by, session_id(&id)?).await?))
}

async fn steps(
    State(console): Desk,
    Client(by): Client,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Steps> {
    let from: FromStep = asked(query.as_deref())?;
    within(from.limit)?;
    if from.after > AFTER_MAX {
        return Err(Refused::new(400, "`after` is no entry: it is too great").into());
    }
    let most = from.limit.unwrap_or(STEPS);
    let steps = console.steps(&by, session_id(&id)?, from.after, most);
    Ok(Json(steps.await?))
}

async fn film(
    State(console): Desk,
    Client(by): Client,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let which: WhichStream = asked(query.as_deref())?;
    let (shots, sight) = console.film(&by, session_id(&id)?, which.stream).await?;
    Ok(pages::lines(shots, sight))
}

async fn decision(
    State(console): Desk,
    Client(by): Client,
    Path((id, sequence)): Path<(String, String)>,
) -> Answer<Explanation> {
    let sequence = sequence
        .parse()
        .map_err(|_| Refused::new(404, "there is no such decision"))?;
    let (then, now) = console.explain(&by, session_id(&id)?, sequence).await?;
    Ok(Json(Explanation { then, now }))
}

async fn events(
    State(console): Desk,
    Client(by): Client,
    RawQuery(query): RawQuery,
) -> Answer<Events> {
    let ask: EventAsk = asked(query.as_deref())?;
    within(ask.limit)?;
    Ok(Json(console.events(&by, &ask).await?))
}

async fn connections(State(console): Desk, Client(by): Client) -> Answer<Vec<ConnectionRow>> {
    Ok(Json(console.connections(&by)?))
}

async fn policies(State(console): Desk, Client(by): Client) -> Answer<PolicyView> {
    Ok(Json(console.policies(&by)?))
}

async fn trial(State(console): Desk, Client(by): Client) -> Answer<Trial> {
    Ok(Json(console.trial(&by).await?))
}

async fn plugins(State(console): Desk, Client(by): Client) -> Answer<Vec<PluginView>> {
    Ok(Json(console.plugins(&by)?))
}
