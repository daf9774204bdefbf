//! What the pages of the approval desk have in common: the way between them, lengths of time as people type them, and
//! the way to a fresh login and back. It refuses a time that could be read in two ways.

use super::super::Console;
use super::super::guard::{Via, Visitor};
use super::super::role::{Page as Seen, Scope};
use crate::operations::Refused;
use maud::{Markup, html};

/// The pages of the desk, with the one that is shown.
pub(super) fn tabs(console: &Console, by: &Visitor, here: &str) -> Markup {
    let to_review = console.to_review(by);
    let all = Seen::Approvals.scope(by.roles) == Ok(Scope::All);
    let requests = if all { "Requests" } else { "Your requests" };
    let tab = |address: &str, words: &str, count: usize| {
        html! {
            a href=(address) aria-current=[(address == here).then_some("page")] {
                (words)
                @if count > 0 { " " span.count title="waiting for you" { (count) } }
            }
        }
    };
    html! {
        nav.tabs aria-label="Approvals" {
            // How many wait stands above, on every page.
            (tab("/console/approvals", requests, 0))
            (tab("/console/grants", "Grants", 0))
            (tab("/console/reviews", "Reviews", to_review))
            (tab("/console/delegations", "Standing in", 0))
            (tab("/console/access", "Ask for access", 0))
        }
    }
}

/// The way to a fresh login at the same provider, and back to `next`.
pub(super) fn fresh(by: &Visitor, next: &str) -> String {
    let mut query = vec![("next", next), ("fresh", "true")];
    if let Via::Visit(visit) = &by.via
        && let Some(provider) = &visit.provider
    {
        query.push(("provider", provider));
    }
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    format!("/console/login/begin?{query}")
}

/// Says that something takes a fresh login, with the way there.
pub(super) fn prove_again(by: &Visitor, what: &str, next: &str) -> Markup {
    html! {
        p.notice {
            (what) " needs a fresh login. "
            a.button.primary href=(fresh(by, next)) accesskey="l" { "Prove who you are again" }
        }
    }
}

/// `2h`, `90m`, `1d12h`, in seconds.
pub(super) fn length(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit = tail.chars().next()?;
        let scale = match unit {
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(scale)?)?;
        rest = tail.get(1..)?.trim_start();
    }
    Some(total)
}

/// The same, of a field that has to be filled.
pub(super) fn asked_length(text: &str) -> Result<u64, Refused> {
    length(text).ok_or_else(|| {
        Refused::new(400, "the time cannot be read").hint("write for example 30m, 2h or 1d")
    })
}

/// A field for a length of time.
pub(super) fn length_field(words: &str, value: &str, required: bool) -> Markup {
    html! {
        label { (words)
            input name="lasts" value=(value) required[required] maxlength="20" placeholder="30m, 2h, 1d" autocomplete="off"
                pattern="\\s*([0-9]+[smhd]\\s*)+" title="for example 30m, 2h or 1d"; }
    }
}

/// A field that was left empty says nothing.
pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_the_command_line_reads_them() {
        for (text, seconds) in [
            ("30m", Some(1800)),
            (" 2h ", Some(7200)),
            ("1d12h", Some(129_600)),
            ("1h 30m", Some(5400)),
            ("90s", Some(90)),
            ("", None),
            ("2", None),
            ("h", None),
            ("2 weeks", None),
            ("-2h", None),
            ("2h30", None),
            ("99999999999999999999d", None),
            ("ä", None),
        ] {
            assert_eq!(length(text), seconds, "{text:?}");
        }
    }
}
