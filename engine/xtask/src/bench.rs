//! `cargo xtask bench`: the figures, as ratios in one run. The measuring itself is in `tests/bench`.

use crate::{build, screen};
use anyhow::Result;
use portcullis_tests::install::{self, Need};
use std::path::Path;

/// Runs the benches.
pub fn run(workspace: &Path, arguments: &[String]) -> Result<()> {
    screen::heading("What the benches need");
    install::ensure(&[Need::Libclang, Need::Postgres, Need::PgBouncer, Need::Linux])?;
    screen::seen("PostgreSQL, PgBouncer, libclang");
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
    command.extend(arguments.iter().map(String::as_str));
    build::cargo(workspace, &command)
}
