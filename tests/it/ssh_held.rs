//! What waits, and what it costs: a download that its client does not read stays with the host, an upload for which there is no
//! room ends its channel with a reason, and a terminal may change its size while its command is held.

use crate::ssh_breakers::resident;
use crate::ssh_tools::{python, suite};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, BEA, DORA};
use portcullis_tests::process::run;
use portcullis_tests::{Shown, SshOptions, SshWorld};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a gateway may take for a download that nobody reads: queues of a few MiB by `docs/ssh.md`, and what plugins and the allocator
/// keep of the burst before they stand still. A build without optimisation was seen to take 44 MiB, flat from then on; the download
/// itself is twice as much as this.
const UNREAD_KIB_MAX: u64 = 96 * 1024;

/// The download.
const DOWNLOAD_BYTES: u64 = 200_000_000;

#[test]
fn a_download_that_its_client_does_not_read_stays_with_the_host() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    // Everything that is loaded once is there.
    let warm = world.run(&DORA, "seq 1 300000")?;
    ensure!(
        warm.code == 0 && warm.out.ends_with("300000\n"),
        "{}",
        warm.err
    );
    let before = resident(world.gateway.pid())?;
    let socket = world.folder().join("unread");
    let mux = format!("ControlPath={}", socket.display());
    let command = format!("head -c {DOWNLOAD_BYTES} /dev/zero");
    let mut unread = world
        .ssh(&DORA, &["-M", "-o", &mux], &[&command])?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdout = unread.stdout.take().context("a pipe")?;
    // It has begun; from here on nobody reads.
    stdout.read_exact(&mut [0])?;
    let (mut most, until) = (0, Instant::now() + Duration::from_secs(6));
    while Instant::now() < until {
        most = most.max(resident(world.gateway.pid())?);
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(
        most < before + UNREAD_KIB_MAX,
        "{before} KiB before, then {most} KiB"
    );
    let beside = Shown::by(&mut world.ssh(&DORA, &["-o", &mux], &["echo beside"])?)?;
    ensure!(beside.out == "beside\n", "{beside:?}");
    ensure!(
        unread.try_wait()?.is_none(),
        "the download has not come to its end"
    );
    unread.kill()?;
    unread.wait()?;
    Ok(())
}

/// How many files the gateway may open from now on.
fn files(world: &SshWorld, most: &str) -> Result<()> {
    run(Command::new("prlimit")
        .args(["--pid", &world.gateway.pid().to_string()])
        .arg(format!("--nofile={most}:")))
    .map(drop)
}

#[test]
fn an_upload_for_which_there_is_no_room_ends_its_channel_and_says_why() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let (mut first, mux) = world.shared(&DORA)?;
    let mut slow = world
        .ssh(&DORA, &["-o", &mux], &["echo runs; exec sleep 120"])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdout = BufReader::new(slow.stdout.take().context("a pipe")?);
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    ensure!(line == "runs\n", "{line:?}");
    // No file for what memory does not hold can be made.
    files(&world, "3")?;
    let mut stdin = slow.stdin.take().context("a pipe")?;
    let feeding = std::thread::spawn(move || {
        let _fed = stdin.write_all(&vec![b'u'; 16 * 1024 * 1024]);
    });
    let shown = Shown::from_output(&slow.wait_with_output()?);
    files(&world, "1024")?;
    let _fed = feeding.join();
    ensure!(
        shown.code == 126 && shown.err.contains("ssh/upload"),
        "{shown:?}\n{}",
        world.gateway.log()
    );
    ensure!(
        shown.err.contains("no more can be kept") && shown.err.contains("Send less at a time"),
        "what and what to do: {shown:?}"
    );
    let beside = Shown::by(&mut world.ssh(&DORA, &["-o", &mux], &["echo beside"])?)?;
    ensure!(beside.out == "beside\n", "{beside:?}");
    first.kill()?;
    first.wait()?;
    let id = crate::ssh::session(&world)?;
    let replay = world
        .gateway
        .admin(&["sessions", "replay", &id, "--json"])?;
    ensure!(replay.out.contains("ssh/upload"), "{}", replay.all());
    Ok(())
}

#[test]
fn a_window_that_changes_while_its_command_is_held_reaches_it_once_it_runs() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let script =
        "#!/bin/sh\nuntil [ \"$(stty size)\" = '50 132' ]; do sleep 0.1; done\necho done\n";
    fs::write(world.host.home().join("deploy.sh"), script)?;
    let mut command = Command::new(python()?);
    command
        .arg(suite("held_window.py"))
        .arg(world.port.to_string())
        .arg(format!("{}@web-1", world.host.login))
        .arg(world.known_hosts())
        .env("TEST_TOKEN", world.issuer.token(&ANA)?);
    let mut client = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = world.gateway.pending(Duration::from_secs(60))?;
    let mut stdin = client.stdin.take().context("a pipe")?;
    stdin.write_all(b"it is held\n")?;
    let mut stdout = BufReader::new(client.stdout.take().context("a pipe")?);
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    ensure!(line == "resized\n", "{line:?}\n{}", world.gateway.log());
    let bea = world.issuer.token(&BEA)?;
    let vote = ["approvals", "approve", &id, "--reason", "fine"];
    let voted = world.gateway.admin_as(Some(&bea), &vote)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest)?;
    let ended = client.wait_with_output()?;
    ensure!(
        ended.status.success() && rest == "done 0\n",
        "{rest:?} {}\n{}",
        String::from_utf8_lossy(&ended.stderr),
        world.gateway.log()
    );
    Ok(())
}

#[test]
fn a_program_reads_what_it_has_to_come_back_for() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let script = world.host.home().join("nightly.sh");
    fs::write(&script, "#!/bin/sh\necho deployed\n")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let refused = world.run(&ANA, "./nightly.sh")?;
    ensure!(refused.code == 126 && refused.out.is_empty(), "{refused:?}");
    let id = world.gateway.pending(Duration::from_secs(60))?;
    let mut details = refused
        .err
        .lines()
        .filter_map(|line| line.strip_prefix("portcullis: detail: "));
    let detail = details.next().with_context(|| format!("{refused:?}"))?;
    let detail: Value = serde_json::from_str(detail).context("JSON")?;
    ensure!(
        detail["rule"] == "deploys/later" && detail["approval"] == id.as_str(),
        "{id}: {detail}"
    );
    ensure!(detail["retry_after"].as_u64() > Some(0), "{detail}");
    ensure!(details.next().is_none(), "one line: {refused:?}");
    // Whoever waits meanwhile is told of it.
    let mut held = world
        .ssh(&ANA, &[], &["./deploy.sh"])?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let said = BufReader::new(held.stderr.take().context("a pipe")?);
    let mut notices = said.lines().map_while(Result::ok);
    let notice = notices.find(|line| line.contains("held by"));
    let notice = notice.context("ssh ended without a notice")?;
    ensure!(notice.contains(", 1 before it;"), "{notice}");
    held.kill()?;
    held.wait()?;
    let bea = world.issuer.token(&BEA)?;
    let vote = ["approvals", "approve", &id, "--reason", "fine"];
    let voted = world.gateway.admin_as(Some(&bea), &vote)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let ran = world.run(&ANA, "./nightly.sh")?;
    ensure!(ran.code == 0 && ran.out == "deployed\n", "{ran:?}");
    Ok(())
}
