//! PostgreSQL inside of SSH: a forward that leads to a database of the gateway, by whichever name, is read by the
//! PostgreSQL gate with the identity of the SSH login. Rows are masked, statements judged, sessions recorded; nothing goes
//! past it, and whatever else a forward leads to passes only where policy says so.

use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::issuer::{AGENT, ANA, Person};
use portcullis_tests::process::free_port;
use portcullis_tests::ssh::askpass;
use portcullis_tests::{Host, Scratch, Shown, World, WorldOptions, host};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// People may open both; forwards are not let pass unread.
const DATA: &str = "\
access:
  groups:
    data-agents: [orders-agents, hosts-agents]
    engineers: [orders-people, hosts-people]
    dba: [orders-people]
  bindings:
    orders-agents: {kinds: [agent], protocols: [postgres], labels: {app: orders}, session_max_seconds: 3600}
    orders-people: {protocols: [postgres], labels: {app: orders}}
    hosts-agents: {kinds: [agent], protocols: [ssh], labels: {app: web}, session_max_seconds: 3600}
    hosts-people: {protocols: [ssh], labels: {app: web}}
config:
  sql: {admin_groups: [dba]}
";

struct Inner {
    world: World,
    host: Host,
    folder: Scratch,
    port: u16,
}

impl Inner {
    fn start() -> Result<Self> {
        let (host, folder, port) = (Host::start()?, Scratch::new("inner")?, free_port()?);
        let at = folder.path();
        host::keygen(&at.join("gateway_host"))?;
        std::fs::write(at.join("known_hosts"), host.known()?)?;
        let known = host::known(port, &at.join("gateway_host.pub"))?;
        std::fs::write(at.join("known_gateway"), known)?;
        askpass(at)?;
        let (login, server, here) = (&host.login, host.port, at.display());
        let authority = host.authority();
        let world = World::start(&WorldOptions {
            data: DATA.to_owned(),
            listeners: format!(
                "  - protocol: ssh\n    address: 127.0.0.1:{port}\n    host_keys: [{here}/gateway_host]\n"
            ),
            connections: format!(
                "  - name: web-1
    protocol: ssh
    labels: {{ app: web }}
    host: 127.0.0.1
    port: {server}
    host_keys: {{ known_hosts: {here}/known_hosts }}
    credential:
      certificate: {{ user: {login}, authority: \"file:{}\" }}
",
                authority.display()
            ),
            plugins: "  - builtin: mask-secrets\n  - builtin: mask-pii\n  - builtin: classify-sql\n  - builtin: classify-shell\n".to_owned(),
            ..WorldOptions::default()
        })?;
        Ok(Self {
            world,
            host,
            folder,
            port,
        })
    }

    fn ssh(&self, person: &Person, arguments: &[&str], to: &str) -> Result<Command> {
        let token = self.world.token(person)?;
        let mut ssh = host::client(&self.folder.path().join("known_gateway"), self.port);
        ssh.args([
            "-o",
            "PubkeyAuthentication=no",
            "-o",
            "NumberOfPasswordPrompts=1",
        ])
        .args(["-o", "ExitOnForwardFailure=yes"])
        .args(arguments)
        .arg(to)
        .env("SSH_ASKPASS", self.folder.path().join("askpass"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":none")
        .env("TEST_TOKEN", token);
        Ok(ssh)
    }

    /// `ssh -N -L` to the database, as it is called here.
    fn forward(&self, person: &Person, name: &str, to: &str) -> Result<Forward> {
        let local = free_port()?;
        let there = self.world.cluster.port;
        let way = format!("127.0.0.1:{local}:{name}:{there}");
        let mut ssh = self.ssh(person, &["-N", "-L", &way], to)?;
        let child = ssh
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let forward = Forward { child, local };
        let until = Instant::now() + Duration::from_secs(60);
        // Looking whether it listens opens a channel of its own; that one says nothing.
        while TcpStream::connect(("127.0.0.1", local)).is_err() {
            ensure!(
                Instant::now() < until,
                "no forward\n{}",
                self.world.gateway.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(forward)
    }

    fn recorded(&self, target: &str) -> Result<Vec<String>> {
        let sessions = self
            .world
            .gateway
            .json(&["sessions", "list", "--recorded"])?;
        let sessions = sessions.as_array().context("a list")?.iter();
        let of = sessions.filter(|s| s["target"] == target);
        Ok(of
            .filter_map(|s| Some(s["id"].as_str()?.to_owned()))
            .collect())
    }

    fn replay(&self, id: &str) -> Result<String> {
        let shown = self
            .world
            .gateway
            .admin(&["sessions", "replay", id, "--json"])?;
        ensure!(shown.code == 0, "{shown:?}");
        Ok(shown.out)
    }
}

struct Forward {
    child: Child,
    local: u16,
}

impl Forward {
    /// No password is given, and none is asked for.
    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-w", "-v", "VERBOSITY=default", "-d"])
            .arg(format!(
                "host=127.0.0.1 port={} user=anybody dbname={database} connect_timeout=20",
                self.local
            ))
            .env_remove("PGPASSWORD")
            .env_remove("PGSERVICE");
        psql
    }

    fn ask(&self, database: &str, sql: &str) -> Result<Shown> {
        Shown::by(self.psql(database).args(["-c", sql])).context("run psql")
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

const ADA: &str = "SELECT name, email FROM customers WHERE id = 1";

fn is_masked(shown: &Shown) -> Result<()> {
    ensure!(shown.code == 0, "{shown:?}");
    ensure!(shown.out.contains("Ada Lovelace"), "{shown:?}");
    ensure!(shown.out.contains("[pc-masked:"), "{shown:?}");
    ensure!(!shown.out.contains("ada.lovelace@"), "{shown:?}");
    Ok(())
}

#[test]
fn a_forward_to_a_known_database_is_read_by_the_postgresql_gate() -> Result<()> {
    let inner = Inner::start()?;
    let forward = inner.forward(&AGENT, "localhost", "report-bot@127.0.0.1")?;
    is_masked(&forward.ask("orders", ADA)?)?;
    let dropped = forward.ask("orders", "DROP TABLE customers")?;
    ensure!(
        dropped.code != 0 && dropped.err.contains("ERROR"),
        "{dropped:?}"
    );
    ensure!(
        dropped.err.contains("agents/"),
        "the rule is named: {dropped:?}"
    );
    let counted = forward.ask("orders", "SELECT count(*) FROM customers")?;
    ensure!(
        counted.code == 0 && counted.out.contains("200"),
        "{counted:?}"
    );
    // What stands in the place of the password is not looked at: the SSH login has proved who this is.
    let whatever = Shown::by(
        forward
            .psql("orders")
            .args(["-c", ADA])
            .env("PGPASSWORD", "garbage"),
    )?;
    is_masked(&whatever)?;
    let unknown = forward.ask("payroll", "SELECT 1")?;
    ensure!(
        unknown.code != 0 && unknown.err.contains("no connection of that name"),
        "{unknown:?}"
    );
    let tls = Shown::by(
        forward
            .psql("orders")
            .args(["-c", "SELECT 1"])
            .env("PGSSLMODE", "require"),
    )?;
    ensure!(tls.code != 0 && tls.err.contains("SSL"), "{tls:?}");
    drop(forward);
    let sessions = inner.recorded("orders")?;
    ensure!(sessions.len() == 4, "{sessions:?}");
    let first = sessions.iter().map(|id| inner.replay(id));
    let all = first.collect::<Result<Vec<_>>>()?.concat();
    ensure!(
        all.contains("report-bot") && all.contains("DROP TABLE customers"),
        "{all}"
    );
    ensure!(!all.contains("ada.lovelace@"), "{all}");
    Ok(())
}

#[test]
fn ctrl_c_reaches_a_statement_inside_of_a_forward() -> Result<()> {
    let inner = Inner::start()?;
    let forward = inner.forward(&ANA, "localhost", "ana@127.0.0.1")?;
    let child = forward
        .psql("orders")
        .args(["-c", "SELECT pg_sleep(60)"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    std::thread::sleep(Duration::from_secs(3));
    let pid = child.id().to_string();
    let start = Instant::now();
    ensure!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()?
            .success(),
        "kill"
    );
    let shown = Shown::from_output(&child.wait_with_output()?);
    ensure!(shown.err.contains("cancel"), "{shown:?}");
    ensure!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

#[test]
fn no_other_name_of_a_known_database_leads_past_the_gate() -> Result<()> {
    let inner = Inner::start()?;
    let through = format!("{}@web-1@127.0.0.1", inner.host.login);
    // Configured is `localhost`, which is the host's own machine here.
    for name in [
        "localhost",
        "127.0.0.1",
        "127.0.0.2",
        "LOCALHOST",
        "0.0.0.0",
    ] {
        let forward = inner.forward(&ANA, name, &through)?;
        let shown = forward.ask("orders", ADA)?;
        is_masked(&shown).with_context(|| format!("by the name {name}"))?;
    }
    // Each is a session of its own, and says inside of which one it ran.
    let outer = inner.recorded("web-1")?;
    let sessions = inner.recorded("orders")?;
    ensure!(
        outer.len() == 5 && sessions.len() == 5,
        "{outer:?} {sessions:?}"
    );
    for id in &sessions {
        let replay = inner.replay(id)?;
        let linked = outer
            .iter()
            .any(|outer| replay.contains(&format!("\"within\":\"{outer}\"")));
        ensure!(linked, "{replay}");
    }
    let record = inner.replay(&outer[0])?;
    ensure!(
        record.contains("postgres"),
        "the forward says what it is: {record}"
    );
    // Anything else is opaque, and masks apply here.
    let other = free_port()?.to_string();
    let refused =
        Shown::by(&mut inner.ssh(&ANA, &["-W", &format!("127.0.0.1:{other}")], &through)?)?;
    ensure!(
        refused.code != 0 && refused.err.contains("administratively prohibited"),
        "{refused:?}"
    );
    ensure!(
        !inner.host.log().contains("direct-tcpip"),
        "the host was asked for nothing: {}",
        inner.host.log()
    );
    Ok(())
}

#[test]
fn a_session_of_single_commands_forwards_nothing_and_an_end_of_ssh_ends_what_is_inside()
-> Result<()> {
    let inner = Inner::start()?;
    let through = format!("{}@web-1@127.0.0.1", inner.host.login);
    let there = inner.world.cluster.port;
    let refused =
        Shown::by(&mut inner.ssh(&AGENT, &["-W", &format!("localhost:{there}")], &through)?)?;
    ensure!(refused.code != 0, "{refused:?}");
    let forward = inner.forward(&ANA, "localhost", &through)?;
    let mut child = forward
        .psql("orders")
        .args(["-c", "SELECT pg_sleep(60)"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let until = Instant::now() + Duration::from_secs(60);
    let live = loop {
        let sessions = inner.world.gateway.json(&["sessions", "list"])?;
        let sessions = sessions.as_array().context("a list")?.clone();
        let of = |target: &str| {
            let mut of = sessions.iter().filter(|s| s["target"] == target);
            of.next().and_then(|s| Some(s["id"].as_str()?.to_owned()))
        };
        if let (Some(outer), Some(_)) = (of("web-1"), of("orders")) {
            break outer;
        }
        if Instant::now() > until {
            bail!("the sessions do not show: {sessions:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let killed = inner
        .world
        .gateway
        .admin(&["sessions", "kill", &live, "--reason", "test"])?;
    ensure!(killed.code == 0, "{killed:?}");
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let sessions = inner.world.gateway.json(&["sessions", "list"])?;
        if sessions.as_array().is_some_and(Vec::is_empty) {
            break;
        }
        ensure!(Instant::now() < until, "still there: {sessions}");
        std::thread::sleep(Duration::from_millis(200));
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}
