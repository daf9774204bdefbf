//! Live sessions: who, on what, doing what; the commands of one as they come, and its end.

use super::super::Console;
use super::super::acts::{Outlook, Sight, session_id};
use super::super::frame::{self, Sheet};
use super::super::guard::{Person, Posted};
use super::super::role::{Page as Seen, Scope};
use super::{Page, show};
use crate::bureau::Watched;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use maud::html;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};

/// How often it is looked whether whoever watches still may.
pub(super) const LOOK: Duration = Duration::from_secs(2);

pub(super) async fn list(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let rows = console.live(&by)?;
    let all = Seen::Live.scope(by.roles)? == Scope::All;
    let body = html! {
        h1 { @if all { "Live sessions" } @else { "Your live sessions" } " " span.count { (rows.len()) } }
        @if rows.is_empty() { (show::empty("Nobody is connected.")) }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Live sessions" {
                table.list data-refresh="5" {
                    thead { tr {
                        th { "Who" } th { "Target" } th { "Since" } th { "Doing" }
                        th.number { "Commands" } th.number { "Refused" } th.number { "Rows" } th.number { "Bytes" } th { "From" }
                    } }
                    tbody {
                        @for row in &rows {
                            tr {
                                td { a href={ "/console/live/" (row.id) } { (row.name) } " " span.hint { (row.kind) } }
                                td { (row.target) " " span.hint { "as " (row.login) } }
                                td { (show::moment(&row.started)) }
                                td.what { code { (row.doing) } }
                                td.number { (row.commands) }
                                td.number.bad[row.denied > 0] { (row.denied) }
                                td.number { (row.rows) }
                                td.number { (show::bytes(row.bytes)) }
                                td { (row.address) }
                            }
                        }
                    }
                }
            }
        }
    };
    let sheet = Sheet {
        again: Some(10),
        ..Sheet::new("Live sessions", "/console/live")
    };
    Ok(sheet.show(&console, &by, &body))
}

pub(super) async fn one(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
) -> Page {
    let id = session_id(&id)?;
    let row = match console.live_one(&by, id) {
        Ok(row) => row,
        // It has ended: what was recorded of it is elsewhere.
        Err(_) => return Ok(frame::see(&format!("/console/sessions/{id}"))),
    };
    let may_kill = Seen::Kill.scope(by.roles).is_ok();
    let body = html! {
        h1 { (row.name) " on " (row.target) " " (show::badge("live")) }
        dl.facts.wide {
            dt { "Session" } dd { a href={ "/console/sessions/" (row.id) } { code { (row.id) } } }
            dt { "Identity" } dd { (row.subject) " at " (row.issuer) " (" (row.kind) ")" }
            dt { "Login" } dd { (row.login) }
            dt { "From" } dd { (row.address) }
            dt { "Since" } dd { (show::moment(&row.started)) }
            @if let Some(ends) = &row.ends { dt { "Ends by itself" } dd { (show::moment(ends)) } }
            dt { "Doing" } dd { code { (row.doing) } }
        }
        @if may_kill {
            details.card {
                summary accesskey="k" { "End this session" }
                form.inline method="post" action={ "/console/live/" (row.id) "/kill" } {
                    input type="hidden" name="csrf" value=(by.csrf());
                    label { "Reason, told to the client and recorded"
                        input name="reason" required maxlength="500" autocomplete="off"; }
                    button.danger { "End it" }
                }
            }
        }
        h2 { "As it comes" }
        p.hint #feed-state role="status" { "This list needs a script; without one, open the recording." }
        ol.steps.feed #feed data-feed={ "/console/live/" (row.id) "/feed" } aria-live="polite" {}
    };
    let title = format!("{} on {}", row.name, row.target);
    let sheet = Sheet {
        scripts: &["live.js"],
        ..Sheet::new(&title, "/console/live")
    };
    Ok(sheet.show(&console, &by, &body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    reason: String,
}

pub(super) async fn kill(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(by, Kill { reason }): Posted<Kill>,
) -> Page {
    console.kill(&by, session_id(&id)?, &reason)?;
    Ok(frame::see("/console/live"))
}

pub(super) async fn feed(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
) -> Page {
    let (feed, sight) = console.watch(&by, session_id(&id)?).await?;
    Ok(events(feed, sight).into_response())
}

struct Watching {
    feed: mpsc::Receiver<Watched>,
    sight: Sight,
    look: Interval,
    /// Events that were sent.
    sent: u64,
    rests: bool,
    over: bool,
}

impl Watching {
    async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                // First whether it may be seen, then what.
                biased;
                _ = self.look.tick() => {
                    let outlook = self.sight.outlook();
                    self.rests = outlook == Outlook::Rests;
                    if let Outlook::Over(why) = outlook {
                        self.over = true;
                        return Event::default().event("over").data(why);
                    }
                }
                next = self.feed.recv(), if !self.rests => return match next {
                    Some(Watched::Step(step)) => told("step", &step),
                    Some(Watched::Skipped(count)) => told("skipped", &count),
                    None => {
                        self.over = true;
                        Event::default().event("over").data("the session has ended")
                    }
                },
            }
        }
    }
}

/// What comes, until the session or the right to see it is over. Each event has a number of its own: several may come of
/// one entry.
pub(in crate::web) fn events(feed: mpsc::Receiver<Watched>, sight: Sight) -> impl IntoResponse {
    let watching = Watching {
        feed,
        // Nothing goes before the first look.
        rests: sight.outlook() != Outlook::Goes,
        sight,
        look: interval(LOOK),
        sent: 0,
        over: false,
    };
    let events = stream::unfold(watching, |mut w| async move {
        if w.over {
            return None;
        }
        let event = w.next().await;
        w.sent += 1;
        Some((Ok::<_, Infallible>(event.id(w.sent.to_string())), w))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

fn told(name: &str, what: &impl serde::Serialize) -> Event {
    let event = Event::default().event(name);
    // The JSON of our own types has no line breaks.
    event.data(serde_json::to_string(what).unwrap_or_default())
}
