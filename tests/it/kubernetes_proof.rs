//! What could break without any other test failing: what the record has of a stream, whom the cluster is told that
//! somebody is, which cluster is spoken to and over how many connections, two requests in one, and masks without a
//! marker that come back.

use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::debian::{kubectl_1_20, kubectl_1_32};
use portcullis_tests::gateway::{Gateway, program};
use portcullis_tests::issuer::{ANA, CLEO, DORA, Issuer};
use portcullis_tests::kubernetes::{
    ApiServer, ClusterOptions, ClusterWorld, certificate, text, waits_for,
};
use portcullis_tests::process::{fed, free_port, run, until};
use portcullis_tests::psql::Shown;
use portcullis_tests::scratch::{Scratch, private};
use portcullis_tests::world::workspace;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
/// For a client that may hang, on a machine that may be busy.
const LONG: Duration = Duration::from_secs(180);
const CARD: u64 = 4_539_578_763_621_486;

#[test]
fn what_goes_into_a_pod_is_on_record_and_secrets_on_its_errors_are_masked() -> Result<()> {
    let world = ClusterWorld::start()?;
    for (program, how, word) in [
        (kubectl_1_20(&workspace())?, "POST", "said-over-spdy"),
        (kubectl_1_32(&workspace())?, "GET", "said-over-websocket"),
    ] {
        let echo = ["exec", "-i", "-n", "shop", "cart-0", "--", "cat"];
        let said = fed(
            &mut world.kubectl_of(&program, &ANA, &echo)?,
            format!("{word}\n").as_bytes(),
            LONG,
        )?;
        ensure!(said.code == 0 && said.out.contains(word), "{said:?}");
        // `ls` names what it does not find, on its error output.
        let name = format!("{word} token={SECRET}");
        let lost = ["exec", "-n", "shop", "cart-0", "--", "ls", &name];
        let shown = Shown::by(&mut world.kubectl_of(&program, &ANA, &lost)?)?;
        ensure!(
            shown.code == 2 && shown.err.contains(word) && shown.err.contains("[pc-masked"),
            "{how}: {} {}",
            shown.code,
            shown.all()
        );
        ensure!(!shown.shows(SECRET), "{how}: {}", shown.all());
        let streams = format!("{how} /api/v1/namespaces/shop/pods/cart-0/exec");
        ensure!(world.api.asked(&streams)? == 2, "{how} was not used");
        until(&format!("{word} is not on record"), || {
            let all = world.entries()?;
            let errors = text(&all, "diagnostic");
            Ok(text(&all, "upload").contains(word)
                && text(&all, "release").contains(word)
                && errors.contains(word)
                && errors.contains("[pc-masked"))
        })?;
    }
    let all = world.entries()?;
    for kind in ["upload", "release", "diagnostic"] {
        ensure!(!text(&all, kind).contains(SECRET), "{kind}");
    }
    world.gateway.replays_unchanged(4)
}

#[test]
fn the_sizes_of_a_terminal_over_websocket_reach_the_pod_and_the_record() -> Result<()> {
    let world = ClusterWorld::start()?;
    let folder = world.folder();
    let (seen, enough) = (folder.join("seen"), folder.join("enough"));
    let wait = waits_for(&format!("-e {}", enough.display()));
    let waits = world.script("waits", &wait)?.display().to_string();
    let exec = ["exec", "-it", "-n", "shop", "cart-0", "--", &waits];
    let kubectl = world.kubectl_of(&kubectl_1_32(&workspace())?, &ANA, &exec)?;
    let mut terminal = world.at_a_terminal(&kubectl, &seen)?;
    terminal.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = terminal.spawn().context("run kubectl at a terminal")?;
    let told = |size: [&str; 2]| {
        let all = world.api.requests()?;
        let mut bodies = all.iter().filter(|r| r["method"] == "SIZE");
        Ok(bodies.any(|r| {
            let body = r["body"].as_str().unwrap_or_default();
            size.iter().all(|part| body.contains(part))
        }))
    };
    let first = until("the first size", || {
        told(["\"Width\":101", "\"Height\":33"])
    });
    fs::write(&seen, "")?;
    let second = first.and_then(|()| {
        until("the second size", || {
            told(["\"Width\":120", "\"Height\":40"])
        })
    });
    fs::write(&enough, "")?;
    let status = child.wait()?;
    second?;
    ensure!(status.success(), "{status}");
    until("the sizes are on record", || {
        let all = world.entries()?;
        let named = all.iter().filter(|e| e["payload"]["control"] == "resize");
        let names: Vec<&str> = named
            .filter_map(|e| e["payload"]["name"].as_str())
            .collect();
        let at = |name| names.iter().position(|n| *n == name);
        Ok(at("101x33").is_some() && at("101x33") < at("120x40"))
    })
}

/// Sends bytes to the gateway as they are.
fn raw(world: &ClusterWorld, text: &str) -> Result<String> {
    let mut command = Command::new("python3");
    command
        .arg(workspace().join("tests/it/kubernetes_proof/raw.py"))
        .arg(world.gateway.port.to_string())
        .arg(world.certificate());
    let shown = fed(&mut command, text.as_bytes(), LONG)?;
    ensure!(shown.code == 0, "{shown:?}");
    Ok(shown.out)
}

#[test]
fn the_cluster_is_told_who_comes_and_nothing_that_a_client_says_of_itself() -> Result<()> {
    let world = ClusterWorld::start()?;
    let list = ["get", "pods", "-n", "shop"];
    ensure!(world.ask(&DORA, &list)?.code == 0, "she sees pods");
    let exec = ["exec", "-n", "shop", "cart-0", "--", "cat", "/proc/version"];
    for program in [kubectl_1_20(&workspace())?, kubectl_1_32(&workspace())?] {
        let shown = Shown::by(&mut world.kubectl_of(&program, &DORA, &exec)?)?;
        ensure!(shown.code == 0, "{}", shown.all());
    }
    let token = world.issuer.token(&DORA)?;
    let with = |header: &str| {
        raw(
            &world,
            &format!(
                "GET /prod/api/v1/namespaces/shop/configmaps HTTP/1.1\r\nHost: localhost\r\n\
                 Authorization: Bearer {token}\r\n{header}\r\nConnection: close\r\n\r\n"
            ),
        )
    };
    for header in [
        "Impersonate-User: system:admin",
        "impersonate-group: system:masters",
        "Impersonate-Extra-portcullis.dev%2fissuer: https://other",
        "Impersonate-Uid: 1",
        "X-Remote-Group: system:masters",
    ] {
        let answer = with(header)?;
        ensure!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("kubernetes/impersonation"),
            "{header}: {answer}"
        );
    }
    let maps = "GET /api/v1/namespaces/shop/configmaps";
    ensure!(world.api.asked(maps)? == 0, "one of them was sent");
    // Others stay behind.
    for header in ["X-Forwarded-User: admin", "Audit-ID: 1", "Cookie: a=b"] {
        let answer = with(header)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{header}: {answer}");
    }
    ensure!(world.api.asked(maps)? == 3, "they were sent");
    let requests = world.api.requests()?;
    ensure!(requests.len() > 5, "{} requests", requests.len());
    for request in requests.iter().filter(|r| r["method"] != "SIZE") {
        as_dora(&world, request)?;
    }
    Ok(())
}

/// A request as the cluster saw it: its one credential, and the person with both of her groups.
fn as_dora(world: &ClusterWorld, request: &Value) -> Result<()> {
    let headers = request["headers"].as_array().context("headers")?;
    let of = |name: &str| -> Vec<&str> {
        let all = headers.iter().filter(|h| h[0] == name);
        all.filter_map(|h| h[1].as_str()).collect()
    };
    ensure!(
        of("authorization") == [format!("Bearer {}", world.api.token)],
        "another credential"
    );
    ensure!(
        of("impersonate-user") == ["pc:dev:dora@example.com"],
        "{request}"
    );
    let mut groups = of("impersonate-group");
    groups.sort_unstable();
    ensure!(
        groups == ["portcullis:dev:dpo", "portcullis:dev:engineers"],
        "{request}"
    );
    let extra = |name: &str| of(&format!("impersonate-extra-portcullis.dev%2f{name}"));
    ensure!(extra("issuer") == [world.issuer.url()], "{request}");
    ensure!(extra("session").len() == 1, "{request}");
    let names = headers.iter().filter_map(|h| h[0].as_str());
    let known = [
        "impersonate-user",
        "impersonate-group",
        "impersonate-extra-portcullis.dev%2fissuer",
        "impersonate-extra-portcullis.dev%2fsession",
    ];
    for name in names {
        let ours = !name.starts_with("impersonate-") || known.contains(&name);
        let clients = ["x-forwarded-user", "x-remote-group", "audit-id", "cookie"];
        ensure!(ours && !clients.contains(&name), "{name}: {request}");
    }
    Ok(())
}

/// What somebody behind us would take for a request of its own. It shows no token.
const HIDDEN: &str = "DELETE /prod/api/v1/namespaces/shop/secrets/db HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// It is served as its chunks frame it, and the connection ends there: what stands behind them is no request (RFC 9112 section 6.3).
const SERVED: &[&str] = &["201"];
/// The same, and the object is there already.
const AGAIN: &[&str] = &["409"];
/// The request is none, or by its chunks holds no object.
const REFUSED: &[&str] = &["400"];

/// Headers that frame a body in two ways, or in none, the body, and what comes of them.
fn framings(object: &str) -> Vec<(String, String, &'static [&'static str])> {
    let hidden = HIDDEN;
    let chunked = format!("{:x}\r\n{object}\r\n0\r\n\r\n", object.len());
    let whole = object.len();
    let longer = whole + hidden.len();
    vec![
        // Whoever reads the length takes the rest for a body, whoever reads chunks for a request; and the other way round.
        (
            format!("Content-Length: {longer}\r\nTransfer-Encoding: chunked"),
            format!("0\r\n\r\n{hidden}"),
            REFUSED,
        ),
        (
            format!("Transfer-Encoding: chunked\r\nContent-Length: {longer}"),
            format!("0\r\n\r\n{hidden}"),
            REFUSED,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 4".to_owned(),
            format!("{chunked}{hidden}"),
            SERVED,
        ),
        (
            "Content-Length: 4\r\nTransfer-Encoding: chunked".to_owned(),
            format!("{chunked}{hidden}"),
            AGAIN,
        ),
        (
            format!("Content-Length: {whole}\r\nContent-Length: {longer}"),
            format!("{object}{hidden}"),
            REFUSED,
        ),
        (
            format!("Content-Length: {whole}, {longer}"),
            format!("{object}{hidden}"),
            REFUSED,
        ),
        (
            format!("Content-Length : {whole}"),
            format!("{object}{hidden}"),
            REFUSED,
        ),
        (
            format!("Content-Length: {whole}\r\nX-Long: a\r\n Transfer-Encoding: chunked"),
            format!("{object}{hidden}"),
            REFUSED,
        ),
        (
            format!("X-Long: a\r\n\tb\r\nContent-Length: {whole}"),
            format!("{object}{hidden}"),
            REFUSED,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
            format!("{chunked}{hidden}"),
            REFUSED,
        ),
        (
            "Transfer-Encoding: xchunked".to_owned(),
            format!("{chunked}{hidden}"),
            REFUSED,
        ),
        (
            "Transfer-Encoding\u{b}: chunked".to_owned(),
            format!("{chunked}{hidden}"),
            REFUSED,
        ),
    ]
}

#[test]
fn two_requests_in_one_are_none_that_the_cluster_sees() -> Result<()> {
    let world = ClusterWorld::start()?;
    let token = world.issuer.token(&ANA)?;
    let target = "/prod/api/v1/namespaces/shop/configmaps";
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "raw", "namespace": "shop"}}).to_string();
    let hidden = HIDDEN;
    let head = |framing: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        )
    };
    let mut others = Vec::new();
    for (framing, body, expected) in framings(&object) {
        let answer = raw(&world, &(head(&framing) + &body))?;
        let told = answer.lines().filter_map(|l| l.strip_prefix("HTTP/1.1 "));
        let told: Vec<&str> = told.filter_map(|l| l.split(' ').next()).collect();
        if told != expected {
            others.push(format!("{framing}: {told:?}, not {expected:?}: {answer}"));
        }
        ensure!(world.api.asked("DELETE ")? == 0, "{framing}: {answer}");
    }
    ensure!(others.is_empty(), "{}", others.join("\n"));
    // What was sent has one framing, and holds what was judged.
    for request in world.api.requests()? {
        let headers = request["headers"].as_array().context("headers")?;
        let count = |name: &str| headers.iter().filter(|h| h[0] == name).count();
        ensure!(
            count("transfer-encoding") == 0 && count("content-length") <= 1,
            "{request}"
        );
        let body = request["body"].as_str().unwrap_or_default();
        ensure!(body.is_empty() || body == object, "{request}");
    }
    // The same request with one framing is served, and a second one behind it is judged by itself.
    let other = object.replace("raw", "good");
    let good = head(&format!("Content-Length: {}", other.len())) + &other + hidden;
    let before = world.api.asked("POST ")?;
    let answer = raw(&world, &good)?;
    ensure!(
        answer.starts_with("HTTP/1.1 201") && answer.contains("HTTP/1.1 401"),
        "{answer}"
    );
    ensure!(world.api.asked("POST ")? == before + 1, "once");
    ensure!(world.api.asked("DELETE ")? == 0, "it was deleted");
    Ok(())
}

fn written(world: &ClusterWorld, name: &str, object: &Value) -> Result<String> {
    let file = world.folder().join(name);
    fs::write(&file, object.to_string())?;
    Ok(file.display().to_string())
}

/// It is refused, however it is written.
fn comes_back(world: &ClusterWorld, object: &Value) -> Result<()> {
    let file = written(world, "back.json", object)?;
    for arguments in [
        &["replace", "--validate=false", "-f", &file][..],
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--validate=false",
            "-f",
            &file,
        ],
    ] {
        let back = world.ask(&CLEO, arguments)?;
        ensure!(
            back.code != 0 && back.shows("portcullis/mask-marker"),
            "{arguments:?}: {}",
            back.all()
        );
    }
    Ok(())
}

#[test]
fn a_masked_number_and_a_token_do_not_come_back_over_the_real_value() -> Result<()> {
    let data = ClusterOptions::default().data;
    let world = ClusterWorld::with(&ClusterOptions {
        data: format!("{data}    entities: {{CARD: redact, EMAIL: token}}\n"),
        ..ClusterOptions::default()
    })?;
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "billing", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "card": CARD, "mail": "grace@shop.example", "copies": 3},
    });
    let file = written(&world, "billing.json", &object)?;
    let made = world.ask(&ANA, &["create", "--validate=false", "-f", &file])?;
    ensure!(made.code == 0, "{}", made.all());
    let shown = world.ask(
        &CLEO,
        &["get", "deployment", "billing", "-n", "shop", "-o", "json"],
    )?;
    ensure!(shown.code == 0, "{}", shown.all());
    let mut read: Value = serde_json::from_str(&shown.out)?;
    ensure!(
        read["spec"]["card"].is_i64()
            && read["spec"]["card"] != CARD
            && read["spec"]["mail"]
                .as_str()
                .is_some_and(|mail| mail.starts_with("[pc-masked:") && mail.ends_with("email]"))
            && read["spec"]["copies"] == 3,
        "{read}"
    );
    let sent = || {
        world
            .api
            .asked("PUT /apis/apps/v1/namespaces/shop/deployments/billing")
    };
    // As it was shown; with the number alone; with the mail alone.
    comes_back(&world, &read)?;
    let mail = std::mem::replace(&mut read["spec"]["mail"], json!("real@shop.example"));
    comes_back(&world, &read)?;
    read["spec"]["mail"] = mail;
    read["spec"]["card"] = json!(CARD);
    comes_back(&world, &read)?;
    ensure!(sent()? == 0, "it was written");
    // What is changed without the masked values is written, and they stay.
    let patch = [
        "patch",
        "deployment",
        "billing",
        "-n",
        "shop",
        "--type=merge",
        "-p",
        "{\"spec\":{\"copies\":4}}",
    ];
    let patched = world.ask(&CLEO, &patch)?;
    ensure!(patched.code == 0, "{}", patched.all());
    let shown = world.ask(
        &ANA,
        &["get", "deployment", "billing", "-n", "shop", "-o", "json"],
    )?;
    let read: Value = serde_json::from_str(&shown.out)?;
    ensure!(
        read["spec"]["card"] == CARD
            && read["spec"]["mail"] == "grace@shop.example"
            && read["spec"]["copies"] == 4,
        "{read}"
    );
    Ok(())
}

#[test]
fn requests_that_follow_each_other_share_a_connection_to_the_cluster() -> Result<()> {
    const ASKED: usize = 20;
    let world = ClusterWorld::start()?;
    let mut visit = Command::new("python3");
    visit
        .arg(workspace().join("tests/it/cluster_logins/visit.py"))
        .arg(world.gateway.port.to_string())
        .arg(world.certificate())
        .env("TOKEN", world.issuer.token(&ANA)?);
    let paths = "/prod/api/v1/namespaces/shop/pods\n".repeat(ASKED);
    let said = fed(&mut visit, paths.as_bytes(), LONG)?;
    let served = said.out.matches("200 PodList").count();
    ensure!(served == ASKED, "{said:?}");
    let mut peers: Vec<u64> = world
        .api
        .requests()?
        .iter()
        .filter_map(|r| r["peer"].as_u64())
        .collect();
    ensure!(peers.len() == ASKED, "{} requests", peers.len());
    peers.sort_unstable();
    peers.dedup();
    // One, unless the machine is so busy that the next request comes before the last answer is on record.
    ensure!(peers.len() < ASKED / 2, "{} connections", peers.len());
    Ok(())
}

/// The policies' data of a world with pinned certificates.
const PEOPLE: &str = "
access:
  groups: {engineers: [shop-people]}
  bindings:
    shop-people: {protocols: [kubernetes], labels: {app: shop}}
config:
  commands: {admin_groups: [engineers]}
";

/// A certificate for another name than this machine's.
fn for_elsewhere(at: &Path) -> Result<()> {
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=elsewhere"])
        .args(["-addext", "subjectAltName=DNS:elsewhere.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(at.join("elsewhere.key"))
        .arg("-out")
        .arg(at.join("elsewhere.crt")))?;
    Ok(())
}

/// A stand-in that shows this certificate, in a folder of its own.
fn server(at: &Path, name: &str) -> Result<ApiServer> {
    let folder = at.join(format!("server-{name}"));
    fs::create_dir_all(&folder)?;
    let path = |end: &str| at.join(format!("{name}.{end}"));
    ApiServer::start(&folder, &path("crt"), &path("key"))
}

/// One target for each server, with the authority that is pinned.
fn pinned(issuer: &Issuer, ports: (u16, u16), targets: &[(&str, &ApiServer, &str)]) -> String {
    let mut connections = String::new();
    for (name, api, ca) in targets {
        connections += &format!(
            "  - name: {name}
    protocol: kubernetes
    labels: {{ app: shop }}
    host: localhost
    port: {}
    tls: verify-full
    ca: {ca}.crt
    credential: {{ cluster: {{ token: \"file:token-{name}\" }} }}
",
            api.port
        );
    }
    format!(
        "node: world
state_dir: state
listeners:
  - protocol: kubernetes
    address: 127.0.0.1:{}
    tls: {{ certificate: tls.crt, key: tls.key }}
issuers:
  - name: dev
    issuer: {}
    audiences: [portcullis]
    algorithms: [ES256]
    kind: {{ claim: kind }}
    groups_claim: groups
connections:
{connections}policies:
  packs:
    - builtin: access
  data: data.yaml
plugins:
  - builtin: classify-kubernetes
admin:
  socket: admin.sock
  metrics: 127.0.0.1:{}
",
        ports.0,
        issuer.url(),
        ports.1
    )
}

#[test]
fn a_cluster_with_another_certificate_than_the_pinned_one_is_told_nothing() -> Result<()> {
    let folder = Scratch::new("pinned")?;
    let at = folder.path();
    for name in ["tls", "api", "other"] {
        certificate(at, name)?;
    }
    for_elsewhere(at)?;
    let (api, other, elsewhere) = (
        server(at, "api")?,
        server(at, "other")?,
        server(at, "elsewhere")?,
    );
    let binary = program(
        &workspace(),
        &std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "debug".to_owned()),
    )?;
    let issuer = Issuer::start(&binary, at)?;
    fs::write(at.join("data.yaml"), PEOPLE)?;
    let ports = (free_port()?, free_port()?);
    let config = at.join("portcullis.yaml");
    let targets = [
        ("prod", &api, "api"),
        ("other", &other, "api"),
        ("elsewhere", &elsewhere, "elsewhere"),
    ];
    for (name, api, _) in &targets {
        private(&at.join(format!("token-{name}")), &api.token)?;
    }
    fs::write(&config, pinned(&issuer, ports, &targets))?;
    let gateway = Gateway::start(&binary, &config, ports.0, ports.1, &[])?;
    let ask = |target: &str| -> Result<String> {
        let mut visit = Command::new("python3");
        visit
            .arg(workspace().join("tests/it/cluster_logins/visit.py"))
            .arg(gateway.port.to_string())
            .arg(at.join("tls.crt"))
            .env("TOKEN", issuer.token(&ANA)?);
        let path = format!("/{target}/api/v1/namespaces/shop/pods\n");
        Ok(fed(&mut visit, path.as_bytes(), LONG)?.out)
    };
    let good = ask("prod")?;
    ensure!(good.starts_with("200 PodList"), "{good}");
    for (target, api) in [("other", &other), ("elsewhere", &elsewhere)] {
        let refused = ask(target)?;
        ensure!(
            refused.starts_with("502 ") && refused.contains("fault/upstream"),
            "{target}: {refused}"
        );
        let requests = api.requests()?;
        if let Some(request) = requests.first() {
            bail!("{target} was asked: {request}");
        }
    }
    let log = gateway.log();
    ensure!(log.contains("ertificate"), "the log says why: {log}");
    Ok(())
}
