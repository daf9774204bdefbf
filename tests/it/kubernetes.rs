//! Kubernetes through the gate with real `kubectl`: what works works as without the gateway, secrets are masked in
//! every form, and what policy refuses never reaches the cluster.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{AGENT, ANA, BEA, EVE};
use portcullis_tests::kubernetes::{ClusterOptions, ClusterWorld};
use portcullis_tests::process::which;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The password in the Secret `db` and in the environment of `cart-0`, plain and as it stands there.
const CANARIES: [&str; 4] = [
    "tr0ub4dor-and-3-more",
    "dHIwdWI0ZG9yLWFuZC0zLW1vcmU=",
    "correct-horse-battery",
    "AKIAQ3EGRIZ7XMPL5DNT",
];

fn clean(text: &str) -> Result<()> {
    for canary in CANARIES {
        ensure!(!text.contains(canary), "`{canary}` was shown:\n{text}");
    }
    Ok(())
}

#[test]
fn kubectl_works_through_the_gate() -> Result<()> {
    let world = ClusterWorld::start()?;
    reads(&world)?;
    secrets(&world)?;
    writes(&world)?;
    echoes(&world)?;
    denials(&world)?;
    holds(&world)?;
    streams(&world)?;
    records(&world)
}

fn reads(world: &ClusterWorld) -> Result<()> {
    let table = world.ask(&ANA, &["get", "pods", "-A"])?;
    ensure!(table.code == 0, "{}", table.all());
    for shown in ["cart-0", "cart-1", "dns-0", "NAMESPACE", "Running"] {
        ensure!(table.shows(shown), "`{shown}` is missing:\n{}", table.all());
    }
    let json = world.ask(&ANA, &["get", "pods", "-n", "shop", "-o", "json"])?;
    let list: Value = serde_json::from_str(&json.out).context("kubectl prints JSON")?;
    ensure!(
        list["items"].as_array().is_some_and(|i| i.len() == 2),
        "{}",
        json.out
    );
    let version = world.ask(&ANA, &["version", "-o", "json"])?;
    ensure!(version.shows("v1.32.0"), "{}", version.all());
    let resources = world.ask(&ANA, &["api-resources"])?;
    ensure!(
        resources.shows("deployments") && resources.code == 0,
        "{}",
        resources.all()
    );
    let sorted = world.ask(
        &ANA,
        &["get", "pods", "-n", "shop", "--sort-by=.metadata.name"],
    )?;
    ensure!(sorted.shows("cart-1"), "{}", sorted.all());
    let can = world.ask(&ANA, &["auth", "can-i", "get", "pods", "-n", "shop"])?;
    ensure!(can.out.trim() == "yes", "{}", can.all());
    let all = world.ask(&ANA, &["get", "pods", "-n", "big", "--no-headers"])?;
    ensure!(
        all.out.lines().count() == 10_000,
        "{} lines",
        all.out.lines().count()
    );
    // Somebody without a grant sees nothing, and a wrong token is told so.
    let eve = world.ask(&EVE, &["get", "pods"])?;
    ensure!(eve.code != 0 && eve.shows("portcullis"), "{}", eve.all());
    Ok(())
}

fn secrets(world: &ClusterWorld) -> Result<()> {
    for arguments in [
        &["get", "secret", "db", "-n", "shop", "-o", "json"][..],
        &["get", "secret", "db", "-n", "shop", "-o", "yaml"],
        &["get", "secrets", "-n", "shop", "-o", "json"],
        &["get", "secrets", "-A", "-o", "jsonpath={.items[*].data}"],
        &["get", "secrets", "-n", "shop", "--sort-by=.data.password"],
        &["describe", "secret", "db", "-n", "shop"],
        &["get", "pod", "cart-0", "-n", "shop", "-o", "json"],
        &["get", "pods", "-A", "-o", "yaml"],
        &["get", "configmap", "app", "-n", "shop", "-o", "yaml"],
        &["get", "--raw", "/prod/api/v1/namespaces/shop/secrets/db"],
        &[
            "get",
            "--raw",
            "/prod/api/v1/secrets?watch=true&timeoutSeconds=1&resourceVersion=0",
        ],
    ] {
        let shown = world.ask(&ANA, arguments)?;
        ensure!(shown.code == 0, "{arguments:?}: {}", shown.all());
        clean(&shown.all())?;
    }
    let secret = world.ask(&ANA, &["get", "secret", "db", "-n", "shop", "-o", "json"])?;
    let secret: Value = serde_json::from_str(&secret.out)?;
    let mask = "W3BjLW1hc2tlZDpzZWNyZXRd";
    ensure!(secret["data"]["password"] == mask, "{secret}");
    // A token that the cluster mints for somebody would lead past the gateway.
    let token = world.ask(&ANA, &["create", "token", "default", "-n", "shop"])?;
    ensure!(
        token.code == 0 && token.shows("pc-masked") && !token.shows("minted-by-the-cluster"),
        "{}",
        token.all()
    );
    // An agent does not even ask.
    let agent = world.ask(&AGENT, &["get", "secret", "db", "-n", "shop"])?;
    ensure!(
        agent.code == 1 && agent.shows("secrets/read"),
        "{}",
        agent.all()
    );
    Ok(())
}

fn writes(world: &ClusterWorld) -> Result<()> {
    let made = world.ask(
        &ANA,
        &[
            "create",
            "configmap",
            "made",
            "-n",
            "shop",
            "--from-literal=a=b",
        ],
    )?;
    ensure!(made.code == 0, "{}", made.all());
    let scaled = world.ask(
        &ANA,
        &[
            "patch",
            "deployment",
            "cart",
            "-n",
            "shop",
            "--type=merge",
            "-p",
            "{\"spec\":{\"replicas\":3}}",
        ],
    )?;
    ensure!(
        scaled.code == 0 && scaled.shows("patched"),
        "{}",
        scaled.all()
    );
    Ok(())
}

/// A masked value must not come back, and the echo of a write is masked as a read is.
fn echoes(world: &ClusterWorld) -> Result<()> {
    let body = r#"{"data":{"password":"W3BjLW1hc2tlZDpzZWNyZXRd"}}"#;
    let back = world.ask(
        &ANA,
        &[
            "patch",
            "secret",
            "db",
            "-n",
            "shop",
            "--type=merge",
            "-p",
            body,
        ],
    )?;
    ensure!(
        back.code != 0 && back.shows("portcullis/mask-marker"),
        "{}",
        back.all()
    );
    ensure!(
        world.api.asked("PATCH /api/v1/namespaces/shop/secrets")? == 0,
        "it reached the cluster"
    );
    let body = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    let echo = world.ask(
        &ANA,
        &[
            "patch",
            "secret",
            "db",
            "-n",
            "shop",
            "--type=merge",
            "-p",
            body,
            "-o",
            "json",
        ],
    )?;
    ensure!(echo.code == 0, "{}", echo.all());
    clean(&echo.all())?;
    // Whether it conflicts would tell whether a guess is right.
    let guess = world.folder().join("guess.yaml");
    let object = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "shop"},
        "data": {"password": "Z3Vlc3M="},
    });
    std::fs::write(&guess, object.to_string())?;
    let guess = guess.display().to_string();
    for arguments in [
        &["apply", "--server-side", "--field-manager=x", "-f", &guess][..],
        &["replace", "--dry-run=server", "-f", &guess],
    ] {
        let compared = world.ask(&ANA, arguments)?;
        ensure!(
            compared.code != 0 && compared.shows("kubernetes/compares-masked"),
            "{arguments:?}: {}",
            compared.all()
        );
    }
    Ok(())
}

fn denials(world: &ClusterWorld) -> Result<()> {
    let agent = world.ask(&AGENT, &["delete", "pod", "cart-1", "-n", "shop"])?;
    ensure!(agent.code == 1, "{}", agent.all());
    ensure!(
        agent.err.contains("Error from server (Forbidden)") && agent.shows("agents/read-only"),
        "{}",
        agent.all()
    );
    let pod = r#"{"spec":{"template":{"spec":{"containers":[{"name":"main","securityContext":{"privileged":true}}]}}}}"#;
    let privileged = world.ask(
        &ANA,
        &["patch", "deployment", "cart", "-n", "shop", "-p", pod],
    )?;
    ensure!(
        privileged.code == 1 && privileged.shows("commands/pod-security"),
        "{}",
        privileged.all()
    );
    let impersonated = world.ask(&ANA, &["get", "pods", "--as=system:admin"])?;
    ensure!(
        impersonated.code == 1 && impersonated.shows("kubernetes/impersonation"),
        "{}",
        impersonated.all()
    );
    ensure!(world.api.asked("DELETE ")? == 0, "something was deleted");
    Ok(())
}

fn holds(world: &ClusterWorld) -> Result<()> {
    let child = world
        .kubectl(
            &ANA,
            &["delete", "pod", "cart-1", "-n", "shop", "--wait=false"],
        )?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run kubectl")?;
    let id = world.gateway.pending(Duration::from_secs(60))?;
    ensure!(
        world.api.asked("DELETE ")? == 0,
        "it went before anybody approved"
    );
    let bea = world.issuer.token(&BEA)?;
    let vote = world.gateway.admin_as(
        Some(&bea),
        &["approvals", "approve", &id, "--reason", "seen"],
    )?;
    ensure!(vote.code == 0, "{}", vote.all());
    let output = child.wait_with_output()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && shown.contains("deleted"),
        "{shown}"
    );
    ensure!(
        shown.contains("Warning: portcullis: held by clusters/delete"),
        "{shown}"
    );
    ensure!(
        world
            .api
            .asked("DELETE /api/v1/namespaces/shop/pods/cart-1")?
            == 1,
        "once"
    );
    Ok(())
}

/// Kills what it holds, however a test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn a_log_is_shown_as_it_is_written() -> Result<()> {
    // It goes on for an hour.
    let world = ClusterWorld::with(&ClusterOptions {
        settings: &[("API_LOG_LINES", "12000")],
        ..ClusterOptions::default()
    })?;
    let mut logs = world.kubectl(&ANA, &["logs", "cart-0", "-n", "shop", "-f"])?;
    let child = logs
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("run kubectl")?;
    let mut child = Running(child);
    let lines = BufReader::new(child.0.stdout.take().context("standard output")?).lines();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    for wanted in ["started", "tick 0", "tick 1"] {
        loop {
            let line = receiver.recv_timeout(Duration::from_secs(120));
            let line = line.with_context(|| format!("`{wanted}` does not come"))?;
            ensure!(!line.contains("ghp_16C7"), "{line}");
            if line == wanted {
                break;
            }
        }
        let ended = child.0.try_wait()?;
        ensure!(ended.is_none(), "`{wanted}` came with the end: {ended:?}");
    }
    Ok(())
}

fn streams(world: &ClusterWorld) -> Result<()> {
    let log = world.ask(&ANA, &["logs", "cart-0", "-n", "shop", "-f"])?;
    ensure!(
        log.code == 0 && log.shows("started") && log.shows("tick 2"),
        "{}",
        log.all()
    );
    ensure!(!log.shows("ghp_16C7"), "{}", log.all());
    watch(world)?;
    let run = |arguments: &[&str]| {
        let all = [&["exec", "-n", "shop", "cart-0", "--"][..], arguments].concat();
        world.ask(&ANA, &all)
    };
    let ran = run(&["cat", "/proc/version"])?;
    ensure!(ran.code == 0 && ran.shows("Linux"), "{}", ran.all());
    let failed = run(&["ls", "/nowhere"])?;
    ensure!(
        failed.code == 2 && failed.err.contains("nowhere"),
        "{} {}",
        failed.code,
        failed.all()
    );
    let secret = run(&["printf", "token=ghp_16C7e42F292c6912E7710c838347Ae178B4a b"])?;
    ensure!(
        !secret.shows("ghp_16C7") && secret.shows("pc-masked"),
        "{}",
        secret.all()
    );
    // A port cannot be looked into: where masks apply policy has to name it, and SPDY is told the same.
    let port = world.ask(&ANA, &["port-forward", "-n", "shop", "pod/cart-0", ":80"])?;
    ensure!(
        port.code == 1 && port.shows("portcullis/opaque"),
        "{}",
        port.all()
    );
    let input = echo(world)?;
    ensure!(input.contains("through the gate"), "{input}");
    // A denied exec is one decision, although kubectl asks twice.
    let before = refusals(world)?;
    let shell = world.ask(&ANA, &["exec", "-n", "shop", "cart-0", "--", "sh"])?;
    ensure!(
        shell.code == 1 && shell.shows("clusters/shell"),
        "{}",
        shell.all()
    );
    ensure!(
        refusals(world)? == before + 1,
        "{} refusals",
        refusals(world)? - before
    );
    Ok(())
}

/// Input goes in, output comes back.
fn echo(world: &ClusterWorld) -> Result<String> {
    let mut child = world
        .kubectl(&ANA, &["exec", "-i", "-n", "shop", "cart-0", "--", "cat"])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("standard input")?;
    input.write_all(b"through the gate\n")?;
    drop(input);
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr))
}

/// Changes are seen as they happen.
fn watch(world: &ClusterWorld) -> Result<()> {
    let mut child = world
        .kubectl(&ANA, &["get", "configmaps", "-n", "shop", "-w"])?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().context("standard output")?).lines();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let seen = |name: &str| -> Result<()> {
        let until = Instant::now() + Duration::from_secs(10);
        while let Ok(line) = receiver.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.starts_with(name) {
                return Ok(());
            }
        }
        anyhow::bail!("`{name}` is not seen")
    };
    let result = seen("app").and_then(|()| {
        let patch = [
            "patch",
            "configmap",
            "app",
            "-n",
            "shop",
            "--type=merge",
            "-p",
            "{\"data\":{\"x\":\"y\"}}",
        ];
        let patched = world.ask(&ANA, &patch)?;
        ensure!(patched.code == 0, "{}", patched.all());
        seen("app")
    });
    child.kill()?;
    child.wait()?;
    result
}

/// Refusals on record by the rule of shells.
fn refusals(world: &ClusterWorld) -> Result<usize> {
    let metrics = world.gateway.page("/metrics")?;
    let line = metrics
        .lines()
        .find(|l| l.contains("clusters/shell") && !l.starts_with('#'));
    let count = line.and_then(|l| l.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(count.unwrap_or(0.0) as usize)
}

/// The record verifies, holds what was released, and no canary stands anywhere.
fn records(world: &ClusterWorld) -> Result<()> {
    let sessions = world.gateway.admin(&["sessions", "list", "--recorded"])?;
    ensure!(sessions.code == 0, "{}", sessions.all());
    clean(&world.gateway.log())?;
    let token = &world.api.token;
    ensure!(
        !world.gateway.log().contains(token),
        "the credential is in the log"
    );
    for entry in walk(&world.gateway.state())? {
        let bytes = std::fs::read(&entry)?;
        for canary in CANARIES.iter().copied().chain([token.as_str()]) {
            ensure!(
                !bytes.windows(canary.len()).any(|w| w == canary.as_bytes()),
                "`{canary}` stands in {}",
                entry.display()
            );
        }
    }
    ensure!(which("kubectl").is_some());
    world.gateway.replays_unchanged(20)
}

fn walk(folder: &std::path::Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(walk(&path)?),
            false if path.is_file() => files.push(path),
            false => {}
        }
    }
    Ok(files)
}
