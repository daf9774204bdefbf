//! Hosts that take the gateway's login and break the protocol afterwards: messages about channels that were never opened, windows
//! beyond any number, extensions without end, channels that nobody has asked for. Each costs that host's connection at most; the
//! gateway keeps no memory for it and goes on.

use crate::ssh_breakers::{goes_on, resident};
use crate::ssh_tools::{python, suite};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::process::{Server, fed, free_port};
use portcullis_tests::{Scratch, SshOptions, SshWorld, host, scratch};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::Duration;

const CASES: [&str; 4] = ["never-opened", "windows", "extensions", "opens"];

/// Ways to the agent that the case `door` of `evil_host.py` opens, and as many of another kind.
const DOOR_OPENS: usize = 400;

/// What all of them together may have cost.
const LASTING_KIB_MAX: u64 = 64 * 1024;

const PASSWORD: &str = "Kq8-vT3zR0xWm5Yb2NcJ";

struct Hosts {
    servers: Vec<Server>,
    /// YAML of their connections.
    connections: String,
    _folder: Scratch,
}

impl Hosts {
    fn start(cases: &[&str]) -> Result<Self> {
        let folder = Scratch::new("evil-hosts")?;
        let at = folder.path();
        scratch::private(&at.join("password"), PASSWORD)?;
        host::keygen(&at.join("key"))?;
        let (mut servers, mut known, mut connections) = (Vec::new(), String::new(), String::new());
        for case in cases {
            let port = free_port()?;
            let mut command = Command::new(python()?);
            command
                .arg(suite("evil_host.py"))
                .arg(port.to_string())
                .arg(at.join("key"))
                .arg(case)
                .env("TEST_PASSWORD", PASSWORD);
            let log = at.join(format!("{case}.log"));
            let mut server = Server::start(case, command, &log, "TERM")?;
            server.wait_for_port(port, Duration::from_secs(60))?;
            servers.push(server);
            known.push_str(&host::known(port, &at.join("key.pub"))?);
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
                at = at.display()
            ));
        }
        fs::write(at.join("known"), known).context("write the known hosts")?;
        Ok(Self {
            servers,
            connections,
            _folder: folder,
        })
    }
}

#[test]
fn a_host_that_breaks_the_protocol_after_the_login_harms_nobody_else() -> Result<()> {
    let hosts = Hosts::start(&CASES)?;
    let world = SshWorld::start(&SshOptions {
        connection: hosts.connections.clone(),
        ..SshOptions::default()
    })?;
    goes_on(&world)?;
    let before = resident(world.gateway.pid())?;
    for (case, server) in CASES.iter().zip(&hosts.servers) {
        let token = world.issuer.token(&ANA)?;
        let mut ssh = world.client(&token);
        ssh.args([&format!("ana@{case}@127.0.0.1"), "id"]);
        let shown = fed(&mut ssh, b"", Duration::from_secs(90))?;
        ensure!(
            server.log().contains("misbehaves"),
            "{case}: it was logged in to: {shown:?}\n{}\n{}",
            server.log(),
            world.gateway.log()
        );
        // What only looks odd is passed over; what cannot be read any more ends that host's connection, and the client is told.
        let answered = shown.code == 0 && shown.out.ends_with("answered\n");
        let given_up = shown.code == 126 && shown.err.contains("fault/upstream");
        let as_it_should = match *case {
            "extensions" => answered,
            _ => given_up,
        };
        ensure!(
            as_it_should,
            "{case}: exit {} with {} bytes, {:?}\n{}\n{}",
            shown.code,
            shown.out.len(),
            shown.err,
            server.log(),
            world.gateway.log()
        );
        goes_on(&world)?;
    }
    let after = resident(world.gateway.pid())?;
    ensure!(
        after < before + LASTING_KIB_MAX,
        "{before} KiB, then {after} KiB"
    );
    Ok(())
}

/// An agent that has nothing for anybody: SSH_AGENT_FAILURE to whatever is asked, until the end.
fn refuses(mut stream: UnixStream) {
    let mut size = [0; 4];
    while stream.read_exact(&mut size).is_ok() {
        let mut asked = vec![0; u32::from_be_bytes(size) as usize];
        let said = stream.read_exact(&mut asked);
        if said
            .and_then(|()| stream.write_all(&[0, 0, 0, 1, 5]))
            .is_err()
        {
            return;
        }
    }
}

#[test]
fn a_host_that_floods_the_way_to_an_agent_gets_the_few_that_there_may_be() -> Result<()> {
    let hosts = Hosts::start(&["door"])?;
    let world = SshWorld::start(&SshOptions {
        connection: hosts.connections.clone(),
        data: portcullis_tests::ssh::DATA.replace("[scp, sftp, forward]", "[agent]"),
        ..SshOptions::default()
    })?;
    let agent = world.folder().join("agent.sock");
    let listener = UnixListener::bind(&agent)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || refuses(stream));
        }
    });
    let token = world.issuer.token(&ANA)?;
    let mut ssh = world.client(&token);
    ssh.env("SSH_AUTH_SOCK", &agent)
        .args(["-A", "ana@door@127.0.0.1", "id"]);
    let shown = fed(&mut ssh, b"", Duration::from_secs(90))?;
    let host = &hosts.servers[0];
    ensure!(
        shown.code == 0 && shown.out.ends_with("answered\n"),
        "{shown:?}\n{}\n{}",
        host.log(),
        world.gateway.log()
    );
    // All that nobody has asked for is refused, and of the others what is more than the bound. Some came through.
    let (opened, most) = (
        2 * DOOR_OPENS,
        portcullis_model::limits::SSH_BACK_CHANNELS_MAX,
    );
    let refused = host.log().matches("open FAILED").count();
    ensure!(
        refused >= opened - most,
        "{refused} of {opened} refused\n{}",
        world.gateway.log()
    );
    ensure!(refused < opened, "none came through\n{}", host.log());
    goes_on(&world)
}
