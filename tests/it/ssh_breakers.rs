//! Whoever breaks the protocol, on either side: raw packets before there are keys, messages out of turn, lengths and counts with
//! nothing behind them. One case for each class of advisory that SSH libraries have had. The gateway survives each, lets
//! nobody in by it, keeps no memory for it, and serves the next client.

use crate::ssh_equal::gone;
use crate::ssh_tools::{python, suite};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, DORA};
use portcullis_tests::process::{Server, free_port};
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// A public key of nobody.
const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

/// What a process holds in memory, in KiB.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("look at the gateway")?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let number = line.and_then(|l| l.split_whitespace().nth(1));
    number.context("VmRSS")?.parse().context("a number")
}

fn stranger(case: &str, port: u16) -> Result<String> {
    let mut command = Command::new(python()?);
    command
        .arg(suite("strangers.py"))
        .args(["client", case, &port.to_string()]);
    let shown = Shown::by(&mut command).context("run Python")?;
    ensure!(shown.code == 0, "{case}: {}", shown.all());
    Ok(shown.out.trim().to_owned())
}

#[test]
fn a_stranger_who_breaks_the_protocol_is_cut_off_and_costs_nothing() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let pid = world.gateway.pid();
    let warm = world.run(&DORA, "echo warm")?;
    ensure!(warm.out == "warm\n", "{warm:?}");
    let before = resident(pid)?;
    for case in [
        // Lines without end where a name is expected.
        "endless-line",
        "many-lines",
        // Lengths: of a packet, of none, of its padding, of a field.
        "huge-packet",
        "no-packet",
        "padding",
        "huge-field",
        // Ciphers without what they need.
        "no-mac",
        "no-cipher",
        // Packets that are slipped in before the keys (Terrapin).
        "terrapin",
        "terrapin-late",
        // Keys of the wrong length, and such that agree on nothing.
        "x25519-0",
        "x25519-31",
        "x25519-64",
        "zero-point",
        "mlkem-0",
        "mlkem-1215",
        "mlkem-1217",
        "group16-zero",
        "group16-one",
        "group16-last",
        "group16-prime",
        "group16-beyond",
        // A login before there are keys.
        "early-service",
        "early-success",
    ] {
        let said = stranger(case, world.port)?;
        ensure!(said == "ended", "{case}: {said}\n{}", world.gateway.log());
    }
    let offers = stranger("offers", world.port)?;
    ensure!(
        offers == "strict True weak 0 sha1 False cbc False",
        "{offers}"
    );
    let after = resident(pid)?;
    ensure!(after < before + 32 * 1024, "{before} KiB, then {after} KiB");
    let still = world.run(&DORA, "echo still")?;
    ensure!(still.out == "still\n", "{still:?}\n{}", world.gateway.log());
    ensure!(!world.gateway.log().contains("panicked"));
    Ok(())
}

/// One case of a client that has keys; its lines.
fn breaks(world: &SshWorld, case: &str) -> Result<String> {
    let mut command = Command::new(python()?);
    command
        .arg(suite("breakers.py"))
        .arg(world.port.to_string())
        .arg(world.known_hosts())
        .args([case, &format!("{}@web-1", world.host.login)])
        .env("TEST_TOKEN", world.issuer.token(&ANA)?);
    let shown = Shown::by(&mut command).context("run Python")?;
    ensure!(
        shown.code == 0,
        "{case}: {}\n{}",
        shown.all(),
        world.gateway.log()
    );
    Ok(shown.out)
}

/// Whatever came of it, the gateway goes on, and nothing ran.
pub(crate) fn goes_on(world: &SshWorld) -> Result<()> {
    let still = world.run(&DORA, "echo still")?;
    ensure!(still.out == "still\n", "{still:?}\n{}", world.gateway.log());
    ensure!(!world.gateway.log().contains("panicked"));
    ensure!(!world.host.home().join("ran").exists(), "nothing ran");
    Ok(())
}

#[test]
fn messages_about_channels_that_were_never_opened_do_no_harm() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let said = breaks(&world, "never-opened")?;
    ensure!(said.lines().count() == 13, "{said}");
    ensure!(said.lines().all(|l| l.ends_with(" unharmed")), "{said}");
    goes_on(&world)
}

#[test]
fn a_client_that_says_its_own_channel_was_opened_towards_it_is_cut_off() -> Result<()> {
    let world = SshWorld::start(&SshOptions {
        data: portcullis_tests::ssh::DATA.replace("[scp, sftp, forward]", "[agent]"),
        ..SshOptions::default()
    })?;
    let said = breaks(&world, "forged")?;
    let agent = "auth-agent@openssh.com ended True\n";
    ensure!(
        said == format!("runs\nended True\n{agent}{agent}"),
        "{said}\n{}",
        world.gateway.log()
    );
    // Each says in the record why it ended.
    let sessions = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let mut told = 0;
    for session in sessions.as_array().context("a list")? {
        let id = session["id"].as_str().context("an id")?;
        let replay = world
            .gateway
            .admin(&["sessions", "replay", id, "--verbose", "--json"])?;
        told += replay.out.matches("ssh-forged-channel").count();
    }
    ensure!(told == 3, "{told} on record\n{}", world.gateway.log());
    // Nothing goes on behind it.
    gone(&world)?;
    goes_on(&world)
}

#[test]
fn nobody_is_let_in_by_what_comes_before_or_instead_of_a_proof() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    for case in ["before-login", "fields", "answers"] {
        let said = breaks(&world, case)?;
        ensure!(said.lines().count() >= 3, "{case}: {said}");
        let let_in = said.lines().filter(|l| !l.ends_with(" False"));
        let good: &[&str] = match case {
            "fields" => &["good True"],
            _ => &[],
        };
        ensure!(let_in.eq(good.iter().copied()), "{case}: {said}");
        // A good login forgives what this address has failed at.
        goes_on(&world)?;
    }
    ensure!(
        world.host.log().matches("Accepted").count() >= 3,
        "the good ones alone: {}",
        world.host.log()
    );
    Ok(())
}

#[test]
fn windows_extensions_and_second_logins_are_one_channels_affair() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let pid = world.gateway.pid();
    let before = resident(pid)?;
    let said = breaks(&world, "windows")?;
    ensure!(
        said == "overflow unharmed\nno packet unharmed True\n",
        "{said}"
    );
    ensure!(breaks(&world, "extensions")? == "unharmed\n");
    ensure!(breaks(&world, "another")? == "unharmed\n");
    let after = resident(pid)?;
    ensure!(after < before + 48 * 1024, "{before} KiB, then {after} KiB");
    goes_on(&world)
}

#[test]
fn a_host_that_breaks_the_protocol_ends_one_channel_and_nothing_else() -> Result<()> {
    let cases = [
        "endless-banner",
        "banner-lines",
        "huge-packet",
        "no-mac",
        "x25519-0",
        "x25519-31",
        "x25519-64",
        "x25519-32",
    ];
    let mut servers = Vec::new();
    let mut connections = String::new();
    let folder = portcullis_tests::Scratch::new("evil-hosts")?;
    let mut known = String::new();
    portcullis_tests::scratch::private(&folder.path().join("password"), "Kq8-vT3zR0xWm5Yb2NcJ")?;
    for case in cases {
        let port = free_port()?;
        let mut command = Command::new(python()?);
        command
            .arg(suite("strangers.py"))
            .args(["host", case, &port.to_string()]);
        let log = folder.path().join(format!("{case}.log"));
        let mut server = Server::start(case, command, &log, "TERM")?;
        server.wait_for_port(port, Duration::from_secs(15))?;
        servers.push(server);
        // It is known, so that it is spoken to at all.
        known.push_str(&format!("[127.0.0.1]:{port} ssh-ed25519 {KEY}\n"));
        connections.push_str(&format!(
            "  - name: {case}
    protocol: ssh
    labels: {{ app: web }}
    host: 127.0.0.1
    port: {port}
    host_keys: {{ known_hosts: {at}/known }}
    credential:
      static: {{ user: nobody, password: \"file:{at}/password\" }}
",
            at = folder.path().display()
        ));
    }
    fs::write(folder.path().join("known"), known)?;
    let world = SshWorld::start(&SshOptions {
        connection: connections,
        ..SshOptions::default()
    })?;
    let before = resident(world.gateway.pid())?;
    for case in cases {
        let token = world.issuer.token(&ANA)?;
        let began = Instant::now();
        let mut ssh = world.client(&token);
        let shown = Shown::by(ssh.args([&format!("ana@{case}@127.0.0.1"), "id"]))?;
        ensure!(
            shown.code == 126 && shown.err.contains("fault/upstream"),
            "{case}: {shown:?}\n{}",
            world.gateway.log()
        );
        ensure!(
            began.elapsed() < Duration::from_secs(40),
            "{case}: {:?}",
            began.elapsed()
        );
    }
    let after = resident(world.gateway.pid())?;
    ensure!(after < before + 48 * 1024, "{before} KiB, then {after} KiB");
    goes_on(&world)
}
