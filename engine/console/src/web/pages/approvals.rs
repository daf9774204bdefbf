//! Requests at the approval desk: what waits, one of them with everything an approver should see, and the vote.

use super::super::Console;
use super::super::acts::{Cast, NotCast};
use super::super::frame::{self, Sheet};
use super::super::guard::{Person, Posted, Visitor};
use super::super::role::{Page as Seen, Scope};
use super::desk::{filled, fresh, prove_again, tabs};
use super::{Page, Shown, grants, show};
use crate::operations::{Approval, Choice, Refused};
use axum::extract::{Path, State};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
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

/// The address of a request that no client has brought.
const NOWHERE: &str = "127.0.0.1:0";

/// Times that approvers can choose from.
const LENGTHS: [u64; 7] = [300, 900, 3600, 14_400, 28_800, 86_400, 604_800];

pub(super) async fn list(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let all = console.approvals(&by)?;
    let everybody = Seen::Approvals.scope(by.roles)? == Scope::All;
    let body = html! {
        h1 { @if everybody { "Approvals" } @else { "Your requests" } }
        (tabs(&console, &by, "/console/approvals"))
        @if all.is_empty() { (show::empty("Nothing waits.")) }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Requests" {
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
        h1 { "Request " (show::id(&approval.id)) " " (show::badge(&approval.state)) }
        (tabs(&console, &by, "/console/approvals"))
        (wanted(&approval))
        pre.command tabindex="0" { (approval.shown) }
        (at_a_glance(&approval))
        (waiting(&approval))
        @if console.may_vote(&by, &approval) { (ballot(&console, &by, &approval)) }
        div.columns {
            section.card { h2 { "Who asks" } (who(&approval)) }
            @if is_access(&approval) {
                section.card { h2 { "What it takes" } (required(&approval)) }
            } @else {
                section.card { h2 { "Where it would run" } (context(&approval)) }
                section.card { h2 { "What it is" } (class(&approval)) (required(&approval)) }
            }
        }
        (votes(&approval))
    };
    let title = format!("Request {}", approval.id);
    Ok(Sheet::new(&title, "/console/approvals").show(&console, &by, &body))
}

fn number(approval: &Approval, name: &str) -> Option<u64> {
    approval.facts.get(name).and_then(Value::as_u64)
}

fn text<'a>(approval: &'a Approval, name: &str) -> Option<&'a str> {
    approval.facts.get(name).and_then(Value::as_str)
}

/// True for a connection that is asked for, false for a command.
fn is_access(approval: &Approval) -> bool {
    approval.facts.get("access").and_then(Value::as_bool) == Some(true)
}

/// Who wants what, and for how long.
fn wanted(approval: &Approval) -> Markup {
    let access = is_access(approval);
    let target = &approval.target;
    html! {
        p.lead {
            (approval.requester)
            @if access { " asks for access to " strong { (target) } } @else { " asks to run this on " strong { (target) } }
            @if access {
                @match (number(approval, "opens_seconds"), number(approval, "lasts_seconds")) {
                    (Some(opens), Some(lasts)) if lasts > opens => {
                        " for " (show::lasting(lasts)) "; policy opens it for " strong { (show::lasting(opens)) } " at most"
                    }
                    (Some(opens), _) => { " for " strong { (show::lasting(opens)) } }
                    (None, _) => ", for one connection"
                }
            }
            ":"
        }
    }
}

/// What a vote turns on, before the vote: why it is asked for, what it does, and why it waits.
fn at_a_glance(approval: &Approval) -> Markup {
    let class = approval.facts.get("class");
    let said = |name: &str| class.and_then(|c| c.get(name)).and_then(Value::as_str);
    let access = is_access(approval);
    let msgs = approval.facts.get("messages").and_then(Value::as_array);
    let msgs = msgs.into_iter().flatten().filter_map(Value::as_str);
    html! {
        dl.facts.wide {
            @if let Some(reason) = text(approval, "reason").filter(|r| !r.is_empty()) { dt { "Reason" } dd { (reason) } }
            @if let (Some(effect), false) = (said("effect"), access) {
                dt { "Effect" } dd { (effect) @if let Some(risk) = said("risk") { ", risk " (risk) } }
            }
            dt { "Held by" } dd { @for msg in msgs { span { (msg) } " " } @for rule in &approval.rules { code { (rule) } " " } }
            dt { "Needed" } dd {
                (approval.votes.iter().filter(|v| v.choice == Choice::Approve).count()) " of " (approval.approvers)
                @if !approval.approver_groups.is_empty() { ", from " (approval.approver_groups.join(", ")) }
                ", until " (show::moment(&approval.expires))
            }
        }
    }
}

/// Where it stands, for whoever waits, and what came of it.
fn waiting(approval: &Approval) -> Markup {
    let ahead = number(approval, "ahead").unwrap_or(0);
    let pending = approval.state == "pending";
    html! {
        @if pending && ahead > 0 {
            p.hint { (ahead) @if ahead == 1 { " request waits" } @else { " requests wait" } " for the same people before it." }
        }
        @if let Some(grant) = text(approval, "grant") {
            p.notice.good { "It has become a grant: " a href={ "/console/grants/" (grant) } { (grant) } "." }
        }
    }
}

/// For how long a yes may be meant for the whole class, where the rule lets approvers say so.
fn for_how_long(approval: &Approval, typed: Option<u64>) -> Markup {
    let most = number(approval, "reuse_seconds").unwrap_or(0);
    let class = text(approval, "reuse_class").unwrap_or_default();
    let shorter = LENGTHS.into_iter().filter(|length| *length < most);
    html! {
        @if most > 0 {
            label { "A yes is meant for"
                select name="reuse" {
                    option value="" selected[typed.is_none()] { "this run only" }
                    @for length in shorter.chain([most]) { option value=(length) selected[typed == Some(length)] { (show::lasting(length)) " of its class" } }
                }
            }
            p.hint { "Its class: " (grants::covers(class)) ". The shortest time that an approver says counts." }
        }
    }
}

/// What was typed before a login that had to be fresh; which button was pressed is none of it.
#[derive(Default, Deserialize, Serialize)]
struct Typed {
    reason: String,
    reuse: Option<u64>,
}

fn ballot(console: &Console, by: &Visitor, approval: &Approval) -> Markup {
    let here = format!("/console/approvals/{}", approval.id);
    html! {
        @if console.is_fresh(by) {
            @let typed = console.typed::<Typed>(by, &here).unwrap_or_default();
            form.card.vote method="post" action={ "/console/approvals/" (approval.id) "/vote" } {
                input type="hidden" name="csrf" value=(by.csrf());
                label { "Why; recorded and shown to whoever asked"
                    textarea name="reason" rows="2" required maxlength="1000" { (typed.reason) } }
                (for_how_long(approval, typed.reuse))
                div.buttons {
                    button.primary name="choice" value="approve" accesskey="y" { "Approve" }
                    button.danger name="choice" value="deny" accesskey="d" { "Deny" }
                    span.hint { "until " (show::moment(&approval.expires)) }
                }
            }
        } @else { (prove_again(by, "A vote", &here)) }
    }
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
        .filter_map(|(k, name)| Some(((*name).to_owned(), facts.get(*k)?)))
        // Asked for without a client: there is no address.
        .filter(|(_, value)| value.as_str() != Some(NOWHERE));
    html! {
        (list_of(known))
        // Whoever asks for a connection has no session yet.
        @if let (Some(session), false) = (text(approval, "session"), is_access(approval)) {
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
                    " " (vote.by)
                    @if !vote.stands_in_for.is_empty() { span.hint { " standing in for " (vote.stands_in_for.join(", ")) } }
                    ": " (vote.reason)
                    @if let Some(seconds) = vote.reuse_seconds { span.hint { " (for " (show::lasting(seconds)) " of its class)" } }
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
    /// Seconds; empty is this run only.
    #[serde(default)]
    reuse: Option<String>,
}

pub(super) async fn vote(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(by, ballot): Posted<Ballot>,
) -> Page {
    let reuse = filled(ballot.reuse).map(|text| text.parse());
    let reuse_seconds = reuse.transpose().map_err(|_| {
        Refused::new(400, "the time cannot be read").hint("choose one of those on the page")
    })?;
    let cast = Cast {
        choice: ballot.choice,
        reason: &ballot.reason,
        reuse_seconds,
    };
    let voted = console.vote(&by, &id, &cast).await;
    match voted {
        Ok(approval) => Ok(frame::see(&format!("/console/approvals/{}", approval.id))),
        Err(NotCast::Again) => {
            let here = format!("/console/approvals/{id}");
            let typed = Typed {
                reason: ballot.reason,
                reuse: reuse_seconds,
            };
            console.keep(&by, &here, &typed);
            Ok(frame::see(&fresh(&by, &here)))
        }
        Err(NotCast::Refused(refused)) => Err(Shown::from(refused)),
    }
}
