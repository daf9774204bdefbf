//! SSH: the host itself, through `ssh -J`, and through the gateway with recording on, in one run, interleaved. Round trips are
//! asyncssh's, so that no client process is among them; everything else is OpenSSH's own client. It refuses to print a row
//! for a road on which a command failed.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, DORA, Person};
use portcullis_tests::{SshOptions, SshWorld, install, world};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Instant;

/// How much is moved, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Rounds.
    pub rounds: u32,
    /// MiB of one bulk transfer.
    pub mib: u32,
    /// Connections, and commands on one connection.
    pub count: u32,
}

/// What is measured on each road, in the order of the table.
const ROWS: [(&str, &str); 8] = [
    ("connect", "ms per connection, `ssh host true`"),
    ("cpu", "ms of the gateway's processor per connection"),
    ("exec", "ms, a command on an open connection, p50"),
    ("echo", "ms, one byte through a terminal, p50"),
    ("down", "MiB/s down"),
    ("up", "MiB/s up"),
    ("scp down", "MiB/s, scp down"),
    ("scp up", "MiB/s, scp up"),
];

/// A way to the host.
struct Road<'a> {
    name: &'static str,
    world: &'a SshWorld,
    kind: Kind,
}

enum Kind {
    Direct,
    Jump,
    Gateway(&'static Person),
}

/// One figure.
struct Figure {
    row: &'static str,
    road: &'static str,
    value: f64,
}

/// Measures, prints and keeps the figures.
pub fn measure(amount: Amount) -> Result<()> {
    let profile = std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "release".to_owned());
    let world = SshWorld::start(&SshOptions {
        profile,
        ..SshOptions::default()
    })?;
    let road = |name, kind| Road {
        name,
        world: &world,
        kind,
    };
    let roads = [
        road("direct", Kind::Direct),
        road("ssh -J", Kind::Jump),
        road("Portcullis, recorded", Kind::Gateway(&DORA)),
        road("Portcullis, recorded and masked", Kind::Gateway(&ANA)),
    ];
    let file = world.folder().join("bulk");
    File::create(&file)?.set_len(u64::from(amount.mib) << 20)?;
    let mut figures = Vec::new();
    for round in 1..=amount.rounds {
        for road in &roads {
            eprintln!("round {round}/{}: {}", amount.rounds, road.name);
            figures.extend(
                road.measured(amount)
                    .with_context(|| format!("{}\n{}", road.name, world.gateway.log()))?,
            );
        }
    }
    let text = table(&roads, &figures, amount);
    println!("{text}");
    let file = world::workspace().join("tests/bench/ssh.md");
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

impl Road<'_> {
    fn measured(&self, amount: Amount) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        let mut add = |row, value| {
            figures.push(Figure {
                row,
                road: self.name,
                value,
            });
        };
        let connections = f64::from(amount.count);
        let before = cpu_seconds(self.world.gateway.pid())?;
        let wall = timed(|| (0..amount.count).try_for_each(|_| done(self.ssh("true")?)))?;
        add("connect", wall * 1000.0 / connections);
        if matches!(self.kind, Kind::Gateway(_)) {
            let spent = cpu_seconds(self.world.gateway.pid())? - before;
            add("cpu", spent * 1000.0 / connections);
        }
        let trips = self.trips(amount.count)?;
        for row in ["exec", "echo"] {
            add(row, trips[row].as_f64().context("a median")?);
        }
        let (mib, bytes) = (f64::from(amount.mib), u64::from(amount.mib) << 20);
        let bulk = self.world.folder().join("bulk");
        let mut rate = |row, run: &dyn Fn() -> Result<()>| -> Result<()> {
            add(row, mib / timed(run)?);
            Ok(())
        };
        rate("down", &|| {
            done(self.ssh(&format!("head -c {bytes} /dev/zero"))?)
        })?;
        rate("up", &|| {
            let mut ssh = self.ssh("cat > /dev/null")?;
            ssh.stdin(File::open(&bulk)?);
            done(ssh)
        })?;
        rate("scp up", &|| {
            self.scp(&bulk.display().to_string(), "HOST:bulk")
        })?;
        let back = self.world.folder().join("back");
        rate("scp down", &|| {
            self.scp("HOST:bulk", &back.display().to_string())
        })?;
        ensure!(fs::metadata(&back)?.len() == bytes, "all of it came back");
        fs::remove_file(&back)?;
        Ok(figures)
    }

    /// `ssh` on this road, with a command.
    fn ssh(&self, command: &str) -> Result<Command> {
        let mut ssh = match self.kind {
            Kind::Gateway(person) => self.world.ssh(person, &[], &[])?,
            Kind::Direct => self.world.host.direct()?,
            Kind::Jump => {
                let mut ssh = Command::new("ssh");
                let direct = self.world.host.direct()?;
                let arguments: Vec<_> = direct.get_args().map(ToOwned::to_owned).collect();
                ssh.arg("-o").arg(format!("ProxyCommand={}", self.proxy()?));
                ssh.args(arguments);
                ssh
            }
        };
        ssh.arg(command).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(ssh)
    }

    /// What `-J` runs, with a configuration of its own: the same server once more.
    fn proxy(&self) -> Result<String> {
        let direct = self.world.host.direct()?;
        let words: Vec<_> = direct
            .get_args()
            .map(|a| a.to_string_lossy().into_owned())
            .collect();
        Ok(format!("ssh -W %h:%p {}", words.join(" ")))
    }

    fn scp(&self, from: &str, to: &str) -> Result<()> {
        let ssh = self.ssh("")?;
        // Options that `scp` hands on to `ssh`, without destination and command.
        let words: Vec<_> = ssh.get_args().map(ToOwned::to_owned).collect();
        let mut scp = Command::new("scp");
        scp.arg("-q");
        let (mut words, mut user) = (words.into_iter(), self.world.host.login.clone());
        while let Some(word) = words.next() {
            match word.to_string_lossy().as_ref() {
                "-p" => drop(scp.arg("-P").arg(words.next().context("a port")?)),
                "-l" => {
                    user = words
                        .next()
                        .context("a login")?
                        .to_string_lossy()
                        .into_owned()
                }
                option if option.starts_with('-') => {
                    let value = words.next().context("an option's value")?;
                    scp.arg(option).arg(value);
                }
                _ => break,
            }
        }
        if matches!(self.kind, Kind::Gateway(_)) {
            user.push_str("@web-1");
        }
        for (name, value) in ssh.get_envs() {
            if let Some(value) = value {
                scp.env(name, value);
            }
        }
        let host = format!("{user}@127.0.0.1:");
        scp.arg(from.replace("HOST:", &host))
            .arg(to.replace("HOST:", &host));
        scp.stdout(Stdio::null());
        done(scp)
    }

    /// Medians of round trips over one connection.
    fn trips(&self, count: u32) -> Result<serde_json::Value> {
        let python = match std::env::var_os("PORTCULLIS_PYTHON") {
            Some(python) => python.into(),
            None => install::python(&world::workspace())?,
        };
        let host = &self.world.host;
        let known = self.world.folder().join("known_all");
        let gateway = fs::read_to_string(self.world.known_hosts())?;
        fs::write(&known, format!("{}{gateway}", host.known()?))?;
        let mut command = Command::new(python);
        command.arg(world::workspace().join("tests/bench/ssh.py"));
        let login = host.login.as_str();
        let key = host.folder().join("direct");
        match self.kind {
            Kind::Gateway(person) => {
                command
                    .args([&self.world.port.to_string(), &format!("{login}@web-1")])
                    .arg(&known)
                    .arg(count.to_string())
                    .env("TEST_TOKEN", self.world.issuer.token(person)?);
            }
            Kind::Direct | Kind::Jump => {
                let port = host.port.to_string();
                command.args([&port, login]).arg(&known);
                command.arg(count.to_string()).arg(&key);
                if matches!(self.kind, Kind::Jump) {
                    command.args([&port, login]);
                }
            }
        }
        let output = command.output().context("run Python")?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("read the medians")
    }
}

/// Processor time of a process, threads that have ended included (proc(5), `utime` and `stime` in ticks of 10 ms).
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("look at the gateway")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Ok(ticks.filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

fn timed(run: impl Fn() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    run()?;
    Ok(began.elapsed().as_secs_f64())
}

fn done(mut command: Command) -> Result<()> {
    let output = command.stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn table(roads: &[Road<'_>], figures: &[Figure], amount: Amount) -> String {
    let mut text = format!(
        "# SSH\n\n{} rounds, interleaved; medians, and in brackets the ratio to direct. {} MiB for each bulk row, {} connections and commands.\n\n| |",
        amount.rounds, amount.mib, amount.count
    );
    for road in roads {
        let _ = write!(text, " {} |", road.name);
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(roads.len()));
    text.push('\n');
    for (row, unit) in ROWS {
        let _ = write!(text, "| {row}: {unit} |");
        let direct = middle(figures, row, roads.first().map_or("", |r| r.name));
        for road in roads {
            let _ = match (middle(figures, row, road.name), direct) {
                (Some(value), Some(direct)) => {
                    write!(text, " {value:.2} [{:.2}] |", value / direct)
                }
                (Some(value), None) => write!(text, " {value:.2} |"),
                (None, _) => write!(text, " - |"),
            };
        }
        text.push('\n');
    }
    text
}

fn middle(figures: &[Figure], row: &str, road: &str) -> Option<f64> {
    let of = |f: &&Figure| f.row == row && f.road == road;
    let mut values: Vec<f64> = figures.iter().filter(of).map(|f| f.value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
