//! A crate that becomes a plugin: asked of cargo, built with flags that make the same bytes on every machine and in
//! every folder. Refuses a crate that makes no `cdylib`: nothing could be loaded from it.

use super::toolchain::{TARGET, Toolchain};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The profile of plugins: small and fast in wasm, and a panic there is a trap. Given to cargo on its command
/// line, so that a crate needs no profile of its own and cannot build otherwise by mistake.
pub const PROFILE: [&str; 8] = [
    "profile.plugin.inherits=\"release\"",
    "profile.plugin.opt-level=3",
    "profile.plugin.lto=\"fat\"",
    "profile.plugin.codegen-units=1",
    "profile.plugin.panic=\"abort\"",
    "profile.plugin.debug=false",
    "profile.plugin.strip=true",
    "profile.plugin.incremental=false",
];

/// A crate that becomes a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The package.
    pub package: String,
    /// Its library, as files are named: `badge_mask`.
    pub library: String,
    /// The folder of its `Cargo.toml`.
    pub folder: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Every folder whose name must not get into the plugin, with what stands there instead.
    prefixes: Vec<(PathBuf, String)>,
}

impl Guest {
    /// The crate in a folder.
    ///
    /// # Errors
    /// There is none, cargo cannot read it, or it makes no `cdylib`.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let manifest = folder.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|e| {
            format!(
                "{}: {e}. Run this in a plugin's folder, or name it; `portcullis plugin new NAME` makes one",
                manifest.display()
            )
        })?;
        let metadata = metadata(&manifest)?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let here = manifest.to_string_lossy();
        let package = packages
            .clone()
            .find(|p| p["manifest_path"].as_str() == Some(&*here))
            .ok_or_else(|| format!("{here} is a workspace; name the plugin's own folder"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let targets = package["targets"].as_array().into_iter().flatten();
        let is_cdylib = |t: &&Value| {
            strings(&t["crate_types"]).any(|kind| kind == "cdylib")
                && strings(&t["kind"]).any(|k| k != "example")
        };
        let library = targets.clone().find(is_cdylib).ok_or_else(|| {
            format!("{here}: the library is no `cdylib`; write `[lib]` and `crate-type = [\"cdylib\", \"rlib\"]`")
        })?;
        let root = text(&metadata["workspace_root"]);
        Ok(Self {
            package: text(&package["name"]),
            library: text(&library["name"]).replace('-', "_"),
            folder: manifest.parent().unwrap_or(folder).to_owned(),
            target: text(&metadata["target_directory"]).into(),
            prefixes: prefixes(Path::new(&root), packages),
        })
    }

    /// Builds it and returns the core module. `target` is the target folder, cargo's output goes to `progress` or,
    /// without it, into the error.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn module(
        &self,
        toolchain: &Toolchain,
        target: &Path,
        quiet: bool,
    ) -> Result<Vec<u8>, String> {
        let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
        for (from, to) in &self.prefixes {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        }
        let mut cargo = toolchain.cargo(&self.folder, flags);
        for setting in PROFILE {
            cargo.args(["--config", setting]);
        }
        cargo
            .args(["build", "--lib", "--profile", "plugin", "--target", TARGET])
            .args(["--package", &self.package, "--target-dir"])
            .arg(target)
            .args(toolchain.arguments());
        let failed = |said: &str| format!("{} does not build with {toolchain}{said}", self.package);
        match quiet {
            true => {
                let done = cargo.output().map_err(|e| format!("cargo: {e}"))?;
                if !done.status.success() {
                    let said = String::from_utf8_lossy(&done.stderr);
                    return Err(failed(&format!(":\n{said}")));
                }
            }
            false => {
                let done = cargo.status().map_err(|e| format!("cargo: {e}"))?;
                if !done.success() {
                    return Err(failed("; what the compiler says stands above"));
                }
            }
        }
        let module = format!("{}.wasm", self.library);
        let module = target.join(TARGET).join("plugin").join(module);
        std::fs::read(&module).map_err(|e| format!("{}: {e}", module.display()))
    }

    /// The text of its manifest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn manifest(&self) -> Result<String, String> {
        let path = self.folder.join("plugin.json");
        std::fs::read_to_string(&path)
            .map_err(|e| format!("{}: {e}; it stands next to Cargo.toml", path.display()))
    }
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn metadata(manifest: &Path) -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            TARGET,
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .current_dir(manifest.parent().unwrap_or_else(|| Path::new(".")))
        .output()
        .map_err(|e| format!("cargo: {e}; install Rust from https://rustup.rs"))?;
    if !said.status.success() {
        let said = String::from_utf8_lossy(&said.stderr);
        return Err(format!("cargo cannot read {}:\n{said}", manifest.display()));
    }
    serde_json::from_slice(&said.stdout).map_err(|e| format!("cargo metadata: {e}"))
}

/// Folders whose names differ from machine to machine; panic messages would carry them.
fn prefixes<'a>(root: &Path, packages: impl Iterator<Item = &'a Value>) -> Vec<(PathBuf, String)> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let folder = |variable: &str, name: &str| {
        let set = std::env::var_os(variable).filter(|v: &OsString| !v.is_empty());
        set.map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join(name)))
    };
    let mut prefixes = vec![(root.to_owned(), "/plugin".to_owned())];
    prefixes.extend(folder("CARGO_HOME", ".cargo").map(|path| (path, "/cargo".to_owned())));
    prefixes.extend(folder("RUSTUP_HOME", ".rustup").map(|path| (path, "/rustup".to_owned())));
    // A checkout of the SDK, or any other crate that is named by its path.
    for package in packages.filter(|p| p["source"].is_null()) {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        if let Some(folder) = manifest.parent().filter(|f| !f.starts_with(root)) {
            prefixes.push((folder.to_owned(), format!("/crates/{name}")));
        }
    }
    prefixes
}
