//! `plugin run`: what a plugin makes of a trace or of a recorded session, through the gateway's own sandbox, as a
//! difference in colour. Policy is played by one that redacts everything that is found. Refuses a configuration that
//! does not fit, and says where in the file.

use super::read;
use super::trace::{facts, recorded};
use crate::cli::admin::block_on;
use crate::cli::{Exit, paint};
use crate::config::{self, Notes, Place};
use clap::Args;

use portcullis_model::{SessionId, escape_line, json_line};
use portcullis_sandbox::{LoadError, PluginSet, PluginSpec, Sandbox, Settings, Workbench};
use portcullis_sdk::testing::examine;
use portcullis_sdk::testing::trace::{Step, Trace, kind_word};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod stage;

use stage::{Shown, Stage};

/// A run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin run target/badge_mask.wasm --trace fixtures/badges.trace --config config.yaml
  portcullis plugin run builtin:mask-pii --session s-… --dir /var/lib/portcullis/journal
  portcullis plugin run target/badge_mask.wasm --trace fixtures/badges.trace --json

A recorded session shows what was released: what was masked then stays masked.")]
pub struct Run {
    /// A component, or builtin:NAME
    file: String,
    /// A trace
    #[arg(long, required_unless_present = "session")]
    trace: Option<PathBuf>,
    /// A recorded session
    #[arg(long, conflicts_with = "trace", requires = "dir")]
    session: Option<SessionId>,
    /// The folder of the record that has it
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The plugin's configuration, YAML or JSON; that of the trace when not given
    #[arg(long)]
    config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(run: &Run) -> Result<(), Exit> {
    let bytes = read(&run.file)?;
    let trace = match (&run.trace, &run.session, &run.dir) {
        (Some(path), ..) => read_trace(path)?,
        (None, Some(session), Some(dir)) => recorded(dir, *session)?,
        _ => return Err(Exit::refused("name a trace or a session")),
    };
    let (config, text) = match &run.config {
        Some(path) => config::value(path)?,
        None => (trace.config.clone(), String::new()),
    };
    let config = if config.is_null() { json!({}) } else { config };
    let file = run.config.as_deref().or(run.trace.as_deref());
    let named = Configured {
        value: &config,
        text: &text,
        file: file.unwrap_or(Path::new("the configuration")),
    };
    let seen = block_on(async {
        let set = load(&run.file, bytes.clone(), &named).await?;
        play(&run.file, &bytes, &set, &trace, &config).await
    })?;
    match run.json {
        true => Ok(paint::json(&seen)?),
        false => Ok(show(&seen)?),
    }
}

/// A trace from a file.
pub(super) fn read_trace(path: &Path) -> Result<Trace, Exit> {
    let at = |e: &dyn std::fmt::Display| Exit::refused(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| at(&e))?;
    Trace::parse(&text).map_err(|e| at(&e))
}

/// A configuration and where it is written.
pub(super) struct Configured<'a> {
    pub(super) value: &'a Value,
    pub(super) text: &'a str,
    pub(super) file: &'a Path,
}

/// Loads it as the gateway would.
pub(super) async fn load(
    name: &str,
    bytes: Vec<u8>,
    config: &Configured<'_>,
) -> Result<Arc<PluginSet>, Exit> {
    let settings = Settings {
        instances: 8,
        warm: 1,
        ..Settings::new()
    };
    let sandbox = Sandbox::new(&settings).map_err(|e| Exit::refused(e.to_string()))?;
    let spec = PluginSpec {
        name: name.to_owned(),
        bytes,
        config: config.value.clone(),
        sha256: None,
    };
    sandbox.load(vec![spec]).await.map_err(|error| match error {
        LoadError::Configure { problems, .. } => {
            let mut notes = Notes::new(config.file, config.text);
            for problem in problems {
                let place = Place::root().pointer(config.value, &problem.pointer);
                let pointer = match problem.pointer.as_str() {
                    "" => "the configuration".to_owned(),
                    pointer => escape_line(pointer),
                };
                let message = format!("{pointer} {}", escape_line(&problem.message));
                notes.error(
                    &place,
                    message,
                    "correct it; `portcullis plugin inspect` prints the schema",
                );
            }
            Exit::Misconfigured(notes.finish())
        }
        other => Exit::refused(other.to_string()),
    })
}

/// Everything that was seen, in the order of the trace.
async fn play(
    name: &str,
    bytes: &[u8],
    set: &PluginSet,
    trace: &Trace,
    config: &Value,
) -> Result<Vec<Value>, Exit> {
    let stage = Stage::new();
    let (mut classify, mut mask) = stage.open(set);
    let mut columns = Vec::new();
    let mut seen = Vec::new();
    for (index, step) in trace.steps.iter().enumerate() {
        let failed = |e: &dyn std::fmt::Display| {
            Exit::refused(format!("step {} of the trace: {e}", index + 1))
        };
        match step {
            Step::Columns(told) => columns.clone_from(told),
            Step::Cells(kind, cells) => {
                let shown = stage.cells(&mut *mask, *kind, &columns, cells).await;
                seen.push(cells_json(
                    kind_word(*kind),
                    &shown.map_err(|e| failed(&e))?,
                ));
            }
            Step::Stream(_) => {
                let bench = Workbench::load(name, bytes).map_err(|e| failed(&e))?;
                let alone = Trace {
                    config: json!({}),
                    steps: vec![step.clone()],
                };
                let examined = examine(&bench, &alone, config).map_err(|e| failed(&e))?;
                let line = examined.golden.lines().next().unwrap_or_default();
                let after: Value = serde_json::from_str(line).unwrap_or_default();
                let Step::Stream(pieces) = step else { continue };
                let before = String::from_utf8_lossy(&pieces.concat()).into_owned();
                seen.push(json!({ "kind": "stream", "cells": [{ "before": before, "after": after["stream"] }] }));
            }
            Step::Message(request) => {
                let facts = match &request.facts {
                    Some(facts) => facts.clone(),
                    None => facts(request),
                };
                let opinion = stage.message(&mut *classify, request, &facts).await;
                seen.push(opinion.map_err(|e| failed(&e))?);
            }
        }
    }
    Ok(seen)
}

fn cells_json(kind: &str, shown: &[Shown]) -> Value {
    let cells: Vec<Value> = shown
        .iter()
        .map(|cell| {
            let found: Vec<Value> = cell.found.iter().map(|(label, text)| json!({ "rule": label, "text": text })).collect();
            json!({ "column": cell.column, "before": cell.before, "after": cell.after, "found": found, "seen": cell.seen })
        })
        .collect();
    json!({ "kind": kind, "cells": cells })
}

/// Only what changes, with what was found there.
fn show(seen: &[Value]) -> std::io::Result<()> {
    let text = |value: &Value| escape_line(value.as_str().unwrap_or_default());
    let (mut cells, mut changed) = (0, 0);
    for (number, step) in seen.iter().enumerate() {
        if step["kind"] == "request" {
            paint::say(&format!(
                "{:>4}  {}  {}",
                number + 1,
                text(&step["stage"]),
                text(&step["text"])
            ))?;
            let quiet = step["opinion"] == json!({});
            let said = if step["opinion"].is_null() {
                "not asked: not in its interest".to_owned()
            } else if quiet {
                "nothing to add to what the gateway knows".to_owned()
            } else {
                json_line(&step["opinion"])
            };
            paint::say(&format!(
                "      {}",
                paint::verdict(&said, quiet || step["opinion"].is_null())
            ))?;
            continue;
        }
        for cell in step["cells"].as_array().into_iter().flatten() {
            cells += 1;
            if cell["before"] == cell["after"] {
                continue;
            }
            changed += 1;
            let place = format!("{} {}", text(&step["kind"]), text(&cell["column"]));
            paint::say(&format!("{:>4}  {}", number + 1, place.trim_end()))?;
            let before = text(&cell["before"]);
            paint::say(&format!(
                "      {}",
                paint::verdict(&format!("- {before}"), false)
            ))?;
            paint::say(&format!(
                "      {}",
                paint::verdict(&format!("+ {}", text(&cell["after"])), true)
            ))?;
            let found = cell["found"].as_array().into_iter().flatten();
            let rules: Vec<String> = found.map(|f| text(&f["rule"])).collect();
            if !rules.is_empty() {
                paint::say(&format!("      {}", rules.join(", ")))?;
            }
        }
    }
    if cells > 0 {
        paint::say(&format!("{changed} of {cells} cells are masked"))?;
    }
    Ok(())
}
