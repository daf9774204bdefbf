//! Collectors that fall: OTLP that asks for time and refuses a part for good, syslog that is down, goes in the middle of a
//! message and closes without having read, both in the hands of somebody with another certificate, and a gateway that is
//! killed meanwhile. Everything arrives at least once and in order, as it does where nothing falls.

use super::ends::Collector;
use super::{check, until};
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::AGENT;
use portcullis_tests::kubernetes::certificate;
use portcullis_tests::process::{Server, free_port, run};
use portcullis_tests::world::workspace;
use portcullis_tests::{Scratch, World, WorldOptions};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// One that is told how to behave, each time anew.
struct Fickle {
    kind: &'static str,
    port: u16,
    at: PathBuf,
    running: Option<Server>,
}

impl Fickle {
    fn new(folder: &Scratch, kind: &'static str) -> Result<Self> {
        let at = folder.path().join(kind);
        fs::create_dir(&at)?;
        certificate(&at, "own")?;
        certificate(&at, "other")?;
        elsewhere(&at)?;
        let port = free_port()?;
        Ok(Self {
            kind,
            port,
            at,
            running: None,
        })
    }

    /// There from now on, in these ways.
    fn is(&mut self, ways: &str, identity: &str) -> Result<()> {
        self.falls();
        let _ = fs::remove_file(self.at.join("met"));
        let mut command = Command::new("python3");
        command
            .arg(workspace().join("tests/it/evidence/falls.py"))
            .arg(self.kind)
            .arg(self.at.join(format!("{identity}.crt")))
            .arg(self.at.join(format!("{identity}.key")))
            .arg(self.port.to_string())
            .args([&self.at, &PathBuf::from(ways)]);
        let log = self.at.join("log");
        let mut server = Server::start(self.kind, command, &log, "TERM")?;
        server.wait_for_port(self.port, Duration::from_secs(60))?;
        self.running = Some(server);
        Ok(())
    }

    fn falls(&mut self) {
        self.running = None;
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at.join(name)).unwrap_or_default()
    }

    /// When somebody was met like this.
    fn met(&self, how: &str) -> Vec<f64> {
        let text = self.text("met");
        let times = text.lines().filter_map(|line| line.split_once(' '));
        let times = times.filter(|(_, said)| *said == how);
        times.filter_map(|(at, _)| at.parse().ok()).collect()
    }

    /// Ids of events as they came, those that came again too.
    fn came(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let text = self.text("taken");
        // The last one may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            if self.kind == "syslog" {
                ensure!(line.starts_with('<') && line.contains(">1 "), "{line}");
                let id = line
                    .split_once("[portcullis@32473 id=\"")
                    .context("an id")?
                    .1;
                ids.push(id.split('"').next().unwrap_or_default().to_owned());
                let event = line.find('{').context("an event")?;
                ensure!(
                    self::id(&line[event..])? == *ids.last().context("one")?,
                    "{line}"
                );
                continue;
            }
            let body: Value = serde_json::from_str(line)?;
            let records = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
            for record in records.as_array().context("records")? {
                let event = record["body"]["stringValue"].as_str().context("a body")?;
                ids.push(id(event)?);
            }
        }
        Ok(ids)
    }
}

/// From the authority that is trusted, for another machine.
fn elsewhere(at: &Path) -> Result<()> {
    run(Command::new("openssl")
        .current_dir(at)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args([
            "-CA",
            "own.crt",
            "-CAkey",
            "own.key",
            "-subj",
            "/CN=elsewhere",
        ])
        .args(["-addext", "subjectAltName=DNS:elsewhere.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "elsewhere.key", "-out", "elsewhere.crt"]))?;
    Ok(())
}

fn id(event: &str) -> Result<String> {
    let event: Value = serde_json::from_str(event)?;
    let id = event["metadata"]["uid"].as_str();
    Ok(id.context("an id")?.to_owned())
}

/// A gateway, the two that fall, and one that never does.
struct Falling {
    otlp: Fickle,
    syslog: Fickle,
    steady: Collector,
    world: World,
    _folder: Scratch,
}

impl Falling {
    fn start() -> Result<Self> {
        let folder = Scratch::new("falls")?;
        let mut otlp = Fickle::new(&folder, "otlp")?;
        let mut syslog = Fickle::new(&folder, "syslog")?;
        otlp.is("well", "own")?;
        syslog.is("well", "own")?;
        let steady = Collector::start()?;
        let more = format!(
            "journal:
  sinks:
    - {{ name: steady, http: {{ url: \"http://127.0.0.1:{}/in\" }} }}
    - {{ name: otel, otlp: {{ url: \"https://localhost:{}\", ca: \"{}/own.crt\" }} }}
    - {{ name: logs, syslog: {{ host: localhost, port: {}, ca: \"{}/own.crt\" }} }}
",
            steady.port,
            otlp.port,
            otlp.at.display(),
            syslog.port,
            syslog.at.display(),
        );
        let world = World::start(&WorldOptions {
            more,
            ..WorldOptions::default()
        })?;
        Ok(Self {
            otlp,
            syslog,
            steady,
            world,
            _folder: folder,
        })
    }

    /// Something is done that takes more room than a collector's window has.
    fn happens(&self, word: &str) -> Result<()> {
        let sql = format!("SELECT '{word}', length('{}')", "long ".repeat(2000));
        let shown = self.world.ask(&AGENT, "orders", &sql)?;
        ensure!(shown.shows(word), "{}", shown.all());
        Ok(())
    }

    fn cursor(&self, sink: &str) -> Result<Value> {
        let file = format!("journal/sinks/{sink}.cursor");
        let text = fs::read(self.world.gateway.state().join(file))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// That both say why nothing goes on, and how much waits: what the one that never falls has had meanwhile.
    fn both_wait(&self, otel: &str, logs: &str) -> Result<()> {
        until("both say what is wrong", &self.world, || {
            Ok(check(&self.world, "sink otel")?.contains(otel)
                && check(&self.world, "sink logs")?.contains(logs))
        })?;
        for sink in ["otel", "logs"] {
            until("the backlog is told", &self.world, || {
                let leaf = |sink| Ok::<_, anyhow::Error>(self.cursor(sink)?["leaf"].as_u64());
                let (there, here) = (leaf("steady")?, leaf(sink)?);
                let behind = there.zip(here).map(|(there, here)| there - here);
                let behind = behind.context("cursors have leaves")?;
                let said = check(&self.world, &format!("sink {sink}"))?;
                let page = self.world.gateway.page("/metrics")?;
                let measured = page.lines().any(|line| {
                    line.contains(&format!("\"sink {sink}\""))
                        && line.ends_with(&format!(" {behind}"))
                });
                Ok(behind > 0 && measured && said.starts_with(&format!("{behind} entries behind")))
            })?;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.world.gateway.signal("KILL");
        self.world.gateway.wait(Duration::from_secs(60))?;
        Ok(())
    }
}

#[test]
fn collectors_that_fall_get_everything_at_least_once_and_in_order() -> Result<()> {
    let mut falling = Falling::start()?;
    falling.happens("word-0")?;
    until("all are told", &falling.world, || {
        let texts = [
            falling.otlp.text("taken"),
            falling.syslog.text("taken"),
            falling.steady.all(),
        ];
        Ok(texts.iter().all(|text| text.contains("word-0")))
    })?;
    for sink in ["sink steady", "sink otel", "sink logs"] {
        until("nothing waits", &falling.world, || {
            Ok(check(&falling.world, sink)?.starts_with("0 entries behind"))
        })?;
    }
    one_asks_for_time_and_one_is_down(&mut falling)?;
    killed_and_before_strangers(&mut falling)?;
    broken_off(&mut falling)?;
    all_of_it(&mut falling)
}

fn one_asks_for_time_and_one_is_down(falling: &mut Falling) -> Result<()> {
    falling.syslog.falls();
    falling.otlp.is("later", "own")?;
    for word in ["word-1", "word-2", "word-3"] {
        falling.happens(word)?;
    }
    until("it is asked twice", &falling.world, || {
        Ok(falling.otlp.met("later").len() > 1)
    })?;
    let met = falling.otlp.met("later");
    ensure!(met[1] - met[0] >= 3.0, "it is left alone: {met:?}");
    falling.both_wait("503 Service Unavailable, and asks for 3 s", "refused")
}

/// Whoever has another certificate gets nothing, and cursors are where they were although the gateway was killed.
fn killed_and_before_strangers(falling: &mut Falling) -> Result<()> {
    let stood = (falling.cursor("otel")?, falling.cursor("logs")?);
    falling.kill()?;
    let had = (falling.otlp.text("taken"), falling.syslog.text("taken"));
    falling.otlp.is("well", "elsewhere")?;
    falling.syslog.is("well", "other")?;
    falling.world.restart()?;
    falling.happens("word-4")?;
    until("both have knocked", &falling.world, || {
        let knocked = |at: &Fickle| !at.met("stranger").is_empty();
        Ok(knocked(&falling.otlp) && knocked(&falling.syslog))
    })?;
    falling.both_wait("not valid for name", "invalid peer certificate")?;
    let has = (falling.otlp.text("taken"), falling.syslog.text("taken"));
    ensure!(has == had, "strangers have something");
    for at in [&falling.otlp, &falling.syslog] {
        ensure!(at.met("well").is_empty(), "a stranger was spoken to");
    }
    let stand = (falling.cursor("otel")?, falling.cursor("logs")?);
    ensure!(stand == stood, "{stood:?}, {stand:?}");
    Ok(())
}

/// A collector that goes in the middle of a message, and one that closes without having read, have not taken a batch.
fn broken_off(falling: &mut Falling) -> Result<()> {
    let stood = falling.cursor("logs")?;
    falling.otlp.falls();
    falling.syslog.is("half,deaf", "own")?;
    until("it has broken off in both ways", &falling.world, || {
        let (half, deaf) = (falling.syslog.met("half"), falling.syslog.met("deaf"));
        ensure!(falling.cursor("logs")? == stood, "nothing was taken");
        Ok(!half.is_empty() && !deaf.is_empty())
    })?;
    falling.both_wait("refused", "the collector broke off")
}

fn all_of_it(falling: &mut Falling) -> Result<()> {
    // Whoever was refused for long waits for long: a start does not.
    falling.syslog.falls();
    falling.kill()?;
    falling.otlp.is("partial,well", "own")?;
    falling.syslog.is("well", "own")?;
    falling.world.restart()?;
    falling.happens("word-5")?;
    until("all have all of it", &falling.world, || {
        let told = falling.steady.all();
        let first = told.lines().find(|line| line.contains("word-0"));
        let first = id(first.context("the first word")?)?;
        let steady = told
            .lines()
            .filter(|l| !l.is_empty())
            .map(id)
            .collect::<Result<Vec<_>>>()?;
        let whole = told.contains("word-5");
        let steady = once(steady, &first);
        let otlp = once(falling.otlp.came()?, &first);
        let syslog = once(falling.syslog.came()?, &first);
        for (come, whose) in [(&otlp, "OTLP"), (&syslog, "syslog")] {
            let order = come.iter().zip(&steady).all(|(here, there)| here == there);
            ensure!(order, "{whose}: {come:#?}\n{steady:#?}");
        }
        Ok(whole && steady.len() > 5 && otlp == steady && syslog == steady)
    })?;
    let came = falling.syslog.came()?;
    let before = once(came.clone(), came.first().context("something came")?);
    ensure!(came.len() > before.len(), "what was broken off comes again");
    until("what is refused for good is said", &falling.world, || {
        Ok(check(&falling.world, "sink otel")?
            .ends_with("the collector refuses events for good, 1 so far: too old"))
    })
}

/// What came from this one on, without what came again.
fn once(ids: Vec<String>, from: &str) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let late = ids.into_iter().skip_while(|id| id != from);
    late.filter(|id| seen.insert(id.clone())).collect()
}
