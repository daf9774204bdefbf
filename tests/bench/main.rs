//! The figures: direct, PgBouncer and Portcullis in one run, interleaved, medians of rounds, as ratios.
//! Processor time is what the kernel accounted to the proxy's own process. It refuses to print a ratio of
//! figures that come from different runs.

mod idle;
mod kubernetes;
mod measure;
mod peers;
mod policy;
mod report;
mod ssh;

use anyhow::{Context, Result};
use measure::{Load, Sample};
use peers::Peers;
use std::time::Duration;

const HELP: &str = "\
portcullis-bench [--rounds N] [--seconds N] [--quick] [--hold] [LOAD ...]

Loads: s1 s8 (select-only, simple), p1 p8 (prepared), b8 (TPC-B), rows (1M rows), copy (500 MB COPY).
Default: all of these. `policy` alone: decisions, reload and replay of policies.

portcullis-bench idle [--sessions N] [--wait SECONDS]

Memory of idle sessions: 200 to a real PostgreSQL, N (5000) to a stand-in.

portcullis-bench ssh [--rounds N] [--mib N] [--count N]

SSH beside direct and ssh -J: connections, commands, echo, bulk (256 MiB), scp.

portcullis-bench kubernetes [--rounds N] [--count N] [--filter]

A cluster beside direct and kubectl proxy: lists of 10,000 pods, a watch, exec, memory. --filter: under a filter as well.

--hold starts everybody, says where they are, and waits for a line: for a profiler.
";

fn main() -> Result<()> {
    let mut rounds = 3;
    let mut seconds = 5;
    let mut hold = false;
    let mut loads = Vec::new();
    let (mut idle, mut sessions, mut wait) = (false, 5000, 60);
    let (mut over_ssh, mut mib, mut count) = (false, 256, 40);
    let (mut cluster, mut filter) = (false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            arguments
                .next()
                .context("a number is missing")?
                .parse::<u32>()
                .context("read a number")
        };
        match argument.as_str() {
            "--rounds" => rounds = number()?,
            "--seconds" => seconds = number()?,
            "--hold" => hold = true,
            "--quick" => (rounds, seconds) = (1, 2),
            "policy" => return policy::run("release"),
            "ssh" => over_ssh = true,
            "kubernetes" => cluster = true,
            "--filter" => filter = true,
            "--mib" => mib = number()?,
            "--count" => count = number()?,
            "--sessions" => sessions = number()?,
            "--wait" => wait = number()?,
            "idle" => idle = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            name => loads.push(
                Load::named(name).with_context(|| format!("there is no load `{name}`\n{HELP}"))?,
            ),
        }
    }
    if idle {
        return idle::measure(sessions, Duration::from_secs(u64::from(wait)));
    }
    if cluster {
        return kubernetes::measure(kubernetes::Amount {
            rounds,
            count,
            filter,
        });
    }
    if over_ssh {
        return ssh::measure(ssh::Amount { rounds, mib, count });
    }
    if loads.is_empty() {
        loads = Load::ALL.to_vec();
    }
    let peers = Peers::start(&loads)?;
    match hold {
        true => stand_still(&peers),
        false => through(&peers, &loads, (rounds, seconds)),
    }
}

/// Every load through everybody, round by round.
fn through(peers: &Peers, loads: &[Load], (rounds, seconds): (u32, u32)) -> Result<()> {
    let mut samples: Vec<Sample> = Vec::new();
    for round in 1..=rounds {
        for load in loads {
            for peer in peers.all() {
                eprintln!(
                    "round {round}/{rounds}: {} through {}",
                    load.name(),
                    peer.name
                );
                samples.push(measure::run(*load, peer, seconds)?);
            }
        }
    }
    let text = report::table(&samples, rounds, seconds);
    println!("{text}");
    let file = portcullis_tests::world::workspace().join("tests/bench/results.md");
    std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

/// Says how to reach each of them, until a line comes.
fn stand_still(peers: &Peers) -> Result<()> {
    for peer in peers.all() {
        let pid = peer
            .pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        println!("{}\t{pid}\t{}\t{}", peer.name, peer.dsn, peer.password);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("wait")?;
    Ok(())
}
