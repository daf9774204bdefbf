//! Client libraries of Kubernetes through the gate, as programs use them: Helm, the one for Python, the newest kubectl, and
//! kubectl where it carries files.

use anyhow::{Context, Result, ensure};
use portcullis_tests::helm::helm;
use portcullis_tests::issuer::{ANA, BEA};
use portcullis_tests::kubernetes::ClusterWorld;
use portcullis_tests::psql::Shown;
use portcullis_tests::{install, world};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_python_client_works_through_the_gate() -> Result<()> {
    let world = ClusterWorld::start()?;
    let python = install::cluster_python(&world::workspace())?;
    let suite = world::workspace().join("tests/it/kubernetes_clients/python_suite.py");
    let mut client = Command::new(python);
    client.arg(suite);
    passes(&world, &mut client, 7)
}

/// Runs a client's suite through the gate: it names each of so many things that worked.
fn passes(world: &ClusterWorld, client: &mut Command, things: usize) -> Result<()> {
    let output = client
        .arg(format!("https://localhost:{}/prod", world.gateway.port))
        .arg(world.certificate())
        .env("TEST_TOKEN", world.issuer.token(&ANA)?)
        .env("PORT_TOKEN", world.issuer.token(&BEA)?)
        .output()
        .context("run a client")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{said}\n{told}\n{}",
        world.gateway.log()
    );
    ensure!(said.lines().count() == things, "{said}");
    Ok(())
}

#[test]
fn kubectl_copies_files_and_attaches() -> Result<()> {
    let world = ClusterWorld::start()?;
    let at = world.folder();
    let (there, back) = (at.join("there"), at.join("back"));
    let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    fs::write(at.join("file"), &text)?;
    fs::create_dir_all(&there)?;
    let copy = |from: String, to: String| -> Result<()> {
        let copied = world.ask(&ANA, &["cp", "-n", "shop", &from, &to])?;
        ensure!(copied.code == 0, "{from} {to}: {}", copied.all());
        Ok(())
    };
    let pod = format!("cart-0:{}", there.join("file").display());
    copy(at.join("file").display().to_string(), pod.clone())?;
    ensure!(
        fs::read_to_string(there.join("file"))? == text,
        "it came there"
    );
    copy(pod, back.display().to_string())?;
    ensure!(fs::read_to_string(back)? == text, "it came back");
    let attached = world.ask(&ANA, &["attach", "-n", "shop", "cart-0"])?;
    ensure!(attached.code == 0, "{}", attached.all());
    Ok(())
}

#[test]
fn kube_rs_works_through_the_gate() -> Result<()> {
    let world = ClusterWorld::start()?;
    let manifest = world::workspace().join("tests/clients/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut client = Command::new(cargo);
    client
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(install::cache(&world::workspace()).join("clients"))
        .arg("--");
    passes(&world, &mut client, 5)
}

/// Releases are kept in ConfigMaps: what Helm keeps in Secrets is masked like every Secret.
#[test]
fn helm_works_through_the_gate_and_so_does_a_newer_kubectl() -> Result<()> {
    let world = ClusterWorld::start()?;
    let programs = helm(&world::workspace())?;
    let chart = chart(&world)?.display().to_string();
    let token = world.issuer.token(&ANA)?;
    let does = |arguments: &[&str], shows: &str| -> Result<()> {
        let mut helm = Command::new(programs.join("helm"));
        helm.arg(format!(
            "--kube-apiserver=https://localhost:{}/prod",
            world.gateway.port
        ))
        .arg(format!("--kube-ca-file={}", world.certificate().display()))
        .arg(format!("--kube-token={token}"))
        .args(["-n", "shop"])
        .args(arguments)
        .env("HOME", world.folder())
        .env("KUBECONFIG", "/dev/null")
        .env("HELM_DRIVER", "configmap");
        let shown = Shown::by(&mut helm)?;
        ensure!(
            shown.code == 0 && shown.shows(shows),
            "{arguments:?}: {}",
            shown.all()
        );
        Ok(())
    };
    does(&["install", "till", &chart], "STATUS: deployed")?;
    made(&world)?;
    does(&["list"], "cart-0.1.0")?;
    // What is there already is not compared, it is written over.
    let upgrade = ["upgrade", "till", &chart, "--set", "mode=slow"];
    does(
        &[&upgrade[..], &["--force-conflicts"]].concat(),
        "REVISION: 2",
    )?;
    does(&["get", "values", "till"], "mode: slow")?;
    let map = world.ask(
        &ANA,
        &[
            "get",
            "configmap",
            "till",
            "-n",
            "shop",
            "-o",
            "jsonpath={.data.mode}",
        ],
    )?;
    ensure!(map.out == "slow", "{}", map.all());
    does(&["uninstall", "till"], "uninstalled")?;
    newer(&world, &programs)
}

/// One with a Secret and a variable that tells one.
fn chart(world: &ClusterWorld) -> Result<PathBuf> {
    let chart = world.folder().join("chart");
    fs::create_dir_all(chart.join("templates"))?;
    fs::write(
        chart.join("Chart.yaml"),
        "{apiVersion: v2, name: cart, version: 0.1.0}\n",
    )?;
    fs::write(chart.join("values.yaml"), "mode: fast\n")?;
    fs::write(
        chart.join("templates/map.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: till}\ndata: {mode: '{{ .Values.mode }}'}\n",
    )?;
    fs::write(
        chart.join("templates/password.yaml"),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: till}\ndata: {password: aHVudGVyMg==}\n",
    )?;
    fs::write(
        chart.join("templates/till.yaml"),
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: till}\nspec:\n  selector: {matchLabels: {app: till}}\n  \
         template:\n    metadata: {labels: {app: till}}\n    spec:\n      containers:\n      - {name: c, image: a, \
         env: [{name: DB_PASSWORD, value: hunter2}]}\n",
    )?;
    Ok(chart)
}

/// What was not there was made by an apply, which took the fields over and was shown masked.
fn made(world: &ClusterWorld) -> Result<()> {
    for resource in ["secrets", "deployments"] {
        let requests = world.api.requests()?;
        let of = |request: &&Value| {
            let target = request["target"].as_str().unwrap_or_default();
            request["method"] == "PATCH" && target.contains(&format!("/{resource}/till?"))
        };
        let sent = requests.iter().find(of).context("it was applied")?;
        let target = sent["target"].as_str().unwrap_or_default();
        ensure!(
            target.contains("force=true") && !target.contains("force=false"),
            "{target}"
        );
        let shown = world.ask(&ANA, &["get", resource, "till", "-n", "shop", "-o", "yaml"])?;
        ensure!(
            shown.code == 0 && !shown.shows("hunter2") && !shown.shows("aHVudGVyMg"),
            "{}",
            shown.all()
        );
    }
    Ok(())
}

/// The newest kubectl does what the usual one does.
fn newer(world: &ClusterWorld, programs: &Path) -> Result<()> {
    for (arguments, shows) in [
        (&["get", "pods", "-A"][..], "cart-1"),
        (
            &["get", "secret", "db", "-n", "shop", "-o", "yaml"],
            "W3BjLW1hc2tlZDpzZWNyZXRd",
        ),
        (
            &["exec", "-n", "shop", "cart-0", "--", "echo", "done"],
            "done",
        ),
        (&["logs", "-n", "shop", "cart-0"], "ready"),
        (
            &[
                "create",
                "configmap",
                "new",
                "-n",
                "shop",
                "--from-literal=a=b",
            ],
            "created",
        ),
    ] {
        let usual = world.kubectl(&ANA, arguments)?;
        let mut newer = Command::new(programs.join("kubectl"));
        newer.args(usual.get_args());
        newer
            .env("HOME", world.folder())
            .env("KUBECONFIG", "/dev/null");
        let shown = Shown::by(&mut newer)?;
        ensure!(
            shown.code == 0 && shown.shows(shows),
            "{arguments:?}: {}",
            shown.all()
        );
    }
    Ok(())
}
