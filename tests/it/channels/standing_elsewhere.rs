//! What stands longer than one run, before a host and a cluster, by `ssh` and `kubectl`, which have no word for it: access
//! that was asked for in advance, or by whoever came to the door; its early end and the end of its time; the glass. It refuses
//! to take a client's word alone where the record or a receiver tells.

use super::standing::{Night, SHORT, id_of};
use anyhow::{Context, Result, ensure};
use portcullis_model::limits;
use portcullis_tests::issuer::{ANA, BEA, Person};
use portcullis_tests::kubernetes::{ApiServer, certificate};
use portcullis_tests::process::{free_port, until};
use portcullis_tests::ssh::askpass;
use portcullis_tests::{Host, Scratch, Shown, WorldOptions, host};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Engineers ask for what is in production.
const DATA: &str = "\
access:
  groups:
    engineers: [people]
    dba: [people]
  bindings:
    people: {protocols: [ssh, kubernetes], labels: {site: here}}
config:
  commands: {admin_groups: [engineers, dba]}
  access_requests: {production: {labels: {env: prod}, groups: [engineers], approver_groups: [dba], ttl_seconds: 300, access_ttl_seconds: 3600, break_glass: {groups: [engineers], reviewer_groups: [dba]}}}
";

/// What is not in production is opened to whoever comes back for it.
const LATER: &str = "\
approval contains {
    \"rule\": \"night/asked\", \"msg\": \"a connection at night\", \"approver_groups\": [\"dba\"],
    \"mode\": \"defer\", \"ttl_seconds\": 900, \"access_ttl_seconds\": 3600,
} if {
    input.action == \"connect\"
    input.connection.labels.env == \"night\"
    \"engineers\" in input.identity.groups
}";

/// A door, and the client that comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Host,
    Cluster,
}

impl Door {
    /// The connection in production.
    fn target(self) -> &'static str {
        match self {
            Self::Host => "web-1",
            Self::Cluster => "prod",
        }
    }

    /// The one that is opened to whoever comes back.
    fn later(self) -> &'static str {
        match self {
            Self::Host => "web-2",
            Self::Cluster => "night",
        }
    }

    /// What the answer shows of whoever was let in.
    fn inside(self) -> &'static str {
        match self {
            Self::Host => "inside web",
            Self::Cluster => "cart-0",
        }
    }
}

/// The same gateway before a host and a cluster.
struct Doors {
    night: Night,
    host: Host,
    _api: ApiServer,
    ssh: u16,
    kubernetes: u16,
    folder: Scratch,
}

impl Doors {
    fn new() -> Result<Self> {
        let folder = Scratch::new("doors")?;
        let at = folder.path();
        let host = Host::start()?;
        fs::write(at.join("known_hosts"), host.known()?)?;
        certificate(at, "api")?;
        let api = ApiServer::start(at, &at.join("api.crt"), &at.join("api.key"))?;
        host::keygen(&at.join("gateway_host"))?;
        let (ssh, kubernetes) = (free_port()?, free_port()?);
        let known = host::known(ssh, &at.join("gateway_host.pub"))?;
        fs::write(at.join("known_gateway"), known)?;
        askpass(at)?;
        let here = at.display();
        let options = WorldOptions {
            listeners: format!(
                "  - protocol: ssh
    address: 127.0.0.1:{ssh}
    host_keys: [{here}/gateway_host]
  - protocol: kubernetes
    address: 127.0.0.1:{kubernetes}
    tls: {{ certificate: {{at}}/tls.crt, key: {{at}}/tls.key }}
"
            ),
            connections: connections(&here.to_string(), &host, &api),
            packs: "    - builtin: access\n    - builtin: approve\n    - builtin: access_requests\n"
                .to_owned(),
            data: DATA.to_owned(),
            plugins: "  - builtin: mask-secrets\n  - builtin: classify-sql\n  - builtin: classify-shell\n  - builtin: classify-kubernetes\n".to_owned(),
            environment: vec![("PROD_TOKEN".to_owned(), api.token.clone())],
            ..WorldOptions::default()
        };
        let night = Night::of("\"grant.*\"", &format!("{SHORT}\n\n{LATER}"), options)?;
        Ok(Self {
            night,
            host,
            _api: api,
            ssh,
            kubernetes,
            folder,
        })
    }

    /// `ssh` to a host, or `kubectl` to a cluster, with these words; nothing is asked but by them.
    fn client(&self, who: &Person, door: Door, target: &str, words: &[&str]) -> Result<Command> {
        let token = self.night.world.token(who)?;
        let at = self.folder.path();
        let mut client = match door {
            Door::Host => host::client(&at.join("known_gateway"), self.ssh),
            Door::Cluster => Command::new("kubectl"),
        };
        match door {
            Door::Host => client
                .args(["-o", "PubkeyAuthentication=no"])
                .args(["-o", "NumberOfPasswordPrompts=1"])
                .arg(format!("{}@{target}@127.0.0.1", self.host.login))
                .env("SSH_ASKPASS", at.join("askpass"))
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env("DISPLAY", ":none")
                .env("TEST_TOKEN", token),
            Door::Cluster => client
                .arg(format!(
                    "--server=https://localhost:{}/{target}",
                    self.kubernetes
                ))
                .arg("--certificate-authority")
                .arg(self.night.world.certificate())
                .arg(format!("--token={token}"))
                .env("HOME", at)
                .env("KUBECONFIG", "/dev/null"),
        };
        client.args(words);
        Ok(client)
    }

    /// Somebody who comes for something short.
    fn comes(&self, who: &Person, door: Door, target: &str) -> Result<Command> {
        match door {
            Door::Host => self.client(who, door, target, &["printf 'inside %s\\n' web"]),
            Door::Cluster => self.client(who, door, target, &["get", "pods", "-n", "shop"]),
        }
    }

    /// Somebody who is let in at once.
    fn enters(&self, who: &Person, door: Door, target: &str) -> Result<()> {
        let shown = Shown::by(&mut self.comes(who, door, target)?)?;
        ensure!(
            shown.code == 0 && shown.out.contains(door.inside()) && !shown.shows("waiting for"),
            "{door:?}: {}\n{}",
            shown.all(),
            self.log()
        );
        Ok(())
    }

    /// Ana comes and is not let in; she is told for what she waits. By `ssh` she goes on waiting.
    fn asks(&self, door: Door) -> Result<(Option<Child>, String)> {
        let gateway = &self.night.world.gateway;
        let mut client = self.comes(&ANA, door, door.target())?;
        if door == Door::Cluster {
            let shown = Shown::by(&mut client)?;
            let id = gateway.pending(Duration::from_secs(60))?;
            let told = format!("{id} has to be approved by 1 of dba (access/approval)");
            let next = "Connect again once it is approved.";
            ensure!(
                shown.code != 0 && shown.err.contains(&told) && shown.err.contains(next),
                "{}",
                shown.all()
            );
            return Ok((None, id));
        }
        let client = client.stdin(Stdio::null());
        let client = client.stdout(Stdio::piped()).stderr(Stdio::piped());
        let waiting = client.spawn()?;
        let id = gateway.pending(Duration::from_secs(60))?;
        Ok((Some(waiting), id))
    }

    /// What comes of it once people have voted: she still waits, or comes again.
    fn hears(&self, door: Door, waiting: Option<Child>) -> Result<Shown> {
        match waiting {
            Some(waiting) => Ok(Shown::from_output(&waiting.wait_with_output()?)),
            None => Ok(Shown::by(&mut self.comes(&ANA, door, door.target())?)?),
        }
    }

    /// What is open to ana behind one of the doors.
    fn grants(&self, target: &str) -> Result<Vec<Value>> {
        let all = self.night.world.gateway.json(&["access", "list"])?;
        let all = all.as_array().context("grants")?.iter();
        let there = all.filter(|grant| grant["target"] == target);
        Ok(there.cloned().collect())
    }

    fn grant(&self, target: &str) -> Result<Value> {
        let grants = self.grants(target)?;
        ensure!(grants.len() == 1, "{grants:#?}");
        Ok(grants[0].clone())
    }

    /// What the node has on record of this kind that names all of these.
    fn noted(&self, event: &str, words: &[&str]) -> Result<Value> {
        let record = self.night.world.gateway.admin(&["journal", "node"])?;
        let named = |line: &&str| line.contains(event) && words.iter().all(|w| line.contains(w));
        let line = record.out.lines().rfind(named);
        let line = line.with_context(|| format!("{event} {words:?}: {}", record.all()))?;
        Ok(serde_json::from_str(line)?)
    }

    /// All that is replayed of somebody's sessions at a target.
    fn replayed(&self, who: &Person, target: &str) -> Result<String> {
        let gateway = &self.night.world.gateway;
        let sessions = gateway.json(&["sessions", "list", "--recorded"])?;
        let mut all = String::new();
        for session in sessions.as_array().context("sessions")? {
            let text = session.to_string();
            if text.contains(who.subject) && session["target"] == target {
                let id = session["id"].as_str().context("an id")?;
                all += &gateway.admin(&["sessions", "replay", id])?.all();
            }
        }
        Ok(all)
    }

    /// True when a session on record says that this has opened it.
    fn opened_by(&self, grant: &str) -> Result<bool> {
        let gateway = &self.night.world.gateway;
        let sessions = gateway.json(&["sessions", "list", "--recorded"])?;
        for session in sessions.as_array().context("sessions")? {
            let id = session["id"].as_str().context("an id")?;
            let words = ["sessions", "replay", id, "--verbose", "--json"];
            let told = gateway.admin(&words)?.out;
            let mut lines = told.lines();
            if lines.any(|line| line.contains("access_request") && line.contains(grant)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How often people have been asked about a target.
    fn asked(&self, target: &str) -> Result<usize> {
        let record = self.night.world.gateway.admin(&["journal", "node"])?.out;
        let target = format!("\"target\":\"{target}\"");
        let asked = |line: &&str| line.contains("approval/opened") && line.contains(&target);
        Ok(record.lines().filter(asked).count())
    }

    fn log(&self) -> String {
        self.night.world.gateway.log()
    }
}

/// Two hosts that are one, and two clusters.
fn connections(here: &str, host: &Host, api: &ApiServer) -> String {
    let (port, login, authority) = (host.port, &host.login, host.authority());
    let (authority, cluster) = (authority.display(), api.port);
    let mut all = String::new();
    for (env, web, name) in [("prod", "web-1", "prod"), ("night", "web-2", "night")] {
        all += &format!(
            "  - name: {web}
    protocol: ssh
    labels: {{ site: here, env: {env} }}
    host: 127.0.0.1
    port: {port}
    host_keys: {{ known_hosts: {here}/known_hosts }}
    credential:
      certificate: {{ user: {login}, authority: \"file:{authority}\" }}
  - name: {name}
    protocol: kubernetes
    labels: {{ site: here, env: {env} }}
    host: localhost
    port: {cluster}
    tls: verify-full
    ca: {here}/api.crt
    credential:
      cluster: {{ token: \"env:PROD_TOKEN\", impersonate: {{}} }}
"
        );
    }
    all
}

/// A session that stays open: `cat`, on the host or in a pod.
struct Stay {
    child: Child,
    answers: BufReader<ChildStdout>,
    errors: ChildStderr,
}

impl Stay {
    fn begin(doors: &Doors, door: Door) -> Result<Self> {
        let words: &[&str] = match door {
            Door::Host => &["cat"],
            Door::Cluster => &["exec", "-i", "-n", "shop", "cart-0", "--", "cat"],
        };
        let mut child = doors
            .client(&ANA, door, door.target(), words)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(child.stdout.take().context("an output")?);
        let errors = child.stderr.take().context("an error stream")?;
        let mut stay = Self {
            child,
            answers,
            errors,
        };
        let input = stay.child.stdin.as_mut().context("an input")?;
        writeln!(input, "still here")?;
        let mut line = String::new();
        stay.answers.read_line(&mut line)?;
        ensure!(
            line == "still here\n",
            "{door:?}: {line:?}\n{}",
            doors.log()
        );
        Ok(stay)
    }

    /// It has been cut off, and says why.
    fn cut_off(mut self, door: Door) -> Result<Instant> {
        until("the session ends", || Ok(self.child.try_wait()?.is_some()))?;
        let ended = Instant::now();
        let mut told = String::new();
        self.errors.read_to_string(&mut told)?;
        self.answers.read_to_string(&mut told)?;
        let code = self.child.wait()?.code();
        ensure!(code != Some(0), "{door:?}: {code:?} {told}");
        ensure!(
            told.contains("the time that you were let in for is over"),
            "{door:?}, it says why: {told}"
        );
        Ok(ended)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Ana asks in advance, bea says yes: the request.
fn asked_in_advance(doors: &Doors, target: &str, lasts: &str) -> Result<String> {
    let ask = ["access", "request", target, "--for", lasts, "--json"];
    let ask = [&ask[..], &["--reason", "the month ends"]].concat();
    let asked: Value = serde_json::from_str(&doors.night.well(&ANA, &ask)?.out)?;
    let id = id_of(&asked["request"])?.to_owned();
    let voted = doors.night.vote(&BEA, "approve", &id)?;
    ensure!(voted.code == 0, "{}", voted.all());
    Ok(id)
}

/// A grant ends early: whoever is inside is cut off, and whoever comes again has to ask.
fn ends(doors: &Doors, door: Door, grant: &str) -> Result<()> {
    let stay = Stay::begin(doors, door)?;
    doors.night.well(&ANA, &["approvals", "end", grant])?;
    stay.cut_off(door)?;
    let note = doors.noted("approval/grant-ended", &[grant])?;
    ensure!(
        note.to_string().contains(ANA.subject),
        "who has ended it: {note:#}"
    );
    doors.night.told("grant.ended", grant)?;
    let asked = doors.asked(door.target())?;
    let (waiting, id) = doors.asks(door)?;
    let voted = doors.night.vote(&BEA, "deny", &id)?;
    ensure!(voted.code == 0, "{}", voted.all());
    let shown = doors.hears(door, waiting)?;
    ensure!(
        shown.code != 0 && !shown.shows(door.inside()) && shown.shows(&format!("denied {id}")),
        "{door:?}: {}",
        shown.all()
    );
    // However many requests a client makes of it, people are asked once.
    ensure!(
        doors.asked(door.target())? == asked + 1,
        "{door:?}: {}",
        shown.all()
    );
    Ok(())
}

#[test]
fn access_in_advance_opens_a_host_and_a_cluster_until_it_is_ended() -> Result<()> {
    let doors = Doors::new()?;
    for door in [Door::Host, Door::Cluster] {
        let target = door.target();
        let request = asked_in_advance(&doors, target, "30m")?;
        doors.enters(&ANA, door, target)?;
        let grant = doors.grant(target)?;
        let left = grant["remaining_seconds"].as_u64().unwrap_or_default();
        ensure!((1..=1800).contains(&left), "{grant:#}");
        let id = id_of(&grant)?;
        doors.noted("approval/granted", &[id, &request, "the month ends"])?;
        doors.noted("approval/grant-used", &[id])?;
        ensure!(
            doors.opened_by(id)?,
            "{door:?}: the session names what has opened it"
        );
        ends(&doors, door, id)?;
    }
    Ok(())
}

#[test]
fn access_to_a_host_and_a_cluster_ends_with_its_time() -> Result<()> {
    let doors = Doors::new()?;
    let asked = |door: Door| asked_in_advance(&doors, door.target(), "60s");
    let began = [asked(Door::Host)?, asked(Door::Cluster)?].map(|_| Instant::now());
    let stays = [
        (Door::Host, Stay::begin(&doors, Door::Host)?),
        (Door::Cluster, Stay::begin(&doors, Door::Cluster)?),
    ];
    for ((door, stay), began) in stays.into_iter().zip(began) {
        // Nothing but its time ends it; a busy machine is late, not early.
        std::thread::sleep(Duration::from_secs(45).saturating_sub(began.elapsed()));
        stay.cut_off(door)?;
        ensure!(doors.grants(door.target())?.is_empty(), "{door:?}");
        let note = doors.noted("approval/grant-ended", &[door.target()])?;
        ensure!(note.to_string().contains("its time is over"), "{note:#}");
    }
    Ok(())
}

#[test]
fn whoever_comes_to_the_door_waits_and_is_let_in_for_a_time() -> Result<()> {
    let doors = Doors::new()?;
    for door in [Door::Host, Door::Cluster] {
        let (waiting, id) = doors.asks(door)?;
        let again = match door {
            Door::Host => id.clone(),
            // Who comes again before the vote asks for nothing new.
            Door::Cluster => doors.asks(door)?.1,
        };
        ensure!(id == again && doors.asked(door.target())? == 1, "{again}");
        let voted = doors.night.vote(&BEA, "approve", &id)?;
        ensure!(voted.code == 0, "{}", voted.all());
        let shown = doors.hears(door, waiting)?;
        ensure!(
            shown.code == 0 && shown.out.contains(door.inside()),
            "{door:?}: {}\n{}",
            shown.all(),
            doors.log()
        );
        let told = format!("{id}: waiting for 1 of dba");
        ensure!(
            door == Door::Cluster || shown.err.contains(&told),
            "{}",
            shown.all()
        );
        // For as long as the rule says: nobody has said for how long.
        let grant = doors.grant(door.target())?;
        let left = grant["remaining_seconds"].as_u64().unwrap_or_default();
        ensure!((1801..=3600).contains(&left), "{grant:#}");
        doors.noted("approval/granted", &[id_of(&grant)?, &id])?;
        doors.enters(&ANA, door, door.target())?;
        ends(&doors, door, id_of(&grant)?)?;
    }
    Ok(())
}

#[test]
fn whoever_has_to_come_back_is_told_what_for_and_when() -> Result<()> {
    let doors = Doors::new()?;
    // ssh ends, and says to a program what to come back with.
    let shown = Shown::by(&mut doors.comes(&ANA, Door::Host, "web-2")?)?;
    ensure!(shown.code == 126 && shown.out.is_empty(), "{}", shown.all());
    let mut lines = shown.err.lines();
    let line = lines.find_map(|l| l.trim_end().strip_prefix("portcullis: detail: "));
    let detail: Value = serde_json::from_str(line.with_context(|| shown.all())?)?;
    comes_back(&doors, Door::Host, &shown.err, &detail)?;
    // A program before a cluster is told the same as kubectl, and can read it.
    let bearer = format!("Authorization: Bearer {}", doors.night.world.token(&ANA)?);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-m", "120", "--cacert"])
        .arg(doors.night.world.certificate())
        .args(["-H", &bearer, "-w", "\n%{http_code} %header{retry-after}"])
        .arg(format!(
            "https://localhost:{}/night/api/v1/pods",
            doors.kubernetes
        ));
    let shown = Shown::by(&mut curl)?;
    let (body, told) = shown.out.rsplit_once('\n').context("a body")?;
    ensure!(
        told == format!("403 {}", limits::DEFERRED_RETRY_SECONDS),
        "{shown:?}"
    );
    let status: Value = serde_json::from_str(body)?;
    let causes = status["details"]["causes"].as_array().context("causes")?;
    let cause = |reason: &str| {
        let cause = causes.iter().find(|cause| cause["reason"] == reason);
        cause.map_or(Value::Null, |cause| cause["message"].clone())
    };
    let detail = serde_json::json!({
        "rule": cause("portcullis/rule"),
        "approval": cause("portcullis/approval"),
        "retry_after": status["details"]["retryAfterSeconds"],
    });
    let hint = cause("portcullis/hint");
    comes_back(
        &doors,
        Door::Cluster,
        hint.as_str().unwrap_or_default(),
        &detail,
    )?;
    Ok(())
}

/// What a program was told leads it in, once people have said yes; and not only once.
fn comes_back(doors: &Doors, door: Door, told: &str, detail: &Value) -> Result<()> {
    let id = doors.night.world.gateway.pending(Duration::from_secs(60))?;
    ensure!(
        detail["rule"] == "access/approval"
            && detail["approval"] == id.as_str()
            && detail["retry_after"] == limits::DEFERRED_RETRY_SECONDS,
        "{door:?}: {detail:#}"
    );
    ensure!(
        told.contains("Connect again once it is approved"),
        "{door:?}, what to do: {told}"
    );
    let voted = doors.night.vote(&BEA, "approve", &id)?;
    ensure!(voted.code == 0, "{}", voted.all());
    for _ in 0..2 {
        doors.enters(&ANA, door, door.later())?;
    }
    let grant = doors.grant(door.later())?;
    doors.noted("approval/grant-used", &[id_of(&grant)?])?;
    Ok(())
}

#[test]
fn a_broken_glass_opens_a_host_and_a_cluster_on_record_in_full() -> Result<()> {
    let doors = Doors::new()?;
    for door in [Door::Host, Door::Cluster] {
        let target = door.target();
        let glass = ["access", "break-glass", target, "--reason"];
        let shown = doors.night.by(&ANA, &[&glass[..], &["short"]].concat())?;
        ensure!(
            shown.code != 0 && shown.shows("takes a reason"),
            "{}",
            shown.all()
        );
        let why = format!("INC-7, {target} is down");
        doors.night.well(&ANA, &[&glass[..], &[&why]].concat())?;
        let page = doors.night.told("glass.broken", &why)?;
        ensure!(
            page["urgent"] == true && page["detail"]["target"] == target,
            "{page:#}"
        );
        // Policy leaves answers out of the record of people, but for the one who went ahead.
        for (who, whole) in [(&ANA, true), (&BEA, false)] {
            doors.enters(who, door, target)?;
            let replayed = doors.replayed(who, target)?;
            ensure!(
                replayed.contains(door.inside()) == whole,
                "{door:?}, of {}: {replayed}",
                who.subject
            );
        }
        let grant = doors.grant(target)?;
        ensure!(grant["purpose"] == "break-glass", "{grant:#}");
        ends(&doors, door, id_of(&grant)?)?;
        let review = [
            "approvals",
            "review",
            id_of(&page)?,
            "--finding",
            "justified",
        ];
        let review = [&review[..], &["--reason", "it was down"]].concat();
        let shown = doors.night.by(&ANA, &review)?;
        ensure!(shown.code != 0, "her own: {}", shown.all());
        doors.night.well(&BEA, &review)?;
        doors.noted("glass/reviewed", &[id_of(&page)?])?;
    }
    Ok(())
}
