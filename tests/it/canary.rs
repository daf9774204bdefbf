//! Injected credentials and protected values stay where they belong: not in what clients see, not in the
//! gateway's log, metrics, journal or command line.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::AGENT;
use portcullis_tests::process::until;
use portcullis_tests::{World, WorldOptions, sample};
use std::fs;
use std::path::Path;

/// What somebody would send who looks for a credential or a protected value.
const PROBES: [&str; 7] = [
    "SELECT * FROM customers WHERE id = 1",
    "COPY customers TO STDOUT",
    "SELECT rolname, rolpassword FROM pg_authid",
    "SELECT usename, query FROM pg_stat_activity",
    "SELECT * FROM pg_user_mappings",
    "SELECT email::int FROM customers WHERE id = 1",
    "SELECT current_setting('application_name'), session_user",
];

#[test]
fn credentials_and_canaries_stay_inside() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let token = world.token(&AGENT)?;
    let mut seen = String::new();
    for sql in PROBES {
        seen.push_str(&world.ask(&AGENT, "orders", sql)?.all());
    }
    let shown = world.ask(
        &AGENT,
        "orders",
        "ALTER ROLE app_rw PASSWORD 'Sup3rSecretCanary99'",
    )?;
    ensure!(
        shown.err.contains("ERROR"),
        "changing a password is refused: {}",
        shown.all()
    );
    seen.push_str(&shown.all());

    let secrets = [world.admin_password.as_str(), "SCRAM-SHA-256$4096"];
    let values = &sample::CANARIES;
    let check = |place: &str, text: &str, needles: &[&str]| -> Result<()> {
        for needle in needles {
            ensure!(!text.contains(needle), "`{needle}` stands in {place}");
        }
        Ok(())
    };
    check("what clients saw", &seen, &secrets)?;
    check("what clients saw", &seen, values)?;
    let log = world.gateway.log();
    let metrics = world.gateway.page("/metrics")?;
    let argv = fs::read_to_string(format!("/proc/{}/cmdline", world.gateway.pid()))?;
    leaves_no_core(world.gateway.pid())?;
    for (place, text) in [
        ("the log", &log),
        ("the metrics", &metrics),
        ("the command line", &argv),
    ] {
        check(place, text, &secrets)?;
        check(place, text, values)?;
        check(place, text, &[token.as_str(), "Sup3rSecretCanary99"])?;
    }
    nowhere_in_the_index(&world)?;
    let mut journal = Vec::new();
    read_all(&world.gateway.state(), &mut journal)?;
    ensure!(journal.len() > 1000, "the journal holds something");
    let journal = String::from_utf8_lossy(&journal);
    check("the journal", &journal, &secrets)?;
    check("the journal", &journal, values)?;
    check(
        "the journal",
        &journal,
        &[token.as_str(), "Sup3rSecretCanary99"],
    )?;
    // The server has logged every statement: the minted passwords were verifiers, never passwords.
    // The sample's own set-up names the password; the gateway never does.
    let server: String = world
        .cluster
        .log()
        .lines()
        .filter(|l| !l.contains("pc_admin LOGIN"))
        .collect::<Vec<_>>()
        .join("\n");
    ensure!(server.contains("pc_"), "the server saw minted roles");
    check(
        "the server's log",
        &server,
        &[world.admin_password.as_str()],
    )
}

/// The index of the record, too, which comes a moment later.
fn nowhere_in_the_index(world: &World) -> Result<()> {
    let found = |word: &str| -> Result<bool> {
        let found = world.gateway.json(&["search", word])?;
        Ok(found["rows"]
            .as_array()
            .is_some_and(|rows| !rows.is_empty()))
    };
    until("the last statement is found", || {
        Ok(found("app_rw").unwrap_or(false))
    })?;
    for word in ["Sup3rSecretCanary99"].iter().chain(&sample::CANARIES) {
        ensure!(!found(word)?, "`{word}` is found");
    }
    Ok(())
}

/// What a crash would write down.
fn leaves_no_core(pid: u32) -> Result<()> {
    let bounds = fs::read_to_string(format!("/proc/{}/limits", pid))?;
    let core = bounds
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let none: Option<Vec<&str>> =
        core.map(|line| line.split_whitespace().skip(4).take(2).collect());
    ensure!(
        none == Some(vec!["0", "0"]),
        "it would leave a core: {core:?}"
    );
    Ok(())
}

#[test]
fn a_minted_role_is_gone_after_its_session() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let shown = world.ask(&AGENT, "orders", "SELECT session_user")?;
    ensure!(shown.out.contains("pc_"), "minted: {}", shown.all());
    let roles =
        "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pc\\_%' AND rolname <> 'pc_admin'";
    for _ in 0..60 {
        if world.cluster.sql("postgres", roles)?.trim() == "0" {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    anyhow::bail!("the role is still there:\n{}", world.gateway.log())
}

fn read_all(folder: &Path, into: &mut Vec<u8>) -> Result<()> {
    for entry in fs::read_dir(folder)
        .with_context(|| format!("read {}", folder.display()))?
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, into)?;
        } else if path.is_file() {
            into.extend(fs::read(&path)?);
        }
    }
    Ok(())
}
