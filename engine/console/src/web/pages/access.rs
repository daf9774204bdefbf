//! Asking for a connection in advance, and breaking its glass: a form, and what became of it. It refuses nothing itself;
//! what is refused is said above the form, which keeps what was typed.

use super::super::Console;
use super::super::acts::{NotCast, Wanted};
use super::super::frame::{self, Sheet};
use super::super::guard::{Person, Posted, Visitor};
use super::desk::{asked_length, filled, fresh, length_field, prove_again, tabs};
use super::{Page, asked};
use crate::standing::Asked;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const HERE: &str = "/console/access";

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Form {
    target: String,
    lasts: Option<String>,
    reason: String,
    ticket: Option<String>,
    break_glass: bool,
}

pub(super) async fn form(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    RawQuery(query): RawQuery,
) -> Page {
    let link: Link = asked(query.as_deref())?;
    // Once, and not before the login that it waits for.
    let typed = console
        .is_fresh(&by)
        .then(|| console.typed(&by, HERE))
        .flatten();
    let form = typed.unwrap_or_else(|| Form {
        target: link.target,
        ..Form::default()
    });
    Ok(page(&console, &by, (&form, link.glass), None))
}

/// What a link may say: anybody can have written it. It chooses a connection and opens the page at its glass; it gives no
/// reason and ticks nothing.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Link {
    target: String,
    glass: bool,
}

pub(super) async fn ask(
    State(console): State<Arc<Console>>,
    Posted(by, form): Posted<Form>,
) -> Response {
    match wish(&console, &by, &form).await {
        Ok(asked) => became(&console, &by, &form, &asked),
        Err(not_cast) => page(&console, &by, (&form, false), Some(not_cast)),
    }
}

/// The way back to the form, at its glass.
fn back(form: &Form) -> String {
    let link = Link {
        target: form.target.clone(),
        glass: true,
    };
    let query = serde_urlencoded::to_string(link).unwrap_or_default();
    format!("{HERE}?{query}")
}

async fn wish(console: &Console, by: &Visitor, form: &Form) -> Result<Asked, NotCast> {
    let seconds = filled(form.lasts.clone());
    let seconds = seconds.map(|text| asked_length(&text)).transpose()?;
    let wanted = Wanted {
        target: form.target.clone(),
        seconds,
        reason: form.reason.clone(),
        ticket: filled(form.ticket.clone()),
        break_glass: form.break_glass,
    };
    console.request_access(by, &wanted).await
}

fn became(console: &Console, by: &Visitor, form: &Form, asked: &Asked) -> Response {
    if let Some(grant) = &asked.grant {
        return frame::see(&format!("/console/grants/{}", grant.id));
    }
    if let Some(request) = &asked.request {
        return frame::see(&format!("/console/approvals/{}", request.id));
    }
    if asked.state != "open" {
        // Granted or pending, and over or moved on since.
        return frame::see("/console/approvals");
    }
    let target = portcullis_model::escape_line(&form.target);
    let body = html! {
        h1 { "Ask for access" }
        (tabs(console, by, HERE))
        p.notice.good role="status" { "Policy opens " strong { (target) } " to you without a request: just connect." }
    };
    Sheet::new("Ask for access", "/console/approvals").show(console, by, &body)
}

fn page(
    console: &Console,
    by: &Visitor,
    (form, glass): (&Form, bool),
    not_cast: Option<NotCast>,
) -> Response {
    let again = matches!(not_cast, Some(NotCast::Again));
    let back = back(form);
    // What was sent and not done waits for the login that may follow.
    let kept = not_cast.is_some() && !console.is_fresh(by) && console.keep(by, HERE, form);
    let refused = not_cast.map(NotCast::refused);
    let body = html! {
        h1 { "Ask for access" }
        (tabs(console, by, HERE))
        p.hint { "Whoever decides is told at once. Once they have said yes, you connect with your own client, for as long as you asked." }
        @if again {
            div.notice.bad role="alert" {
                p { "Nothing was done: breaking the glass needs a fresh login. " a.button.primary href=(fresh(by, &back)) { "Prove who you are again" } }
                @if kept { p { "What you typed is here again afterwards." } }
                @else { p { "Copy your reason first: it is too long to be kept on the way." } }
            }
        } @else if let Some(refused) = &refused {
            div.notice.bad role="alert" {
                p { (refused.error) }
                @if let Some(hint) = &refused.hint { p { (hint) } }
            }
        }
        (fields(console, by, form, (glass, &back)))
    };
    let shown = Sheet::new("Ask for access", "/console/approvals").show(console, by, &body);
    match refused {
        None => shown,
        Some(refused) => {
            let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, shown).into_response()
        }
    }
}

fn fields(console: &Console, by: &Visitor, form: &Form, (glass, back): (bool, &str)) -> Markup {
    // Whoever may see what there is can choose from it.
    let known = console.connections(by).unwrap_or_default();
    let lasts = form.lasts.clone().unwrap_or_default();
    let ticket = form.ticket.clone().unwrap_or_default();
    html! {
        form.card.form method="post" action=(HERE) {
            input type="hidden" name="csrf" value=(by.csrf());
            label { "Connection"
                input name="target" value=(form.target) required maxlength="200" autocomplete="off" spellcheck="false"
                    list=[(!known.is_empty()).then_some("connections")]; }
            @if !known.is_empty() {
                datalist #connections { @for row in &known { option value=(row.name) {} } }
            }
            (length_field("For how long; as long as policy lets you when left empty", &lasts, false))
            label { "Why; recorded and shown to whoever decides"
                textarea name="reason" rows="2" required maxlength="1000" { (form.reason) } }
            label { "Ticket, where there is one" input name="ticket" value=(ticket) maxlength="200" autocomplete="off"; }
            details open[form.break_glass || glass] {
                summary { "In an emergency: break the glass" }
                @if console.is_fresh(by) {
                    label.check {
                        input type="checkbox" name="break_glass" value="true" checked[form.break_glass];
                        " Go ahead without an approval, where policy lets me. Everybody is told, the session is recorded in full, and somebody else reviews it."
                    }
                } @else { (prove_again(by, "Breaking the glass", back)) }
            }
            div.buttons { button.primary { "Ask" } }
        }
    }
}
