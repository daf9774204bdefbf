//! The level `argv`: each command has a certificate of its own, and the host runs what that says, whatever else it is sent.

use anyhow::{Result, ensure};
use portcullis_tests::issuer::{AGENT, DORA};
use portcullis_tests::{Shown, SshOptions, SshWorld};

fn argv() -> Result<SshWorld> {
    SshWorld::start(&SshOptions {
        connection: "    control: argv\n".to_owned(),
        ..SshOptions::default()
    })
}

#[test]
fn a_host_runs_the_command_of_the_certificate_and_no_other() -> Result<()> {
    let world = argv()?;
    let shown = world.run(&DORA, "echo   forced")?;
    ensure!(
        shown.code == 0 && shown.out == "forced\n",
        "{shown:?}\n{}",
        world.gateway.log()
    );
    let log = world.host.log();
    ensure!(
        log.contains("forced-command (key-option) 'echo forced'"),
        "{log}"
    );
    // sshd says what it was asked for only where something else runs.
    let asked = world.run(&DORA, "printenv SSH_ORIGINAL_COMMAND")?;
    ensure!(asked.out == "printenv SSH_ORIGINAL_COMMAND\n", "{asked:?}");
    let exit = world.run(&AGENT, "false")?;
    ensure!(exit.code == 1, "{exit:?}");
    // Each of them had a key of its own, on a connection of its own.
    let log = world.host.log();
    let logins: Vec<&str> = log
        .lines()
        .filter(|l| l.contains("Accepted publickey"))
        .collect();
    let serials: std::collections::BTreeSet<_> = logins
        .iter()
        .filter_map(|line| line.split("serial ").nth(1)?.split(')').next())
        .collect();
    ensure!(logins.len() == 3 && serials.len() == 3, "{logins:?}");
    Ok(())
}

#[test]
fn many_commands_of_one_connection_have_a_certificate_each() -> Result<()> {
    let world = argv()?;
    let (mut first, mux) = {
        let socket = world.folder().join("mux");
        let mux = format!("ControlPath={}", socket.display());
        let child = world
            .ssh(&DORA, &["-M", "-o", &mux], &["sleep 60"])?
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !socket.exists() {
            ensure!(std::time::Instant::now() < until, "no connection to share");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        (child, mux)
    };
    for word in ["one", "two", "three"] {
        let command = format!("echo {word}");
        let shown = Shown::by(&mut world.ssh(&DORA, &["-o", &mux], &[&command])?)?;
        ensure!(shown.out == format!("{word}\n"), "{shown:?}");
        let log = world.host.log();
        let forced = format!("forced-command (key-option) 'echo {word}'");
        ensure!(log.contains(&forced), "{log}");
    }
    first.kill()?;
    first.wait()?;
    Ok(())
}

#[test]
fn files_go_through_the_hosts_own_server_and_nothing_else_is_let_in() -> Result<()> {
    let world = argv()?;
    let token = world.issuer.token(&DORA)?;
    let mut sftp = std::process::Command::new("sftp");
    // Of options the first counts, and `-b` brings one along.
    sftp.args(["-F", "none", "-o", "BatchMode=no"])
        .args(["-q", "-b", "-", "-P", &world.port.to_string()])
        .args(["-o", "PubkeyAuthentication=no"])
        .args(["-o", "NumberOfPasswordPrompts=1"])
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            world.known_hosts().display()
        ))
        .arg(format!("{}@web-1@127.0.0.1", world.host.login))
        .env("SSH_ASKPASS", world.folder().join("askpass"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":none")
        .env("TEST_TOKEN", token)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = sftp.spawn()?;
    use std::io::Write as _;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(b"ls\n")?;
    }
    let shown = Shown::from_output(&child.wait_with_output()?);
    ensure!(
        shown.code == 0 && shown.out.contains("deploy.sh"),
        "{shown:?}\n{}",
        world.gateway.log()
    );
    let log = world.host.log();
    ensure!(log.contains("internal-sftp"), "{log}");
    let piped = world.run(&DORA, "ls | wc")?;
    ensure!(
        piped.code == 126 && piped.err.contains("ssh/argv"),
        "{piped:?}"
    );
    Ok(())
}
