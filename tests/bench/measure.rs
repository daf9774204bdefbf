//! One load through one peer: transactions or megabytes per second, latency, and what the proxy's process
//! spent on it.

use crate::peers::Peer;
use anyhow::{Context, Result};
use portcullis_tests::{install, median, process};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Select-only, simple protocol, 1 or 8 clients.
    Simple(u32),
    /// Select-only, prepared, 1 or 8 clients.
    Prepared(u32),
    /// TPC-B, 8 clients.
    TpcB,
    /// One SELECT of a million rows.
    Rows,
    /// One COPY of 500 MB.
    Copy,
}

impl Load {
    /// All, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Simple(1),
        Self::Simple(8),
        Self::Prepared(1),
        Self::Prepared(8),
        Self::TpcB,
        Self::Rows,
        Self::Copy,
    ];

    /// By its name on the command line.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple(1) => "s1",
            Self::Simple(_) => "s8",
            Self::Prepared(1) => "p1",
            Self::Prepared(_) => "p8",
            Self::TpcB => "b8",
            Self::Rows => "rows",
            Self::Copy => "copy",
        }
    }

    /// What its rate is counted in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Rows => "Mrow/s",
            Self::Copy => "MB/s",
            _ => "tps",
        }
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The load.
    pub load: Load,
    /// The peer's name.
    pub peer: &'static str,
    /// Rate in the load's unit.
    pub rate: f64,
    /// Median latency of a transaction in milliseconds, where there are many.
    pub p50: Option<f64>,
    /// Proxy processor time: microseconds per transaction, or seconds per GB or million rows.
    pub cpu: Option<f64>,
    /// Resident memory of the proxy afterwards, MiB.
    pub rss: Option<f64>,
}

/// Runs one.
pub fn run_load(load: Load, peer: &Peer, seconds: u32) -> Result<(f64, Option<f64>, f64)> {
    match load {
        Load::Simple(clients) => pgbench(peer, clients, seconds, &["-S"]),
        Load::Prepared(clients) => pgbench(peer, clients, seconds, &["-S", "-M", "prepared"]),
        Load::TpcB => pgbench(peer, 8, seconds, &[]),
        Load::Rows => stream(peer, "SELECT id, a, b FROM big LIMIT 1000000")
            .map(|(wall, _)| (1.0 / wall, None, 1.0)),
        Load::Copy => stream(peer, "COPY big TO STDOUT")
            .map(|(wall, bytes)| (bytes / 1e6 / wall, None, bytes / 1e9)),
    }
}

/// Runs one and accounts the proxy's processor time to it.
pub fn run(load: Load, peer: &Peer, seconds: u32) -> Result<Sample> {
    let before = peer.pid.map(cpu_seconds).transpose()?;
    let (rate, p50, amount) = run_load(load, peer, seconds)?;
    let after = peer.pid.map(cpu_seconds).transpose()?;
    let spent = before.zip(after).map(|(b, a)| a - b);
    let cpu = spent.map(|s| match load {
        Load::Rows | Load::Copy => s / amount,
        _ => s * 1e6 / amount,
    });
    let rss = peer.pid.map(resident_mib).transpose()?;
    Ok(Sample {
        load,
        peer: peer.name,
        rate,
        p50,
        cpu,
        rss,
    })
}

fn pgbench(
    peer: &Peer,
    clients: u32,
    seconds: u32,
    more: &[&str],
) -> Result<(f64, Option<f64>, f64)> {
    let bin = install::postgres_bin().context("find pgbench")?;
    let folder = std::env::temp_dir().join(format!("portcullis-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let prefix = folder.join("log");
    let output = run_command(
        Command::new(bin.join("pgbench"))
            .args([
                "-n",
                "-c",
                &clients.to_string(),
                "-j",
                &clients.min(2).to_string(),
                "-T",
                &seconds.to_string(),
            ])
            .args(["-l", "--sampling-rate=0.5"])
            .arg(format!("--log-prefix={}", prefix.display()))
            .args(more)
            .arg(&peer.dsn)
            .env("PGPASSWORD", &peer.password),
    )?;
    let number = |key: &str| {
        output
            .lines()
            .find_map(|l| l.strip_prefix(key))
            .and_then(|rest| {
                rest.trim_start_matches([' ', '=', ':'])
                    .split([' ', '/'])
                    .next()
                    .and_then(|n| n.parse::<f64>().ok())
            })
    };
    let tps = number("tps").context("read the tps of pgbench")?;
    let count = number("number of transactions actually processed")
        .context("read the transactions of pgbench")?;
    let mut latencies: Vec<f64> = Vec::new();
    for entry in fs::read_dir(&folder)?.flatten() {
        for line in fs::read_to_string(entry.path())?.lines() {
            if let Some(us) = line.split(' ').nth(2).and_then(|n| n.parse::<f64>().ok()) {
                latencies.push(us / 1000.0);
            }
        }
    }
    fs::remove_dir_all(&folder)?;
    Ok((tps, median(&latencies), count))
}

fn run_command(command: &mut Command) -> Result<String> {
    process::run(command)
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .context("run a load")
}

/// Streams one statement's result into nothing: seconds and bytes.
fn stream(peer: &Peer, sql: &str) -> Result<(f64, f64)> {
    let began = Instant::now();
    let mut child = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-c", sql, &peer.dsn])
        .env("PGPASSWORD", &peer.password)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .context("run psql")?;
    let mut out = child.stdout.take().context("read from psql")?;
    let bytes = std::io::copy(&mut out, &mut std::io::sink())?;
    let status = child.wait()?;
    anyhow::ensure!(
        status.success(),
        "psql failed on {sql} through {}",
        peer.name
    );
    Ok((began.elapsed().as_secs_f64(), bytes as f64))
}

/// User and system time of a process, from the kernel's accounting of each of its threads.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))
        .context("look at the proxy's threads")?
        .flatten()
    {
        let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanoseconds += stat
            .split(' ')
            .next()
            .and_then(|n| n.parse::<f64>().ok())
            .unwrap_or(0.0);
    }
    Ok(nanoseconds / 1e9)
}

pub fn resident_mib(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = text
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse::<f64>().ok());
    Ok(kib.context("read the proxy's memory")? / 1024.0)
}
