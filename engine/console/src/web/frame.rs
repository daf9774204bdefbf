//! What stands around every page: head, navigation, who is here. It refuses markup that was not made here: whatever
//! comes from outside goes through the templates, which escape.

use super::Console;
use super::assets;
use super::guard::Visitor;
use super::login::local;
use super::role::Page;
use crate::operations::Refused;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

/// Where the navigation leads: address, words, access key, page.
const PLACES: [(&str, &str, char, Page); 7] = [
    ("/console/live", "Live", 'v', Page::Live),
    ("/console/sessions", "Sessions", 's', Page::Sessions),
    ("/console/approvals", "Approvals", 'a', Page::Approvals),
    (
        "/console/connections",
        "Connections",
        'c',
        Page::Connections,
    ),
    ("/console/policies", "Policies", 'p', Page::Policies),
    ("/console/plugins", "Plugins", 'g', Page::Plugins),
    ("/console/events", "Events", 'e', Page::Events),
];

/// One page.
pub(super) struct Sheet<'a> {
    /// What it is called.
    pub title: &'a str,
    /// Where it stands in the navigation.
    pub place: &'a str,
    /// Scripts of its own.
    pub scripts: &'a [&'a str],
    /// It asks for itself again after so many seconds, where no script runs.
    pub again: Option<u32>,
}

impl<'a> Sheet<'a> {
    /// A page without scripts.
    pub(super) fn new(title: &'a str, place: &'a str) -> Self {
        Self {
            title,
            place,
            scripts: &[],
            again: None,
        }
    }

    /// The whole page.
    pub(super) fn show(self, console: &Console, by: &Visitor, body: &Markup) -> Response {
        let waiting = console.waiting(by.roles, &by.identity);
        let glance = console.bureau.glance();
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                (head(self.title, self.scripts, self.again))
                body {
                    a.skip href="#main" { "Skip to the page" }
                    header.top {
                        a.brand href="/console" { span.gate aria-hidden="true" { "⊞" } " Portcullis" }
                        nav aria-label="Pages" {
                            @for (address, words, key, page) in PLACES {
                                @if page.scope(by.roles).is_ok() {
                                    a href=(address) accesskey=(key) aria-current=[(address == self.place).then_some("page")] {
                                        (words)
                                        @if page == Page::Approvals && waiting > 0 { " " span.count title="waiting for you" { (waiting) } }
                                    }
                                }
                            }
                        }
                        form.who method="post" action="/console/logout" {
                            input type="hidden" name="csrf" value=(by.csrf());
                            a href="/console" title=(by.identity.principal.issuer) { (portcullis_model::escape_line(&by.identity.name)) }
                            span.roles { (by.roles) }
                            button.quiet accesskey="o" { "Log out" }
                        }
                    }
                    main #main tabindex="-1" { (body) }
                    footer { "node " (glance.node) " · " (glance.version) " · policy " code { (glance.policy_revision) } }
                }
            }
        };
        Html(markup.into_string()).into_response()
    }
}

fn head(title: &str, scripts: &[&str], again: Option<u32>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            @if let Some(seconds) = again { noscript { meta http-equiv="refresh" content=(format!("{seconds};url=?again=1")); } }
            title { (title) " · Portcullis" }
            link rel="stylesheet" href=(assets::address("console.css"));
            link rel="icon" type="image/svg+xml" href=(assets::address("icon.svg"));
            script defer src=(assets::address("console.js")) {}
            @for script in scripts { script defer src=(assets::address(script)) {} }
        }
    }
}

/// A page for whoever is not logged in.
pub(super) fn bare(title: &str, body: &Markup) -> Html<String> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, &[], None))
            body {
                header.top { span.brand { span.gate aria-hidden="true" { "⊞" } " Portcullis" } }
                main #main { (body) }
            }
        }
    };
    Html(markup.into_string())
}

/// A refusal, as a page.
pub(super) fn refusal(refused: &Refused) -> Response {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    let title = status.canonical_reason().unwrap_or("Refused");
    let body = html! {
        section.card.narrow {
            h1 { (title) }
            p role="alert" { (refused.error) }
            @if let Some(hint) = &refused.hint { p.hint { (hint) } }
            p { a.button href="/console" { "To the first page" } }
        }
    };
    (status, bare(title, &body)).into_response()
}

/// A page that goes on to another one of ours by itself. Not a redirect: after it, the browser has been here, and a
/// strict cookie comes along.
pub(super) fn onwards(next: &str) -> Response {
    let next = local_or_login(next);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content=(format!("0;url={next}"));
                link rel="icon" type="image/svg+xml" href=(assets::address("icon.svg"));
                title { "Portcullis" }
            }
            body { p { a href=(next) { "Go on" } } }
        }
    };
    Html(markup.into_string()).into_response()
}

fn local_or_login(next: &str) -> String {
    match next == "/console/login" {
        true => next.to_owned(),
        false => local(next),
    }
}

/// After a form: to the page that shows what it did.
pub(super) fn see(address: &str) -> Response {
    let heads = [(header::LOCATION, address.to_owned())];
    (StatusCode::SEE_OTHER, heads).into_response()
}
