//! `policy report`: what packs on trial would have said to what was recorded, so that whoever switches one
//! on knows whom it meets.

use super::record::{Recorded, Since};
use crate::cli::{Exit, Whereabouts, explain, paint};
use clap::Args;
use portcullis_journal::RecordedDecision;
use portcullis_model::{SessionId, escape_line};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const EXAMPLES: &str = "\
Examples:
  portcullis policy report --since 7d
  portcullis policy report --pack freeze --json

A pack is on trial with `dry_run: true`: it is asked and recorded, and changes nothing.

Exit codes: 0 reported (also when no pack on trial had anything to say), 1 the record cannot be read.";

/// A text in an example is cut to this many characters.
const WHAT_CHARS_MAX: usize = 120;

/// A report.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Report {
    #[command(flatten)]
    recorded: Recorded,
    #[command(flatten)]
    since: Since,
    /// Only this pack
    #[arg(long)]
    pack: Option<String>,
    /// Examples shown of each rule
    #[arg(long, default_value_t = 3)]
    examples: usize,
    #[command(flatten)]
    at: Whereabouts,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What one rule would have said.
#[derive(Serialize)]
struct Row {
    pack: String,
    rule: String,
    count: u64,
    /// Of these, what went through all the same.
    allowed: u64,
    sessions: BTreeSet<SessionId>,
    identities: BTreeSet<String>,
    examples: Vec<Value>,
}

pub(super) fn report(report: &Report) -> Result<(), Exit> {
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    let mut decisions = 0u64;
    let earliest = report.since.earliest();
    for decision in report.recorded.decisions(&report.at)? {
        let decision = decision.map_err(|error| Exit::refused(explain(&error)))?;
        if decision.at < earliest {
            continue;
        }
        decisions += 1;
        for said in &decision.would {
            if report.pack.as_ref().is_some_and(|pack| *pack != said.pack) {
                continue;
            }
            let key = (said.pack.clone(), said.rule.clone());
            let row = rows.entry(key).or_insert_with(|| Row {
                pack: said.pack.clone(),
                rule: said.rule.clone(),
                count: 0,
                allowed: 0,
                sessions: BTreeSet::new(),
                identities: BTreeSet::new(),
                examples: Vec::new(),
            });
            row.add(&decision, &said.msg, report.examples);
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    match report.json {
        true => Ok(paint::json(
            &json!({ "decisions": decisions, "rules": rows }),
        )?),
        false => Ok(show(decisions, &rows)?),
    }
}

impl Row {
    fn add(&mut self, decision: &RecordedDecision, msg: &str, examples: usize) {
        let text = |path: &str| {
            let found = decision.input.pointer(path).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        self.count += 1;
        self.allowed += u64::from(decision.verdict != "deny");
        self.sessions.insert(decision.session);
        self.identities.insert(text("/identity/name"));
        if self.examples.len() < examples {
            let what: String = text("/command/text").chars().take(WHAT_CHARS_MAX).collect();
            self.examples.push(json!({
                "at": decision.at.rfc3339(), "session": decision.session,
                "sequence": decision.sequence, "who": text("/identity/name"), "msg": msg,
                "verdict": decision.verdict,
                "what": if what.is_empty() { text("/action") } else { what },
            }));
        }
    }
}

fn show(decisions: u64, rows: &[Row]) -> std::io::Result<()> {
    if rows.is_empty() {
        return paint::say(&format!(
            "{decisions} decisions, and no pack on trial had anything to say"
        ));
    }
    paint::say(&format!("{decisions} decisions on record"))?;
    for row in rows {
        paint::say("")?;
        paint::say(&format!(
            "{:>7} {} of {} ({} went through) in {} sessions of {} people and machines",
            row.count,
            row.rule,
            row.pack,
            row.allowed,
            row.sessions.len(),
            row.identities.len()
        ))?;
        for example in &row.examples {
            let text = |name: &str| escape_line(example[name].as_str().unwrap_or_default());
            paint::say(&format!(
                "        {} {}/{} {}, {}: {}",
                text("at"),
                text("session"),
                example["sequence"],
                text("who"),
                text("verdict"),
                text("what")
            ))?;
            paint::say(&format!("          {}", text("msg")))?;
        }
    }
    Ok(())
}
