//! Who stands in for whom, and the form for whoever goes away. It refuses nothing itself; a delegation gives no right,
//! and the page says so.

use super::super::Console;
use super::super::acts::{Away, NotCast};
use super::super::frame::{self, Sheet};
use super::super::guard::{Person, Posted, Visitor};
use super::super::role::{Page as Seen, Scope};
use super::desk::{asked_length, filled, fresh, length_field, prove_again, tabs};
use super::{Page, Shown, show};
use crate::desk::Item;
use crate::standing::Delegation;
use axum::extract::{Path, State};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const HERE: &str = "/console/delegations";

pub(super) async fn list(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let all = console.delegations(&by)?;
    let everybody = Seen::Delegations.scope(by.roles)? == Scope::All;
    let body = html! {
        h1 { @if everybody { "Who stands in for whom" } @else { "Who stands in for you, and you for whom" } }
        (tabs(&console, &by, HERE))
        p.hint { "A delegation tells whom to ask while somebody is away. It gives no right: whoever stands in votes as themselves, where they may vote anyway." }
        @if all.is_empty() { (show::empty("Nobody stands in for anybody.")) }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Delegations" {
                table.list {
                    thead { tr { th { "Away" } th { "Stands in" } th { "Why" } th { "Since" } th { "Until" } th { "Id" } th { span.unseen { "Take back" } } } }
                    tbody { @for item in &all { (row(&by, item)) } }
                }
            }
        }
        (away(&console, &by))
    };
    Ok(Sheet::new("Standing in", "/console/approvals").show(&console, &by, &body))
}

fn row(by: &Visitor, item: &Item<Delegation>) -> Markup {
    let one = &item.it;
    html! {
        tr {
            td { (one.from) }
            td { (one.to) }
            td.what { (one.reason) }
            td { (show::moment(&one.since)) }
            td { (show::moment(&one.until)) }
            td { code { (one.id) } }
            td {
                @if item.acts {
                    form method="post" action={ (HERE) "/" (one.id) "/end" } {
                        input type="hidden" name="csrf" value=(by.csrf());
                        button.danger { "Take back" }
                    }
                }
            }
        }
    }
}

fn away(console: &Console, by: &Visitor) -> Markup {
    html! {
        h2 { "While you are away" }
        @if console.is_fresh(by) {
            @let typed = console.typed::<Form>(by, HERE).unwrap_or_default();
            form.card.form method="post" action=(HERE) {
                input type="hidden" name="csrf" value=(by.csrf());
                label { "Who stands in: the subject of their login, as their own home page here shows it"
                    input name="subject" value=(typed.subject) required maxlength="400" autocomplete="off" spellcheck="false"; }
                label { "Their issuer; your own when left empty"
                    input name="issuer" value=(typed.issuer.unwrap_or_default()) maxlength="400" autocomplete="off" spellcheck="false"; }
                (length_field("For how long", &typed.lasts, true))
                label { "Why; recorded" textarea name="reason" rows="2" required maxlength="1000" { (typed.reason) } }
                div.buttons { button.primary { "Have them stand in" } }
            }
        } @else { (prove_again(by, "A delegation", HERE)) }
    }
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    subject: String,
    #[serde(default)]
    issuer: Option<String>,
    lasts: String,
    reason: String,
}

pub(super) async fn give(
    State(console): State<Arc<Console>>,
    Posted(by, form): Posted<Form>,
) -> Page {
    let typed = form.clone();
    let away = Away {
        subject: form.subject,
        issuer: filled(form.issuer),
        seconds: asked_length(&form.lasts)?,
        reason: form.reason,
    };
    match console.delegate(&by, &away).await {
        Ok(_) => Ok(frame::see(HERE)),
        Err(NotCast::Again) => {
            console.keep(&by, HERE, &typed);
            Ok(frame::see(&fresh(&by, HERE)))
        }
        Err(NotCast::Refused(refused)) => Err(Shown::from(refused)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {}

pub(super) async fn take_back(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(by, Back {}): Posted<Back>,
) -> Page {
    console.end_delegation(&by, &id).await?;
    Ok(frame::see(HERE))
}
