//! Requests at the approval desk: what waits, one of them with everything an approver should see, and the vote.

use super::super::Console;
use super::super::acts::NotCast;
use super::super::frame::{self, Sheet};
use super::super::guard::{Person, Posted, Via, Visitor};
use super::super::role::{Page as Seen, Scope};
use super::{Page, Shown, show};
use crate::operations::{Approval, Choice};
use axum::extract::{Path, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Facts in this order, by these names; what else there is follows.
const ORDER: [(&str, &str); 12] = [
    ("reason", "Reason"),
    ("ticket", "Ticket"),
    ("subject", "Subject"),
    ("issuer", "Issuer"),
    ("kind", "Kind"),
    ("groups", "Groups"),
    ("actors", "Acting through"),
    ("owner", "Owner"),
    ("login", "Login"),
    ("address", "From"),
    ("program", "Program"),
    ("labels", "Labels of the target"),
];

pub(super) async fn list(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let all = console.approvals(&by)?;
    let everybody = Seen::Approvals.scope(by.roles)? == Scope::All;
    let body = html! {
        h1 { @if everybody { "Approvals" } @else { "Your requests" } }
        @if all.is_empty() { p.hint { "Nothing waits." } }
        @else {
            div.scroll {
                table.list data-refresh="5" {
                    thead { tr { th { "Id" } th { "State" } th { "Who" } th { "Target" } th { "What" } th { "Votes" } th { "Until" } } }
                    tbody {
                        @for a in &all {
                            tr {
                                td { a href={ "/console/approvals/" (a.id) } { (a.id) } }
                                td { (show::badge(&a.state)) }
                                td { (a.requester) }
                                td { (a.target) }
                                td.what { pre.one { (a.shown) } }
                                td { (a.votes.len()) " of " (a.approvers) }
                                td { (show::moment(&a.expires)) }
                            }
                        }
                    }
                }
            }
        }
    };
    let sheet = Sheet {
        again: Some(10),
        ..Sheet::new("Approvals", "/console/approvals")
    };
    Ok(sheet.show(&console, &by, &body))
}

pub(super) async fn one(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
) -> Page {
    let approval = console.approval(&by, &id)?;
    let body = html! {
        h1 { "Request " (approval.id) " " (show::badge(&approval.state)) }
        p.lead { (approval.requester) " asks to run this on " strong { (approval.target) } ":" }
        pre.command tabindex="0" { (approval.shown) }
        @if console.may_vote(&by, &approval) { (ballot(&console, &by, &approval)) }
        div.columns {
            section.card { h2 { "Who asks" } (who(&approval)) }
            section.card { h2 { "Where it would run" } (context(&approval)) }
            section.card { h2 { "What it is" } (class(&approval)) (required(&approval)) }
        }
        (votes(&approval))
    };
    let title = format!("Request {}", approval.id);
    Ok(Sheet::new(&title, "/console/approvals").show(&console, &by, &body))
}

fn ballot(console: &Console, by: &Visitor, approval: &Approval) -> Markup {
    let again = fresh(by, &approval.id);
    html! {
        @if console.is_fresh(by) {
            form.card.vote method="post" action={ "/console/approvals/" (approval.id) "/vote" } {
                input type="hidden" name="csrf" value=(by.csrf());
                label { "Why; recorded and shown to whoever asked"
                    textarea name="reason" rows="2" required maxlength="1000" {} }
                div.buttons {
                    button.primary name="choice" value="approve" accesskey="y" { "Approve" }
                    button.danger name="choice" value="deny" accesskey="d" { "Deny" }
                    span.hint { "until " (show::moment(&approval.expires)) }
                }
            }
        } @else {
            p.notice {
                "A vote needs a fresh login. " a.button.primary href=(again) accesskey="l" { "Prove who you are again" }
            }
        }
    }
}

/// The way to a fresh login at the same provider, and back to the request.
fn fresh(by: &Visitor, id: &str) -> String {
    let next = format!("/console/approvals/{id}");
    let mut query = vec![("next", next.as_str()), ("fresh", "true")];
    if let Via::Visit(visit) = &by.via
        && let Some(provider) = &visit.provider
    {
        query.push(("provider", provider));
    }
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    format!("/console/login/begin?{query}")
}

/// A value of a request, as people read it.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let words: Vec<_> = items.iter().filter_map(words).collect();
            Some(words.join(", "))
        }
        Value::Object(fields) if fields.is_empty() => None,
        Value::Object(fields) => {
            let pairs = fields
                .iter()
                .filter_map(|(k, v)| Some(format!("{k}: {}", words(v)?)));
            let pairs: Vec<_> = pairs.collect();
            Some(pairs.join("; "))
        }
        other => Some(other.to_string()),
    }
}

fn list_of<'a>(pairs: impl Iterator<Item = (String, &'a Value)>) -> Markup {
    let pairs: Vec<_> = pairs
        .filter_map(|(name, v)| Some((name, words(v)?)))
        .collect();
    html! {
        @if pairs.is_empty() { p.hint { "Nothing is known." } }
        dl.facts { @for (name, value) in &pairs { dt { (name) } dd { (value) } } }
    }
}

fn who(approval: &Approval) -> Markup {
    let facts = &approval.facts;
    let known = ORDER
        .iter()
        .filter_map(|(k, name)| Some(((*name).to_owned(), facts.get(*k)?)));
    html! {
        (list_of(known))
        @if let Some(session) = facts.get("session").and_then(Value::as_str) {
            p { a href={ "/console/sessions/" (session) } { "Its session" } }
        }
    }
}

/// Role, search_path, settings, what shadows what, and the transaction.
fn context(approval: &Approval) -> Markup {
    let context = approval.facts.get("context").and_then(Value::as_object);
    let shadows = context
        .and_then(|c| c.get("shadows"))
        .and_then(Value::as_array);
    html! {
        @if shadows.is_some_and(|s| !s.is_empty()) {
            p.notice.bad { "Temporary objects stand in front of others of the same name." }
        }
        (list_of(context.into_iter().flatten().map(|(name, v)| (name.replace('_', " "), v))))
    }
}

/// Effect, risk, labels, findings, and what it touches.
fn class(approval: &Approval) -> Markup {
    let class = approval.facts.get("class").and_then(Value::as_object);
    let fields = class.into_iter().flatten();
    let fields = fields.filter(|(name, _)| !matches!(name.as_str(), "verbs" | "objects"));
    let objects = class
        .and_then(|c| c.get("objects"))
        .and_then(Value::as_array);
    html! {
        (list_of(fields.map(|(name, v)| (name.clone(), v))))
        @for object in objects.into_iter().flatten() {
            p.object { span.label { (part(object, "kind")) } " " code { (named(object)) } @if object["write"] == true { " " (show::badge("written")) } }
        }
    }
}

fn part(object: &Value, name: &str) -> String {
    object
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn named(object: &Value) -> String {
    let (schema, name) = (part(object, "schema"), part(object, "name"));
    match schema.is_empty() {
        true => name,
        false => format!("{schema}.{name}"),
    }
}

fn required(approval: &Approval) -> Markup {
    let msgs = approval.facts.get("messages").and_then(Value::as_array);
    let msgs = msgs.into_iter().flatten().filter_map(Value::as_str);
    html! {
        dl.facts {
            @for (rule, msg) in approval.rules.iter().zip(msgs) { dt { code { (rule) } } dd { (msg) } }
            dt { "Needed" } dd { (approval.approvers) @if !approval.approver_groups.is_empty() { " of " (approval.approver_groups.join(", ")) } }
            dt { "Asked" } dd { (show::moment(&approval.opened)) }
            dt { "Until" } dd { (show::moment(&approval.expires)) }
            @if let Some(binding) = approval.facts.get("binding").and_then(Value::as_str) {
                dt { "Bound to" } dd { code.digest { (binding) } }
            }
        }
    }
}

fn votes(approval: &Approval) -> Markup {
    html! {
        @if !approval.votes.is_empty() {
            h2 { "Votes" }
            ul { @for vote in &approval.votes {
                li {
                    (show::badge(match vote.choice { Choice::Approve => "approved", Choice::Deny => "denied" }))
                    " " (vote.by) ": " (vote.reason)
                }
            } }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ballot {
    choice: Choice,
    reason: String,
}

pub(super) async fn vote(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(by, ballot): Posted<Ballot>,
) -> Page {
    match console.vote(&by, &id, ballot.choice, &ballot.reason).await {
        Ok(approval) => Ok(frame::see(&format!("/console/approvals/{}", approval.id))),
        Err(NotCast::Again) => Ok(frame::see(&fresh(&by, &id))),
        Err(NotCast::Refused(refused)) => Err(Shown::from(refused)),
    }
}
