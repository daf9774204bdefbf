//! Where one begins: who one is here, and what waits.

use super::super::Console;
use super::super::frame::Sheet;
use super::super::guard::Person;
use super::{Page, show};
use axum::extract::State;
use maud::html;
use portcullis_model::escape_line;
use std::sync::Arc;

/// Live sessions and requests shown here.
const FEW: usize = 5;

pub(super) async fn page(State(console): State<Arc<Console>>, Person(by): Person) -> Page {
    let live = console.live(&by)?;
    let approvals = console.approvals(&by)?;
    let held = console.held(&by)?;
    let reviews = console.to_review(&by);
    let pending: Vec<_> = approvals.iter().filter(|a| a.state == "pending").collect();
    let who = &by.identity;
    let body = html! {
        h1 { "Hello, " (escape_line(&who.name)) }
        @if reviews > 0 {
            p.notice { (reviews) @if reviews == 1 { " broken glass waits" } @else { " broken glasses wait" } " for your review. " a.button href="/console/reviews" { "Look at it" } }
        }
        div.columns {
            section.card {
                h2 { "Who you are here" }
                dl.facts {
                    dt { "Name" } dd { (escape_line(&who.name)) }
                    dt { "Subject" } dd { (escape_line(&who.principal.subject)) }
                    dt { "Issuer" } dd { (escape_line(&who.principal.issuer)) }
                    dt { "Groups" } dd { (escape_line(&who.groups.join(", "))) }
                    dt { "Roles" } dd { (by.roles) }
                    @if let Some(at) = by.identity.authenticated { dt { "Proved" } dd { (show::moment(&at.rfc3339())) } }
                }
            }
            section.card {
                h2 { a href="/console/approvals" { "Requests that wait" } }
                @if pending.is_empty() { p.hint { "None." } }
                ul.plain {
                    @for approval in pending.iter().take(FEW) {
                        li {
                            a href={ "/console/approvals/" (approval.id) } { (approval.id) }
                            " " (approval.requester) " on " (approval.target)
                            pre.one { (approval.shown) }
                        }
                    }
                }
                @if pending.len() > FEW { p { a href="/console/approvals" { "and " (pending.len() - FEW) " more" } } }
            }
            section.card {
                h2 { a href="/console/grants" { "What you hold" } }
                @if held.is_empty() { p.hint { "Nothing is open to you for a time. " a href="/console/access" { "Ask for access" } } }
                ul.plain {
                    @for grant in held.iter().take(FEW) {
                        li {
                            a href={ "/console/grants/" (grant.id) } { (grant.target) }
                            " " (show::badge(&grant.purpose)) " for another " (show::lasting(grant.remaining_seconds))
                        }
                    }
                }
                @if held.len() > FEW { p { a href="/console/grants" { "and " (held.len() - FEW) " more" } } }
            }
            section.card {
                h2 { a href="/console/live" { "Live sessions" } }
                @if live.is_empty() { p.hint { "None." } }
                ul.plain {
                    @for row in live.iter().take(FEW) {
                        li {
                            a href={ "/console/live/" (row.id) } { (row.name) " on " (row.target) }
                            " " span.hint { (row.doing) }
                        }
                    }
                }
                @if live.len() > FEW { p { a href="/console/live" { "and " (live.len() - FEW) " more" } } }
            }
        }
    };
    Ok(Sheet::new("Home", "/console").show(&console, &by, &body))
}
