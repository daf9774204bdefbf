//! Every fuzz target for some seconds, with libFuzzer's coverage and no further tool: the flags that
//! cargo-fuzz would set are set here. It refuses to write into the committed corpus: what it finds goes
//! to `tests/fuzz/target/found`, and an input that breaks a law to `tests/fuzz/target/broken`.

use crate::screen;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

const HOST: &str = "x86_64-unknown-linux-gnu";

const SECONDS: u32 = 5;

/// Runs all targets.
pub fn run(workspace: &Path, arguments: &[String]) -> Result<()> {
    let seconds: u32 = match arguments {
        [] => SECONDS,
        [flag, seconds] if flag == "--seconds" => seconds.parse().context("read --seconds")?,
        _ => bail!("usage: cargo xtask fuzz [--seconds N]"),
    };
    if !has_nightly() {
        bail!("fuzzing needs a nightly toolchain: rustup toolchain install nightly");
    }
    every_target(workspace, seconds)
}

/// True when the toolchain is there that fuzzing needs.
pub fn has_nightly() -> bool {
    let version = nightly("rustc").arg("-V").output();
    version.is_ok_and(|output| output.status.success())
}

/// Builds and runs the targets, so many seconds each.
pub fn every_target(workspace: &Path, seconds: u32) -> Result<()> {
    screen::heading("Fuzzing");
    let folder = workspace.join("tests/fuzz");
    build(&folder)?;
    let targets = targets(&folder)?;
    if targets.is_empty() {
        bail!("there is no fuzz target in {}", folder.display());
    }
    for target in &targets {
        let inputs = fuzz(&folder, target, seconds)?;
        screen::seen(&format!("{target}: {inputs} inputs in {seconds} s"));
    }
    Ok(())
}

/// A tool of the nightly toolchain, without what the cargo that runs us has set.
fn nightly(tool: &str) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", tool])
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO")
        .env_remove("RUSTC");
    command
}

fn build(folder: &Path) -> Result<()> {
    let status = nightly("cargo")
        .args(["build", "--release", "--bins", "--quiet"])
        .args(["--target", HOST])
        .current_dir(folder)
        .env("RUSTFLAGS", COVERAGE)
        .status()
        .context("build the fuzz targets")?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    Ok(())
}

/// The names of the files in `targets/`.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder.join("targets")).context("list the fuzz targets")? {
        let path = entry.context("list the fuzz targets")?.path();
        if path.extension().is_some_and(|e| e == "rs") {
            targets.extend(path.file_stem().map(|n| n.to_string_lossy().into_owned()));
        }
    }
    targets.sort();
    Ok(targets)
}

/// Runs one target over its corpus and onwards: how many inputs it took.
fn fuzz(folder: &Path, target: &str, seconds: u32) -> Result<u64> {
    let corpus = folder.join("corpus").join(target);
    let found = folder.join("target/found").join(target);
    let broken = folder.join("target/broken").join(target);
    for made in [&found, &broken] {
        std::fs::create_dir_all(made).with_context(|| format!("create {}", made.display()))?;
    }
    if !corpus.is_dir() {
        bail!("{target} has no seeds: put some into {}", corpus.display());
    }
    let binary = folder
        .join("target")
        .join(HOST)
        .join("release")
        .join(target);
    // New inputs go into the first folder; the others are only read.
    let output = Command::new(binary)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-print_final_stats=1", "-rss_limit_mb=4096", "-timeout=20"])
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .args([&found, &corpus])
        .current_dir(folder)
        .output()
        .with_context(|| format!("run the fuzz target {target}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = said.lines().collect();
        screen::quote(&lines[lines.len().saturating_sub(40)..].join("\n"));
        let broken = broken.display();
        bail!("{target} broke a law; the input is in {broken}: fix it and keep it as a seed");
    }
    executed(&said).with_context(|| format!("{target} did not say how many inputs it took"))
}

/// `stat::number_of_executed_units: 12345`
fn executed(said: &str) -> Option<u64> {
    let number = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::executed;

    #[test]
    fn executed_inputs_are_read_from_what_the_fuzzer_says() {
        let said = "Done 7 runs in 2 second(s)\nstat::number_of_executed_units: 7\nstat::x: 1";
        assert_eq!(executed(said), Some(7));
        assert_eq!(executed("Done"), None);
    }
}
