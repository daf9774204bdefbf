//! A real collector of syslog, rsyslog of Debian, over TLS: it takes every event whole, in order and once, stopped and started
//! in between.

use super::ends::Collector;
use super::{check, until};
use anyhow::{Context, Result, ensure};
use portcullis_tests::debian;
use portcullis_tests::issuer::AGENT;
use portcullis_tests::kubernetes::certificate;
use portcullis_tests::process::{Server, free_port};
use portcullis_tests::world::workspace;
use portcullis_tests::{Scratch, World, WorldOptions};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The program, with its files.
struct Rsyslog {
    unpacked: PathBuf,
    at: Scratch,
    port: u16,
}

impl Rsyslog {
    fn new() -> Result<Self> {
        let at = Scratch::new("rsyslog")?;
        certificate(at.path(), "own")?;
        let port = free_port()?;
        let folder = at.path().display();
        // What it is sent stands in the file as it came, a message a line.
        let config = format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"256k\" defaultNetstreamDriverCAFile=\"{folder}/own.crt\"
  defaultNetstreamDriverCertFile=\"{folder}/own.crt\" defaultNetstreamDriverKeyFile=\"{folder}/own.key\")
module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")
input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")
template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")
action(type=\"omfile\" file=\"{folder}/taken\" template=\"raw\")
"
        );
        fs::write(at.path().join("rsyslog.conf"), config)?;
        let unpacked = debian::rsyslog(&workspace())?;
        Ok(Self { unpacked, at, port })
    }

    fn start(&self) -> Result<Server> {
        let at = self.at.path();
        let libraries = self.unpacked.join("usr/lib/x86_64-linux-gnu");
        let mut command = Command::new(self.unpacked.join("usr/sbin/rsyslogd"));
        command
            .arg("-n")
            .arg("-f")
            .arg(at.join("rsyslog.conf"))
            .arg("-i")
            .arg(at.join("pid"))
            .arg("-M")
            .arg(libraries.join("rsyslog"))
            .env("LD_LIBRARY_PATH", libraries);
        let mut server = Server::start("rsyslogd", command, &at.join("log"), "TERM")?;
        server.wait_for_port(self.port, Duration::from_secs(60))?;
        Ok(server)
    }

    /// What came, as events.
    fn taken(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.at.path().join("taken")).unwrap_or_default();
        // The last one may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let events = whole.lines().map(|line| {
            ensure!(line.starts_with('<') && line.contains(">1 "), "{line}");
            let event = line.find('{').context("an event")?;
            serde_json::from_str(&line[event..]).with_context(|| line.to_owned())
        });
        events.collect()
    }
}

#[test]
fn a_real_collector_takes_every_event_whole_and_in_order() -> Result<()> {
    let collector = Rsyslog::new()?;
    let steady = Collector::start()?;
    let more = format!(
        "journal:
  sinks:
    - {{ name: steady, http: {{ url: \"http://127.0.0.1:{}/in\" }} }}
    - {{ name: logs, syslog: {{ host: localhost, port: {}, ca: \"{}/own.crt\" }} }}
",
        steady.port,
        collector.port,
        collector.at.path().display(),
    );
    let running = collector.start()?;
    let world = World::start(&WorldOptions {
        more,
        ..WorldOptions::default()
    })?;
    let happens = |word: &str| -> Result<()> {
        let sql = format!(
            "SELECT '{word}', 'café\t\"«»\"', length('{}')",
            "long ".repeat(2000)
        );
        let shown = world.ask(&AGENT, "orders", &sql)?;
        ensure!(shown.shows(word), "{}", shown.all());
        Ok(())
    };
    let all = || -> Result<()> {
        until("both have the same", &world, || {
            let told = steady.all();
            let told = told.lines().filter(|line| !line.is_empty());
            let told: Vec<Value> = told.map(serde_json::from_str).collect::<Result<_, _>>()?;
            Ok(!told.is_empty() && told == collector.taken()?)
        })
    };
    happens("word-0")?;
    all()?;
    drop(running);
    happens("word-1")?;
    until("it is said that nobody is there", &world, || {
        Ok(check(&world, "sink logs")?.contains("refused"))
    })?;
    let _running = collector.start()?;
    happens("word-2")?;
    all()?;
    let words = collector.taken()?;
    let words = serde_json::to_string(&words)?;
    for word in ["word-0", "word-1", "word-2"] {
        ensure!(words.contains(word), "{word} is missing");
    }
    Ok(())
}
