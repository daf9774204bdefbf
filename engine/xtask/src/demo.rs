//! `cargo xtask demo`: the main job, with real processes and their real output. Every step says what it
//! expects and fails when it does not see it.

use crate::{build, screen};
use anyhow::{Context, Result, bail};
use portcullis_tests::install::{self, Need};
use portcullis_tests::issuer::{AGENT, ANA, BEA};
use portcullis_tests::{Person, Shown, World, WorldOptions, sample};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Runs it; `--exit` ends it after the last step.
pub fn run(workspace: &Path, arguments: &[String]) -> Result<()> {
    let exit = match arguments {
        [] => false,
        [flag] if flag == "--exit" => true,
        _ => bail!("usage: cargo xtask demo [--exit]"),
    };
    let began = Instant::now();
    // Ctrl-C reaches psql too: the step then fails, and the world is taken down in order.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, stop.clone()).context("watch for Ctrl-C")?;
    }
    screen::heading("What the demo needs");
    install::ensure(&[Need::Libclang, Need::Postgres, Need::Linux])?;
    screen::seen("PostgreSQL, libclang");
    screen::heading("Building");
    build::gateway(workspace)?;
    screen::heading("Starting a throw-away PostgreSQL, the development issuer and the gateway");
    let options = WorldOptions {
        profile: "release".to_owned(),
        ..WorldOptions::default()
    };
    let world = World::start(&options)?;
    screen::seen(&format!(
        "PostgreSQL on 127.0.0.1:{}, 200 customers in database orders",
        world.cluster.port
    ));
    screen::seen(&format!(
        "development issuer on {} (never for production)",
        world.issuer.url()
    ));
    screen::seen(&format!(
        "gateway on 127.0.0.1:{}, TLS, state in {}",
        world.gateway.port,
        world.gateway.state().display()
    ));

    let mut tour = Tour {
        world: &world,
        seen: Vec::new(),
        missed: Vec::new(),
    };
    tour.masked_reading()?;
    tour.refused_drop()?;
    tour.approved_delete()?;
    tour.wrong_token()?;
    tour.minted_role()?;
    tour.record()?;
    tour.nothing_leaked()?;

    let missed = std::mem::take(&mut tour.missed);
    screen::heading(&format!(
        "{}, {:.0} s in all",
        tour.checks(),
        began.elapsed().as_secs_f64()
    ));
    if !missed.is_empty() {
        for miss in &missed {
            eprintln!("  {} {miss}", screen::red("missed"));
        }
        bail!(
            "{} of the demo's steps did not show what they should",
            missed.len()
        );
    }
    screen::seen("everything showed what it should");
    if exit { Ok(()) } else { by_hand(&world, &stop) }
}

/// A walk through the main job.
struct Tour<'a> {
    world: &'a World,
    seen: Vec<(String, Shown)>,
    missed: Vec<String>,
}

impl Tour<'_> {
    fn checks(&self) -> String {
        format!("{} processes watched", self.seen.len())
    }

    fn expect(&mut self, what: &str, holds: bool) {
        if holds {
            screen::seen(what);
        } else {
            println!("  {} {what}", screen::red("MISSED"));
            self.missed.push(what.to_owned());
        }
    }

    fn psql(&mut self, who: &Person, token: &str, sql: &str) -> Result<Shown> {
        println!(
            "\n  {} psql \"host=gateway dbname=orders\" -c {}",
            screen::dim(&format!("{}$", who.subject)),
            screen::bold(&format!("{sql:?}"))
        );
        let mut command = self.world.psql("anybody", token, "orders");
        let shown = Shown::by(command.args(["-c", sql])).context("run psql")?;
        screen::quote(&shown.all());
        self.seen.push((sql.to_owned(), shown.clone()));
        Ok(shown)
    }

    fn admin(&mut self, token: Option<&str>, arguments: &[&str]) -> Result<Shown> {
        println!(
            "\n  {} portcullis {}",
            screen::dim("$"),
            screen::bold(&arguments.join(" "))
        );
        let shown = self.world.gateway.admin_as(token, arguments)?;
        screen::quote(&shown.all());
        self.seen.push((arguments.join(" "), shown.clone()));
        Ok(shown)
    }

    fn masked_reading(&mut self) -> Result<()> {
        screen::heading(
            "1. An agent reads customers; what it must not see is masked on the way back",
        );
        let token = self.world.token(&AGENT)?;
        let shown = self.psql(
            &AGENT,
            &token,
            "SELECT id, name, email, card, api_key FROM customers ORDER BY id LIMIT 5",
        )?;
        self.expect(
            "five rows came",
            shown.code == 0 && shown.out.contains("(5 rows)"),
        );
        self.expect("names are readable", shown.out.contains("Ada Lovelace"));
        self.expect(
            "masks stand where values were",
            shown.out.contains("[pc-masked:"),
        );
        self.expect(
            "no e-mail, card or key came through",
            sample::CANARIES.iter().all(|c| !shown.shows(c)),
        );
        let shown = self.psql(
            &AGENT,
            &token,
            "COPY (SELECT email, profile FROM customers WHERE id = 1) TO STDOUT",
        )?;
        self.expect(
            "COPY is masked too",
            shown.code == 0 && sample::CANARIES.iter().all(|c| !shown.shows(c)),
        );
        Ok(())
    }

    fn refused_drop(&mut self) -> Result<()> {
        screen::heading("2. DROP DATABASE is refused, and the refusal says why and what to do");
        let token = self.world.token(&ANA)?;
        let shown = self.psql(&ANA, &token, "DROP DATABASE scratch")?;
        self.expect(
            "it was refused",
            shown.code != 0 && shown.err.contains("ERROR"),
        );
        self.expect(
            "it names its rule",
            shown.err.contains("DETAIL") && shown.err.contains("\"rule\""),
        );
        self.expect("it has a hint", shown.err.contains("HINT"));
        let there = self.world.cluster.sql(
            "postgres",
            "SELECT count(*) FROM pg_database WHERE datname='scratch'",
        )?;
        self.expect("the database is still there", there.trim() == "1");
        Ok(())
    }

    fn approved_delete(&mut self) -> Result<()> {
        screen::heading("3. A DELETE is held, approved from a second terminal, and run");
        let (ana, bea) = (self.world.token(&ANA)?, self.world.token(&BEA)?);
        let sql = "DELETE FROM stale_carts WHERE touched < DATE '2024-01-21'";
        let mut command = self.world.psql("anybody", &ana, "orders");
        let waiting = std::thread::spawn(move || Shown::by(command.args(["-c", sql])));
        println!(
            "\n  {} psql \"host=gateway dbname=orders\" -c {}   {}",
            screen::dim("ana@example.com$"),
            screen::bold(&format!("{sql:?}")),
            screen::dim("(waits)")
        );
        let id = self.world.gateway.pending(Duration::from_secs(20))?;
        let before = self
            .world
            .cluster
            .sql("orders", "SELECT count(*) FROM stale_carts")?;
        self.expect(
            "nothing has been deleted while it waits",
            before.trim() == "40",
        );
        let own = self.admin(
            Some(&ana),
            &["approvals", "approve", &id, "--reason", "mine"],
        )?;
        self.expect("the requester cannot approve it", own.code != 0);
        self.admin(None, &["approvals", "show", &id])?;
        let vote = self.admin(
            Some(&bea),
            &[
                "approvals",
                "approve",
                &id,
                "--reason",
                "cleaning up old carts",
            ],
        )?;
        self.expect("bea's vote counts", vote.code == 0);
        let shown = waiting
            .join()
            .map_err(|_| anyhow::anyhow!("the waiting psql was lost"))??;
        println!("\n  {}", screen::dim("and in ana's terminal:"));
        screen::quote(&shown.all());
        self.expect(
            "psql said at once that it was held",
            shown.err.contains("NOTICE") && shown.err.contains(&id),
        );
        self.expect(
            "it ran after the approval",
            shown.code == 0 && shown.out.contains("DELETE 19"),
        );
        let after = self
            .world
            .cluster
            .sql("orders", "SELECT count(*) FROM stale_carts")?;
        self.expect("the rows are gone", after.trim() == "21");
        self.seen.push((sql.to_owned(), shown));
        Ok(())
    }

    fn wrong_token(&mut self) -> Result<()> {
        screen::heading("4. A wrong token is refused");
        let token = self.world.token(&AGENT)?;
        let forged = format!("{}x", &token[..token.len() - 6]);
        let shown = self.psql(&AGENT, &forged, "SELECT 1")?;
        self.expect(
            "it was refused with a hint",
            shown.code != 0 && shown.err.contains("FATAL") && shown.err.contains("HINT"),
        );
        Ok(())
    }

    fn minted_role(&mut self) -> Result<()> {
        screen::heading(
            "5. Each session gets a role of its own; the client never sees a credential",
        );
        let token = self.world.token(&AGENT)?;
        let shown = self.psql(&AGENT, &token, "SELECT session_user, current_user")?;
        self.expect(
            "the session ran as a minted role",
            shown.out.contains("pc_"),
        );
        let mut left = String::new();
        for _ in 0..50 {
            left = self.world.cluster.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pc\\_%' AND rolname <> 'pc_admin'")?;
            if left.trim() == "0" {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.expect("the role is gone after the session", left.trim() == "0");
        Ok(())
    }

    fn record(&mut self) -> Result<()> {
        screen::heading("6. Everything is on record, and the record proves itself");
        self.admin(None, &["sessions", "list", "--recorded"])?;
        let list = self
            .world
            .gateway
            .json(&["sessions", "list", "--recorded"])?;
        let rows = list
            .as_array()
            .or_else(|| list["sessions"].as_array())
            .cloned()
            .unwrap_or_default();
        let deleted = rows
            .iter()
            .find(|s| s.to_string().contains("ana@example.com") && s["denied"].as_u64() == Some(0));
        let id = deleted
            .and_then(|s| s["id"].as_str())
            .context("find the session that deleted")?
            .to_owned();
        let replay = self.admin(None, &["sessions", "replay", &id])?;
        self.expect(
            "the replay shows the statement and who approved it",
            replay.out.contains("DELETE FROM stale_carts")
                && replay.out.contains("bea@example.com"),
        );
        let verify = self.admin(None, &["journal", "verify"])?;
        self.expect("the chain verifies", verify.code == 0);
        Ok(())
    }

    fn nothing_leaked(&mut self) -> Result<()> {
        screen::heading("7. What the clients saw, all together");
        let secrets = [self.world.admin_password.as_str(), "SCRAM-SHA-256$"];
        let leaked = self
            .seen
            .iter()
            .any(|(_, shown)| secrets.iter().any(|s| shown.shows(s)));
        self.expect(
            "no credential of the gateway stood in anything a client saw",
            !leaked,
        );
        let leaked = self
            .seen
            .iter()
            .any(|(_, shown)| sample::CANARIES.iter().any(|c| shown.shows(c)));
        self.expect(
            "no protected value stood in anything a client, approver or auditor saw",
            !leaked,
        );
        let log = self.world.gateway.log();
        self.expect(
            "nor in the gateway's log",
            !secrets
                .iter()
                .chain(&sample::CANARIES)
                .any(|s| log.contains(*s)),
        );
        Ok(())
    }
}

/// Lines to copy, and then it stays until it is interrupted.
fn by_hand(world: &World, stop: &AtomicBool) -> Result<()> {
    let (agent, ana, bea) = (world.token(&AGENT)?, world.token(&ANA)?, world.token(&BEA)?);
    let config = world.gateway.folder().join("portcullis.yaml");
    let program = world.gateway.command(&[]);
    let program = Path::new(program.get_program()).display().to_string();
    for (name, token) in [("agent", &agent), ("ana", &ana), ("bea", &bea)] {
        std::fs::write(world.folder().join(format!("{name}.token")), token)?;
    }
    let at = world.folder().display();
    screen::heading("Try it by hand (tokens are good for an hour)");
    println!("
  as the agent:      PGPASSWORD=$(cat {at}/agent.token) psql \"{dsn}\"
  as ana:            PGPASSWORD=$(cat {at}/ana.token) psql \"{dsn}\"
                     then: DELETE FROM stale_carts WHERE id < 30;
  who waits:         {program} approvals list --config {config}
  approve as bea:    PORTCULLIS_TOKEN=$(cat {at}/bea.token) {program} approvals approve ID --reason \"fine\" --config {config}
  sessions:          {program} sessions list --recorded --config {config}
  replay one:        {program} sessions replay SESSION --config {config}
  verify the record: {program} journal verify --config {config}

Ctrl-C ends it and removes everything.", dsn = world.dsn("anybody", "orders"), config = config.display());
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
