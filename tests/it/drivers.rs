//! Real drivers see through an allow-all gateway exactly what they see without it: every suite is run
//! against the server itself and through the gateway, and must print the same.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{Shown, World, WorldOptions, cluster, install, world};
use std::path::Path;
use std::process::Command;

/// A world in which everything is allowed and nothing is masked.
fn open_world() -> Result<World> {
    let folder = std::env::temp_dir().join(format!(
        "portcullis-{}/allow_all",
        &cluster::random_word()[..12]
    ));
    std::fs::create_dir_all(&folder)?;
    let pack = "package portcullis.packs.allow_all\n\nimport rego.v1\n\n\
        grant contains {\"rule\": \"test/allow-all\"} if input.version == \"portcullis/v1\"\n";
    std::fs::write(folder.join("allow_all.rego"), pack)?;
    World::start(&WorldOptions {
        cluster: cluster::Options {
            tls: true,
            ..cluster::Options::default()
        },
        packs: format!("    - path: {}\n", folder.display()),
        plugins: "none".to_owned(),
        ..WorldOptions::default()
    })
}

struct Place {
    port: u16,
    user: &'static str,
    password: String,
}

impl Place {
    fn dsn(&self) -> String {
        format!(
            "host=localhost hostaddr=127.0.0.1 port={} user={} password={} dbname=orders sslmode=require",
            self.port, self.user, self.password
        )
    }

    fn words(&self) -> [String; 5] {
        [
            "127.0.0.1".into(),
            self.port.to_string(),
            self.user.into(),
            self.password.clone(),
            "orders".into(),
        ]
    }
}

/// The server itself, as the role that sessions run as, and the gateway.
fn places(world: &World) -> Result<(Place, Place)> {
    let password = cluster::random_word();
    world.cluster.sql("orders", &format!("CREATE ROLE driver LOGIN PASSWORD '{password}' IN ROLE app_rw; ALTER ROLE driver SET role = app_rw;"))?;
    let direct = Place {
        port: world.cluster.port,
        user: "driver",
        password,
    };
    let gateway = Place {
        port: world.gateway.port,
        user: "anybody",
        password: world.token(&ANA)?,
    };
    Ok((direct, gateway))
}

fn same(world: &World, what: &str, command: impl Fn(&Place) -> Command) -> Result<()> {
    let (direct, gateway) = places(world)?;
    let (expected, seen) = (
        Shown::by(&mut command(&direct))?,
        Shown::by(&mut command(&gateway))?,
    );
    ensure!(
        expected.code == 0,
        "{what} fails against the server itself:\n{}",
        expected.all()
    );
    ensure!(
        seen.code == 0 && seen.out == expected.out,
        "{what} through the gateway (exit {}):\n{}\nwithout it:\n{}\nthe gateway's log:\n{}",
        seen.code,
        seen.all(),
        expected.out,
        world.gateway.log()
    );
    Ok(())
}

fn suite(file: &str) -> std::path::PathBuf {
    world::workspace().join("tests/it/drivers").join(file)
}

fn python() -> Result<std::path::PathBuf> {
    match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => Ok(python.into()),
        None => install::python(&world::workspace()),
    }
}

#[test]
fn psycopg_sees_the_same() -> Result<()> {
    let (world, python) = (open_world()?, python()?);
    same(&world, "psycopg", |place| {
        let mut command = Command::new(&python);
        command.arg(suite("psycopg_suite.py")).arg(place.dsn());
        command
    })
}

#[test]
fn asyncpg_sees_the_same() -> Result<()> {
    let (world, python) = (open_world()?, python()?);
    same(&world, "asyncpg", |place| {
        let mut command = Command::new(&python);
        command.arg(suite("asyncpg_suite.py")).args(place.words());
        command
    })
}

#[test]
fn node_postgres_sees_the_same() -> Result<()> {
    let world = open_world()?;
    let modules = match std::env::var_os("PORTCULLIS_NODE") {
        Some(folder) => folder.into(),
        None => install::node_modules(&world::workspace())?,
    };
    same(&world, "node-postgres", |place| {
        let mut command = Command::new("node");
        command.arg(suite("node_suite.js")).args(place.words());
        command.env("NODE_PATH", Path::new(&modules).join("node_modules"));
        command
    })
}

#[test]
fn pgbench_and_pg_dump_work() -> Result<()> {
    let world = open_world()?;
    let (_, gateway) = places(&world)?;
    let run = |arguments: &[&str]| -> Result<Shown> {
        let bin = install::postgres_bin().context("find pgbench")?;
        let mut command = Command::new(bin.join("pgbench"));
        command.args(arguments).arg(gateway.dsn());
        Ok(Shown::by(&mut command)?)
    };
    let filled = run(&["-i", "-s", "1", "-q"])?;
    ensure!(filled.code == 0, "pgbench -i: {}", filled.all());
    for mode in ["simple", "extended", "prepared"] {
        let shown = run(&["-n", "-c", "4", "-j", "2", "-t", "50", "-M", mode])?;
        ensure!(
            shown.code == 0
                && shown.out.contains("200/200")
                && shown.out.contains("failed transactions: 0"),
            "pgbench -M {mode}: {}",
            shown.all()
        );
    }
    let mut dump = Command::new("pg_dump");
    let dumped = Shown::by(
        dump.args(["--schema-only", "-t", "orders", "-d"])
            .arg(gateway.dsn()),
    )?;
    ensure!(
        dumped.code == 0 && dumped.out.contains("CREATE TABLE public.orders"),
        "pg_dump: {}",
        dumped.all()
    );
    Ok(())
}

#[test]
fn psql_meta_commands_see_the_same() -> Result<()> {
    let world = open_world()?;
    let lines = [
        "\\d customers",
        "\\dt",
        "\\df pg_catalog.upper",
        "\\echo :SERVER_VERSION_NUM",
        "\\encoding",
    ];
    same(&world, "psql", |place| {
        let mut command = Command::new("psql");
        command.arg("-X").arg(place.dsn());
        for line in lines {
            command.args(["-c", line]);
        }
        command
    })
}
