//! Keys that are remembered: after one login with a token, `ssh` and `git` come again with the same bare key and without a
//! prompt, for as long as nothing is revoked; another key does not, another address does not, and nobody's does where the setting
//! is off.

use crate::ssh_tools::{playing, python};
use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::host::{client, keygen};
use portcullis_tests::install::{self, Need};
use portcullis_tests::issuer::ANA;
use portcullis_tests::process::run;
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The usual people, who may use git as well.
const DATA: &str = "\
access:
  groups: {engineers: [web-people]}
  bindings:
    web-people: {protocols: [ssh], labels: {app: web}, opaque: [scp, sftp, forward, git]}
config: {mask: {readers: [dpo]}}
";

struct Place {
    world: SshWorld,
    /// The key that Ana has, and one that she has not shown.
    key: PathBuf,
    other: PathBuf,
}

impl Place {
    fn new(listener: &str) -> Result<Self> {
        let world = SshWorld::start(&SshOptions {
            listener: listener.to_owned(),
            data: DATA.to_owned(),
            ..SshOptions::default()
        })?;
        let (key, other) = (world.folder().join("key"), world.folder().join("other"));
        keygen(&key)?;
        keygen(&other)?;
        Ok(Self { world, key, other })
    }

    fn ssh(&self, key: &Path) -> Command {
        let mut ssh = client(&self.world.known_hosts(), self.world.port);
        ssh.args(["-o", "NumberOfPasswordPrompts=1", "-i"])
            .arg(key)
            .stdin(Stdio::null());
        ssh
    }

    fn to_host(&self, ssh: &mut Command) -> Result<Shown> {
        ssh.arg(format!("{}@web-1@127.0.0.1", self.world.host.login));
        Shown::by(ssh.arg("echo hello")).context("run ssh")
    }

    /// Without anybody who could be asked.
    fn batch(&self, key: &Path, more: &[&str]) -> Result<Shown> {
        let mut ssh = self.ssh(key);
        self.to_host(ssh.args(["-o", "BatchMode=yes"]).args(more))
    }

    /// The key is offered, and the token is the password.
    fn with_token(&self, key: &Path) -> Result<()> {
        let mut ssh = self.ssh(key);
        ssh.env("SSH_ASKPASS", self.world.folder().join("askpass"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", ":none")
            .env("TEST_TOKEN", self.world.issuer.token(&ANA)?);
        let shown = self.to_host(&mut ssh)?;
        self.well(&shown, "with a token")
    }

    fn well(&self, shown: &Shown, what: &str) -> Result<()> {
        let log = self.world.gateway.log();
        ensure!(
            shown.code == 0 && shown.out == "hello\n",
            "{what}: {shown:?}\n{log}"
        );
        Ok(())
    }

    fn refused(&self, shown: &Shown, what: &str) -> Result<()> {
        ensure!(
            shown.code == 255 && shown.err.contains("Permission denied"),
            "{what}: {shown:?}\n{}",
            self.world.gateway.log()
        );
        Ok(())
    }

    fn clones(&self) -> Result<()> {
        let mut made = self.world.host.direct()?;
        let made = Shown::by(made.arg("git init -q --bare -b main app.git"))?;
        ensure!(made.code == 0, "{made:?}");
        let ssh = format!(
            "ssh -F none -p {} -l {}@web-1 -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null \
             -o IdentitiesOnly=yes -o BatchMode=yes -i {}",
            self.world.port,
            self.world.host.login,
            self.world.known_hosts().display(),
            self.key.display()
        );
        let mut git = Command::new("git");
        git.env("GIT_SSH_COMMAND", ssh)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.world.folder())
            .arg("-C")
            .arg(self.world.folder())
            .args(["clone", "-q", "127.0.0.1:app.git", "app"])
            .stdin(Stdio::null());
        let cloned = Shown::by(&mut git)?;
        let log = self.world.gateway.log();
        ensure!(cloned.code == 0, "{cloned:?}\n{log}");
        ensure!(self.world.folder().join("app/.git").is_dir());
        Ok(())
    }

    /// Ends a session that came by the key, and no other.
    fn sends_away(&self) -> Result<()> {
        // Sessions of before may still be about to leave.
        let live = || -> Result<Vec<String>> {
            let live = self.world.gateway.json(&["sessions", "list"])?;
            let rows = live.as_array().context("a list")?.iter();
            Ok(rows
                .filter_map(|row| Some(row["id"].as_str()?.to_owned()))
                .collect())
        };
        let before = live()?;
        let mut held = self.ssh(&self.key);
        held.args(["-o", "BatchMode=yes"])
            .arg(format!("{}@web-1@127.0.0.1", self.world.host.login))
            .arg("echo here; exec sleep 600")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut held = held.spawn()?;
        let mut line = String::new();
        let out = held.stdout.take().context("its output")?;
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line == "here\n", "{line}");
        let new: Vec<_> = live()?
            .into_iter()
            .filter(|id| !before.contains(id))
            .collect();
        let [id] = &new[..] else {
            bail!("one session is new: {new:?}");
        };
        let gateway = &self.world.gateway;
        let killed = gateway.admin(&["sessions", "kill", id, "--reason", "enough of it"])?;
        ensure!(killed.code == 0, "{}", killed.all());
        // By the kill, and not because its command is over.
        let until = Instant::now() + Duration::from_secs(60);
        while held.try_wait()?.is_none() {
            ensure!(Instant::now() < until, "it goes on");
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut told = String::new();
        let mut errors = held.stderr.take().context("an error stream")?;
        errors.read_to_string(&mut told)?;
        ensure!(told.contains("enough of it"), "{told}");
        Ok(())
    }

    /// How many sessions are on record as proved by Ana's key.
    fn by_key(&self) -> Result<usize> {
        let public = self.key.with_extension("pub");
        let print = run(Command::new("ssh-keygen").arg("-lf").arg(&public))?;
        let print = String::from_utf8_lossy(&print.stdout).into_owned();
        let print = print.split(' ').nth(1).context("a fingerprint")?;
        let said = format!("\"proof\":{{\"by\":\"bound key\",\"fingerprint\":\"{print}\"}}");
        let gateway = &self.world.gateway;
        let sessions = gateway.json(&["sessions", "list", "--recorded"])?;
        let mut found = 0;
        for session in sessions.as_array().context("a list")? {
            let id = session["id"].as_str().context("an id")?;
            let replay = gateway.admin(&["sessions", "replay", id, "--json"])?;
            ensure!(replay.code == 0, "{replay:?}");
            found += usize::from(replay.out.contains(&said));
        }
        Ok(found)
    }
}

#[test]
fn a_key_shown_at_a_login_comes_again_without_a_prompt_until_its_holder_is_revoked() -> Result<()> {
    install::ensure(&[Need::OpenSsh, Need::Git])?;
    let place = Place::new("    remember_keys: 10m\n")?;
    place.refused(&place.batch(&place.key, &[])?, "before")?;
    place.with_token(&place.key)?;
    ensure!(place.by_key()? == 0, "the token was the proof");

    place.well(&place.batch(&place.key, &[])?, "after")?;
    place.clones()?;
    ensure!(place.by_key()? == 2, "one command, one clone");
    // A login with the key is none that others could stand on: the other key is shown first, and stays unknown.
    let also = format!("IdentityFile={}", place.key.display());
    let both = ["-o", &also];
    place.well(&place.batch(&place.other, &both)?, "both")?;
    place.refused(&place.batch(&place.other, &[])?, "another key")?;
    place.refused(
        &place.batch(&place.key, &["-b", "127.0.0.2"])?,
        "another address",
    )?;
    let public = place.key.with_extension("pub");
    let unheld = place.world.folder().join("unheld");
    fs::copy(&place.other, &unheld)?;
    fs::copy(public, unheld.with_extension("pub"))?;
    place.refused(&place.batch(&unheld, &[])?, "its public half alone")?;
    place.well(&place.batch(&place.key, &[])?, "still")?;

    let issuer = place.world.issuer.url();
    let revoke = ["revoke", "--reason", "left", "--issuer", &issuer];
    let subject = ["--subject", ANA.subject];
    let gateway = &place.world.gateway;
    let said = gateway.admin(&[&revoke[..], &subject[..]].concat())?;
    ensure!(said.code == 0, "{}", said.all());
    place.refused(&place.batch(&place.key, &[])?, "revoked")
}

#[test]
fn ansible_comes_by_a_remembered_key_with_nobody_to_type() -> Result<()> {
    let place = Place::new("    remember_keys: 10m\n")?;
    let python = python()?;
    let options = format!(
        "-o IdentitiesOnly=yes -o BatchMode=yes -i {}",
        place.key.display()
    );
    let ping = || -> Result<Shown> {
        // Each a connection of its own.
        let mut ansible = playing(&place.world, &python, &options, &serde_json::json!({}))?;
        ansible
            .args(["-m", "ping"])
            .env("ANSIBLE_SSH_ARGS", "-o ControlMaster=no");
        Shown::by(&mut ansible).context("run ansible")
    };
    let before = ping()?;
    ensure!(
        before.code != 0 && before.all().contains("UNREACHABLE"),
        "{}",
        before.all()
    );
    place.with_token(&place.key)?;
    for round in 0..2 {
        let pinged = ping()?;
        ensure!(
            pinged.code == 0 && pinged.out.contains("\"ping\": \"pong\""),
            "{round}: {}\n{}",
            pinged.all(),
            place.world.gateway.log()
        );
    }
    ensure!(place.by_key()? >= 2, "the key was the proof");
    // Whoever is sent away logs in before coming back.
    place.sends_away()?;
    place.refused(&place.batch(&place.key, &[])?, "sent away")
}

#[test]
fn no_key_brings_back_whoever_was_cut_off_for_secrets_of_the_gateway() -> Result<()> {
    let place = Place::new("    remember_keys: 10m\n")?;
    place.with_token(&place.key)?;
    place.well(&place.batch(&place.key, &[])?, "before")?;
    // Somebody has left the authority's key lying about on the host.
    let authority = fs::read_to_string(place.world.host.authority())?;
    let secret = authority.lines().nth(4).context("a key has lines")?;
    fs::write(place.world.host.home().join("left"), secret)?;
    let socket = place.world.folder().join("shared");
    let mux = format!("ControlPath={}", socket.display());
    let to = format!("{}@web-1@127.0.0.1", place.world.host.login);
    let mut first = place.ssh(&place.key);
    first
        .args(["-o", "BatchMode=yes", "-M", "-o", &mux, &to])
        .arg("echo here; exec sleep 600")
        .stdout(Stdio::piped());
    let mut first = first.spawn()?;
    let mut line = String::new();
    let out = first.stdout.take().context("its output")?;
    BufReader::new(out).read_line(&mut line)?;
    ensure!(line == "here\n", "{line}");
    for _ in 0..2 {
        let mut show = place.ssh(&place.key);
        show.args(["-o", "BatchMode=yes", "-o", &mux, &to, "cat left"]);
        let shown = Shown::by(&mut show)?;
        ensure!(!shown.all().contains(secret), "the key shows");
    }
    let until = Instant::now() + Duration::from_secs(60);
    while first.try_wait()?.is_none() {
        ensure!(Instant::now() < until, "the session goes on");
        std::thread::sleep(Duration::from_millis(100));
    }
    place.refused(&place.batch(&place.key, &[])?, "cut off")
}

#[test]
fn no_key_is_remembered_where_nothing_says_so() -> Result<()> {
    let place = Place::new("")?;
    place.with_token(&place.key)?;
    place.refused(&place.batch(&place.key, &[])?, "the setting is off")?;
    ensure!(place.by_key()? == 0);
    Ok(())
}
