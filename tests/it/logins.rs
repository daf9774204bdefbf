//! Logins that the gateway issues for minutes, for clients that prove a password without showing it: libpq with
//! `channel_binding=require`, old and new, and everybody who must not get in with one.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::kubernetes::certificate;
use portcullis_tests::{Shown, World, WorldOptions, install, world};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn python() -> Result<std::path::PathBuf> {
    match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => Ok(python.into()),
        None => install::python(&world::workspace()),
    }
}

/// A login for ana, from the gateway's HTTPS listener, as her own command line gets it.
fn login(world: &World, lasts: &str) -> Result<(String, String)> {
    let mut command = world
        .gateway
        .command(&["token", "database", "--json", "--for", lasts]);
    command
        .arg("--gateway")
        .arg(world.portal()?)
        .arg("--ca")
        .arg(world.certificate())
        .env("PORTCULLIS_TOKEN", world.token(&ANA)?);
    let shown = Shown::by(&mut command)?;
    ensure!(shown.code == 0, "{}\n{}", shown.all(), world.gateway.log());
    let issued: serde_json::Value = serde_json::from_str(&shown.out)?;
    let part = |name: &str| {
        issued[name]
            .as_str()
            .map(str::to_owned)
            .context("a login has it")
    };
    Ok((part("user")?, part("password")?))
}

fn psql(world: &World, user: &str, password: &str, more: &str, sql: &str) -> Result<Shown> {
    let mut command = Command::new("psql");
    command
        .arg("-X")
        .arg(format!("{} {more}", world.dsn(user, "orders")))
        .args(["-c", sql])
        .env("PGPASSWORD", password)
        .env("PGCONNECT_TIMEOUT", "60");
    Shown::by(&mut command).context("run psql")
}

const BOUND: &str = "channel_binding=require";

const SCRIPT: &str = "
import sys, psycopg
for extra in sys.argv[2:]:
    with psycopg.connect(sys.argv[1] + ' ' + extra, autocommit=True) as conn:
        row = conn.execute('SELECT name, email FROM customers WHERE id = 1').fetchone()
        print(extra, psycopg.pq.version() // 10000, row[0], row[1])
";

#[test]
fn clients_that_insist_on_channel_binding_get_in() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let (user, password) = login(&world, "5m")?;
    let old = psql(
        &world,
        &user,
        &password,
        BOUND,
        "SELECT name, email FROM customers WHERE id = 1",
    )?;
    ensure!(
        old.code == 0 && old.shows("Ada Lovelace") && old.shows("[pc-masked:"),
        "{}\n{}",
        old.all(),
        world.gateway.log()
    );
    let plain = psql(
        &world,
        &user,
        &password,
        "channel_binding=disable",
        "SELECT 1",
    )?;
    ensure!(plain.code == 0, "{}", plain.all());
    let dsn = format!("{} password={password}", world.dsn(&user, "orders"));
    let ways = [
        BOUND,
        "channel_binding=require sslnegotiation=direct",
        "channel_binding=require require_auth=scram-sha-256 max_protocol_version=latest",
    ];
    let new = Shown::by(
        Command::new(python()?)
            .args(["-c", SCRIPT, &dsn])
            .args(ways),
    )?;
    ensure!(
        new.code == 0 && new.out.matches(" 18 Ada Lovelace [pc-masked:").count() == ways.len(),
        "{}\n{}",
        new.all(),
        world.gateway.log()
    );
    // It is ana who was here, whatever the login is called; and the secret is nowhere.
    let recorded = world
        .gateway
        .json(&["sessions", "list", "--recorded"])?
        .to_string();
    ensure!(recorded.contains("ana@example.com"), "{recorded}");
    let journal = world.gateway.admin(&["journal", "node"])?.all();
    let log = world.gateway.log();
    for place in [&recorded, &journal, &log] {
        ensure!(
            !place.contains(&password),
            "the secret stands in the record or the log"
        );
    }
    Ok(())
}

#[test]
fn a_wrong_unknown_ended_or_revoked_login_stays_out() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let (user, password) = login(&world, "5m")?;
    // A minute is the least: whoever asks for less gets that.
    let (brief, its) = login(&world, "2s")?;
    let over = Instant::now() + Duration::from_secs(62);
    let refusal = |user: &str, password: &str| -> Result<String> {
        let shown = psql(&world, user, password, BOUND, "SELECT 1")?;
        ensure!(shown.code != 0, "{user} got in: {}", shown.all());
        let line = shown
            .err
            .lines()
            .find(|l| l.contains("FATAL:"))
            .map(str::to_owned);
        line.with_context(|| format!("no FATAL: {}", shown.all()))
    };
    let wrong = refusal(&user, "pcs_wrong")?;
    ensure!(
        wrong.contains("is not known, has ended, or its secret is wrong"),
        "{wrong}"
    );
    // Nobody learns which names there are.
    let unknown = refusal("pcl_00000000000000000000", &password)?;
    ensure!(
        wrong.split("FATAL:").nth(1) == unknown.split("FATAL:").nth(1),
        "{wrong} / {unknown}"
    );
    std::thread::sleep(over.saturating_duration_since(Instant::now()));
    ensure!(
        refusal(&brief, &its)?.contains("has ended"),
        "a login outlives its time"
    );
    let issuer = world.issuer.url();
    let revoked = world.gateway.admin(&[
        "revoke",
        "--issuer",
        &issuer,
        "--subject",
        ANA.subject,
        "--reason",
        "left",
    ])?;
    ensure!(revoked.code == 0, "{}", revoked.all());
    ensure!(
        refusal(&user, &password)?.contains("revoked"),
        "a revoked identity gets in"
    );
    let token = world.token(&ANA)?;
    let mut command = world.gateway.command(&["token", "database"]);
    command
        .arg("--gateway")
        .arg(world.portal()?)
        .arg("--ca")
        .arg(world.certificate())
        .env("PORTCULLIS_TOKEN", token);
    let shown = Shown::by(&mut command)?;
    ensure!(
        shown.code == 1 && shown.shows("identity/revoked"),
        "{}",
        shown.all()
    );
    Ok(())
}

/// Somebody who ends TLS with a certificate of their own, and opens another one to the gateway.
struct Between {
    child: Child,
    port: u16,
}

impl Between {
    fn start(world: &World) -> Result<Self> {
        let at = world.folder();
        certificate(at, "m")?;
        let child = Command::new("python3")
            .arg(world::workspace().join("tests/it/logins/in_between.py"))
            .arg(world.gateway.port.to_string())
            .args([at.join("m.crt"), at.join("m.key")])
            .stdout(Stdio::piped())
            .spawn()
            .context("start python3")?;
        let mut between = Self { child, port: 0 };
        let mut line = String::new();
        let out = between.child.stdout.take().context("its output")?;
        BufReader::new(out).read_line(&mut line)?;
        between.port = line.trim().parse().context("its port")?;
        Ok(between)
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[test]
fn somebody_in_between_with_another_certificate_gets_nowhere() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let (user, password) = login(&world, "5m")?;
    let between = Between::start(&world)?;
    let ask = |binding: &str| -> Result<Shown> {
        let mut command = Command::new("psql");
        command
            .arg("-X")
            .arg(format!(
                "host=127.0.0.1 port={} user={user} dbname=orders sslmode=require channel_binding={binding}",
                between.port
            ))
            .args(["-c", "SELECT 1"])
            .env("PGPASSWORD", &password)
            .env("PGCONNECT_TIMEOUT", "60");
        Shown::by(&mut command).context("run psql")
    };
    let bound = ask("require")?;
    let open = ask("disable")?;
    ensure!(
        bound.code != 0 && bound.shows("FATAL:") && !bound.shows("(1 row)"),
        "{}",
        bound.all()
    );
    // Without binding the one in between is not noticed: that the first attempt failed was the binding.
    ensure!(open.code == 0, "{}", open.all());
    Ok(())
}
