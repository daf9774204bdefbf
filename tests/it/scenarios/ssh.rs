//! Scenarios over SSH: blocks that run stock `ssh` and `sftp` as somebody, in a world with a real sshd. They refuse words that they do
//! not know, like the others.

use super::{Block, administered, check, filled, tail, voted};
use anyhow::{Context, Result, bail};
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// One file.
pub(super) fn run(name: &str, blocks: &[Block]) -> Result<()> {
    let mut options = SshOptions::default();
    for block in blocks.iter().filter(|b| b.kind == "world") {
        for line in &block.rest {
            let (key, value) = line
                .split_once(':')
                .with_context(|| format!("line {}: key: value", block.line))?;
            set(&mut options, key.trim(), value.trim())?;
        }
    }
    let world = SshWorld::start(&options)?;
    let mut said = BTreeMap::new();
    for block in blocks {
        play(&world, block, &mut said).with_context(|| {
            format!(
                "{name}.md:{}\n--- the gateway's log ends with\n{}",
                block.line,
                tail(&world.gateway.log())
            )
        })?;
    }
    Ok(())
}

fn set(options: &mut SshOptions, key: &str, value: &str) -> Result<()> {
    match key {
        "control" => options.connection = format!("    control: {value}\n"),
        "opaque" => {
            options.data = portcullis_tests::ssh::DATA.replace("[scp, sftp, forward]", value);
        }
        other => bail!("a world of SSH has no `{other}`"),
    }
    Ok(())
}

fn play(world: &SshWorld, block: &Block, said: &mut BTreeMap<String, String>) -> Result<()> {
    let token = |person: &_| world.issuer.token(person);
    let text = filled(&block.input.join("\n"), said);
    let shown = match block.kind.as_str() {
        "ssh" => {
            let who = block.person("as")?.context("an ssh block says as=")?;
            let mut command = world.client(&token(who)?);
            let options = block.option("options").unwrap_or_default();
            command.args(options.split(',').filter(|word| !word.is_empty()));
            command.arg(format!("{}@127.0.0.1", name(world, block)));
            if !text.is_empty() {
                command.arg(&text);
            }
            voted(&world.gateway, block, command, token)?
        }
        "sftp" => {
            let who = block.person("as")?.context("an sftp block says as=")?;
            let command = sftp(world, &token(who)?, &text)?;
            voted(&world.gateway, block, command, token)?
        }
        "host" => Shown::by(world.host.direct()?.arg(&text))?,
        "portcullis" => {
            let token = block.person("as")?.map(token).transpose()?;
            administered(&world.gateway, token.as_deref(), block)?
        }
        _ => return Ok(()),
    };
    check(block, &shown, said)
}

/// What stands before the gateway's name: `LOGIN` is the host's account.
fn name(world: &SshWorld, block: &Block) -> String {
    let name = block.option("name").unwrap_or("LOGIN@web-1");
    name.replace("LOGIN", &world.host.login)
}

/// `sftp` with a batch, in which a line that begins with `-` may fail.
fn sftp(world: &SshWorld, token: &str, batch: &str) -> Result<Command> {
    let file = world.folder().join("batch");
    fs::write(&file, format!("{batch}\n"))?;
    // It takes a program in the place of ssh, and no words with it.
    let ssh = world.client(token);
    let words = ssh.get_args().map(|a| format!("'{}'", a.to_string_lossy()));
    let words = words.collect::<Vec<_>>().join(" ");
    let script = world.folder().join("as-ssh");
    fs::write(&script, format!("#!/bin/sh\nexec ssh {words} \"$@\"\n"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new("sftp");
    command
        .arg("-S")
        .arg(script)
        .args(["-o", "BatchMode=no", "-b"])
        .arg(file)
        .arg(format!("{}@web-1@127.0.0.1", world.host.login));
    for (name, value) in ssh.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    Ok(command)
}
