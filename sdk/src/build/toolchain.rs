//! What compiles for WebAssembly on this machine: the compiler in the path where it has the target, else Debian's with
//! the standard library built from source. Refuses to guess: without either it says what to install.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The only target there is: it has no WASI.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What compiles for WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
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
                let linker = linker.display();
                write!(f, "Debian's toolchain with build-std and {linker}")
            }
        }
    }
}

impl Toolchain {
    /// The toolchain that serves this folder. `rustup` is asked to add the target where it is missing.
    ///
    /// # Errors
    /// What to install.
    pub fn find(folder: &Path) -> Result<Self, String> {
        if has_target(folder) {
            return Ok(Self::Installed);
        }
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .current_dir(folder)
            .output();
        if added.is_ok_and(|out| out.status.success()) && has_target(folder) {
            return Ok(Self::Installed);
        }
        if let (true, Some(linker)) = (Path::new("/usr/bin/cargo").is_file(), debian_wasm_ld()) {
            return Ok(Self::Debian { linker });
        }
        Err(format!(
            "nothing here compiles for {TARGET}. With rustup: `rustup target add {TARGET}`. On Debian: \
             `apt-get install cargo rustc rust-src lld` (plugins then build with build-std)"
        ))
    }

    /// Which compiler it is: another one makes other bytes.
    #[must_use]
    pub fn version(folder: &Path) -> String {
        let said = Command::new("rustc")
            .arg("-vV")
            .current_dir(folder)
            .output();
        said.map_or_else(
            |_| "no rustc in the path".to_owned(),
            |out| String::from_utf8_lossy(&out.stdout).into_owned(),
        )
    }

    /// Cargo of this toolchain.
    pub(super) fn cargo(&self, folder: &Path, mut flags: Vec<String>) -> Command {
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
            .current_dir(folder)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("RUSTC_WRAPPER")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        cargo
    }

    /// What goes after `cargo build` with this toolchain.
    pub(super) fn arguments(&self) -> &'static [&'static str] {
        match self {
            Self::Installed => &[],
            Self::Debian { .. } => &["-Z", "build-std=std,panic_abort", "--ignore-rust-version"],
        }
    }
}

/// True when the compiler in the path has the target's standard library.
fn has_target(folder: &Path) -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .output();
    asked.is_ok_and(|out| {
        let folder = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        out.status.success() && Path::new(&folder).is_dir()
    })
}

/// A linker for WebAssembly, for compilers of other languages: LLVM's as Debian installs it, else the one
/// that comes with the Rust toolchain.
#[must_use]
pub fn wasm_ld() -> Option<PathBuf> {
    debian_wasm_ld().or_else(|| {
        let said = Command::new("rustc").args(["--print", "sysroot"]).output();
        let sysroot = PathBuf::from(String::from_utf8(said.ok()?.stdout).ok()?.trim());
        let hosts = fs::read_dir(sysroot.join("lib/rustlib")).ok()?.flatten();
        hosts
            .map(|host| host.path().join("bin/gcc-ld/wasm-ld"))
            .find(|linker| linker.is_file())
    })
}

/// LLVM's linker for WebAssembly, the newest version that Debian has installed.
fn debian_wasm_ld() -> Option<PathBuf> {
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
