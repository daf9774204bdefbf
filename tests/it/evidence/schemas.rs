//! Exports, and what sinks are sent, held against the schemas that others have published: OCSF as schema.ocsf.io exports it, the
//! schema of HTTP Archives, the protocol buffers of OTLP. It refuses to take the judge's word: what is wrong has to be found wrong.

use super::ends::Collector;
use super::well;
use crate::ssh::scp;
use anyhow::{Context, Result, ensure};
use portcullis_tests::gateway::Gateway;
use portcullis_tests::install;
use portcullis_tests::issuer::{AGENT, ANA, BEA, EVE};
use portcullis_tests::kubernetes::{ClusterOptions, ClusterWorld};
use portcullis_tests::process::{fed, run, until};
use portcullis_tests::ssh::{SshOptions, SshWorld};
use portcullis_tests::world::workspace;
use portcullis_tests::{Scratch, Shown, World, WorldOptions, world};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: Duration = Duration::from_secs(60);

fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// What the judge found: how many documents of each kind there were, and what is wrong with which.
fn judged(folder: &Path, since: f64) -> Result<Value> {
    let workspace = workspace();
    let output = run(Command::new(install::schemas(&workspace)?)
        .arg(workspace.join("tests/it/evidence/schemas.py"))
        .arg(install::har_schema(&workspace)?)
        .arg(folder)
        // A second for each end: what is written down is cut to milliseconds.
        .args([since - 1.0, now()? + 1.0].map(|time| time.to_string())))?;
    serde_json::from_slice(&output.stdout).context("read what the judge found")
}

/// Two collectors, and a folder for what is to be judged.
struct Taken {
    since: f64,
    folder: Scratch,
    lake: Collector,
    otel: Collector,
}

impl Taken {
    fn start() -> Result<Self> {
        Ok(Self {
            since: now()?,
            folder: Scratch::new("schemas")?,
            lake: Collector::start()?,
            otel: Collector::start()?,
        })
    }

    /// The sinks, as YAML.
    fn sinks(&self) -> String {
        format!(
            "journal:
  sinks:
    - {{ name: lake, http: {{ url: \"http://127.0.0.1:{}/in\" }} }}
    - {{ name: otel, otlp: {{ url: \"http://127.0.0.1:{}\" }} }}
",
            self.lake.port, self.otel.port
        )
    }

    fn events(&self) -> Result<Vec<Value>> {
        let all = self.lake.all();
        let lines = all.lines().filter(|line| !line.is_empty());
        let events = lines.map(serde_json::from_str).collect::<Result<_, _>>();
        events.context("read the events")
    }

    fn records(&self) -> Result<Vec<Value>> {
        let mut records = Vec::new();
        for body in self.otel.bodies.lock().unwrap().iter() {
            let body: Value = serde_json::from_str(body)?;
            let those = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
            for record in those.as_array().context("records")? {
                let event = record["body"]["stringValue"].as_str().context("a body")?;
                records.push(serde_json::from_str(event)?);
            }
        }
        Ok(records)
    }

    /// Exports every session that is on record, and waits until both collectors have its end. Judges it all: nothing may be wrong.
    fn judged(&self, gateway: &Gateway, archives: bool) -> Result<Value> {
        let list = gateway.json(&["sessions", "list", "--recorded"])?;
        let list = list.as_array().context("sessions")?;
        let ids = list.iter().filter_map(|session| session["id"].as_str());
        let ids: Vec<&str> = ids.collect();
        ensure!(!ids.is_empty(), "no session is on record");
        let ends = |events: Vec<Value>| {
            let ends = events.iter().filter(|event| event["type_uid"] == 300_202);
            let of = |id: &&str| ends.clone().any(|e| e["unmapped"]["session"] == **id);
            ids.iter().all(of)
        };
        until("both are told the end of each session", || {
            Ok(ends(self.events()?) && ends(self.records()?))
        })
        .with_context(|| gateway.log())?;
        let mut events = String::new();
        for event in self.events()? {
            events.push_str(&format!("{event}\n"));
        }
        let told = events.clone();
        for (number, id) in ids.iter().enumerate() {
            let ocsf = gateway.admin(&["sessions", "export", id, "--format", "ocsf"])?;
            well(&ocsf)?;
            for line in ocsf.out.lines() {
                let event: Value = serde_json::from_str(line)?;
                ensure!(told.contains(&event.to_string()), "not told: {event:#}");
            }
            events.push_str(&ocsf.out);
            if archives {
                let har = gateway.admin(&["sessions", "export", id, "--format", "har"])?;
                well(&har)?;
                fs::write(self.folder.path().join(format!("{number:03}.har")), har.out)?;
            }
        }
        fs::write(self.folder.path().join("events.jsonl"), events)?;
        let bodies = self.otel.bodies.lock().unwrap().join("\n");
        fs::write(self.folder.path().join("otlp.jsonl"), bodies)?;
        let judged = judged(self.folder.path(), self.since)?;
        ensure!(judged["problems"] == json!([]), "{judged:#}");
        Ok(judged["counts"].clone())
    }
}

/// There are some of each of these.
fn some(counts: &Value, kinds: &[&str]) -> Result<()> {
    let missing = kinds.iter().find(|kind| counts[kind].as_u64().is_none());
    ensure!(missing.is_none(), "no {missing:?}: {counts}");
    Ok(())
}

/// Reads, refusals, a secret that is sent, broken glass, a held statement, a vote that does not count and one that does, logins
/// that are refused with and without a good token, a reload.
fn happened(world: &World) -> Result<()> {
    let (ana, bea) = (world.token(&ANA)?, world.token(&BEA)?);
    let by = |who: &str, words: &[&str]| world.gateway.admin_as(Some(who), words);
    let glass = [
        "access",
        "break-glass",
        "orders",
        "--reason",
        "INC-7, orders is down",
    ];
    well(&by(&ana, &glass)?)?;
    let read = "SELECT 'a word', 7";
    let leaked = format!("SELECT length('{}')", world.admin_password);
    for (person, sql, good) in [
        (&AGENT, read, true),
        (&AGENT, "DROP DATABASE orders", false),
        (&AGENT, leaked.as_str(), true),
        (&ANA, read, true),
        (&EVE, read, false),
    ] {
        let shown = world.ask(person, "orders", sql)?;
        ensure!((shown.code == 0) == good, "{sql}: {}", shown.all());
    }
    let mut nobody = world.psql("anybody", "no token at all", "orders");
    let nobody = Shown::by(nobody.args(["-c", read]))?;
    ensure!(nobody.code != 0, "it is no token: {}", nobody.all());
    let mut held = world.psql("anybody", &ana, "orders");
    held.args(["-c", "DELETE FROM stale_carts WHERE id = 7"]);
    let waiting = std::thread::spawn(move || Shown::by(&mut held));
    let id = world.gateway.pending(MINUTE)?;
    let approve = ["approvals", "approve", &id, "--reason", "stale"];
    let own = by(&ana, &approve)?;
    ensure!(own.code != 0, "one's own: {}", own.all());
    well(&by(&bea, &approve)?)?;
    let shown = waiting.join().ok().context("psql ends")??;
    ensure!(shown.out.contains("DELETE 1"), "{}", shown.all());
    well(&world.gateway.admin(&["reload"])?)
}

#[test]
fn events_of_a_database_are_as_ocsf_and_opentelemetry_have_published() -> Result<()> {
    let taken = Taken::start()?;
    let world = World::start(&WorldOptions {
        data: world::data_with_requests("", 3600),
        packs: format!("{}    - builtin: access_requests\n", world::PACKS),
        more: taken.sinks(),
        ..WorldOptions::default()
    })?;
    happened(&world)?;
    let counts = taken.judged(&world.gateway, false)?;
    let kinds = ["300201", "300202", "600302", "600304", "600399", "200401"];
    some(&counts, &kinds)?;
    some(&counts, &["ocsf", "otlp"])?;
    let events = taken.events()?;
    let about = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        let found = events.iter().find(|event| holds(event));
        found.with_context(|| format!("{what}: {events:#?}"))
    };
    let refused = |event: &Value| event["type_uid"] == 300_201 && event["status_id"] == 2;
    let eve = about("eve is refused", &|event| {
        refused(event) && event["user"]["uid"] == EVE.subject
    })?;
    ensure!(eve["src_endpoint"]["ip"] == "127.0.0.1", "{eve:#}");
    about("nobody is refused", &|event| {
        refused(event) && event["user"]["name"] == "unknown"
    })?;
    about("it is held", &|event| event["status"] == "Held")?;
    about("a vote does not count", &|event| {
        refused(event) && event["unmapped"]["event"] == "vote_refused"
    })?;
    about("a glass is broken", &|event| {
        let by = &event["actor"]["user"]["uid"];
        event["unmapped"]["event"] == "glass/broken" && by == ANA.subject
    })?;
    about("a vote counts", &|event| {
        event["unmapped"]["event"] == "approval/vote"
            && event["actor"]["user"]["uid"] == BEA.subject
    })?;
    let finding = about("a secret is sent", &|event| event["class_uid"] == 2004)?;
    let evidence = &finding["evidences"][0];
    ensure!(
        evidence["actor"]["user"]["uid"] == AGENT.subject
            && evidence["dst_endpoint"]["name"] == "orders",
        "{finding:#}"
    );
    judge_is_no_rubber_stamp(&taken, &events)
}

#[test]
fn events_of_a_host_are_as_ocsf_and_opentelemetry_have_published() -> Result<()> {
    let taken = Taken::start()?;
    let world = SshWorld::start(&SshOptions {
        more: taken.sinks(),
        ..SshOptions::default()
    })?;
    let read = world.run(&ANA, "echo a word | tr a b")?;
    ensure!(read.code == 0, "{}", read.all());
    let refused = world.run(&AGENT, "chmod 777 ~/app")?;
    ensure!(refused.code != 0, "{}", refused.all());
    let held = world.run(&ANA, "./nightly.sh")?;
    ensure!(held.code != 0, "{}", held.all());
    let stranger = world.run(&EVE, "true")?;
    ensure!(stranger.code != 0, "{}", stranger.all());
    files_and_forwards(&world)?;
    let counts = taken.judged(&world.gateway, false)?;
    some(&counts, &["300201", "300202", "ocsf", "otlp"])
}

/// A file over SFTP that is taken and one that is refused, a forward that is opened and one that is refused.
fn files_and_forwards(world: &SshWorld) -> Result<()> {
    let token = world.issuer.token(&ANA)?;
    let file = world.folder().join("file");
    fs::write(&file, "a word\n")?;
    for (to, good) in [("file", true), (".ssh/authorized_keys", false)] {
        let to = format!("{}@web-1@127.0.0.1:{to}", world.host.login);
        let shown = Shown::by(&mut scp(world, &token, &file, &to, false))?;
        ensure!((shown.code == 0) == good, "{to}: {}", shown.all());
    }
    let there = format!("127.0.0.1:{}", world.host.port);
    let mut forward = world.ssh(&ANA, &["-W", &there], &[])?;
    let banner = fed(&mut forward, b"SSH-2.0-probe\r\n", MINUTE)?;
    ensure!(banner.out.starts_with("SSH-2.0-OpenSSH"), "{banner:?}");
    let refused = fed(&mut world.ssh(&AGENT, &["-W", &there], &[])?, b"", MINUTE)?;
    ensure!(refused.code != 0, "{refused:?}");
    Ok(())
}

#[test]
fn requests_to_a_cluster_are_as_the_schemas_of_archives_and_ocsf_have_it() -> Result<()> {
    let taken = Taken::start()?;
    let world = ClusterWorld::with(&ClusterOptions {
        more: taken.sinks(),
        ..ClusterOptions::default()
    })?;
    let exec = ["exec", "-n", "shop", "cart-0", "--", "echo", "a b", "{c}"];
    for (person, words, good) in [
        (
            &ANA,
            &["get", "pods", "-n", "shop", "-l", "app=cart"][..],
            true,
        ),
        (&ANA, &["create", "configmap", "later", "-n", "shop"], true),
        (&ANA, &exec, true),
        (&ANA, &["logs", "-n", "shop", "cart-0"], true),
        (&AGENT, &["delete", "pod", "cart-0", "-n", "shop"], false),
    ] {
        let shown = world.ask(person, words)?;
        ensure!((shown.code == 0) == good, "{words:?}: {}", shown.all());
    }
    let counts = taken.judged(&world.gateway, true)?;
    some(&counts, &["har", "ocsf", "otlp", "300201", "300202"])?;
    let first = fs::read_dir(taken.folder.path())?
        .flatten()
        .find_map(|file| {
            let text = fs::read_to_string(file.path()).ok()?;
            let har = file.path().extension().is_some_and(|e| e == "har");
            (har && text.contains("postData")).then_some(text)
        });
    let har: Value = serde_json::from_str(&first.context("something is posted")?)?;
    archives_are_judged(&har, taken.since)
}

/// A document with one thing in it made another, or taken out of it.
fn with(document: &Value, pointer: &str, value: Option<Value>) -> Result<Value> {
    let mut made = document.clone();
    let (parent, name) = pointer.rsplit_once('/').context("a pointer")?;
    let parent = made.pointer_mut(parent).context("something around it")?;
    let members = parent.as_object_mut().context("an object around it")?;
    match value {
        Some(value) => drop(members.insert(name.to_owned(), value)),
        None => drop(members.remove(name).context("it was there")?),
    }
    Ok(made)
}

/// Each of so many documents of a kind is found wrong.
fn all_wrong(judged: &Value, kind: &str, documents: usize) -> Result<()> {
    let problems = judged["problems"].as_array().context("problems")?;
    for number in 0..documents {
        let found = problems
            .iter()
            .any(|p| p["kind"] == kind && p["number"] == number);
        ensure!(found, "{kind} {number} passes: {judged:#}");
    }
    Ok(())
}

fn judge_is_no_rubber_stamp(taken: &Taken, events: &[Value]) -> Result<()> {
    let of = |kind: u64| {
        let found = events.iter().find(|event| event["type_uid"] == kind);
        found.context("such an event")
    };
    let (logon, deny, finding) = (of(300_201)?, of(600_304)?, of(200_401)?);
    let nowhere = with(logon, "/service", None)?;
    let nowhere = match nowhere.get("dst_endpoint") {
        Some(_) => with(&nowhere, "/dst_endpoint", None)?,
        None => nowhere,
    };
    let wrong = [
        nowhere,
        with(logon, "/user/name", Some(Value::Null))?,
        with(logon, "/metadata/version", Some(json!("1.6")))?,
        with(logon, "/time", Some(json!(1_700_000_000)))?,
        with(logon, "/source", Some(json!("::1")))?,
        with(deny, "/activity_id", Some(json!(9)))?,
        with(deny, "/type_uid", Some(json!(600_301)))?,
        with(deny, "/metadata/profiles", None)?,
        with(deny, "/severity", Some(json!("Bad")))?,
        with(deny, "/actor", None)?,
        with(finding, "/finding_info/uid", None)?,
        with(finding, "/src_endpoint", Some(json!({"ip": "::1"})))?,
    ];
    let bodies = taken.otel.bodies.lock().unwrap().clone();
    let body: Value = serde_json::from_str(bodies.first().context("a request")?)?;
    let record = |member: &str, value: Value| {
        let at = "/resourceLogs/0/scopeLogs/0/logRecords/0";
        with(&body, &format!("{at}/{member}"), Some(value))
    };
    let unknown = [
        record("severity", json!(9))?,
        record("severityText", json!("WARN4"))?,
        record("severityNumber", json!("much"))?,
        record("timeUnixNano", json!("7"))?,
        record("attributes", json!([{"key": "user.name", "value": {}}]))?,
        record("body", json!({"stringValue": "{}"}))?,
    ];
    let lines = |documents: &[Value]| {
        let lines = documents.iter().map(Value::to_string);
        lines.collect::<Vec<_>>().join("\n")
    };
    let scratch = Scratch::new("wrong")?;
    fs::write(scratch.path().join("events.jsonl"), lines(&wrong))?;
    fs::write(scratch.path().join("otlp.jsonl"), lines(&unknown))?;
    let judged = judged(scratch.path(), taken.since)?;
    all_wrong(&judged, "ocsf", wrong.len())?;
    all_wrong(&judged, "otlp", unknown.len())
}

fn archives_are_judged(har: &Value, since: f64) -> Result<()> {
    let first = "/log/entries/0";
    let posted = har["log"]["entries"].as_array().context("entries")?;
    let posted = posted
        .iter()
        .position(|entry| entry["request"].get("postData").is_some());
    let posted = posted.context("something is posted")?;
    let text = |text: &str| Some(json!(text));
    let wrong = [
        with(har, "/log/creator", None)?,
        with(har, "/log/version", text("1.1"))?,
        with(har, &format!("{first}/startedDateTime"), text("today"))?,
        with(har, &format!("{first}/response"), None)?,
        with(har, &format!("{first}/request/url"), text("/{a}"))?,
        with(har, &format!("{first}/time"), Some(json!(-1)))?,
        with(
            har,
            &format!("/log/entries/{posted}/request/postData/params"),
            Some(json!([])),
        )?,
    ];
    let scratch = Scratch::new("wrong")?;
    for (number, har) in wrong.iter().enumerate() {
        let file = scratch.path().join(format!("{number:03}.har"));
        fs::write(file, har.to_string())?;
    }
    all_wrong(&judged(scratch.path(), since)?, "har", wrong.len())
}
