//! Pieces that several pages show the same way: times, lengths, bytes, facts, tables of rows.

use crate::archive::{Fact, Table};
use maud::{Markup, html};

/// A moment: the day and the second, with its zone; whole in the title.
pub(super) fn moment(rfc3339: &str) -> Markup {
    let short = rfc3339.get(..19).unwrap_or(rfc3339).replace('T', " ");
    let utc = rfc3339.ends_with('Z');
    html! { time datetime=(rfc3339) title=(rfc3339) { (short) @if utc { " " span.zone { "UTC" } } } }
}

/// A length of time.
pub(super) fn lasting(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} m {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} m"),
    }
}

/// Milliseconds since the beginning.
pub(super) fn offset(ms: u64) -> String {
    let (s, ms) = (ms / 1000, ms % 1000);
    match s / 3600 {
        0 => format!("{:02}:{:02}.{ms:03}", s / 60, s % 60),
        h => format!("{h}:{:02}:{:02}.{ms:03}", s / 60 % 60, s % 60),
    }
}

/// A number of bytes.
pub(super) fn bytes(count: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", count / unit, count % unit * 10 / unit);
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{} KiB", tenths(1024)),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(1_048_576)),
        _ => format!("{} GiB", tenths(1_073_741_824)),
    }
}

/// A state, in its colour.
pub(super) fn badge(state: &str) -> Markup {
    let tone = match state {
        "live" | "pending" | "hold" | "held" | "open" => "wait",
        "sealed" | "approved" | "consumed" | "allow" | "resolved" | "justified" => "good",
        "interrupted" | "denied" | "deny" | "refused" | "security" | "overdue" | "concern"
        | "break-glass" => "bad",
        _ => "plain",
    };
    html! { span class={ "badge " (tone) } { (state) } }
}

/// Names and what they are.
pub(super) fn facts(facts: &[Fact]) -> Markup {
    html! {
        @if !facts.is_empty() {
            dl.facts {
                @for fact in facts {
                    dt { (fact.name) }
                    dd { (fact.value) }
                }
            }
        }
    }
}

/// Rows that came back.
pub(super) fn rows(table: &Table) -> Markup {
    html! {
        div.scroll {
            table.rows {
                thead { tr { @for column in &table.columns { th scope="col" { (column) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for cell in row {
                                @match cell {
                                    Some(text) => td { (text) },
                                    None => td.null { "NULL" },
                                }
                            }
                        }
                    }
                }
            }
        }
        @if table.more > 0 { p.hint { "and " (table.more) " rows more" } }
    }
}

/// The way to the next page, and from a later one back to the first.
pub(super) fn further(address: &str, query: &str, later: bool, next: Option<&str>) -> Markup {
    html! {
        @if later || next.is_some() {
            @let join = if query.is_empty() { "" } else { "&" };
            nav.pages aria-label="Further" {
                @if later { a.button href={ (address) "?" (query) } rel="first" { "Newest" } " " }
                @if let Some(next) = next {
                    a.button href={ (address) "?" (query) (join) "after=" (next) } accesskey="n" rel="next" { "Older" }
                }
            }
        }
    }
}

/// What stands in the place of a list that has nothing in it.
pub(super) fn empty(why: &str) -> Markup {
    html! { p.empty { (why) } }
}

/// An id, whole, that one click marks for copying.
pub(super) fn id(text: &str) -> Markup {
    html! { code.id title="Click to mark it" { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_in_words() {
        assert_eq!(lasting(59), "59 s");
        assert_eq!(lasting(61), "1 m 01 s");
        assert_eq!(lasting(7265), "2 h 01 m");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3), "3 B");
        assert_eq!(offset(61_007), "01:01.007");
        assert_eq!(offset(3_661_007), "1:01:01.007");
    }
}
