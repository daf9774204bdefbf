//! Tokens of an outside issuer that are revoked here: by identity and by token, open sessions end within a second, and
//! nobody else's do.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_tests::issuer::{ANA, BEA};
use portcullis_tests::{World, WorldOptions};
use serde_json::Value;
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A session that stays open until somebody ends it.
fn linger(world: &World, token: &str) -> Result<Child> {
    let mut psql = world.psql("anybody", token, "orders");
    let child = psql
        .args(["-c", "SELECT pg_sleep(60)"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(child)
}

fn open(world: &World, sessions: usize) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'";
    while world.cluster.sql("postgres", sleeping)?.trim() != sessions.to_string() {
        ensure!(
            Instant::now() < until,
            "the sessions do not open:\n{}",
            world.gateway.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What it was told, if it ends at once: the promise is a second, and a machine that does a lot beside it gets four more.
/// What is asked for sleeps far longer.
fn ended(mut child: Child) -> Result<String> {
    let until = Instant::now() + Duration::from_secs(5);
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            bail!("the session goes on");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut told = String::new();
    let mut errors = child.stderr.take().context("an error stream")?;
    errors.read_to_string(&mut told)?;
    Ok(told)
}

fn token_id(token: &str) -> Result<String> {
    let claims = token.split('.').nth(1).context("claims")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    claims["jti"].as_str().map(str::to_owned).context("an id")
}

#[test]
fn whoever_is_revoked_loses_what_is_open_in_a_second_and_nobody_else_does() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let revoke = |more: &[&str]| -> Result<()> {
        let said = world
            .gateway
            .admin(&[&["revoke", "--reason", "left"][..], more].concat())?;
        ensure!(said.code == 0, "{}", said.all());
        Ok(())
    };
    let (one, other, bea) = (world.token(&ANA)?, world.token(&ANA)?, world.token(&BEA)?);
    let (first, second) = (linger(&world, &one)?, linger(&world, &other)?);
    let mut unconcerned = linger(&world, &bea)?;
    open(&world, 3)?;

    // One token: the person's other one is as good as before.
    let issuer = world.issuer.url();
    revoke(&["--issuer", &issuer, "--token-id", &token_id(&one)?])?;
    let told = ended(first)?;
    ensure!(told.contains("identity/revoked"), "{told}");
    open(&world, 2)?;
    let again = world
        .psql("anybody", &one, "orders")
        .args(["-c", "SELECT 1"])
        .output()?;
    ensure!(!again.status.success(), "a revoked token gets in");

    // The person.
    revoke(&["--issuer", &issuer, "--subject", ANA.subject])?;
    let told = ended(second)?;
    ensure!(told.contains("identity/revoked"), "{told}");
    let fresh = world.ask(&ANA, "orders", "SELECT 1")?;
    ensure!(
        fresh.code != 0 && fresh.shows("identity/revoked"),
        "{}",
        fresh.all()
    );

    open(&world, 1)?;
    ensure!(
        unconcerned.try_wait()?.is_none(),
        "somebody else's session has ended"
    );
    unconcerned.kill()?;
    unconcerned.wait()?;
    Ok(())
}
