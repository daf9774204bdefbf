//! Builds the crates under `plugins/` into plugins, with the SDK's own build code: what an author's `portcullis plugin
//! build` does. Skips what has not changed, by content and not by time. Refuses to build without knowing how: a
//! machine with no toolchain for WebAssembly is told what to install.

use anyhow::{Context, Error, Result};
use portcullis_sdk::build::{Guest, Toolchain};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Bumped when this file builds otherwise from the same inputs.
const RECIPE: &str = "portcullis-plugin-build/2";

/// One plugin, built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The folder's name.
    pub name: String,
    /// The component.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
    /// Its sha256, hex: what a configuration pins.
    pub sha256: String,
    /// How it was built: the toolchain, or that nothing had changed.
    pub by: String,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            size,
            sha256,
            by,
            ..
        } = self;
        write!(
            f,
            "{name:<20} {:>6} KiB  sha256:{sha256}  ({by})",
            size.div_ceil(1024)
        )
    }
}

/// Builds every plugin of the workspace into `out`, as `NAME.wasm`.
///
/// # Errors
/// When there is no toolchain for WebAssembly, or a plugin does not build.
pub fn build_all(workspace: &Path, out: &Path) -> Result<Vec<Built>> {
    fs::create_dir_all(out).with_context(|| format!("create {}", out.display()))?;
    let mut toolchain = None;
    let mut built = Vec::new();
    for folder in folders(workspace)? {
        let inputs = inputs(workspace, &folder)?;
        if let Some(kept) = unchanged(&folder, out, &inputs)? {
            built.push(kept);
            continue;
        }
        let toolchain = match &toolchain {
            Some(found) => found,
            None => toolchain.insert(Toolchain::find(workspace).map_err(Error::msg)?),
        };
        built.push(build(&folder, out, toolchain, &inputs)?);
    }
    Ok(built)
}

/// The folders of plugins, sorted by name.
fn folders(workspace: &Path) -> Result<Vec<PathBuf>> {
    let root = workspace.join("plugins");
    let mut folders = Vec::new();
    for entry in fs::read_dir(&root).with_context(|| format!("list {}", root.display()))? {
        let path = entry?.path();
        if path.join("plugin.json").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// A digest of everything that goes into a plugin: its sources, those of plugins that it is built on, the SDK's, the
/// lock file, the profile, the compiler.
fn inputs(workspace: &Path, folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    for root in [folder.to_owned(), workspace.join("sdk")] {
        collect(&root, &mut files)?;
    }
    for sibling in siblings(folder)? {
        collect(&sibling, &mut files)?;
    }
    for name in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        files.push(workspace.join(name));
    }
    files.sort();
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    field(RECIPE.as_bytes());
    field(Toolchain::version(workspace).as_bytes());
    for file in files {
        let name = file.strip_prefix(workspace).unwrap_or(&file);
        field(name.as_os_str().as_encoded_bytes());
        field(&fs::read(&file).with_context(|| format!("read {}", file.display()))?);
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// The plugins that this one is built on: `{ path = "../NAME" }`.
fn siblings(folder: &Path) -> Result<Vec<PathBuf>> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let names = text.lines().filter_map(|line| {
        let (_, after) = line.split_once("path = \"../")?;
        let name = after.split('"').next()?;
        (!name.starts_with('.')).then_some(name)
    });
    Ok(names
        .map(|name| folder.with_file_name(name))
        .filter(|sibling| sibling.is_dir())
        .collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        match path.is_dir() {
            true if path.ends_with("target") => {}
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

/// What was built before from the same inputs, if it is still the same.
fn unchanged(folder: &Path, out: &Path, inputs: &str) -> Result<Option<Built>> {
    let name = name(folder)?;
    let path = out.join(format!("{name}.wasm"));
    let (Ok(stamp), Ok(bytes)) = (fs::read_to_string(stamp(out, &name)), fs::read(&path)) else {
        return Ok(None);
    };
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    Ok((stamp == format!("{inputs} {sha256}")).then(|| Built {
        name,
        path,
        size: bytes.len(),
        sha256,
        by: "unchanged".to_owned(),
    }))
}

fn stamp(out: &Path, name: &str) -> PathBuf {
    out.join(format!(".{name}.inputs"))
}

fn name(folder: &Path) -> Result<String> {
    let name = folder.file_name().and_then(|n| n.to_str());
    Ok(name
        .context("a plugin's folder has a plain name")?
        .to_owned())
}

fn build(folder: &Path, out: &Path, toolchain: &Toolchain, inputs: &str) -> Result<Built> {
    let name = name(folder)?;
    let of = |reason: String| Error::msg(format!("plugin {name}: {reason}"));
    let guest = Guest::open(folder).map_err(of)?;
    // A folder of its own: the gateway's build may hold the other one, and flags differ.
    let target = out.join(".build");
    let module = guest.module(toolchain, &target, true).map_err(of)?;
    let manifest = guest.manifest().map_err(of)?;
    let component = portcullis_sdk::build::component(&module, &manifest).map_err(of)?;
    let path = out.join(format!("{name}.wasm"));
    let sha256 = format!("{:x}", Sha256::digest(&component));
    fs::write(&path, &component).with_context(|| format!("write {}", path.display()))?;
    fs::write(stamp(out, &name), format!("{inputs} {sha256}"))
        .with_context(|| format!("write the stamp of {name}"))?;
    Ok(Built {
        name,
        path,
        size: component.len(),
        sha256,
        by: toolchain.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (PathBuf, PathBuf) {
        let root = std::env::temp_dir().join(format!("portcullis-inputs-{}", std::process::id()));
        let folder = root.join("plugins").join("one");
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(root.join("sdk")).unwrap();
        fs::create_dir_all(root.join("plugins").join("two")).unwrap();
        for (path, text) in [
            ("Cargo.toml", ""),
            ("Cargo.lock", ""),
            ("rust-toolchain.toml", ""),
            ("sdk/lib.rs", "sdk"),
            ("plugins/one/plugin.json", "{}"),
            ("plugins/one/src/lib.rs", "code"),
            (
                "plugins/one/Cargo.toml",
                "[package]\nname = \"package-one\"\n[dependencies]\ntwo = { path = \"../two\" }\n",
            ),
            ("plugins/two/lib.rs", "what it is built on"),
        ] {
            fs::write(root.join(path), text).unwrap();
        }
        (root, folder)
    }

    #[test]
    fn a_plugin_is_built_again_when_anything_that_goes_into_it_changes() {
        let (root, folder) = world();
        assert_eq!(folders(&root).unwrap(), std::slice::from_ref(&folder));
        let before = inputs(&root, &folder).unwrap();
        assert_eq!(inputs(&root, &folder).unwrap(), before);
        for path in [
            "Cargo.lock",
            "sdk/lib.rs",
            "plugins/one/src/lib.rs",
            "plugins/two/lib.rs",
        ] {
            let was = fs::read(root.join(path)).unwrap();
            fs::write(root.join(path), "other").unwrap();
            assert_ne!(inputs(&root, &folder).unwrap(), before, "{path}");
            fs::write(root.join(path), was).unwrap();
        }
        let out = root.join("out");
        fs::create_dir_all(&out).unwrap();
        assert_eq!(unchanged(&folder, &out, &before).unwrap(), None);
        fs::write(out.join("one.wasm"), "wasm").unwrap();
        let sha256 = format!("{:x}", Sha256::digest("wasm"));
        fs::write(stamp(&out, "one"), format!("{before} {sha256}")).unwrap();
        assert!(unchanged(&folder, &out, &before).unwrap().is_some());
        fs::write(out.join("one.wasm"), "tampered").unwrap();
        assert_eq!(unchanged(&folder, &out, &before).unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }
}
