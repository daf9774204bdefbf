//! Files over SFTP through the gate, with OpenSSH's `sftp` and server: each operation is judged by the rules that hold for
//! commands, what is refused leaves the client in step, and every file has its hash in the record. Terminals as films.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// `sftp` with a batch, in which a line that begins with `-` may fail.
fn sftp(world: &SshWorld, batch: &str) -> Result<Shown> {
    let token = world.issuer.token(&ANA)?;
    let file = world.folder().join("batch");
    fs::write(&file, batch)?;
    let mut command = Command::new("sftp");
    command.args(["-F", "none", "-P", &world.port.to_string()]);
    // Thousands of requests that nobody has answered yet, as clients send that ask far ahead.
    command.args(["-R", "2000", "-B", "1024"]);
    for option in [
        format!("UserKnownHostsFile={}", world.known_hosts().display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "PubkeyAuthentication=no".to_owned(),
        "NumberOfPasswordPrompts=1".to_owned(),
        // `-b` alone would ask nothing, not even for a token.
        "BatchMode=no".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    command
        .arg("-b")
        .arg(&file)
        .arg(format!("{}@web-1@127.0.0.1", world.host.login))
        .env("SSH_ASKPASS", world.folder().join("askpass"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":none")
        .env("TEST_TOKEN", token);
    Shown::by(&mut command).context("run sftp")
}

/// The one session that was recorded, once its end is.
pub(crate) fn recorded(world: &SshWorld) -> Result<String> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let list = world.gateway.json(&["sessions", "list", "--recorded"])?;
        let rows = list.as_array().into_iter().flatten();
        let ended = rows
            .filter(|s| s["state"] == "sealed")
            .find_map(|s| s["id"].as_str());
        match ended {
            Some(id) => return Ok(id.to_owned()),
            None if Instant::now() > until => anyhow::bail!("no session has ended: {list}"),
            None => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

#[test]
fn a_secret_over_two_packets_of_a_file_ends_its_transfer() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let authority = fs::read_to_string(world.host.authority())?;
    let line = authority.lines().nth(4).context("a key has lines")?;
    let (left, back) = (world.host.home().join("left"), world.folder().join("back"));
    let get = format!("get left {}\n", back.display());
    // A packet has 1024 bytes: the key begins in the last of one, and ends in the next.
    for cut in [1, line.len() / 2, line.len() - 1] {
        let mut bytes = vec![b'a'; 200 * 1024 - cut];
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend(vec![b'b'; 300_000]);
        fs::write(&left, &bytes)?;
        let shown = sftp(&world, &get)?;
        ensure!(shown.code != 0, "cut at {cut}: {shown:?}");
        let came = fs::read(&back).unwrap_or_default();
        let holds = came.windows(line.len()).any(|w| w == line.as_bytes());
        ensure!(!holds, "cut at {cut}: the key came through");
    }
    // With something between its halves it is no key.
    let (first, second) = line.split_at(line.len() / 2);
    let mut bytes = vec![b'a'; 200 * 1024 - first.len()];
    bytes.extend_from_slice(first.as_bytes());
    bytes.extend_from_slice(b"--");
    bytes.extend_from_slice(second.as_bytes());
    bytes.extend(vec![b'b'; 300_000]);
    fs::write(&left, &bytes)?;
    let shown = sftp(&world, &get)?;
    ensure!(shown.code == 0, "{shown:?}\n{}", world.gateway.log());
    ensure!(fs::read(&back)? == bytes, "it came whole");
    Ok(())
}

#[test]
fn files_over_sftp_are_judged_like_commands() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let home = world.host.home();
    let local = world.folder().join("local");
    let bytes: Vec<u8> = (0..2_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    fs::write(&local, &bytes)?;
    fs::create_dir_all(home.join(".ssh"))?;
    fs::write(home.join(".ssh/authorized_keys"), "before\n")?;
    let (local, back) = (local.display(), world.folder().join("back"));
    let shown = sftp(
        &world,
        &format!(
            "put {local} plain
get plain {back}
-chmod 777 plain
-put {local} .ssh/authorized_keys
-symlink .ssh door
-put {local} door/authorized_keys
-rename plain .ssh/authorized_keys
chmod 600 plain
mkdir folder
ls -l
",
            back = back.display()
        ),
    )?;
    ensure!(shown.code == 0, "{shown:?}\n{}", world.gateway.log());
    ensure!(fs::read(&back)? == bytes, "what came back is what went");
    let mode = fs::metadata(home.join("plain"))?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "{mode:o}");
    ensure!(home.join("folder").is_dir());
    ensure!(fs::read(home.join(".ssh/authorized_keys"))? == b"before\n");
    // The reason stands on standard error, where every client shows it.
    ensure!(shown.err.contains("commands/permissions"), "{shown:?}");
    ensure!(shown.err.contains("persistence/foothold"), "{shown:?}");
    let session = recorded(&world)?;
    let replay = world
        .gateway
        .admin(&["sessions", "replay", &session, "--verbose", "--json"])?;
    let sum = Command::new("sha256sum").arg(&back).output()?;
    let sum = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
    ensure!(
        replay.out.matches(&sum).count() >= 2,
        "written and read: {}",
        replay.all()
    );
    let verified = world.gateway.admin(&["journal", "verify"])?;
    ensure!(verified.code == 0, "{}", verified.all());
    Ok(())
}

#[test]
fn a_terminal_becomes_a_film() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let script = "printf '\\033]0;title\\007'; printf 'sum-%s\\n' $((40+2)); exit 5";
    let shown = Shown::by(&mut world.ssh(&ANA, &["-tt"], &[script])?)?;
    ensure!(shown.code == 5 && shown.out.contains("sum-42"), "{shown:?}");
    let session = recorded(&world)?;
    let file = world.folder().join("film.cast");
    let path = file.to_string_lossy().into_owned();
    let exported = world
        .gateway
        .admin(&["sessions", "export", &session, "--output", &path])?;
    ensure!(exported.code == 0, "{}", exported.all());
    let cast = fs::read_to_string(&file)?;
    ensure!(cast.starts_with("{\"version\":3,"), "{cast}");
    ensure!(
        cast.contains("sum-42") && cast.contains("\"x\", \"5\"]"),
        "{cast}"
    );
    ensure!(
        !cast.contains("]0;title\\u0007"),
        "what acts on a terminal is gone: {cast}"
    );
    let again = world
        .gateway
        .admin(&["sessions", "export", &session, "--output", &path])?;
    ensure!(
        again.code == 1,
        "a file is not overwritten: {}",
        again.all()
    );
    let played = world
        .gateway
        .admin(&["sessions", "replay", &session, "--play", "--speed", "100"])?;
    ensure!(
        played.code == 0 && played.out.contains("sum-42"),
        "{}",
        played.all()
    );
    Ok(())
}

/// Reads from a terminal until it shows this, or gives up.
fn until(from: &mut impl std::io::Read, what: &str, shown: &mut String) -> Result<()> {
    let begun = Instant::now();
    let from_here = shown.len();
    let mut buffer = [0; 4096];
    while !shown[from_here..].contains(what) {
        ensure!(
            begun.elapsed() < Duration::from_secs(60),
            "{what:?} is not in {shown:?}"
        );
        let count = from.read(&mut buffer)?;
        ensure!(count > 0, "it ended before {what:?}: {shown:?}");
        shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    Ok(())
}

#[test]
fn a_line_at_a_prompt_is_judged_before_it_is_entered() -> Result<()> {
    let options = SshOptions {
        connection: "    control: assist\n".to_owned(),
        ..SshOptions::default()
    };
    let world = SshWorld::start(&options)?;
    let app = world.host.home().join("app");
    let before = fs::metadata(&app)?.permissions().mode();
    // Standard error comes along: refusals are told there.
    let mut ssh = world.ssh(&ANA, &["-tt"], &["exec bash --norc -i 2>&1"])?;
    ssh.stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = ssh.spawn().context("start ssh")?;
    // A terminal that says nothing more is given up.
    let pid = child.id().to_string();
    let (over, ended) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(90))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            let _killed = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let mut keys = child.stdin.take().context("a pipe")?;
    let mut screen = child.stdout.take().context("a pipe")?;
    let mut shown = String::new();
    let mut line = |text: &str, then: &str, shown: &mut String| -> Result<()> {
        use std::io::Write as _;
        for key in text.bytes() {
            keys.write_all(&[key])?;
            keys.flush()?;
        }
        until(&mut screen, then, shown)
    };
    line("", "bash-", &mut shown)?;
    line("echo sum-$((40+2))\r", "sum-42", &mut shown)?;
    // The refused line is taken back, and the prompt comes again.
    line("chmod 777 app\r", "^C", &mut shown)?;
    line("echo still-$((40+3))\r", "still-43", &mut shown)?;
    line("exit 4\r", "exit", &mut shown)?;
    let output = child.wait_with_output()?;
    drop(over);
    ensure!(
        fs::metadata(&app)?.permissions().mode() == before,
        "{shown}\n{}",
        world.gateway.log()
    );
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        told.contains("commands/permissions"),
        "{told}\n{shown}\n{}",
        world.gateway.log()
    );
    ensure!(
        output.status.code() == Some(4),
        "{:?} {told}\n{shown}",
        output.status
    );
    Ok(())
}
