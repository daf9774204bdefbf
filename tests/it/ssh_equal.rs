//! The same things with stock `ssh`, `scp` and `sftp`, straight to the host and through the gate: what comes back, exit codes and what
//! is left on the host are equal. Nothing here may hang; where it does, a watchdog ends it and the test fails.

use crate::ssh_tools::{Road, plant};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::DORA;
use portcullis_tests::process::{fed, run};
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Bytes that no compression and no text reader takes for anything else.
fn noise(count: u32) -> Vec<u8> {
    (0..count)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// Straight to the host and through the gate, with the same options, command and input.
fn both(world: &SshWorld, options: &[&str], command: &str, input: &[u8]) -> Result<[Shown; 2]> {
    let direct = world.host.direct()?;
    let mut before = Command::new("ssh");
    before
        .args(options)
        .args(direct.get_args())
        .env_remove("SSH_AUTH_SOCK");
    let direct = fed(before.arg(command), input, MINUTE)?;
    let through = fed(&mut world.ssh(&DORA, options, &[command])?, input, MINUTE)?;
    Ok([direct, through])
}

fn equal(world: &SshWorld, options: &[&str], command: &str, input: &[u8]) -> Result<Shown> {
    let [direct, through] = both(world, options, command, input)?;
    let brief = |shown: &Shown| {
        let tail: String = shown.out.chars().take(200).collect();
        format!(
            "exit {} with {} bytes {tail:?}, {:?}",
            shown.code,
            shown.out.len(),
            shown.err
        )
    };
    ensure!(
        (direct.code, &direct.out, &direct.err) == (through.code, &through.out, &through.err),
        "{options:?} `{command}` differs: direct {}, through the gate {}\n{}",
        brief(&direct),
        brief(&through),
        world.gateway.log()
    );
    Ok(through)
}

#[test]
fn however_a_client_speaks_the_same_comes_of_it() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let input = noise(3 << 20);
    let command = "cat; echo err >&2; exit 5";
    for options in [
        &["-T"][..],
        &["-C"],
        &["-o", "RekeyLimit=256K"],
        &["-c", "aes128-gcm@openssh.com"],
        &["-c", "aes256-gcm@openssh.com"],
        &["-c", "chacha20-poly1305@openssh.com"],
        &["-c", "aes256-ctr", "-m", "hmac-sha2-512-etm@openssh.com"],
        &["-c", "aes128-ctr", "-m", "hmac-sha2-256-etm@openssh.com"],
        &["-o", "KexAlgorithms=curve25519-sha256"],
        &["-o", "KexAlgorithms=diffie-hellman-group16-sha512"],
    ] {
        let shown = equal(&world, options, command, &input)?;
        ensure!(shown.code == 5, "{options:?}: {shown:?}");
    }
    // A client that asks whether anybody is there gets an answer while nothing else is said.
    let asks = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"];
    let shown = equal(&world, &asks, "sleep 4; echo alive", b"")?;
    ensure!(shown.out == "alive\n", "{shown:?}");
    Ok(())
}

#[test]
fn commands_end_as_they_end_without_a_gate() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let input = noise(200_000);
    for command in [
        "exit 255",
        "kill -KILL $$",
        "kill -SEGV $$",
        "no-such-program",
        "echo to both; echo to both >&2; true",
        "exec >&-; cat > /dev/null; echo late >&2; exit 2",
        "sleep 1 & echo parent; exit 3",
        "printf 'no newline at the end'",
        "seq 1 100000 | sha256sum",
        "sha256sum",
        "head -c 10; exit 1",
        "cat /etc/hostname /no/such/file",
        "umask; pwd | sed 's,.*/,,'; echo $SHELL; test -t 0; echo $?",
    ] {
        equal(&world, &[], command, &input)?;
    }
    Ok(())
}

/// A client whose output nobody reads for a while.
fn slow_reader(command: &mut Command, input: Vec<u8>, wait: Duration) -> Result<(usize, bool)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let feeding = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    std::thread::sleep(wait);
    let mut stdout = child.stdout.take().context("a pipe")?;
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        let _read = stdout.read_to_end(&mut all);
        all.len()
    });
    let good = within(&mut child, MINUTE)?;
    let count = reading.join().ok().context("it was read")?;
    let fed = feeding.join().ok().context("it was fed")?;
    Ok((count, good && fed))
}

fn within(child: &mut Child, limit: Duration) -> Result<bool> {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(status.success()),
            None if Instant::now() > until => {
                child.kill()?;
                child.wait()?;
                anyhow::bail!("it hangs");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[test]
fn both_directions_at_once_end_however_slowly_somebody_reads() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let size = 16_usize << 20;
    for round in 0..3 {
        let mut ssh = world.ssh(&DORA, &[], &["cat"])?;
        let (count, good) = slow_reader(&mut ssh, vec![b'd'; size], Duration::from_secs(4))?;
        ensure!(good && count == size, "round {round}: {count} of {size}");
    }
    Ok(())
}

#[test]
fn who_has_read_enough_ends_who_writes() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    // A command that reads no further than three lines, of very many.
    let shown = equal(&world, &[], "head -n 3", &b"yes\n".repeat(5_000_000))?;
    ensure!(shown.out == "yes\nyes\nyes\n", "{shown:?}");
    // A client that goes takes along what writes to it.
    let mut ssh = world.ssh(&DORA, &[], &["echo $$ > writer; exec yes"])?;
    let mut child = ssh.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut some = [0; 100_000];
    let mut stdout = child.stdout.take().context("a pipe")?;
    stdout.read_exact(&mut some)?;
    let pid = fs::read_to_string(world.host.home().join("writer"))?;
    ensure!(Path::new("/proc").join(pid.trim()).exists(), "it writes");
    drop(stdout);
    child.kill()?;
    child.wait()?;
    gone(&world)
}

/// A client that writes for ever, whose reader has gone after the first line (`ssh HOST yes | head -1`).
fn read_one_line(command: &mut Command) -> Result<Child> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = [0; 2];
    let mut stdout = child.stdout.take().context("a pipe")?;
    stdout.read_exact(&mut line)?;
    ensure!(&line == b"y\n", "{line:?}");
    Ok(child)
}

/// Until whoever has left its number in the file `writer` is no more.
pub(crate) fn gone(world: &SshWorld) -> Result<()> {
    let pid = fs::read_to_string(world.host.home().join("writer"))?;
    let until = Instant::now() + MINUTE;
    while Path::new("/proc").join(pid.trim()).exists() {
        ensure!(Instant::now() < until, "{} still writes", pid.trim());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn a_reader_on_the_clients_side_that_goes_is_no_end_until_the_client_goes_too() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let command = "echo $$ > writer; exec yes";
    // Without a gate the client says so (`eow@openssh.com`), and the command ends by itself.
    let mut direct = read_one_line(world.host.direct()?.arg(command))?;
    let until = Instant::now() + MINUTE;
    while direct.try_wait()?.is_none() {
        ensure!(Instant::now() < until, "it goes on without a gate, too");
        std::thread::sleep(Duration::from_millis(50));
    }
    gone(&world)?;
    // Through it nobody hears that: this is the limit that `engine/docs/ssh.md` names. Where this fails, the limit is gone.
    let mut through = read_one_line(&mut world.ssh(&DORA, &[], &[command])?)?;
    let pid = fs::read_to_string(world.host.home().join("writer"))?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(
        through.try_wait()?.is_none() && Path::new("/proc").join(pid.trim()).exists(),
        "it ended by itself: take the limit out of the documentation"
    );
    // Ctrl-C ends it, and the writer on the host; so does a command that is cut there.
    run(Command::new("kill").args(["-INT", &through.id().to_string()]))?;
    through.wait()?;
    gone(&world)?;
    let shown = equal(&world, &[], "yes | head -n 1", b"")?;
    ensure!(shown.out == "y\n", "{shown:?}");
    Ok(())
}

#[test]
fn an_upload_that_nobody_takes_stops_no_other_channel() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let (mut first, mux) = world.shared(&DORA)?;
    // The host takes nothing of it.
    let mut stalled = world
        .ssh(&DORA, &["-o", &mux], &["sleep 60"])?
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = stalled.stdin.take().context("a pipe")?;
    let feeding = std::thread::spawn(move || {
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..24 {
            if stdin.write_all(&piece).is_err() {
                return;
            }
        }
    });
    std::thread::sleep(Duration::from_secs(3));
    for round in 0..3 {
        let began = Instant::now();
        let mut ssh = world.ssh(&DORA, &["-o", &mux], &["echo beside"])?;
        let beside = fed(&mut ssh, b"", Duration::from_secs(20))?;
        ensure!(
            beside.out == "beside\n",
            "round {round}: {beside:?} after {:?}",
            began.elapsed()
        );
    }
    for child in [&mut stalled, &mut first] {
        child.kill()?;
        child.wait()?;
    }
    let _fed = feeding.join();
    Ok(())
}

/// Names, kinds, modes, times and content below a folder.
fn everything(folder: &Path) -> Result<String> {
    let script = "cd \"$1\" && find . -printf '%P %y %m %TY-%Tm-%TdT%TH:%TM ' -a \\( -type f -exec sha256sum {} \\; -o -print \\) | sort";
    let output = run(Command::new("sh").args(["-c", script, "sh"]).arg(folder))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `scp` or `sftp` on a road, with the words that stand behind its options.
fn files(world: &SshWorld, road: &Road, program: &str, words: &[&str]) -> Result<Shown> {
    // Both take a program in the place of ssh, and no words with it.
    let script = world.folder().join("as-ssh");
    fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", road.ssh))?;
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new(program);
    command.arg("-S").arg(&script).args(words);
    road.by(&mut command)
}

#[test]
fn folders_are_copied_whole_with_any_names() -> Result<()> {
    let world = crate::ssh_tools::tools_world()?;
    let local = world.folder().join("local");
    plant(&local)?;
    for name in [
        "a b",
        "q'uo\"te",
        "$HOME `id`",
        "b\u{fc}cher",
        "-dash",
        "star*",
        "back\\slash",
    ] {
        fs::write(local.join("inner").join(name), name)?;
    }
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(local.join("inner/a b"), fs::Permissions::from_mode(0o640))?;
    let wanted = everything(&local.join("inner"))?;
    let roads = [
        ("direct", Road::direct(&world)?),
        ("through", Road::through(&world, &DORA)?),
    ];
    let inner = local.join("inner").display().to_string();
    let mut seen = Vec::new();
    for (name, road) in &roads {
        for (kind, old) in [("new", &["-rpq"][..]), ("old", &["-O", "-rpq"])] {
            let to = format!("127.0.0.1:{name}-{kind}");
            let words = [old, &[&inner, &to]].concat();
            let up = files(&world, road, "scp", &words)?;
            ensure!(up.code == 0, "{words:?}: {up:?}\n{}", world.gateway.log());
            let there = everything(&world.host.home().join(format!("{name}-{kind}")))?;
            let back = world.folder().join(format!("back-{name}-{kind}"));
            let here = back.display().to_string();
            let back_words = [old, &[&to, &here]].concat();
            let down = files(&world, road, "scp", &back_words)?;
            ensure!(down.code == 0, "{back_words:?}: {down:?}");
            seen.push((*name, kind, there, everything(&back)?));
        }
    }
    for (name, kind, there, back) in &seen {
        // scp follows the link: both roads make a file of it.
        let direct = &seen[usize::from(*kind == "old")].2;
        ensure!(
            there == direct,
            "{name} {kind}:\n{there}\ninstead of\n{direct}"
        );
        ensure!(back == there, "{name} {kind}:\n{back}\ninstead of\n{there}");
    }
    ensure!(
        seen[0].2.lines().count() == wanted.lines().count(),
        "{}",
        seen[0].2
    );
    Ok(())
}

#[test]
fn sftp_does_and_says_the_same() -> Result<()> {
    let world = crate::ssh_tools::tools_world()?;
    let local = world.folder().join("file");
    fs::write(&local, noise(500_000))?;
    let batch = world.folder().join("batch");
    fs::write(
        &batch,
        format!(
            "mkdir d\ncd d\nput {local} a\nput -p {local} b\nrename a c\nln -s c l\nchmod 640 c\nls -n1\n-get none\n-rmdir ../d\n-mkdir ../d\nget c {local}.back\ndf\n!true\nrm l\nrm b\nrm c\ncd ..\nrmdir d\npwd\n",
            local = local.display()
        ),
    )?;
    let mut seen = Vec::new();
    for road in [Road::direct(&world)?, Road::through(&world, &DORA)?] {
        let batch = batch.display().to_string();
        let words = ["-q", "-o", "BatchMode=no", "-b", &batch, "127.0.0.1"];
        let shown = files(&world, &road, "sftp", &words)?;
        ensure!(shown.code == 0, "{shown:?}\n{}", world.gateway.log());
        ensure!(
            fs::read(format!("{}.back", local.display()))? == fs::read(&local)?,
            "what came back is what went"
        );
        // How full the disk is changes between the two.
        let lines = shown.all();
        let stable = lines
            .lines()
            .filter(|l| !l.contains('%') && !l.contains("Avail"));
        seen.push(stable.collect::<Vec<_>>().join("\n"));
    }
    ensure!(
        seen[0] == seen[1],
        "direct:\n{}\nthrough:\n{}",
        seen[0],
        seen[1]
    );
    Ok(())
}
