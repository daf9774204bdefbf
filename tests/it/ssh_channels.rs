//! Kinds of channels, with stock `ssh`: each passes by name or is refused, and the connection goes on; one that is held keeps nobody
//! else waiting. Levels of control, as policy and the connection say. And the door: how often somebody may try.

use crate::ssh_edges::edge;
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{AGENT, ANA, BEA, DORA};
use portcullis_tests::process::{Server, fed, free_port};
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn channels_that_are_not_known_are_refused_and_the_connection_goes_on() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let user = format!("{}@web-1", world.host.login);
    let shown = edge(&world, "kinds", &ANA, &user)?;
    let lines: Vec<&str> = shown.out.lines().collect();
    let (last, refused) = lines.split_last().context("lines")?;
    ensure!(*last == "still" && refused.len() == 10, "{shown:?}");
    ensure!(refused.iter().all(|l| l.ends_with(" refused")), "{shown:?}");
    Ok(())
}

#[test]
fn nothing_leads_back_from_the_host() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let back = free_port()?;
    let wish = format!("{back}:127.0.0.1:9");
    let strict = ["-o", "ExitOnForwardFailure=yes", "-R", &wish];
    let shown = Shown::by(&mut world.ssh(&DORA, &strict, &["echo ran"])?)?;
    ensure!(
        shown.code == 255 && shown.err.contains("remote port forwarding failed"),
        "{shown:?}"
    );
    let shown = Shown::by(&mut world.ssh(&DORA, &["-R", &wish], &["echo ran"])?)?;
    ensure!(shown.code == 0 && shown.out == "ran\n", "{shown:?}");
    ensure!(
        shown.err.contains("portcullis/opaque") && shown.err.contains("hint"),
        "it says why: {shown:?}"
    );
    ensure!(
        TcpStream::connect(("127.0.0.1", back)).is_err(),
        "nobody listens on the host"
    );

    // An agent, and a display: neither is there on the host.
    let socket = world.folder().join("agent");
    let mut agent = Command::new("ssh-agent");
    agent.args(["-D", "-a"]).arg(&socket);
    let _agent = Server::start(
        "ssh-agent",
        agent,
        &world.folder().join("agent.log"),
        "TERM",
    )?;
    let until = Instant::now() + Duration::from_secs(10);
    while !socket.exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut ssh = world.ssh(
        &DORA,
        &["-A", "-o", "ForwardX11=yes", "-o", "ForwardX11Trusted=yes"],
        &["echo [$SSH_AUTH_SOCK] [$DISPLAY]"],
    )?;
    let shown = Shown::by(ssh.env("SSH_AUTH_SOCK", &socket))?;
    ensure!(shown.out == "[] []\n", "{shown:?}");
    let why = shown.err.matches("portcullis/opaque").count();
    ensure!(why == 2, "it says why of each: {shown:?}");
    Ok(())
}

#[test]
fn a_forward_begins_at_a_port_or_a_socket_of_the_clients_and_ends_at_a_port() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    // Somebody who answers, beside the host.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _said = stream.write_all(b"reached\n");
        }
    });
    let local = world.folder().join("local.sock");
    let (numbered, to_socket) = (free_port()?, free_port()?);
    let forwards = [
        format!("{}:127.0.0.1:{port}", local.display()),
        format!("127.0.0.1:{numbered}:127.0.0.1:{port}"),
        format!(
            "127.0.0.1:{to_socket}:{}",
            world.folder().join("admin.sock").display()
        ),
    ];
    let mut options = vec!["-N", "-o", "ExitOnForwardFailure=yes"];
    for forward in &forwards {
        options.extend(["-L", forward]);
    }
    let mut ssh = world.ssh(&ANA, &options, &[])?;
    ssh.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = ssh.spawn()?;
    let until = Instant::now() + Duration::from_secs(20);
    while !local.exists() {
        ensure!(Instant::now() < until, "ssh does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let read = |stream: &mut dyn std::io::Read| -> Result<String> {
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    };
    let mut by_socket = std::os::unix::net::UnixStream::connect(&local)?;
    ensure!(read(&mut by_socket)? == "reached\n");
    let mut by_port = TcpStream::connect(("127.0.0.1", numbered))?;
    ensure!(read(&mut by_port)? == "reached\n");
    // The gateway's own socket is one that a forward must not reach: no socket is.
    let mut to_socket = TcpStream::connect(("127.0.0.1", to_socket))?;
    to_socket.write_all(b"GET /v1/connections HTTP/1.0\r\n\r\n")?;
    let said = read(&mut to_socket).unwrap_or_default();
    ensure!(said.is_empty(), "{said}");
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[test]
fn a_socket_of_the_hosts_is_reached_where_policy_names_sockets() -> Result<()> {
    for named in [false, true] {
        let opaque = match named {
            true => "opaque: [streamlocal]",
            false => "opaque: [scp, sftp, forward]",
        };
        let world = SshWorld::start(&SshOptions {
            data: portcullis_tests::ssh::DATA.replace("opaque: [scp, sftp, forward]", opaque),
            ..SshOptions::default()
        })?;
        let socket = world.host.home().join("app.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))?;
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _said = stream.write_all(b"reached\n");
            }
        });
        let port = free_port()?;
        let forward = format!("127.0.0.1:{port}:{}", socket.display());
        let mut ssh = world.ssh(&ANA, &["-N", "-L", &forward], &[])?;
        let mut child = ssh.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let until = Instant::now() + Duration::from_secs(20);
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(_) => ensure!(Instant::now() < until, "ssh does not listen"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut said = String::new();
        let _ended = stream.read_to_string(&mut said);
        child.kill()?;
        child.wait()?;
        ensure!(
            (said == "reached\n") == named,
            "{opaque}: {said:?}\n{}",
            world.gateway.log()
        );
    }
    Ok(())
}

#[test]
fn while_one_command_is_held_the_others_and_the_keepalives_go_on() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let socket = world.folder().join("mux");
    let mux = format!("ControlPath={}", socket.display());
    let options = [
        "-M",
        "-o",
        &mux,
        "-o",
        "ServerAliveInterval=1",
        "-o",
        "ServerAliveCountMax=2",
    ];
    let held = world
        .ssh(&ANA, &options, &["./deploy.sh"])?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = world.gateway.pending(Duration::from_secs(30))?;
    // Longer than a client waits that hears nothing.
    let until = Instant::now() + Duration::from_secs(6);
    let mut rounds = 0;
    while Instant::now() < until {
        let mut ssh = world.ssh(&ANA, &["-o", &mux], &["echo beside"])?;
        let beside = fed(&mut ssh, b"", Duration::from_secs(10))?;
        ensure!(
            beside.code == 0 && beside.out == "beside\n",
            "{beside:?}\n{}",
            world.gateway.log()
        );
        rounds += 1;
    }
    ensure!(rounds >= 2, "{rounds} commands in six seconds");
    let bea = world.issuer.token(&BEA)?;
    let vote = ["approvals", "approve", &id, "--reason", "fine"];
    let voted = world.gateway.admin_as(Some(&bea), &vote)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let shown = Shown::from_output(&held.wait_with_output()?);
    ensure!(shown.code == 0 && shown.out == "done\n", "{shown:?}");
    Ok(())
}

#[test]
fn a_level_is_the_connections_at_least_and_policys_otherwise() -> Result<()> {
    let argv = SshWorld::start(&SshOptions {
        connection: "    control: argv\n".to_owned(),
        ..SshOptions::default()
    })?;
    let listed = argv.gateway.admin(&["connections"])?;
    ensure!(listed.out.contains("argv"), "{}", listed.all());
    let plain = argv.run(&ANA, "echo a 'b  c' d\\;e")?;
    ensure!(
        plain.code == 126 && plain.err.contains("ssh/argv"),
        "{plain:?}"
    );
    for command in [
        "echo $HOME",
        "ls | wc",
        "echo *",
        "id; id",
        "X=1 env",
        "echo `id`",
    ] {
        let shown = argv.run(&ANA, command)?;
        ensure!(
            shown.code == 126 && shown.err.contains("ssh/argv"),
            "`{command}`: {shown:?}"
        );
    }
    let plain = argv.run(&ANA, "echo   a b")?;
    ensure!(plain.code == 0 && plain.out == "a b\n", "{plain:?}");
    drop(argv);

    // Policy lets this agent have a terminal, and keeps these people from one.
    let data = portcullis_tests::ssh::DATA
        .replace("session_max_seconds: 3600", "control: record")
        .replace(
            "opaque: [scp, sftp, forward]",
            "control: exec-only, opaque: [scp]",
        );
    let world = SshWorld::start(&SshOptions {
        data,
        ..SshOptions::default()
    })?;
    let agent = Shown::by(&mut world.ssh(&AGENT, &["-tt"], &["echo a terminal"])?)?;
    ensure!(
        agent.code == 0 && agent.out.contains("a terminal"),
        "{agent:?}"
    );
    let ana = Shown::by(&mut world.ssh(&ANA, &["-tt"], &["echo a terminal"])?)?;
    ensure!(
        ana.code == 126 && ana.all().contains("ssh/exec-only"),
        "{ana:?}"
    );
    let ana = world.run(&ANA, "echo a command")?;
    ensure!(ana.out == "a command\n", "{ana:?}");
    let listed = world.gateway.admin(&["connections"])?;
    ensure!(listed.out.contains("by policy"), "{}", listed.all());
    Ok(())
}

/// Somebody who does not know better, and counts how often she is asked.
fn guesses(world: &SshWorld, kind: &str, from: &str) -> Result<(Shown, usize)> {
    let asked = world.folder().join(format!("asked-{}", free_port()?));
    let script = world.folder().join("guess");
    let line = format!(
        "#!/bin/sh\necho asked >> {}\necho a-guess\n",
        asked.display()
    );
    fs::write(&script, line)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut ssh = world.client("");
    ssh.env("SSH_ASKPASS", &script).args([
        // The first value of an option counts: this stands behind `1`.
        "-b",
        from,
        "-o",
        &format!("PreferredAuthentications={kind}"),
        &format!("{}@web-1@127.0.0.1", world.host.login),
        "id",
    ]);
    let words: Vec<_> = ssh
        .get_args()
        .map(|a| {
            a.to_string_lossy()
                .replace("NumberOfPasswordPrompts=1", "NumberOfPasswordPrompts=7")
        })
        .collect();
    let mut again = Command::new("ssh");
    again.args(words);
    for (name, value) in ssh.get_envs() {
        if let Some(value) = value {
            again.env(name, value);
        }
    }
    let shown = Shown::by(&mut again)?;
    let count = fs::read_to_string(&asked).unwrap_or_default();
    Ok((shown, count.lines().count()))
}

#[test]
fn there_are_three_tries_and_then_a_pause_for_whoever_goes_on() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    for kind in ["password", "keyboard-interactive"] {
        let (shown, asked) = guesses(&world, kind, "127.0.0.1")?;
        ensure!(
            shown.code == 255 && asked == 3,
            "{kind}: asked {asked} times: {shown:?}"
        );
    }
    // Whoever has proved who it is has mistyped, and is forgiven.
    let good = world.run(&DORA, "echo in")?;
    ensure!(good.out == "in\n", "{good:?}");
    for _ in 0..4 {
        guesses(&world, "password", "127.0.0.1")?;
    }
    let late = world.run(&DORA, "echo in")?;
    ensure!(
        late.code == 255 && late.out.is_empty(),
        "this address has to wait: {late:?}"
    );
    let mut elsewhere = world.ssh(&DORA, &["-b", "127.0.0.9"], &["echo in"])?;
    let elsewhere = Shown::by(&mut elsewhere)?;
    ensure!(
        elsewhere.out == "in\n",
        "and no other has to: {elsewhere:?}"
    );
    Ok(())
}

#[test]
fn a_silent_address_has_so_many_places_and_keeps_nobody_else_out() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let most = portcullis_model::limits::SSH_STARTUPS_PER_SOURCE_MAX;
    let mut strangers = Vec::new();
    for _ in 0..most {
        strangers.push(TcpStream::connect(("127.0.0.1", world.port))?);
    }
    // They are counted once they were accepted. One address has a share of the places alone, and this is one address.
    std::thread::sleep(Duration::from_secs(1));
    let mut one_more = TcpStream::connect(("127.0.0.1", world.port))?;
    one_more.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut name = Vec::new();
    let said = one_more.read_to_end(&mut name);
    ensure!(
        said.is_err() || name.is_empty(),
        "{}",
        String::from_utf8_lossy(&name)
    );
    let mut elsewhere = world.ssh(&DORA, &["-b", "127.0.0.9"], &["echo in"])?;
    let elsewhere = Shown::by(&mut elsewhere)?;
    ensure!(elsewhere.out == "in\n", "{elsewhere:?}");
    drop(strangers);
    std::thread::sleep(Duration::from_secs(1));
    let good = world.run(&DORA, "echo in")?;
    ensure!(good.out == "in\n", "{good:?}");
    Ok(())
}
