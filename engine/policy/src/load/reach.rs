//! Rules of the four sets that can never speak: at a stage where nobody asks for them, or about a part of
//! the input that is null at every stage they name. Such a `deny` looks like protection and is none.

use super::references::{self, Path};
use super::walk::{self, Seen};
use crate::diagnostic::Diagnostic;
use crate::set::Stages;
use regorus::unstable::{Expr, Literal, Query, Rule, RuleBody};

/// One body of a rule of the four sets.
pub(crate) struct Spoken<'a> {
    /// The file.
    pub file: &'a str,
    /// Which of the four sets.
    pub entry: &'a str,
    /// The rule.
    pub rule: &'a Rule,
    /// The stages that each of its bodies leaves open, in order.
    pub stages: Vec<Stages>,
}

/// Checks a rule of the four sets.
pub(crate) fn check(spoken: &Spoken<'_>) -> Vec<Diagnostic> {
    let asked = match spoken.entry {
        "grant" | "deny" => ["connect", "command", "approve"].as_slice(),
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
        if open == Stages::NONE {
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
            if open.both(all_of(held_at)) == Stages::NONE {
                found.push(tell(
                    format!("this {entry} can never be heard: input.{part} is null at every stage it names"),
                    &format!("input.{part} is there when input.action is {}.", held_at.join(" or ")),
                ));
            }
        }
    }
    found
}

fn all_of(names: &[&str]) -> Stages {
    names
        .iter()
        .map(|name| Stages::named(name))
        .fold(Stages::NONE, Stages::either)
}

/// Parts of the input that have to be there for a body to hold, and the stages that have them.
fn demands(query: &Query) -> Vec<(&'static str, &'static [&'static str])> {
    let mut parts: Vec<(&'static str, &'static [&'static str])> = Vec::new();
    for statement in &query.stmts {
        let Literal::Expr { expr, .. } = &statement.literal else {
            continue;
        };
        for path in plain_references(expr) {
            let at: (&'static str, &'static [&'static str]) = match path.get(1).map(String::as_str)
            {
                Some("command") if path.len() > 2 => ("command", &["command", "response"]),
                Some("context") if path.len() > 2 => ("context", &["command", "response"]),
                Some("connect") if path.len() > 2 => ("connect", &["connect"]),
                Some("approval") if path.len() > 2 => ("approval", &["approve"]),
                _ => continue,
            };
            if !parts.contains(&at) {
                parts.push(at);
            }
        }
    }
    parts
}

/// References that make a condition undefined when they are. What stands in a comprehension does not.
fn plain_references(expr: &Expr) -> Vec<Path> {
    let mut paths = Vec::new();
    let mut hidden: Vec<(u32, u32)> = Vec::new();
    walk::expr(expr, &mut |seen| {
        let Seen::Expr(expr) = seen else { return };
        let span = expr.span();
        match expr {
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {
                hidden.push((span.start, span.end));
            }
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let within = hidden
                    .iter()
                    .any(|(start, end)| span.start >= *start && span.end <= *end);
                let (path, _) = references::fixed(expr);
                if !within && path.first().is_some_and(|root| root == "input") {
                    paths.push(path);
                }
            }
            _ => {}
        }
    });
    paths
}
