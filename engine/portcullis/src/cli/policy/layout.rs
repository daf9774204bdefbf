//! `policy fmt`: layout of .rego files. What it sets right and what it leaves alone stands in its help.

use super::candidate::report;
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_policy::{Diagnostic, format};
use serde_json::json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const ABOUT: &str = "\
Sets right: indentation (tabs, one for each line with an open bracket), blanks at line ends, line ends,
several empty lines in a row. Leaves alone: comments, strings, blanks within a line, the order of rules,
and where lines break. What `opa fmt` has formatted stays as it is. A file whose meaning would change is
refused.

Examples:
  portcullis policy fmt ./policies/mine
  portcullis policy fmt --check ./policies        for CI: names what is not formatted
  portcullis policy fmt - < a.rego

Exit codes: 0 formatted (or nothing to do), 1 with --check when something is not, or a file does not parse.";

/// Files below one of these many folders.
const DEPTH_MAX: usize = 16;

/// A formatting.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub struct Fmt {
    /// Files or folders; `-` for the standard input
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Change nothing; name what is not formatted
    #[arg(long)]
    check: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn fmt(fmt: &Fmt) -> Result<(), Exit> {
    if fmt.paths == [PathBuf::from("-")] {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        let formatted = format("-", &text).map_err(|found| report(&[found], fmt.json))?;
        return Ok(std::io::stdout().lock().write_all(formatted.as_bytes())?);
    }
    let mut files = Vec::new();
    for path in &fmt.paths {
        collect(path, DEPTH_MAX, &mut files)?;
    }
    let mut wrong: Vec<Diagnostic> = Vec::new();
    let mut changed: Vec<String> = Vec::new();
    for file in &files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Exit::refused(format!("{name}: {error}")))?;
        match format(&name, &text) {
            Err(found) => wrong.push(found),
            Ok(formatted) if formatted == text => {}
            Ok(formatted) => {
                if !fmt.check {
                    std::fs::write(file, formatted)?;
                }
                changed.push(name);
            }
        }
    }
    show(fmt, files.len(), &changed, &wrong)?;
    match wrong.is_empty() && (changed.is_empty() || !fmt.check) {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

fn show(fmt: &Fmt, files: usize, changed: &[String], wrong: &[Diagnostic]) -> Result<(), Exit> {
    if fmt.json {
        return Ok(paint::json(
            &json!({ "files": files, "changed": changed, "problems": wrong }),
        )?);
    }
    for found in wrong {
        eprintln!("{found}");
    }
    for name in changed {
        paint::say(name)?;
    }
    let verb = if fmt.check {
        "are not formatted"
    } else {
        "were formatted"
    };
    Ok(paint::say(&format!(
        "{} of {files} files {verb}",
        changed.len()
    ))?)
}

fn collect(path: &Path, left: usize, files: &mut Vec<PathBuf>) -> Result<(), Exit> {
    let unreadable = |error: std::io::Error| Exit::refused(format!("{}: {error}", path.display()));
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if left == 0 {
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(unreadable)?;
    entries.sort();
    for entry in entries {
        let rego = entry.extension().is_some_and(|e| e == "rego");
        if rego || (entry.is_dir() && !entry.is_symlink()) {
            collect(&entry, left - 1, files)?;
        }
    }
    Ok(())
}
