//! Reviews of broken glass: the list with what is overdue first, and one with its finding. It refuses nothing itself;
//! who may close a review, the desk says.

use super::super::Console;
use super::super::acts::NotCast;
use super::super::frame::{self, Sheet};
use super::super::guard::{Person, Posted, Visitor};
use super::desk::{fresh, prove_again, tabs};
use super::{Page, Shown, show};
use crate::desk::Item;
use crate::standing::{Finding, Review};
use axum::extract::{Path, State};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const HERE: &str = "/console/reviews";

pub(super) async fn list(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let all = console.reviews(&by)?;
    let body = html! {
        h1 { "Reviews of broken glass" }
        (tabs(&console, &by, HERE))
        p.hint { "Somebody went ahead without an approval, where policy let them. Somebody else looks at it afterwards, by a date." }
        @if all.is_empty() { (show::empty("No glass was broken.")) }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Reviews" {
                table.list {
                    thead { tr { th { "Id" } th { "State" } th { "Who" } th { "Target" } th { "Why" } th { "Broken" } th { "Due" } th { "Finding" } } }
                    tbody { @for review in &all { (row(review)) } }
                }
            }
        }
    };
    Ok(Sheet::new("Reviews", "/console/approvals").show(&console, &by, &body))
}

fn row(item: &Item<Review>) -> Markup {
    let review = &item.it;
    html! {
        tr {
            td { a href={ (HERE) "/" (review.id) } { (review.id) } }
            td { (show::badge(&review.state)) @if item.acts { " " span.hint { "yours to review" } } }
            td { (review.holder) }
            td { (review.target) }
            td.what { (review.reason) }
            td { (show::moment(&review.broken)) }
            td { (show::moment(&review.due)) }
            td { @if let Some(finding) = &review.finding { (show::badge(finding)) } @else { span.hint { "none yet" } } }
        }
    }
}

pub(super) async fn one(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
) -> Page {
    let item = console.review(&by, &id)?;
    let review = &item.it;
    let grant = console.has_grant(&by, &review.grant);
    let body = html! {
        h1 { "Review " (show::id(&review.id)) " " (show::badge(&review.state)) }
        (tabs(&console, &by, HERE))
        p.lead { (review.holder) " went ahead on " strong { (review.target) } " without an approval. In their words:" }
        pre.command tabindex="0" { (review.reason) }
        dl.facts.wide {
            dt { "Broken" } dd { (show::moment(&review.broken)) }
            dt { "Due" } dd { (show::moment(&review.due)) }
            dt { "Passed by" } dd { @for rule in &review.rules { code { (rule) } " " } }
            dt { "Reviewed by" } dd {
                @match &review.by {
                    Some(by) => (by),
                    None => { "nobody yet; " (review.reviewer_groups.join(", ")) " may" },
                }
            }
            @if let Some(finding) = &review.finding { dt { "Finding" } dd { (show::badge(finding)) } }
            @if let Some(text) = &review.text { dt { "In their words" } dd { (text) } }
            @if grant { dt { "Grant" } dd { a href={ "/console/grants/" (review.grant) } { (review.grant) } " is still in force" } }
        }
        p { a href={ "/console/sessions?" (sessions(review)) } { "Sessions on " (review.target) " since that day" } }
        @if item.acts { (word(&console, &by, review)) }
    };
    let title = format!("Review {}", review.id);
    Ok(Sheet::new(&title, "/console/approvals").show(&console, &by, &body))
}

/// Where to look what was done.
fn sessions(review: &Review) -> String {
    let day = review.broken.get(..10).unwrap_or_default();
    let query = [("target", review.target.as_str()), ("since", day)];
    serde_urlencoded::to_string(query).unwrap_or_default()
}

fn word(console: &Console, by: &Visitor, review: &Review) -> Markup {
    let here = format!("{HERE}/{}", review.id);
    html! {
        @if console.is_fresh(by) {
            @let typed = console.typed::<Word>(by, &here);
            @let was = |finding| typed.as_ref().is_some_and(|typed| typed.finding == finding);
            form.card.form method="post" action=(here) {
                h2 { "What you found" }
                input type="hidden" name="csrf" value=(by.csrf());
                fieldset {
                    legend { "Was it right?" }
                    label.check { input type="radio" name="finding" value="justified" required checked[was(Finding::Justified)]; " Justified: it was right" }
                    label.check { input type="radio" name="finding" value="concern" required checked[was(Finding::Concern)]; " A concern: it was not, or something has to be done" }
                }
                label { "In your words; recorded"
                    textarea name="text" rows="3" required maxlength="1000" { (typed.map(|typed| typed.text).unwrap_or_default()) } }
                div.buttons { button.primary accesskey="y" { "Close the review" } }
            }
        } @else { (prove_again(by, "A review", &here)) }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Word {
    finding: Finding,
    text: String,
}

pub(super) async fn close(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(by, word): Posted<Word>,
) -> Page {
    let closed = console
        .close_review(&by, &id, word.finding, &word.text)
        .await;
    match closed {
        Ok(review) => Ok(frame::see(&format!("{HERE}/{}", review.id))),
        Err(NotCast::Again) => {
            let here = format!("{HERE}/{id}");
            console.keep(&by, &here, &word);
            Ok(frame::see(&fresh(&by, &here)))
        }
        Err(NotCast::Refused(refused)) => Err(Shown::from(refused)),
    }
}
