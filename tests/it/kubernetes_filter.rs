//! A team that sees its own part of a cluster, with real `kubectl`: what is not granted is in no list, watch, table or
//! count, answers as if it did not exist, and is not moved across the border. Cleo sees the namespace `shop`, and of the
//! pods in it `cart-0`.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, CLEO};
use portcullis_tests::kubernetes::ClusterWorld;
use portcullis_tests::psql::Shown;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What Cleo must never read.
const HIDDEN: [&str; 3] = ["cart-1", "dns-0", "kube-system"];

#[test]
fn a_team_sees_its_own_part_of_a_cluster() -> Result<()> {
    let world = ClusterWorld::start()?;
    lists(&world)?;
    names(&world)?;
    writes(&world)?;
    streams(&world)?;
    changes(&world)?;
    collections(&world)?;
    ensure!(
        world
            .api
            .asked("DELETE /api/v1/namespaces/shop/pods/cart-1")?
            == 0,
        "a hidden pod was deleted"
    );
    world.gateway.replays_unchanged(20)
}

fn cleo(world: &ClusterWorld, arguments: &[&str]) -> Result<Shown> {
    let shown = world.ask(&CLEO, arguments)?;
    let told = shown.all();
    for hidden in HIDDEN {
        // What she has named herself may be said back.
        let named = arguments.iter().any(|word| word.contains(hidden));
        ensure!(
            named || !told.contains(hidden),
            "{arguments:?}: `{hidden}` is shown:\n{told}"
        );
    }
    Ok(shown)
}

fn lists(world: &ClusterWorld) -> Result<()> {
    for arguments in [
        &["get", "pods", "-A"][..],
        &["get", "pods", "-n", "shop"],
        &["get", "pods", "-A", "-o", "json"],
        &["get", "pods", "-A", "-o", "name"],
        &["get", "pods", "-A", "-o", "wide", "--chunk-size=1"],
        &["get", "pods", "-n", "shop", "--sort-by=.metadata.name"],
        &["get", "pods", "-n", "shop", "-l", "app"],
        &["get", "--raw", "/prod/api/v1/pods?limit=1"],
        &["get", "--raw", "/prod/api/v1/pods?includeObject=None"],
        &[
            "get",
            "--raw",
            "/prod/api/v1/pods?watch=true&timeoutSeconds=1&resourceVersion=0",
        ],
    ] {
        let shown = cleo(world, arguments)?;
        ensure!(
            shown.code == 0 && shown.shows("cart-0"),
            "{arguments:?}: {}",
            shown.all()
        );
        ensure!(
            !shown.shows("remainingItemCount"),
            "{arguments:?}: {}",
            shown.all()
        );
    }
    let spaces = cleo(world, &["get", "namespaces"])?;
    ensure!(
        spaces.shows("shop") && !spaces.shows("default"),
        "{}",
        spaces.all()
    );
    // A selector of her own narrows, and does not widen.
    let others = cleo(
        world,
        &["get", "pods", "-n", "shop", "-l", "app in (cart-1)"],
    )?;
    ensure!(others.shows("No resources found"), "{}", others.all());
    let elsewhere = cleo(world, &["get", "pods", "-n", "kube-system"])?;
    ensure!(elsewhere.shows("No resources found"), "{}", elsewhere.all());
    let maps = cleo(world, &["get", "configmaps", "-n", "shop"])?;
    ensure!(maps.shows("app"), "{}", maps.all());
    let can = cleo(world, &["auth", "can-i", "get", "pods", "-n", "shop"])?;
    ensure!(can.out.trim() == "yes", "{}", can.all());
    let metrics = cleo(world, &["get", "--raw", "/prod/metrics"])?;
    ensure!(metrics.shows("kubernetes/filtered"), "{}", metrics.all());
    let ana = world.ask(&ANA, &["get", "pods", "-A"])?;
    ensure!(ana.shows("cart-1") && ana.shows("dns-0"), "{}", ana.all());
    Ok(())
}

/// What is hidden answers as what is not there.
fn names(world: &ClusterWorld) -> Result<()> {
    for verb in [
        &["get", "pod"][..],
        &["get", "-o", "yaml", "pod"],
        &["describe", "pod"],
        &["delete", "pod"],
        &["logs"],
        &["label", "pod", "x=y"],
    ] {
        let told = |name: &str| -> Result<String> {
            let mut words = verb.to_vec();
            let place = words.iter().position(|word| word.contains('='));
            words.insert(place.unwrap_or(words.len()), name);
            let shown = cleo(world, &[&words, &["-n", "shop"][..]].concat())?;
            ensure!(shown.code == 1, "{words:?}: {}", shown.all());
            Ok(shown.all().replace(name, "NAME"))
        };
        let (hidden, nothing) = (told("cart-1")?, told("cart-9")?);
        ensure!(
            hidden == nothing,
            "{verb:?}: a hidden pod is told apart:\n{hidden}\n{nothing}"
        );
        ensure!(hidden.contains("kubernetes/filtered"), "{hidden}");
    }
    let elsewhere = cleo(world, &["get", "pod", "dns-0", "-n", "kube-system"])?;
    ensure!(
        elsewhere.code == 1 && elsewhere.shows("(NotFound)"),
        "{}",
        elsewhere.all()
    );
    let own = cleo(world, &["get", "pod", "cart-0", "-n", "shop", "-o", "json"])?;
    ensure!(own.code == 0 && own.shows("busybox"), "{}", own.all());
    Ok(())
}

fn writes(world: &ClusterWorld) -> Result<()> {
    let kept = cleo(
        world,
        &["label", "pod", "cart-0", "-n", "shop", "tier=front"],
    )?;
    ensure!(kept.code == 0, "{}", kept.all());
    for patch in [
        r#"{"metadata":{"labels":{"app":"cart-1"}}}"#,
        r#"{"metadata":{"labels":{"app":null}}}"#,
        r#"{"metadata":{"labels":null}}"#,
    ] {
        let words = [
            "patch",
            "pod",
            "cart-0",
            "-n",
            "shop",
            "--type=merge",
            "-p",
            patch,
        ];
        let moved = world.ask(&CLEO, &words)?;
        ensure!(
            moved.code == 1 && moved.shows("kubernetes/filtered"),
            "{}",
            moved.all()
        );
    }
    let entered = cleo(
        world,
        &[
            "label",
            "pod",
            "cart-1",
            "-n",
            "shop",
            "--overwrite",
            "app=cart-0",
        ],
    )?;
    ensure!(
        entered.code == 1 && entered.shows("(NotFound)"),
        "{}",
        entered.all()
    );
    makes(world)
}

/// What is made has to be hers.
fn makes(world: &ClusterWorld) -> Result<()> {
    let made = cleo(
        world,
        &[
            "run",
            "mine",
            "-n",
            "shop",
            "--image=busybox",
            "-l",
            "app=mine",
        ],
    )?;
    ensure!(
        made.code == 1 && made.shows("kubernetes/filtered"),
        "{}",
        made.all()
    );
    let made = cleo(world, &["create", "configmap", "x", "-n", "kube-system"])?;
    ensure!(
        made.code == 1 && made.shows("kubernetes/filtered"),
        "{}",
        made.all()
    );
    let made = cleo(
        world,
        &[
            "create",
            "configmap",
            "hers",
            "-n",
            "shop",
            "--from-literal=a=b",
        ],
    )?;
    ensure!(made.code == 0, "{}", made.all());
    Ok(())
}

fn streams(world: &ClusterWorld) -> Result<()> {
    let run = |pod: &str| cleo(world, &["exec", "-n", "shop", pod, "--", "echo", "done"]);
    let own = run("cart-0")?;
    ensure!(own.code == 0 && own.out.trim() == "done", "{}", own.all());
    let (hidden, nothing) = (run("cart-1")?, run("cart-9")?);
    ensure!(
        hidden.code == 1 && hidden.shows("kubernetes/filtered"),
        "{}",
        hidden.all()
    );
    ensure!(
        hidden.all().replace("cart-1", "NAME") == nothing.all().replace("cart-9", "NAME"),
        "{}\n{}",
        hidden.all(),
        nothing.all()
    );
    ensure!(
        world
            .api
            .asked("GET /api/v1/namespaces/shop/pods/cart-1/exec")?
            == 0,
        "it reached the cluster"
    );
    Ok(())
}

/// What enters the set appears, and what leaves it is gone.
fn changes(world: &ClusterWorld) -> Result<()> {
    let watch = [
        "get",
        "pods",
        "-n",
        "shop",
        "-w",
        "--output-watch-events",
        "--no-headers",
    ];
    let mut child = world
        .kubectl(&CLEO, &watch)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let (sender, events) = channel();
    let lines = BufReader::new(child.stdout.take().context("standard output")?).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let label = |value: &str| -> Result<()> {
        let label = format!("app={value}");
        let words = [
            "label",
            "pod",
            "cart-1",
            "-n",
            "shop",
            "--overwrite",
            &label,
        ];
        let done = world.ask(&ANA, &words)?;
        ensure!(done.code == 0, "{}", done.all());
        Ok(())
    };
    let result = seen(&events, &["ADDED", "cart-0"])
        .and_then(|()| label("cart-0"))
        .and_then(|()| seen(&events, &["ADDED", "cart-1"]))
        .and_then(|()| label("cart-1"))
        .and_then(|()| seen(&events, &["DELETED", "cart-1"]));
    child.kill()?;
    child.wait()?;
    result
}

/// The next event is this one.
fn seen(events: &Receiver<String>, words: &[&str]) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    let line = events
        .recv_timeout(until.saturating_duration_since(Instant::now()))
        .with_context(|| format!("{words:?} is not seen"))?;
    ensure!(
        words.iter().all(|word| line.contains(word)),
        "{words:?}: {line}"
    );
    Ok(())
}

fn collections(world: &ClusterWorld) -> Result<()> {
    // By hand: what the cluster deletes is what it can select.
    let raw = cleo(
        world,
        &["delete", "--raw", "/prod/api/v1/namespaces/shop/pods"],
    )?;
    ensure!(raw.code == 0, "{}", raw.all());
    let beyond = world.ask(
        &CLEO,
        &[
            "delete",
            "--raw",
            "/prod/api/v1/namespaces/kube-system/pods",
        ],
    )?;
    ensure!(
        beyond.code == 1 && beyond.shows("kubernetes/filtered"),
        "{}",
        beyond.all()
    );
    let left = world.ask(&ANA, &["get", "pods", "-A"])?;
    ensure!(
        left.shows("cart-1") && left.shows("dns-0") && !left.shows("cart-0"),
        "{}",
        left.all()
    );
    // kubectl lists, and deletes one by one.
    let all = cleo(world, &["delete", "configmaps", "--all", "-n", "shop"])?;
    ensure!(all.code == 0 && all.shows("deleted"), "{}", all.all());
    Ok(())
}
