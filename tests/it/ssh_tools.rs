//! The tools that people and robots bring, through the gate and straight to the host: rsync, git, paramiko, asyncssh, Ansible.
//! What is allowed comes out the same; what carries files in a protocol of its own passes where policy names it. And an
//! auditor of SSH servers, which finds nothing to say about the listener.

use anyhow::{Context, Result, ensure};
use portcullis_tests::install::{self, Need};
use portcullis_tests::issuer::{ANA, DORA, Person};
use portcullis_tests::process::run;
use portcullis_tests::{Shown, SshOptions, SshWorld, world};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The usual people, who may use rsync and git as well.
const DATA: &str = "\
access:
  groups: {engineers: [web-people]}
  bindings:
    web-people: {protocols: [ssh], labels: {app: web}, opaque: [scp, sftp, forward, rsync, git]}
config: {mask: {readers: [dpo]}}
";

pub(crate) fn tools_world() -> Result<SshWorld> {
    install::ensure(&[Need::OpenSsh, Need::Rsync, Need::Git])?;
    SshWorld::start(&SshOptions {
        data: DATA.to_owned(),
        ..SshOptions::default()
    })
}

pub(crate) fn python() -> Result<PathBuf> {
    match std::env::var_os("PORTCULLIS_PYTHON") {
        Some(python) => Ok(python.into()),
        None => install::python(&world::workspace()),
    }
}

/// A program of the Python environment.
fn beside(python: &Path, name: &str) -> Result<PathBuf> {
    let folder = python.parent().context("the folder of Python")?;
    Ok(folder.join(name))
}

pub(crate) fn suite(file: &str) -> PathBuf {
    world::workspace().join("tests/it/ssh_tools").join(file)
}

/// How a tool reaches the host: a command line that does the same as `ssh`, and its environment.
pub(crate) struct Road {
    /// As other tools take it.
    pub(crate) ssh: String,
    environment: Vec<(&'static str, String)>,
}

impl Road {
    pub(crate) fn through(world: &SshWorld, person: &Person) -> Result<Self> {
        let ssh = format!(
            "ssh -F none -p {} -l {}@web-1 -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null \
             -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1",
            world.port,
            world.host.login,
            world.known_hosts().display()
        );
        let askpass = world.folder().join("askpass").display().to_string();
        let environment = vec![
            ("SSH_ASKPASS", askpass),
            ("SSH_ASKPASS_REQUIRE", "force".to_owned()),
            ("DISPLAY", ":none".to_owned()),
            ("TEST_TOKEN", world.issuer.token(person)?),
        ];
        Ok(Self { ssh, environment })
    }

    pub(crate) fn direct(world: &SshWorld) -> Result<Self> {
        let direct = world.host.direct()?;
        let words = direct.get_args().map(|a| a.to_string_lossy().into_owned());
        let mut words: Vec<String> = words.collect();
        // The destination: tools name it themselves.
        words.pop();
        Ok(Self {
            ssh: format!("ssh {}", words.join(" ")),
            environment: Vec::new(),
        })
    }

    /// What a command needs in its environment to go this way.
    pub(crate) fn environ(&self, command: &mut Command) {
        for (name, value) in &self.environment {
            command.env(name, value);
        }
    }

    pub(crate) fn by(&self, command: &mut Command) -> Result<Shown> {
        let program = command.get_program().to_owned();
        self.environ(command);
        Shown::by(command).with_context(|| format!("run {}", program.display()))
    }

    fn rsync(&self, from: &Path, to: &str) -> Result<Shown> {
        let mut rsync = Command::new("rsync");
        rsync.args(["-a", "--timeout=60", "-e", &self.ssh]);
        self.by(rsync.arg(from).arg(to))
    }

    fn git(&self, folder: &Path, arguments: &[&str]) -> Result<Shown> {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=ana", "-c", "user.email=ana@example.com"])
            .args(["-c", "init.defaultBranch=main", "-c", "safe.directory=*"])
            .env("GIT_SSH_COMMAND", &self.ssh)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", folder);
        self.by(git.arg("-C").arg(folder).args(arguments))
    }
}

/// Files of many sizes, in folders, with names and modes.
pub(crate) fn plant(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("inner/deep"))?;
    for size in [0_usize, 1, 4095, 70_000, 1_500_000] {
        let bytes: Vec<u8> = (0..size).map(|n| ((n * 31) >> 3) as u8).collect();
        fs::write(folder.join(format!("inner/of {size}")), bytes)?;
    }
    std::os::unix::fs::symlink("of 1", folder.join("inner/link"))?;
    Ok(())
}

/// Names, kinds and content below a folder.
pub(crate) fn tree(folder: &Path) -> Result<String> {
    let script = "cd \"$1\" && find . -type l -printf '%P -> %l\\n' -o -type f -printf '%P ' -exec sha256sum {} \\; | sort";
    let output = run(Command::new("sh").args(["-c", script, "sh"]).arg(folder))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn rsync_goes_both_ways_where_policy_names_it() -> Result<()> {
    let unnamed = SshWorld::start(&SshOptions::default())?;
    let local = unnamed.folder().join("local");
    plant(&local)?;
    let refused = Road::through(&unnamed, &ANA)?.rsync(&local, "127.0.0.1:there")?;
    ensure!(
        refused.code != 0 && refused.err.contains("portcullis/opaque"),
        "{refused:?}"
    );
    ensure!(!unnamed.host.home().join("there").exists());

    let world = tools_world()?;
    let local = world.folder().join("local");
    plant(&local)?;
    let wanted = tree(&local)?;
    for (name, road) in [
        ("direct", Road::direct(&world)?),
        ("through", Road::through(&world, &ANA)?),
    ] {
        let up = road.rsync(&local.join("inner"), &format!("127.0.0.1:{name}/"))?;
        ensure!(up.code == 0, "{name}, up: {up:?}\n{}", world.gateway.log());
        let there = world.host.home().join(name);
        ensure!(tree(&there)? == wanted, "{name}: {}", tree(&there)?);
        let back = world.folder().join(format!("back-{name}/"));
        let mut down = Command::new("rsync");
        down.args(["-a", "--checksum", "--timeout=60", "-e", &road.ssh])
            .arg(format!("127.0.0.1:{name}/inner"))
            .arg(&back);
        let down = road.by(&mut down)?;
        ensure!(down.code == 0, "{name}, down: {down:?}");
        ensure!(tree(&back)? == wanted, "{name}: {}", tree(&back)?);
    }
    Ok(())
}

#[test]
fn git_clones_and_pushes_where_policy_names_it() -> Result<()> {
    let world = tools_world()?;
    let mut made = world.host.direct()?;
    let made = Shown::by(
        made.arg("git init -q --bare -b main app.git && git init -q --bare -b main none.git"),
    )?;
    ensure!(made.code == 0, "{made:?}");
    for (round, road) in [Road::direct(&world)?, Road::through(&world, &ANA)?]
        .iter()
        .enumerate()
    {
        let folder = world.folder().join(format!("work-{round}"));
        fs::create_dir_all(&folder)?;
        let cloned = road.git(&folder, &["clone", "-q", "127.0.0.1:app.git", "app"])?;
        ensure!(cloned.code == 0, "{cloned:?}\n{}", world.gateway.log());
        let app = folder.join("app");
        fs::write(
            app.join(format!("file-{round}")),
            vec![b'a' + round as u8; 200_000],
        )?;
        for arguments in [
            &["add", "."][..],
            &["commit", "-q", "-m", "one more"],
            &["push", "-q", "origin", "HEAD:main"],
        ] {
            let shown = road.git(&app, arguments)?;
            ensure!(
                shown.code == 0,
                "{arguments:?}: {shown:?}\n{}",
                world.gateway.log()
            );
        }
        let head = road.git(&app, &["rev-parse", "HEAD"])?.out;
        let there = Shown::by(world.host.direct()?.arg("git -C app.git rev-parse main"))?;
        ensure!(head == there.out, "{head} is not {there:?}");
        let fetched = road.git(&app, &["fetch", "-q", "origin"])?;
        ensure!(fetched.code == 0, "{fetched:?}");
    }
    // What only looks like git is judged as what it is.
    let mut ssh = world.ssh(&ANA, &[], &["git-upload-pack 'none.git'; chmod 777 app"])?;
    let shown = Shown::by(&mut ssh)?;
    ensure!(
        shown.code == 126 && shown.err.contains("commands/permissions"),
        "{shown:?}"
    );
    Ok(())
}

/// A suite in Python prints the same on both roads.
fn same(file: &str) -> Result<()> {
    let (world, python) = (tools_world()?, python()?);
    let run = |arguments: &[&str], token: &str| -> Result<Shown> {
        let mut command = Command::new(&python);
        command
            .arg(suite(file))
            .args(arguments)
            .env("TEST_TOKEN", token);
        Shown::by(&mut command).context("run Python")
    };
    let known = world.folder().join("known_host");
    fs::write(&known, world.host.known()?)?;
    let (known, key) = (
        known.display().to_string(),
        world.host.folder().join("direct"),
    );
    let (port, key) = (world.host.port.to_string(), key.display().to_string());
    let direct = run(&[&port, &world.host.login, &known, &key], "")?;
    ensure!(direct.code == 0, "straight to the host: {}", direct.all());
    let (port, hosts) = (
        world.port.to_string(),
        world.known_hosts().display().to_string(),
    );
    let user = format!("{}@web-1", world.host.login);
    let through = run(&[&port, &user, &hosts], &world.issuer.token(&DORA)?)?;
    ensure!(
        through.code == 0 && through.out == direct.out,
        "through the gate (exit {}):\n{}\nstraight to the host:\n{}\nthe gateway's log:\n{}",
        through.code,
        through.all(),
        direct.out,
        world.gateway.log()
    );
    Ok(())
}

#[test]
fn paramiko_sees_the_same() -> Result<()> {
    same("paramiko_suite.py")
}

#[test]
fn asyncssh_sees_the_same() -> Result<()> {
    same("asyncssh_suite.py")
}

#[test]
fn terminals_signals_and_half_closed_streams_are_the_same() -> Result<()> {
    same("terminal_suite.py")
}

/// One module of Ansible, over the gate, with a token as the password.
fn ansible(world: &SshWorld, python: &Path, arguments: &[&str], pipelining: bool) -> Result<Shown> {
    let vars = serde_json::json!({"ansible_password": world.issuer.token(&DORA)?});
    let mut command = playing(world, python, "-o PubkeyAuthentication=no", &vars)?;
    command
        .args(arguments)
        .env("ANSIBLE_PIPELINING", if pipelining { "1" } else { "0" });
    Shown::by(&mut command).context("run ansible")
}

/// Ansible on the host behind the gate, with these options of `ssh` and these variables.
pub(crate) fn playing(
    world: &SshWorld,
    python: &Path,
    options: &str,
    vars: &serde_json::Value,
) -> Result<Command> {
    let folder = world.folder().join("ansible");
    fs::create_dir_all(&folder)?;
    let inventory = folder.join("hosts.ini");
    fs::write(
        &inventory,
        format!(
            "web ansible_host=127.0.0.1 ansible_port={} ansible_user={}@web-1 ansible_python_interpreter=auto_silent\n",
            world.port, world.host.login
        ),
    )?;
    fs::write(folder.join("ansible.cfg"), "")?;
    fs::write(folder.join("vars.json"), vars.to_string())?;
    let common = format!(
        "-F none -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null {options}",
        world.known_hosts().display()
    );
    let mut command = Command::new(beside(python, "ansible")?);
    command
        .arg("-i")
        .arg(&inventory)
        .args(["-e", "@vars.json", "web"])
        .current_dir(&folder)
        .env("ANSIBLE_HOME", &folder)
        .env("ANSIBLE_LOCAL_TEMP", folder.join("tmp"))
        .env("ANSIBLE_CONFIG", folder.join("ansible.cfg"))
        .env("ANSIBLE_SSH_COMMON_ARGS", common)
        // Many commands on one connection. It ends with the gateway; one that ends by itself may do so just as it is asked.
        .env(
            "ANSIBLE_SSH_ARGS",
            "-o ControlMaster=auto -o ControlPersist=120s",
        )
        .env("ANSIBLE_SSH_CONTROL_PATH_DIR", folder.join("cp"))
        .env("LC_ALL", "C.UTF-8");
    Ok(command)
}

#[test]
fn ansible_pings_and_copies() -> Result<()> {
    let (world, python) = (tools_world()?, python()?);
    let local = world.folder().join("motd");
    fs::write(&local, "from ansible\n".repeat(5000))?;
    for pipelining in [false, true] {
        let pinged = ansible(&world, &python, &["-m", "ping"], pipelining)?;
        ensure!(
            pinged.code == 0 && pinged.out.contains("\"ping\": \"pong\""),
            "pipelining {pipelining}: {}\n{}",
            pinged.all(),
            world.gateway.log()
        );
        let name = format!("motd-{pipelining}");
        let what = format!("src={} dest={name} mode=0640", local.display());
        for changed in [true, false] {
            let copied = ansible(&world, &python, &["-m", "copy", "-a", &what], pipelining)?;
            ensure!(
                copied.code == 0 && copied.out.contains(&format!("\"changed\": {changed}")),
                "{}",
                copied.all()
            );
        }
        let there = fs::read(world.host.home().join(&name))?;
        ensure!(there == fs::read(&local)?, "{name}");
    }
    Ok(())
}

/// Lines that an auditor of SSH servers marks as warnings or failures, and its exit code: 2 for warnings, 3 for failures.
fn audit(world: &SshWorld) -> Result<(i32, Vec<String>)> {
    let mut command = Command::new(beside(&python()?, "ssh-audit")?);
    command.args([
        "--skip-rate-test",
        "-n",
        "-p",
        &world.port.to_string(),
        "127.0.0.1",
    ]);
    let shown = Shown::by(&mut command).context("run ssh-audit")?;
    ensure!(
        shown.out.contains("mlkem768x25519-sha256"),
        "{}",
        shown.all()
    );
    let marked = |line: &&str| line.contains("[warn]") || line.contains("[fail]");
    let lines = shown.out.lines().filter(marked).map(str::to_owned);
    Ok((shown.code, lines.collect()))
}

#[test]
fn an_auditor_of_servers_finds_nothing_to_say() -> Result<()> {
    let strict = SshWorld::start(&SshOptions {
        listener: "    post_quantum: true\n".to_owned(),
        ..SshOptions::default()
    })?;
    let (code, marked) = audit(&strict)?;
    ensure!(code == 0 && marked.is_empty(), "{code}: {marked:#?}");
    // Clients that are in use cannot all agree on keys like that: for them there is more, and that is all there is to say.
    let (code, marked) = audit(&SshWorld::start(&SshOptions::default())?)?;
    let old = "(kex)";
    let why = "does not provide protection against post-quantum attacks";
    ensure!(
        code == 2
            && marked
                .iter()
                .all(|l| l.starts_with(old) && l.ends_with(why)),
        "{code}: {marked:#?}"
    );
    Ok(())
}
