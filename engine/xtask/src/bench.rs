//! `cargo xtask bench`: the figures, as ratios in one run. The measuring itself is in `tests/bench`; what plugins cost
//! is measured where they run, by the sandbox's own `tests/speed.rs`.

use crate::{build, screen};
use anyhow::Result;
use portcullis_tests::install::{self, Need};
use std::path::Path;

/// Runs the benches.
pub fn run(workspace: &Path, arguments: &[String]) -> Result<()> {
    if arguments.first().is_some_and(|name| name == "detectors") {
        return detectors(workspace, arguments.get(1..).unwrap_or_default());
    }
    if arguments.first().is_some_and(|name| name == "evidence") {
        return evidence(workspace);
    }
    screen::heading("What the benches need");
    if arguments.first().is_some_and(|name| name == "ssh") {
        install::ensure(&[Need::Libclang, Need::OpenSsh, Need::Python, Need::Linux])?;
        screen::seen("OpenSSH, Python, libclang");
    } else if arguments.first().is_some_and(|name| name == "kubernetes") {
        install::ensure(&[Need::Libclang, Need::Kubectl, Need::Python, Need::Linux])?;
        screen::seen("kubectl, Python, libclang");
    } else {
        install::ensure(&[Need::Libclang, Need::Postgres, Need::PgBouncer, Need::Linux])?;
        screen::seen("PostgreSQL, PgBouncer, libclang");
    }
    let rest: Vec<&String> = arguments.iter().filter(|a| *a != PLUGINS).collect();
    if arguments.is_empty() || rest.len() < arguments.len() {
        plugins(workspace)?;
        if !arguments.is_empty() && rest.is_empty() {
            return Ok(());
        }
    }
    build::gateway(workspace)?;
    let mut command = vec![
        "run",
        "--release",
        "--package",
        "portcullis-tests",
        "--bin",
        "portcullis-bench",
        "--",
    ];
    command.extend(rest.iter().map(|a| a.as_str()));
    build::cargo(workspace, &command)
}

/// The load that needs no server.
const PLUGINS: &str = "plugins";

/// The boundary, the detectors, and a thousand sessions with both maskers.
fn plugins(workspace: &Path) -> Result<()> {
    build::all_plugins(workspace)?;
    screen::heading("What plugins cost (processor time of one thread)");
    let speed = [
        "test",
        "--release",
        "--package",
        "portcullis-sandbox",
        "--test",
        "speed",
    ];
    let shown = ["--", "--nocapture", "--test-threads=1"];
    build::cargo(workspace, &[speed.as_slice(), &shown].concat())
}

/// The index, `verify` and replay over a million commands, the console's pages and film, and the command; needs no server, and two GiB of room.
fn evidence(workspace: &Path) -> Result<()> {
    screen::heading("What is made of the record");
    let figures = [
        "test",
        "--release",
        "--package",
        "portcullis-journal",
        "--test",
        "figures",
    ];
    let shown = ["--", "--nocapture"];
    build::cargo(workspace, &[figures.as_slice(), &shown].concat())?;
    screen::heading("Pages of the console over it");
    let pages = [
        "test",
        "--release",
        "--package",
        "portcullis",
        "--lib",
        "archive::pages",
    ];
    build::cargo(workspace, &[pages.as_slice(), &shown].concat())?;
    screen::heading("An hour of a terminal, by the command");
    let command = [
        "test",
        "--release",
        "--package",
        "portcullis",
        "--test",
        "program",
        "replayed",
    ];
    build::cargo(workspace, &[command.as_slice(), &shown].concat())
}

/// The detectors, in the sandbox and natively, beside Presidio and detect-secrets.
fn detectors(workspace: &Path, arguments: &[String]) -> Result<()> {
    build::all_plugins(workspace)?;
    let mut command = vec!["bench", "--package", "portcullis-tests"];
    command.extend(["--bench", "detectors", "--"]);
    command.extend(arguments.iter().map(String::as_str));
    build::cargo(workspace, &command)
}
