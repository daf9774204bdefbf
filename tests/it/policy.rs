//! The policy workbench over a real gateway's record, and on files: what authors do before they deploy.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{AGENT, ANA, BEA};
use portcullis_tests::{Scratch, Shown, World, WorldOptions, gateway, world};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn portcullis(arguments: &[&str]) -> Result<Shown> {
    let program = gateway::program(&world::workspace(), "debug")?;
    Shown::by(Command::new(program).args(arguments)).context("run portcullis")
}

fn json(shown: &Shown) -> Result<Value> {
    serde_json::from_str(&shown.out).with_context(|| format!("JSON: {}", shown.all()))
}

/// A day's work in one minute: reads, refusals, a statement that does not parse, one that people allow,
/// one that they do not.
fn work(world: &World) -> Result<()> {
    let (ana, bea) = (world.token(&ANA)?, world.token(&BEA)?);
    for (who, sql) in [
        (&AGENT, "SELECT count(*) FROM orders"),
        (&AGENT, "INSERT INTO stale_carts VALUES (1000, 1, now())"),
        (&AGENT, "BEGIN"),
        (&ANA, "SELECT email FROM customers LIMIT 3"),
        (&ANA, "DROP DATABASE scratch"),
        (&ANA, "SELEC 1"),
        (&ANA, "PREPARE p AS SELECT 1; EXECUTE p"),
        (&ANA, "SET statement_timeout = '5s'"),
        (&ANA, "DELETE FROM payments WHERE true"),
    ] {
        world.ask(who, "orders", sql)?;
    }
    for (verb, code) in [("approve", 0), ("deny", 1)] {
        let mut session = world.psql("anybody", &ana, "orders");
        session.args(["-c", "DELETE FROM stale_carts WHERE id = 7"]);
        let waiting = std::thread::spawn(move || Shown::by(&mut session));
        let id = world.gateway.pending(Duration::from_secs(60))?;
        let voted = world
            .gateway
            .admin_as(Some(&bea), &["approvals", verb, &id, "--reason", "looked"])?;
        ensure!(voted.code == 0, "{}", voted.all());
        let shown = waiting
            .join()
            .map_err(|_| anyhow::anyhow!("psql was lost"))??;
        ensure!(shown.code == code, "{verb}: {}", shown.all());
    }
    Ok(())
}

/// A pack in a folder of its own.
fn pack(folder: &Path, name: &str, body: &str) -> Result<String> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    let text = format!("package portcullis.packs.{name}\n\nimport rego.v1\n\n{body}\n");
    fs::write(folder.join(format!("{name}.rego")), text)?;
    Ok(folder.display().to_string())
}

#[test]
fn todays_policies_change_nothing_of_todays_record() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    work(&world)?;
    world.gateway.replays_unchanged(20)?;
    let (session, sequence) = from_the_record_alone(&world)?;
    explained(&world, &session, &sequence)
}

/// The same from the record alone, without a configuration or a gateway. Answers with the entry of a denial.
fn from_the_record_alone(world: &World) -> Result<(String, String)> {
    let dir = world.gateway.state().join("journal").display().to_string();
    let open = pack(
        world.folder(),
        "open_all",
        "grant contains {\"rule\": \"open/all\"} if input.action in {\"connect\", \"command\"}",
    )?;
    let shown = portcullis(&[
        "policy", "replay", &open, "--dir", &dir, "--json", "--since", "1d",
    ])?;
    let answer = json(&shown)?;
    ensure!(
        shown.code == 1,
        "what was denied would be allowed: {answer:#}"
    );
    let groups = answer["groups"].as_array().cloned().unwrap_or_default();
    let loosened = |rule: &str, then: &str| {
        groups
            .iter()
            .any(|g| g["rule"] == rule && g["then"] == then && g["now"] == "allow")
    };
    ensure!(loosened("agents/read-only", "deny"), "by rule: {answer:#}");
    ensure!(
        loosened("write/listed", "hold")
            || groups
                .iter()
                .any(|g| g["then"] == "hold" && g["now"] == "allow"),
        "{answer:#}"
    );
    ensure!(
        groups.iter().all(|g| g["count"].as_u64() > Some(0)
            && !g["examples"].as_array().is_none_or(Vec::is_empty)),
        "{answer:#}"
    );
    let accepted = portcullis(&[
        "policy",
        "replay",
        &open,
        "--dir",
        &dir,
        "--threshold",
        "100%",
    ])?;
    ensure!(
        accepted.code == 0,
        "within the threshold: {}",
        accepted.all()
    );
    let none = portcullis(&["policy", "replay", &open, "--dir", &dir, "--since", "1ms"])?;
    ensure!(
        none.code == 0 && none.shows("no decision on record"),
        "{}",
        none.all()
    );
    let shown = portcullis(&["policy", "replay", &open, "--dir", &dir])?;
    ensure!(
        shown.shows("deny -> allow")
            && shown.shows("agents/read-only")
            && shown.shows("INSERT INTO stale_carts"),
        "{}",
        shown.all()
    );
    let denied = groups
        .iter()
        .find(|g| g["rule"] == "agents/read-only")
        .context("the agent's denial")?;
    let example = &denied["examples"][0];
    let session = example["session"].as_str().context("its session")?;
    Ok((session.to_owned(), example["sequence"].to_string()))
}

/// Why, for a decision on record.
fn explained(world: &World, session: &str, sequence: &str) -> Result<()> {
    let which = ["--session", session, "--sequence", sequence];
    let asked: Vec<&str> = ["policy", "explain"].into_iter().chain(which).collect();
    let shown = world.gateway.admin(&asked)?;
    ensure!(
        shown.code == 0 && shown.shows("deny: agents/read-only") && shown.shows("spoke"),
        "the rule that spoke: {}",
        shown.all()
    );
    ensure!(
        shown.shows("because this failed") && shown.shows(".rego:"),
        "the rules that were silent, and why: {}",
        shown.all()
    );
    let eval = ["policy", "eval", "--expect", "deny"];
    let asked: Vec<&str> = eval.into_iter().chain(which).collect();
    let again = world.gateway.admin(&asked)?;
    ensure!(again.code == 0, "the same answer: {}", again.all());
    Ok(())
}

#[test]
fn a_pack_on_trial_changes_nothing_and_is_reported() -> Result<()> {
    let scratch = Scratch::new("trial")?;
    let trial = pack(
        scratch.path(),
        "trial",
        "deny contains {\"rule\": \"trial/no-reads\", \"msg\": \"nobody reads\"} if {\n\tinput.action == \"command\"\n\tinput.command.effect == \"read\"\n}",
    )?;
    let world = World::start(&WorldOptions {
        packs: format!("{}    - path: {trial}\n      dry_run: true\n", world::PACKS),
        ..WorldOptions::default()
    })?;
    let shown = world.ask(&ANA, "orders", "SELECT 41 + 1")?;
    ensure!(shown.code == 0 && shown.shows("42"), "{}", shown.all());
    let report = world.gateway.json(&["policy", "report"])?;
    let rows = report["rules"].as_array().context("rules")?;
    let row = rows
        .iter()
        .find(|r| r["rule"] == "trial/no-reads" && r["pack"] == "trial")
        .with_context(|| format!("{report:#}"))?;
    ensure!(
        row["count"].as_u64() >= Some(1) && row["allowed"] == row["count"],
        "{report:#}"
    );
    let shown = world.gateway.admin(&["policy", "report"])?;
    ensure!(
        shown.shows("trial/no-reads") && shown.shows("SELECT 41 + 1"),
        "{}",
        shown.all()
    );
    // Switched on, it would refuse: replay says so before anybody does it.
    let config = world.folder().join("portcullis.yaml");
    let on = world.folder().join("on.yaml");
    fs::write(
        &on,
        fs::read_to_string(&config)?.replace("      dry_run: true\n", ""),
    )?;
    let shown = world.gateway.admin(&[
        "policy",
        "replay",
        "--config",
        &on.display().to_string(),
        "--json",
    ])?;
    let answer = json(&shown)?;
    ensure!(shown.code == 1, "{answer:#}");
    ensure!(
        answer["groups"].as_array().is_some_and(|g| g
            .iter()
            .any(|g| g["rule"] == "trial/no-reads" && g["now"] == "deny")),
        "{answer:#}"
    );
    Ok(())
}

/// A reload that fails: by its answer, in the status, the log and the record, with the old set serving.
fn told_everywhere(world: &World, what: &str, rule: &str, before: &Value) -> Result<()> {
    let shown = world.gateway.admin(&["reload"])?;
    ensure!(
        shown.code == 1 && shown.shows(rule) && shown.shows(".rego:"),
        "{what}: {}",
        shown.all()
    );
    ensure!(
        world.ask(&AGENT, "orders", "SELECT 1")?.code == 0,
        "{what}: the old set serves"
    );
    let status = world.gateway.admin(&["status", "--json"])?;
    let status = json(&status)?;
    ensure!(&status["policy_revision"] == before, "{what}: {status:#}");
    let last = status["last_reload"]["detail"].as_str().unwrap_or_default();
    ensure!(
        status["last_reload"]["ok"] == false && last.contains(rule),
        "{what}: {status:#}"
    );
    ensure!(
        world.gateway.log().contains(rule),
        "{what}: the log says so"
    );
    let node = world.gateway.admin(&["journal", "node"])?;
    ensure!(
        node.shows("reload") && node.shows(rule),
        "{what}: the record says so: {}",
        node.all()
    );
    Ok(())
}

#[test]
fn a_broken_reload_changes_nothing_and_is_told_everywhere() -> Result<()> {
    let scratch = Scratch::new("broken")?;
    let body = "deny contains {\"rule\": \"own/never\", \"msg\": \"never\"} if input.command.text == \"never\"";
    let own = pack(scratch.path(), "own", body)?;
    let world = World::start(&WorldOptions {
        packs: format!("{}    - path: {own}\n", world::PACKS),
        ..WorldOptions::default()
    })?;
    ensure!(world.ask(&AGENT, "orders", "SELECT 1")?.code == 0);
    let before = world.gateway.json(&["status"])?["policy_revision"].clone();
    let file = Path::new(&own).join("own.rego");
    let test = Path::new(&own).join("own_test.rego");
    let good = fs::read_to_string(&file)?;
    let rows = [
        (
            "a syntax error",
            good.replace("contains", "contain"),
            String::new(),
            "load/parse",
        ),
        (
            "a misspelt field",
            good.replace("command.text", "command.txt"),
            String::new(),
            "load/unknown-input",
        ),
        (
            "recursion",
            format!("{good}\nf(n) := f(n + 1)\n"),
            String::new(),
            "load/cycle",
        ),
        (
            "a failing test",
            good.clone(),
            "package portcullis.packs.own_test\n\nimport rego.v1\n\ntest_never if 1 == 2\n"
                .to_owned(),
            "load/test",
        ),
    ];
    for (what, text, tests, rule) in rows {
        fs::write(&test, &tests)?;
        if tests.is_empty() {
            fs::remove_file(&test)?;
        }
        fs::write(&file, text)?;
        told_everywhere(&world, what, rule, &before)?;
    }
    fs::write(&file, good)?;
    let _ = fs::remove_file(&test);
    let shown = world.gateway.admin(&["reload"])?;
    ensure!(
        shown.code == 0,
        "set right, it is read again: {}",
        shown.all()
    );
    Ok(())
}

#[test]
fn an_authors_way_from_new_to_bench() -> Result<()> {
    let scratch = Scratch::new("author")?;
    let folder = scratch.path().display().to_string();
    let shown = portcullis(&["policy", "new", "freeze", "--dir", &folder])?;
    ensure!(shown.code == 0, "{}", shown.all());
    ensure!(
        portcullis(&["policy", "new", "freeze", "--dir", &folder])?.code == 1,
        "never over a file"
    );
    let pack = format!("{folder}/freeze");
    for (arguments, shows) in [
        (vec!["policy", "check", &pack], "good: freeze"),
        (vec!["policy", "fmt", "--check", &pack], "0 of 2 files"),
        (
            vec!["policy", "test", &pack, "--coverage", "--threshold", "50"],
            "passed",
        ),
        (vec!["policy", "bench", &pack, "--count", "20"], "reload"),
        (vec!["policy", "diff", &pack, &pack], "nothing differs"),
    ] {
        let shown = portcullis(&arguments)?;
        ensure!(
            shown.code == 0 && shown.shows(shows),
            "{arguments:?}: {}",
            shown.all()
        );
    }
    let file = format!("{pack}/freeze.rego");
    let good = fs::read_to_string(&file)?;
    fs::write(&file, good.replace("input.action", "input.acton"))?;
    let shown = portcullis(&["policy", "check", &pack])?;
    ensure!(
        shown.code == 1
            && shown.shows("freeze.rego:23:2: there is no input.acton")
            && shown.shows("^^^^^^^^^^^"),
        "line, column and a caret: {}",
        shown.all()
    );
    let found = json(&portcullis(&["policy", "check", &pack, "--json"])?)?;
    ensure!(
        found["ok"] == false && found["problems"][0]["line"] == 23,
        "{found:#}"
    );
    fs::write(
        &file,
        good.replace("\"freeze/listed-table\"", "\"freeze/other\""),
    )?;
    let junit = scratch.path().join("junit.xml");
    let shown = portcullis(&[
        "policy",
        "test",
        &pack,
        "--junit",
        &junit.display().to_string(),
    ])?;
    ensure!(shown.code == 1 && shown.shows("FAIL"), "{}", shown.all());
    let report = fs::read_to_string(&junit)?;
    ensure!(
        report.contains("failures=\"1\"") && report.contains("test_a_listed_table"),
        "{report}"
    );
    Ok(())
}

#[test]
fn what_is_no_set_gets_no_answer() -> Result<()> {
    let mut child = Command::new(gateway::program(&world::workspace(), "debug")?)
        .args(["policy", "self-test"])
        .env_clear()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    std::io::Write::write_all(&mut child.stdin.take().context("its input")?, b"no set")?;
    let output = child.wait_with_output()?;
    ensure!(
        !output.status.success() && output.stdout.is_empty(),
        "nothing is no answer"
    );
    Ok(())
}
