//! What cannot be read passes only where policy names it, each kind by its own name; and a secret of the gateway's own ends a transfer
//! in which nothing could be masked. What can be read is masked whatever stands between its letters.

use crate::ssh_tools::{Road, tools_world};
use anyhow::{Context, Result, ensure};
use portcullis_tests::host::{KEY_ID, SECRET};
use portcullis_tests::issuer::{ANA, DORA};
use portcullis_tests::process::{fed, free_port};
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A world in which policy lets people pass these unread.
fn names(opaque: &str) -> Result<SshWorld> {
    SshWorld::start(&SshOptions {
        data: portcullis_tests::ssh::DATA.replace("[scp, sftp, forward]", opaque),
        ..SshOptions::default()
    })
}

/// `scp` on a road, in one of its two protocols.
fn scp(world: &SshWorld, old: bool, from: &str, to: &Path) -> Result<Shown> {
    let road = Road::through(world, &ANA)?;
    let script = world.folder().join("as-ssh");
    fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", road.ssh))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new("scp");
    if old {
        command.arg("-O");
    }
    command.arg("-q").arg("-S").arg(&script).arg(from).arg(to);
    road.by(&mut command)
}

/// Somebody beside the host who says this to whoever comes.
fn speaker(what: Vec<u8>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _said = stream.write_all(&what);
        }
    });
    Ok(port)
}

#[test]
fn each_kind_that_cannot_be_read_has_a_name_and_passes_by_it_alone() -> Result<()> {
    let port = speaker(b"reached\n".to_vec())?;
    for opaque in ["[]", "[scp]", "[sftp]", "[forward]", "[git]"] {
        let world = names(opaque)?;
        let home = world.host.home();
        fs::write(home.join("file"), "content\n")?;
        let made = Shown::by(world.host.direct()?.arg("git init -q --bare app.git"))?;
        ensure!(made.code == 0, "{made:?}");
        let passes = |name: &str| opaque == format!("[{name}]");
        for (name, old) in [("scp", true), ("sftp", false)] {
            let to = world.folder().join(format!("to-{name}"));
            let shown = scp(&world, old, "127.0.0.1:file", &to)?;
            let came = fs::read_to_string(&to).unwrap_or_default() == "content\n";
            ensure!(
                came == passes(name) && (shown.code == 0) == passes(name),
                "{name} with {opaque}: {shown:?}"
            );
            ensure!(
                passes(name) || shown.all().contains("portcullis/opaque"),
                "{name} with {opaque}: {shown:?}"
            );
        }
        let mut git = Command::new("git");
        let road = Road::through(&world, &ANA)?;
        git.args(["ls-remote", "127.0.0.1:app.git"])
            .env("GIT_SSH_COMMAND", &road.ssh);
        let shown = road.by(&mut git)?;
        ensure!(
            (shown.code == 0) == passes("git"),
            "git with {opaque}: {shown:?}"
        );
        let wish = format!("127.0.0.1:{port}");
        let mut ssh = world.ssh(&ANA, &["-W", &wish], &[])?;
        let shown = fed(&mut ssh, b"", Duration::from_secs(20))?;
        ensure!(
            (shown.out == "reached\n") == passes("forward"),
            "a forward with {opaque}: {shown:?}"
        );
        // A command is read, and needs no name.
        let shown = world.run(&ANA, "cat file")?;
        ensure!(shown.out == "content\n", "{shown:?}");
    }
    Ok(())
}

#[test]
fn a_secret_of_the_gateways_ends_a_transfer_that_cannot_be_masked() -> Result<()> {
    let world = tools_world()?;
    // Somebody has left the authority's key lying about on the host, between other bytes.
    let authority = fs::read_to_string(world.host.authority())?;
    let line = authority.lines().nth(4).context("a key has lines")?;
    let mut left = vec![b'a'; 300_000];
    left.extend_from_slice(line.as_bytes());
    left.extend(vec![b'b'; 300_000]);
    fs::write(world.host.home().join("left"), &left)?;
    let holds = |bytes: &[u8]| {
        bytes
            .windows(line.len())
            .any(|window| window == line.as_bytes())
    };
    for (name, old) in [("scp", true), ("sftp", false)] {
        let to = world.folder().join(format!("to-{name}"));
        let shown = scp(&world, old, "127.0.0.1:left", &to)?;
        let came = fs::read(&to).unwrap_or_default();
        ensure!(shown.code != 0, "{name}: {shown:?}");
        ensure!(!holds(&came), "{name}: the key came through");
        ensure!(came.len() < left.len(), "{name}: {} bytes came", came.len());
    }
    let back = world.folder().join("back");
    let road = Road::through(&world, &ANA)?;
    let mut rsync = Command::new("rsync");
    rsync
        .args(["-a", "--timeout=30", "-e", &road.ssh, "127.0.0.1:left"])
        .arg(&back);
    let shown = road.by(&mut rsync)?;
    ensure!(shown.code != 0 && !back.exists(), "rsync: {shown:?}");
    let port = speaker(left.clone())?;
    let mut ssh = world.ssh(&ANA, &["-W", &format!("127.0.0.1:{port}")], &[])?;
    let shown = fed(&mut ssh, b"", Duration::from_secs(20))?;
    ensure!(
        !holds(shown.out.as_bytes()),
        "a forward: the key came through"
    );
    ensure!(
        shown.out.len() < left.len(),
        "a forward: {}",
        shown.out.len()
    );
    // Whoever comes next is served as before.
    let still = world.run(&DORA, "echo still")?;
    ensure!(still.out == "still\n", "{still:?}");
    Ok(())
}

#[test]
fn a_secret_of_the_gateways_ends_a_stream_from_a_socket_of_the_hosts() -> Result<()> {
    let world = names("[forward, streamlocal]")?;
    let authority = fs::read_to_string(world.host.authority())?;
    let line = authority.lines().nth(4).context("a key has lines")?;
    let mut left = vec![b'a'; 300_000];
    left.extend_from_slice(line.as_bytes());
    left.extend(vec![b'b'; 300_000]);
    let holds = |bytes: &[u8]| bytes.windows(line.len()).any(|w| w == line.as_bytes());
    let socket = world.host.home().join("says.sock");
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))?;
    let said = left.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _said = stream.write_all(&said);
        }
    });
    let port = free_port()?;
    let forward = format!("127.0.0.1:{port}:{}", socket.display());
    let mut ssh = world.ssh(&ANA, &["-N", "-L", &forward], &[])?;
    let mut child = ssh.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let until = Instant::now() + Duration::from_secs(60);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(_) => ensure!(Instant::now() < until, "ssh does not listen"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let mut came = Vec::new();
    let _ended = stream.read_to_end(&mut came);
    child.kill()?;
    child.wait()?;
    ensure!(!came.is_empty(), "nothing came\n{}", world.gateway.log());
    ensure!(!holds(&came), "the key came through");
    ensure!(came.len() < left.len(), "{} bytes came", came.len());
    Ok(())
}

#[test]
fn colours_pauses_and_pieces_hide_no_secret_on_a_terminal() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let (one, two) = KEY_ID.split_at(9);
    let (three, four) = SECRET.split_at(17);
    let file = format!(
        "aws_access_key_id = {one}\u{1b}[31m{two}\u{1b}[0m.\naws_secret_access_key = {three}\u{1b}[1;32m{four}\u{1b}[0m.\n\u{1b}[4m{KEY_ID}\u{1b}[24m|\n"
    );
    fs::write(world.host.home().join("coloured"), &file)?;
    let plain = |text: &str| -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = behind.split_once('m').map_or("", |(_, rest)| rest);
        }
        plain + rest
    };
    let direct = Shown::by(world.host.direct()?.args(["-tt", "cat coloured"]))?;
    ensure!(plain(&direct.out).contains(KEY_ID), "{direct:?}");
    for command in [
        "cat coloured".to_owned(),
        // A piece at a time, each sooner than a terminal stops waiting.
        "while IFS= read -r -N1 c; do printf %s \"$c\"; done < coloured".to_owned(),
    ] {
        let shown = Shown::by(&mut world.ssh(&ANA, &["-tt"], &[&command])?)?;
        let text = plain(&shown.out);
        ensure!(
            shown.code == 0 && !text.contains(KEY_ID) && !text.contains(SECRET),
            "`{command}`: {shown:?}"
        );
        // Columns stay where they are: lines are as long as they were.
        let lengths = |text: &str| {
            text.lines()
                .map(|l| l.trim_end().chars().count())
                .collect::<Vec<_>>()
        };
        ensure!(
            lengths(&text)[..3] == lengths(&plain(&direct.out))[..3],
            "`{command}`: {text}"
        );
    }
    Ok(())
}
