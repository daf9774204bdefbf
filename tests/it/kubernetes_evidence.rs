//! What is on record of requests to a cluster, as people and programs read it: an archive of HTTP, the steps and films of the
//! console. And what a program is told that has to come back, in a form that it can read.

use crate::kubernetes_answers::at_a_terminal;
use anyhow::{Context, Result, ensure};
use portcullis_tests::debian::kubectl_1_20;
use portcullis_tests::issuer::{AGENT, ANA, BEA, Person};
use portcullis_tests::kubernetes::{ClusterOptions, ClusterWorld};
use portcullis_tests::oidc::{CLIENT_SECRET, Provider};
use portcullis_tests::process::{free_port, until};
use portcullis_tests::scratch::private;
use portcullis_tests::world::workspace;
use portcullis_tests::{Scratch, Shown};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// Who reads the record.
const AUDIT: &str = "console:
  roles:
    auditor: {groups: [dba]}
";

pub(crate) const PODS: &str = "/api/v1/namespaces/shop/pods";

/// A gateway before a cluster, with its console.
pub(crate) struct Office {
    pub(crate) world: ClusterWorld,
    pub(crate) portal: String,
    pub(crate) provider: Provider,
    _folder: Scratch,
}

impl Office {
    pub(crate) fn open() -> Result<Self> {
        let folder = Scratch::new("office")?;
        let port = free_port()?;
        let portal = format!("https://localhost:{port}");
        let provider = Provider::start(folder.path(), &portal)?;
        let secret = folder.path().join("client-secret");
        private(&secret, CLIENT_SECRET)?;
        let usual = ClusterOptions::default();
        let world = ClusterWorld::with(&ClusterOptions {
            data: format!("{}{AUDIT}", usual.data),
            listener: format!(
                "  - protocol: https
    address: 127.0.0.1:{port}
    tls: {{ certificate: {{at}}/tls.crt, key: {{at}}/tls.key }}
"
            ),
            issuers: format!(
                "  - name: corp
    issuer: {}
    audiences: [portcullis]
    kind: {{ fixed: human }}
    groups_claim: groups
",
                provider.url()
            ),
            more: format!(
                "console: {{}}
login:
  url: {portal}
  providers:
    - issuer: corp
      client_id: portcullis
      client_secret: file:{}
",
                secret.display()
            ),
            ..usual
        })?;
        Ok(Self {
            world,
            portal,
            provider,
            _folder: folder,
        })
    }

    /// What the console says, as JSON or lines of it.
    fn reads(&self, path: &str) -> Result<Vec<Value>> {
        let url = format!("{}/api/v1/{path}", self.portal);
        let shown = Shown::by(&mut curl(&self.world, &BEA, &[&["-f", &url]])?)?;
        ensure!(
            shown.code == 0,
            "{path}: {shown:?}\n{}",
            self.world.gateway.log()
        );
        let values = serde_json::Deserializer::from_str(&shown.out).into_iter();
        values
            .collect::<Result<_, _>>()
            .with_context(|| shown.out.clone())
    }
}

/// `curl` as somebody: these requests, one after the other over one connection.
fn curl(world: &ClusterWorld, person: &Person, requests: &[&[&str]]) -> Result<Command> {
    let bearer = format!("Authorization: Bearer {}", world.issuer.token(person)?);
    let mut curl = Command::new("curl");
    for (number, request) in requests.iter().enumerate() {
        if number > 0 {
            curl.arg("--next");
        }
        curl.args(["-sS", "-m", "120", "--cacert"])
            .arg(world.certificate())
            .args(["-H", &bearer])
            .args(*request);
    }
    Ok(curl)
}

/// Where the gateway serves a path of the cluster's.
fn at(world: &ClusterWorld, path: &str) -> String {
    format!("https://localhost:{}/prod{path}", world.gateway.port)
}

/// The session in which a path was asked for, once it has ended.
pub(crate) fn session(world: &ClusterWorld, path: &str) -> Result<String> {
    let mut found = None;
    until(&format!("a session with {path}"), || {
        for id in world.recorded()? {
            let entries = world.entries_of(&id)?;
            let asked = |entry: &Value| entry["payload"]["stream"]["path"] == path;
            let ended = entries.iter().any(|entry| entry["kind"] == "end");
            if ended && entries.iter().any(asked) {
                found = Some(id);
            }
        }
        Ok(found.is_some())
    })?;
    found.context("a session")
}

/// What one connection asks for: an object, what is refused, and what could not even be read; and the codes that came back.
fn asked(world: &ClusterWorld) -> Result<[(&'static str, String, u64); 3]> {
    let pod = format!("{PODS}/cart-0");
    let map = "/api/v1/namespaces/shop/configmaps/kept".to_owned();
    let code = ["-o", "/dev/null", "-w", "%{http_code}\n"];
    let (url, written) = (at(world, &pod), at(world, &map));
    let masked = r#"{"kind":"ConfigMap","apiVersion":"v1","data":{"a":"[pc-masked:secret]"}}"#;
    let json = "Content-Type: application/json";
    let get = [&code[..], &[url.as_str()]].concat();
    let delete = [&code[..], &["-X", "DELETE", &url]].concat();
    let put = ["-X", "PUT", "-H", json, "-d", masked, &written];
    let put = [&code[..], &put].concat();
    let shown = Shown::by(&mut curl(world, &AGENT, &[&get, &delete, &put])?)?;
    let codes: Vec<u64> = shown.out.lines().filter_map(|l| l.parse().ok()).collect();
    let [read, refused, unread] = codes.as_slice() else {
        anyhow::bail!("{shown:?}\n{}", world.gateway.log());
    };
    ensure!((*read, *refused) == (200, 403), "{shown:?}");
    ensure!((400..500).contains(unread), "{shown:?}");
    Ok([
        ("GET", pod.clone(), *read),
        ("DELETE", pod, *refused),
        ("PUT", map, *unread),
    ])
}

#[test]
fn requests_to_a_cluster_are_read_in_an_archive_and_in_the_console() -> Result<()> {
    let office = Office::open()?;
    let world = &office.world;
    let asked = asked(world)?;
    let id = session(world, &asked[2].1)?;

    let words = ["sessions", "export", &id, "--format", "har"];
    let exported = world.gateway.admin(&words)?;
    ensure!(exported.code == 0, "{}", exported.all());
    let har: Value = serde_json::from_str(&exported.out)?;
    let entries = har["log"]["entries"].as_array().context("entries")?;
    ensure!(entries.len() == asked.len(), "{har:#}");
    for (entry, (method, path, code)) in entries.iter().zip(&asked) {
        ensure!(
            entry["request"]["method"] == *method
                && entry["request"]["url"] == format!("https://gateway{path}")
                && entry["response"]["status"] == *code,
            "{method} {path} {code}: {entry:#}"
        );
    }
    let content = &entries[0]["response"]["content"]["text"];
    let content = content.as_str().unwrap_or_default();
    ensure!(
        content.contains("cart-0") && !exported.out.contains("tr0ub4"),
        "{har:#}"
    );
    for (entry, rule) in [
        (&entries[1], "agents/read-only: "),
        (&entries[2], "portcullis/mask-marker: "),
    ] {
        let comment = entry["comment"].as_str().unwrap_or_default();
        ensure!(
            comment.starts_with(&format!("refused by {rule}")),
            "{entry:#}"
        );
    }

    let page = office.reads(&format!("sessions/{id}/steps"))?;
    let steps = page[0]["steps"].as_array().context("steps")?;
    let heads = |kind: &str| -> Vec<&str> {
        let of_kind = steps.iter().filter(|step| step["kind"] == kind);
        of_kind.filter_map(|step| step["head"].as_str()).collect()
    };
    let opened: Vec<String> = asked
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    ensure!(heads("opened") == opened, "{page:?}");
    let closed = [
        "200".to_owned(),
        "403 refused".to_owned(),
        format!("{} refused", asked[2].2),
    ];
    ensure!(heads("closed") == closed, "{page:?}");
    let refused = heads("refused");
    ensure!(
        refused.len() == 2
            && refused[0].starts_with("agents/read-only: ")
            && refused[1].starts_with("portcullis/mask-marker"),
        "{page:?}"
    );
    // The object is shown with the step of its answer.
    let answer = steps.iter().find(|step| step["kind"] == "answer");
    let answer = answer.context("an answer")?["text"].as_str();
    ensure!(
        answer.is_some_and(|text| text.contains("cart-0")),
        "{page:?}"
    );
    Ok(())
}

#[test]
fn a_terminal_in_a_pod_is_played_by_the_console() -> Result<()> {
    let office = Office::open()?;
    let world = &office.world;
    let shown = at_a_terminal(world, &kubectl_1_20(&workspace())?)?;
    ensure!(
        shown.code == 0 && shown.shows("size 40 120"),
        "{}\n{}",
        shown.all(),
        world.gateway.log()
    );
    let id = session(world, &format!("{PODS}/cart-0/exec"))?;
    let shots = office.reads(&format!("sessions/{id}/film"))?;
    let header = shots.first().context("a film")?;
    ensure!(header["columns"].is_u64(), "{shots:?}");
    let of = |kind: &str| -> Vec<&Value> {
        let all = shots.iter().filter(|shot| shot[1] == kind);
        all.collect()
    };
    let painted: String = of("o").iter().filter_map(|shot| shot[2].as_str()).collect();
    ensure!(painted.contains("size 40 120"), "{shots:?}");
    let sizes: Vec<_> = of("r").iter().map(|shot| (&shot[2], &shot[3])).collect();
    let (first, second) = ((&json!(101), &json!(33)), (&json!(120), &json!(40)));
    ensure!(
        sizes.first() == Some(&first) && sizes.last() == Some(&second),
        "{shots:?}"
    );
    let ends: Vec<_> = of("x").iter().map(|shot| &shot[2]).collect();
    ensure!(ends == [&json!(0)], "{shots:?}");
    Ok(())
}

/// A refused or served request: its code, a header, and the body.
fn told(shown: &Shown, header: &str) -> Result<(u64, Option<String>, Value)> {
    let (head, body) = shown.out.split_once("\r\n\r\n").context("a head")?;
    let mut lines = head.lines();
    let code = lines.next().and_then(|line| line.split(' ').nth(1));
    let code = code.context("a code")?.parse()?;
    let named = lines.filter_map(|line| line.split_once(": "));
    let value = named
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(header))
        .map(|(_, value)| value.to_owned());
    Ok((code, value, serde_json::from_str(body)?))
}

#[test]
fn a_program_without_kubectl_is_told_when_to_come_back_and_for_what() -> Result<()> {
    let world = ClusterWorld::start()?;
    let made = ["create", "configmap", "later", "-n", "shop"];
    let made = world.ask(&ANA, &made)?;
    ensure!(made.code == 0, "{}", made.all());
    let url = at(&world, "/api/v1/namespaces/shop/configmaps/later");
    let delete = || -> Result<(u64, Option<String>, Value)> {
        let shown = Shown::by(&mut curl(&world, &ANA, &[&["-i", "-X", "DELETE", &url]])?)?;
        ensure!(shown.code == 0, "{shown:?}");
        told(&shown, "retry-after").with_context(|| format!("{shown:?}"))
    };
    let (code, after, body) = delete()?;
    let id = world.gateway.pending(Duration::from_secs(60))?;
    let seconds: u64 = after.context("Retry-After")?.parse()?;
    ensure!(
        code == 429 && body["code"] == 429 && body["kind"] == "Status" && seconds > 0,
        "{code} {seconds} {body:#}"
    );
    let details = &body["details"];
    ensure!(details["retryAfterSeconds"] == seconds, "{body:#}");
    let causes = details["causes"].as_array().context("causes")?;
    let cause = |reason: &str| {
        let cause = causes.iter().find(|cause| cause["reason"] == reason);
        cause.and_then(|cause| cause["message"].as_str())
    };
    ensure!(
        cause("portcullis/rule") == Some("clusters/later")
            && cause("portcullis/approval") == Some(id.as_str()),
        "{body:#}"
    );
    ensure!(
        cause("portcullis/hint").is_some_and(|hint| !hint.is_empty()),
        "what to do: {body:#}"
    );
    ensure!(world.api.asked("DELETE ")? == 0, "nobody has said yes");
    let bea = world.issuer.token(&BEA)?;
    let words = ["approvals", "approve", &id, "--reason", "seen"];
    let vote = world.gateway.admin_as(Some(&bea), &words)?;
    ensure!(vote.code == 0, "{}", vote.all());
    let (code, _, body) = delete()?;
    ensure!(code == 200, "the same again: {code} {body:#}");
    ensure!(world.api.asked("DELETE ")? == 1, "once");
    Ok(())
}
