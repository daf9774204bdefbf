//! A day's commands through the gate, which do as they do without it: explain, apply, diff, server-side apply, wait, rollout,
//! top, edit, and lists in pages.

use anyhow::{Result, ensure};
use portcullis_tests::issuer::{ANA, BEA};
use portcullis_tests::kubernetes::ClusterWorld;
use portcullis_tests::psql::Shown;
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

/// What a command shows, or why it failed.
struct Day(ClusterWorld);

impl Day {
    fn does(&self, arguments: &[&str], code: i32, shows: &str) -> Result<Shown> {
        let shown = self.0.ask(&ANA, arguments)?;
        ensure!(
            shown.code == code && shown.shows(shows),
            "{arguments:?}: {} {}\n{}",
            shown.code,
            shown.all(),
            self.0.gateway.log()
        );
        Ok(shown)
    }

    fn writes(&self, name: &str, text: &str) -> Result<String> {
        let file = self.0.folder().join(name);
        fs::write(&file, text)?;
        Ok(file.display().to_string())
    }
}

#[test]
fn a_days_commands_do_what_they_do_without_the_gate() -> Result<()> {
    let day = Day(ClusterWorld::start()?);
    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: day, namespace: shop}}\ndata: {{a: {value}}}\n"
        )
    };
    day.does(&["explain", "pods"], 0, "collection of containers")?;
    let file = day.writes("day.yaml", &map("first"))?;
    day.does(&["apply", "-f", &file], 0, "configmap/day created")?;
    day.writes("day.yaml", &map("second"))?;
    day.does(&["diff", "-f", &file], 1, "+  a: second")?;
    day.does(&["apply", "-f", &file], 0, "configmap/day configured")?;
    day.does(&["diff", "-f", &file], 0, "")?;
    let server_side = ["apply", "--server-side", "--field-manager=day", "-f", &file];
    day.does(&server_side, 0, "serverside-applied")?;
    day.does(
        &[
            "wait",
            "--for=jsonpath={.status.phase}=Running",
            "pod/cart-0",
            "-n",
            "shop",
        ],
        0,
        "condition met",
    )?;
    day.does(
        &["rollout", "status", "deployment/cart", "-n", "shop"],
        0,
        "successfully rolled out",
    )?;
    day.does(&["top", "pods", "-n", "shop"], 0, "12Mi")?;
    day.does(
        &["get", "pods", "-n", "shop", "--chunk-size=1"],
        0,
        "cart-1",
    )?;
    day.does(
        &["annotate", "configmap", "day", "-n", "shop", "a=b"],
        0,
        "annotated",
    )?;
    compared(&day)?;
    edited(&day)?;
    day.0.gateway.replays_unchanged(20)
}

/// What differs is shown of what is shown, and of nothing that is masked: a guess is as good as any other.
fn compared(day: &Day) -> Result<()> {
    let object = |value: &str, copy: &str| {
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "day", "namespace": "shop"},
            "data": {"a": value, "settings.json": copy}})
        .to_string()
    };
    let file = day.writes("settings.yaml", &object("third", r#"[{"depth": 3}]"#))?;
    day.does(&["diff", "-f", &file], 1, "third")?;
    let guess = r#"[{"kind": "Secret", "data": {"password": "Z3Vlc3M="}}]"#;
    let file = day.writes("guess.yaml", &object("third", guess))?;
    let rule = "kubernetes/compares-masked";
    let refused = day.0.ask(&ANA, &["diff", "-f", &file])?;
    ensure!(refused.code > 1 && refused.shows(rule), "{}", refused.all());
    day.does(
        &["apply", "--server-side", "--field-manager=x", "-f", &file],
        1,
        rule,
    )?;
    let variable = r#"{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"DB_PASSWORD","value":"guess"}]}]}}}}"#;
    let patch = ["patch", "deployment", "cart", "-n", "shop", "-p", variable];
    day.does(&[&patch[..], &["--dry-run=server"]].concat(), 1, rule)?;
    Ok(())
}

/// A Secret is shown masked to whoever edits it, and does not come back like that.
fn edited(day: &Day) -> Result<()> {
    let editor = day.writes(
        "editor.sh",
        "#!/bin/sh\nsed -i 's/^metadata:/metadata:\\n  labels: {edited: today}/' \"$1\"\n",
    )?;
    let mut command = day
        .0
        .kubectl(&ANA, &["edit", "secret", "db", "-n", "shop"])?;
    command.env("KUBE_EDITOR", format!("sh {editor}"));
    let shown = Shown::by(&mut command)?;
    // What was not touched is not sent: the edit goes through, and the value is the one it was.
    ensure!(shown.code == 0 && shown.shows("edited"), "{}", shown.all());
    let sent = day.0.api.requests()?;
    let patched = |r: &Value| {
        let target = r["target"].as_str().unwrap_or_default();
        r["method"] == "PATCH" && target.contains("/secrets/db")
    };
    for request in sent.iter().filter(|r| patched(r)) {
        let body = request["body"].as_str().unwrap_or_default();
        ensure!(
            body.contains("edited") && !body.contains("W3BjLW"),
            "{body}"
        );
    }
    let saved = day
        .0
        .ask(&ANA, &["get", "secret", "db", "-n", "shop", "-o", "yaml"])?;
    let whole = day.writes("whole.yaml", &saved.out)?;
    let back = day.0.ask(&ANA, &["replace", "-f", &whole])?;
    ensure!(
        back.code != 0 && back.shows("portcullis/mask-marker"),
        "{}",
        back.all()
    );
    let copy = fs::read_to_string(&whole)?.replace("name: db", "name: db2");
    let copy = day.writes("copy.yaml", &copy)?;
    let made = day.0.ask(&ANA, &["create", "-f", &copy])?;
    ensure!(
        made.code != 0 && made.shows("portcullis/mask-marker"),
        "{}",
        made.all()
    );
    Ok(())
}

/// Whoever execs is held before anything is opened, or told to come back; either way it is one ticket, although kubectl asks
/// in two protocols.
#[test]
fn an_exec_waits_for_people_before_it_is_opened() -> Result<()> {
    let day = Day(ClusterWorld::start()?);
    let bea = day.0.issuer.token(&BEA)?;
    let approve = |id: &str| -> Result<()> {
        let words = ["approvals", "approve", id, "--reason", "seen"];
        let vote = day.0.gateway.admin_as(Some(&bea), &words)?;
        ensure!(vote.code == 0, "{}", vote.all());
        Ok(())
    };
    let exec = |word: &str| ["exec", "-n", "shop", "cart-0", "--", word].map(str::to_owned);
    let opened = || {
        day.0
            .api
            .asked("GET /api/v1/namespaces/shop/pods/cart-0/exec")
    };
    let words = exec("uptime");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let child = day
        .0
        .kubectl(&ANA, &words)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let held = day.0.gateway.pending(Duration::from_secs(60))?;
    ensure!(opened()? == 0, "it was opened before anybody approved");
    approve(&held)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success() && opened()? == 1, "{output:?}");

    let words = exec("date");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    day.does(&words, 1, "clusters/date")?;
    let pending = day.0.gateway.admin(&["approvals", "list", "--json"])?;
    let rows: Value = serde_json::from_str(&pending.out)?;
    let rows = rows.as_array().or_else(|| rows["approvals"].as_array());
    let waits = |row: &&Value| {
        row["state"]
            .as_str()
            .is_some_and(|s| s.eq_ignore_ascii_case("pending"))
    };
    let tickets = rows.into_iter().flatten().filter(waits).count();
    ensure!(tickets == 1, "{tickets} tickets: {}", pending.out);
    let first = day.0.gateway.pending(Duration::from_secs(60))?;
    // The next one in the same queue is told of it, the first is told of nobody.
    let second = ["exec", "-n", "shop", "cart-1", "--", "date"];
    day.does(&second, 1, ", 1 before it")?;
    let again = day.0.ask(&ANA, &words)?;
    ensure!(
        again.code == 1 && again.shows("is needed from") && !again.shows("before it"),
        "{}",
        again.all()
    );
    approve(&first)?;
    day.does(&words, 0, "20")?;
    ensure!(opened()? == 2, "once each");
    Ok(())
}
