//! A plugin that an author has made, from nothing to a masking gateway: built, signed, trusted by key, pinned; and what a
//! gateway does with one whose signature does not hold.

use anyhow::{Context, Result, ensure};
use portcullis_tests::gateway::program;
use portcullis_tests::issuer::{AGENT, ANA};
use portcullis_tests::{Shown, World, WorldOptions};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the program in a folder; it must succeed.
fn portcullis(program: &Path, folder: &Path, arguments: &[&str]) -> Result<Shown> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("PORTCULLIS_SDK")
        .env_remove("CARGO_TARGET_DIR");
    let shown = Shown::by(&mut command)?;
    ensure!(
        shown.code == 0,
        "portcullis {}: {}",
        arguments.join(" "),
        shown.all()
    );
    Ok(shown)
}

#[test]
fn a_signed_plugin_of_an_author_masks_in_a_gateway() {
    if let Err(error) = journey() {
        panic!("{error:#}");
    }
}

fn journey() -> Result<()> {
    let options = WorldOptions::default();
    let binary = program(&portcullis_tests::world::workspace(), &options.profile)?;
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("badge-mask");
    portcullis(
        &binary,
        scratch.path(),
        &["plugin", "new", "acme/badge-mask", "--world", "masker"],
    )?;
    portcullis(&binary, &folder, &["plugin", "build"])?;
    portcullis(
        &binary,
        &folder,
        &["plugin", "keygen", "acme.key", "--name", "acme"],
    )?;
    let wasm = "target/badge_mask.wasm";
    portcullis(
        &binary,
        &folder,
        &["plugin", "sign", wasm, "--key", "acme.key"],
    )?;
    let key = fs::read_to_string(folder.join("acme.key.pub"))?;
    let path = folder.join(wasm);
    let plugins = format!(
        "  - builtin: classify-sql\n  - path: {}\n    name: acme/badge-mask\n    trusted_keys: [\"{}\"]\n",
        path.display(),
        key.trim()
    );
    let world = World::start(&WorldOptions { plugins, ..options })?;

    let sql = "SELECT 'badge B-' || '1234567' || ' of ' || name FROM customers WHERE id = 1";
    let shown = world.ask(&AGENT, "orders", sql)?;
    ensure!(
        shown.out.contains("badge [pc-masked:badge] of"),
        "{}",
        shown.all()
    );

    check_and_pin(&world, &folder, wasm)?;
    recorded_sessions_replay(&world, &binary, &folder, wasm)?;
    what_is_not_signed_does_not_serve(&world, &path)?;
    let again = world.ask(&ANA, "orders", "SELECT 'B-' || '7654321'")?;
    ensure!(
        again.out.contains("[pc-masked:badge]"),
        "the set before serves on: {}",
        again.all()
    );
    Ok(())
}

/// `portcullis check`, with the secret that the gateway has.
fn check(world: &World, config: &str) -> Result<Shown> {
    let mut command = world.gateway.command(&["check", "--config", config]);
    command.env("ORDERS_ADMIN_PASSWORD", &world.admin_password);
    Shown::by(&mut command).context("run the check")
}

/// `check` says what is only signed, `pin` pins it, and the gateway takes it up.
fn check_and_pin(world: &World, folder: &Path, wasm: &str) -> Result<()> {
    let config = world.folder().join("portcullis.yaml");
    let config = config.to_str().context("a plain path")?;
    let checked = check(world, config)?;
    ensure!(
        checked.code == 0 && checked.all().contains("not pinned"),
        "{}",
        checked.all()
    );
    let file = folder.join(wasm);
    let file = file.to_str().context("a plain path")?;
    let pinned = world
        .gateway
        .admin(&["plugin", "pin", file, "--config", config])?;
    ensure!(pinned.code == 0, "{}", pinned.all());
    let checked = check(world, config)?;
    ensure!(
        checked.code == 0 && !checked.all().contains("not pinned"),
        "{}",
        checked.all()
    );
    let reloaded = world.gateway.admin(&["reload"])?;
    ensure!(reloaded.code == 0, "{}", reloaded.all());
    Ok(())
}

/// A recorded session is a trace, and a fixture.
fn recorded_sessions_replay(world: &World, binary: &Path, folder: &Path, wasm: &str) -> Result<()> {
    let sessions = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let id = sessions[0]["id"]
        .as_str()
        .context("a session was recorded")?;
    let journal = world.gateway.state().join("journal");
    let journal = journal.to_str().context("a plain path")?;
    let trace = portcullis(
        binary,
        folder,
        &["plugin", "trace", "--session", id, "--dir", journal],
    )?;
    ensure!(
        trace.out.contains("{\"row\":[\"badge [pc-masked:badge] of"),
        "{}",
        trace.out
    );
    ensure!(trace.out.contains("\"verb\":\"SELECT\""), "{}", trace.out);
    let run = [
        "plugin",
        "run",
        "builtin:classify-sql",
        "--session",
        id,
        "--dir",
        journal,
    ];
    let run = portcullis(binary, folder, &run)?;
    ensure!(run.out.contains("query  SELECT 'badge B-'"), "{}", run.out);
    let masked = portcullis(
        binary,
        folder,
        &[
            "plugin",
            "run",
            wasm,
            "--session",
            id,
            "--dir",
            journal,
            "--json",
        ],
    )?;
    ensure!(masked.out.contains("\"kind\": \"row\""), "{}", masked.out);
    Ok(())
}

/// Neither another plugin that the key has not signed nor one that was changed.
fn what_is_not_signed_does_not_serve(world: &World, path: &Path) -> Result<()> {
    let config = world.folder().join("portcullis.yaml");
    let written = fs::read_to_string(&config)?;
    let unpinned: String = written
        .lines()
        .filter(|line| !line.trim_start().starts_with("sha256:"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&config, unpinned)?;
    let mut signature = path.as_os_str().to_owned();
    signature.push(".sig");
    let note = fs::read_to_string(&signature)?;
    for (note, says) in [
        (
            note.replace("acme/badge-mask", "acme/other"),
            "none of these keys is trusted",
        ),
        (String::new(), "no signature of a plugin"),
    ] {
        fs::write(&signature, note)?;
        let reloaded = world.gateway.admin(&["reload"])?;
        ensure!(
            reloaded.code != 0 && reloaded.all().contains(says),
            "{}",
            reloaded.all()
        );
        let file = config.to_str().context("a plain path")?;
        let checked = check(world, file)?;
        ensure!(
            checked.code == 1 && checked.all().contains(says),
            "{}",
            checked.all()
        );
    }
    Ok(())
}
