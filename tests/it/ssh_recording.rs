//! What is on record of a terminal, and how it is shown again: asciinema's own player plays the export, the program's replay has a
//! speed and a beginning, and what is typed blindly is withheld once and flagged from then on.

use crate::ssh::{session, typed};
use crate::ssh_files::recorded;
use crate::ssh_tools::suite;
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{Shown, SshOptions, SshWorld, install, world};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// A session whose terminal has said something in colours, with pauses, and what was exported of it.
fn filmed() -> Result<(SshWorld, String, PathBuf)> {
    let world = SshWorld::start(&SshOptions::default())?;
    let script = "printf 'first \\033[31mred\\033[0m\\r\\n'; sleep 2; printf 'second b\\303\\274cher\\r\\n'; sleep 2; printf 'sum-%s\\r\\n' $((40+2)); exit 5";
    let mut ssh = world.ssh(&ANA, &["-tt"], &[script])?;
    let shown = Shown::by(&mut ssh)?;
    ensure!(shown.code == 5 && shown.out.contains("sum-42"), "{shown:?}");
    let session = recorded(&world)?;
    let file = world.folder().join("film.cast");
    let path = file.display().to_string();
    let exported = world
        .gateway
        .admin(&["sessions", "export", &session, "--output", &path])?;
    ensure!(exported.code == 0, "{}", exported.all());
    Ok((world, session, file))
}

#[test]
fn asciinemas_own_player_plays_what_is_exported() -> Result<()> {
    let (_world, _, file) = filmed()?;
    let folder = match std::env::var_os("PORTCULLIS_ASCIINEMA") {
        Some(folder) => folder.into(),
        None => install::asciinema_player(&world::workspace())?,
    };
    let mut node = Command::new("node");
    let shown = Shown::by(node.arg(suite("player.mjs")).arg(&folder).arg(&file))?;
    ensure!(shown.code == 0, "{}", shown.all());
    let seen: serde_json::Value = serde_json::from_str(&shown.out)?;
    let painted = seen["painted"].as_str().context("what it paints")?;
    for part in [
        "first \u{1b}[31mred\u{1b}[0m",
        "second b\u{fc}cher",
        "sum-42",
    ] {
        ensure!(painted.contains(part), "{part:?} is not in {seen}");
    }
    ensure!(seen["ended"] == true, "{seen}");
    let seconds = seen["duration"].as_f64().context("a duration")?;
    ensure!((3.5..30.0).contains(&seconds), "{seen}");
    Ok(())
}

#[test]
fn a_replay_has_a_speed_and_a_beginning() -> Result<()> {
    let (world, session, _) = filmed()?;
    let play = |more: &[&str]| -> Result<(Shown, f64)> {
        let began = Instant::now();
        let words = [&["sessions", "replay", &session, "--play"], more].concat();
        let shown = world.gateway.admin(&words)?;
        ensure!(shown.code == 0, "{more:?}: {}", shown.all());
        Ok((shown, began.elapsed().as_secs_f64()))
    };
    let (whole, slow) = play(&[])?;
    let (fast, quick) = play(&["--speed", "50"])?;
    ensure!(
        whole.out == fast.out && whole.out.contains("first"),
        "{whole:?}"
    );
    ensure!(slow > 3.5 && quick < slow / 2.0, "{slow} s, then {quick} s");
    // What stood there already is painted at once, and the rest takes its time.
    let (_, rest) = play(&["--seek", "3s"])?;
    ensure!(rest < slow - 2.0, "{rest} s of {slow} s");
    let (_, short) = play(&["--idle-max", "0s"])?;
    ensure!(short < slow / 2.0, "{short} s of {slow} s");
    let wrong = world
        .gateway
        .admin(&["sessions", "replay", &session, "--play", "--speed", "0"])?;
    ensure!(wrong.code != 0, "{}", wrong.all());
    Ok(())
}

#[test]
fn of_what_is_typed_blindly_the_first_line_is_withheld_and_the_rest_is_flagged() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let lines: [&[u8]; 7] = [
        b"stty -echo; cat > /dev/null\n",
        b"blind-one-withheld\n",
        b"blind-two-on-record\n",
        b"blind-three-on-record\n",
        b"\x04",
        b"stty echo\n",
        b"exit 0\n",
    ];
    let shown = typed(
        &mut world.ssh(&ANA, &["-tt"], &["exec bash --norc -i"])?,
        &lines,
    )?;
    ensure!(!shown.out.contains("blind-one"), "{shown:?}");
    let session = session(&world)?;
    let replay = world
        .gateway
        .admin(&["sessions", "replay", &session, "--verbose", "--json"])?;
    ensure!(replay.code == 0, "{}", replay.all());
    // What was typed is on record as bytes: `blind-one`, `blind-two` and `blind-thr` in base64.
    for withheld in ["blind-one", "YmxpbmQtb25l"] {
        ensure!(!replay.out.contains(withheld), "it is on record");
    }
    for kept in ["YmxpbmQtdHdv", "YmxpbmQtdGhy"] {
        ensure!(replay.out.contains(kept), "{kept} is not on record");
    }
    ensure!(replay.out.contains("unechoed"), "{}", replay.out);
    Ok(())
}
