//! Memory of idle sessions: many are opened over TLS, each runs one masked SELECT, and a minute later the
//! gateway's resident memory is divided by their number. A few hundred go to a real PostgreSQL with a minted role
//! each; thousands go to a stand-in for it, since so many real backends do not fit on a small machine. It
//! refuses a figure when a session did not survive.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::process::{Server, free_port, run};
use portcullis_tests::{Gateway, World, WorldOptions, world};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The budget: DESIGN of idle sessions.
const BUDGET_KIB: f64 = 250.0;
/// Open files of this process and its children: two sockets for each session.
const FILES: u32 = 20_000;
/// Sessions to a real server.
const REAL: u32 = 200;

/// Measures, prints and keeps the figures.
pub fn measure(sessions: u32, wait: Duration) -> Result<()> {
    raise_files()?;
    let mut text = format!(
        "# Idle sessions\n\n{} s after one masked SELECT on each; TLS towards the client, everything on.\n\n\
         | upstream | sessions | KiB per session | before MiB | after MiB | just opened MiB |\n|---|---|---|---|---|---|\n",
        wait.as_secs()
    );
    let world = World::start(&WorldOptions {
        labels: "{ env: bench, app: orders }".to_owned(),
        profile: profile(),
        more: "session: { max: 8h }\n".to_owned(),
        ..WorldOptions::default()
    })?;
    let token = world.token(&ANA)?;
    row(
        &mut text,
        "PostgreSQL, a role per session",
        &world.gateway,
        &token,
        REAL,
        wait,
    )?;
    let (port, _upstream) = stand_in(&world)?;
    let gateway = before_stand_in(&world, port, sessions)?;
    row(
        &mut text,
        "stand-in, static login",
        &gateway,
        &token,
        sessions,
        wait,
    )?;
    println!("{text}");
    let file = world::workspace().join("tests/bench/idle.md");
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

fn profile() -> String {
    std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "release".to_owned())
}

fn row(
    text: &mut String,
    name: &str,
    gateway: &Gateway,
    token: &str,
    sessions: u32,
    wait: Duration,
) -> Result<()> {
    // Once, so that what the first session costs for all is there already.
    hold(gateway, token, 8, || Ok(()))?;
    std::thread::sleep(wait);
    let before = resident_mib(gateway.pid())?;
    let (mut opened, mut after) = (0.0, 0.0);
    eprintln!("{sessions} sessions through {name}");
    hold(gateway, token, sessions, || {
        opened = resident_mib(gateway.pid())?;
        std::thread::sleep(wait);
        after = resident_mib(gateway.pid())?;
        Ok(())
    })?;
    let each = (after - before) * 1024.0 / f64::from(sessions);
    let verdict = match each <= BUDGET_KIB {
        true => "within",
        false => "over",
    };
    writeln!(
        text,
        "| {name} | {sessions} | {each:.0} ({verdict} {BUDGET_KIB:.0}) | {before:.0} | {after:.0} | {opened:.0} |"
    )
    .context("write a row")
}

/// Opens sessions, does something while they idle, and makes sure that all of them still answer.
fn hold(
    gateway: &Gateway,
    token: &str,
    sessions: u32,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let mut client = Command::new("python3")
        .arg(script())
        .args([
            "client",
            &gateway.port.to_string(),
            token,
            &sessions.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start python3")?;
    let mut lines = BufReader::new(client.stdout.take().context("its output")?).lines();
    let mut next = || lines.next().transpose().map(Option::unwrap_or_default);
    ensure!(
        next()? == format!("open {sessions}"),
        "the sessions do not open\n{}",
        gateway.log()
    );
    meanwhile()?;
    let mut stdin = client.stdin.take().context("its input")?;
    writeln!(stdin)?;
    let alive = next()?;
    client.wait()?;
    ensure!(
        alive == format!("alive {sessions}"),
        "not all answer: {alive}\n{}",
        gateway.log()
    );
    Ok(())
}

fn script() -> std::path::PathBuf {
    world::workspace().join("tests/bench/idle.py")
}

fn stand_in(world: &World) -> Result<(u16, Server)> {
    let port = free_port()?;
    let mut command = Command::new("python3");
    command.arg(script()).args(["upstream", &port.to_string()]);
    let log = world.folder().join("stand-in.log");
    let mut server = Server::start("the stand-in", command, &log, "TERM")?;
    server.wait_for_port(port, Duration::from_secs(10))?;
    Ok((port, server))
}

/// A second gateway with the same configuration, but for its ports, its state and its upstream.
fn before_stand_in(world: &World, upstream: u16, sessions: u32) -> Result<Gateway> {
    let folder = world.folder().join("idle");
    fs::create_dir_all(&folder)?;
    let (port, metrics) = (free_port()?, free_port()?);
    let text = fs::read_to_string(world.folder().join("portcullis.yaml"))?;
    let (credential, minted) = credential(&text)?;
    let at = |path: &Path| path.display().to_string();
    let text = text
        .replace(&minted, &credential)
        .replace(
            &format!(":{}\n", world.gateway.port),
            &format!(":{port}\n    max_connections: {}\n", sessions + 64),
        )
        .replace(
            &format!(":{}\n", world.gateway.metrics),
            &format!(":{metrics}\n"),
        )
        .replace(
            &format!("port: {}\n", world.cluster.port),
            &format!("port: {upstream}\n"),
        )
        .replace(
            &at(&world.folder().join("state")),
            &at(&folder.join("state")),
        )
        .replace(
            &at(&world.folder().join("admin.sock")),
            &at(&folder.join("admin.sock")),
        );
    let config = folder.join("portcullis.yaml");
    fs::write(&config, text)?;
    let program = portcullis_tests::gateway::program(&world::workspace(), &profile())?;
    let environment = [("ORDERS_ADMIN_PASSWORD", world.admin_password.as_str())];
    Gateway::start(&program, &config, port, metrics, &environment)
}

/// The stand-in trusts everybody, and makes no roles.
fn credential(text: &str) -> Result<(String, String)> {
    let minted = text
        .lines()
        .find(|line| line.trim_start().starts_with("mint:"))
        .context("the configuration mints")?;
    let fixed = "      static: { user: app, password: \"env:ORDERS_ADMIN_PASSWORD\" }";
    Ok((fixed.to_owned(), minted.to_owned()))
}

/// For this process, and so for all that it starts.
fn raise_files() -> Result<()> {
    run(Command::new("prlimit")
        .arg(format!("--pid={}", std::process::id()))
        .arg(format!("--nofile={FILES}:{FILES}")))
    .map(drop)
    .context("raise the number of open files; run it as root, or raise the hard limit (ulimit -Hn)")
}

fn resident_mib(pid: u32) -> Result<f64> {
    crate::measure::resident_mib(pid)
}
