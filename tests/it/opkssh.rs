//! Certificates of opkssh with a stock `ssh`: whoever has logged in at the provider needs no password, whoever holds another
//! key gets nowhere.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{DORA, Person};
use portcullis_tests::{Shown, SshOptions, SshWorld, host, install, world};
use std::path::PathBuf;
use std::process::Command;

const CLIENT: &str = "opkssh-client";

fn place() -> Result<SshWorld> {
    SshWorld::start(&SshOptions {
        // The last key of the development issuer.
        issuers: format!("    openpubkey_clients: [{CLIENT}]\n"),
        ..SshOptions::default()
    })
}

/// Logs in as opkssh does; the key, with its certificate beside it.
fn login(
    world: &SshWorld,
    name: &str,
    kind: &str,
    audience: &str,
    other: Option<&str>,
) -> Result<PathBuf> {
    let python = match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => python.into(),
        None => install::python(&world::workspace())?,
    };
    let at = world.folder();
    let mut command = Command::new(python);
    command
        .arg(world::workspace().join("tests/it/opkssh.py"))
        .arg(at)
        .args([name, &world.issuer.url(), DORA.subject, audience, kind]);
    if let Some(other) = other {
        command.arg(at.join(other));
    }
    let shown = Shown::by(&mut command).context("run Python")?;
    ensure!(shown.code == 0, "{}\n{}", shown.all(), world.issuer.log());
    Ok(at.join(name))
}

fn ssh(world: &SshWorld, key: &PathBuf, certificate: bool, command: &str) -> Result<Shown> {
    let mut ssh = host::client(&world.known_hosts(), world.port);
    ssh.args(["-o", "BatchMode=yes", "-v"]).arg("-i").arg(key);
    if certificate {
        ssh.arg("-o")
            .arg(format!("CertificateFile={}-cert.pub", key.display()));
    }
    ssh.arg(format!("{}@web-1@127.0.0.1", world.host.login))
        .arg(command);
    Shown::by(&mut ssh).context("run ssh")
}

fn is_let_in(world: &SshWorld, shown: &Shown, person: &Person) -> Result<()> {
    ensure!(
        shown.code == 0 && shown.out == "hello\n",
        "{shown:?}\n{}",
        world.gateway.log()
    );
    let sessions = world.gateway.admin(&["sessions", "list", "--recorded"])?;
    ensure!(sessions.out.contains(person.subject), "{}", sessions.all());
    Ok(())
}

#[test]
fn who_has_logged_in_with_opkssh_comes_in_without_a_password() -> Result<()> {
    let world = place()?;
    for kind in ["ecdsa", "ed25519"] {
        let key = login(&world, kind, kind, CLIENT, None)?;
        is_let_in(&world, &ssh(&world, &key, true, "echo hello")?, &DORA)?;
        // What the certificate permits is for another server, and so is nothing.
        let denied = ssh(&world, &key, true, "chmod 777 app")?;
        ensure!(denied.code == 126, "{denied:?}");
        // The key alone proves nobody.
        let alone = world.folder().join(format!("alone-{kind}"));
        std::fs::copy(&key, &alone)?;
        let bare = ssh(&world, &alone, false, "echo hello")?;
        ensure!(bare.code == 255 && bare.out.is_empty(), "{bare:?}");
    }
    Ok(())
}

#[test]
fn a_token_of_another_key_or_for_another_client_lets_nobody_in() -> Result<()> {
    let world = place()?;
    let elsewhere = login(&world, "elsewhere", "ecdsa", "another-client", None)?;
    let shown = ssh(&world, &elsewhere, true, "echo hello")?;
    ensure!(shown.code == 255 && shown.out.is_empty(), "{shown:?}");
    // A bearer of the gateway's own audience is no client of opkssh.
    let ours = login(&world, "ours", "ecdsa", "portcullis", None)?;
    let shown = ssh(&world, &ours, true, "echo hello")?;
    ensure!(shown.code == 255 && shown.out.is_empty(), "{shown:?}");
    // Somebody has got hold of a token, and puts it into a certificate of a key of his own.
    host::keygen(&world.folder().join("thief"))?;
    login(&world, "victim", "ed25519", CLIENT, Some("thief"))?;
    let thief = world.folder().join("thief");
    let shown = ssh(&world, &thief, true, "echo hello")?;
    ensure!(shown.code == 255 && shown.out.is_empty(), "{shown:?}");
    let log = world.gateway.log();
    ensure!(!log.contains("panicked"), "{log}");
    Ok(())
}

#[test]
fn keys_that_prove_nothing_are_not_asked_for_a_signature() -> Result<()> {
    let plain = SshWorld::start(&SshOptions::default())?;
    host::keygen(&plain.folder().join("stray"))?;
    let key = plain.folder().join("stray");
    let shown = ssh(&plain, &key, false, "echo hello")?;
    ensure!(shown.code == 255, "{shown:?}");
    ensure!(!shown.err.contains("Server accepts key"), "{shown:?}");
    Ok(())
}
