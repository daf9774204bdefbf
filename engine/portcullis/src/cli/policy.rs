//! `policy`: check and test packs as the gateway would load them, without a gateway.

use crate::cli::{Exit, paint};
use clap::{Args, Subcommand};
use portcullis_policy::{Diagnostic, PackSource, PolicySet, TestReport, read_data};
use std::path::PathBuf;

/// Policies.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Parse, check and compile packs, and run their tests
    #[command(after_help = EXAMPLES)]
    Check(Packs),
    /// Run the tests of packs and show their coverage
    #[command(after_help = EXAMPLES)]
    Test(Packs),
}

const EXAMPLES: &str = "\
Examples:
  portcullis policy check ./policies/mine
  portcullis policy test ./policies/mine --data ./data.yaml
  portcullis policy test builtin:access";

/// Which packs.
#[derive(Debug, Args)]
pub struct Packs {
    /// Folders of .rego files, single files, or builtin:NAME
    #[arg(required = true)]
    packs: Vec<String>,
    /// Data for all packs
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn policy(policy: &Policy) -> Result<(), Exit> {
    match policy {
        Policy::Check(packs) => check(packs),
        Policy::Test(packs) => test(packs),
    }
}

fn check(packs: &Packs) -> Result<(), Exit> {
    let (sources, data) = packs.read()?;
    let set = PolicySet::load(&sources, data).map_err(|found| packs.report(&found))?;
    if packs.json {
        return Ok(paint::json(
            &serde_json::json!({ "revision": set.revision() }),
        )?);
    }
    Ok(paint::say(&format!("good; revision {}", set.revision()))?)
}

fn test(packs: &Packs) -> Result<(), Exit> {
    let (sources, data) = packs.read()?;
    let set = PolicySet::load_untested(&sources, data).map_err(|found| packs.report(&found))?;
    let report = set.test();
    match packs.json {
        true => paint::json(&report)?,
        false => show(&report)?,
    }
    match report.passed() {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

fn show(report: &TestReport) -> std::io::Result<()> {
    let failed = report.results.iter().filter(|test| test.failure.is_some());
    for test in failed.clone() {
        let why = test.failure.as_deref().unwrap_or_default();
        let word = paint::verdict("FAIL", false);
        paint::say(&format!(
            "{word} {} ({}:{}): {why}",
            test.name, test.file, test.line
        ))?;
        for print in &test.prints {
            paint::say(&format!("     {print}"))?;
        }
    }
    let (all, failed) = (report.results.len(), failed.count());
    let word = paint::verdict(if failed == 0 { "passed" } else { "failed" }, failed == 0);
    paint::say(&format!("{} of {all} tests passed: {word}", all - failed))?;
    if let Some(percent) = report.percent() {
        paint::say(&format!("{percent:.1} % of the lines were evaluated"))?;
    }
    Ok(())
}

impl Packs {
    fn read(&self) -> Result<(Vec<PackSource>, serde_json::Value), Exit> {
        let sources = self
            .packs
            .iter()
            .map(|text| source(text))
            .collect::<Result<_, _>>()?;
        let data = match &self.data {
            Some(path) => read_data(path).map_err(|found| self.report(&[found]))?,
            None => serde_json::json!({}),
        };
        Ok((sources, data))
    }

    fn report(&self, found: &[Diagnostic]) -> Exit {
        match self.json {
            true => {
                let _ = paint::json(&found);
            }
            false => {
                for diagnostic in found {
                    eprintln!("{diagnostic}");
                }
            }
        }
        Exit::Found
    }
}

fn source(text: &str) -> Result<PackSource, Exit> {
    match text.strip_prefix("builtin:") {
        None => Ok(PackSource::path(text)),
        Some(name) => PackSource::builtin(name).ok_or_else(|| {
            let known: Vec<_> = portcullis_policy::builtin::packs()
                .iter()
                .map(|(n, _)| *n)
                .collect();
            Exit::refused_with(
                format!("no pack `{name}` ships with the gateway"),
                format!("there are {}", known.join(", ")),
            )
        }),
    }
}
