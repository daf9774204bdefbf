//! Answers of a cluster and what is kept of them: the schema it publishes, one that comes compressed, a record of less than
//! everything, a terminal as a film, and a client that comes back until people have said yes.

use anyhow::{Context, Result, ensure};
use portcullis_tests::Shown;
use portcullis_tests::debian::kubectl_1_20;
use portcullis_tests::issuer::{ANA, BEA};
use portcullis_tests::kubernetes::{ClusterWorld, text, waits_for};
use portcullis_tests::world::workspace;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn a_schema_is_shown_as_it_is_published_and_an_object_in_its_place_is_masked() -> Result<()> {
    let world = ClusterWorld::start()?;
    let raw = |path: &str| -> Result<Value> {
        let shown = world.ask(&ANA, &["get", "--raw", &format!("/prod{path}")])?;
        ensure!(shown.code == 0, "{path}: {}", shown.all());
        serde_json::from_str(&shown.out).context("read what is published")
    };
    for (path, definitions) in [
        ("/openapi/v2", "/definitions"),
        ("/openapi/v2?timeout=32s", "/definitions"),
        ("/openapi/v3/api/v1?hash=0A1B", "/components/schemas"),
    ] {
        let schema = raw(path)?;
        let name = format!("{definitions}/io.k8s.api.core.v1.Secret/properties/data");
        let data = schema.pointer(&name).context("the schema of Secret")?;
        ensure!(
            data["type"] == "object" && data["additionalProperties"]["format"] == "byte",
            "{path}: {data}"
        );
        ensure!(
            !schema.to_string().contains("pc-masked"),
            "{path}: {schema}"
        );
    }
    // And searched: a server that says what the gateway logs in with is not believed to publish a schema alone.
    for path in ["/openapi/v3/api/leaks", "/openapi/v2?hash=leaks"] {
        let leaks = raw(path)?;
        ensure!(leaks["x-a"] == "Bearer [pc-masked:tripwire]", "{leaks}");
        ensure!(!leaks.to_string().contains(&world.api.token), "{leaks}");
    }
    let object = raw("/openapi/v3/api/no-schema")?;
    ensure!(object["kind"] == "Secret", "{object}");
    ensure!(
        object["data"]["password"] == "W3BjLW1hc2tlZDpzZWNyZXRd",
        "{object}"
    );
    Ok(())
}

#[test]
fn a_write_that_the_cluster_refuses_shows_nothing_of_the_object() -> Result<()> {
    let world = ClusterWorld::start()?;
    let change = r#"{"spec":{"nodeName":"node-2"}}"#;
    for kind in ["strategic", "merge"] {
        let arguments = [
            "patch", "pod", "cart-0", "-n", "shop", "--type", kind, "-p", change,
        ];
        let shown = world.ask(&ANA, &arguments)?;
        ensure!(
            shown.code == 1
                && shown.shows("[pc-masked:secret]")
                && !shown.shows("correct-horse-battery")
                && !shown.shows("DB_PASSWORD"),
            "{}",
            shown.all()
        );
    }
    Ok(())
}

#[test]
fn an_answer_that_comes_compressed_although_nobody_asked_is_refused() -> Result<()> {
    let world = ClusterWorld::start()?;
    let made = [
        "create",
        "configmap",
        "squeezed",
        "-n",
        "shop",
        "--from-literal=a=b",
    ];
    let made = world.ask(&ANA, &made)?;
    ensure!(made.code == 0, "{}", made.all());
    let asked = ["get", "configmap", "squeezed", "-n", "shop", "-o", "json"];
    let shown = world.ask(&ANA, &asked)?;
    ensure!(
        shown.code == 1
            && shown.shows("kubernetes/unreadable-answer")
            && shown.shows("compressed an answer although nobody asked"),
        "{}",
        shown.all()
    );
    // kubectl and Go's own client ask for gzip, and the cluster is not asked for it.
    for request in world.api.requests()? {
        let headers = request["headers"].as_array().context("headers")?;
        ensure!(
            headers.iter().all(|h| h[0] != "accept-encoding"),
            "{request}"
        );
    }
    Ok(())
}

#[test]
fn kubectl_comes_back_by_itself_until_people_have_said_yes() -> Result<()> {
    let world = ClusterWorld::start()?;
    let made = [
        "create",
        "configmap",
        "later",
        "-n",
        "shop",
        "--from-literal=a=b",
    ];
    let made = world.ask(&ANA, &made)?;
    ensure!(made.code == 0, "{}", made.all());
    let delete = [
        "-v=6",
        "delete",
        "configmap",
        "later",
        "-n",
        "shop",
        "--wait=false",
    ];
    let child = world
        .kubectl(&ANA, &delete)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run kubectl")?;
    let id = world.gateway.pending(Duration::from_secs(30))?;
    ensure!(
        world.api.asked("DELETE ")? == 0,
        "it went before anybody approved"
    );
    let bea = world.issuer.token(&BEA)?;
    let words = ["approvals", "approve", &id, "--reason", "seen"];
    let vote = world.gateway.admin_as(Some(&bea), &words)?;
    ensure!(vote.code == 0, "{}", vote.all());
    // Nobody does anything more.
    let output = child.wait_with_output()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && shown.contains("configmap \"later\" deleted"),
        "{shown}"
    );
    ensure!(shown.contains("429"), "it was held, not sent away: {shown}");
    ensure!(
        world
            .api
            .asked("DELETE /api/v1/namespaces/shop/configmaps/later")?
            == 1,
        "once"
    );
    Ok(())
}

/// The entries of the request that read an object, once all of them are on record.
fn reading(world: &ClusterWorld, resource: &str, name: &str) -> Result<Vec<Value>> {
    let asks = |entry: &Value| {
        // The call stands in the record as JSON within JSON.
        let call = entry["payload"]["request"].as_str().unwrap_or_default();
        let call: Value = serde_json::from_str(call).unwrap_or_default();
        entry["kind"] == "request"
            && call["verb"] == "get"
            && call["resource"] == resource
            && call["name"] == name
    };
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        for id in world.recorded()? {
            let entries = world.entries_of(&id)?;
            let Some(asked) = entries.iter().find(|entry| asks(entry)) else {
                continue;
            };
            let stream = asked["stream"].clone();
            let of_it = entries.into_iter().filter(|e| e["stream"] == stream);
            let of_it: Vec<Value> = of_it.collect();
            if of_it.iter().any(|entry| entry["kind"] == "closed") {
                return Ok(of_it);
            }
        }
        ensure!(Instant::now() < until, "{resource}/{name} is not on record");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn of_events_the_record_has_that_they_were_read_and_says_that_this_is_all() -> Result<()> {
    let world = ClusterWorld::start()?;
    let file = world.folder().join("event.json");
    let event = serde_json::json!({
        "apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": "Pulled", "message": "what-the-event-says",
        "metadata": {"name": "pulled", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "cart-0", "namespace": "shop"},
    });
    fs::write(&file, event.to_string())?;
    // The stand-in publishes no schema of events.
    let made = [
        "create",
        "--validate=false",
        "-f",
        &file.display().to_string(),
    ];
    let made = world.ask(&ANA, &made)?;
    ensure!(made.code == 0, "{}", made.all());
    let made = [
        "create",
        "configmap",
        "kept",
        "-n",
        "shop",
        "--from-literal=a=what-the-map-says",
    ];
    ensure!(world.ask(&ANA, &made)?.code == 0, "a map is made");
    for (what, says) in [
        (["get", "event", "pulled"], "what-the-event-says"),
        (["get", "configmap", "kept"], "what-the-map-says"),
    ] {
        let shown = world.ask(&ANA, &[&what[..], &["-n", "shop", "-o", "json"]].concat())?;
        ensure!(shown.code == 0 && shown.shows(says), "{}", shown.all());
    }
    let level = |entries: &[Value]| -> Result<Value> {
        let decided = entries.iter().find(|entry| entry["kind"] == "decision");
        let decided = decided.with_context(|| format!("a decision in {entries:?}"))?;
        Ok(decided["payload"]["obligations"]["record"].clone())
    };
    let released = |entries: &[Value]| entries.iter().filter(|e| e["kind"] == "release").count();
    let event = reading(&world, "events", "pulled")?;
    ensure!(
        level(&event)? == "metadata" && released(&event) == 0,
        "{event:?}"
    );
    ensure!(
        !format!("{event:?}").contains("what-the-event-says"),
        "{event:?}"
    );
    let map = reading(&world, "configmaps", "kept")?;
    ensure!(level(&map)? == "full" && released(&map) == 1, "{map:?}");
    let says = text(&map, "release");
    ensure!(says.contains("what-the-map-says"), "{says}");
    // Of a Secret the record has what was shown: the mask.
    let secret = ["get", "secret", "db", "-n", "shop", "-o", "json"];
    ensure!(world.ask(&ANA, &secret)?.code == 0, "a Secret is shown");
    let says = text(&reading(&world, "secrets", "db")?, "release");
    let value: Value = serde_json::from_str(&says).with_context(|| says.clone())?;
    ensure!(
        value["data"]["password"] == "W3BjLW1hc2tlZDpzZWNyZXRd"
            && value["metadata"]["name"] == "db"
            && !says.contains("dHIwdWI0"),
        "{says}"
    );
    Ok(())
}

/// A command in a pod that sits at a terminal whose size changes.
pub(crate) fn at_a_terminal(world: &ClusterWorld, program: &Path) -> Result<Shown> {
    // It ends when it has seen the second size, and tells where it has seen the first one.
    let first = world.folder().join("first");
    let size = |size: &str| waits_for(&format!("\"$(stty size)\" = \"{size}\""));
    let waits = format!(
        "{}touch {}\n{}printf 'size %s\\r\\n' \"$(stty size)\"\n",
        size("33 101"),
        first.display(),
        size("40 120")
    );
    let waits = world.script("waits", &waits)?.display().to_string();
    let exec = ["exec", "-it", "-n", "shop", "cart-0", "--", &waits];
    let kubectl = world.kubectl_of(program, &ANA, &exec)?;
    Shown::by(&mut world.at_a_terminal(&kubectl, &first)?).context("run kubectl at a terminal")
}

#[test]
fn a_terminal_in_a_pod_becomes_a_film_with_its_sizes() -> Result<()> {
    let world = ClusterWorld::start()?;
    let shown = at_a_terminal(&world, &kubectl_1_20(&workspace())?)?;
    ensure!(
        shown.code == 0 && shown.shows("size 40 120"),
        "{} {}\n{}",
        shown.code,
        shown.all(),
        world.gateway.log()
    );
    let until = Instant::now() + Duration::from_secs(60);
    for number in 0.. {
        let all = world.recorded()?;
        for id in &all {
            let file = world.folder().join(format!("{number}-{id}.cast"));
            let path = file.display().to_string();
            let words = ["sessions", "export", id, "--output", &path];
            if world.gateway.admin(&words)?.code != 0 {
                continue;
            }
            let cast = fs::read_to_string(&file)?;
            if !cast.contains("size 40 120") {
                continue;
            }
            ensure!(cast.starts_with("{\"version\":3,"), "{cast}");
            let (first, second) = (
                cast.find(r#""r", "101x33"]"#),
                cast.find(r#""r", "120x40"]"#),
            );
            ensure!(first.is_some() && first < second, "{cast}");
            ensure!(cast.contains(r#""x", "0"]"#), "how it ended: {cast}");
            let play = ["sessions", "replay", id, "--play", "--speed", "100"];
            let played = world.gateway.admin(&play)?;
            ensure!(
                played.code == 0 && played.shows("size 40 120"),
                "{}",
                played.all()
            );
            return Ok(());
        }
        ensure!(Instant::now() < until, "no session is a film: {all:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
