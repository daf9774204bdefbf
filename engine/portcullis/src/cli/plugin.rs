//! `plugin`: look into a component without running it.

use crate::assemble::plugins::builtin;
use crate::cli::{Exit, paint};
use clap::Subcommand;
use portcullis_model::escape_line;
use portcullis_sandbox::inspect;
use serde_json::json;

/// Plugins.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Show what a plugin says of itself, and the digest to pin it with
    #[command(after_help = "\
Examples:
  portcullis plugin inspect ./mask-badges.wasm
  portcullis plugin inspect builtin:mask-pii --json")]
    Inspect {
        /// A component, or builtin:NAME
        file: String,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn plugin(plugin: &Plugin) -> Result<(), Exit> {
    let Plugin::Inspect { file, json } = plugin;
    let bytes = match file.strip_prefix("builtin:") {
        Some(name) => builtin(name).map_err(Exit::refused)?.to_vec(),
        None => std::fs::read(file).map_err(|error| Exit::refused(format!("{file}: {error}")))?,
    };
    let found = inspect(file, &bytes, None).map_err(|error| Exit::refused(error.to_string()))?;
    let manifest = serde_json::to_value(&found.manifest).unwrap_or_default();
    if *json {
        let found = json!({ "sha256": found.digest, "bytes": found.size, "manifest": manifest });
        return Ok(paint::json(&found)?);
    }
    paint::say(&format!("sha256     {}", found.digest))?;
    paint::say(&format!("bytes      {}", found.size))?;
    for (name, value) in manifest.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        paint::say(&format!("{:10} {}", escape_line(name), escape_line(&text)))?;
    }
    Ok(())
}
