//! What leads from a host back to the client, with stock OpenSSH: forwards (`-R`), the agent, the display. Each is there where policy
//! names it, both ways, on record and no longer than its session; and is not there otherwise, with a reason. The X server is a stand-in
//! that reads the first packet of the protocol; `xauth` is the real one.

use crate::ssh::session;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_tests::host::keygen;
use portcullis_tests::install::{self, Need};
use portcullis_tests::issuer::{AGENT, ANA, DORA, Person};
use portcullis_tests::process::{Server, fed, free_port, run, until};
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// A world in which policy lets people have these.
fn names(opaque: &str) -> Result<SshWorld> {
    SshWorld::start(&SshOptions {
        data: portcullis_tests::ssh::DATA.replace("[scp, sftp, forward]", opaque),
        ..SshOptions::default()
    })
}

/// Somebody on the client's side who reads to the end, and then says the same.
fn parrot() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut heard = Vec::new();
                if stream.read_to_end(&mut heard).is_ok() {
                    let _said = stream.write_all(&heard);
                }
            });
        }
    });
    Ok(port)
}

/// Says something, and that it is all; what comes back until the end.
fn say<S>(mut stream: S, words: &[u8], over: impl Fn(&S) -> std::io::Result<()>) -> Result<Vec<u8>>
where
    S: std::io::Read + std::io::Write,
{
    stream.write_all(words)?;
    over(&stream)?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard)?;
    Ok(heard)
}

/// From the host's side.
fn speak(port: u16, words: &[u8]) -> Result<Vec<u8>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).context("nobody listens")?;
    stream.set_read_timeout(Some(LONG))?;
    say(stream, words, |s| s.shutdown(Shutdown::Write))
}

/// `ssh -N` with forwards, for as long as it is wanted.
struct Backward {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Drop for Backward {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Backward {
    fn start(world: &SshWorld, person: &Person, options: &[&str]) -> Result<Self> {
        let strict = ["-N", "-o", "ExitOnForwardFailure=yes"];
        let mut ssh = world.ssh(person, &[&strict, options].concat(), &[])?;
        let mut child = ssh
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stderr.take().context("an error stream")?);
        Ok(Self { child, said })
    }

    /// The port that the host has chosen.
    fn port(&mut self) -> Result<u16> {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line)? == 0 {
                bail!("no port: {all}");
            }
            all.push_str(&line);
            if let Some(rest) = line.strip_prefix("Allocated port ") {
                let port = rest.split(' ').next().context("a port")?;
                return Ok(port.parse()?);
            }
        }
    }

    /// Until it ends by itself.
    fn ended(&mut self) -> Result<()> {
        until("ssh ends", || Ok(self.child.try_wait()?.is_some()))
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_forward_back_from_the_host_is_there_where_policy_names_it() -> Result<()> {
    let world = names("[remote-forward]")?;
    let wish = format!("0:127.0.0.1:{}", parrot()?);
    let mut forward = Backward::start(&world, &ANA, &["-R", &wish])?;
    let port = forward.port()?;
    // Both ways, with an end of one side before the other, several beside each other, and much.
    ensure!(speak(port, b"one-word-from-there")? == b"one-word-from-there");
    let much: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let beside = std::thread::spawn(move || speak(port, b"beside"));
    ensure!(speak(port, &much)? == much, "it came back otherwise");
    let beside = beside.join().map_err(|_| anyhow::anyhow!("a panic"))?;
    ensure!(beside? == b"beside");

    // It ends with its session.
    let live = world.gateway.json(&["sessions", "list"])?;
    let rows = live.as_array().or_else(|| live["sessions"].as_array());
    let id = rows
        .and_then(|rows| rows.first()?["id"].as_str())
        .with_context(|| format!("no session: {live}"))?
        .to_owned();
    let killed = world
        .gateway
        .admin(&["sessions", "kill", &id, "--reason", "test"])?;
    ensure!(killed.code == 0, "{}", killed.all());
    forward.ended()?;
    until("the host no longer listens", || Ok(!listens(port)))?;

    // It is on record: what was asked for, each connection, and what went through.
    let replay = world
        .gateway
        .admin(&["sessions", "replay", &id, "--verbose", "--json"])?;
    for kept in ["remote-forward", "localhost:0", "opened_by", "b25lLXdvcmQt"] {
        ensure!(replay.out.contains(kept), "{kept}: {}", replay.all());
    }
    let verified = world.gateway.admin(&["journal", "verify"])?;
    ensure!(verified.code == 0, "{}", verified.all());
    Ok(())
}

#[test]
fn a_forward_back_is_given_up_and_asked_for_again_on_a_shared_connection() -> Result<()> {
    let world = names("[remote-forward, remote-streamlocal]")?;
    let socket = world.folder().join("shared");
    let mux = format!("ControlPath={}", socket.display());
    let _first = Backward::start(&world, &DORA, &["-M", "-o", &mux])?;
    until("a connection to share", || Ok(socket.exists()))?;
    let (port, parrot) = (free_port()?, parrot()?);
    let wish = format!("{port}:127.0.0.1:{parrot}");
    let ask = |what: &str, wish: &str| -> Result<Shown> {
        let options = ["-o", &mux, "-O", what, "-R", wish];
        fed(&mut world.ssh(&DORA, &options, &[])?, b"", LONG)
    };
    for round in 0..2 {
        let asked = ask("forward", &wish)?;
        ensure!(
            asked.code == 0,
            "{round}: {asked:?}\n{}",
            world.gateway.log()
        );
        ensure!(speak(port, b"there")? == b"there", "{round}");
        // ssh knows that it has it, and asks nobody.
        let twice = ask("forward", &wish)?;
        ensure!(twice.code == 0 && listens(port), "{round}: {twice:?}");
        let given_up = ask("cancel", &wish)?;
        ensure!(given_up.code == 0, "{round}: {given_up:?}");
        until("the host no longer listens", || Ok(!listens(port)))?;
    }
    // The other channels know nothing of it.
    let mut ssh = world.ssh(&DORA, &["-o", &mux], &["echo beside"])?;
    let beside = fed(&mut ssh, b"", LONG)?;
    ensure!(beside.out == "beside\n", "{beside:?}");

    // A socket of the host's is one by another name.
    let socket = world.host.home().join("back.sock");
    let wish = format!("{}:127.0.0.1:{parrot}", socket.display());
    let asked = ask("forward", &wish)?;
    ensure!(asked.code == 0, "{asked:?}\n{}", world.gateway.log());
    let stream = UnixStream::connect(&socket)?;
    let said = say(stream, b"by a socket", |s| s.shutdown(Shutdown::Write))?;
    ensure!(said == b"by a socket", "{said:?}");

    // There are so many.
    let most = portcullis_model::limits::SSH_REMOTE_FORWARDS_MAX;
    let mut given = 1;
    for _ in 0..most + 2 {
        let wish = format!("{}:127.0.0.1:{parrot}", free_port()?);
        given += usize::from(ask("forward", &wish)?.code == 0);
    }
    ensure!(given == most, "{given} forwards");
    Ok(())
}

#[test]
fn a_forward_back_is_refused_by_each_other_name_and_on_levels_without_forwards() -> Result<()> {
    for opaque in [
        "[]",
        "[forward, streamlocal]",
        "[remote-streamlocal]",
        "[agent, x11]",
    ] {
        let world = names(opaque)?;
        let wish = format!("{}:127.0.0.1:9", free_port()?);
        let mut refused = Backward::start(&world, &ANA, &["-R", &wish])?;
        refused.ended().with_context(|| opaque.to_owned())?;
        // What the session does next says why.
        let shown = Shown::by(&mut world.ssh(&ANA, &["-R", &wish], &["echo ran"])?)?;
        ensure!(shown.out == "ran\n", "{opaque}: {shown:?}");
        ensure!(
            shown.err.contains("portcullis/opaque") && shown.err.contains("remote-forward"),
            "{opaque}: {shown:?}"
        );
    }
    let world = names("[remote-forward, agent, x11]")?;
    let wish = format!("{}:127.0.0.1:9", free_port()?);
    let mut ssh = world.ssh(&AGENT, &["-R", &wish], &["echo ran"])?;
    let shown = Shown::by(&mut ssh)?;
    ensure!(
        shown.out == "ran\n" && shown.err.contains("ssh/exec-only"),
        "{shown:?}"
    );
    // A port's name is not that of a socket.
    let socket = world.host.home().join("back.sock");
    let wish = format!("{}:127.0.0.1:9", socket.display());
    let shown = Shown::by(&mut world.ssh(&ANA, &["-R", &wish], &["echo ran"])?)?;
    ensure!(
        shown.out == "ran\n"
            && shown.err.contains("portcullis/opaque")
            && shown.err.contains("remote-streamlocal")
            && !socket.exists(),
        "{shown:?}"
    );
    Ok(())
}

#[test]
fn so_many_come_through_the_forwards_of_one_client_at_a_time_and_the_next_once_one_has_gone()
-> Result<()> {
    let world = names("[remote-forward]")?;
    let wish = format!("0:127.0.0.1:{}", parrot()?);
    let mut forward = Backward::start(&world, &ANA, &["-R", &wish])?;
    let port = forward.port()?;
    let most = portcullis_model::limits::SSH_BACK_CHANNELS_MAX;
    // What was said comes back once it is all: until then each holds its place.
    let mut held = Vec::new();
    for number in 0..most {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(LONG))?;
        stream.write_all(number.to_string().as_bytes())?;
        held.push(stream);
    }
    // The host's port takes one more, and its channel is refused: it ends without a word. Some of those before may be on their way
    // still, so it is tried until all have come.
    until("one more is refused", || {
        Ok(speak(port, b"one more").map_or(true, |said| said.is_empty()))
    })
    .context("one more than there may be came through")?;
    // None of those before is hurt by it, and the place of one that has gone is free.
    for (number, mut stream) in held.into_iter().enumerate() {
        stream.shutdown(Shutdown::Write)?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        ensure!(said == number.to_string(), "{number}: {said}");
    }
    until("there is room again", || {
        Ok(speak(port, b"again").is_ok_and(|said| said == b"again"))
    })
    .context("no place is free")
}

#[test]
fn nothing_leads_back_where_commands_are_plain_words() -> Result<()> {
    let named = "[remote-forward, remote-streamlocal, agent, x11]";
    let world = SshWorld::start(&SshOptions {
        connection: "    control: argv\n".to_owned(),
        data: portcullis_tests::ssh::DATA.replace("[scp, sftp, forward]", named),
        ..SshOptions::default()
    })?;
    let keys = keys(&world)?;
    let (display, _comes) = display(&world)?;
    let wish = format!("{}:127.0.0.1:9", free_port()?);
    for options in [&["-R", &wish][..], &["-A"], &["-Y"]] {
        let mut ssh = world.ssh(&ANA, options, &["env"])?;
        ssh.env("SSH_AUTH_SOCK", &keys.socket)
            .env("DISPLAY", &display)
            .env("XAUTHORITY", world.folder().join("xauthority"));
        let shown = fed(&mut ssh, b"", LONG)?;
        ensure!(
            shown.code == 0
                && shown.out.contains("HOME=")
                && !shown.out.contains("SSH_AUTH_SOCK=")
                && !shown.out.contains("DISPLAY="),
            "{options:?}: {shown:?}"
        );
        ensure!(
            shown.err.contains("ssh/exec-only") && shown.err.contains("hint"),
            "{options:?} says why: {shown:?}"
        );
    }
    Ok(())
}

#[test]
fn a_secret_of_the_gateways_does_not_come_back_over_a_forward() -> Result<()> {
    let world = names("[remote-forward]")?;
    let authority = fs::read_to_string(world.host.authority())?;
    let line = authority.lines().nth(4).context("a key has lines")?;
    let (heard, hears) = channel();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let wish = format!("0:127.0.0.1:{}", listener.local_addr()?.port());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut all = Vec::new();
            let _end = stream.read_to_end(&mut all);
            let _told = heard.send(all);
        }
    });
    let mut forward = Backward::start(&world, &ANA, &["-R", &wish])?;
    let port = forward.port()?;
    let mut left = vec![b'a'; 300_000];
    left.extend_from_slice(line.as_bytes());
    left.extend(vec![b'b'; 300_000]);
    // It may be cut off before all of it is written.
    let _said = speak(port, &left);
    let came = hears.recv_timeout(LONG).context("nobody came")?;
    ensure!(
        !came.windows(line.len()).any(|w| w == line.as_bytes()),
        "the key came through"
    );
    ensure!(came.len() < left.len(), "{} bytes came", came.len());
    Ok(())
}

/// An agent of the client's with one key, and the key's fingerprint.
struct Keys {
    _agent: Server,
    socket: PathBuf,
    fingerprint: String,
}

fn keys(world: &SshWorld) -> Result<Keys> {
    let at = world.folder();
    let socket = at.join("agent");
    let mut agent = Command::new("ssh-agent");
    agent.args(["-D", "-a"]).arg(&socket);
    let agent = Server::start("ssh-agent", agent, &at.join("agent.log"), "TERM")?;
    until("the agent is there", || Ok(socket.exists()))?;
    keygen(&at.join("mine"))?;
    run(Command::new("ssh-add")
        .arg("-q")
        .arg(at.join("mine"))
        .env("SSH_AUTH_SOCK", &socket))?;
    let shown = run(Command::new("ssh-keygen")
        .arg("-lf")
        .arg(at.join("mine.pub")))?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let fingerprint = shown.split(' ').nth(1).context("a fingerprint")?.to_owned();
    Ok(Keys {
        _agent: agent,
        socket,
        fingerprint,
    })
}

#[test]
fn a_clients_agent_is_there_on_the_host_where_policy_names_it() -> Result<()> {
    for named in [true, false] {
        let world = names(match named {
            true => "[agent]",
            false => "[forward, x11]",
        })?;
        let keys = keys(&world)?;
        let by = |person: &Person, options: &[&str], command: &str| -> Result<Shown> {
            let mut ssh = world.ssh(person, options, &[command])?;
            fed(ssh.env("SSH_AUTH_SOCK", &keys.socket), b"", LONG)
        };
        let shown = by(&ANA, &["-A"], "ssh-add -l; echo done")?;
        let there = shown.out.contains(&keys.fingerprint);
        ensure!(there == named, "{shown:?}\n{}", world.gateway.log());
        ensure!(shown.out.ends_with("done\n"), "{shown:?}");
        ensure!(
            named != shown.err.contains("portcullis/opaque"),
            "it says why: {shown:?}"
        );
        // Whoever does not ask for it does not have it, and nobody has it a moment later.
        let without = by(&ANA, &[], "echo [$SSH_AUTH_SOCK]")?;
        ensure!(
            without.out == "[]\n" && without.err.is_empty(),
            "{without:?}"
        );
        if named {
            let socket = by(&ANA, &["-A"], "echo $SSH_AUTH_SOCK")?;
            let socket = PathBuf::from(socket.out.trim());
            ensure!(!socket.as_os_str().is_empty(), "an agent's socket");
            until("the agent is gone", || {
                Ok(UnixStream::connect(&socket).is_err())
            })?;
            signs(&world, &keys)?;
            let replay =
                world
                    .gateway
                    .admin(&["sessions", "replay", &session(&world)?, "--json"])?;
            ensure!(replay.out.contains("agent-forward"), "{}", replay.all());
        }
        let machine = by(&AGENT, &["-A"], "echo [$SSH_AUTH_SOCK]")?;
        ensure!(
            machine.out == "[]\n" && machine.err.contains("ssh/exec-only"),
            "{machine:?}"
        );
    }
    Ok(())
}

/// A key of the client's signs a file of the host's there, and the signature is good.
fn signs(world: &SshWorld, keys: &Keys) -> Result<()> {
    fs::copy(
        world.folder().join("mine.pub"),
        world.host.home().join("mine.pub"),
    )?;
    let command = "ssh-keygen -q -Y sign -f mine.pub -n file < mine.pub";
    let mut ssh = world.ssh(&DORA, &["-A"], &[command])?;
    let shown = fed(ssh.env("SSH_AUTH_SOCK", &keys.socket), b"", LONG)?;
    let signature = world.folder().join("mine.sig");
    fs::write(&signature, &shown.out)?;
    let mut check = Command::new("ssh-keygen");
    check
        .args(["-Y", "check-novalidate", "-n", "file", "-s"])
        .arg(&signature);
    let signed = fs::read(world.folder().join("mine.pub"))?;
    let checked = fed(&mut check, &signed, LONG)?;
    ensure!(
        checked.code == 0 && checked.out.contains(&keys.fingerprint),
        "{shown:?} {checked:?}"
    );
    Ok(())
}

/// The first packet of X11, from the host's side: with the cookie that `xauth` has there.
const PROGRAM: &str = r#"#!/bin/bash
[ -n "$DISPLAY" ] || { echo no display; exit 3; }
number=${DISPLAY##*:}
number=${number%%.*}
cookie=$(xauth list "$DISPLAY" | sed -n 's/.*MIT-MAGIC-COOKIE-1 *//p' | head -n 1)
printf %s "$cookie" > cookie
exec 3<>"/dev/tcp/127.0.0.1/$((6000 + number))" || exit 4
printf 'l\0\13\0\0\0\22\0\20\0\0\0MIT-MAGIC-COOKIE-1\0\0' >&3
printf "$(printf %s "${1:-$cookie}" | sed 's/../\\x&/g')" >&3
head -c 7 <&3
echo
"#;

/// A stand-in for an X server: who comes with which cookie.
fn display(world: &SshWorld) -> Result<(String, Receiver<Vec<u8>>)> {
    let (came, comes) = channel();
    let listener = loop {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        if listener.local_addr()?.port() > 6000 {
            break listener;
        }
    };
    let number = listener.local_addr()?.port() - 6000;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut packet = [0; 48];
            if stream.read_exact(&mut packet).is_ok() {
                let _told = came.send(packet[32..].to_vec());
                let _said = stream.write_all(b"welcome");
            }
        }
    });
    let display = format!("127.0.0.1:{number}");
    run(Command::new("xauth")
        .arg("-qf")
        .arg(world.folder().join("xauthority"))
        .args(["add", &display, "MIT-MAGIC-COOKIE-1", COOKIE]))
    .context("add a cookie")?;
    Ok((display, comes))
}

/// The display's own, which nobody but the client knows.
const COOKIE: &str = "00112233445566778899aabbccddeeff";

#[test]
fn a_clients_display_is_reached_from_the_host_where_policy_names_it() -> Result<()> {
    install::ensure(&[Need::OpenSsh])?;
    let real: Vec<u8> = (0..16).map(|n| n * 0x11).collect();
    for named in [true, false] {
        let world = names(match named {
            true => "[x11]",
            false => "[agent, forward]",
        })?;
        let program = world.host.home().join("program");
        fs::write(&program, PROGRAM)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let (display, comes) = display(&world)?;
        let by = |options: &[&str], command: &str| -> Result<Shown> {
            let mut ssh = world.ssh(&ANA, options, &[command])?;
            ssh.env("DISPLAY", &display)
                .env("XAUTHORITY", world.folder().join("xauthority"));
            fed(&mut ssh, b"", LONG)
        };
        let shown = by(&["-Y"], "./program")?;
        if !named {
            ensure!(
                shown.out == "no display\n" && shown.err.contains("portcullis/opaque"),
                "{shown:?}"
            );
            ensure!(comes.try_recv().is_err(), "somebody came");
            continue;
        }
        ensure!(
            shown.out == "welcome\n",
            "{shown:?}\n{}\n{}",
            world.gateway.log(),
            world.host.log()
        );
        let cookie = comes.recv_timeout(LONG)?;
        ensure!(cookie == real, "the display's own cookie: {cookie:02x?}");
        // Who does not know the cookie that the client has given is turned away by the client.
        let wrong = by(&["-Y"], "./program 0123456789abcdef0123456789abcdef")?;
        ensure!(!wrong.out.contains("welcome"), "{wrong:?}");
        ensure!(comes.try_recv().is_err(), "somebody came");
        let without = by(&[], "./program")?;
        ensure!(without.out == "no display\n", "{without:?}");
        entries_leave_out(&world)?;
    }
    Ok(())
}

/// What a program names to a display beside its cookie, in bytes that are no text.
const PROTOCOL: &str = "MIT-MAGIC-COOKIE-1";

/// The cookie that the host was given, which ssh has drawn, stands in no entry as the request has it; programs show it as bytes.
fn entries_leave_out(world: &SshWorld) -> Result<()> {
    let drawn = fs::read_to_string(world.host.home().join("cookie"))?;
    ensure!(drawn.len() == COOKIE.len() && drawn != COOKIE, "{drawn}");
    let list = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let rows = list.as_array().or_else(|| list["sessions"].as_array());
    let mut all = String::new();
    for id in rows
        .into_iter()
        .flatten()
        .filter_map(|row| row["id"].as_str())
    {
        let replay = world
            .gateway
            .admin(&["sessions", "replay", id, "--verbose", "--json"])?;
        ensure!(replay.code == 0, "{}", replay.all());
        all.push_str(&replay.out);
    }
    ensure!(all.contains("x11-forward"), "the request is there: {all}");
    // Entries show what is no text in base64, wherever it stands.
    let mut requests = 0;
    for line in all.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).context("an entry")?;
        for bytes in payloads(&entry) {
            let text = String::from_utf8_lossy(&bytes);
            requests += text.matches(PROTOCOL).count();
            ensure!(!text.contains(&drawn) && !text.contains(COOKIE), "{line}");
        }
    }
    ensure!(requests > 0, "no entry has the program's request: {all}");
    ensure!(!all.contains(&drawn) && !all.contains(COOKIE), "{all}");
    Ok(())
}

/// Every text in it that may be base64, decoded.
fn payloads(entry: &serde_json::Value) -> Vec<Vec<u8>> {
    use serde_json::Value;
    match entry {
        Value::String(text) => STANDARD.decode(text).into_iter().collect(),
        Value::Array(all) => all.iter().flat_map(payloads).collect(),
        Value::Object(all) => all.values().flat_map(payloads).collect(),
        _ => Vec::new(),
    }
}
