//! Recorded sessions: the list with its search, one session step by step, and why a decision in it is what it is.

use super::super::Console;
use super::super::acts::{STEPS, session_id};
use super::super::frame::Sheet;
use super::super::guard::Person;
use super::super::role::{Page as Seen, Scope};
use super::{Page, asked, show};
use crate::archive::{Ask, Judged, Recorded, Said, Step, Steps, Volume};
use crate::bureau::Explained;
use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

pub(super) async fn list(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    RawQuery(query): RawQuery,
) -> Page {
    let ask: Ask = asked(query.as_deref())?;
    let found = console.sessions(&by, &ask).await?;
    let all = Seen::Sessions.scope(by.roles)? == Scope::All;
    let words = Seen::Replay.scope(by.roles)? == Scope::All || !all;
    let onwards = Ask {
        after: None,
        ..ask.clone()
    };
    let onwards = serde_urlencoded::to_string(&onwards).unwrap_or_default();
    let body = html! {
        h1 { @if all { "Sessions" } @else { "Your sessions" } }
        (search(&ask, words))
        @if found.sessions.is_empty() { (show::empty(nothing(&onwards, ask.after.is_some(), all))) }
        @else { (table(&found.sessions)) }
        (show::further("/console/sessions", &onwards, ask.after.is_some(), found.next.as_deref()))
    };
    Ok(Sheet::new("Sessions", "/console/sessions").show(&console, &by, &body))
}

/// Why there is nothing to see.
fn nothing(asked: &str, later: bool, all: bool) -> &'static str {
    match (asked.is_empty() && !later, all) {
        (false, _) => "Nothing fits. Look for less: one word, a longer time.",
        (true, true) => "Nothing fits: no session was recorded yet.",
        (true, false) => "Nothing fits: no session of yours was recorded yet.",
    }
}

fn search(ask: &Ask, words: bool) -> Markup {
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let option = |name: &str, label: &str, chosen: &Option<String>| {
        let is = chosen.as_deref().unwrap_or_default() == name;
        html! { option value=(name) selected[is] { (label) } }
    };
    html! {
        form.search method="get" action="/console/sessions" role="search" {
            @if words {
                label.grow { "Words in commands"
                    input type="search" name="q" value=(value(&ask.q)) accesskey="/" data-search placeholder="DROP TABLE, kubectl, …"; }
            }
            label { "Who" input name="who" value=(value(&ask.who)); }
            label { "Target" input name="target" value=(value(&ask.target)); }
            label { "Protocol"
                select name="protocol" {
                    (option("", "any", &ask.protocol))
                    @for name in ["postgres", "ssh", "kubernetes"] { (option(name, name, &ask.protocol)) }
                }
            }
            label { "State"
                select name="state" {
                    (option("", "any", &ask.state))
                    @for name in ["live", "sealed", "interrupted"] { (option(name, name, &ask.state)) }
                }
            }
            label { "From (UTC)" input type="date" name="since" value=(value(&ask.since)); }
            label { "To (UTC)" input type="date" name="until" value=(value(&ask.until)); }
            button.primary { "Search" }
        }
    }
}

fn table(sessions: &[Recorded]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Recorded sessions" {
            table.list {
                thead { tr {
                    th { "Began" } th { "Who" } th { "Target" } th { "State" } th.number { "Lasted" }
                    th.number { "Commands" } th.number { "Refused" } th.number { "Rows" } th.number { "Bytes" }
                } }
                tbody {
                    @for row in sessions {
                        tr {
                            td { a href={ "/console/sessions/" (row.id) } { (show::moment(&row.started)) } }
                            td { (row.name) }
                            td { (row.target) " " span.hint { (row.protocol) } }
                            td { (show::badge(&row.state)) }
                            td.number { (show::lasting(row.seconds)) }
                            td.number { (row.commands) }
                            td.number.bad[row.denied > 0] { (row.denied) }
                            td.number { (row.rows) }
                            td.number { (show::bytes(row.bytes)) }
                        }
                        @for hit in &row.hits {
                            tr.hit { td {} td colspan="8" {
                                a href={ "/console/sessions/" (row.id) "?after=" (hit.sequence.saturating_sub(1)) } { "#" (hit.sequence) } " " code { (hit.text) }
                            } }
                        }
                    }
                }
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct From {
    after: u64,
}

pub(super) async fn one(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Page {
    let id = session_id(&id)?;
    let from: From = asked(query.as_deref())?;
    let (volume, steps) = console.opened(&by, id, from.after, STEPS).await?;
    let explains = Seen::Explain.scope(by.roles).is_ok();
    let body = whole(&volume, steps.as_ref(), explains, from.after > 0);
    let title = format!("{} on {}", volume.session.name, volume.session.target);
    Ok(Sheet::new(&title, "/console/sessions").show(&console, &by, &body))
}

fn whole(volume: &Volume, steps: Option<&Steps>, explains: bool, later: bool) -> Markup {
    let session = &volume.session;
    html! {
        h1 { (session.name) " on " (session.target) " " (show::badge(&session.state)) }
        dl.facts.wide {
            dt { "Session" } dd { (show::id(&session.id)) }
            dt { "Identity" } dd { (session.subject) " at " (session.issuer) }
            dt { "Began" } dd { (show::moment(&session.started)) " for " (show::lasting(session.seconds)) }
            @if !session.reason.is_empty() { dt { "Ended" } dd { (session.reason) } }
            dt { "Counted" } dd {
                (session.commands) " commands, " (session.denied) " refused, " (session.rows) " rows, " (show::bytes(session.bytes))
            }
            @for fact in &volume.facts { dt { (fact.name) } dd { (fact.value) } }
        }
        @if session.state == "live" { p { a.button href={ "/console/live/" (session.id) } { "Watch it live" } } }
        @match steps {
            None => p.notice { "What was recorded is for the auditor. You see who, where and when." },
            Some(steps) => {
                @for reel in &volume.terminals {
                    p { a.button.primary href={ "/console/sessions/" (session.id) "/play?stream=" (reel.stream) } { "▶ Play " (reel.title) } }
                }
                h2 { "What happened" }
                @if later { p { a.button href={ "/console/sessions/" (session.id) } rel="first" { "From the beginning" } } }
                ol.steps {
                    @for step in &steps.steps { (told(session, step, explains)) }
                }
                @if let Some(next) = steps.next {
                    nav.pages { a.button href={ "/console/sessions/" (session.id) "?after=" (next) } accesskey="n" rel="next" { "What came then" } }
                }
            }
        }
    }
}

fn told(session: &Recorded, step: &Step, explains: bool) -> Markup {
    html! {
        li class={ "step " (step.kind) } id={ "e" (step.sequence) } {
            a.when href={ "#e" (step.sequence) } title=(step.at) { (show::offset(step.offset)) }
            div.what {
                span.head {
                    span.kind { (step.kind) } " " (step.head)
                    @if step.stream > 0 { " " span.hint { "stream " (step.stream) } }
                    @if let (Some(decision), true) = (step.decision, explains) {
                        " " a href={ "/console/sessions/" (session.id) "/decisions/" (decision) } { "why?" }
                    }
                }
                @if let Some(text) = &step.text { pre { (text) } }
                @if let Some(table) = &step.table { (show::rows(table)) }
                (show::facts(&step.facts))
            }
        }
    }
}

pub(super) async fn decision(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path((id, sequence)): Path<(String, u64)>,
) -> Page {
    let id = session_id(&id)?;
    let (judged, explained) = console.explain(&by, id, sequence).await?;
    let body = html! {
        h1 { "Decision " (sequence) " " (show::badge(&judged.verdict)) }
        (then(&judged))
        @if let Some(now) = &explained { (now_says(now, &judged)) }
        details.card {
            summary { "The input it was made on" }
            pre { (serde_json::to_string_pretty(&judged.input).unwrap_or_default()) }
        }
    };
    Ok(Sheet::new("Decision", "/console/sessions").show(&console, &by, &body))
}

fn then(judged: &Judged) -> Markup {
    html! {
        dl.facts.wide {
            dt { "Session" } dd { a href={ "/console/sessions/" (judged.session) "?after=" (judged.sequence.saturating_sub(1)) } { code { (judged.session) } } }
            dt { "When" } dd { (show::moment(&judged.at)) }
            dt { "Stage" } dd { (judged.stage) }
            dt { "Rule" } dd { code { (judged.rule) } }
            dt { "Policy" } dd { code { (judged.revision) } }
        }
        (said("What was said then", &judged.reasons))
        (said("What packs on trial would have said", &judged.would))
    }
}

fn said(title: &str, all: &[Said]) -> Markup {
    html! {
        @if !all.is_empty() {
            h2 { (title) }
            ul { @for one in all { li { code { (one.rule) } " (" (one.pack) ") " (one.msg) } } }
        }
    }
}

fn now_says(now: &Explained, then: &Judged) -> Markup {
    html! {
        h2 { "What the policy that serves now says " (show::badge(&now.verdict)) }
        @if now.verdict != then.verdict { p.notice { "It would come out differently today." } }
        p { "By " code { (now.rule) } ", revision " code { (now.revision) } "." }
        (said("What is said now", &now.reasons))
        @for pack in &now.packs {
            details.card open[pack.rules.iter().any(|r| r.spoke)] {
                summary {
                    (pack.pack) @if pack.on_trial { " (on trial)" }
                    @if !pack.asked { " " span.hint { "was not asked" } }
                }
                @if let Some(failure) = &pack.failure { p.notice.bad { (failure) } }
                ul {
                    @for rule in &pack.rules {
                        li {
                            span class=(if rule.spoke { "badge good" } else { "badge plain" }) { (if rule.spoke { "spoke" } else { "silent" }) }
                            " " code { (rule.rule) } " " span.hint { (rule.place) }
                            @if !rule.because.is_empty() { pre { (rule.because.join("\n")) } }
                        }
                    }
                }
            }
        }
    }
}
