//! `cargo xtask test`: install what is missing, build, tidy, and run every test there is.

use crate::{build, fuzz, screen, tidy};
use anyhow::{Context, Result, bail};
use portcullis_tests::debian;
use portcullis_tests::install::{self, Need};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for each fuzz target: enough to go through the seeds and a little further.
const FUZZ_SECONDS: u32 = 3;
/// What is there once nothing is missing.
const SEEN: &str = "PostgreSQL, libclang, psycopg, asyncpg, moto, OpenBao, SimpleSAMLphp, node-postgres, PostgreSQL 18, paramiko, asyncssh, Ansible, ssh-audit, asciinema's player, Chromium, schemathesis, the schemas of OCSF, OpenTelemetry and HTTP Archives, rsyslog, kubectl 1.20 and 1.32";

/// Runs it. The last line is the sum over all test binaries.
pub fn run(workspace: &Path, arguments: &[String]) -> Result<()> {
    if arguments.first().is_some_and(|filter| filter == "corpus") {
        return corpus(workspace);
    }
    if let [flag, world] = arguments
        && flag == "--world"
    {
        return real_kubernetes(workspace, world);
    }
    let [python, node, asciinema] = needs(workspace)?;

    screen::heading("The house");
    tidy::run(workspace)?;

    screen::heading("Building");
    build::all_plugins(workspace)?;
    // The gateway's own integration tests make cargo build its binary with the features of the tests:
    // building it apart would compile half of the dependencies twice.
    build::cargo(workspace, &["test", "--workspace", "--no-run", "--quiet"])?;
    // Nothing runs the benches and the comparison with a real API server here, but they have to build.
    let unrun = ["--benches", "--test", "real_kubernetes"];
    let build = [&["test", "--workspace", "--no-run", "--quiet"][..], &unrun].concat();
    build::cargo(workspace, &build)?;

    screen::heading("Testing");
    let mut command = build::cargo_command(workspace);
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if let Some(filter) = arguments.first() {
        command.arg(filter);
    }
    command
        .env("PORTCULLIS_PYTHON", &python)
        .env("PORTCULLIS_NODE", &node)
        .env("PORTCULLIS_ASCIINEMA", &asciinema)
        .env("PORTCULLIS_PROFILE", "debug");
    let (good, sums) = counted(command)?;

    let fuzzed = fuzzed(workspace);
    if let Err(broken) = &fuzzed {
        eprintln!("{broken:#}");
    }
    println!("\n{} passed, {} failed", sums.passed, sums.failed);
    if !good || sums.failed > 0 {
        bail!("tests failed");
    }
    if sums.passed == 0 {
        bail!("no test ran");
    }
    if sums.ignored > 0 {
        bail!(
            "{} tests were ignored: a test either runs or does not exist",
            sums.ignored
        );
    }
    fuzzed
}

/// Installs what is missing; where Python, Node's modules and asciinema's player are.
fn needs(workspace: &Path) -> Result<[PathBuf; 3]> {
    screen::heading("What the tests need");
    install::ensure(&[
        Need::Libclang,
        Need::Postgres,
        Need::OpenSsh,
        Need::Kubectl,
        Need::Python,
        Need::Rsync,
        Need::Git,
        Need::Sshfs,
        Need::Age,
        Need::SimpleSaml,
        Need::Chromium,
        Need::Linux,
    ])?;
    let python = install::python(workspace)?;
    install::cluster_python(workspace)?;
    let node = install::node_modules(workspace)?;
    install::openbao(workspace)?;
    let asciinema = install::asciinema_player(workspace)?;
    debian::kubectl_1_20(workspace)?;
    debian::kubectl_1_32(workspace)?;
    debian::rsyslog(workspace)?;
    install::schemathesis(workspace)?;
    install::schemas(workspace)?;
    install::har_schema(workspace)?;
    screen::seen(SEEN);
    Ok([python, node, asciinema])
}

/// `cargo xtask test corpus`: detectors and classifiers against the labelled corpora, with recall and precision; natively,
/// and through WebAssembly.
fn corpus(workspace: &Path) -> Result<()> {
    build::all_plugins(workspace)?;
    let mut command = build::cargo_command(workspace);
    command
        .args(["test", "--package", "portcullis-plugin-mask-pii"])
        .args(["--package", "portcullis-plugin-mask-secrets"])
        .args(["--package", "portcullis-plugin-classify-shell"])
        .args(["--package", "portcullis-plugin-classify-kubernetes"])
        .args(["--package", "portcullis-tests"])
        .args(["--test", "corpus", "--", "--nocapture", "--test-threads=1"]);
    let (good, sums) = counted(command)?;
    match good && sums.passed > 0 && sums.failed == 0 {
        true => Ok(()),
        false => bail!("detectors or classifiers fall short of the corpora"),
    }
}

/// `cargo xtask test --world real-kubernetes`: builds a real API server where there is none, and compares with it.
fn real_kubernetes(workspace: &Path, world: &str) -> Result<()> {
    if world != "real-kubernetes" {
        bail!("there is no world `{world}`: the one that has to be asked for is real-kubernetes");
    }
    screen::heading("A real API server");
    install::ensure(&[Need::Libclang, Need::Postgres, Need::Python, Need::Linux])?;
    debian::kubectl_1_20(workspace)?;
    debian::kubectl_1_32(workspace)?;
    portcullis_tests::real_kubernetes::built(workspace)?;
    screen::heading("Building");
    build::all_plugins(workspace)?;
    // Of the whole workspace, or dependencies would be compiled again with fewer features; the test of the program brings
    // the gateway's binary.
    let tests = ["--test", "program", "--test", "real_kubernetes"];
    let build = [&["test", "--workspace", "--no-run", "--quiet"][..], &tests].concat();
    build::cargo(workspace, &build)?;
    screen::heading("Testing");
    let mut command = build::cargo_command(workspace);
    command
        .args(["test", "--workspace", "--test", "real_kubernetes"])
        .env("PORTCULLIS_PROFILE", "debug");
    let (good, sums) = counted(command)?;
    println!("\n{} passed, {} failed", sums.passed, sums.failed);
    match good && sums.passed > 0 && sums.failed == 0 {
        true => Ok(()),
        false => bail!("the gateway and a real API server differ"),
    }
}

/// Runs `cargo test`, shows what it prints and counts the results: whether it went well, and the sums.
fn counted(mut command: Command) -> Result<(bool, Sums)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("run cargo test")?;
    let out = child.stdout.take().context("read what cargo test prints")?;
    let mut sums = Sums::default();
    for line in BufReader::new(out).lines() {
        let line = line.context("read what cargo test prints")?;
        println!("{line}");
        sums.add(&line);
    }
    let status = child.wait().context("wait for cargo test")?;
    Ok((status.success(), sums))
}

/// A few seconds of every fuzz target; says so where that cannot be.
fn fuzzed(workspace: &Path) -> Result<()> {
    if fuzz::has_nightly() {
        return fuzz::every_target(workspace, FUZZ_SECONDS);
    }
    screen::heading("Fuzzing");
    println!("  not run: there is no nightly toolchain (rustup toolchain install nightly)");
    Ok(())
}

#[derive(Default)]
struct Sums {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Sums {
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; …`
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in rest.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (
                words.next().and_then(|n| n.parse::<u64>().ok()),
                words.next(),
            ) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sums;

    #[test]
    fn results_are_summed() {
        let mut sums = Sums::default();
        sums.add("test result: ok. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        sums.add("test result: FAILED. 3 passed; 0 failed; 0 ignored; 0 measured");
        sums.add("running 3 tests");
        assert_eq!((sums.passed, sums.failed, sums.ignored), (15, 1, 2));
    }
}
