//! How the gateway and a host know each other, with a real sshd: by a hashed name, by an authority, by a pinned key, on first sight
//! where that is configured, and never blindly; and what the certificate says with which the gateway logs in.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::DORA;
use portcullis_tests::process::run;
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::process::Command;

/// Replaces what the gateway knows of hosts: it looks again for each connection.
fn knows(world: &SshWorld, known: &str) -> Result<()> {
    fs::write(world.folder().join("known_hosts"), known).context("write the known hosts")
}

fn lets_in(world: &SshWorld, why: &str) -> Result<()> {
    let shown = world.run(&DORA, "echo in")?;
    ensure!(
        shown.out == "in\n",
        "{why}: {shown:?}\n{}",
        world.gateway.log()
    );
    Ok(())
}

/// The host is not trusted, and has not been shown who we are.
fn keeps_out(world: &SshWorld, why: &str) -> Result<()> {
    let logins = world.host.log().matches("Accepted").count();
    let shown = world.run(&DORA, "echo in")?;
    ensure!(
        shown.code == 126 && shown.err.contains("fault/upstream") && shown.out.is_empty(),
        "{why}: {shown:?}"
    );
    ensure!(
        world.host.log().matches("Accepted").count() == logins,
        "{why}"
    );
    Ok(())
}

#[test]
fn a_host_is_known_by_its_line_its_hash_or_its_authority_and_never_when_revoked() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let plain = world.host.known()?;
    lets_in(&world, "by its line")?;

    let hashed = world.folder().join("hashed");
    fs::write(&hashed, &plain)?;
    run(Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(&hashed))?;
    let hashed = fs::read_to_string(&hashed)?;
    ensure!(
        hashed.starts_with("|1|") && !hashed.contains("127.0.0.1"),
        "{hashed}"
    );
    knows(&world, &hashed)?;
    lets_in(&world, "by its hash")?;

    let authority = world.host.known_authority()?;
    knows(&world, &authority)?;
    lets_in(&world, "by its authority")?;

    let words: Vec<&str> = plain.split_whitespace().collect();
    let revoked = format!("@revoked * {} {}\n", words[1], words[2]);
    knows(&world, &format!("{plain}{revoked}"))?;
    keeps_out(&world, "its key is revoked")?;
    knows(&world, &format!("{authority}{revoked}"))?;
    keeps_out(&world, "the key in its certificate is revoked")?;
    knows(&world, &authority.replacen("127.0.0.1", "127.0.0.2", 1))?;
    keeps_out(&world, "the authority is that of other hosts")?;
    knows(&world, "")?;
    keeps_out(&world, "nobody vouches for it")
}

#[test]
fn a_pinned_key_is_the_host_and_no_other() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let public = fs::read_to_string(world.host.folder().join("host.pub"))?;
    drop(world);
    // Each world has a host with a key of its own: the key of another one is pinned here.
    let other = SshWorld::start(&SshOptions {
        host_keys: format!("{{ pinned: [\"{}\"] }}", public.trim()),
        ..SshOptions::default()
    })?;
    keeps_out(&other, "another key is pinned")?;
    let config = other.folder().join("portcullis.yaml");
    let text = fs::read_to_string(&config)?;
    let right = fs::read_to_string(other.host.folder().join("host.pub"))?;
    fs::write(&config, text.replace(public.trim(), right.trim()))?;
    let reloaded = other.gateway.admin(&["reload"])?;
    ensure!(reloaded.code == 0, "{}", reloaded.all());
    lets_in(&other, "its key is pinned")
}

#[test]
fn a_host_is_written_down_on_first_sight_only_where_that_is_configured() -> Result<()> {
    let world = SshWorld::start(&SshOptions {
        host_keys: "{ known_hosts: {at}/seen, accept_new: true }".to_owned(),
        ..SshOptions::default()
    })?;
    let seen = world.folder().join("seen");
    lets_in(&world, "seen first")?;
    let written = fs::read_to_string(&seen)?;
    let key = world.host.known()?;
    let key = key.split_whitespace().nth(2).context("a key")?;
    ensure!(written.contains(key), "{written}");
    lets_in(&world, "seen again")?;
    ensure!(
        fs::read_to_string(&seen)? == written,
        "it is written down once"
    );
    // Somebody else stands in its place.
    let other = "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    fs::write(&seen, written.replace(key, other))?;
    keeps_out(&world, "another key was seen first")?;
    ensure!(
        !fs::read_to_string(&seen)?.contains(key),
        "and that stays so"
    );
    Ok(())
}

#[test]
fn the_certificate_says_who_where_from_for_how_long_and_permits_little() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    // sshd tells a session how it was let in.
    let shown = world.run(&DORA, "cat $SSH_USER_AUTH")?;
    ensure!(shown.code == 0, "{shown:?}");
    let line = shown.out.trim().strip_prefix("publickey ");
    let file = world.folder().join("seen-cert.pub");
    fs::write(&file, line.context("a certificate")?)?;
    let read = run(Command::new("ssh-keygen").args(["-L", "-f"]).arg(&file))?;
    let read = String::from_utf8_lossy(&read.stdout).into_owned();
    let session = crate::ssh::session(&world)?;
    for part in [
        "user certificate",
        &format!("Key ID: \"{session} {}\"", DORA.subject),
        &format!("Principals: \n                {}\n", world.host.login),
        "source-address 127.0.0.1",
        "permit-pty",
    ] {
        ensure!(read.contains(part), "{part:?} is not in {read}");
    }
    for part in ["forwarding", "permit-user-rc", "forever"] {
        // A person may open a forward to a port; nothing else is permitted.
        let allowed = part == "forwarding" && !read.contains("agent-forwarding");
        ensure!(!read.contains(part) || allowed, "{part:?} is in {read}");
    }
    let valid = read
        .lines()
        .find(|l| l.contains("Valid:"))
        .context("times")?;
    let minutes = minutes(valid)?;
    ensure!((1..=15).contains(&minutes), "{valid}: {minutes} minutes");
    // sshd has the key id in its log: whoever looks there finds the session here.
    ensure!(
        world
            .host
            .log()
            .contains(&format!("ID {session} {}", DORA.subject)),
        "{}",
        world.host.log()
    );
    Ok(())
}

/// `Valid: from 2026-11-27T19:00:00 to 2026-11-27T19:05:00`, as minutes.
fn minutes(valid: &str) -> Result<i64> {
    let times: Vec<&str> = valid
        .split_whitespace()
        .filter(|w| w.contains('T') && w.contains(':'))
        .collect();
    let seconds = |at: &str| -> Result<i64> {
        let date = run(Command::new("date").args(["-u", "-d", at, "+%s"]))?;
        let text = String::from_utf8_lossy(&date.stdout).trim().to_owned();
        text.parse().context("seconds")
    };
    let (from, to) = (times.first().context("from")?, times.get(1).context("to")?);
    Ok((seconds(to)? - seconds(from)? + 59) / 60)
}

#[test]
fn a_certificate_for_another_address_is_worth_nothing_to_the_host() -> Result<()> {
    let probe = SshWorld::start(&SshOptions::default())?;
    lets_in(&probe, "from its own address")?;
    drop(probe);
    // The authority's path is only known to the world itself, so the whole credential is rewritten in its file.
    let world = SshWorld::start(&SshOptions::default())?;
    let config = world.folder().join("portcullis.yaml");
    let text = fs::read_to_string(&config)?;
    let other = text.replace(
        "source_addresses: [127.0.0.1]",
        "source_addresses: [192.0.2.1]",
    );
    ensure!(other != text);
    fs::write(&config, other)?;
    let reloaded = world.gateway.admin(&["reload"])?;
    ensure!(reloaded.code == 0, "{}", reloaded.all());
    let shown = world.run(&DORA, "echo in")?;
    ensure!(
        shown.code == 126 && shown.out.is_empty(),
        "{shown:?}\n{}",
        world.host.log()
    );
    Ok(())
}

#[test]
fn a_stored_key_logs_in_where_there_is_no_authority() -> Result<()> {
    // The host's own folder is not known before it runs: the key is put where the configuration says.
    let folder = portcullis_tests::Scratch::new("stored-key")?;
    let key = folder.path().join("key");
    portcullis_tests::host::keygen(&key)?;
    let world = SshWorld::start(&SshOptions {
        credential: format!(
            "key: {{ user: {{login}}, private_key: \"file:{}\" }}",
            key.display()
        ),
        ..SshOptions::default()
    })?;
    keeps_out(&world, "the host does not know the key yet")?;
    let list = world.host.home().join(".ssh/authorized_keys");
    let public = fs::read_to_string(folder.path().join("key.pub"))?;
    fs::write(&list, fs::read_to_string(&list)? + &public)?;
    lets_in(&world, "by a stored key")?;
    let secret = fs::read_to_string(&key)?;
    let line = secret.lines().nth(2).context("a key has lines")?;
    ensure!(!world.gateway.log().contains(line), "the log holds the key");
    let direct = Shown::by(world.host.direct()?.arg("true"))?;
    ensure!(direct.code == 0, "{direct:?}");
    Ok(())
}
