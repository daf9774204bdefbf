//! Replication through the gateway, with PostgreSQL's own tools: refused by default, refused where masks apply,
//! relayed where policy names it opaque, on record, and the tripwire on.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{BEA, DORA};
use portcullis_tests::{Person, Shown, World, WorldOptions, cluster, world};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A world in which people of the group dba may replicate, as `grant` says.
fn replicating(grant: &str, env: &str) -> Result<World> {
    let data = world::DATA.replace(
        "orders-people: {protocols",
        &format!("orders-dba: {{labels: {{app: orders}}, replication: {grant}}}\n    orders-people: {{protocols"),
    );
    let data = data.replace("dba: [orders-people]", "dba: [orders-people, orders-dba]");
    let world = World::start(&WorldOptions {
        cluster: cluster::Options {
            settings: &["wal_level=logical"],
            ..cluster::Options::default()
        },
        credential: "static",
        data,
        labels: format!("{{ env: {env}, app: orders }}"),
        ..WorldOptions::default()
    })?;
    world.cluster.sql(
        "orders",
        "ALTER ROLE pc_admin REPLICATION; GRANT app_rw TO pc_admin;",
    )?;
    Ok(world)
}

fn tool(world: &World, who: &Person, name: &str) -> Result<Command> {
    let mut command = Command::new(world.cluster.bin().join(name));
    command
        .env("PGPASSWORD", world.token(who)?)
        .env("PGCONNECT_TIMEOUT", "20");
    Ok(command)
}

/// The physical stream, for as long as it takes to reach the end that the server has written so far.
fn receive_wal(world: &World, who: &Person) -> Result<(Shown, Vec<std::path::PathBuf>)> {
    let folder = world.folder().join("wal");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let end = world
        .cluster
        .sql("orders", "SELECT pg_current_wal_insert_lsn()")?;
    let mut command = tool(world, who, "pg_receivewal")?;
    command
        .args(["--verbose", "--no-loop", "--no-sync", "-s", "1", "-D"])
        .arg(&folder)
        .arg("-E")
        .arg(end.trim())
        .arg("-d")
        .arg(world.dsn("anybody@orders", "orders"));
    let shown = Shown::by(&mut command).context("run pg_receivewal")?;
    let files = std::fs::read_dir(&folder)?
        .flatten()
        .map(|e| e.path())
        .collect();
    Ok((shown, files))
}

#[test]
fn nobody_replicates_unless_policy_says_so() -> Result<()> {
    let world = replicating("false", "prod")?;
    let (shown, files) = receive_wal(&world, &BEA)?;
    ensure!(shown.code != 0 && files.is_empty(), "{}", shown.all());
    ensure!(
        shown.shows("access/replication") && shown.shows("HINT:"),
        "{}",
        shown.all()
    );
    Ok(())
}

#[test]
fn a_grant_that_does_not_name_it_opaque_ends_at_the_masks() -> Result<()> {
    let world = replicating("true", "prod")?;
    for who in [&BEA, &DORA] {
        let (shown, files) = receive_wal(&world, who)?;
        ensure!(shown.code != 0 && files.is_empty(), "{}", shown.all());
        let rule = ["portcullis/opaque", "access/replication"];
        ensure!(rule.iter().any(|r| shown.shows(r)), "{}", shown.all());
    }
    Ok(())
}

#[test]
fn pg_receivewal_gets_the_log_byte_for_byte() -> Result<()> {
    let world = replicating("opaque", "prod")?;
    let folder = world.folder().join("wal");
    std::fs::create_dir_all(&folder)?;
    let mut command = tool(&world, &BEA, "pg_receivewal")?;
    command
        .args(["--verbose", "--no-loop", "--no-sync", "-s", "1", "-D"])
        .arg(&folder)
        .arg("-d")
        .arg(world.dsn("anybody@orders", "orders"));
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    std::thread::sleep(Duration::from_secs(2));
    world.cluster.sql(
        "orders",
        "CREATE TABLE more AS SELECT i, md5(i::text) AS t FROM generate_series(1, 50000) AS i; SELECT pg_switch_wal();",
    )?;
    let whole = |folder: &std::path::Path| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.map(|e| e.path()).find(|p| p.extension().is_none())
    };
    let until = Instant::now() + Duration::from_secs(60);
    while whole(&folder).is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    let ended = Shown::from_output(&child.wait_with_output()?);
    let segment = whole(&folder).with_context(|| {
        format!(
            "no whole segment came: {}\n{}",
            ended.all(),
            world.gateway.log()
        )
    })?;
    let name = segment
        .file_name()
        .context("a name")?
        .to_string_lossy()
        .into_owned();
    let theirs = world.cluster.sql(
        "postgres",
        &format!("SELECT md5(pg_read_binary_file('pg_wal/{name}'))"),
    )?;
    let ours = Command::new("md5sum").arg(&segment).output()?;
    ensure!(
        String::from_utf8_lossy(&ours.stdout).starts_with(theirs.trim()),
        "the segment differs"
    );
    // In production a slot needs an approval, and nothing is held on such a connection.
    let mut command = tool(&world, &BEA, "pg_recvlogical")?;
    command.arg("-d").arg(world.dsn("anybody", "orders")).args([
        "--create-slot",
        "-S",
        "probe",
        "-P",
        "test_decoding",
    ]);
    let slot = Shown::by(&mut command)?;
    ensure!(slot.code != 0 && slot.shows("prod/admin"), "{}", slot.all());
    on_record(&world)
}

/// The record names the commands and counts the stream; the chain verifies.
fn on_record(world: &World) -> Result<()> {
    let list = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let rows = list
        .as_array()
        .or_else(|| list["sessions"].as_array())
        .context("sessions")?;
    let mut all = String::new();
    for row in rows {
        let id = row["id"]
            .as_str()
            .or_else(|| row["session"].as_str())
            .context("an id")?;
        all.push_str(&world.gateway.admin(&["sessions", "show", id])?.all());
        all.push_str(&world.gateway.admin(&["sessions", "replay", id])?.all());
    }
    ensure!(all.contains("START_REPLICATION"), "{all}");
    ensure!(all.contains("OPAQUE"), "{all}");
    let verified = world.gateway.admin(&["journal", "verify"])?;
    ensure!(verified.code == 0, "{}", verified.all());
    Ok(())
}

#[test]
fn pg_recvlogical_decodes_and_what_is_not_listed_is_refused() -> Result<()> {
    let world = replicating("opaque", "staging")?;
    let dsn = world.dsn("anybody", "orders");
    let recv = |arguments: &[&str]| -> Result<Shown> {
        let mut command = tool(&world, &BEA, "pg_recvlogical")?;
        command.arg("-d").arg(&dsn).args(arguments);
        Shown::by(&mut command).context("run pg_recvlogical")
    };
    let made = recv(&["--create-slot", "-S", "probe", "-P", "test_decoding"])?;
    ensure!(made.code == 0, "{}\n{}", made.all(), world.gateway.log());
    world.cluster.sql(
        "orders",
        "INSERT INTO stale_carts VALUES (999001, 1, DATE '2026-01-01');",
    )?;
    let end = world
        .cluster
        .sql("orders", "SELECT pg_current_wal_insert_lsn()")?;
    let read = recv(&[
        "--start",
        "--verbose",
        "-S",
        "probe",
        "-f",
        "-",
        "--no-loop",
        "-E",
        end.trim(),
        "-o",
        "skip-empty-xacts=on",
    ])?;
    ensure!(
        read.code == 0 && read.out.contains("999001"),
        "{}: {}\n{}",
        read.code,
        read.all(),
        world.gateway.log()
    );
    let gone = recv(&["--drop-slot", "-S", "probe"])?;
    ensure!(gone.code == 0, "{}", gone.all());
    on_the_same_line(&world, &dsn)?;
    on_record(&world)
}

/// SQL on the same kind of line is judged and masked as ever; another command does not pass.
fn on_the_same_line(world: &World, dsn: &str) -> Result<()> {
    let replication = format!("{dsn} replication=database");
    let mut psql = world.psql("anybody", &world.token(&BEA)?, "orders");
    psql = {
        let mut fresh = Command::new("psql");
        fresh.arg("-X").arg(&replication);
        for (key, value) in psql.get_envs() {
            if let Some(value) = value {
                fresh.env(key, value);
            }
        }
        fresh
    };
    psql.args(["-c", "SELECT email FROM customers WHERE id = 1"])
        .args([
            "-c",
            "BASE_BACKUP (TARGET 'server', TARGET_DETAIL '/tmp/x')",
        ])
        .args(["-c", "IDENTIFY_SYSTEM"]);
    let shown = Shown::by(&mut psql)?;
    ensure!(
        shown.out.contains("[pc-masked:") && !shown.shows("ada.lovelace@example.com"),
        "{}",
        shown.all()
    );
    ensure!(
        shown.shows("portcullis/replication-command"),
        "{}",
        shown.all()
    );
    ensure!(shown.out.contains("systemid"), "{}", shown.all());
    Ok(())
}
