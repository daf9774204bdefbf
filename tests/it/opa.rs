//! Our policies in OPA's own engine: every test passes there too, and to every example of an input each pack says
//! the same as in ours. What only the `opa` program can do (`check --strict --schema`) is done where there is one.

use anyhow::{Context, Result, ensure};
use portcullis_tests::{Scratch, Shown, gateway, install, process, world};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn policies() -> PathBuf {
    world::workspace().join("policies")
}

/// The examples of `policies/README.md`: an input for every action and protocol.
fn examples() -> Result<Vec<Value>> {
    let readme = fs::read_to_string(policies().join("README.md"))?;
    let blocks = readme
        .split("\n```")
        .filter_map(|block| block.strip_prefix("json\n"));
    let found: Vec<Value> = blocks
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
    ensure!(found.len() >= 7, "only {} examples", found.len());
    Ok(found)
}

/// What OPA makes of the folder of policies and of these questions.
fn opa(scratch: &Scratch, questions: &[(String, Value)]) -> Result<Value> {
    let workspace = world::workspace();
    let engine = install::opa_engine(&workspace)?;
    let mut lines = String::new();
    for (pack, input) in questions {
        let _ = writeln!(lines, "{}", json!({"pack": pack, "input": input}));
    }
    let file = scratch.path().join("questions.jsonl");
    fs::write(&file, lines)?;
    let output = process::run(
        Command::new("python3")
            .arg(workspace.join("tests/it/policy_opa.py"))
            .arg(policies().join("portcullis"))
            .arg(policies().join("data.yaml"))
            .arg(&file)
            .env("PYTHONPATH", engine),
    )?;
    serde_json::from_slice(&output.stdout).context("read OPA's answers")
}

/// What our engine makes of an input, pack by pack.
fn ours(input: &Path) -> Result<Value> {
    let mut command = Command::new(gateway::program(&world::workspace(), "debug")?);
    command.args(["policy", "explain", "--json", "--input"]);
    command
        .arg(input)
        .arg("--data")
        .arg(policies().join("data.yaml"));
    command.args(shipped()?.iter().map(|pack| format!("builtin:{pack}")));
    let shown = Shown::by(&mut command)?;
    ensure!(shown.code == 0, "{}", shown.all());
    serde_json::from_str(&shown.out).context("read our answers")
}

fn shipped() -> Result<Vec<String>> {
    let mut packs = Vec::new();
    for entry in fs::read_dir(policies().join("portcullis/packs"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pack) = name.strip_suffix(".rego").filter(|n| !n.ends_with("_test")) {
            packs.push(pack.to_owned());
        }
    }
    packs.sort();
    Ok(packs)
}

fn rules(said: &Value) -> BTreeSet<&str> {
    let items = said.as_array().into_iter().flatten();
    items
        .filter_map(|item| item["rule"].as_str().or(item.as_str()))
        .collect()
}

/// A command that destroys, plants a login and shows a secret.
fn worsen(command: &mut Value) {
    command["effect"] = "destroy".into();
    command["verbs"] = json!(["ddl", "dcl", "read"]);
    let labels = json!([
        "drop-database",
        "create-role",
        "recursive-delete-root",
        "secret-read",
        "reverse-shell"
    ]);
    command["labels"] = labels.clone();
    for statement in command["statements"].as_array_mut().into_iter().flatten() {
        statement["verb"] = "DROP".into();
        statement["class"] = "ddl".into();
        statement["effect"] = "destroy".into();
        statement["object_type"] = "DATABASE".into();
        statement["labels"] = labels.clone();
    }
}

#[test]
fn every_test_passes_in_opa_and_packs_say_the_same_there() -> Result<()> {
    let scratch = Scratch::new("opa")?;
    let packs = shipped()?;
    let examples = examples()?;
    let mut inputs = examples.clone();
    // The same by an agent, and of commands worse ones: other rules speak.
    for mut input in examples {
        input["identity"]["kind"] = "agent".into();
        inputs.push(input.clone());
        if input["command"].is_object() {
            input["identity"]["kind"] = "human".into();
            worsen(&mut input["command"]);
            inputs.push(input);
        }
    }
    let questions: Vec<(String, Value)> = inputs
        .iter()
        .flat_map(|input| packs.iter().map(|pack| (pack.clone(), input.clone())))
        .collect();
    let answer = opa(&scratch, &questions)?;
    ensure!(answer["failed"] == json!([]), "{}", answer["failed"]);
    ensure!(answer["tests"].as_u64() >= Some(130), "{}", answer["tests"]);
    let mut answers = answer["answers"].as_array().context("answers")?.iter();
    let mut spoken = 0;
    for (number, input) in inputs.iter().enumerate() {
        let file = scratch.path().join(format!("input-{number}.json"));
        fs::write(&file, input.to_string())?;
        let explained = ours(&file)?;
        for (place, pack) in packs.iter().enumerate() {
            let theirs = answers.next().context("an answer for each question")?;
            let own = &explained["packs"][place];
            ensure!(own["pack"] == pack.as_str(), "{own:#}");
            for (ours, opas) in [
                ("grants", "grant"),
                ("denials", "deny"),
                ("approvals", "approval"),
            ] {
                let (ours, opas) = (rules(&own[ours]), rules(&theirs[opas]));
                ensure!(
                    ours == opas,
                    "{pack}, input {number}: {ours:?}, and OPA {opas:?}"
                );
                spoken += ours.len();
            }
            let obligations = theirs["obligation"].as_array().map_or(0, Vec::len);
            ensure!(
                own["obligations"] == obligations,
                "{pack}, input {number}: {own:#} {theirs:#}"
            );
        }
    }
    ensure!(spoken >= 20, "only {spoken} rules spoke");
    process::which("opa").map_or(Ok(()), |program| stock(&program))
}

/// What the program adds to the engine: its strict mode, and types from the schema.
fn stock(program: &Path) -> Result<()> {
    let folder = policies();
    let mut check = Command::new(program);
    check.args(["check", "--strict", "--schema"]);
    process::run(
        check
            .arg(folder.join("schemas"))
            .arg(folder.join("portcullis")),
    )?;
    let mut test = Command::new(program);
    process::run(
        test.arg("test")
            .arg(folder.join("portcullis"))
            .arg(folder.join("data.yaml")),
    )?;
    Ok(())
}
