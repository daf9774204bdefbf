//! `plugin new`: a crate that builds, tests and runs as it is. It names the SDK by its version and nothing else; until
//! that version is published the SDK's sources come along in `vendor/`, or from a checkout. Refuses a folder that is
//! there already.

use crate::cli::{Exit, paint};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/carried_sdk.rs"));

const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Longer names make longer file names than some systems have.
const NAME_BYTES_MAX: usize = 64;

/// A new plugin.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin new badge-mask --world masker
  portcullis plugin new acme/change-freeze --world classifier
  portcullis plugin new badge-mask --world masker --sdk ~/src/portcullis/sdk")]
pub struct New {
    /// Its name: lower case, digits, dashes; with a namespace in front, as in acme/badge-mask, if you like
    name: String,
    /// What it is to be
    #[arg(long)]
    world: World,
    /// The folder to make; the name's last part when not given
    #[arg(long)]
    path: Option<PathBuf>,
    /// A checkout of the SDK to build with; the program's own copy when not given
    #[arg(long, env = "PORTCULLIS_SDK", hide_env_values = true)]
    sdk: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// The worlds of the contract.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum World {
    /// Finds what has to be masked in responses
    Masker,
    /// Says what a request does
    Classifier,
}

macro_rules! template {
    ($world:literal, $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../../../../sdk/template/", $world, "/", $file)))),+]
    };
}

const MASKER: &[(&str, &str)] = template!(
    "masker",
    "Cargo.toml.template",
    "README.md",
    "config.yaml",
    "plugin.json",
    "src/lib.rs",
    "fixtures/badges.trace",
    "fixtures/badges.golden"
);
const CLASSIFIER: &[(&str, &str)] = template!(
    "classifier",
    "Cargo.toml.template",
    "README.md",
    "config.yaml",
    "plugin.json",
    "src/lib.rs",
    "fixtures/writes.trace",
    "fixtures/writes.golden"
);
const GITIGNORE: &str = include_str!("../../../../../sdk/template/gitignore");

pub(super) fn new(new: &New) -> Result<(), Exit> {
    let krate = crate_name(&new.name)?;
    let folder = new.path.clone().unwrap_or_else(|| PathBuf::from(krate));
    if folder.exists() {
        return Err(Exit::refused_with(
            format!("{} is there already", folder.display()),
            "choose another name, or name a folder with `--path`",
        ));
    }
    let patch = patch(&folder, new.sdk.as_deref())?;
    let files = match new.world {
        World::Masker => MASKER,
        World::Classifier => CLASSIFIER,
    };
    for (name, text) in files {
        let text = text
            .replace("CRATE_NAME", krate)
            .replace("LIB_NAME", &krate.replace('-', "_"))
            .replace("PLUGIN_NAME", &new.name)
            .replace("PLUGIN_TYPE", &type_name(krate))
            .replace("SDK_VERSION", SDK_VERSION)
            .replace("SDK_PATCH\n", &format!("{patch}\n"));
        write(&folder.join(name.trim_end_matches(".template")), &text)?;
    }
    write(&folder.join(".gitignore"), GITIGNORE)?;
    if new.json {
        let made =
            json!({ "folder": folder, "name": new.name, "crate": krate, "sdk": SDK_VERSION });
        return Ok(paint::json(&made)?);
    }
    paint::say(&format!("{} is ready. Next:\n", folder.display()))?;
    Ok(paint::say(&format!(
        "  cd {}\n  cargo test                # native, no WebAssembly toolchain\n  \
         portcullis plugin build   # the component\n  portcullis plugin test    # the same, through WebAssembly",
        folder.display()
    ))?)
}

/// What `Cargo.toml` says about the SDK until its version can be had from a registry.
fn patch(folder: &Path, checkout: Option<&Path>) -> Result<String, Exit> {
    let Some(checkout) = checkout else {
        for (name, text) in SDK {
            write(&folder.join("vendor/portcullis-sdk").join(name), text)?;
        }
        return Ok(format!(
            "\n# The SDK as the `portcullis` program carries it. Remove these lines and `vendor/` once portcullis-sdk\n\
             # {SDK_VERSION} is published.\n[patch.crates-io]\nportcullis-sdk = {{ path = \"vendor/portcullis-sdk\" }}\n"
        ));
    };
    let wrong = |detail: String| {
        Exit::refused_with(
            format!("{}: {detail}", checkout.display()),
            "name the folder `sdk` of a checkout, or leave `--sdk` and PORTCULLIS_SDK out for the program's own copy",
        )
    };
    let manifest = checkout.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|e| wrong(e.to_string()))?;
    if !text.contains("name = \"portcullis-sdk\"") {
        return Err(wrong("is not the SDK".to_owned()));
    }
    let path = checkout.canonicalize().map_err(|e| wrong(e.to_string()))?;
    // On one machine: it stays out of the crate's own manifest.
    let config = format!(
        "# The SDK from a checkout on this machine; not for version control.\n\
         [patch.crates-io]\nportcullis-sdk = {{ path = {:?} }}\n",
        path.to_string_lossy()
    );
    write(&folder.join(".cargo/config.toml"), &config)?;
    Ok(String::new())
}

fn crate_name(name: &str) -> Result<&str, Exit> {
    let krate = name.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let parts = name.split('/').count();
    let good = name.len() <= NAME_BYTES_MAX
        && parts <= 2
        && name
            .split('/')
            .all(|part| !part.is_empty() && part.chars().all(plain))
        && krate.starts_with(|c: char| c.is_ascii_lowercase())
        && !krate.ends_with('-')
        && !["test", "core", "std", "alloc", "portcullis-sdk"].contains(&krate);
    match good {
        true => Ok(krate),
        false => Err(Exit::refused_with(
            format!("`{}` is no name for a plugin", name.escape_debug()),
            "lower case letters, digits and dashes, as in badge-mask or acme/badge-mask",
        )),
    }
}

/// `badge-mask` becomes `BadgeMask`.
fn type_name(krate: &str) -> String {
    let words = krate.split('-').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        })
        .collect()
}

fn write(path: &Path, text: &str) -> Result<(), Exit> {
    let failed = |e: std::io::Error| Exit::refused(format!("{}: {e}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_crate_a_folder_and_a_type() {
        for (name, krate, kind) in [
            ("badge-mask", "badge-mask", "BadgeMask"),
            ("acme/mask-2-way", "mask-2-way", "Mask2Way"),
        ] {
            assert_eq!(crate_name(name).unwrap(), krate);
            assert_eq!(type_name(krate), kind);
        }
        for name in [
            "", "Badge", "a/b/c", "../x", "a b", "-a", "9a", "a/", "a-", "std",
        ] {
            assert!(crate_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_carried_sdk_is_whole() {
        let text = |name: &str| SDK.iter().find(|(file, _)| *file == name).expect(name).1;
        assert!(
            !text("Cargo.toml").contains("workspace"),
            "{}",
            text("Cargo.toml")
        );
        assert!(text("Cargo.toml").contains("\nversion = \"0.1.0\"\n"));
        for file in [
            "src/lib.rs",
            "src/glue/abi.rs",
            "src/testing/fixtures.rs",
            "wit/portcullis.wit",
        ] {
            assert!(!text(file).is_empty());
        }
    }
}
