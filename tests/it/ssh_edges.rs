//! What a client may try at the edges of SSH: files through a terminal, a shell that nobody can follow, forwards without end,
//! names that only look like others, jumps within jumps, more input than a host takes. Each is refused by name, and the
//! connection goes on.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::{AGENT, ANA, DORA, Person};
use portcullis_tests::{Shown, SshOptions, SshWorld, install, world};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

fn with_level(level: &str) -> Result<SshWorld> {
    SshWorld::start(&SshOptions {
        connection: format!("    control: {level}\n"),
        ..SshOptions::default()
    })
}

#[test]
fn files_go_through_no_terminal() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let mut subsystem = world.ssh(&ANA, &["-tt", "-s"], &["sftp"])?;
    let mut server = world.ssh(&ANA, &["-tt"], &["/usr/lib/openssh/sftp-server"])?;
    let mut scp = world.ssh(&ANA, &["-tt"], &["scp -t planted"])?;
    for command in [&mut subsystem, &mut server, &mut scp] {
        let shown = Shown::by(command)?;
        ensure!(
            shown.code == 126 && shown.all().contains("ssh/pty-files"),
            "{shown:?}"
        );
        ensure!(shown.all().contains("Leave out -t"), "{shown:?}");
    }
    ensure!(
        !world.host.log().contains("Accepted"),
        "{}",
        world.host.log()
    );
    Ok(())
}

#[test]
fn a_shell_that_cannot_be_followed_is_refused() -> Result<()> {
    let world = with_level("assist")?;
    let mut child = world
        .ssh(&ANA, &["-T"], &[])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    // It may be refused before it reads.
    let _written = stdin.write_all(b"echo ran > ran\n");
    drop(stdin);
    let shown = Shown::from_output(&child.wait_with_output()?);
    ensure!(
        shown.code == 126 && shown.err.contains("ssh/assist") && shown.err.contains("-t"),
        "{shown:?}"
    );
    ensure!(!world.host.home().join("ran").exists(), "nothing ran");
    let single = world.run(&ANA, "echo single")?;
    ensure!(single.out == "single\n", "{single:?}");
    Ok(())
}

#[test]
fn only_what_changes_how_text_looks_is_set_on_the_host() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let names = [
        ("LC_TIME", true),
        ("TZ", true),
        ("NO_COLOR", true),
        ("BASH_ENV", false),
        ("LD_PRELOAD", false),
        ("GIT_SSH_COMMAND", false),
        ("PORTCULLIS_PROBE", false),
    ];
    let set = names.map(|(name, _)| format!("{name}=probe")).join(" ");
    let set = format!("SetEnv={set}");
    let direct = Shown::by(world.host.direct()?.args(["-o", &set, "env"]))?;
    // The host takes whatever it is sent: in the way of ssh(1), options stand in front of the destination.
    let through = Shown::by(&mut world.ssh(&DORA, &["-o", &set], &["env"])?)?;
    ensure!(through.code == 0, "{through:?}\n{}", direct.all());
    for (name, taken) in names {
        let shows = through.out.contains(&format!("{name}=probe\n"));
        ensure!(shows == taken, "{name}: {through:?}");
    }
    Ok(())
}

#[test]
fn an_exit_code_outlives_the_output() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let command = "exec >&- 2>&-; sleep 1; exit 4";
    let direct = Shown::by(world.host.direct()?.arg(command))?;
    let through = Shown::by(&mut world.ssh(&DORA, &[], &[command])?)?;
    ensure!(
        direct.code == 4 && through.code == 4,
        "{direct:?} {through:?}"
    );
    // A connection that is shared closes a channel as soon as both sides have ended their output.
    let (mut first, mux) = world.shared(&DORA)?;
    let shared = Shown::by(&mut world.ssh(&DORA, &["-o", &mux], &[command])?);
    first.kill()?;
    first.wait()?;
    let shared = shared?;
    ensure!(shared.code == 4, "{shared:?}");
    Ok(())
}

pub(crate) fn edge(world: &SshWorld, case: &str, person: &Person, user: &str) -> Result<Shown> {
    let python = match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => python.into(),
        None => install::python(&world::workspace())?,
    };
    let mut command = Command::new(python);
    command
        .arg(world::workspace().join("tests/it/ssh_tools/edges.py"))
        .arg(world.port.to_string())
        .arg(world.known_hosts())
        .args([case, user])
        .env("TEST_TOKEN", world.issuer.token(person)?);
    let shown = Shown::by(&mut command).context("run Python")?;
    ensure!(shown.code == 0, "{}\n{}", shown.all(), world.gateway.log());
    Ok(shown)
}

#[test]
fn a_refused_forward_leaves_nothing_behind() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let user = format!("{}@web-1", world.host.login);
    // 1 is "administratively prohibited"; 4, no resources, is what one that is kept would lead to.
    let agent = edge(&world, "forwards", &AGENT, &user)?;
    ensure!(agent.out == "{1} still\n", "{agent:?}");
    let ana = edge(&world, "letters", &ANA, &user)?;
    ensure!(ana.out == "1 4 4 still\n", "{ana:?}");
    Ok(())
}

#[test]
fn a_jump_leads_to_a_target_and_no_further() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let shown = edge(&world, "jumps", &ANA, "ana")?;
    ensure!(shown.out == "4 4\ninner True\nnested 1\n", "{shown:?}");
    Ok(())
}

#[test]
fn a_jump_by_its_own_option_leads_to_the_same_gate() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let config = world.folder().join("ssh_config");
    // `-J` hands its options on by the file alone.
    fs::write(
        &config,
        format!(
            "Host gateway web-1
  UserKnownHostsFile {known}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  PubkeyAuthentication no
  NumberOfPasswordPrompts 1
Host gateway
  HostName 127.0.0.1
  Port {port}
  User ana
Host web-1
  User {login}
  # It is the gateway that answers.
  HostKeyAlias [127.0.0.1]:{port}
",
            known = world.known_hosts().display(),
            port = world.port,
            login = world.host.login,
        ),
    )?;
    let like = world.client(&world.issuer.token(&ANA)?);
    let jump = |program: &str, words: &[&str]| -> Result<Shown> {
        let mut command = Command::new(program);
        command.arg("-F").arg(&config).args(words);
        for (name, value) in like.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        Ok(Shown::by(&mut command)?)
    };
    let echo = jump("ssh", &["-J", "gateway", "web-1", "echo jumped; exit 3"])?;
    ensure!(
        echo.code == 3 && echo.out == "jumped\n",
        "{echo:?}\n{}",
        world.gateway.log()
    );
    let refused = jump("ssh", &["-J", "gateway", "web-1", "chmod 777 app"])?;
    ensure!(
        refused.code == 126 && refused.err.contains("commands/permissions"),
        "{refused:?}"
    );
    let file = world.folder().join("file");
    fs::write(&file, vec![b'j'; 400_000])?;
    let file = file.display().to_string();
    let copied = jump("scp", &["-q", "-J", "gateway", &file, "web-1:copied"])?;
    ensure!(copied.code == 0, "{copied:?}");
    ensure!(fs::read(world.host.home().join("copied"))?.len() == 400_000);
    let back = format!("{file}.back");
    let copied = jump("scp", &["-q", "-J", "gateway", "web-1:copied", &back])?;
    ensure!(
        copied.code == 0 && fs::read(&back)? == fs::read(&file)?,
        "{copied:?}"
    );
    Ok(())
}

#[test]
fn channels_whose_hosts_do_not_read_keep_what_they_bring_and_stall_nobody() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let user = format!("{}@web-1", world.host.login);
    let shown = edge(&world, "flood", &DORA, &user)?;
    ensure!(shown.out == "kept\nbeside True\n", "{shown:?}");
    Ok(())
}
