//! `plugin inspect`: what a component says of itself, without running any of it.

use super::build::described;
use super::read;
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_model::escape_line;
use portcullis_sandbox::inspect as look;

/// A look into a component.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin inspect target/badge_mask.wasm
  portcullis plugin inspect builtin:mask-pii --json")]
pub struct Inspect {
    /// A component, or builtin:NAME
    file: String,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(inspect: &Inspect) -> Result<(), Exit> {
    let bytes = read(&inspect.file)?;
    let found = look(&inspect.file, &bytes, None).map_err(|e| Exit::refused(e.to_string()))?;
    let said = described(&found);
    if inspect.json {
        return Ok(paint::json(&said)?);
    }
    paint::say(&format!("sha256     {}", found.digest))?;
    paint::say(&format!("bytes      {}", found.size))?;
    paint::say(&format!(
        "imports    {}",
        escape_line(&found.imports.join(", "))
    ))?;
    for (name, value) in said["manifest"].as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        paint::say(&format!("{:10} {}", escape_line(name), escape_line(&text)))?;
    }
    Ok(())
}
