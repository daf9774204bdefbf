//! Retention as a running gateway does it, by age and by size: the words are gone from searches, replays and the index, the
//! record verifies and says so, and what is under a hold stays. It refuses to wait for an hour, which is the least that a
//! configuration may say: the gateway's own time of day is set ahead (`later.c`).

use super::{check, until, well};
use crate::company::Company;
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, BEA, DORA};
use portcullis_tests::process::run;
use portcullis_tests::{Person, Scratch, World, WorldOptions, world};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Dora reads what others did.
const ROLES: &str = "console: {roles: {auditor: {groups: [dpo]}}}\n";
const MIB: u64 = 1 << 20;

/// The gateway again, with this under `journal:`.
fn again(world: &mut World, journal: &str) -> Result<()> {
    world.gateway.signal("TERM");
    world.gateway.wait(Duration::from_secs(60))?;
    let file = world.folder().join("portcullis.yaml");
    let text = fs::read_to_string(&file)?;
    let (before, _) = text.split_once("\njournal:").context("a journal")?;
    fs::write(&file, format!("{before}\njournal: {{ {journal} }}\n"))?;
    world.restart()
}

/// How many commands a search finds; nothing while the index is on its way.
fn found(world: &World, words: &str) -> Result<Option<usize>> {
    let shown = world.gateway.admin(&["search", words, "--json"])?;
    if shown.shows("there is no index of this record yet") {
        return Ok(None);
    }
    well(&shown)?;
    let found: Value = serde_json::from_str(&shown.out)?;
    Ok(Some(found["rows"].as_array().context("rows")?.len()))
}

/// How many sessions the API of the console finds, for somebody who may read all.
fn found_in_console(world: &World, token: &str, word: &str) -> Result<usize> {
    let shown = run(Command::new("curl")
        .args(["-sS", "--fail-with-body", "--cacert"])
        .arg(world.certificate())
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("{}/api/v1/sessions?q={word}", world.portal()?)))?;
    let page: Value = serde_json::from_slice(&shown.stdout)?;
    Ok(page["sessions"].as_array().context("sessions")?.len())
}

/// What is shredded, as `verify` says it of a record that is whole: each rule with its number of sessions.
fn shredded(world: &World) -> Result<Vec<(String, u64)>> {
    let report = world.gateway.json(&["journal", "verify"])?;
    ensure!(
        report["problems"].as_array().is_some_and(Vec::is_empty),
        "{report:#}"
    );
    let all = report["shredded"].as_array().context("a list")?;
    let one = |s: &Value| Some((s["rule"].as_str()?.to_owned(), s["sessions"].as_u64()?));
    Ok(all.iter().filter_map(one).collect())
}

fn session_of(world: &World, who: &Person) -> Result<String> {
    let list = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let mut rows = list.as_array().into_iter().flatten();
    let row = rows.find(|row| row.to_string().contains(who.subject));
    let id = row.and_then(|row| row["id"].as_str());
    Ok(id.context("a session")?.to_owned())
}

fn hold(world: &World, more: &[&str]) -> Result<String> {
    let add = ["journal", "hold", "add", "--reason", "case 7"];
    let held = world.gateway.json(&[&add[..], more].concat())?;
    Ok(held["id"].as_str().context("a hold")?.to_owned())
}

/// The index, with what SQLite has written beside it.
fn index_holds(world: &World, words: &str) -> Result<bool> {
    let folder = world.gateway.state().join("journal");
    let mut holds = false;
    for file in ["index.sqlite3", "index.sqlite3-wal"] {
        let bytes = fs::read(folder.join(file)).unwrap_or_default();
        holds |= bytes.windows(words.len()).any(|w| w == words.as_bytes());
    }
    Ok(holds)
}

/// A gateway whose time of day is ahead by what `folder/later` says when it starts.
fn company_with_a_clock(folder: &Path) -> Result<Company> {
    let library = folder.join("later.so");
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(world::workspace().join("tests/it/evidence/later.c")))?;
    let environment = [("LD_PRELOAD", library), ("LATER", folder.join("later"))];
    let options = WorldOptions {
        data: format!("{}{ROLES}", world::DATA),
        more: "console: {}\njournal: { payloads: keys }\n".to_owned(),
        environment: environment
            .map(|(key, value)| (key.to_owned(), value.display().to_string()))
            .to_vec(),
        ..WorldOptions::default()
    };
    Company::with("1h", "", options)
}

/// A session's replay without its words, or with them; who came is there either way.
fn replayed(world: &World, id: &str, gone: bool) -> Result<()> {
    let shown = world.gateway.admin(&["sessions", "replay", id])?;
    well(&shown)?;
    ensure!(
        shown.shows("shredded") == gone && shown.shows("words") != gone,
        "{}",
        shown.all()
    );
    ensure!(shown.shows("ADMIT"), "who came stays: {}", shown.all());
    Ok(())
}

#[test]
fn what_is_too_old_goes_and_what_is_held_stays_until_it_is_released() -> Result<()> {
    let scratch = Scratch::new("retention")?;
    let mut company = company_with_a_clock(scratch.path())?;
    let world = &mut company.world;
    for (who, sql) in [
        (&ANA, "SELECT 'transient words', 7"),
        (&BEA, "SELECT 'withheld words', 8"),
    ] {
        let shown = world.ask(who, "orders", sql)?;
        ensure!(shown.code == 0, "{}", shown.all());
    }
    // Good for as long as the gateway's time will be ahead.
    let dora = world.issuer.token_with(&DORA, &["--ttl", "14400"])?;
    let both = |world: &World| {
        Ok(found(world, "transient")? == Some(1)
            && found(world, "withheld")? == Some(1)
            && found_in_console(world, &dora, "transient")? == 1)
    };
    until("the index has both", world, || both(world))?;
    let (ana, bea) = (session_of(world, &ANA)?, session_of(world, &BEA)?);
    let held = hold(world, &["--session", &bea])?;

    // An hour has not gone by: a whole run has found nothing to do.
    again(world, "payloads: keys, retention: { age: 1h }")?;
    let mut said = String::new();
    until("retention has looked", world, || {
        said = check(world, "retention")?;
        Ok(said.contains("was looked through at"))
    })?;
    ensure!(said.ends_with(": 0 shredded, 0 held"), "{said}");
    ensure!(shredded(world)?.is_empty(), "{:?}", shredded(world)?);
    until("it is still there", world, || both(world))?;

    // It has.
    fs::write(scratch.path().join("later"), "7200")?;
    again(world, "payloads: keys, retention: { age: 1h }")?;
    until("it is found no more", world, || {
        Ok(found(world, "transient")? == Some(0) && !index_holds(world, "transient words")?)
    })?;
    ensure!(
        shredded(world)? == [("age over 3600 s".to_owned(), 1)],
        "one session, by its age, and once: {:?}",
        shredded(world)?
    );
    ensure!(
        found(world, "withheld")? == Some(1),
        "what is held is found"
    );
    for (word, sessions) in [("transient", 0), ("withheld", 1)] {
        let seen = found_in_console(world, &dora, word)?;
        ensure!(seen == sessions, "{word} in the console: {seen}");
    }
    for (id, gone) in [(&ana, true), (&bea, false)] {
        replayed(world, id, gone)?;
    }

    let release = ["journal", "hold", "release", &held, "--reason", "settled"];
    well(&world.gateway.admin(&release)?)?;
    again(world, "payloads: keys, retention: { age: 1h }")?;
    until("the other is found no more", world, || {
        Ok(
            found(world, "withheld")? == Some(0)
                && found_in_console(world, &dora, "withheld")? == 0,
        )
    })?;
    let all = shredded(world)?;
    ensure!(all.len() == 2 && all[1].1 == 1, "{all:?}");
    Ok(())
}

/// So much of a record in the way of one statement.
fn much(world: &World, who: &Person, word: &str) -> Result<()> {
    let token = world.token(who)?;
    let rows = format!("SELECT repeat('{word} ', 100000) FROM generate_series(1, 110)");
    let mut psql = world.psql("anybody", &token, "orders");
    let shown = psql
        .args(["-c", &format!("COPY ({rows}) TO STDOUT")])
        .stdout(Stdio::null())
        .output()?;
    let errors = String::from_utf8_lossy(&shown.stderr);
    ensure!(shown.status.success(), "{errors}\n{}", world.gateway.log());
    Ok(())
}

fn size(world: &World) -> Result<u64> {
    let mut size = 0;
    for file in fs::read_dir(world.gateway.state().join("journal"))? {
        let file = file?;
        if file.path().extension().is_some_and(|e| e == "wal") {
            size += file.metadata()?.len();
        }
    }
    Ok(size)
}

#[test]
fn what_is_too_much_goes_the_oldest_first_but_what_is_held() -> Result<()> {
    let mut world = World::start(&WorldOptions {
        packs: "    - builtin: access\n    - builtin: approve\n".to_owned(),
        plugins: "  - builtin: classify-sql\n".to_owned(),
        more: "journal: { payloads: clear }\n".to_owned(),
        ..WorldOptions::default()
    })?;
    for (who, word) in [
        (&BEA, "withheld."),
        (&ANA, "transient"),
        (&DORA, "remaining"),
    ] {
        much(&world, who, word)?;
    }
    let all_found = |world: &World, words: &[&str]| -> Result<bool> {
        let counts = words.iter().map(|word| found(world, word));
        Ok(counts
            .collect::<Result<Vec<_>>>()?
            .iter()
            .all(|n| *n == Some(1)))
    };
    until("the index has all", &world, || {
        all_found(&world, &["withheld", "transient", "remaining"])
    })?;
    let before = size(&world)?;
    ensure!(before > 270 * MIB, "there is too much: {before}");
    hold(&world, &["--identity", BEA.subject])?;

    again(&mut world, "payloads: clear, retention: { max_mib: 256 }")?;
    until("it is found no more", &world, || {
        Ok(found(&world, "transient")? == Some(0))
    })?;
    ensure!(
        all_found(&world, &["withheld", "remaining"])?,
        "the oldest is held, and after the next there is room"
    );
    // Closed segments become shorter once it is on record.
    until("the record is shorter", &world, || {
        Ok(size(&world)? < before - 32 * MIB)
    })?;
    let rule = format!("size over {} bytes", 256 * MIB);
    ensure!(shredded(&world)? == [(rule, 1)], "{:?}", shredded(&world)?);
    Ok(())
}
