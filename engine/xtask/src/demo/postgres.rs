//! The demo's first part: PostgreSQL. An agent reads and is masked, DROP is refused, a DELETE waits for a person.

use super::watch::Watch;
use crate::screen;
use anyhow::{Context, Result};
use portcullis_tests::issuer::{AGENT, ANA, BEA};
use portcullis_tests::{Person, Shown, World, sample};
use std::time::Duration;

/// A walk through the main job.
pub struct Tour<'a> {
    /// Where.
    pub world: &'a World,
    /// What was seen on it.
    pub watch: &'a mut Watch,
}

impl Tour<'_> {
    /// All of it.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn walk(&mut self) -> Result<()> {
        self.masked_reading()?;
        self.refused_drop()?;
        self.approved_delete()?;
        self.wrong_token()?;
        self.minted_role()?;
        self.record()?;
        self.nothing_leaked()
    }

    fn psql(&mut self, who: &Person, token: &str, sql: &str) -> Result<Shown> {
        println!(
            "\n  {} psql \"host=gateway dbname=orders\" -c {}",
            screen::dim(&format!("{}$", who.subject)),
            screen::bold(&format!("{sql:?}"))
        );
        let mut command = self.world.psql("anybody", token, "orders");
        let shown = Shown::by(command.args(["-c", sql])).context("run psql")?;
        self.watch.saw(sql, &shown);
        Ok(shown)
    }

    fn admin(&mut self, token: Option<&str>, arguments: &[&str]) -> Result<Shown> {
        self.watch.admin(&self.world.gateway, token, arguments)
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
        self.watch.expect(
            "five rows came",
            shown.code == 0 && shown.out.contains("(5 rows)"),
        );
        self.watch
            .expect("names are readable", shown.out.contains("Ada Lovelace"));
        self.watch.expect(
            "masks stand where values were",
            shown.out.contains("[pc-masked:"),
        );
        self.watch.expect(
            "no e-mail, card or key came through",
            sample::CANARIES.iter().all(|c| !shown.shows(c)),
        );
        let shown = self.psql(
            &AGENT,
            &token,
            "COPY (SELECT email, profile FROM customers WHERE id = 1) TO STDOUT",
        )?;
        self.watch.expect(
            "COPY is masked too",
            shown.code == 0 && sample::CANARIES.iter().all(|c| !shown.shows(c)),
        );
        Ok(())
    }

    fn refused_drop(&mut self) -> Result<()> {
        screen::heading("2. DROP DATABASE is refused, and the refusal says why and what to do");
        let token = self.world.token(&ANA)?;
        let shown = self.psql(&ANA, &token, "DROP DATABASE scratch")?;
        self.watch.expect(
            "it was refused",
            shown.code != 0 && shown.err.contains("ERROR"),
        );
        self.watch.expect(
            "it names its rule",
            shown.err.contains("DETAIL") && shown.err.contains("\"rule\""),
        );
        self.watch
            .expect("it has a hint", shown.err.contains("HINT"));
        let there = self.world.cluster.sql(
            "postgres",
            "SELECT count(*) FROM pg_database WHERE datname='scratch'",
        )?;
        self.watch
            .expect("the database is still there", there.trim() == "1");
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
        let id = self.world.gateway.pending(Duration::from_secs(60))?;
        let before = self
            .world
            .cluster
            .sql("orders", "SELECT count(*) FROM stale_carts")?;
        self.watch.expect(
            "nothing has been deleted while it waits",
            before.trim() == "40",
        );
        let own = self.admin(
            Some(&ana),
            &["approvals", "approve", &id, "--reason", "mine"],
        )?;
        self.watch
            .expect("the requester cannot approve it", own.code != 0);
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
        self.watch.expect("bea's vote counts", vote.code == 0);
        let shown = waiting
            .join()
            .map_err(|_| anyhow::anyhow!("the waiting psql was lost"))??;
        println!("\n  {}", screen::dim("and in ana's terminal:"));
        screen::quote(&shown.all());
        self.watch.expect(
            "psql said at once that it was held",
            shown.err.contains("NOTICE") && shown.err.contains(&id),
        );
        self.watch.expect(
            "it ran after the approval",
            shown.code == 0 && shown.out.contains("DELETE 19"),
        );
        let after = self
            .world
            .cluster
            .sql("orders", "SELECT count(*) FROM stale_carts")?;
        self.watch.expect("the rows are gone", after.trim() == "21");
        self.watch.seen.push((sql.to_owned(), shown));
        Ok(())
    }

    fn wrong_token(&mut self) -> Result<()> {
        screen::heading("4. A wrong token is refused");
        let token = self.world.token(&AGENT)?;
        let forged = format!("{}x", &token[..token.len() - 6]);
        let shown = self.psql(&AGENT, &forged, "SELECT 1")?;
        self.watch.expect(
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
        self.watch.expect(
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
        self.watch
            .expect("the role is gone after the session", left.trim() == "0");
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
        self.watch.expect(
            "the replay shows the statement and who approved it",
            replay.out.contains("DELETE FROM stale_carts")
                && replay.out.contains("bea@example.com"),
        );
        let verify = self.admin(None, &["journal", "verify"])?;
        self.watch.expect("the chain verifies", verify.code == 0);
        Ok(())
    }

    fn nothing_leaked(&mut self) -> Result<()> {
        screen::heading("7. What the clients saw, all together");
        let secrets = [self.world.admin_password.as_str(), "SCRAM-SHA-256$"];
        let leaked = self.watch.showed(&secrets);
        self.watch.expect(
            "no credential of the gateway stood in anything a client saw",
            !leaked,
        );
        let leaked = self.watch.showed(&sample::CANARIES);
        self.watch.expect(
            "no protected value stood in anything a client, approver or auditor saw",
            !leaked,
        );
        let log = self.world.gateway.log();
        self.watch.expect(
            "nor in the gateway's log",
            !secrets
                .iter()
                .chain(&sample::CANARIES)
                .any(|s| log.contains(*s)),
        );
        Ok(())
    }
}
