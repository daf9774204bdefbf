//! Building the gateway with its plugins inside, progress visible.

use crate::{plugins, screen};
use anyhow::{Context, Result, bail};
use portcullis_tests::install::{self, Need};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where built plugins lie.
pub fn plugins_dir(workspace: &Path) -> PathBuf {
    target(workspace).join("plugins")
}

/// Cargo's target folder.
pub fn target(workspace: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}

/// Gets what the build needs, builds the plugins, then the gateway with them inside.
///
/// # Errors
/// When something is missing and cannot be installed, or does not build.
pub fn gateway(workspace: &Path) -> Result<PathBuf> {
    install::ensure(&[Need::Libclang, Need::Linux])?;
    all_plugins(workspace)?;
    screen::step("building the gateway (some minutes the first time)");
    cargo(
        workspace,
        &[
            "build",
            "--release",
            "--package",
            "portcullis",
            "--bin",
            "portcullis",
        ],
    )?;
    Ok(target(workspace).join("release/portcullis"))
}

/// Builds the plugins that the gateway carries.
///
/// # Errors
/// When there is no way to build for WebAssembly, or a plugin does not build.
pub fn all_plugins(workspace: &Path) -> Result<()> {
    screen::step("building the plugins for WebAssembly");
    for built in plugins::build_all(workspace, &plugins_dir(workspace))? {
        screen::seen(&built.to_string());
    }
    Ok(())
}

/// Runs cargo with its own progress on the screen.
///
/// # Errors
/// When it fails.
pub fn cargo(workspace: &Path, arguments: &[&str]) -> Result<()> {
    let status = cargo_command(workspace)
        .args(arguments)
        .status()
        .with_context(|| format!("run cargo {}", arguments.join(" ")))?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}

/// Cargo in the workspace, told where the plugins are.
pub fn cargo_command(workspace: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .env("PORTCULLIS_PLUGINS_DIR", plugins_dir(workspace));
    command
}
