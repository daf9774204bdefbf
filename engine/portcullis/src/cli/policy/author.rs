//! `policy new`: a pack to begin with. What it writes loads, is formatted, and passes its own tests.

use crate::cli::{Exit, paint};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  portcullis policy new freeze                    ./freeze/freeze.rego and its test
  portcullis policy new freeze --dir policies     ./policies/freeze/…

Exit codes: 0 written, 1 there is something already.";

/// A new pack.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct New {
    /// Its name: lower-case letters, digits and `_`
    name: String,
    /// Where its folder is made
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

const RULES: &str = include_str!("template/pack.rego");
const TESTS: &str = include_str!("template/pack_test.rego");

pub(super) fn new(new: &New) -> Result<(), Exit> {
    let plain = new.name.starts_with(|c: char| c.is_ascii_lowercase())
        && !new.name.ends_with("_test")
        && new
            .name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !plain {
        return Err(Exit::refused_with(
            format!("`{}` is no name for a pack", new.name),
            "use lower-case letters, digits and `_`, beginning with a letter and not ending in `_test`",
        ));
    }
    let folder = new.dir.join(&new.name);
    std::fs::create_dir_all(&folder)?;
    let mut written = Vec::new();
    for (file, text) in [
        (format!("{}.rego", new.name), RULES),
        (format!("{}_test.rego", new.name), TESTS),
    ] {
        let path = folder.join(file);
        write(&path, &text.replace("PACK", &new.name))?;
        written.push(path.display().to_string());
    }
    if new.json {
        return Ok(paint::json(&serde_json::json!({ "written": written }))?);
    }
    for path in &written {
        paint::say(path)?;
    }
    let shown = folder.display();
    paint::say(&format!(
        "next: portcullis policy test {shown} --watch\n      then `path: {shown}` under `policies: packs:`, first with `dry_run: true`"
    ))?;
    Ok(())
}

/// Never over a file that is there.
fn write(path: &Path, text: &str) -> Result<(), Exit> {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    let mut file = made.map_err(|error| {
        Exit::refused_with(
            format!("{}: {error}", path.display()),
            "choose another name, or another folder with `--dir`",
        )
    })?;
    Ok(file.write_all(text.as_bytes())?)
}
