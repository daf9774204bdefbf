//! PostgreSQL 18 and its libpq: protocol 3.2 with long cancel keys, direct TLS, channel binding towards the
//! server. The server is the npm package's, libpq the one inside the psycopg wheel.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{Shown, Version, World, WorldOptions, cluster, install, world};
use std::process::Command;

fn eighteen() -> Result<World> {
    World::start(&WorldOptions {
        cluster: cluster::Options {
            version: Version::Eighteen,
            tls: true,
            ..cluster::Options::default()
        },
        ..WorldOptions::default()
    })
}

fn python() -> Result<std::path::PathBuf> {
    match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => Ok(python.into()),
        None => install::python(&world::workspace()),
    }
}

const SCRIPT: &str = "
import sys, psycopg
for extra in sys.argv[2:]:
    with psycopg.connect(sys.argv[1] + ' ' + extra, autocommit=True) as conn:
        row = conn.execute('SELECT name FROM customers WHERE id = %s', (1,)).fetchone()
        print(extra, conn.info.server_version // 10000, row[0])
        cancelled = None
        import threading
        timer = threading.Timer(0.7, conn.cancel_safe)
        timer.start()
        try:
            conn.execute('SELECT pg_sleep(20)')
        except psycopg.errors.QueryCanceled as error:
            cancelled = error.sqlstate
        timer.join()
        print('cancelled', cancelled)
";

#[test]
fn libpq_18_works_in_every_way_it_connects() -> Result<()> {
    let world = eighteen()?;
    let token = world.token(&ANA)?;
    let dsn = format!("{} password={token}", world.dsn("anybody", "orders"));
    let ways = [
        "min_protocol_version=3.0",
        "max_protocol_version=3.2",
        "sslnegotiation=direct",
        "sslnegotiation=direct max_protocol_version=latest",
    ];
    let shown = Shown::by(
        Command::new(python()?)
            .args(["-c", SCRIPT, &dsn])
            .args(ways),
    )
    .context("run psycopg")?;
    ensure!(shown.code == 0, "{}\n{}", shown.all(), world.gateway.log());
    ensure!(
        shown.out.matches("18 Ada Lovelace").count() == ways.len(),
        "{}",
        shown.all()
    );
    ensure!(
        shown.out.matches("cancelled 57014").count() == ways.len(),
        "{}",
        shown.all()
    );
    Ok(())
}

#[test]
fn masking_and_minting_work_on_18() -> Result<()> {
    let world = eighteen()?;
    let shown = world.ask(
        &ANA,
        "orders",
        "SELECT session_user, email, ssn FROM customers WHERE id = 1",
    )?;
    ensure!(
        shown.code == 0 && shown.out.contains("pc_") && shown.out.contains("[pc-masked:"),
        "{}\n{}",
        shown.all(),
        world.gateway.log()
    );
    ensure!(
        !shown.shows("ada.lovelace@example.com") && !shown.shows("123-45-6789"),
        "{}",
        shown.all()
    );
    Ok(())
}
