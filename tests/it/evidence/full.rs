//! A full disk under all that a gateway keeps, while two requests wait for people: what cannot be kept does not count, what
//! fails says so, and when there is room again everything goes on where it stood.

use super::{Around, check, until, well};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, BEA};
use portcullis_tests::process::{root, run};
use portcullis_tests::{Scratch, Shown, World, WorldOptions};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

/// Three times the record's reserve have to be free before it is left, and a little is in use.
const SIZE: &str = "size=128m,mode=700";

const PACK: &str = "package portcullis.packs.full

import rego.v1

held := {\"rule\": \"full/held\", \"msg\": \"it deletes\", \"approver_groups\": [\"dba\"], \"ttl_seconds\": 300}

approval contains held if {
    input.action == \"command\"
    some statement in input.command.statements
    statement.verb == \"DELETE\"
}

approval contains object.union(held, {\"rule\": \"full/deferred\", \"mode\": \"defer\", \"ttl_seconds\": 3600}) if {
    input.action == \"command\"
    some statement in input.command.statements
    statement.verb == \"UPDATE\"
}
";

/// A small file system, gone with whoever has it.
struct Small {
    folder: Scratch,
}

impl Small {
    fn new() -> Result<Self> {
        // Before anything is mounted: whatever fails from here on, it is unmounted.
        let small = Self {
            folder: Scratch::new("small")?,
        };
        let at = small.folder.path();
        run(as_root("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(at))?;
        if !root() {
            run(as_root("chmod").arg("777").arg(at))?;
        }
        Ok(small)
    }

    /// The state of a gateway that has ended, from now on.
    fn take_over(&self, world: &World) -> Result<()> {
        let state = world.gateway.state();
        let here = self.folder.path().join("state");
        run(Command::new("cp").arg("-a").arg(&state).arg(&here))?;
        fs::remove_dir_all(&state)?;
        symlink(&here, &state).context("lead there")
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// To the last byte.
    fn fill(&self) -> Result<()> {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.filler())?;
        let bytes = vec![7; 1 << 20];
        let mut chunk = bytes.len();
        while chunk > 0 {
            match file.write_all(&bytes[..chunk]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => chunk /= 2,
                Err(error) => return Err(error).context("fill the disk"),
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("free the disk")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = run(as_root("umount").arg("-l").arg(self.folder.path()));
    }
}

fn as_root(program: &str) -> Command {
    match root() {
        true => Command::new(program),
        false => {
            let mut command = Command::new("sudo");
            command.arg("-n").arg(program);
            command
        }
    }
}

struct Company {
    // Dropped in this order: the gateway ends before its disk goes.
    world: World,
    small: Small,
    around: Around,
}

fn company() -> Result<Company> {
    let around = Around::start()?;
    let folder = around.folder.path().join("full");
    fs::create_dir(&folder)?;
    fs::write(folder.join("full.rego"), PACK)?;
    let packs = format!(
        "    - builtin: access\n    - builtin: approve\n    - path: {}\n",
        folder.display()
    );
    let options = WorldOptions {
        packs,
        ..around.options()?
    };
    let mut world = World::start(&options)?;
    world.gateway.signal("TERM");
    world.gateway.wait(Duration::from_secs(30))?;
    let small = Small::new()?;
    small.take_over(&world)?;
    world.restart()?;
    Ok(Company {
        world,
        small,
        around,
    })
}

impl Company {
    fn vote(&self, id: &str) -> Result<Shown> {
        let bea = self.world.token(&BEA)?;
        let vote = ["approvals", "approve", id, "--reason", "it may"];
        self.world.gateway.admin_as(Some(&bea), &vote)
    }

    fn state(&self, id: &str) -> Result<String> {
        let approval = self.world.gateway.json(&["approvals", "show", id])?;
        Ok(approval["state"].as_str().unwrap_or_default().to_owned())
    }

    fn count(&self, condition: &str) -> Result<String> {
        let sql = format!("SELECT count(*) FROM stale_carts WHERE {condition}");
        let rows = self.world.cluster.sql("orders", &sql)?;
        Ok(rows.trim().to_owned())
    }

    /// Somebody's psql, which waits for an answer.
    fn held(&self) -> Result<(String, JoinHandle<Result<Shown>>)> {
        let token = self.world.token(&ANA)?;
        let mut session = self.world.psql("anybody", &token, "orders");
        session.args(["-c", "DELETE FROM stale_carts WHERE id = 7"]);
        let waiting = std::thread::spawn(move || Shown::by(&mut session).context("run psql"));
        let id = self.world.gateway.pending(Duration::from_secs(60))?;
        Ok((id, waiting))
    }

    /// The record has used up what it had and goes on in its reserve.
    fn until_the_record_is_full(&self) -> Result<()> {
        let reason = "the disk is full ".repeat(40);
        until("the record is full", &self.world, || {
            self.small.fill()?;
            // An entry of the node, which the reserve is for.
            let hold = ["journal", "hold", "add", "--identity", "ana", "--reason"];
            self.world
                .gateway
                .admin(&[&hold[..], &[reason.as_str()]].concat())?;
            let log = self.world.gateway.log();
            Ok(log.contains("sessions can only be closed"))
        })
    }
}

/// Longer than a page, so that it needs room of its own.
fn update() -> String {
    format!(
        "UPDATE stale_carts SET id = id WHERE id = 3 /* {} */",
        "because it has to be ".repeat(400)
    )
}

#[test]
fn a_full_disk_loses_nothing_and_approves_nothing() -> Result<()> {
    let company = company()?;
    let world = &company.world;
    let (held, waiting) = company.held()?;
    let shown = world.ask(&ANA, "orders", &update())?.all();
    let start = shown.find("\"ap-").with_context(|| shown.clone())? + 1;
    let deferred = shown[start..start + 11].to_owned();

    company.until_the_record_is_full()?;
    nothing_counts(&company, &held, &deferred, waiting)?;
    it_is_said(&company)?;

    company.small.free()?;
    until("somebody is admitted again", world, || {
        Ok(world
            .ask(&ANA, "orders", "SELECT 'after it was full'")?
            .code
            == 0)
    })?;
    everything_goes_on(&company, &deferred)
}

fn nothing_counts(
    company: &Company,
    held: &str,
    deferred: &str,
    waiting: JoinHandle<Result<Shown>>,
) -> Result<()> {
    let world = &company.world;
    let shown = world.ask(&ANA, "orders", "SELECT 1")?;
    ensure!(shown.code != 0, "nobody is admitted: {}", shown.all());
    company.small.fill()?;
    let shown = company.vote(deferred)?;
    ensure!(
        shown.code != 0 && shown.shows("could not be recorded"),
        "a vote that is not kept does not count: {}",
        shown.all()
    );
    ensure!(company.state(deferred)? == "pending", "it waits");
    // The vote itself is on record, in the reserve; what it would let through is not, and so it does not pass.
    company.vote(held)?;
    let shown = waiting.join().ok().context("psql ends")??;
    ensure!(shown.code != 0, "nothing passes: {}", shown.all());
    ensure!(company.count("id = 7")? == "1", "nothing was deleted");
    Ok(())
}

fn it_is_said(company: &Company) -> Result<()> {
    let world = &company.world;
    until("the sink says so", world, || {
        company.small.fill()?;
        Ok(check(world, "sink lake")?.contains("write the cursor"))
    })?;
    until("the copies say so", world, || {
        company.small.fill()?;
        Ok(check(world, "copies")?.contains("write down what was copied"))
    })?;
    ensure!(
        !world.gateway.page("/readyz")?.starts_with("HTTP/1.1 200"),
        "it is not ready"
    );
    let whole = world.gateway.page("/healthz")?;
    ensure!(whole.starts_with("HTTP/1.1 200"), "it lives: {whole}");
    Ok(())
}

fn everything_goes_on(company: &Company, deferred: &str) -> Result<()> {
    let world = &company.world;
    well(&company.vote(deferred)?)?;
    let shown = world.ask(&ANA, "orders", &update())?;
    ensure!(shown.shows("UPDATE 1"), "it runs: {}", shown.all());
    let shown = world.ask(&ANA, "orders", &update())?;
    ensure!(shown.code != 0, "once: {}", shown.all());
    for (name, well) in [
        ("sink lake", "0 entries behind"),
        ("sink otel", "0 entries behind"),
        ("index", "0 entries behind"),
        ("copies", "0 segments"),
    ] {
        until(name, world, || Ok(check(world, name)?.starts_with(well)))?;
    }
    let told = company.around.lake.all();
    for text in ["after it was full", "the disk is full the disk is full"] {
        ensure!(told.contains(text), "{text} is told");
    }
    let found = world.gateway.json(&["search", "after it was full"])?;
    ensure!(
        found["rows"]
            .as_array()
            .is_some_and(|rows| !rows.is_empty()),
        "it is found: {found:#}"
    );
    well(&world.gateway.admin(&["journal", "verify"])?)
}
