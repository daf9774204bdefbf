//! Who is measured: the server itself, PgBouncer before it, and two gateways before it, one that allows
//! everything without plugins and one with everything on. One TLS leg for each, towards the client.

use crate::measure::Load;
use anyhow::{Context, Result};
use portcullis_tests::cluster::{self, random_word};
use portcullis_tests::issuer::ANA;
use portcullis_tests::process::{Server, free_port, run};
use portcullis_tests::{World, WorldOptions, install};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Something to measure.
pub struct Peer {
    /// Its name in the table.
    pub name: &'static str,
    /// Where clients connect.
    pub dsn: String,
    /// What they present as password.
    pub password: String,
    /// The proxy's process, none for direct.
    pub pid: Option<u32>,
}

/// All of them, over one server.
pub struct Peers {
    peers: Vec<Peer>,
    _bouncer: Server,
    _open: portcullis_tests::Gateway,
    world: World,
}

const ALLOW_ALL: &str = "package portcullis.packs.allow_all

import rego.v1

grant contains {\"rule\": \"bench/allow-all\"} if input.version == \"portcullis/v1\"
";

impl Peers {
    /// Starts the server and everybody before it, and fills the tables that the loads need.
    pub fn start(loads: &[Load]) -> Result<Self> {
        let options = WorldOptions {
            cluster: cluster::Options { tls: true, ..cluster::Options::default() },
            profile: "release".to_owned(),
            upstream_tls: false,
            labels: "{ env: bench, app: orders }".to_owned(),
            more: "session: { max: 8h }\nrecording: { on_failure: block, per_identity_mib_per_hour: 65536 }\n".to_owned(),
            ..WorldOptions::default()
        };
        let world = World::start(&options)?;
        let password = random_word();
        fill(&world, &password, loads)?;
        let (bouncer, bouncer_port) = bouncer(&world, &password)?;
        let open = allow_all(&world)?;
        let token = world.token(&ANA)?;
        let direct = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=bench dbname=orders sslmode=require",
            world.cluster.port
        );
        let via = |port: u16| {
            format!(
                "host=localhost hostaddr=127.0.0.1 port={port} user=bench dbname=orders sslmode=require"
            )
        };
        let peers = vec![
            Peer {
                name: "direct",
                dsn: direct,
                password: password.clone(),
                pid: None,
            },
            Peer {
                name: "PgBouncer",
                dsn: via(bouncer_port),
                password,
                pid: Some(bouncer.pid()),
            },
            Peer {
                name: "Portcullis, allow-all",
                dsn: via(open.port),
                password: token.clone(),
                pid: Some(open.pid()),
            },
            Peer {
                name: "Portcullis, everything on",
                dsn: via(world.gateway.port),
                password: token,
                pid: Some(world.gateway.pid()),
            },
        ];
        Ok(Self {
            peers,
            _bouncer: bouncer,
            _open: open,
            world,
        })
    }

    /// In the order of the table.
    pub fn all(&self) -> &[Peer] {
        let _ = &self.world;
        &self.peers
    }
}

fn fill(world: &World, password: &str, loads: &[Load]) -> Result<()> {
    run(Command::new(world.cluster.bin().join("pgbench"))
        .args([
            "-i",
            "-q",
            "-s",
            "10",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-p",
        ])
        .arg(world.cluster.port.to_string())
        .arg("orders")
        .env("PGPASSWORD", &world.cluster.password))?;
    if loads.iter().any(|l| matches!(l, Load::Copy | Load::Rows)) {
        eprintln!("filling a table of 1.4 million rows, 500 MB");
        world.cluster.sql("orders", "CREATE UNLOGGED TABLE big AS SELECT n AS id, md5(n::text) AS a, 'customer '||n||' of the northern region' AS b, \
            repeat(md5((n*7)::text)||' ', 8) AS c FROM generate_series(1, 1400000) n; ANALYZE big;")?;
    }
    world.cluster.sql(
        "orders",
        &format!(
            "CREATE ROLE bench LOGIN PASSWORD '{password}'; GRANT app_rw TO bench;
         GRANT ALL ON ALL TABLES IN SCHEMA public TO app_rw;"
        ),
    )?;
    Ok(())
}

fn bouncer(world: &World, password: &str) -> Result<(Server, u16)> {
    let folder = world.folder().join("pgbouncer");
    fs::create_dir_all(&folder)?;
    let port = free_port()?;
    fs::write(
        folder.join("users.txt"),
        format!("\"bench\" \"{password}\"\n"),
    )?;
    fs::write(
        folder.join("pgbouncer.ini"),
        format!(
            "[databases]\norders = host=127.0.0.1 port={} dbname=orders\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             auth_type = scram-sha-256\nauth_file = {}/users.txt\npool_mode = session\nmax_client_conn = 2000\ndefault_pool_size = 100\n\
             client_tls_sslmode = require\nclient_tls_key_file = {}/tls.key\nclient_tls_cert_file = {}/tls.crt\nunix_socket_dir =\n\
             ignore_startup_parameters = extra_float_digits\n",
            world.cluster.port,
            folder.display(),
            folder.display(),
            folder.display()
        ),
    )?;
    for file in ["tls.key", "tls.crt"] {
        fs::copy(world.folder().join(file), folder.join(file))?;
    }
    let program = install::pgbouncer().context("find pgbouncer")?;
    let mut command = if portcullis_tests::process::root() {
        run(Command::new("chown")
            .args(["-R", "nobody:nogroup"])
            .arg(&folder))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.arg(folder.join("pgbouncer.ini"));
    let mut server = Server::start(
        "PgBouncer",
        command,
        &world.folder().join("pgbouncer.log"),
        "INT",
    )?;
    server.wait_for_port(port, Duration::from_secs(10))?;
    Ok((server, port))
}

/// A second gateway over the same server: every statement allowed, no plugin.
fn allow_all(world: &World) -> Result<portcullis_tests::Gateway> {
    let folder = world.folder().join("open");
    let pack = folder.join("allow_all");
    fs::create_dir_all(&pack)?;
    fs::write(pack.join("allow_all.rego"), ALLOW_ALL)?;
    let (port, metrics) = (free_port()?, free_port()?);
    let text = fs::read_to_string(world.folder().join("portcullis.yaml"))?;
    let mut kept = String::new();
    let mut section = "";
    for line in text.lines() {
        if !line.starts_with([' ', '#']) {
            section = line.split(':').next().unwrap_or_default();
        }
        if !matches!(
            section,
            "policies" | "plugins" | "admin" | "state_dir" | "node"
        ) {
            kept.push_str(&line.replace(&format!(":{}", world.gateway.port), &format!(":{port}")));
            kept.push('\n');
        }
    }
    let at = folder.display();
    kept.push_str(&format!(
        "node: open\nstate_dir: {at}/state\npolicies:\n  packs:\n    - path: {at}/allow_all\nplugins: []\nadmin:\n  socket: {at}/admin.sock\n  metrics: 127.0.0.1:{metrics}\n"
    ));
    let config = folder.join("portcullis.yaml");
    fs::write(&config, kept)?;
    let program =
        portcullis_tests::gateway::program(&portcullis_tests::world::workspace(), "release")?;
    let environment = [("ORDERS_ADMIN_PASSWORD", world.admin_password.as_str())];
    portcullis_tests::Gateway::start(&program, &config, port, metrics, &environment)
}
