//! `plugin build`: from a crate, or from any core module, to a component with its manifest. The same bytes from the
//! same sources, whatever the folder is called. Refuses what the loader would refuse: it looks at what it built.

use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_model::escape_line;
use portcullis_sandbox::{Inspection, inspect};
use portcullis_sdk::build::{Guest, Toolchain, component};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A build.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin build                                   the crate in this folder, into target/NAME.wasm
  portcullis plugin build ./badge-mask --output badge.wasm
  portcullis plugin build --module badge.o.wasm --manifest plugin.json --output badge.wasm
                                                            a core module from another compiler")]
pub struct Build {
    /// The plugin's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The component; target/NAME.wasm in the plugin's folder when not given
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// A core module that is built already, for languages other than Rust
    #[arg(
        long,
        requires = "manifest",
        requires = "output",
        conflicts_with = "folder"
    )]
    module: Option<PathBuf>,
    /// Its manifest
    #[arg(long, requires = "module")]
    manifest: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn build(build: &Build) -> Result<(), Exit> {
    let (path, bytes, by) = match (&build.module, &build.manifest, &build.output) {
        (Some(module), Some(manifest), Some(output)) => {
            let read = |path: &Path| {
                fs::read(path).map_err(|e| Exit::refused(format!("{}: {e}", path.display())))
            };
            let manifest = String::from_utf8_lossy(&read(manifest)?).into_owned();
            let bytes = component(&read(module)?, &manifest).map_err(Exit::refused)?;
            (output.clone(), bytes, "its own compiler".to_owned())
        }
        _ => {
            let built = from_crate(&build.folder)?;
            (
                build.output.clone().unwrap_or(built.path),
                built.bytes,
                built.by,
            )
        }
    };
    let found = inspect(&path.display().to_string(), &bytes, None)
        .map_err(|e| Exit::refused(e.to_string()))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|e| Exit::refused(format!("{}: {e}", folder.display())))?;
    }
    fs::write(&path, &bytes).map_err(|e| Exit::refused(format!("{}: {e}", path.display())))?;
    if build.json {
        let mut said = described(&found);
        said["path"] = json!(path);
        said["by"] = json!(by);
        return Ok(paint::json(&said)?);
    }
    paint::say(&format!("{}", path.display()))?;
    Ok(say(&found)?)
}

/// A plugin that was just built.
pub(super) struct Built {
    /// Where it belongs.
    pub(super) path: PathBuf,
    /// The component.
    pub(super) bytes: Vec<u8>,
    /// What built it.
    by: String,
}

/// Builds the crate in a folder.
pub(super) fn from_crate(folder: &Path) -> Result<Built, Exit> {
    let guest = Guest::open(folder).map_err(Exit::refused)?;
    let toolchain = Toolchain::find(folder).map_err(Exit::refused)?;
    let module = guest
        .module(&toolchain, &guest.target.join("portcullis"), false)
        .map_err(Exit::refused)?;
    let manifest = guest.manifest().map_err(Exit::refused)?;
    let at = |reason: String| {
        Exit::refused(format!(
            "{}: {reason}",
            guest.folder.join("plugin.json").display()
        ))
    };
    portcullis_sdk::Manifest::parse(&manifest).map_err(at)?;
    let bytes = component(&module, &manifest).map_err(Exit::refused)?;
    Ok(Built {
        path: guest
            .folder
            .join("target")
            .join(format!("{}.wasm", guest.library)),
        bytes,
        by: toolchain.to_string(),
    })
}

/// What there is to say of a component, for programs.
pub(super) fn described(found: &Inspection) -> Value {
    json!({
        "sha256": found.digest, "bytes": found.size, "imports": found.imports,
        "manifest": serde_json::to_value(&found.manifest).unwrap_or_default(),
    })
}

/// What there is to say of a component.
pub(super) fn say(found: &Inspection) -> std::io::Result<()> {
    let manifest = &found.manifest;
    let world = format!("{:?}", manifest.world).to_lowercase();
    let imports = match found.imports.as_slice() {
        [] => "nothing".to_owned(),
        imports => imports.join(", "),
    };
    for (name, value) in [
        (
            "plugin",
            format!(
                "{} {}, {world}, {}",
                manifest.name, manifest.version, manifest.api
            ),
        ),
        ("size", format!("{} bytes", found.size)),
        ("imports", imports),
        ("sha256", found.digest.clone()),
    ] {
        paint::say(&format!("  {name:9} {}", escape_line(&value)))?;
    }
    Ok(())
}
