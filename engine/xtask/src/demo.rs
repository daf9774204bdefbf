//! `cargo xtask demo`: the main job, with real processes and their real output. Every step says what it
//! expects and fails when it does not see it.

mod kubernetes;
mod postgres;
mod ssh;
mod watch;

use crate::{build, screen};
use anyhow::{Context, Result, bail};
use portcullis_tests::install::{self, Need};
use portcullis_tests::issuer::{AGENT, ANA, BEA};
use portcullis_tests::kubernetes::ClusterWorld;
use portcullis_tests::{SshWorld, World, WorldOptions};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use watch::Watch;

/// Python runs what stands in for a cluster.
const NEEDS: [Need; 6] = [
    Need::Libclang,
    Need::Postgres,
    Need::OpenSsh,
    Need::Linux,
    Need::Kubectl,
    Need::Python,
];

/// Runs it; `--exit` ends it after the last step.
pub fn run(workspace: &Path, arguments: &[String]) -> Result<()> {
    let exit = match arguments {
        [] => false,
        [flag] if flag == "--exit" => true,
        _ => bail!("usage: cargo xtask demo [--exit]"),
    };
    let began = Instant::now();
    // Ctrl-C reaches psql too: the step then fails, and the world is taken down in order.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, stop.clone()).context("watch for Ctrl-C")?;
    }
    screen::heading("What the demo needs");
    install::ensure(&NEEDS)?;
    screen::seen("PostgreSQL, OpenSSH, kubectl, Python, libclang");
    screen::heading("Building");
    build::gateway(workspace)?;
    screen::heading("Starting a throw-away PostgreSQL, the development issuer and the gateway");
    let options = WorldOptions {
        profile: "release".to_owned(),
        ..WorldOptions::default()
    };
    let world = World::start(&options)?;
    screen::seen(&format!(
        "PostgreSQL on 127.0.0.1:{}, 200 customers in database orders",
        world.cluster.port
    ));
    screen::seen(&format!(
        "development issuer on {} (never for production)",
        world.issuer.url()
    ));
    screen::seen(&format!(
        "gateway on 127.0.0.1:{}, TLS, state in {}",
        world.gateway.port,
        world.gateway.state().display()
    ));

    let mut watch = Watch::default();
    let mut tour = postgres::Tour {
        world: &world,
        watch: &mut watch,
    };
    tour.walk()?;
    let hosts = start_hosts()?;
    ssh::Tour::new(&hosts, &mut watch).walk()?;
    let clusters = start_clusters()?;
    kubernetes::Tour::new(&clusters, &mut watch).walk()?;

    let missed = std::mem::take(&mut watch.missed);
    screen::heading(&format!(
        "{} processes watched, {:.0} s in all",
        watch.seen.len(),
        began.elapsed().as_secs_f64()
    ));
    if !missed.is_empty() {
        for miss in &missed {
            eprintln!("  {} {miss}", screen::red("missed"));
        }
        bail!(
            "{} of the demo's steps did not show what they should",
            missed.len()
        );
    }
    screen::seen("everything showed what it should");
    if exit {
        Ok(())
    } else {
        by_hand(&world, (&hosts, &clusters), &stop)
    }
}

/// A host to reach over SSH.
fn start_hosts() -> Result<SshWorld> {
    screen::heading("Starting a throw-away OpenSSH server, with a gateway in front of it");
    let hosts = ssh::world()?;
    screen::seen(&format!(
        "sshd on 127.0.0.1:{}, by {} with a home in {}",
        hosts.host.port,
        hosts.host.login,
        hosts.host.home().display()
    ));
    screen::seen(&format!("gateway on 127.0.0.1:{}", hosts.port));
    Ok(hosts)
}

/// A cluster to reach with kubectl.
fn start_clusters() -> Result<ClusterWorld> {
    screen::heading(
        "Starting a stand-in for a cluster's API server (no real cluster), with a gateway in front of it",
    );
    let clusters = kubernetes::world()?;
    screen::seen(&format!("its API on 127.0.0.1:{}", clusters.api.port));
    screen::seen(&format!("gateway on 127.0.0.1:{}", clusters.gateway.port));
    Ok(clusters)
}

/// Lines to copy, and then it stays until it is interrupted.
fn by_hand(
    world: &World,
    (hosts, clusters): (&SshWorld, &ClusterWorld),
    stop: &AtomicBool,
) -> Result<()> {
    let (agent, ana) = (world.token(&AGENT)?, world.token(&ANA)?);
    let config = world.gateway.folder().join("portcullis.yaml");
    let program = world.gateway.command(&[]);
    let program = Path::new(program.get_program()).display().to_string();
    for (name, token) in [("agent", &agent), ("ana", &ana)] {
        std::fs::write(world.folder().join(format!("{name}.token")), token)?;
    }
    let (at, fresh) = (world.folder().display(), world.issuer.asks_for(&BEA));
    screen::heading(
        "Try it by hand (tokens are good for an hour; a vote takes a login of the last quarter of it)",
    );
    println!("
  as the agent:      PGPASSWORD=$(cat {at}/agent.token) psql \"{dsn}\"
  as ana:            PGPASSWORD=$(cat {at}/ana.token) psql \"{dsn}\"
                     then: DELETE FROM stale_carts WHERE id < 30;
  who waits:         {program} approvals list --config {config}
  approve as bea:    PORTCULLIS_TOKEN=$({fresh}) {program} approvals approve ID --reason \"fine\" --config {config}
  sessions:          {program} sessions list --recorded --config {config}
  replay one:        {program} sessions replay SESSION --config {config}
  verify the record: {program} journal verify --config {config}", dsn = world.dsn("anybody", "orders"), config = config.display());
    ssh::by_hand(hosts, &program)?;
    kubernetes::by_hand(clusters, &program)?;
    println!("\nCtrl-C ends it and removes everything.");
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
