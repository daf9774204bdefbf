//! `evidence`: what an auditor asks for, as a folder that proves itself, and the check of such a folder, which needs the
//! folder and the public key and nothing else. It refuses to overwrite, and to take the key from the folder it checks.

use crate::cli::journal::Record;
use crate::cli::moments::moment;
use crate::cli::{Exit, Shape, Whereabouts, explain, paint};
use crate::{clock, config, paths};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use portcullis_journal::evidence::{Framework, Wanted, export, verify};
use portcullis_journal::{NodeKey, VerifyKey};
use portcullis_model::{Timestamp, escape_line};
use std::path::{Path, PathBuf};

const EXPORT_EXAMPLES: &str = "\
Examples:
  portcullis evidence export --from 2026-10-01 --to 2027-01-01 -o q4
  portcullis evidence export --from 90d -o last-quarter --framework soc2
  portcullis evidence verify q4 --key gateway.pub";

/// Evidence for an auditor.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Write who had access, who used it, what was approved, refused and broken, with proofs and a signature
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),
    /// Prove that a folder of evidence is as the gateway signed it
    Verify(Verify),
}

/// An export.
#[derive(Debug, Args)]
pub struct Export {
    /// Not before: 2026-10-01, 2026-10-01T00:00:00Z, or how long ago: 90d
    #[arg(long, value_parser = moment)]
    from: Timestamp,
    /// Before; now when not given
    #[arg(long, value_parser = moment)]
    to: Option<Timestamp>,
    /// The folder to write; it must not exist
    #[arg(long, short)]
    output: PathBuf,
    /// Say where to look for each control of this framework; a help for reading, no statement that a control is met
    #[arg(long, value_parser = PossibleValuesParser::new(Framework::names()))]
    framework: Option<String>,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    at: Whereabouts,
}

/// A check.
#[derive(Debug, Args)]
pub struct Verify {
    /// The folder
    folder: PathBuf,
    /// File with the gateway's public key, or the key itself; from elsewhere than the folder
    #[arg(long)]
    key: String,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn evidence(evidence: &Evidence) -> Result<(), Exit> {
    match evidence {
        Evidence::Export(wanted) => write(wanted),
        Evidence::Verify(check) => prove(check),
    }
}

fn write(wanted: &Export) -> Result<(), Exit> {
    let loaded = config::load(&wanted.at.config)?;
    let state = loaded.path(&loaded.config.state_dir);
    let origin = format!("portcullis/{}", loaded.config.node);
    let key = NodeKey::existing(&paths::journal_key(&state), &origin).map_err(|error| {
        Exit::refused_with(
            explain(&error),
            "evidence is signed with the gateway's key: run this as the gateway's user",
        )
    })?;
    let now = (clock::clock())();
    let time = Wanted {
        from: wanted.from,
        until: wanted.to.unwrap_or(now),
    };
    let dir = wanted.record.dir(&wanted.at)?;
    let identities = wanted.record.identities()?;
    let framework = wanted.framework.as_deref().and_then(Framework::named);
    let output = &wanted.output;
    let written = export(&dir, &key, &time, identities, framework, output, now)
        .map_err(|error| Exit::refused(explain(&error)))?;
    for (title, rows) in &written.rows {
        paint::say(&format!("  {rows:>6}  {title}"))?;
    }
    Ok(paint::say(&format!(
        "{} files in {}, {} entries of the record proved; `portcullis journal public-key` verifies them",
        written.files,
        escape_line(&wanted.output.display().to_string()),
        written.entries
    ))?)
}

fn prove(check: &Verify) -> Result<(), Exit> {
    let key = match check.key.contains('+') && !Path::new(&check.key).exists() {
        true => VerifyKey::parse(&check.key),
        false => VerifyKey::open(Path::new(&check.key)),
    };
    let key = key.map_err(|error| Exit::refused(explain(&error)))?;
    let checked = verify(&check.folder, &key).map_err(|error| Exit::refused(explain(&error)))?;
    let clean = checked.problems.is_empty();
    if check.shape.json {
        paint::json(&checked)?;
    } else {
        let word = if clean { "whole" } else { "NOT whole" };
        paint::say(&format!(
            "the evidence is {}: {} files, {} entries proved, {} checkpoints",
            paint::verdict(word, clean),
            checked.files,
            checked.entries,
            checked.checkpoints
        ))?;
        if let Some((from, until)) = &checked.time {
            paint::say(&format!("  time       {from} until {until}"))?;
        }
        for problem in &checked.problems {
            let word = paint::verdict("problem", false);
            paint::say(&format!("  {word}    {}", escape_line(problem)))?;
        }
    }
    match clean {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}
