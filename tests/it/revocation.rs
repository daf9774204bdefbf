//! Tokens of an outside issuer that are revoked here: by identity and by token, open sessions end at once, and nobody else's do.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Timestamp;
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
        .args(["-c", "SELECT pg_sleep(300)"])
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

/// What it was told when it ended. How soon that is the record's own times say ([`at_once`]): a client notices late on a machine
/// that does a lot beside it.
fn ended(mut child: Child) -> Result<String> {
    let until = Instant::now() + Duration::from_secs(60);
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

/// As the record shows a moment to people: `2026-11-28T02:35:36.123Z`.
fn moment(shown: &str) -> Result<Timestamp> {
    let numbers: Vec<i64> = shown
        .trim_end_matches('Z')
        .split(['-', 'T', ':', '.'])
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| shown.to_owned())?;
    let [year, month, day, hour, minute, second, millis] = numbers[..] else {
        bail!("no moment: {shown}");
    };
    let whole = Timestamp::of_utc([year, month, day], [hour, minute, second]);
    let millis = Duration::from_millis(millis.try_into()?);
    Ok(whole.context("no such day")?.after(millis))
}

/// The promise is a second. A machine that is busy beside it takes longer, and nothing here would end such a session by itself for
/// minutes.
const SOON: Duration = Duration::from_secs(20);

/// By the record itself: from each revocation to the end of the session that it was about.
fn at_once(world: &World, revocations: usize) -> Result<()> {
    let record = world.gateway.admin(&["journal", "node"])?;
    let mut revoked = Vec::new();
    for line in record.out.lines() {
        let entry: Value = serde_json::from_str(line)?;
        if entry["payload"]["event"] == "revoked" {
            revoked.push(moment(entry["at"].as_str().unwrap_or_default())?);
        }
    }
    // The record has a session's end when the client has been told: a moment later.
    let until = Instant::now() + Duration::from_secs(60);
    let mut ended = loop {
        let sessions = world.gateway.json(&["sessions", "list", "--recorded"])?;
        let rows = sessions.as_array().into_iter().flatten();
        let over = rows.filter(|row| row["state"] != "live");
        let over: Vec<i64> = over.filter_map(|row| row["ended"].as_i64()).collect();
        if over.len() >= revocations {
            break over;
        }
        ensure!(Instant::now() < until, "no end: {sessions:#}");
        std::thread::sleep(Duration::from_millis(50));
    };
    ended.sort_unstable();
    ensure!(
        (revoked.len(), ended.len()) == (revocations, revocations),
        "{revoked:?} {ended:?}"
    );
    for (revoked, ended) in revoked.into_iter().zip(ended) {
        // To the millisecond, as the entry is shown.
        ensure!(ended >= revoked.0, "it ended before: {ended} {revoked:?}");
        let took = Timestamp(ended).since(revoked);
        ensure!(took < SOON, "it took {took:?}");
    }
    Ok(())
}

fn token_id(token: &str) -> Result<String> {
    let claims = token.split('.').nth(1).context("claims")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    claims["jti"].as_str().map(str::to_owned).context("an id")
}

#[test]
fn whoever_is_revoked_loses_what_is_open_at_once_and_nobody_else_does() -> Result<()> {
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

    at_once(&world, 2)?;
    open(&world, 1)?;
    ensure!(
        unconcerned.try_wait()?.is_none(),
        "somebody else's session has ended"
    );
    unconcerned.kill()?;
    unconcerned.wait()?;
    Ok(())
}
