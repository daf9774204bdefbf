//! The rules of the house, as a test that says what to do instead.

mod crates;
mod rust;

use crate::screen;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// One breach.
pub struct Breach {
    /// Where: file, or file and line.
    pub place: String,
    /// What is wrong and what to do instead.
    pub advice: String,
}

impl Breach {
    /// A breach at a place.
    pub fn new(place: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            advice: advice.into(),
        }
    }
}

const TOP_FOLDERS: [&str; 5] = ["engine", "plugins", "policies", "sdk", "tests"];

/// Checks every rule.
///
/// # Errors
/// With every breach, if there is one.
pub fn run(workspace: &Path) -> Result<()> {
    let mut breaches = Vec::new();
    let files = tracked(workspace)?;
    top_level(&files, &mut breaches);
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "rs"))
    {
        rust::check(workspace, file, &mut breaches)?;
    }
    rules_have_tests(workspace, &files, &mut breaches)?;
    crates::check(workspace, &mut breaches)?;
    if breaches.is_empty() {
        screen::seen("the house is tidy");
        return Ok(());
    }
    for breach in &breaches {
        eprintln!("{}: {}", breach.place, breach.advice);
    }
    bail!("{} breaches of the rules of the house", breaches.len())
}

/// The files that belong to the project: what git tracks or would track.
fn tracked(workspace: &Path) -> Result<Vec<PathBuf>> {
    let output = portcullis_tests::process::run(
        std::process::Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace),
    )?;
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(list
        .lines()
        .map(PathBuf::from)
        .filter(|f| workspace.join(f).is_file())
        .collect())
}

fn top_level(files: &[PathBuf], breaches: &mut Vec<Breach>) {
    let mut seen = std::collections::BTreeSet::new();
    for file in files {
        let mut parts = file.components();
        let (Some(first), Some(_)) = (parts.next(), parts.next()) else {
            continue;
        };
        let name = first.as_os_str().to_string_lossy().into_owned();
        if !name.starts_with('.')
            && !TOP_FOLDERS.contains(&name.as_str())
            && seen.insert(name.clone())
        {
            breaches.push(Breach::new(
                name,
                "no further top-level folder: put it where it belongs",
            ));
        }
    }
}

/// Every rule path in a pack stands in a test too.
fn rules_have_tests(workspace: &Path, files: &[PathBuf], breaches: &mut Vec<Breach>) -> Result<()> {
    let rego: Vec<&PathBuf> = files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "rego"))
        .collect();
    let is_test = |f: &Path| f.to_string_lossy().ends_with("_test.rego");
    let mut tests = String::new();
    for file in rego.iter().filter(|f| is_test(f)) {
        tests.push_str(&std::fs::read_to_string(workspace.join(file))?);
    }
    for file in rego.iter().filter(|f| !is_test(f)) {
        let text = std::fs::read_to_string(workspace.join(file))?;
        for (number, line) in text.lines().enumerate() {
            let Some(rule) = line
                .split("\"rule\": \"")
                .nth(1)
                .and_then(|r| r.split('"').next())
            else {
                continue;
            };
            if !tests.contains(&format!("\"{rule}\"")) {
                let place = format!("{}:{}", file.display(), number + 1);
                breaches.push(Breach::new(
                    place,
                    format!("the rule `{rule}` stands in no test"),
                ));
            }
        }
    }
    Ok(())
}
