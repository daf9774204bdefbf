//! A real API server, asked directly and through the gate: what kubectl shows is the same, but for what is masked and
//! refused. `cargo xtask test --world real-kubernetes` builds the server and runs this.

use anyhow::{Context, Result, ensure};
use portcullis_tests::Shown;
use portcullis_tests::debian::kubectl_1_20;
use portcullis_tests::issuer::{ANA, BEA};
use portcullis_tests::process::fed;
use portcullis_tests::real_kubernetes::RealCluster;
use portcullis_tests::world::workspace;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "tr0ub4dor-and-3-more";
const ENCODED: &str = "dHIwdWI0ZG9yLWFuZC0zLW1vcmU=";
const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

#[test]
fn kubectl_sees_the_same_through_the_gate() -> Result<()> {
    // One cluster for all of it: it takes a while to start.
    let world = RealCluster::start()?;
    let world = &world;
    reading_is_the_same(world)?;
    writing_is_the_same(world)?;
    a_watch_sees_what_happens(world)?;
    the_cluster_sees_the_person(world)?;
    streams_run_through_the_server_to_a_kubelet(world)?;
    the_oldest_kubectl_works_as_well(world)?;
    secrets_are_masked_and_masks_do_not_come_back(world)
}

/// Ages and versions of objects change from one question to the next.
fn still(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words = line.split_whitespace();
        let kept: Vec<&str> = words.filter(|word| !is_age(word)).collect();
        kept.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `38s`, `2m5s`.
fn is_age(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h', 'd'])
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || "smhd".contains(c))
}

fn same(world: &RealCluster, arguments: &[&str]) -> Result<Shown> {
    let straight = world.directly(arguments)?;
    let through = world.through(arguments)?;
    ensure!(
        straight.code == 0,
        "{arguments:?} directly: {}",
        straight.all()
    );
    ensure!(
        through.code == 0 && still(&straight.out) == still(&through.out),
        "{arguments:?} differs\n--- directly\n{}\n--- through the gate\n{}",
        straight.all(),
        through.all()
    );
    Ok(through)
}

fn reading_is_the_same(world: &RealCluster) -> Result<()> {
    for arguments in [
        &["get", "pods", "-A"][..],
        &["get", "pods", "-n", "shop", "-o", "wide"],
        &["get", "nodes,namespaces"],
        &["get", "deployment", "cart", "-n", "shop", "-o", "yaml"],
        &["get", "pods", "-n", "shop", "-l", "app=cart", "-o", "name"],
        &["get", "clusterroles", "--chunk-size=7", "-o", "name"],
        &["get", "clusterroles", "--chunk-size=7"],
        &["get", "pods", "-A", "--sort-by=.metadata.name"],
        &["get", "configmap", "app", "-n", "shop", "-o", "json"],
        &["get", "secrets", "-n", "old"],
        &["api-resources"],
        &["api-versions"],
        &["explain", "pods.spec.containers"],
        &["explain", "deployments.spec", "--recursive"],
        &["version", "-o", "json"],
    ] {
        same(world, arguments)?;
    }
    let raw = ["get", "--raw", "/openapi/v2"];
    let (straight, prefix) = (world.directly(&raw)?, "/prod/openapi/v2");
    let through = world.through(&["get", "--raw", prefix])?;
    let straight: Value = serde_json::from_str(&straight.out)?;
    let through: Value = serde_json::from_str(&through.out)?;
    for (name, definition) in straight["definitions"].as_object().context("definitions")? {
        let same = *definition == through["definitions"][name];
        ensure!(same, "{definition}\n{}", through["definitions"][name]);
    }
    ensure!(straight == through, "the schema is another one");
    Ok(())
}

fn apply(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).context("write a manifest")
}

fn writing_is_the_same(world: &RealCluster) -> Result<()> {
    applies(world)?;
    patches(world)?;
    creates(world)?;
    let gone = ["delete", "configmap", "made", "-n", "shop"];
    done(world, &gone)?;
    ensure!(value(world, ".data.a")?.is_empty(), "it is still there");
    Ok(())
}

/// Through the gate, and it works.
fn done(world: &RealCluster, arguments: &[&str]) -> Result<Shown> {
    let shown = world.through(arguments)?;
    ensure!(shown.code == 0, "{arguments:?}: {}", shown.all());
    Ok(shown)
}

/// A field of the object that is written, as the server has it.
fn value(world: &RealCluster, path: &str) -> Result<String> {
    let jsonpath = format!("jsonpath={{{path}}}");
    let arguments = ["get", "configmap", "made", "-n", "shop", "-o", &jsonpath];
    Ok(world.directly(&arguments)?.out)
}

fn applies(world: &RealCluster) -> Result<()> {
    let file = world.file("made.yaml");
    let path = file.to_str().context("a path")?;
    let manifest = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: made, namespace: shop}}\ndata: {{a: {value}}}\n"
        )
    };
    apply(&file, &manifest("one"))?;
    done(world, &["apply", "-f", path])?;
    ensure!(value(world, ".data.a")? == "one");
    apply(&file, &manifest("two"))?;
    let differs = world.through(&["diff", "-f", path])?;
    ensure!(
        differs.code == 1 && differs.shows("-  a: one") && differs.shows("+  a: two"),
        "{}",
        differs.all()
    );
    done(world, &["apply", "-f", path])?;
    ensure!(value(world, ".data.a")? == "two");
    apply(&file, &manifest("three"))?;
    done(
        world,
        &["apply", "--server-side", "--force-conflicts", "-f", path],
    )?;
    ensure!(
        value(world, ".data.a")? == "three"
            && value(world, ".metadata.managedFields[*].operation")?.contains("Apply")
    );
    Ok(())
}

fn patches(world: &RealCluster) -> Result<()> {
    let patch = |kind: &str, body: &str| {
        done(
            world,
            &["patch", "configmap", "made", "-n", "shop", kind, "-p", body],
        )
    };
    patch("--type=merge", r#"{"data":{"b":"merged"}}"#)?;
    patch("--type=strategic", r#"{"data":{"c":"strategic"}}"#)?;
    patch(
        "--type=json",
        r#"[{"op":"add","path":"/data/d","value":"json"}]"#,
    )?;
    ensure!(
        value(world, ".data.b")? == "merged"
            && value(world, ".data.c")? == "strategic"
            && value(world, ".data.d")? == "json"
    );
    done(
        world,
        &["label", "configmap", "made", "-n", "shop", "team=shop"],
    )?;
    done(
        world,
        &["annotate", "configmap", "made", "-n", "shop", "note=kept"],
    )?;
    done(
        world,
        &["scale", "deployment", "cart", "-n", "old", "--replicas=3"],
    )?;
    Ok(())
}

fn creates(world: &RealCluster) -> Result<()> {
    // Typed creates are protobuf from kubectl 1.32 on.
    done(
        world,
        &[
            "create",
            "secret",
            "generic",
            "typed",
            "-n",
            "shop",
            "--from-literal=key=value-of-it",
        ],
    )?;
    let typed = world.directly(&[
        "get",
        "secret",
        "typed",
        "-n",
        "shop",
        "-o",
        "jsonpath={.data.key}",
    ])?;
    ensure!(typed.out == "dmFsdWUtb2YtaXQ=", "{}", typed.all());
    done(
        world,
        &[
            "create",
            "configmap",
            "typed",
            "-n",
            "shop",
            "--from-literal=a=b",
        ],
    )?;
    let dry = world.through(&[
        "create",
        "configmap",
        "dry",
        "-n",
        "shop",
        "--from-literal=a=b",
        "--dry-run=server",
        "-o",
        "name",
    ])?;
    ensure!(dry.code == 0 && dry.shows("configmap/dry"), "{}", dry.all());
    ensure!(
        world
            .directly(&["get", "configmap", "dry", "-n", "shop"])?
            .code
            == 1,
        "it was made"
    );
    done(
        world,
        &[
            "wait",
            "--for=jsonpath={.data.b}=merged",
            "configmap/made",
            "-n",
            "shop",
            "--timeout=10s",
        ],
    )?;
    Ok(())
}

fn a_watch_sees_what_happens(world: &RealCluster) -> Result<()> {
    let mut child = world
        .command(
            &ANA,
            &["get", "configmaps", "-n", "shop", "-w", "-o", "name"],
        )?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().context("standard output")?).lines();
    let (sender, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let wait = |name: &str| {
        let until = Instant::now() + Duration::from_secs(15);
        while let Ok(line) = seen.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line == name {
                return Ok(());
            }
        }
        anyhow::bail!("`{name}` is not seen")
    };
    let result = wait("configmap/app").and_then(|()| {
        let made = [
            "create",
            "configmap",
            "watched",
            "-n",
            "shop",
            "--from-literal=a=b",
        ];
        ensure!(world.directly(&made)?.code == 0);
        wait("configmap/watched")
    });
    child.kill()?;
    child.wait()?;
    result
}

fn secrets_are_masked_and_masks_do_not_come_back(world: &RealCluster) -> Result<()> {
    for arguments in [
        &["get", "secret", "db", "-n", "shop", "-o", "json"][..],
        &["get", "secrets", "-A", "-o", "yaml"],
        &["get", "secrets", "-n", "shop", "--sort-by=.data.password"],
        &["describe", "secret", "db", "-n", "shop"],
        &["get", "pod", "cart-0", "-n", "shop", "-o", "json"],
    ] {
        let shown = world.through(arguments)?;
        ensure!(shown.code == 0, "{arguments:?}: {}", shown.all());
        for canary in [PASSWORD, ENCODED, "correct-horse-battery"] {
            ensure!(
                !shown.shows(canary),
                "{arguments:?} shows it:\n{}",
                shown.all()
            );
        }
    }
    // All the rest of the object is as it is.
    let json = ["get", "secret", "db", "-n", "shop", "-o", "json"];
    let mut straight: Value = serde_json::from_str(&world.directly(&json)?.out)?;
    let mut through: Value = serde_json::from_str(&world.through(&json)?.out)?;
    ensure!(straight["data"]["password"] == ENCODED, "{straight}");
    ensure!(
        through["data"]["password"] == "W3BjLW1hc2tlZDpzZWNyZXRd",
        "{through}"
    );
    for object in [&mut straight, &mut through] {
        object["data"] = Value::Null;
        object["metadata"]["annotations"] = Value::Null;
    }
    ensure!(straight == through, "{straight}\n{through}");
    written_back(world)?;
    made_by_an_apply(world)?;
    // A token that the cluster mints would lead past the gateway.
    let minted = ["create", "token", "builder", "-n", "shop"];
    ensure!(
        world.directly(&minted)?.out.starts_with("ey"),
        "the cluster mints none"
    );
    let minted = world.through(&minted)?;
    ensure!(
        minted.code == 0 && minted.out.trim() == "[pc-masked:secret]",
        "{} {}",
        minted.code,
        minted.all()
    );
    Ok(())
}

/// A server-side apply makes a Secret, and is not compared with it afterwards.
fn made_by_an_apply(world: &RealCluster) -> Result<()> {
    let file = world.file("secret.yaml");
    let path = file.to_str().context("a path")?;
    let manifest = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: made, namespace: shop}}\nstringData: {{a: {value}}}\n"
        )
    };
    let applies = ["apply", "--server-side", "--field-manager=x", "-f", path];
    apply(&file, &manifest("first"))?;
    done(world, &applies)?;
    for guess in ["first", "other"] {
        apply(&file, &manifest(guess))?;
        let told = world.through(&applies)?;
        ensure!(
            told.code != 0 && told.shows("kubernetes/compares-masked"),
            "{guess}: {}",
            told.all()
        );
    }
    let forced = [&applies[..], &["--force-conflicts"]].concat();
    done(world, &forced)?;
    let path = "jsonpath={.data.a}";
    let stored = world.directly(&["get", "secret", "made", "-n", "shop", "-o", path])?;
    ensure!(stored.out == "b3RoZXI=", "{}", stored.all());
    done(world, &["delete", "secret", "made", "-n", "shop"])?;
    Ok(())
}

/// Whoever edits sees masks, and cannot write them over the values.
fn written_back(world: &RealCluster) -> Result<()> {
    let json = ["get", "secret", "db", "-n", "shop", "-o", "json"];
    let file = world.file("masked.json");
    std::fs::write(&file, world.through(&json)?.out)?;
    let path = file.to_str().context("a path")?;
    for how in [
        &["replace", "-f", path][..],
        &["apply", "-f", path],
        &["apply", "--server-side", "--force-conflicts", "-f", path],
    ] {
        let back = world.through(how)?;
        ensure!(
            back.code != 0 && back.shows("portcullis/mask-marker"),
            "{how:?}: {}",
            back.all()
        );
    }
    // What an editor leaves alone is no part of the patch that kubectl sends.
    let editor = world.file("editor.sh");
    std::fs::write(&editor, r#"sed -i '/^data:/a\  more: bW9yZQ==' "$1""#)?;
    let mut editing = world.command(&ANA, &["edit", "secret", "db", "-n", "shop"])?;
    editing.env("KUBE_EDITOR", format!("sh {}", editor.display()));
    let edited = Shown::by(&mut editing)?;
    ensure!(edited.code == 0, "{}", edited.all());
    let now: Value = serde_json::from_str(&world.directly(&json)?.out)?;
    ensure!(
        now["data"]["password"] == ENCODED && now["data"]["more"] == "bW9yZQ==",
        "{now}"
    );
    // And what it makes of a mask is refused.
    std::fs::write(
        &editor,
        r#"sed -i 's/^  password: \(.*\)$/  password: \1\n  copy: \1/' "$1""#,
    )?;
    let mut editing = world.command(&ANA, &["edit", "secret", "db", "-n", "shop"])?;
    editing.env("KUBE_EDITOR", format!("sh {}", editor.display()));
    let edited = Shown::by(&mut editing)?;
    ensure!(
        edited.code != 0 && edited.shows("portcullis/mask-marker"),
        "{}",
        edited.all()
    );
    ensure!(world.directly(&json)?.shows(ENCODED), "the value is gone");
    Ok(())
}

fn the_cluster_sees_the_person(world: &RealCluster) -> Result<()> {
    let pods = world.as_somebody(&BEA, &["get", "pods", "-A"])?;
    ensure!(pods.code == 0 && pods.shows("cart-0"), "{}", pods.all());
    let denied = world.as_somebody(&BEA, &["get", "configmaps", "-n", "shop"])?;
    ensure!(
        denied.code == 1
            && denied.shows("Error from server (Forbidden)")
            && denied.shows("User \"pc:dev:bea@example.com\" cannot list resource \"configmaps\""),
        "{}",
        denied.all()
    );
    let can = |person, what: &[&str]| -> Result<String> {
        let all = [&["auth", "can-i"][..], what].concat();
        Ok(world.as_somebody(person, &all)?.out.trim().to_owned())
    };
    ensure!(can(&BEA, &["list", "pods"])? == "yes");
    ensure!(can(&BEA, &["list", "secrets"])? == "no");
    ensure!(can(&ANA, &["delete", "nodes"])? == "yes");
    let other = world.as_somebody(&BEA, &["get", "configmaps", "--as=root"])?;
    ensure!(
        other.code == 1 && other.shows("kubernetes/impersonation"),
        "{}",
        other.all()
    );
    // What the cluster does not find and does not take is told as it says it.
    for arguments in [
        &["get", "pod", "nowhere", "-n", "shop"][..],
        &["get", "nothings"],
        &["create", "namespace", "UPPER"],
        &["create", "namespace", "shop"],
    ] {
        let (straight, through) = (world.directly(arguments)?, world.through(arguments)?);
        ensure!(
            straight.code == 1 && through.code == 1 && straight.err == through.err,
            "{}\n{}",
            straight.all(),
            through.all()
        );
    }
    Ok(())
}

fn streams_run_through_the_server_to_a_kubelet(world: &RealCluster) -> Result<()> {
    let exec = |words: &[&str]| {
        let all = [&["exec", "-n", "shop", "cart-0", "--"][..], words].concat();
        world.through(&all)
    };
    let ran = exec(&["cat", "/proc/version"])?;
    ensure!(ran.code == 0 && ran.shows("Linux"), "{}", ran.all());
    ensure!(
        exec(&["sh", "-c", "exit 7"])?.code == 7,
        "another exit code"
    );
    let secret = exec(&["printf", &format!("token={TOKEN} b")])?;
    ensure!(
        !secret.shows(TOKEN) && secret.shows("pc-masked"),
        "{}",
        secret.all()
    );
    let long = exec(&["seq", "1", "100000"])?;
    ensure!(long.out.ends_with("99999\n100000\n"), "{}", long.out.len());
    let cat = ["exec", "-i", "-n", "shop", "cart-0", "--", "cat"];
    let mut cat = world.command(&ANA, &cat)?;
    let within = Duration::from_secs(180);
    let shown = fed(&mut cat, b"through the server\n", within)?;
    ensure!(
        shown.code == 0 && shown.shows("through the server"),
        "{shown:?}"
    );
    let logs = world.through(&["logs", "cart-0", "-n", "shop"])?;
    ensure!(
        logs.shows("started") && !logs.shows(TOKEN),
        "{}",
        logs.all()
    );
    let shell = exec(&["sh"])?;
    ensure!(
        shell.code == 1 && shell.shows("clusters/shell"),
        "{}",
        shell.all()
    );
    let port = ["port-forward", "-n", "shop", "pod/cart-0", ":8080"];
    let port = world.through(&port)?;
    ensure!(
        port.code == 1 && port.shows("portcullis/opaque"),
        "{}",
        port.all()
    );
    Ok(())
}

fn the_oldest_kubectl_works_as_well(world: &RealCluster) -> Result<()> {
    let old = kubectl_1_20(&workspace())?;
    let by = |command: Command| {
        let mut other = Command::new(&old);
        other.args(command.get_args());
        for (name, value) in command.get_envs() {
            other.env(name, value.unwrap_or_default());
        }
        Shown::by(&mut other)
    };
    for arguments in [
        &["get", "pods", "-A"][..],
        &["get", "deployment", "cart", "-n", "shop", "-o", "json"],
        &["explain", "pods.spec"],
        &["api-resources"],
    ] {
        let straight = by(world.straight(arguments))?;
        let through = by(world.command(&ANA, arguments)?)?;
        ensure!(
            straight.code == 0 && still(&straight.out) == still(&through.out),
            "{}\n{}",
            straight.all(),
            through.all()
        );
    }
    let exec = [
        "exec", "-n", "shop", "cart-0", "--", "printf", "token=%s", TOKEN,
    ];
    let ran = by(world.command(&ANA, &exec)?)?;
    ensure!(
        ran.code == 0 && ran.shows("pc-masked") && !ran.shows(TOKEN),
        "{}",
        ran.all()
    );
    Ok(())
}
