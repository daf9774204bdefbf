//! Rules about crates: who may depend on whom, and which heavy dependency lives where.

use super::Breach;
use anyhow::{Context, Result};
use portcullis_tests::process::run;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const INNER: [&str; 6] = ["model", "gate", "link", "sql", "stream", "fetch"];
const MIDDLE: [&str; 9] = [
    "wire-postgres",
    "wire-ssh",
    "wire-kubernetes",
    "identity",
    "policy",
    "sandbox",
    "vault",
    "approval",
    "journal",
];

/// One heavy dependency, the crates that may have it.
const HEAVY: [(&str, &[&str]); 11] = [
    ("wasmtime", &["sandbox"]),
    ("wasmtime-wizer", &["sandbox"]),
    ("regorus", &["policy"]),
    ("pg_query", &["sql"]),
    ("russh", &["wire-ssh"]),
    ("kube", &["vault", "wire-kubernetes"]),
    ("openidconnect", &["identity"]),
    ("jsonwebtoken", &["identity"]),
    ("tokio-postgres", &["vault", "journal", "approval"]),
    ("yaml_serde", &["portcullis", "policy"]),
    ("rusqlite", &["journal"]),
];

/// The manifest of a plugin is one type, which the author's build writes and the host reads. The SDK knows
/// nothing of the engine and brings no heavy dependency along.
const SHARED_WITH_GUESTS: (&str, &str) = ("sandbox", "sdk");

/// Crates that build fast because they depend on little.
const LIGHT: [(&str, usize); 2] = [("portcullis-model", 40), ("portcullis-gate", 40)];

/// Checks the workspace's manifests.
pub fn check(workspace: &Path, breaches: &mut Vec<Breach>) -> Result<()> {
    let output = run(Command::new(cargo())
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(workspace))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("read cargo metadata")?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        package_rules(package, breaches);
    }
    for (name, most) in LIGHT {
        let tree = run(Command::new(cargo())
            .args(["tree", "-p", name, "-e", "normal", "--prefix", "none"])
            .current_dir(workspace))?;
        let crates: BTreeSet<String> = String::from_utf8_lossy(&tree.stdout)
            .lines()
            .map(|l| l.replace(" (*)", ""))
            .collect();
        if crates.len() >= most {
            let advice = format!(
                "builds {} crates, fewer than {most} are allowed",
                crates.len()
            );
            breaches.push(Breach::new(name, advice));
        }
    }
    let ring = Command::new(cargo())
        .args(["tree", "--workspace", "-e", "normal", "-i", "ring"])
        .current_dir(workspace)
        .output()
        .context("run cargo tree")?;
    if !ring.stdout.is_empty() {
        let tree = String::from_utf8_lossy(&ring.stdout).into_owned();
        breaches.push(Breach::new(
            "ring",
            format!("one crypto provider, aws-lc-rs; ring came with:\n{tree}"),
        ));
    }
    Ok(())
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn package_rules(package: &Value, breaches: &mut Vec<Breach>) {
    let manifest = package["manifest_path"].as_str().unwrap_or_default();
    let Some(folder) = manifest
        .split("/engine/")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
    else {
        return;
    };
    let name = package["name"].as_str().unwrap_or_default();
    let place = format!("engine/{folder}/Cargo.toml");
    if name != format!("portcullis-{folder}") && !(name == "portcullis" && folder == "portcullis") {
        breaches.push(Breach::new(
            &place,
            format!("folder `{folder}` must be package `portcullis-{folder}`"),
        ));
    }
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        if dependency["kind"].as_str() == Some("dev") || folder == "xtask" {
            continue;
        }
        let wants = dependency["name"].as_str().unwrap_or_default();
        if let Some(ours) = wants.strip_prefix("portcullis-") {
            direction(&place, folder, ours, breaches);
        }
        if let Some((_, homes)) = HEAVY.iter().find(|(heavy, _)| *heavy == wants)
            && !homes.contains(&folder)
        {
            let advice = format!("`{wants}` lives in {} only", homes.join(" and "));
            breaches.push(Breach::new(&place, advice));
        }
    }
}

fn direction(place: &str, folder: &str, wants: &str, breaches: &mut Vec<Breach>) {
    let fine = match folder {
        "portcullis" => true,
        "model" => false,
        "gate" => wants == "model",
        _ if (folder, wants) == SHARED_WITH_GUESTS => true,
        _ if INNER.contains(&folder) => matches!(wants, "model" | "gate"),
        // `stream`, `sql` and `fetch` are inner crates, open to every room.
        _ => INNER.contains(&wants),
    };
    if !fine {
        let what = if MIDDLE.contains(&wants) {
            "middle crates do not know each other"
        } else {
            "wrong direction"
        };
        breaches.push(Breach::new(
            place,
            format!("depends on portcullis-{wants}: {what}"),
        ));
    }
}
