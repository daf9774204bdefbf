//! SSH through the gate, with OpenSSH at both ends: what is allowed is the same as without a gate, what is refused never
//! reaches the host, what is held waits for people, what comes back is masked, and all of it is on record.

use anyhow::{Context, Result, ensure};
use portcullis_tests::host::{KEY_ID, SECRET};
use portcullis_tests::issuer::{AGENT, ANA, BEA, DORA, EVE};
use portcullis_tests::process::fed;
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn world() -> Result<SshWorld> {
    SshWorld::start(&SshOptions::default())
}

#[test]
fn an_allowed_command_is_the_same_as_without_a_gate() -> Result<()> {
    let world = world()?;
    let commands = [
        "echo hello",
        "echo out; echo err >&2; exit 3",
        "seq 1 20000",
        "printf 'a\\000b\\377c'",
        "wc -c; echo done",
        "exit 0",
        "false",
        "ls -a",
    ];
    let input = vec![b'x'; 300_000];
    let minute = Duration::from_secs(60);
    for command in commands {
        let direct = fed(world.host.direct()?.arg(command), &input, minute)?;
        let through = fed(&mut world.ssh(&DORA, &[], &[command])?, &input, minute)?;
        ensure!(
            (through.code, &through.out, &through.err) == (direct.code, &direct.out, &direct.err),
            "`{command}` differs: through the gate {through:?}, direct {direct:?}\n{}",
            world.gateway.log()
        );
    }
    let sessions = world.gateway.admin(&["sessions", "list", "--recorded"])?;
    ensure!(sessions.out.contains("web-1"), "{}", sessions.all());
    Ok(())
}

#[test]
fn a_refused_command_never_reaches_the_host() -> Result<()> {
    let world = world()?;
    let app = world.host.home().join("app");
    let mode = || -> Result<u32> { Ok(fs::metadata(&app)?.permissions().mode() & 0o777) };
    let before = mode()?;
    for command in ["chmod 777 ~/app", "chmod 777 app; echo ran > ran"] {
        let shown = world.run(&AGENT, command)?;
        ensure!(shown.code == 126, "exit code: {shown:?}");
        ensure!(shown.err.contains("commands/permissions"), "{shown:?}");
        ensure!(shown.err.contains("hint:"), "{shown:?}");
        ensure!(shown.out.is_empty(), "{shown:?}");
    }
    ensure!(mode()? == before, "the mode is what it was");
    ensure!(!world.host.home().join("ran").exists(), "nothing ran");
    // The host has not even been logged in to.
    ensure!(
        !world.host.log().contains("Accepted"),
        "{}",
        world.host.log()
    );
    // Two connects and two refusals, decided again.
    world.gateway.replays_unchanged(4)
}

#[test]
fn an_agent_sends_single_commands_and_nothing_else() -> Result<()> {
    let world = world()?;
    let shell = fed(
        &mut world.ssh(&AGENT, &["-T"], &[])?,
        b"echo ran > ran\n",
        Duration::from_secs(30),
    )?;
    ensure!(
        shell.code == 126 && shell.err.contains("ssh/exec-only"),
        "{shell:?}"
    );
    ensure!(!world.host.home().join("ran").exists(), "nothing ran");
    let forward = fed(
        &mut world.ssh(&AGENT, &["-W", "127.0.0.1:22"], &[])?,
        b"",
        Duration::from_secs(30),
    )?;
    ensure!(forward.code != 0, "{forward:?}");
    let secret = world.run(&AGENT, "cat ~/.aws/credentials")?;
    ensure!(
        secret.code == 126 && secret.err.contains("secrets/read"),
        "{secret:?}"
    );
    let plain = world.run(&AGENT, "uname -s")?;
    ensure!(plain.code == 0 && plain.out == "Linux\n", "{plain:?}");
    Ok(())
}

#[test]
fn a_held_command_runs_once_somebody_else_has_approved_it() -> Result<()> {
    let world = world()?;
    let deployed = world.host.home().join("deployed");
    let waiting = |person| -> Result<(std::process::Child, String)> {
        let child = world
            .ssh(person, &[], &["./deploy.sh"])?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok((child, world.gateway.pending(Duration::from_secs(30))?))
    };
    let (child, id) = waiting(&ANA)?;
    ensure!(!deployed.exists(), "nothing runs while it is held");
    let bea = world.issuer.token(&BEA)?;
    let voted = world.gateway.admin_as(
        Some(&bea),
        &["approvals", "approve", &id, "--reason", "fine"],
    )?;
    ensure!(voted.code == 0, "{voted:?}");
    let shown = Shown::from_output(&child.wait_with_output()?);
    ensure!(shown.code == 0 && shown.out == "done\n", "{shown:?}");
    ensure!(shown.err.contains("held by deploys/script"), "{shown:?}");
    ensure!(fs::read_to_string(&deployed)? == "deployed\n", "once");

    let (child, id) = waiting(&ANA)?;
    let voted = world.gateway.admin_as(
        Some(&bea),
        &["approvals", "deny", &id, "--reason", "not now"],
    )?;
    ensure!(voted.code == 0, "{voted:?}");
    let shown = Shown::from_output(&child.wait_with_output()?);
    ensure!(shown.code == 126, "{shown:?}");
    ensure!(fs::read_to_string(&deployed)? == "deployed\n", "still once");

    // Whoever hangs up withdraws.
    let (mut child, _) = waiting(&ANA)?;
    child.kill()?;
    child.wait()?;
    let until = Instant::now() + Duration::from_secs(60);
    while world.gateway.pending(Duration::ZERO).is_ok() {
        ensure!(Instant::now() < until, "the request is still pending");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn secrets_in_output_are_masked_and_stand_nowhere() -> Result<()> {
    let world = world()?;
    let shown = world.run(&ANA, "cat ~/.aws/credentials; cat ~/.aws/credentials >&2")?;
    ensure!(shown.code == 0, "{shown:?}");
    for secret in [KEY_ID, SECRET] {
        ensure!(!shown.all().contains(secret), "{secret} shows: {shown:?}");
    }
    ensure!(shown.out.contains("[pc-masked:"), "{shown:?}");
    ensure!(shown.err.contains("[pc-masked:"), "{shown:?}");
    // A secret in two writes is the same secret.
    let split = format!(
        "printf '{}'; sleep 0.3; printf '{}\\n'",
        &KEY_ID[..9],
        &KEY_ID[9..]
    );
    let shown = world.run(&ANA, &split)?;
    ensure!(!shown.out.contains(KEY_ID), "{shown:?}");
    let authority = fs::read_to_string(world.host.authority())?;
    let secret_line = authority
        .lines()
        .nth(4)
        .context("a key has lines")?
        .to_owned();
    // So is one of the gateway's own.
    let (one, two) = secret_line.split_at(20);
    let split = format!("printf '{one}'; sleep 0.3; printf '{two}\\n'");
    let shown = world.run(&ANA, &split)?;
    ensure!(
        shown.code == 0 && shown.out.trim() == "[pc-masked:tripwire]",
        "{shown:?}"
    );
    let mut kept = Vec::new();
    read_all(&world.gateway.state().join("journal"), &mut kept)?;
    let kept = String::from_utf8_lossy(&kept);
    let token = world.issuer.token(&ANA)?;
    for secret in [SECRET, &secret_line, &token] {
        ensure!(!kept.contains(secret), "the record holds {secret}");
        ensure!(
            !world.gateway.log().contains(secret),
            "the log holds {secret}"
        );
    }
    Ok(())
}

#[test]
fn a_second_secret_of_the_gateway_ends_the_whole_session() -> Result<()> {
    let world = world()?;
    // Somebody has left the authority's key lying about on the host.
    let authority = fs::read_to_string(world.host.authority())?;
    let lines: Vec<&str> = authority.lines().collect();
    fs::write(world.host.home().join("left"), lines[4])?;
    let (mut other, mux) = world.shared(&DORA)?;
    let within = Duration::from_secs(20);
    let show = || -> Result<Shown> {
        let mut ssh = world.ssh(&DORA, &["-o", &mux], &["cat left"])?;
        fed(&mut ssh, b"", within)
    };
    let first = show()?;
    ensure!(first.out.contains("tripwire"), "{first:?}");
    let second = show()?;
    for shown in [&first, &second] {
        ensure!(!shown.all().contains(lines[4]), "the key shows");
    }
    let until = Instant::now() + Duration::from_secs(60);
    while other.try_wait()?.is_none() {
        ensure!(Instant::now() < until, "the session goes on");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn read_all(folder: &std::path::Path, into: &mut Vec<u8>) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        match entry.file_type()?.is_dir() {
            true => read_all(&entry.path(), into)?,
            false => into.extend(fs::read(entry.path())?),
        }
    }
    Ok(())
}

#[test]
fn a_shell_in_a_terminal_is_recorded_and_what_is_typed_blindly_is_not() -> Result<()> {
    let world = world()?;
    let lines: [&[u8]; 6] = [
        b"echo sum-$((40+2))\n",
        b"read -s word\n",
        b"hunter2-typed-blindly\n",
        b"echo after\n",
        b"stty size\n",
        b"exit 7\n",
    ];
    let shown = typed(&mut world.ssh(&ANA, &["-tt"], &[])?, &lines)?;
    ensure!(shown.code == 7, "the shell's own exit code: {shown:?}");
    ensure!(shown.out.contains("sum-42"), "{shown:?}");
    let session = session(&world)?;
    let replay = world.gateway.admin(&["sessions", "replay", &session])?;
    ensure!(replay.out.contains("sum-42"), "{}", replay.all());
    ensure!(
        replay.out.contains("interactive-shell") || replay.out.contains("shell"),
        "{}",
        replay.all()
    );
    ensure!(
        !replay.out.contains("hunter2-typed-blindly"),
        "{}",
        replay.all()
    );
    let verified = world.gateway.admin(&["journal", "verify"])?;
    ensure!(verified.code == 0, "{}", verified.all());
    Ok(())
}

/// Types lines as a person does: one after the other.
pub(crate) fn typed(command: &mut Command, lines: &[&[u8]]) -> Result<Shown> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start a client")?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    std::thread::sleep(Duration::from_secs(3));
    for line in lines {
        stdin.write_all(line)?;
        stdin.flush()?;
        std::thread::sleep(Duration::from_millis(500));
    }
    drop(stdin);
    Ok(Shown::from_output(&child.wait_with_output()?))
}

pub(crate) fn session(world: &SshWorld) -> Result<String> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let list = world.gateway.json(&["sessions", "list", "--recorded"])?;
        let rows = list.as_array().or_else(|| list["sessions"].as_array());
        let mut ids = rows.into_iter().flatten().filter_map(|s| s["id"].as_str());
        let id = ids.next_back();
        match id {
            Some(id) => return Ok(id.to_owned()),
            None if Instant::now() > until => anyhow::bail!("no session: {list}"),
            None => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

#[test]
fn who_may_not_is_told_why() -> Result<()> {
    let world = world()?;
    let eve = world.run(&EVE, "id")?;
    ensure!(eve.code == 126, "known, and not let in: {eve:?}");
    ensure!(eve.err.contains("refused"), "{eve:?}");
    let mut nobody = world.client("no-token");
    let nobody = Shown::by(nobody.args(["x@web-1@127.0.0.1", "id"]))?;
    ensure!(
        nobody.code == 255 && nobody.err.contains("Permission denied"),
        "{nobody:?}"
    );
    let token = world.issuer.token(&ANA)?;
    let list = Shown::by(world.client(&token).args(["-T", "ana@127.0.0.1"]))?;
    ensure!(list.code == 64 && list.err.contains("web-1"), "{list:?}");
    let missing = Shown::by(world.client(&token).args(["ana@web-9@127.0.0.1", "id"]))?;
    ensure!(
        missing.code == 126 && missing.err.contains("no-such-connection"),
        "{missing:?}"
    );
    for separator in [":", "#", "%"] {
        let name = format!("ana{separator}web-1@127.0.0.1");
        let shown = Shown::by(world.client(&token).args([&name, "echo named"]))?;
        ensure!(shown.out == "named\n", "{separator}: {shown:?}");
    }
    Ok(())
}

#[test]
fn a_host_with_another_key_gets_no_login() -> Result<()> {
    let other = "[127.0.0.1]:1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti\n";
    let world = SshWorld::start(&SshOptions {
        known: other.to_owned(),
        ..SshOptions::default()
    })?;
    let shown = world.run(&ANA, "id")?;
    ensure!(
        shown.code == 126 && shown.err.contains("fault/upstream"),
        "{shown:?}"
    );
    ensure!(shown.out.is_empty(), "{shown:?}");
    ensure!(
        !world.host.log().contains("Accepted"),
        "{}",
        world.host.log()
    );
    Ok(())
}

#[test]
fn bulk_both_ways_and_a_stalled_neighbour_do_not_stop_a_connection() -> Result<()> {
    let world = world()?;
    let big = vec![b'z'; 24 * 1024 * 1024];
    let shown = fed(
        &mut world.ssh(&DORA, &[], &["cat | wc -c"])?,
        &big,
        Duration::from_secs(120),
    )?;
    ensure!(shown.out.trim() == big.len().to_string(), "{shown:?}");
    let both = fed(
        &mut world.ssh(&DORA, &[], &["cat"])?,
        &big,
        Duration::from_secs(180),
    )?;
    ensure!(
        both.out.len() == big.len(),
        "{} of {}",
        both.out.len(),
        big.len()
    );

    let socket = world.folder().join("mux");
    let mux = format!("ControlPath={}", socket.display());
    let mut stalled = world
        .ssh(&ANA, &["-M", "-o", &mux], &["head -c 200000000 /dev/zero"])?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let until = Instant::now() + Duration::from_secs(60);
    while !socket.exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    // Nobody reads the first channel; its window fills.
    std::thread::sleep(Duration::from_secs(2));
    let second = fed(
        &mut world.ssh(&ANA, &["-o", &mux], &["echo beside"])?,
        b"",
        Duration::from_secs(20),
    )?;
    stalled.kill()?;
    stalled.wait()?;
    ensure!(second.out == "beside\n", "{second:?}");
    Ok(())
}

#[test]
fn files_and_forwards_pass_where_policy_names_them() -> Result<()> {
    let world = world()?;
    let token = world.issuer.token(&ANA)?;
    let local = world.folder().join("file");
    fs::write(&local, vec![b'f'; 3_000_000])?;
    let target = format!("{}@web-1@127.0.0.1", world.host.login);
    // The old protocol of scp, and SFTP.
    for (name, old) in [("old", true), ("new", false)] {
        let copied = Shown::by(&mut scp(
            &world,
            &token,
            &local,
            &format!("{target}:{name}"),
            old,
        ))?;
        ensure!(
            copied.code == 0,
            "{name}: {copied:?}\n{}",
            world.gateway.log()
        );
        let there = fs::read(world.host.home().join(name))?;
        ensure!(there.len() == 3_000_000, "{name}: {}", there.len());
    }
    let banner = fed(
        &mut world.ssh(
            &ANA,
            &["-W", &format!("127.0.0.1:{}", world.host.port)],
            &[],
        )?,
        b"SSH-2.0-probe\r\n",
        Duration::from_secs(20),
    )?;
    ensure!(banner.out.starts_with("SSH-2.0-OpenSSH"), "{banner:?}");
    Ok(())
}

pub(crate) fn scp(
    world: &SshWorld,
    token: &str,
    from: &std::path::Path,
    to: &str,
    old: bool,
) -> Command {
    let mut command = Command::new("scp");
    command.args(["-F", "none", "-P", &world.port.to_string()]);
    if old {
        command.arg("-O");
    }
    for option in [
        format!("UserKnownHostsFile={}", world.known_hosts().display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "PubkeyAuthentication=no".to_owned(),
        "NumberOfPasswordPrompts=1".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    command
        .arg(from)
        .arg(to)
        .env("SSH_ASKPASS", world.folder().join("askpass"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":none")
        .env("TEST_TOKEN", token);
    command
}

#[test]
fn a_jump_is_inspected_like_any_other_connection() -> Result<()> {
    let world = world()?;
    let token = world.issuer.token(&ANA)?;
    let proxy = format!(
        "ssh -F none -p {} -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null -o PubkeyAuthentication=no -W %h:%p ana@127.0.0.1",
        world.port,
        world.known_hosts().display()
    );
    let mut jump = Command::new("ssh");
    jump.args(["-F", "none", "-o", &format!("ProxyCommand={proxy}")])
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            world.known_hosts().display()
        ))
        .args([
            "-o",
            "GlobalKnownHostsFile=/dev/null",
            "-o",
            "PubkeyAuthentication=no",
        ])
        .arg("-o")
        .arg(format!("HostKeyAlias=[127.0.0.1]:{}", world.port))
        .args([
            &format!("{}@web-1", world.host.login),
            "chmod 777 app; echo jumped",
        ])
        .env("SSH_ASKPASS", world.folder().join("askpass"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":none")
        .env("TEST_TOKEN", &token);
    let shown = fed(&mut jump, b"", Duration::from_secs(60))?;
    ensure!(
        shown.code == 126 && shown.err.contains("commands/permissions"),
        "{shown:?}\n{}",
        world.gateway.log()
    );
    Ok(())
}
