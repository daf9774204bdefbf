//! Which set a command is about: packs named on the command line, or those of the configuration.

use crate::cli::{Exit, Whereabouts, paint};
use crate::{assemble, config};
use clap::Args;
use portcullis_policy::{Diagnostic, PackSource, PolicySet, builtin, read_data};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Packs, and what comes with them.
#[derive(Clone, Debug, Args)]
pub struct Packs {
    /// Folders of .rego files, single files, bundles (.tar.gz), or builtin:NAME
    #[arg(required = true)]
    pub packs: Vec<String>,
    /// A file of data for all packs
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// PEM file with the public key that bundles have to be signed with
    #[arg(long)]
    pub verification_key: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Packs, or the configured ones.
#[derive(Clone, Debug, Args)]
pub struct Candidate {
    /// Folders of .rego files, single files, bundles (.tar.gz), or builtin:NAME; the configured packs when
    /// none is named
    pub packs: Vec<String>,
    /// A file of data for all packs; the configured one when no pack is named
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// PEM file with the public key that bundles have to be signed with
    #[arg(long)]
    pub verification_key: Option<PathBuf>,
}

/// What a set is made of.
pub struct Made {
    pub sources: Vec<PackSource>,
    pub data: Value,
}

impl Packs {
    pub fn read(&self) -> Result<Made, Exit> {
        made(
            &self.packs,
            self.data.as_deref(),
            self.verification_key.as_ref(),
        )
    }

    /// Shows what is wrong.
    pub fn report(&self, found: &[Diagnostic]) -> Exit {
        report(found, self.json)
    }
}

impl Candidate {
    pub fn read(&self, at: &Whereabouts) -> Result<Made, Exit> {
        match self.packs.is_empty() {
            true => configured(&at.config),
            false => made(
                &self.packs,
                self.data.as_deref(),
                self.verification_key.as_ref(),
            ),
        }
    }

    /// The set, its tests not run: whoever asks it has read it already.
    pub fn load(&self, at: &Whereabouts, json: bool) -> Result<PolicySet, Exit> {
        self.read(at)?.load(json)
    }
}

impl Made {
    pub fn load(&self, json: bool) -> Result<PolicySet, Exit> {
        PolicySet::load_untested(&self.sources, self.data.clone())
            .map_err(|found| report(&found, json))
    }
}

/// One side of a comparison: a configuration, or a pack.
pub fn side(text: &str, data: Option<&Path>, key: Option<&PathBuf>) -> Result<Made, Exit> {
    match text.ends_with(".yaml") || text.ends_with(".yml") {
        true => configured(Path::new(text)),
        false => made(&[text.to_owned()], data, key),
    }
}

fn made(packs: &[String], data: Option<&Path>, key: Option<&PathBuf>) -> Result<Made, Exit> {
    let sources = packs
        .iter()
        .map(|text| source(text, key))
        .collect::<Result<_, _>>()?;
    let data = match data {
        Some(path) => read_data(path).map_err(|found| report(&[found], false))?,
        None => json!({}),
    };
    Ok(Made { sources, data })
}

fn configured(path: &Path) -> Result<Made, Exit> {
    let loaded = config::load(path)?;
    let sources = assemble::pack_sources(&loaded).map_err(Exit::refused)?;
    let data = match &loaded.config.policies.data {
        Some(path) => read_data(&loaded.path(path)).map_err(|found| report(&[found], false))?,
        None => json!({}),
    };
    Ok(Made { sources, data })
}

fn source(text: &str, key: Option<&PathBuf>) -> Result<PackSource, Exit> {
    let Some(name) = text.strip_prefix("builtin:") else {
        let source = PackSource::path(text);
        return Ok(match key {
            Some(key) if source.is_bundle() => PackSource::bundle(text, Some(key.clone())),
            _ => source,
        });
    };
    PackSource::builtin(name).ok_or_else(|| {
        let known: Vec<_> = builtin::packs().iter().map(|(name, _)| *name).collect();
        Exit::refused_with(
            format!("no pack `{name}` ships with the gateway"),
            format!("there are {}", known.join(", ")),
        )
    })
}

/// Shows what is wrong, with file, line, column and a caret.
pub fn report(found: &[Diagnostic], json: bool) -> Exit {
    match json {
        true => {
            let _ = paint::json(&json!({ "ok": false, "problems": found }));
        }
        false => {
            for diagnostic in found {
                eprintln!("{diagnostic}");
            }
        }
    }
    Exit::Found
}
