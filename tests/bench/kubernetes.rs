//! A cluster: its API server directly, through `kubectl proxy`, and through the gateway with masking and recording on, in
//! one run, interleaved. The server sends bytes that were prepared, so that it is nobody's bottleneck; clients are
//! `kubectl` and `curl`. Memory is the gateway's own, at its highest. It refuses to print a row for a road on which
//! a command failed.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, BEA, CLEO, Person};
use portcullis_tests::kubernetes::{ClusterOptions, ClusterWorld, VIEW};
use portcullis_tests::process::{Server, free_port};
use portcullis_tests::{median, world};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How much is done, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Rounds.
    pub rounds: u32,
    /// Lines that are sent through an exec.
    pub count: u32,
    /// Under a filter as well.
    pub filter: bool,
}

/// What is measured, in the order of the table; true where more is better.
const ROWS: [(&str, &str, bool); 8] = [
    ("list", "s, `kubectl get pods -A`, 10,000 pods", false),
    (
        "table",
        "s, the same table with `curl`, in one piece",
        false,
    ),
    ("objects", "s, 10,000 whole pods with `curl`", false),
    (
        "follow",
        "events/s, `kubectl get pods -w`, 20,000 events",
        true,
    ),
    ("watch", "events/s, the same events with `curl`", true),
    ("exec", "ms, `kubectl exec -- true`", false),
    (
        "line",
        "ms, one line through `kubectl exec -i -- cat` and back, p50",
        false,
    ),
    (
        "cpu",
        "s of the gateway's processor for the whole pods",
        false,
    ),
];

/// Events that the server sends.
const EVENTS: f64 = 20_000.0;

/// Of the bench's world: readers are shown everything but secrets.
const DATA: &str = "access:
  groups: {engineers: [all], dba: [all], shop-team: [all]}
  bindings: {all: {protocols: [kubernetes], labels: {app: shop}}}
config:
  commands: {admin_groups: [engineers, dba, shop-team]}
  mask: {readers: [dba]}
  cluster_view:
    exempt: [engineers, dba]
    namespaces: {shop-team: [shop]}
    labels: {app: {resources: [pods], groups: {shop-team: [cart-0]}}}
";

/// A way to the cluster.
struct Road<'w> {
    name: &'static str,
    url: String,
    token: Option<String>,
    authority: Option<String>,
    world: &'w ClusterWorld,
    /// It leads through the gateway.
    gated: bool,
}

struct Figure {
    row: &'static str,
    road: &'static str,
    value: f64,
}

/// Measures, prints and keeps the figures.
pub fn measure(amount: Amount) -> Result<()> {
    let world = started(amount)?;
    let (proxy, _running) = proxy(&world)?;
    let at = world.folder();
    let mut roads = vec![
        Road {
            name: "direct",
            url: format!("https://localhost:{}", world.api.port),
            token: Some(world.api.token.clone()),
            authority: Some(at.join("api.crt").display().to_string()),
            world: &world,
            gated: false,
        },
        Road {
            name: "kubectl proxy",
            url: format!("http://127.0.0.1:{proxy}"),
            token: None,
            authority: None,
            world: &world,
            gated: false,
        },
    ];
    for (name, person) in people(amount) {
        roads.push(gated(&world, name, person)?);
    }
    let mut figures = Vec::new();
    for round in 1..=amount.rounds {
        for road in &roads {
            eprintln!("round {round}/{}: {}", amount.rounds, road.name);
            let measured = road.measured(amount.count);
            figures.extend(
                measured.with_context(|| format!("{}\n{}", road.name, world.gateway.log()))?,
            );
        }
    }
    let mut text = table(&roads, &figures, amount);
    drop(roads);
    drop(world);
    text.push_str(&memory(amount)?);
    println!("{text}");
    let file = world::workspace().join("tests/bench/kubernetes.md");
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

fn started(amount: Amount) -> Result<ClusterWorld> {
    ClusterWorld::with(&ClusterOptions {
        script: world::workspace().join("tests/bench/kubernetes_api.py"),
        profile: "release".to_owned(),
        data: DATA.to_owned(),
        packs: if amount.filter { VIEW } else { "" },
        ..ClusterOptions::default()
    })
}

/// Who comes through the gateway, and what that road is called.
fn people(amount: Amount) -> Vec<(&'static str, &'static Person)> {
    let mut people = vec![
        ("Portcullis, secrets masked", &BEA),
        ("Portcullis, all entities masked", &ANA),
    ];
    if amount.filter {
        people.push(("the same under a filter", &CLEO));
    }
    people
}

fn gated<'w>(world: &'w ClusterWorld, name: &'static str, who: &Person) -> Result<Road<'w>> {
    Ok(Road {
        name,
        url: format!("https://localhost:{}/prod", world.gateway.port),
        token: Some(world.issuer.token(who)?),
        authority: Some(world.certificate().display().to_string()),
        world,
        gated: true,
    })
}

/// `kubectl proxy`, which carries the cluster's token.
fn proxy(world: &ClusterWorld) -> Result<(u16, Server)> {
    let port = free_port()?;
    let mut command = Command::new("kubectl");
    command
        .arg(format!("--server=https://localhost:{}", world.api.port))
        .arg(format!(
            "--certificate-authority={}",
            world.folder().join("api.crt").display()
        ))
        .arg(format!("--token={}", world.api.token))
        .args(["proxy", &format!("--port={port}"), "--reject-paths=^$"])
        .env("HOME", world.folder())
        .env("KUBECONFIG", "/dev/null");
    let mut server = Server::start(
        "kubectl proxy",
        command,
        &world.folder().join("proxy.log"),
        "TERM",
    )?;
    server.wait_for_port(port, Duration::from_secs(15))?;
    Ok((port, server))
}

impl Road<'_> {
    fn measured(&self, count: u32) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        let mut add = |row, value| {
            figures.push(Figure {
                row,
                road: self.name,
                value,
            });
        };
        add(
            "list",
            timed(|| done(self.kubectl(&["get", "pods", "-A"])))?,
        );
        add("table", self.fetched("/api/v1/pods", true, 10_000 * 500)?);
        let before = self.cpu()?;
        add(
            "objects",
            self.fetched("/api/v1/pods", false, 10_000 * 1000)?,
        );
        if self.gated {
            add("cpu", self.cpu()? - before);
        }
        let watch = self.fetched("/api/v1/pods?watch=true", false, 20_000 * 1000)?;
        add("watch", EVENTS / watch);
        add("follow", EVENTS / self.followed()?);
        let exec = ["exec", "-n", "shop", "cart-0", "--", "true"];
        add("exec", timed(|| done(self.kubectl(&exec)))? * 1000.0);
        add("line", self.lines(count)?);
        Ok(figures)
    }

    fn cpu(&self) -> Result<f64> {
        super::ssh::cpu_seconds(self.world.gateway.pid())
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg(format!("--server={}", self.url));
        if let Some(authority) = &self.authority {
            command.arg(format!("--certificate-authority={authority}"));
        }
        if let Some(token) = &self.token {
            command.arg(format!("--token={token}"));
        }
        command
            .args(arguments)
            .env("HOME", self.world.folder())
            .env("KUBECONFIG", "/dev/null")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Seconds from the request to the last byte, with `curl`.
    fn fetched(&self, path: &str, table: bool, least: u64) -> Result<f64> {
        let accept = match table {
            true => "application/json;as=Table;v=v1;g=meta.k8s.io",
            false => "application/json",
        };
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--http1.1", "-o", "/dev/null", "-w"])
            .arg("%{time_total} %{time_appconnect} %{size_download}")
            .args(["-H", &format!("Accept: {accept}")]);
        if let Some(authority) = &self.authority {
            curl.args(["--cacert", authority]);
        }
        if let Some(token) = &self.token {
            curl.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let output = curl
            .arg(format!("{}{path}", self.url))
            .output()
            .context("run curl")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "curl {path}: {said} {told}");
        let numbers: Vec<f64> = said
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        let [total, connected, bytes] = numbers.as_slice() else {
            anyhow::bail!("curl says {said}");
        };
        ensure!(*bytes >= least as f64, "{path}: {bytes} bytes are too few");
        Ok(total - connected)
    }

    /// Seconds until `kubectl` has shown all events of a watch.
    fn followed(&self) -> Result<f64> {
        let began = Instant::now();
        let mut child = self
            .kubectl(&["get", "pods", "-n", "one", "-w", "-o", "name"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("standard output")?).lines();
        let count = lines.map_while(std::result::Result::ok).count();
        // The server ends the watch, which kubectl may call an error.
        child.wait()?;
        ensure!(count as f64 >= EVENTS, "{count} events are too few");
        Ok(began.elapsed().as_secs_f64())
    }

    /// The median of a line's way there and back.
    fn lines(&self, count: u32) -> Result<f64> {
        let mut child = self
            .kubectl(&["exec", "-i", "-n", "shop", "cart-0", "--", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("standard input")?;
        let mut output = BufReader::new(child.stdout.take().context("standard output")?);
        let mut times = Vec::new();
        for number in 0..count + 3 {
            let (line, began) = (format!("line {number}\n"), Instant::now());
            input.write_all(line.as_bytes())?;
            let mut back = String::new();
            output.read_line(&mut back)?;
            ensure!(back == line, "`{back}` comes back");
            // The first ones wait for the connection.
            if number >= 3 {
                times.push(began.elapsed().as_secs_f64() * 1000.0);
            }
        }
        drop(input);
        ensure!(child.wait()?.success(), "kubectl exec failed");
        median(&times).context("a median")
    }

    /// The gateway's memory at its highest while something runs, in MiB.
    fn highest(&self, run: impl Fn() -> Result<f64>) -> Result<(f64, f64)> {
        let at = format!("/proc/{}", self.world.gateway.pid());
        fs::write(format!("{at}/clear_refs"), "5").context("forget the highest memory")?;
        let read = |what: &str| -> Result<f64> {
            let status = fs::read_to_string(format!("{at}/status"))?;
            let line = status
                .lines()
                .find(|l| l.starts_with(what))
                .context("memory")?;
            let kib = line.split_whitespace().nth(1).context("a number")?;
            Ok(kib.parse::<f64>()? / 1024.0)
        };
        let before = read("VmRSS:")?;
        run()?;
        Ok((before, read("VmHWM:")?))
    }
}

/// Memory of a gateway that has just begun, on lists of rising length and a long watch: what is streamed costs the same at
/// any length. Each figure is of a gateway of its own: one that has grown already shows no growth.
fn memory(amount: Amount) -> Result<String> {
    let people = people(amount);
    let mut text =
        "\nMemory: each figure is of a gateway of its own that has just started.\n\n".to_owned();
    text.push_str("| the gateway's memory, MiB: before, highest |");
    for (name, _) in &people {
        let _ = write!(text, " {name} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(people.len()));
    text.push('\n');
    for (row, path, table) in [
        ("100 whole pods", "/api/v1/pods?limit=100", false),
        ("1,000 whole pods", "/api/v1/pods?limit=1000", false),
        ("10,000 rows of a table", "/api/v1/pods", true),
        ("10,000 whole pods", "/api/v1/pods", false),
        ("a watch, 20,000 events", "/api/v1/pods?watch=true", false),
    ] {
        let _ = write!(text, "| {row} |");
        for (name, person) in &people {
            let world = started(amount)?;
            let road = gated(&world, name, person)?;
            let (before, highest) = road.highest(|| road.fetched(path, table, 1000))?;
            let _ = write!(text, " {before:.0}, {highest:.0} |");
        }
        text.push('\n');
    }
    Ok(text)
}

fn timed(run: impl Fn() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    run()?;
    Ok(began.elapsed().as_secs_f64())
}

fn done(mut command: Command) -> Result<()> {
    let output = command.stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {told}", output.status);
    Ok(())
}

fn table(roads: &[Road<'_>], figures: &[Figure], amount: Amount) -> String {
    let mut text = format!(
        "# Kubernetes\n\n{} rounds, interleaved; medians, and in brackets how many times as long as direct, within a round. {} lines.\nThe budget is 1.5 times direct: what misses it, and why, is in README.md.\n\n| |",
        amount.rounds, amount.count
    );
    for road in roads {
        let _ = write!(text, " {} |", road.name);
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(roads.len()));
    text.push('\n');
    for (row, unit, rate) in ROWS {
        let _ = write!(text, "| {row}: {unit} |");
        let direct = values(figures, row, "direct");
        for road in roads {
            let here = values(figures, row, road.name);
            // Within a round: what else the machine did was the same for both.
            let pairs = here.iter().zip(&direct);
            let ratios: Vec<f64> = pairs
                .map(|(here, direct)| if rate { direct / here } else { here / direct })
                .collect();
            let _ = match (median(&here), median(&ratios)) {
                (Some(value), Some(ratio)) => write!(text, " {value:.3} [{ratio:.2}] |"),
                (Some(value), None) => write!(text, " {value:.3} |"),
                (None, _) => write!(text, " - |"),
            };
        }
        text.push('\n');
    }
    text
}

/// What was measured of a row on a road, round by round.
fn values(figures: &[Figure], row: &str, road: &str) -> Vec<f64> {
    let of = |f: &&Figure| f.row == row && f.road == road;
    figures.iter().filter(of).map(|f| f.value).collect()
}
