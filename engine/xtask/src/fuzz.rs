//! Every fuzz target for some seconds, with libFuzzer's coverage and no further tool: the flags that
//! cargo-fuzz would set are set here.

use crate::screen;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

const HOST: &str = "x86_64-unknown-linux-gnu";

/// Runs all targets.
pub fn run(workspace: &Path, arguments: &[String]) -> Result<()> {
    let seconds: u32 = match arguments {
        [] => 5,
        [flag, seconds] if flag == "--seconds" => seconds.parse().context("read --seconds")?,
        _ => bail!("usage: cargo xtask fuzz [--seconds N]"),
    };
    let folder = workspace.join("tests/fuzz");
    let nightly = Command::new("rustup")
        .args(["run", "nightly", "rustc", "-V"])
        .output();
    if !nightly.is_ok_and(|o| o.status.success()) {
        bail!("fuzzing needs a nightly toolchain: rustup toolchain install nightly");
    }
    screen::heading("Fuzzing");
    let status = Command::new("rustup")
        .args([
            "run",
            "nightly",
            "cargo",
            "build",
            "--release",
            "--bins",
            "--target",
            HOST,
        ])
        .current_dir(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .status()
        .context("build the fuzz targets")?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    let mut targets: Vec<_> = std::fs::read_dir(folder.join("targets"))?
        .flatten()
        .filter_map(|e| {
            e.path()
                .file_stem()
                .map(|n| n.to_string_lossy().into_owned())
        })
        .collect();
    targets.sort();
    for target in &targets {
        let corpus = folder.join("corpus").join(target);
        let found = folder.join("target/found").join(target);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&found)?;
        let status = Command::new(
            folder
                .join("target")
                .join(HOST)
                .join("release")
                .join(target),
        )
        .arg(format!("-max_total_time={seconds}"))
        .args(["-verbosity=0", "-print_final_stats=1", "-rss_limit_mb=4096"])
        .arg(&found)
        .arg(&corpus)
        .current_dir(&folder)
        .status()
        .with_context(|| format!("run the fuzz target {target}"))?;
        if !status.success() {
            bail!(
                "{target} found something; the input is in {}",
                folder.display()
            );
        }
        screen::seen(&format!("{target}: {seconds} s"));
    }
    Ok(())
}
