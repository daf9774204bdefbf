//! SSH: the host itself, through `ssh -J`, and through the gateway with recording on, in one run, interleaved. Round trips are
//! asyncssh's, so that no client process is among them; everything else is OpenSSH's own client. It refuses to print a row
//! for a road on which a command failed.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, DORA, Person};
use portcullis_tests::{SshOptions, SshWorld, install, median, world};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// Idle sessions that are opened, after as many as warm the gateway up.
const IDLE: (u32, u32) = (20, 100);

/// What is measured on each road, in the order of the table.
const ROWS: [(&str, &str); 9] = [
    ("connect", "ms per connection, `ssh host true`"),
    ("rate", "connections a second, eight at a time"),
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
    /// With a token: asking for one is no part of a connection.
    Gateway(String),
}

/// One figure.
struct Figure {
    row: &'static str,
    road: &'static str,
    round: u32,
    value: f64,
}

/// Measures, prints and keeps the figures.
pub fn measure(amount: Amount) -> Result<()> {
    let profile = std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "release".to_owned());
    let world = SshWorld::start(&SshOptions {
        profile,
        // More is moved here within an hour than one identity may usually have on record.
        more: "recording: { per_identity_mib_per_hour: 1048576 }\n".to_owned(),
        ..SshOptions::default()
    })?;
    let token = |person: &Person| world.issuer.token(person);
    let road = |name, kind| Road {
        name,
        world: &world,
        kind,
    };
    let roads = [
        road("direct", Kind::Direct),
        road("ssh -J", Kind::Jump),
        road("Portcullis, recorded", Kind::Gateway(token(&DORA)?)),
        road(
            "Portcullis, recorded and masked",
            Kind::Gateway(token(&ANA)?),
        ),
    ];
    let file = world.folder().join("bulk");
    File::create(&file)?.set_len(u64::from(amount.mib) << 20)?;
    let mut figures = Vec::new();
    for round in 1..=amount.rounds {
        for road in &roads {
            eprintln!("round {round}/{}: {}", amount.rounds, road.name);
            figures.extend(
                road.measured(amount, round)
                    .with_context(|| format!("{}\n{}", road.name, world.gateway.log()))?,
            );
        }
    }
    let mut text = table(&roads, &figures, amount);
    text.push_str(&idle(&world)?);
    println!("{text}");
    let file = world::workspace().join("tests/bench/ssh.md");
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

impl Road<'_> {
    fn measured(&self, amount: Amount, round: u32) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        let mut add = |row, value| {
            figures.push(Figure {
                row,
                road: self.name,
                round,
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
        let each = amount.count.div_ceil(8);
        let crowd = timed(|| self.crowd(each))?;
        add("rate", f64::from(each * 8) / crowd);
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

    /// Eight clients, each with so many connections, one after the other.
    fn crowd(&self, each: u32) -> Result<()> {
        let mut clients = Vec::new();
        for _ in 0..8 {
            let commands = (0..each).map(|_| self.ssh("true"));
            let commands = commands.collect::<Result<Vec<_>>>()?;
            clients.push(std::thread::spawn(move || {
                commands.into_iter().try_for_each(done)
            }));
        }
        clients
            .into_iter()
            .try_for_each(|client| client.join().ok().context("a client was lost")?)
    }

    /// `ssh` on this road, with a command.
    fn ssh(&self, command: &str) -> Result<Command> {
        let mut ssh = match &self.kind {
            Kind::Gateway(token) => {
                let mut ssh = self.world.client(token);
                ssh.arg(format!("{}@web-1@127.0.0.1", self.world.host.login));
                ssh
            }
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
        let python = python()?;
        let host = &self.world.host;
        let known = self.world.folder().join("known_all");
        let gateway = fs::read_to_string(self.world.known_hosts())?;
        fs::write(&known, format!("{}{gateway}", host.known()?))?;
        let mut command = Command::new(python);
        command.arg(world::workspace().join("tests/bench/ssh.py"));
        let login = host.login.as_str();
        let key = host.folder().join("direct");
        match &self.kind {
            Kind::Gateway(token) => {
                command
                    .args([&self.world.port.to_string(), &format!("{login}@web-1")])
                    .arg(&known)
                    .arg(count.to_string())
                    .env("TEST_TOKEN", token);
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
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
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

fn python() -> Result<PathBuf> {
    match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => Ok(python.into()),
        None => install::python(&world::workspace()),
    }
}

/// Resident memory of a process, in KiB.
fn resident(pid: u32) -> Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("look at the gateway")?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let number = line.and_then(|l| l.split_whitespace().nth(1));
    number.context("VmRSS")?.parse().context("a number")
}

/// What a session costs that does nothing: each has run a command, and its connection to the host is kept.
fn idle(world: &SshWorld) -> Result<String> {
    let pid = world.gateway.pid();
    let open = |count: u32, terminal: bool| -> Result<f64> {
        let mut command = Command::new(python()?);
        let login = format!("{}@web-1", world.host.login);
        command
            .arg(world::workspace().join("tests/bench/ssh_idle.py"))
            .args([&world.port.to_string(), &login])
            .arg(world.known_hosts())
            .arg(count.to_string())
            .args(terminal.then_some("terminal"))
            .env("TEST_TOKEN", world.issuer.token(&ANA)?);
        let before = resident(pid)?;
        let mut clients = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start Python")?;
        let mut said = BufReader::new(clients.stdout.take().context("a pipe")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        ensure!(line == "open\n", "they are not open: {line}");
        // As the budget of idle sessions has it; what plugins hold is let go by then.
        std::thread::sleep(Duration::from_secs(60));
        let after = resident(pid)?;
        drop(clients.stdin.take());
        ensure!(clients.wait()?.success(), "they did not end well");
        Ok(after - before)
    };
    let (warm, count) = IDLE;
    let mut text = String::new();
    for (what, terminal) in [("", false), (" with a terminal open", true)] {
        open(warm, terminal)?;
        // What these have let go is used again by as many of the next ones.
        let each = open(count + warm, terminal)? / f64::from(count);
        let _ = match each > 0.0 {
            true => writeln!(
                text,
                "\nAn idle session{what}: {each:.0} KiB (masked and recorded, {} of them, after {warm} before).",
                count + warm
            ),
            // The gateway has let go of more than they took.
            false => writeln!(
                text,
                "\nAn idle session{what}: not measured in this run (the gateway's memory did not grow by {} of them).",
                count + warm
            ),
        };
    }
    Ok(text)
}

fn table(roads: &[Road<'_>], figures: &[Figure], amount: Amount) -> String {
    let mut text = format!(
        "# SSH\n\n{} rounds, interleaved; medians, and in brackets the ratio to direct in the same round: the median, and the best. {} MiB for each bulk row, {} connections and commands.\nThe last column has the budget that every row is better than `ssh -J`: the medians of Portcullis as ratios to it in the same round.\n\n| |",
        amount.rounds, amount.mib, amount.count
    );
    for road in roads {
        let _ = write!(text, " {} |", road.name);
    }
    text.push_str(" better than `ssh -J` |\n|---|");
    text.push_str(&"---|".repeat(roads.len() + 1));
    text.push('\n');
    for (row, unit) in ROWS {
        let _ = write!(text, "| {row}: {unit} |");
        for road in roads {
            let of: Vec<&Figure> = figures
                .iter()
                .filter(|f| f.row == row && f.road == road.name)
                .collect();
            let ratios = ratios(figures, row, road.name, "direct");
            let best = match more_is_better(unit) {
                true => ratios.last(),
                false => ratios.first(),
            };
            let values = sorted(of.iter().map(|f| f.value));
            let _ = match (median(&values), median(&ratios), best) {
                (Some(value), Some(ratio), Some(best)) => {
                    write!(text, " {value:.2} [{ratio:.2}, {best:.2}] |")
                }
                (Some(value), ..) => write!(text, " {value:.2} |"),
                (None, ..) => write!(text, " - |"),
            };
        }
        let gated = roads.iter().filter(|r| matches!(r.kind, Kind::Gateway(_)));
        let gated = gated.filter_map(|r| median(&ratios(figures, row, r.name, "ssh -J")));
        let _ = writeln!(text, " {} |", beside_jump(&gated.collect::<Vec<_>>(), unit));
    }
    text
}

/// Where something is counted by the second.
fn more_is_better(unit: &str) -> bool {
    unit.contains("/s") || unit.contains("a second")
}

/// A row on one road beside another, within each round.
fn ratios(figures: &[Figure], row: &str, road: &str, beside: &str) -> Vec<f64> {
    let of = figures.iter().filter(|f| f.row == row && f.road == road);
    sorted(of.filter_map(|f| {
        let other = figures
            .iter()
            .find(|o| o.row == row && o.round == f.round && o.road == beside)?;
        Some(f.value / other.value)
    }))
}

fn beside_jump(ratios: &[f64], unit: &str) -> String {
    if ratios.is_empty() {
        return "-".to_owned();
    }
    let better = |ratio: &f64| match more_is_better(unit) {
        true => *ratio > 1.0,
        false => *ratio < 1.0,
    };
    let said: Vec<String> = ratios.iter().map(|r| format!("{r:.2}x")).collect();
    let word = if ratios.iter().all(better) {
        "met"
    } else {
        "missed"
    };
    format!("{word}: {}", said.join(", "))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
