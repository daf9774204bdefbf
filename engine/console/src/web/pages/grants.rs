//! Grants in force: the list, and one with its end and more time. It refuses nothing itself: what may be done is asked
//! of the acts, and shown where it may.

use super::super::Console;
use super::super::frame::{self, Sheet};
use super::super::guard::{Person, Posted, Visitor};
use super::super::role::{Page as Seen, Scope};
use super::desk::{asked_length, length_field, tabs};
use super::{Page, show};
use crate::desk::Item;
use crate::standing::Grant;
use axum::extract::{Path, State};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

const HERE: &str = "/console/grants";

pub(super) async fn list(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let all = console.grants(&by)?;
    let everybody = Seen::Grants.scope(by.roles)? == Scope::All;
    let body = html! {
        h1 { @if everybody { "Grants" } @else { "Your grants" } }
        (tabs(&console, &by, HERE))
        p.hint { "What people have opened for a time: a connection, a class of commands, a broken glass. Each ends by itself." }
        @if all.is_empty() { (show::empty("No grant is in force.")) }
        @else { (table(&all)) }
    };
    let sheet = Sheet {
        again: Some(10),
        ..Sheet::new("Grants", "/console/approvals")
    };
    Ok(sheet.show(&console, &by, &body))
}

fn table(all: &[Item<Grant>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Grants" {
            table.list data-refresh="10" {
                thead { tr { th { "Id" } th { "For" } th { "Who" } th { "Target" } th { "What" } th.number { "Left" } th { "Until" } th.number { "Used" } } }
                tbody {
                    @for Item { it: grant, .. } in all {
                        tr {
                            td { a href={ (HERE) "/" (grant.id) } { (grant.id) } }
                            td { (show::badge(&grant.purpose)) }
                            td { (grant.holder) }
                            td { (grant.target) }
                            td.what { pre.one { (grant.shown) } }
                            td.number { (show::lasting(grant.remaining_seconds)) }
                            td { (show::moment(&grant.until)) }
                            td.number { (grant.uses) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn one(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
) -> Page {
    let grant = console.grant(&by, &id)?;
    let from = console.has_request(&by, &grant.it.request);
    let body = html! {
        h1 { "Grant " (show::id(&grant.it.id)) " " (show::badge(&grant.it.purpose)) }
        (tabs(&console, &by, HERE))
        (says(&grant.it))
        (facts(&grant.it, from))
        div.columns { (acts(&console, &by, &grant)) }
    };
    let title = format!("Grant {}", grant.it.id);
    Ok(Sheet::new(&title, "/console/approvals").show(&console, &by, &body))
}

fn says(grant: &Grant) -> Markup {
    let left = show::lasting(grant.remaining_seconds);
    html! {
        @if grant.purpose == "commands" {
            p.lead { (grant.holder) " may do this on " strong { (grant.target) } " for another " strong { (left) } ":" }
            pre.command tabindex="0" { (grant.shown) }
        } @else {
            p.lead { (grant.holder) " may connect to " strong { (grant.target) } " for another " strong { (left) } "." }
        }
    }
}

fn facts(grant: &Grant, from: bool) -> Markup {
    html! {
        dl.facts.wide {
            dt { "Until" } dd { (show::moment(&grant.until)) }
            dt { "Since" } dd { (show::moment(&grant.from)) }
            dt { "Reason" } dd { @if grant.reason.is_empty() { span.hint { "none was given" } } @else { (grant.reason) } }
            dt { "Approved by" } dd {
                @if grant.by.is_empty() { "nobody: the glass was broken" } @else { (grant.by.join(", ")) }
            }
            @if from { dt { "Request" } dd { a href={ "/console/approvals/" (grant.request) } { (grant.request) } } }
            @if let Some(class) = &grant.class {
                dt { "Covers" } dd { (covers(class)) }
            }
            dt { "Used" } dd { (grant.uses) @if grant.uses == 1 { " time" } @else { " times" } " since the gateway has started" }
        }
    }
}

/// What a class of commands is, in words.
pub(super) fn covers(class: &str) -> &'static str {
    match class {
        "objects" => "commands that do nothing worse, on no other objects",
        _ => "the same bytes, as often as they are sent",
    }
}

fn acts(console: &Console, by: &Visitor, grant: &Item<Grant>) -> Markup {
    let id = &grant.it.id;
    html! {
        @if grant.acts && grant.it.purpose == "access" {
            form.card.form method="post" action={ (HERE) "/" (id) "/extend" } {
                h2 { "Ask for more time" }
                input type="hidden" name="csrf" value=(by.csrf());
                (length_field("For how long from now", "", true))
                label { "Why; the same people vote on it as if it were new"
                    textarea name="reason" rows="2" required maxlength="1000" {} }
                div.buttons { button.primary { "Ask" } }
            }
        }
        @if console.may_end(by, grant) {
            form.card.form method="post" action={ (HERE) "/" (id) "/end" } {
                h2 { "End it now" }
                input type="hidden" name="csrf" value=(by.csrf());
                label { "Why; recorded. Sessions that it has opened end with it"
                    textarea name="reason" rows="2" required maxlength="1000" {} }
                div.buttons { button.danger accesskey="k" { "End it" } }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    reason: String,
}

pub(super) async fn end(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(by, End { reason }): Posted<End>,
) -> Page {
    console.end_grant(&by, &id, &reason)?;
    Ok(frame::see(HERE))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extend {
    lasts: String,
    reason: String,
}

pub(super) async fn extend(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(by, Extend { lasts, reason }): Posted<Extend>,
) -> Page {
    let seconds = asked_length(&lasts)?;
    let asked = console.extend(&by, &id, seconds, &reason).await?;
    let next = match (&asked.request, &asked.grant) {
        (Some(request), None) => format!("/console/approvals/{}", request.id),
        (_, Some(grant)) => format!("{HERE}/{}", grant.id),
        (None, None) => HERE.to_owned(),
    };
    Ok(frame::see(&next))
}
