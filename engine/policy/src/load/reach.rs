//! Rules of the four sets that can never speak: at a stage where nobody asks for them, or about a part of
//! the input that is null at every stage they name. Such a `deny` looks like protection and is none.

use super::guards;
use crate::diagnostic::Diagnostic;
use crate::set::Occasions;
use regorus::unstable::{Literal, Query, Rule, RuleBody};

/// One body of a rule of the four sets.
pub(crate) struct Spoken<'a> {
    /// The file.
    pub file: &'a str,
    /// Which of the four sets.
    pub entry: &'a str,
    /// The rule.
    pub rule: &'a Rule,
    /// The stages that each of its bodies leaves open, in order.
    pub stages: Vec<Occasions>,
}

/// Checks a rule of the four sets.
pub(crate) fn check(spoken: &Spoken<'_>) -> Vec<Diagnostic> {
    let asked = match spoken.entry {
        "grant" | "deny" => ["connect", "command", "approve", "console"].as_slice(),
        _ => ["connect", "command"].as_slice(),
    };
    let asked_mask = all_of(asked);
    let bodies: &[RuleBody] = match spoken.rule {
        Rule::Spec { bodies, .. } => bodies,
        Rule::Default { .. } => &[],
    };
    let mut found = Vec::new();
    for (index, stages) in spoken.stages.iter().enumerate() {
        let body = bodies.get(index);
        let span = body.map_or(spoken.rule.span(), |body| &body.span);
        let place = (span.line, span.col);
        let entry = spoken.entry;
        let tell = |message: String, remedy: &str| {
            Diagnostic::file(spoken.file, "load/unreachable", message, remedy).at(place)
        };
        let open = stages.both(asked_mask);
        if open == Occasions::NONE {
            found.push(tell(
                format!("this {entry} can never be heard: its conditions leave no stage at which anybody asks for a {entry}"),
                &format!(
                    "A {entry} is asked for when input.action is {}; the conditions of one body must not contradict each other.",
                    asked.join(" or ")
                ),
            ));
            continue;
        }
        for (part, held_at) in body.map(|b| demands(&b.query)).unwrap_or_default() {
            if open.both(all_of(held_at)) == Occasions::NONE {
                found.push(tell(
                    format!("this {entry} can never be heard: input.{part} is null at every stage it names"),
                    &format!("input.{part} is there when input.action is {}.", held_at.join(" or ")),
                ));
            }
        }
    }
    found
}

fn all_of(names: &[&str]) -> Occasions {
    names
        .iter()
        .map(|name| Occasions::at(name))
        .fold(Occasions::NONE, Occasions::either)
}

/// Parts of the input that have to be there for a body to hold, and the stages that have them.
fn demands(query: &Query) -> Vec<(&'static str, &'static [&'static str])> {
    let mut parts: Vec<(&'static str, &'static [&'static str])> = Vec::new();
    for statement in &query.stmts {
        let Literal::Expr { expr, .. } = &statement.literal else {
            continue;
        };
        for path in guards::plain_references(expr) {
            let at: (&'static str, &'static [&'static str]) = match path.get(1).map(String::as_str)
            {
                Some("command") if path.len() > 2 => ("command", &["command", "response"]),
                Some("context") if path.len() > 2 => ("context", &["command", "response"]),
                Some("connect") if path.len() > 2 => ("connect", &["connect"]),
                Some("approval") if path.len() > 2 => ("approval", &["approve"]),
                Some("connection") if path.len() > 2 => {
                    ("connection", &["connect", "command", "response", "approve"])
                }
                _ => continue,
            };
            if !parts.contains(&at) {
                parts.push(at);
            }
        }
    }
    parts
}
