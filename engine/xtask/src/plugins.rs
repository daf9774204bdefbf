//! Builds the crates under `plugins/` into plugins: core module for `wasm32-unknown-unknown`, component,
//! manifest. Skips what has not changed, by content and not by time, and gives the same bytes for the same inputs
//! on every machine. Refuses a module that imports anything but the contract's `host`.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";

/// Bumped when this file builds otherwise from the same inputs.
const RECIPE: &str = "portcullis-plugin-build/1";

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
            None => toolchain.insert(Toolchain::find(workspace)?),
        };
        built.push(build(workspace, &folder, out, toolchain, &inputs)?);
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
    field(version(workspace).as_bytes());
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

/// The compiler that would be used: another one makes other bytes.
fn version(workspace: &Path) -> String {
    let said = Command::new("rustc")
        .arg("-vV")
        .current_dir(workspace)
        .output();
    said.map_or_else(
        |_| "no rustc in the path".to_owned(),
        |out| String::from_utf8_lossy(&out.stdout).into_owned(),
    )
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

fn build(
    workspace: &Path,
    folder: &Path,
    out: &Path,
    toolchain: &Toolchain,
    inputs: &str,
) -> Result<Built> {
    let name = name(folder)?;
    let package = package(folder)?;
    // A folder of its own: the gateway's build may hold the other one, and flags differ.
    let target_dir = out.join(".build");
    let mut cargo = toolchain.cargo(workspace, &target_dir);
    cargo.args(["--package", &package]);
    let done = cargo
        .output()
        .with_context(|| format!("run cargo for {name}"))?;
    if !done.status.success() {
        bail!(
            "plugin {name} does not build with {toolchain}:\n{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    let module = target_dir
        .join(TARGET)
        .join("plugin")
        .join(format!("{}.wasm", package.replace('-', "_")));
    let module = fs::read(&module).with_context(|| {
        format!(
            "read {} (is the crate-type [\"cdylib\", \"rlib\"]?)",
            module.display()
        )
    })?;
    let manifest = fs::read_to_string(folder.join("plugin.json"))
        .with_context(|| format!("read the manifest of {name}"))?;
    let component = match portcullis_sdk::build::component(&module, &manifest) {
        Ok(component) => component,
        Err(reason) => bail!("plugin {name}: {reason}"),
    };
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

/// The package's name, from the first `name = "…"` of its Cargo.toml.
fn package(folder: &Path) -> Result<String> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let line = text.lines().find_map(|l| l.strip_prefix("name = \""));
    let name = line.and_then(|l| l.split('"').next());
    Ok(name
        .with_context(|| format!("{} has no package name", path.display()))?
        .to_owned())
}

/// What compiles for WebAssembly on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Toolchain {
    /// The compiler in the path, which has the target's standard library.
    Installed,
    /// Debian's compiler, which builds the standard library from its sources and links with LLVM's linker.
    Debian {
        /// `/usr/bin/wasm-ld-19` or another version.
        linker: PathBuf,
    },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => write!(f, "the installed toolchain"),
            Self::Debian { linker } => {
                write!(
                    f,
                    "Debian's toolchain with build-std and {}",
                    linker.display()
                )
            }
        }
    }
}

impl Toolchain {
    fn find(workspace: &Path) -> Result<Self> {
        if has_target(workspace) {
            return Ok(Self::Installed);
        }
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .current_dir(workspace)
            .output();
        if added.is_ok_and(|out| out.status.success()) && has_target(workspace) {
            return Ok(Self::Installed);
        }
        if let (true, Some(linker)) = (Path::new("/usr/bin/cargo").is_file(), wasm_ld()) {
            return Ok(Self::Debian { linker });
        }
        bail!(
            "nothing here compiles for {TARGET}. With rustup: `rustup target add {TARGET}`. \
             On Debian: `apt-get install cargo rustc rust-src lld` (the plugins then build with build-std)."
        )
    }

    /// `cargo build` of one package, with flags that make the same bytes everywhere.
    fn cargo(&self, workspace: &Path, target_dir: &Path) -> Command {
        let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
        for (from, to) in self.prefixes(workspace) {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        }
        let mut cargo = match self {
            Self::Installed => {
                Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            }
            Self::Debian { linker } => {
                flags.push(format!("-Clinker={}", linker.display()));
                let mut cargo = Command::new("/usr/bin/cargo");
                cargo
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
        };
        cargo
            .current_dir(workspace)
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .args(["build", "--lib", "--profile", "plugin", "--target", TARGET])
            .arg("--target-dir")
            .arg(target_dir);
        if matches!(self, Self::Debian { .. }) {
            cargo.args(["-Z", "build-std=std,panic_abort", "--ignore-rust-version"]);
        }
        cargo
    }

    /// Folders whose names differ from machine to machine; panic messages would carry them.
    fn prefixes(&self, workspace: &Path) -> Vec<(PathBuf, &'static str)> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let folder = |variable: &str, name: &str| {
            let set = std::env::var_os(variable).filter(|v: &OsString| !v.is_empty());
            set.map(PathBuf::from)
                .or_else(|| Some(home.as_ref()?.join(name)))
        };
        let mut prefixes = vec![(workspace.to_owned(), "/portcullis")];
        prefixes.extend(folder("CARGO_HOME", ".cargo").map(|path| (path, "/cargo")));
        prefixes.extend(folder("RUSTUP_HOME", ".rustup").map(|path| (path, "/rustup")));
        prefixes
    }
}

/// True when the compiler in the path has the target's standard library.
fn has_target(workspace: &Path) -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(workspace)
        .output();
    asked.is_ok_and(|out| {
        let folder = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        out.status.success() && Path::new(&folder).is_dir()
    })
}

/// LLVM's linker for WebAssembly, the newest version that Debian has installed.
fn wasm_ld() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/bin")
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("wasm-ld")?.trim_start_matches('-');
            Some((version.parse().unwrap_or(0), entry.path()))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path)
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
        assert_eq!(folders(&root).unwrap(), [folder.clone()]);
        assert_eq!(package(&folder).unwrap(), "package-one");
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
