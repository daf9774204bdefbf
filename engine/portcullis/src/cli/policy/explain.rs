//! `policy explain`: a decision in plain words. Which rules spoke, and of those that did not, which
//! condition failed and what it saw.

use super::candidate::Candidate;
use super::eval::{Asked, as_json, no_input, show};
use crate::cli::{Exit, Whereabouts, paint};
use clap::Args;
use portcullis_model::escape_line;
use portcullis_policy::{Condition, Explanation, PackExplanation, RuleExplanation};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  portcullis policy explain --session s-… --sequence 12         why was this refused
  portcullis policy explain ./mine --input input.json
  portcullis policy explain ./mine --input input.json --rule freeze/friday

Exit codes: 0 explained, 1 the input or the packs are wrong.";

/// An explanation.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    asked: Asked,
    /// Only rules whose name contains this
    #[arg(long)]
    rule: Option<String>,
    #[command(flatten)]
    at: Whereabouts,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn explain(explain: &Explain) -> Result<(), Exit> {
    let set = explain.candidate.load(&explain.at, explain.json)?;
    let input = explain.asked.read(&explain.at)?;
    let mut explained = set.explain(&input).map_err(|fault| no_input(&fault))?;
    if let Some(part) = &explain.rule {
        for pack in &mut explained.packs {
            pack.rules
                .retain(|r| r.rule.as_ref().is_some_and(|rule| rule.contains(part)));
        }
    }
    match explain.json {
        true => paint::json(&json!({
            "decision": as_json(&explained.decision), "packs": explained.packs,
        }))?,
        false => tell(&explained)?,
    }
    Ok(())
}

fn tell(explained: &Explanation) -> std::io::Result<()> {
    show(&explained.decision)?;
    for pack in &explained.packs {
        paint::say("")?;
        tell_pack(pack)?;
    }
    Ok(())
}

fn tell_pack(pack: &PackExplanation) -> std::io::Result<()> {
    let trial = if pack.dry_run { " (on trial)" } else { "" };
    if !pack.asked {
        return paint::say(&format!(
            "{}{trial} has no rule for this action and was not asked",
            pack.pack
        ));
    }
    paint::say(&format!("{}{trial}", pack.pack))?;
    if let Some(failure) = &pack.failure {
        return paint::say(&format!("  could not answer: {failure}"));
    }
    for rule in pack.rules.iter().filter(|rule| rule.spoke) {
        let word = paint::verdict("spoke", rule.set != "deny");
        paint::say(&format!(
            "  {word}  {} ({}:{})",
            called(rule),
            rule.file,
            rule.line
        ))?;
    }
    for rule in pack.rules.iter().filter(|rule| !rule.spoke) {
        paint::say(&format!(
            "  silent {} ({}:{})",
            called(rule),
            rule.file,
            rule.line
        ))?;
        for condition in &rule.failed {
            tell_condition(condition, 1)?;
        }
    }
    Ok(())
}

fn called(rule: &RuleExplanation) -> String {
    match &rule.rule {
        Some(name) => format!("{} {name}", rule.set),
        None => rule.set.clone(),
    }
}

fn tell_condition(condition: &Condition, depth: usize) -> std::io::Result<()> {
    let indent = "  ".repeat(depth + 1);
    let text = escape_line(&condition.text);
    let word = if depth == 1 {
        "because this failed"
    } else {
        "there, this failed"
    };
    paint::say(&format!(
        "{indent}{word}: {text}  (line {})",
        condition.line
    ))?;
    for (path, value) in &condition.saw {
        paint::say(&format!("{indent}  {path} is {}", escape_line(value)))?;
    }
    for inner in &condition.because {
        tell_condition(inner, depth + 1)?;
    }
    Ok(())
}
