//! The command line: it teaches, it lists as JSON, its errors name the place and the remedy.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{AGENT, ANA, BEA};
use portcullis_tests::process::until;
use portcullis_tests::{Shown, World, WorldOptions, gateway, world};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn portcullis(arguments: &[&str]) -> Result<Shown> {
    let program = gateway::program(&world::workspace(), "debug")?;
    Shown::by(Command::new(program).args(arguments)).context("run portcullis")
}

#[test]
fn help_completions_man_page_and_schema_are_there() -> Result<()> {
    for (arguments, text) in [
        (vec!["--help"], "sessions"),
        (vec!["run", "--help"], "--config"),
        (vec!["approvals", "--help"], "approve"),
        (vec!["completions", "bash"], "portcullis"),
        (vec!["completions", "zsh"], "#compdef"),
        (vec!["man"], ".TH"),
        (vec!["man", "policy", "replay"], "threshold"),
        (vec!["config", "schema"], "\"$schema\""),
        (vec!["--version"], "portcullis"),
    ] {
        let shown = portcullis(&arguments)?;
        ensure!(
            shown.code == 0 && shown.out.contains(text),
            "{arguments:?}: {}",
            shown.all()
        );
    }
    ensure!(
        portcullis(&["no-such-command"])?.code == 2,
        "usage errors exit with 2"
    );
    Ok(())
}

#[test]
fn check_names_file_line_and_remedy() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let good = world.folder().join("portcullis.yaml");
    let text = std::fs::read_to_string(&good)?;
    let shown = world
        .gateway
        .admin(&["check", "--config", &good.display().to_string()])?;
    ensure!(
        shown.code == 0 || shown.shows("ORDERS_ADMIN_PASSWORD"),
        "the world's own configuration is fine: {}",
        shown.all()
    );
    for (what, from, to, says) in [
        ("an unknown key", "node: world", "nodee: world", "nodee"),
        (
            "a secret in clear",
            "\"env:ORDERS_ADMIN_PASSWORD\"",
            "hunter2",
            "env:",
        ),
        (
            "a bad address",
            "address: 127.0.0.1:",
            "address: nowhere:",
            "address",
        ),
        (
            "a plugin that is not there",
            "builtin: mask-pii",
            "builtin: mask-nothing",
            "mask-nothing",
        ),
        (
            "a pack that is not there",
            "builtin: access",
            "builtin: excess",
            "excess",
        ),
    ] {
        let bad = world.folder().join("bad.yaml");
        std::fs::write(&bad, text.replacen(from, to, 1))?;
        let shown = world
            .gateway
            .admin(&["check", "--config", &bad.display().to_string()])?;
        ensure!(
            shown.code == 1,
            "{what}: exit {}: {}",
            shown.code,
            shown.all()
        );
        ensure!(
            shown.shows(says) && shown.shows("bad.yaml"),
            "{what}: {}",
            shown.all()
        );
    }
    Ok(())
}

#[test]
fn listings_are_json_and_sessions_can_be_killed() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    let child = session
        .args(["-c", "SELECT pg_sleep(60)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' \
                   AND state = 'active' AND usename LIKE 'pc\\_%'";
    let until = Instant::now() + Duration::from_secs(60);
    while world.cluster.sql("postgres", running)?.trim() != "1" {
        ensure!(Instant::now() < until, "no session lasts");
        std::thread::sleep(Duration::from_millis(100));
    }
    for arguments in [
        vec!["sessions", "list"],
        vec!["approvals", "list"],
        vec!["connections"],
        vec!["status"],
    ] {
        world.gateway.json(&arguments)?;
    }
    let list = world.gateway.json(&["sessions", "list"])?;
    let rows = list
        .as_array()
        .or_else(|| list["sessions"].as_array())
        .cloned()
        .unwrap_or_default();
    let live = rows
        .first()
        .with_context(|| format!("a live session: {list}"))?;
    let id = live["id"].as_str().context("its id")?.to_owned();
    let killed = world
        .gateway
        .admin(&["sessions", "kill", &id, "--reason", "test"])?;
    ensure!(killed.code == 0, "{}", killed.all());
    let began = Instant::now();
    let output = child.wait_with_output()?;
    // At once by itself; a machine that is busy with other tests takes its time. Unkilled it would sleep for a minute.
    ensure!(began.elapsed() < Duration::from_secs(5));
    let shown = Shown::from_output(&output);
    ensure!(
        shown.code == 2 && shown.err.contains("FATAL"),
        "the session is told: {}",
        shown.all()
    );
    let shown = world.gateway.admin(&["sessions", "show", &id])?;
    ensure!(
        shown.code == 0 && shown.shows("ana@example.com"),
        "{}",
        shown.all()
    );
    let replay = world.gateway.admin(&["sessions", "replay", &id])?;
    ensure!(
        replay.code == 0 && replay.shows("pg_sleep(60)"),
        "{}",
        replay.all()
    );
    let page = world.gateway.page("/metrics")?;
    ensure!(page.contains("portcullis_"), "metrics: {page}");
    Ok(())
}

#[test]
fn votes_need_a_fresh_human_token_of_somebody_else() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let (ana, bea, agent) = (world.token(&ANA)?, world.token(&BEA)?, world.token(&AGENT)?);
    let mut session = world.psql("anybody", &ana, "orders");
    session.args(["-c", "DELETE FROM stale_carts WHERE id = 7"]);
    let waiting = std::thread::spawn(move || Shown::by(&mut session));
    let id = world.gateway.pending(Duration::from_secs(60))?;
    for (who, token) in [
        ("nobody", None),
        ("the requester", Some(&ana)),
        ("an agent", Some(&agent)),
    ] {
        let shown = world.gateway.admin_as(
            token.map(String::as_str),
            &["approvals", "approve", &id, "--reason", "x"],
        )?;
        ensure!(shown.code != 0, "{who} must not vote: {}", shown.all());
    }
    // She may, and it was too long ago that she logged in: the refusal says what to do.
    let old = world.issuer.token_with(&BEA, &["--proved-ago", "1000"])?;
    let shown = world
        .gateway
        .admin_as(Some(&old), &["approvals", "approve", &id, "--reason", "x"])?;
    ensure!(
        shown.code != 0
            && shown.shows("approval/fresh-login")
            && shown.shows("portcullis login --fresh"),
        "{}",
        shown.all()
    );
    let forged = format!("{}AAAA", &bea[..bea.len() - 4]);
    ensure!(
        world
            .gateway
            .admin_as(
                Some(&forged),
                &["approvals", "approve", &id, "--reason", "x"]
            )?
            .code
            != 0
    );
    ensure!(
        world
            .cluster
            .sql("orders", "SELECT count(*) FROM stale_carts WHERE id = 7")?
            .trim()
            == "1"
    );
    let voted = world.gateway.admin_as(
        Some(&bea),
        &["approvals", "approve", &id, "--reason", "fine"],
    )?;
    ensure!(voted.code == 0, "{}", voted.all());
    let shown = waiting
        .join()
        .map_err(|_| anyhow::anyhow!("psql was lost"))??;
    ensure!(shown.out.contains("DELETE 1"), "{}", shown.all());
    let again = world.gateway.admin_as(
        Some(&bea),
        &["approvals", "approve", &id, "--reason", "again"],
    )?;
    ensure!(again.code != 0, "an approval is used once: {}", again.all());
    Ok(())
}

#[test]
fn a_client_that_hangs_up_withdraws_its_request() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut session = world.psql("anybody", &token, "orders");
    let mut child = session
        .args(["-c", "DELETE FROM stale_carts WHERE id = 8"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let id = world.gateway.pending(Duration::from_secs(60))?;
    child.kill()?;
    child.wait()?;
    until("its request is withdrawn", || {
        let shown = world.gateway.json(&["approvals", "show", &id])?;
        Ok(shown["state"] == "withdrawn")
    })?;
    let bea = world.token(&BEA)?;
    let voted = world.gateway.admin_as(
        Some(&bea),
        &["approvals", "approve", &id, "--reason", "late"],
    )?;
    ensure!(voted.code != 0, "nobody waits any more: {}", voted.all());
    ensure!(
        world
            .cluster
            .sql("orders", "SELECT count(*) FROM stale_carts WHERE id = 8")?
            .trim()
            == "1"
    );
    Ok(())
}

#[test]
fn a_reload_swaps_policies_or_keeps_the_old_ones() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let config = world.folder().join("portcullis.yaml");
    let text = std::fs::read_to_string(&config)?;
    ensure!(world.ask(&AGENT, "orders", "SELECT 1")?.code == 0);
    // A broken set keeps the old one serving and says so.
    std::fs::write(
        &config,
        text.replacen("builtin: access", "builtin: excess", 1),
    )?;
    world.gateway.signal("HUP");
    let until = Instant::now() + Duration::from_secs(30);
    while !world.gateway.log().contains("the old set keeps serving") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(
        world.ask(&AGENT, "orders", "SELECT 1")?.code == 0,
        "the old set serves"
    );
    ensure!(world.gateway.log().contains("excess"), "the log says why");
    // Without the grant nobody gets in.
    std::fs::write(&config, text.replacen("    - builtin: access\n", "", 1))?;
    world.gateway.signal("HUP");
    // The set runs its own tests first. Who was let in just before has the statement refused, and is not the one meant.
    let until = Instant::now() + Duration::from_secs(60);
    let mut shown = world.ask(&AGENT, "orders", "SELECT 1")?;
    while shown.code != 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(250));
        shown = world.ask(&AGENT, "orders", "SELECT 1")?;
    }
    ensure!(
        shown.code == 2,
        "nobody is granted anything: {}\n{}",
        shown.all(),
        world.gateway.log()
    );
    Ok(())
}

/// The shipped packs, and one that asks for an approval of the connection itself.
fn with_connect_approval() -> Result<WorldOptions> {
    let word = portcullis_tests::cluster::random_word();
    let folder = std::env::temp_dir().join(format!("portcullis-{}/ask_first", &word[..12]));
    std::fs::create_dir_all(&folder)?;
    let pack = "package portcullis.packs.ask_first\n\nimport rego.v1\n\n\
        approval contains {\"rule\": \"test/connect\", \"msg\": \"opens orders\", \"approver_groups\": [\"dba\"], \
        \"ttl_seconds\": 60} if input.action == \"connect\"\n";
    std::fs::write(folder.join("ask_first.rego"), pack)?;
    let packs = format!(
        "{}    - path: {}\n",
        portcullis_tests::world::PACKS,
        folder.display()
    );
    Ok(WorldOptions {
        packs,
        ..WorldOptions::default()
    })
}

#[test]
fn an_access_request_opens_the_session_once_it_is_approved() -> Result<()> {
    let world = World::start(&with_connect_approval()?)?;
    let (ana, bea) = (world.token(&ANA)?, world.token(&BEA)?);
    for (verb, code, text) in [("approve", 0, "opened"), ("deny", 2, "FATAL")] {
        let mut session = world.psql("anybody", &ana, "orders");
        session.args(["-c", "SELECT 'opened'"]);
        let waiting = std::thread::spawn(move || Shown::by(&mut session));
        let id = world.gateway.pending(Duration::from_secs(60))?;
        let own = world
            .gateway
            .admin_as(Some(&ana), &["approvals", verb, &id, "--reason", "mine"])?;
        ensure!(own.code != 0, "nobody opens their own door: {}", own.all());
        let voted = world
            .gateway
            .admin_as(Some(&bea), &["approvals", verb, &id, "--reason", "looked"])?;
        ensure!(voted.code == 0, "{}", voted.all());
        let shown = waiting
            .join()
            .map_err(|_| anyhow::anyhow!("psql was lost"))??;
        ensure!(
            shown.code == code && shown.shows(text),
            "{verb}: {}\n{}",
            shown.all(),
            world.gateway.log()
        );
    }
    Ok(())
}

#[test]
fn whoever_is_held_is_told_how_many_wait_for_the_same_people_before_them() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let ana = world.token(&ANA)?;
    let mut held = Vec::new();
    // Until the first is held, the second would not be behind it.
    for (id, told) in [(7, "approval ap-"), (8, ", 1 before it;")] {
        let mut session = world.psql("anybody", &ana, "orders");
        session.args(["-c", &format!("DELETE FROM stale_carts WHERE id = {id}")]);
        let mut psql = session
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(psql.stderr.take().context("an error stream")?);
        let mut lines = said.by_ref().lines().map_while(Result::ok);
        let notice = lines.find(|line| line.contains("held by"));
        let notice = notice.context("psql ended without a notice")?;
        // It is told again and again: somebody has to be there for it.
        held.push((psql, said));
        ensure!(notice.contains(told), "{notice}");
        ensure!(
            told.contains("before") || !notice.contains("before"),
            "{notice}"
        );
    }
    let mine = ["approvals", "mine", "--json"];
    let mine = world.gateway.admin_as(Some(&ana), &mine)?;
    let mine: Value = serde_json::from_str(&mine.out).context("JSON")?;
    let asked = mine["requests"].as_array().context("requests")?;
    let mut ahead: Vec<_> = asked
        .iter()
        .map(|one| one["facts"]["ahead"].as_u64())
        .collect();
    ahead.sort_unstable();
    ensure!(ahead == [Some(0), Some(1)], "{mine:#}");
    for (mut psql, _said) in held {
        psql.kill()?;
        psql.wait()?;
    }
    Ok(())
}
