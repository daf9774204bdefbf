//! What the approval desk of a running gateway writes is what an auditor reads: the rows on approvals and on broken glass,
//! made of its own entries. It refuses documents that were copied by hand: those stay as they are when the desk changes.

use super::{until, well};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, BEA};
use portcullis_tests::{Scratch, Shown, World, WorldOptions, world};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

const DELETE: &str = "DELETE FROM stale_carts WHERE id = 7";
const MINUTE: Duration = Duration::from_secs(60);

/// Access that was asked for and approved, a statement that was, and a broken glass with its review.
fn happened(world: &World) -> Result<()> {
    let (ana, bea) = (world.token(&ANA)?, world.token(&BEA)?);
    let by = |who: &str, words: &[&str]| well(&world.gateway.admin_as(Some(who), words)?);
    let yes = |reason: &str| {
        let id = world.gateway.pending(MINUTE)?;
        by(&bea, &["approvals", "approve", &id, "--reason", reason])
    };
    let ask = ["access", "request", "orders", "--for", "2h", "--reason"];
    by(&ana, &[&ask[..], &["the month ends"]].concat())?;
    yes("it does")?;

    let mut session = world.psql("anybody", &ana, "orders");
    session.args(["-c", DELETE]);
    let waiting = std::thread::spawn(move || Shown::by(&mut session));
    yes("that one is stale")?;
    let shown = waiting.join().ok().context("psql ends")??;
    ensure!(shown.out.contains("DELETE 1"), "{}", shown.all());

    // She holds a grant by now, and goes ahead all the same.
    let glass = ["access", "break-glass", "orders", "--reason"];
    by(&ana, &[&glass[..], &["INC-7, orders is down"]].concat())?;
    let reviews = world.gateway.json(&["approvals", "reviews"])?;
    let id = reviews[0]["id"].as_str().context("a review")?;
    let found = ["--finding", "concern", "--reason", "nobody was called"];
    by(&bea, &[&["approvals", "review", id][..], &found].concat())
}

fn table(folder: &Path, name: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(folder.join(format!("{name}.json")))?;
    serde_json::from_str(&text).with_context(|| format!("{name}: {text}"))
}

/// The one row of which this column says so.
fn row<'a>(rows: &'a [Value], column: &str, is: &str) -> Result<&'a Value> {
    let mut found = rows.iter().filter(|row| row[column] == is);
    let row = found.next();
    let row = row.with_context(|| format!("{column} is {is} of {rows:#?}"))?;
    ensure!(found.next().is_none(), "there are two: {rows:#?}");
    Ok(row)
}

fn says(row: &Value, cells: &[(&str, &str)]) -> Result<()> {
    for (column, text) in cells {
        let cell = row[column].as_str().unwrap_or_default();
        ensure!(cell.contains(text), "{column} lacks {text}: {row:#}");
    }
    Ok(())
}

#[test]
fn what_the_desk_notes_of_approvals_and_broken_glass_is_what_an_auditor_reads() -> Result<()> {
    let world = World::start(&WorldOptions {
        data: world::data_with_requests("", 3600),
        packs: format!("{}    - builtin: access_requests\n", world::PACKS),
        ..WorldOptions::default()
    })?;
    happened(&world)?;
    let scratch = Scratch::new("desk")?;
    let folder = scratch.path().join("q4");
    let to = folder.display().to_string();
    until("a checkpoint covers the review", &world, || {
        let _ = fs::remove_dir_all(&folder);
        let export = ["evidence", "export", "--from", "1h", "-o", &to];
        well(&world.gateway.admin(&export)?)?;
        let rows = table(&folder, "break_glass")?;
        Ok(rows.iter().any(|row| row["event"] == "glass/reviewed"))
    })?;
    let issuer = world.issuer.url();
    let ana = format!("{} at {issuer}", ANA.subject);
    let bea = format!("({} at {issuer})", BEA.subject);
    let let_in = table(&folder, "access")?;
    let theirs = row(&let_in, "subject", ANA.subject)?;
    ensure!(!ANA.groups.is_empty(), "ana is in groups");
    let groups: Vec<_> = ANA.groups.iter().map(|group| ("groups", *group)).collect();
    says(theirs, &groups)?;
    says(
        theirs,
        &[("target", "orders"), ("rule", "access-request/production")],
    )?;
    approved(&table(&folder, "approvals")?, &ana, &bea)?;
    broken(&table(&folder, "break_glass")?, &format!("({ana})"), &bea)
}

fn approved(rows: &[Value], ana: &str, bea: &str) -> Result<()> {
    for (kind, more) in [
        (
            "access",
            &[
                ("asked_for", "orders"),
                ("rules", "access-request/production"),
                ("why", "the month ends"),
                ("lasts", "7200 s"),
                ("votes", "in admin: it does"),
                ("state", ", as grant gr-"),
                ("state", " until 2"),
            ][..],
        ),
        (
            "command",
            &[
                ("asked_for", DELETE),
                ("rules", "write/stale-carts"),
                ("votes", "in admin: that one is stale"),
                ("state", "consumed at "),
                ("target", "orders"),
            ][..],
        ),
    ] {
        let row = row(rows, "kind", kind)?;
        says(row, more)?;
        says(row, &[("votes", "approve by "), ("votes", bea)])?;
        ensure!(row["requester"] == ana, "{row:#}");
        let leaves = row["leaves"].as_str().unwrap_or_default();
        // Asked, voted on, decided, used; of a statement the entry of its session too.
        ensure!(leaves.split(' ').count() >= 4, "{row:#}");
    }
    Ok(())
}

fn broken(rows: &[Value], ana: &str, bea: &str) -> Result<()> {
    ensure!(rows.len() == 2, "{rows:#?}");
    for (event, more) in [
        ("glass/broken", ["", "", ""]),
        ("glass/reviewed", [bea, "concern", "nobody was called"]),
    ] {
        let row = row(rows, "event", event)?;
        says(
            row,
            &[
                ("who", ana),
                ("target", "orders"),
                ("reason", "INC-7, orders is down"),
                ("rules", "access-request/production"),
                ("due", "Z"),
            ],
        )?;
        for (column, text) in ["reviewer", "finding", "text"].into_iter().zip(more) {
            let cell = row[column].as_str().unwrap_or_default();
            let same = cell.ends_with(text) && cell.is_empty() == text.is_empty();
            ensure!(same, "{column} is not {text}: {row:#}");
        }
    }
    Ok(())
}
