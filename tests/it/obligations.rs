//! Obligations as a whole gateway keeps them: what a pack's rule says, real psql, the server's own rights and the
//! record.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{AGENT, ANA};
use portcullis_tests::{Person, Scratch, Shown, World, WorldOptions, world};
use std::fs;

/// A world with one pack more, of this body.
fn obliged(scratch: &Scratch, body: &str) -> Result<World> {
    let folder = scratch.path().join("obliging");
    fs::create_dir_all(&folder)?;
    let text = format!("package portcullis.packs.obliging\n\nimport rego.v1\n\n{body}\n");
    fs::write(folder.join("obliging.rego"), text)?;
    World::start(&WorldOptions {
        packs: format!("{}    - path: {}\n", world::PACKS, folder.display()),
        ..WorldOptions::default()
    })
}

/// The last session that somebody had, as it is replayed, and its entries.
fn record_of(world: &World, who: &Person) -> Result<(String, String)> {
    let sessions = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let all = sessions.as_array().context("sessions")?;
    let of_them = all.iter().filter(|s| s.to_string().contains(who.subject));
    let last = of_them.max_by_key(|s| s["started"].to_string());
    let id = last.and_then(|s| s["id"].as_str()).context("a session")?;
    let replayed = world.gateway.admin(&["sessions", "replay", id])?;
    let entries = world.gateway.admin(&["sessions", "replay", id, "--json"])?;
    Ok((replayed.all(), entries.out))
}

fn asked(world: &World, who: &Person, sql: &str) -> Result<Shown> {
    let shown = world.ask(who, "orders", sql)?;
    ensure!(shown.code == 0, "{}", shown.all());
    Ok(shown)
}

#[test]
fn the_record_holds_as_much_as_is_said_and_the_labels() -> Result<()> {
    let scratch = Scratch::new("obliged-record")?;
    let world = obliged(
        &scratch,
        "obligation contains {\"type\": \"record\", \"level\": \"metadata\"} if input.identity.kind == \"human\"\n\n\
         obligation contains {\"type\": \"label\", \"label\": \"seen-twice\"} if input.action == \"command\"",
    )?;
    for (who, rows_on_record) in [(&ANA, false), (&AGENT, true)] {
        let shown = asked(&world, who, "SELECT name FROM customers WHERE id = 1")?;
        ensure!(shown.shows("Ada Lovelace"), "{}", shown.all());
        let (replayed, entries) = record_of(&world, who)?;
        ensure!(
            replayed.contains("SELECT name FROM customers"),
            "the statement: {replayed}"
        );
        ensure!(
            replayed.contains("Ada Lovelace") == rows_on_record,
            "rows on record for {}: {replayed}",
            who.subject
        );
        ensure!(
            entries.contains("\"labels\":[\"seen-twice\"]"),
            "the label: {entries}"
        );
    }
    Ok(())
}

#[test]
fn read_only_is_a_matter_of_rights_not_of_a_setting() -> Result<()> {
    let scratch = Scratch::new("obliged-read-only")?;
    let world = obliged(
        &scratch,
        "obligation contains {\"type\": \"read_only\"} if input.session.reason == \"look\"",
    )?;
    // What policy takes for a read, and the server knows for a write.
    world.cluster.sql(
        "orders",
        "CREATE FUNCTION public.touch() RETURNS bigint LANGUAGE sql AS $$ UPDATE customers SET name = 'touched' WHERE id = 1 RETURNING id $$;",
    )?;
    let touched = || -> Result<bool> {
        let name = world
            .cluster
            .sql("orders", "SELECT name FROM customers WHERE id = 1")?;
        Ok(name.contains("touched"))
    };
    let token = world.token(&ANA)?;
    let ask = |options: &str, sql: &str| -> Result<Shown> {
        let mut psql = world.psql("anybody", &token, "orders");
        psql.env("PGOPTIONS", options).args(["-c", sql]);
        Ok(Shown::by(&mut psql)?)
    };
    let shown = ask("-c portcullis.reason=look", "SELECT public.touch()")?;
    ensure!(
        shown.code != 0 && !touched()?,
        "the server itself refuses: {}",
        shown.all()
    );
    let shown = ask("", "SELECT public.touch()")?;
    ensure!(
        shown.code == 0 && touched()?,
        "with all rights: {}",
        shown.all()
    );
    let shown = ask(
        "-c portcullis.reason=look",
        "SELECT count(*) AS read FROM customers",
    )?;
    ensure!(shown.code == 0 && shown.shows("read"), "{}", shown.all());
    Ok(())
}

#[test]
fn a_session_ends_when_its_time_is_over_and_what_is_not_known_denies() -> Result<()> {
    let scratch = Scratch::new("obliged-time")?;
    let world = obliged(
        &scratch,
        "obligation contains {\"type\": \"session_max_seconds\", \"seconds\": 2} if input.session.reason == \"short\"\n\n\
         kinds := {\"odd\": \"self_destruct\"}\n\n\
         obligation contains {\"type\": kind} if kind := kinds[input.session.reason]",
    )?;
    let token = world.token(&ANA)?;
    let ask = |reason: &str, sql: &str| -> Result<Shown> {
        let mut psql = world.psql("anybody", &token, "orders");
        psql.env("PGOPTIONS", format!("-c portcullis.reason={reason}"))
            .args(["-c", sql]);
        Ok(Shown::by(&mut psql)?)
    };
    let shown = ask("short", "SELECT pg_sleep(20)")?;
    ensure!(
        shown.code != 0 && shown.shows("session/max"),
        "{}",
        shown.all()
    );
    let shown = ask("long", "SELECT 1 AS one")?;
    ensure!(shown.code == 0 && shown.shows("one"), "{}", shown.all());
    let shown = ask("odd", "SELECT 1 AS one")?;
    ensure!(
        shown.code != 0 && shown.shows("policy/unknown-obligation"),
        "{}",
        shown.all()
    );
    Ok(())
}
