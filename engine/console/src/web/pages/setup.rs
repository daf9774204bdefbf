//! How the node is set up and what it says of itself: connections, policies, plugins, events.

use super::super::Console;
use super::super::frame::Sheet;
use super::super::guard::Person;
use super::{Page, asked, show};
use crate::archive::{EventAsk, Trial};
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use std::sync::Arc;

pub(super) async fn connections(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let rows = console.connections(&by)?;
    let body = html! {
        h1 { "Connections" }
        @if rows.is_empty() { (show::empty("Clients can connect to nothing: the configuration has no connections.")) }
        @else { div.scroll tabindex="0" role="region" aria-label="Connections" {
            table.list {
                thead { tr { th { "Name" } th { "Protocol" } th { "Leads to" } th { "Database" } th { "Credential" } th { "TLS" } th { "Labels" } } }
                tbody {
                    @for row in &rows {
                        tr {
                            td { strong { (row.name) } }
                            td { (row.protocol) }
                            td { code { (row.address) } }
                            td { (row.database) }
                            td { (row.credential) }
                            td { (row.tls) }
                            td { @for (name, value) in &row.labels { span.label { (name) ": " (value) } " " } }
                        }
                    }
                }
            }
        } }
    };
    Ok(Sheet::new("Connections", "/console/connections").show(&console, &by, &body))
}

pub(super) async fn policies(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let view = console.policies(&by)?;
    let trials = view.packs.iter().any(|pack| pack.on_trial);
    let body = html! {
        h1 { "Policies" }
        dl.facts.wide {
            dt { "Revision" } dd { code { (view.revision) } }
            dt { "Tests" } dd { (view.tests) " passed before it served" }
        }
        @if trials { p { a.button href="/console/policies/trial" { "What packs on trial would have said" } } }
        h2 { "Packs" }
        @for pack in &view.packs {
            details.card {
                summary { strong { (pack.name) } " " span.hint { (pack.rules.len()) " rules" } @if pack.on_trial { " " (show::badge("on trial")) } }
                div.scroll { table.list {
                    thead { tr { th { "Says" } th { "Rule" } th { "Stands at" } } }
                    tbody { @for rule in &pack.rules {
                        tr { td { (rule.set) } td { code { (rule.says) } } td.hint { (rule.place) } }
                    } }
                } }
            }
        }
    };
    Ok(Sheet::new("Policies", "/console/policies").show(&console, &by, &body))
}

pub(super) async fn trial(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let trial = console.trial(&by).await?;
    let sheet = Sheet::new("Packs on trial", "/console/policies");
    Ok(sheet.show(&console, &by, &on_trial(&trial)))
}

fn on_trial(trial: &Trial) -> Markup {
    html! {
        h1 { "What packs on trial would have said" }
        p.hint {
            (trial.decisions) " decisions were looked at"
            @if let Some(since) = &trial.since { ", since " (show::moment(since)) }
            "."
        }
        @if !trial.rules.is_empty() {
            div.scroll { table.list {
                thead { tr { th { "Pack" } th { "Rule" } th.number { "Times" } th.number { "Went through" } th { "For example" } } }
                tbody { @for row in &trial.rules {
                    tr {
                        td { (row.pack) } td { code { (row.rule) } }
                        td.number { (row.count) } td.number { (row.allowed) }
                        td.what {
                            @if let (Some(hit), Some(session)) = (&row.example, &row.session) {
                                a href={ "/console/sessions/" (session) "?after=" (hit.sequence.saturating_sub(1)) } { "#" (hit.sequence) }
                                " " code { (hit.text) }
                            }
                        }
                    }
                } }
            } }
        }
    }
}

pub(super) async fn plugins(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let rows = console.plugins(&by)?;
    let body = html! {
        h1 { "Plugins" }
        @if rows.is_empty() { (show::empty("No plugin is in use.")) }
        @else { div.scroll tabindex="0" role="region" aria-label="Plugins" {
            table.list {
                thead { tr {
                    th { "Name" } th.number { "Calls" } th.number { "Failures" } th.number { "Seconds" } th.number { "Edits" }
                    th.number { "Bytes" } th.number { "Live" } th.number { "Quarantined" } th { "SHA-256" }
                } }
                tbody {
                    @for row in &rows {
                        tr {
                            td { strong { (row.name) } }
                            td.number { (row.calls) }
                            td.number.bad[row.failures > 0] { (row.failures) }
                            td.number { (format!("{:.3}", row.seconds)) }
                            td.number { (row.edits) }
                            td.number { (show::bytes(row.bytes)) }
                            td.number { (row.live) }
                            td.number.bad[row.quarantined > 0] { (row.quarantined) }
                            td { code.digest title=(row.sha256) { (row.sha256) } }
                        }
                        @if !row.counters.is_empty() {
                            tr.hit { td {} td colspan="8" {
                                @for counter in &row.counters { span.label { (counter.name) ": " (counter.value) } " " }
                            } }
                        }
                    }
                }
            }
        } }
    };
    Ok(Sheet::new("Plugins", "/console/plugins").show(&console, &by, &body))
}

pub(super) async fn events(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    RawQuery(query): RawQuery,
) -> Page {
    let ask: EventAsk = asked(query.as_deref())?;
    let found = console.events(&by, &ask).await?;
    let onwards = EventAsk {
        after: None,
        ..ask.clone()
    };
    let onwards = serde_urlencoded::to_string(&onwards).unwrap_or_default();
    let kind = ask.kind.clone().unwrap_or_default();
    let body = html! {
        h1 { "Events" }
        form.search method="get" action="/console/events" role="search" {
            label.grow { "Words" input type="search" name="q" value=(ask.q.clone().unwrap_or_default()) accesskey="/" data-search; }
            label { "Of" select name="kind" {
                @for (value, words) in [("", "all"), ("security", "sessions: security"), ("node", "the node")] {
                    option value=(value) selected[kind == value] { (words) }
                }
            } }
            button.primary { "Search" }
        }
        @if found.events.is_empty() { (show::empty("Nothing fits.")) }
        @else { div.scroll tabindex="0" role="region" aria-label="Events" { table.list {
            thead { tr { th { "When" } th { "What" } th { "Session" } th { "More" } } }
            tbody {
                @for event in &found.events {
                    tr {
                        td { (show::moment(&event.at)) }
                        td { (show::badge(if event.kind == "security" { "security" } else { "node" })) " " code { (event.event) } }
                        td { @if let Some(session) = &event.session { a href={ "/console/sessions/" (session) } { code.digest { (session) } } } }
                        td { (show::facts(&event.facts)) }
                    }
                }
            }
        } } }
        (show::further("/console/events", &onwards, ask.after.is_some(), found.next.as_deref()))
    };
    Ok(Sheet::new("Events", "/console/events").show(&console, &by, &body))
}
