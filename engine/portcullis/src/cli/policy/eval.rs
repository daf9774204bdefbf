//! `policy eval`: one question, one answer. The input comes from a file, or from the record, where every
//! decision has its whole input.

use super::candidate::Candidate;
use super::record::Recorded;
use crate::cli::{Exit, Whereabouts, explain, paint};
use clap::{Args, ValueEnum};
use portcullis_model::{Decision, Verdict, escape_line, json_line};
use portcullis_policy::Outcome;
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  portcullis policy eval ./mine --input input.json
  portcullis policy eval --session s-… --sequence 12            as configured, for what was recorded
  portcullis policy eval ./mine builtin:access --data data.yaml --input input.json --expect deny

policies/README.md shows an input for each action and protocol.

Exit codes: 0 answered (and as expected), 1 the input or the packs are wrong, or --expect does not hold.";

/// A question.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Eval {
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    asked: Asked,
    /// Fail when the answer is another one
    #[arg(long)]
    expect: Option<Expected>,
    #[command(flatten)]
    at: Whereabouts,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Where the input comes from.
#[derive(Debug, Args)]
pub struct Asked {
    /// A file with the input document; `-` for the standard input
    #[arg(long, required_unless_present = "session", conflicts_with = "session")]
    input: Option<PathBuf>,
    #[command(flatten)]
    recorded: Recorded,
    /// The entry of the session; the first decision when not given
    #[arg(long, requires = "session")]
    sequence: Option<u64>,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Expected {
    /// Yes.
    Allow,
    /// When people agree.
    Hold,
    /// No.
    Deny,
}

impl Asked {
    /// The input.
    pub(super) fn read(&self, at: &Whereabouts) -> Result<Value, Exit> {
        let Some(path) = &self.input else {
            return self.recorded.one(at, self.sequence);
        };
        let name = path.display();
        let text = match path.as_os_str() == "-" {
            true => {
                let mut text = String::new();
                std::io::stdin().lock().read_to_string(&mut text)?;
                text
            }
            false => std::fs::read_to_string(path)
                .map_err(|error| Exit::refused(format!("{name}: {error}")))?,
        };
        serde_json::from_str(&text).map_err(|error| {
            let at = format!("{name}:{}:{}", error.line(), error.column());
            Exit::refused_with(format!("{at}: {error}"), "give one JSON document")
        })
    }
}

pub(super) fn eval(eval: &Eval) -> Result<(), Exit> {
    let set = eval.candidate.load(&eval.at, eval.json)?;
    let input = eval.asked.read(&eval.at)?;
    let decision = set.decide_again(&input).map_err(|fault| no_input(&fault))?;
    match eval.json {
        true => paint::json(&as_json(&decision))?,
        false => show(&decision)?,
    }
    let answer = match Outcome::of(&decision.verdict) {
        Outcome::Allow => Expected::Allow,
        Outcome::Hold => Expected::Hold,
        Outcome::Deny => Expected::Deny,
    };
    match eval.expect.is_none_or(|expected| expected == answer) {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

/// What is wrong with an input.
pub(super) fn no_input(fault: &portcullis_model::Fault) -> Exit {
    Exit::refused_with(
        explain(fault),
        "every field has to be there, null or not: policies/input.schema.json, with examples in policies/README.md",
    )
}

/// The decision for programs.
pub(super) fn as_json(decision: &Decision) -> Value {
    let (effect, rule) = match &decision.verdict {
        Verdict::Allow { rule } => ("allow", json!(rule)),
        Verdict::Deny(denial) => ("deny", json!(denial.rule)),
        Verdict::Hold(requirements) => ("hold", json!(requirements.first().map(|r| &r.rule))),
    };
    json!({
        "effect": effect, "rule": rule, "reasons": decision.reasons, "would": decision.would,
        "requirements": match &decision.verdict {
            Verdict::Hold(requirements) => json!(requirements),
            _ => json!([]),
        },
        "obligations": decision.obligations, "revision": decision.revision,
    })
}

/// The decision for people.
pub(super) fn show(decision: &Decision) -> std::io::Result<()> {
    match &decision.verdict {
        Verdict::Allow { rule } => {
            paint::say(&format!("{}: {rule}", paint::verdict("allow", true)))?;
        }
        Verdict::Deny(denial) => {
            paint::say(&format!(
                "{}: {}",
                paint::verdict("deny", false),
                denial.rule
            ))?;
            paint::say(&format!("  {}", escape_line(&denial.reason)))?;
            if let Some(hint) = &denial.hint {
                paint::say(&format!("  hint: {}", escape_line(hint)))?;
            }
        }
        Verdict::Hold(requirements) => {
            paint::say(&format!(
                "{}: people have to agree",
                paint::verdict("hold", false)
            ))?;
            for wanted in requirements {
                paint::say(&format!(
                    "  {}: {} of {} ({})",
                    wanted.rule,
                    wanted.approvers,
                    wanted.approver_groups.join(", "),
                    escape_line(&wanted.msg)
                ))?;
            }
        }
    }
    for reason in &decision.reasons {
        let msg = escape_line(&reason.msg);
        paint::say(&format!(
            "  said   {:24} {} {msg}",
            reason.rule, reason.pack
        ))?;
    }
    for reason in &decision.would {
        let msg = escape_line(&reason.msg);
        paint::say(&format!(
            "  would  {:24} {} {msg}",
            reason.rule, reason.pack
        ))?;
    }
    let obligations = serde_json::to_value(&decision.obligations).unwrap_or_default();
    for (name, value) in obligations.as_object().into_iter().flatten() {
        let nothing = value.is_null()
            || value == &json!(false)
            || value.as_array().is_some_and(Vec::is_empty);
        if !nothing {
            paint::say(&format!("  with   {name} {}", json_line(value)))?;
        }
    }
    Ok(())
}
