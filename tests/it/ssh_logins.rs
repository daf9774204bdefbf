//! How the gateway logs in to a real sshd: as the role that policy says and no other, with a stored password, and as often as it has
//! to: a connection that a channel has done with is kept for the next.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{ANA, DORA, Person};
use portcullis_tests::process::run;
use portcullis_tests::{Scratch, Shown, SshOptions, SshWorld, scratch};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Commands of one connection, one after the other.
const COMMANDS: usize = 6;

#[test]
fn a_connection_to_the_host_is_kept_for_the_sessions_next_command() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let (mut first, mux) = world.shared(&DORA)?;
    for number in 1..=COMMANDS {
        let command = format!("echo {number}");
        let shown = Shown::by(&mut world.ssh(&DORA, &["-o", &mux], &[&command])?)?;
        ensure!(shown.out == format!("{number}\n"), "{shown:?}");
        // The host has seen its end, so the gateway has done with it.
        let until = Instant::now() + Duration::from_secs(60);
        while world.host.log().matches("Close session:").count() < number {
            ensure!(Instant::now() < until, "{}", world.host.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    // One for the command that lasts, one for all the others; another if somebody was a moment early.
    let logins = world.host.log().matches("Accepted publickey").count();
    ensure!((2..=3).contains(&logins), "{logins}: {}", world.host.log());
    first.kill()?;
    first.wait()?;
    Ok(())
}

/// Dora's binding has this role, ana's has none; without one the gateway logs in as somebody whom the host does not know.
fn by_role(role: &str) -> Result<SshWorld> {
    let data = format!(
        "\
access:
  groups: {{dpo: [by-role], engineers: [plain]}}
  bindings:
    by-role: {{protocols: [ssh], labels: {{app: web}}, role: {role}}}
    plain: {{protocols: [ssh], labels: {{app: web}}}}
config: {{mask: {{readers: [dpo]}}}}
"
    );
    let world = SshWorld::start(&SshOptions {
        data,
        ..SshOptions::default()
    })?;
    let config = world.folder().join("portcullis.yaml");
    let text = fs::read_to_string(&config)?;
    let login = format!("certificate: {{ user: {},", world.host.login);
    let absent = text.replace(&login, "certificate: { user: absent,");
    ensure!(absent != text);
    fs::write(&config, absent)?;
    let reloaded = world.gateway.admin(&["reload"])?;
    ensure!(reloaded.code == 0, "{}", reloaded.all());
    Ok(world)
}

/// Whoever asks for this login.
fn wishes(world: &SshWorld, person: &Person, login: &str, command: &str) -> Result<Shown> {
    let mut ssh = world.client(&world.issuer.token(person)?);
    Shown::by(ssh.args([&format!("{login}@web-1@127.0.0.1"), command])).context("run ssh")
}

#[test]
fn the_certificate_has_the_role_that_policy_said_and_no_other() -> Result<()> {
    let probe = SshWorld::start(&SshOptions::default())?;
    let login = probe.host.login.clone();
    drop(probe);
    let world = by_role(&login)?;
    // Whatever login is wished for, the host sees that of the policy.
    for wish in [login.as_str(), "root", "absent"] {
        let shown = wishes(&world, &DORA, wish, "cat $SSH_USER_AUTH")?;
        ensure!(
            shown.code == 0,
            "{wish}: {shown:?}\n{}",
            world.gateway.log()
        );
        let line = shown.out.trim().strip_prefix("publickey ");
        let file = world.folder().join("role-cert.pub");
        fs::write(&file, line.context("a certificate")?)?;
        let read = run(Command::new("ssh-keygen").args(["-L", "-f"]).arg(&file))?;
        let read = String::from_utf8_lossy(&read.stdout).into_owned();
        let principals = format!("Principals: \n                {login}\n");
        ensure!(read.contains(&principals), "{wish}: {read}");
        ensure!(!read.contains("absent") && !read.contains("root"), "{read}");
    }
    // Whom policy gives no role logs in as the connection says; wishing for that role is no use.
    let before = world.host.log().matches("Accepted").count();
    let shown = wishes(&world, &ANA, &login, "echo in")?;
    ensure!(
        shown.code == 126 && shown.err.contains("fault/upstream") && shown.out.is_empty(),
        "{shown:?}"
    );
    let log = world.host.log();
    ensure!(log.matches("Accepted").count() == before, "{log}");
    ensure!(log.contains("Invalid user absent"), "{log}");
    Ok(())
}

#[test]
fn a_role_that_the_host_does_not_know_is_refused_by_it() -> Result<()> {
    let world = by_role("deployer")?;
    let shown = wishes(&world, &DORA, &world.host.login, "echo in")?;
    ensure!(
        shown.code == 126 && shown.err.contains("fault/upstream") && shown.out.is_empty(),
        "{shown:?}"
    );
    let log = world.host.log();
    ensure!(
        log.contains("Invalid user deployer") && !log.contains("Accepted"),
        "{log}"
    );
    Ok(())
}

/// A password of the host's account, and what its shadow entry says then (SHA-512, made with `openssl passwd -6`).
const PASSWORD: &str = "Kq8-vT3zR0xWm5Yb2NcJ";
const SHADOW: &str =
    "$6$Zq4$VlE.sOuYDqky9RZiYUK/Hjed/sb53G1GOaNBmI3hQHJNewK3HowiI4eSMeBz0w.5KUF8PovQL6gQhniS/5CcQ/";

#[test]
fn a_stored_password_logs_in_to_a_real_sshd_and_stands_nowhere() -> Result<()> {
    let folder = Scratch::new("stored-password")?;
    let file = folder.path().join("password");
    scratch::private(&file, PASSWORD)?;
    let world = SshWorld::start(&SshOptions {
        credential: format!(
            "static: {{ user: {{login}}, password: \"file:{}\" }}",
            file.display()
        ),
        ..SshOptions::default()
    })?;
    let early = world.run(&DORA, "echo in")?;
    ensure!(
        early.code == 126 && early.err.contains("fault/upstream"),
        "the account has no password yet: {early:?}"
    );
    world.host.password(SHADOW)?;
    let shown = world.run(&DORA, "echo in")?;
    ensure!(
        shown.out == "in\n",
        "{shown:?}\n{}\n{}",
        world.gateway.log(),
        world.host.log()
    );
    ensure!(
        world.host.log().contains("Accepted password for"),
        "{}",
        world.host.log()
    );
    // The host has it in a file: it does not come through.
    fs::write(world.host.home().join("left"), format!("is {PASSWORD}.\n"))?;
    let left = world.run(&DORA, "cat left")?;
    ensure!(!left.all().contains(PASSWORD), "{left:?}");
    ensure!(!world.gateway.log().contains(PASSWORD));
    Ok(())
}
