//! What is made of the record, through the gateway: searched, exported, proved, copied to a bucket under Object Lock and told
//! to collectors, with the bucket and the collectors away for a while.

mod desk;
mod ends;
mod falls;
mod full;
mod retention;
mod rsyslog;
mod schemas;
mod signed;

use anyhow::{Context, Result, ensure};
use ends::{Collector, Wire};
use portcullis_tests::aws::{Aws, REGION};
use portcullis_tests::issuer::{AGENT, ANA};
use portcullis_tests::kubernetes::certificate;
use portcullis_tests::process::{self, Server, free_port, run};
use portcullis_tests::scratch::private;
use portcullis_tests::world::workspace;
use portcullis_tests::{Scratch, Shown, World, WorldOptions};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const READ: &str = "SELECT 'a word to be found', 7";
const REFUSED: &str = "DROP DATABASE orders";

/// Waits, and tells how the gateway is where something does not come about.
fn until(what: &str, world: &World, holds: impl FnMut() -> Result<bool>) -> Result<()> {
    process::until(what, holds).with_context(|| {
        let status = world.gateway.admin(&["status", "--json"]);
        let status = status.map(|shown| shown.out).unwrap_or_default();
        format!("{status}\n{}", world.gateway.log())
    })
}

fn check(world: &World, name: &str) -> Result<String> {
    // A check that does not hold makes its exit code 1.
    let shown = world.gateway.admin(&["status", "--json"])?;
    let status: Value = serde_json::from_str(&shown.out)?;
    let checks = status["checks"].as_array().cloned().unwrap_or_default();
    let found = checks.iter().find(|check| check["name"] == name);
    let found = found.with_context(|| format!("{name} is in the status: {status:#}"))?;
    Ok(found["detail"].as_str().unwrap_or_default().to_owned())
}

fn well(shown: &Shown) -> Result<()> {
    ensure!(shown.code == 0, "{}", shown.all());
    Ok(())
}

/// Everything that stands around a gateway.
struct Around {
    folder: Scratch,
    aws: Aws,
    wire: Wire,
    lake: Collector,
    otel: Collector,
    _logs: Server,
}

impl Around {
    fn start() -> Result<Self> {
        let folder = Scratch::new("evidence")?;
        let at = folder.path();
        certificate(at, "logs")?;
        let aws = Aws::start(at)?;
        aws.bucket("acme-audit")?;
        private(&at.join("aws-key"), &aws.secret_access_key)?;
        private(&at.join("lake.token"), "a-token-of-the-lake")?;
        let wire = Wire::to(aws.port())?;
        let port = free_port()?;
        fs::write(at.join("logs.port"), port.to_string())?;
        let mut command = Command::new("python3");
        command
            .arg(workspace().join("tests/it/evidence/collector.py"))
            .args([at.join("logs.crt"), at.join("logs.key")])
            .arg(port.to_string())
            .arg(at.join("messages"));
        let mut logs = Server::start(
            "the syslog collector",
            command,
            &at.join("logs.log"),
            "TERM",
        )?;
        logs.wait_for_port(port, Duration::from_secs(20))?;
        Ok(Self {
            aws,
            wire,
            lake: Collector::start()?,
            otel: Collector::start()?,
            _logs: logs,
            folder,
        })
    }

    fn options(&self) -> Result<WorldOptions> {
        let at = self.folder.path().display();
        let more = format!(
            "secrets:
  aws:
    audit:
      region: {REGION}
      endpoint: http://127.0.0.1:{}
      keys: {{ access_key_id: {}, secret_access_key: \"file:{at}/aws-key\" }}
journal:
  payloads: keys
  copies: {{ account: audit, bucket: acme-audit, prefix: gw/, lock_days: 2, segment_every: 2s, on_failure: block, block_after: 2s }}
  sinks:
    - {{ name: lake, http: {{ url: \"http://127.0.0.1:{}/in\", token: \"file:{at}/lake.token\" }} }}
    - {{ name: otel, otlp: {{ url: \"http://127.0.0.1:{}\" }} }}
    - {{ name: logs, syslog: {{ host: localhost, port: {}, ca: \"{at}/logs.crt\" }} }}
",
            self.wire.port,
            self.aws.access_key_id,
            self.lake.port,
            self.otel.port,
            fs::read_to_string(self.folder.path().join("logs.port"))?,
        );
        Ok(WorldOptions {
            more,
            ..WorldOptions::default()
        })
    }

    fn messages(&self) -> String {
        fs::read_to_string(self.folder.path().join("messages")).unwrap_or_default()
    }
}

#[test]
fn a_record_is_searched_proved_copied_and_told() -> Result<()> {
    let around = Around::start()?;
    let world = World::start(&around.options()?)?;
    ensure!(
        world
            .ask(&AGENT, "orders", READ)?
            .shows("a word to be found"),
        "it is answered"
    );
    ensure!(
        world.ask(&AGENT, "orders", REFUSED)?.code != 0,
        "it is refused"
    );
    searched(&world)?;
    exported(&world, &around)?;
    proved(&world, &around)?;
    told(&world, &around)?;
    copied(&world, &around)?;
    cut_off(&world, &around)
}

/// What a gateway writes for recipients is read by them alone, and with other tools than ours.
#[test]
fn a_record_for_recipients_is_read_with_their_identity_and_no_other() -> Result<()> {
    let folder = Scratch::new("recipients")?;
    let (key, other) = (
        folder.path().join("auditor.key"),
        folder.path().join("other.key"),
    );
    for file in [&key, &other] {
        run(Command::new("age-keygen").arg("-o").arg(file))?;
    }
    let text = fs::read_to_string(&key)?;
    let public = text.lines().find_map(|l| l.strip_prefix("# public key: "));
    let public = public.context("age-keygen names the public key")?;
    let world = World::start(&WorldOptions {
        more: format!("journal: {{ payloads: recipients, recipients: [{public}] }}\n"),
        ..WorldOptions::default()
    })?;
    ensure!(
        world.ask(&AGENT, "orders", READ)?.code == 0,
        "it is answered"
    );
    let decrypt = |file: &Path| {
        let file = file.display().to_string();
        world
            .gateway
            .admin(&["journal", "decrypt", "--identity", &file])
    };
    let read = decrypt(&key)?;
    well(&read)?;
    ensure!(
        read.out.contains("a word to be found"),
        "its recipient reads it"
    );
    let refused = decrypt(&other)?;
    ensure!(
        refused.code == 1 && !refused.out.contains("a word to be found"),
        "{}",
        refused.err
    );
    ensure!(
        refused.err.contains("encrypted to others"),
        "{}",
        refused.err
    );
    // The gateway itself finds sessions, and no words.
    until("the index has it", &world, || {
        let sessions = world.gateway.json(&["sessions", "list", "--since", "1h"])?;
        Ok(sessions["rows"]
            .as_array()
            .is_some_and(|rows| rows.len() == 1))
    })?;
    let found = world.gateway.json(&["search", "found"])?;
    ensure!(
        found["rows"].as_array().is_some_and(Vec::is_empty),
        "{found:#}"
    );
    well(&world.gateway.admin(&["journal", "verify"])?)?;
    opened_elsewhere(&world, &folder, &key)
}

/// A key of the record as the file that it is, in the hands of another program.
fn opened_elsewhere(world: &World, folder: &Scratch, key: &Path) -> Result<()> {
    let keys = fs::read(world.folder().join("state/journal/payload-keys"))?;
    let length = u32::from_be_bytes(keys[..4].try_into()?) as usize;
    let wrapped = folder.path().join("session.key.age");
    fs::write(&wrapped, &keys[21..21 + length])?;
    let opened = run(Command::new("age")
        .arg("-d")
        .arg("-i")
        .arg(key)
        .arg(&wrapped))?;
    ensure!(
        opened.stdout.len() == 32,
        "a key of 32 bytes: {}",
        opened.stdout.len()
    );
    Ok(())
}

fn searched(world: &World) -> Result<()> {
    let search = |more: &[&str]| world.gateway.json(&[&["search"], more].concat());
    until("the index has it", world, || {
        Ok(search(&["found"])?["rows"]
            .as_array()
            .is_some_and(|rows| rows.len() == 1))
    })?;
    let denied = [
        "drop",
        "database",
        "--verdict",
        "deny",
        "--target",
        "orders",
    ];
    until("the refused one is found", world, || {
        Ok(search(&denied)?["rows"][0]["text"] == REFUSED)
    })?;
    let none = search(&["found", "--identity", "nobody"])?;
    ensure!(
        none["rows"].as_array().is_some_and(Vec::is_empty),
        "{none:#}"
    );
    let sessions = world
        .gateway
        .json(&["sessions", "list", "--denied", "--since", "1h"])?;
    ensure!(
        sessions["rows"]
            .as_array()
            .is_some_and(|rows| rows.len() == 1),
        "{sessions:#}"
    );
    well(&world.gateway.admin(&["journal", "index", "--rebuild"])?)?;
    until("it is built anew", world, || {
        let found = world.gateway.admin(&["search", "found", "--json"])?;
        Ok(found.code == 0 && found.out.contains("a word to be found"))
    })
}

fn session(world: &World) -> Result<String> {
    // What was found before may have been in the index of before.
    let mut id = None;
    until("the session is found", world, || {
        let found = world.gateway.admin(&["search", "found", "--json"])?;
        let found: Value = serde_json::from_str(&found.out).unwrap_or_default();
        id = found["rows"][0]["session"].as_str().map(str::to_owned);
        Ok(id.is_some())
    })?;
    id.context("a session")
}

fn exported(world: &World, around: &Around) -> Result<()> {
    let id = session(world)?;
    let sql = world
        .gateway
        .admin(&["sessions", "export", &id, "--format", "sql"])?;
    well(&sql)?;
    ensure!(
        sql.out.contains(READ) && sql.out.contains("-- "),
        "{}",
        sql.out
    );
    let ocsf = world
        .gateway
        .admin(&["sessions", "export", &id, "--format", "ocsf"])?;
    well(&ocsf)?;
    for line in ocsf.out.lines() {
        let event: Value = serde_json::from_str(line)?;
        ensure!(event["type_uid"].is_number(), "{event:#}");
    }
    ensure!(ocsf.out.contains("\"class_uid\":6003"), "{}", ocsf.out);
    let held = world.gateway.json(&[
        "journal",
        "hold",
        "add",
        "--reason",
        "case 7",
        "--session",
        &id,
    ])?;
    let hold = held["id"].as_str().context("a hold")?.to_owned();
    let list = world.gateway.json(&["journal", "hold", "list"])?;
    ensure!(list[0]["reason"] == "case 7", "{list:#}");
    well(
        &world
            .gateway
            .admin(&["journal", "hold", "release", &hold, "--reason", "settled"])?,
    )?;
    // Without the wrapping key nothing that was said stands in the record.
    let record = fs::read_dir(world.folder().join("state/journal"))?;
    for file in record
        .flatten()
        .filter(|f| f.path().extension().is_some_and(|e| e == "wal"))
    {
        let bytes = fs::read(file.path())?;
        let words = b"a word to be found";
        ensure!(
            !bytes.windows(words.len()).any(|w| w == words),
            "payloads are sealed"
        );
    }
    ensure!(around.folder.path().exists(), "the world stands");
    Ok(())
}

fn proved(world: &World, around: &Around) -> Result<()> {
    let folder = around.folder.path().join("q4").display().to_string();
    let export = ["evidence", "export", "--from", "1h", "-o", &folder];
    until("a checkpoint covers what was refused", world, || {
        let _ = fs::remove_dir_all(&folder);
        well(&world.gateway.admin(&export)?)?;
        let page = fs::read_to_string(format!("{folder}/report.html"))?;
        Ok(page.contains(REFUSED))
    })?;
    let key = world
        .gateway
        .admin(&["journal", "public-key"])?
        .out
        .trim()
        .to_owned();
    let verify = || {
        world
            .gateway
            .json(&["evidence", "verify", &folder, "--key", &key])
    };
    let checked = verify()?;
    ensure!(
        checked["entries"].as_u64().is_some_and(|n| n > 3),
        "{checked:#}"
    );
    let page = fs::read_to_string(format!("{folder}/report.html"))?;
    ensure!(
        page.contains(REFUSED) && !page.contains("<script"),
        "the report names it"
    );
    let policy = fs::read_to_string(format!("{folder}/policy.json"))?;
    ensure!(policy.contains("package "), "the policy is in it");
    fs::write(format!("{folder}/blocked.csv"), "at\n")?;
    let shown = world
        .gateway
        .admin(&["evidence", "verify", &folder, "--key", &key])?;
    ensure!(
        shown.code == 1 && shown.out.contains("blocked.csv was altered"),
        "{}",
        shown.all()
    );
    Ok(())
}

fn told(world: &World, around: &Around) -> Result<()> {
    until("all are told", world, || {
        let everywhere = [around.lake.all(), around.otel.all(), around.messages()];
        Ok(everywhere.iter().all(|text| text.contains(REFUSED)))
    })?;
    let message = around.messages();
    let line = message
        .lines()
        .find(|l| l.contains(REFUSED))
        .context("a message")?;
    ensure!(line.starts_with("<108>1 "), "{line}");
    let events = around.lake.all();
    ensure!(!events.contains("a-token-of-the-lake"), "no token is told");
    // Nobody there for a while: nothing is lost.
    around.lake.refuse(true);
    ensure!(
        world
            .ask(&ANA, "orders", "SELECT 'while it was away'")?
            .code
            == 0,
        "it is answered"
    );
    until("the sink says so", world, || {
        Ok(check(world, "sink lake")?.contains("503"))
    })?;
    around.lake.refuse(false);
    until("it is told later", world, || {
        Ok(around.lake.all().contains("while it was away"))
    })
}

/// What stands in the bucket is a record that verifies.
fn copied(world: &World, around: &Around) -> Result<()> {
    let copy = around.folder.path().join("copy");
    until("segments are copied", world, || {
        let objects = around.aws.objects("acme-audit")?;
        let has = |prefix: &str| objects.lines().any(|line| line.starts_with(prefix));
        Ok(has("gw/segments/00000001.wal COMPLIANCE")
            && has("gw/checkpoints/")
            && has("gw/payload-keys None"))
    })?;
    around.aws.download("acme-audit", "gw/", &copy)?;
    let record = around.folder.path().join("record");
    fs::create_dir(&record)?;
    for file in fs::read_dir(copy.join("segments"))?.flatten() {
        fs::copy(file.path(), record.join(file.file_name()))?;
    }
    let notes = fs::read_dir(copy.join("checkpoints"))?.flatten();
    let mut notes: Vec<_> = notes.map(|note| note.path()).collect();
    notes.sort();
    let first = notes.first().context("a checkpoint")?;
    fs::copy(first, record.join("checkpoints"))?;
    let key = world
        .gateway
        .admin(&["journal", "public-key"])?
        .out
        .trim()
        .to_owned();
    let record = record.display().to_string();
    let verify = ["journal", "verify", "--dir", &record, "--public-key", &key];
    let report = world.gateway.json(&verify)?;
    ensure!(
        report["problems"].as_array().is_some_and(Vec::is_empty),
        "{report:#}"
    );
    ensure!(
        report["sessions"].as_u64().is_some_and(|n| n > 0),
        "{report:#}"
    );
    Ok(())
}

/// The bucket is away for a while: it is said, nobody is admitted after the time, and nothing is lost.
fn cut_off(world: &World, around: &Around) -> Result<()> {
    around.wire.cut(true);
    let mut first = true;
    until("nobody is admitted", world, || {
        let shown = world.ask(&ANA, "orders", "SELECT 'before it is said'")?;
        first &= shown.code == 0;
        Ok(shown.code != 0)
    })?;
    let detail = check(world, "copies")?;
    ensure!(detail.contains("failing for"), "{detail}");
    around.wire.cut(false);
    until("somebody is admitted again", world, || {
        Ok(world.ask(&ANA, "orders", "SELECT 'after it is back'")?.code == 0)
    })?;
    until("everything is copied", world, || {
        Ok(check(world, "copies")?.starts_with("0 segments"))
    })
}
