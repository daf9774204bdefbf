//! `plugin pin`: the entry of `portcullis.yaml` that lets the gateway load these bytes and no others; with `--config` it
//! is written there. Refuses to guess: an entry that it cannot change by one line it leaves alone, and says which line
//! to write.

use super::read;
use crate::cli::{Exit, paint};
use crate::config::{self, Place, locate};
use clap::Args;
use portcullis_sandbox::inspect;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// A pin.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin pin target/badge_mask.wasm                            print the entry
  portcullis plugin pin target/badge_mask.wasm --config portcullis.yaml   write or change its `sha256` there")]
pub struct Pin {
    /// The component
    file: PathBuf,
    /// The configuration to change; it names the component already
    #[arg(long)]
    config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn pin(pin: &Pin) -> Result<(), Exit> {
    let name = pin.file.display().to_string();
    let bytes = read(&name)?;
    let found = inspect(&name, &bytes, None).map_err(|e| Exit::refused(e.to_string()))?;
    let line = match &pin.config {
        None => None,
        Some(config) => Some(write(config, &pin.file, &found.digest)?),
    };
    if pin.json {
        let said =
            json!({ "path": pin.file, "sha256": found.digest, "config": pin.config, "line": line });
        return Ok(paint::json(&said)?);
    }
    match (&pin.config, line) {
        (Some(config), Some(line)) => Ok(paint::say(&format!(
            "{}:{line}: pinned {name} to {}",
            config.display(),
            found.digest
        ))?),
        _ => Ok(paint::say(&format!(
            "plugins:\n  - path: {name}\n    sha256: {}",
            found.digest
        ))?),
    }
}

/// Writes the digest into the configuration and returns the line.
fn write(config: &Path, file: &Path, sha256: &str) -> Result<usize, Exit> {
    let text = fs::read_to_string(config)
        .map_err(|e| Exit::refused(format!("{}: {e}", config.display())))?;
    let (changed, line) = pinned(&text, config, file, sha256)?;
    // Beside it and renamed: a gateway that watches the file never reads half of it.
    let fresh = config.with_extension("yaml.new");
    let written = fs::write(&fresh, changed)
        .and_then(|()| fs::set_permissions(&fresh, fs::metadata(config)?.permissions()))
        .and_then(|()| fs::rename(&fresh, config));
    written.map_err(|e| Exit::refused(format!("{}: {e}", config.display())))?;
    Ok(line)
}

/// The text with the digest in it, and the line where it stands.
fn pinned(text: &str, config: &Path, file: &Path, sha256: &str) -> Result<(String, usize), Exit> {
    let folder = config.parent().unwrap_or_else(|| Path::new("."));
    let plugins = config::plugins_of(config, text)?;
    let wanted = file.canonicalize();
    let same = |path: &Path| matches!((folder.join(path).canonicalize(), &wanted), (Ok(a), Ok(b)) if a == *b);
    let by_hand = |why: &str| {
        Exit::refused_with(
            format!("{}: {why}", config.display()),
            format!(
                "write it by hand under `plugins`: `- path: {}` and below it `sha256: {sha256}`",
                file.display()
            ),
        )
    };
    let index = plugins
        .iter()
        .position(|p| p.path.as_deref().is_some_and(same));
    let index = index.ok_or_else(|| by_hand("no plugin has this path"))?;
    let place = Place::root().key("plugins").index(index);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let old = plugins[index].sha256.as_deref();
    let at = locate(
        text,
        &place.key(if old.is_some() { "sha256" } else { "path" }),
    );
    let (line, column) = at.ok_or_else(|| by_hand("the entry cannot be found"))?;
    let stands = lines.get(line - 1).cloned().unwrap_or_default();
    match old {
        Some(old) if stands.matches(old).count() == 1 => {
            lines[line - 1] = stands.replace(old, sha256)
        }
        None if !stands.contains('{') => {
            lines.insert(line, format!("{}sha256: {sha256}", " ".repeat(column - 1)));
        }
        _ => return Err(by_hand("the entry is not written a key a line")),
    }
    let line = if old.is_some() { line } else { line + 1 };
    let changed = lines.join("\n") + "\n";
    // What was changed is what was meant, and nothing else.
    let mut expected = plugins;
    expected[index].sha256 = Some(sha256.to_owned());
    let now = config::plugins_of(config, &changed)?;
    match serde_json::to_value(&now).ok() == serde_json::to_value(&expected).ok() {
        true => Ok((changed, line)),
        false => Err(by_hand(
            "the entry is written in a way that this command does not change",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_changes_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        fs::write(&file, "x").unwrap();
        let config = folder.path().join("portcullis.yaml");
        let (old, new) = ("0".repeat(64), "1".repeat(64));
        let head = "# ours\nplugins:\n  - builtin: mask-pii\n";
        for (entry, expected, at) in [
            (
                format!("  - path: a.wasm   # mine\n    sha256: {old}\n    config: {{}}\n"),
                format!("  - path: a.wasm   # mine\n    sha256: {new}\n    config: {{}}\n"),
                5,
            ),
            (
                "  - path: ./a.wasm\n    name: acme/a\n".to_owned(),
                format!("  - path: ./a.wasm\n    sha256: {new}\n    name: acme/a\n"),
                5,
            ),
            (
                format!("  - {{ path: a.wasm, sha256: {old} }}\n"),
                format!("  - {{ path: a.wasm, sha256: {new} }}\n"),
                4,
            ),
        ] {
            let (text, line) = pinned(&format!("{head}{entry}"), &config, &file, &new).unwrap();
            assert_eq!((text, line), (format!("{head}{expected}"), at));
        }
        for entry in ["  - { path: a.wasm }\n", "  - path: b.wasm\n", ""] {
            let error = pinned(&format!("{head}{entry}"), &config, &file, &new).unwrap_err();
            assert!(
                matches!(error, Exit::Refused { hint: Some(_), .. }),
                "{entry}: {error}"
            );
        }
    }
}
