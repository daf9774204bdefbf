//! What happens when things break: the gateway is killed, the server goes away, a client vanishes, the
//! record is tampered with. Nothing that was forwarded is missing from the record, and every change shows.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{AGENT, ANA};
use portcullis_tests::process::until;
use portcullis_tests::{Shown, World, WorldOptions};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Waits until the server executes a statement with this in it.
fn runs(world: &World, what: &str) -> Result<()> {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
         AND query LIKE '%{what}%'"
    );
    until("the statement runs", || {
        Ok(world.cluster.sql("postgres", &count)?.trim() != "0")
    })
}

fn verify(world: &World) -> Result<Shown> {
    world.gateway.admin(&["journal", "verify"])
}

#[test]
fn a_killed_gateway_leaves_a_record_that_verifies() -> Result<()> {
    let mut world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    let mut child = session
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    {
        use std::io::Write;
        let input = child.stdin.as_mut().context("write to psql")?;
        writeln!(input, "SELECT 'forwarded-before-the-crash';")?;
        input.flush()?;
    }
    // What came back was forwarded.
    let mut answer = String::new();
    let mut lines = BufReader::new(child.stdout.take().context("read of psql")?);
    while !answer.contains("forwarded-before-the-crash") {
        ensure!(lines.read_line(&mut answer)? > 0, "psql ended: {answer}");
    }
    world.gateway.signal("KILL");
    world.gateway.wait(Duration::from_secs(60))?;
    let _ = child.kill();
    let _ = child.wait();
    let shown = verify(&world)?;
    ensure!(
        shown.code == 0,
        "the record of a killed gateway verifies: {}",
        shown.all()
    );
    ensure!(
        shown.shows("interrupted"),
        "it says that a session was interrupted: {}",
        shown.all()
    );
    let mut journal = Vec::new();
    collect(&world.gateway.state(), &mut journal)?;
    let found = journal
        .iter()
        .any(|(_, bytes)| contains(bytes, b"forwarded-before-the-crash"));
    ensure!(found, "what was forwarded is on record");
    // An auditor reads of it.
    world.restart()?;
    let to = world.folder().join("evidence");
    let export = [
        "evidence",
        "export",
        "--from",
        "1h",
        "-o",
        &to.display().to_string(),
    ];
    let exported = world.gateway.admin(&export)?;
    ensure!(exported.code == 0, "{}", exported.all());
    let failures = fs::read_to_string(to.join("failures.json"))?;
    for word in [
        "session interrupted",
        "recording was interrupted, and goes on from here",
    ] {
        ensure!(failures.contains(word), "{word}: {failures}");
    }
    Ok(())
}

#[test]
fn every_change_of_the_record_shows() -> Result<()> {
    let mut world = World::start(&WorldOptions::default())?;
    for n in 0..3 {
        world.ask(
            &AGENT,
            "orders",
            &format!("SELECT 'marker-{n}', count(*) FROM orders"),
        )?;
    }
    world.gateway.signal("TERM");
    world.gateway.wait(Duration::from_secs(30))?;
    let shown = verify(&world)?;
    ensure!(
        shown.code == 0,
        "the untouched record verifies: {}",
        shown.all()
    );
    let mut files = Vec::new();
    collect(&world.gateway.state(), &mut files)?;
    let (path, original) = files
        .into_iter()
        .find(|(_, bytes)| contains(bytes, b"marker-1"))
        .context("find the segment with the sessions")?;
    let at = position(&original, b"marker-1").context("find the marker")?;
    let mut edited = original.clone();
    edited[at + 7] = b'9';
    let cut = original[..original.len() - 40].to_vec();
    for (what, bytes) in [("an edited frame", edited), ("a cut tail", cut)] {
        fs::write(&path, &bytes)?;
        let shown = verify(&world)?;
        ensure!(
            shown.code == 1,
            "{what} shows (exit {}): {}",
            shown.code,
            shown.all()
        );
    }
    fs::write(&path, &original)?;
    ensure!(verify(&world)?.code == 0, "put back, it verifies");
    Ok(())
}

#[test]
fn a_server_that_goes_away_ends_the_session_with_a_clear_error() -> Result<()> {
    let mut world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    session.args(["-c", "SELECT pg_sleep(60)"]);
    let waiting = std::thread::spawn(move || Shown::by(&mut session));
    runs(&world, "pg_sleep(60)")?;
    world.cluster.crash();
    let shown = waiting
        .join()
        .map_err(|_| anyhow::anyhow!("psql was lost"))??;
    ensure!(shown.code == 2, "the session ended: {}", shown.all());
    let again = world.ask(&ANA, "orders", "SELECT 1")?;
    ensure!(
        again.code == 2 && again.err.contains("HINT"),
        "a new one is refused with a hint: {}",
        again.all()
    );
    ensure!(
        world.gateway.page("/healthz")?.contains("200"),
        "the gateway lives"
    );
    Ok(())
}

#[test]
fn a_client_that_vanishes_takes_its_statement_along() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    let mut child = session
        .args(["-c", "SELECT pg_sleep(60)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND usename LIKE 'pc\\_%'";
    let seen = |expected: &str| -> Result<bool> {
        for _ in 0..100 {
            if world.cluster.sql("postgres", running)?.trim() == expected {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(false)
    };
    ensure!(seen("1")?, "the statement runs");
    child.kill()?;
    child.wait()?;
    ensure!(seen("0")?, "the statement was cancelled on the server");
    Ok(())
}

#[test]
fn cancel_reaches_the_running_statement() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    let child = session
        .args(["-c", "SELECT pg_sleep(30)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    runs(&world, "pg_sleep(30)")?;
    std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    let output = child.wait_with_output()?;
    let shown = Shown::from_output(&output);
    ensure!(
        shown
            .err
            .contains("canceling statement due to user request"),
        "{}",
        shown.all()
    );
    Ok(())
}

#[test]
fn a_drain_tells_sessions_and_ends_cleanly() -> Result<()> {
    let mut world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    session.args(["-c", "SELECT 1", "-c", "SELECT pg_sleep(8)"]);
    let waiting = std::thread::spawn(move || Shown::by(&mut session));
    runs(&world, "pg_sleep(8)")?;
    world.gateway.signal("TERM");
    let code = world.gateway.wait(Duration::from_secs(60))?;
    ensure!(
        code == Some(0),
        "it ends with 0, not {code:?}:\n{}",
        world.gateway.log()
    );
    let _ = waiting.join();
    let left = world.cluster.sql(
        "postgres",
        "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pc\\_%' AND rolname <> 'pc_admin'",
    )?;
    ensure!(left.trim() == "0", "no minted role is left");
    Ok(())
}

#[test]
fn orphans_of_a_killed_gateway_are_swept_at_start() -> Result<()> {
    let mut world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    let mut child = session
        .args(["-c", "SELECT pg_sleep(60)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    runs(&world, "pg_sleep(60)")?;
    world.gateway.signal("KILL");
    world.gateway.wait(Duration::from_secs(60))?;
    let _ = child.kill();
    let _ = child.wait();
    let count =
        "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pc\\_%' AND rolname <> 'pc_admin'";
    ensure!(
        world.cluster.sql("postgres", count)?.trim() == "1",
        "an orphan is left behind"
    );
    let config = world.folder().join("portcullis.yaml");
    let program =
        portcullis_tests::gateway::program(&portcullis_tests::world::workspace(), "debug")?;
    let environment = [("ORDERS_ADMIN_PASSWORD", world.admin_password.as_str())];
    let _again = portcullis_tests::Gateway::start(
        &program,
        &config,
        world.gateway.port,
        world.gateway.metrics,
        &environment,
    )?;
    until("the orphan is swept", || {
        Ok(world.cluster.sql("postgres", count)?.trim() == "0")
    })
}

fn collect(folder: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder)
        .with_context(|| format!("read {}", folder.display()))?
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.is_file() {
            into.push((path.clone(), fs::read(&path)?));
        }
    }
    Ok(())
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    position(bytes, needle).is_some()
}
