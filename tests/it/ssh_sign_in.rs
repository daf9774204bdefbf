//! Somebody without a token logs in over SSH: `ssh` shows an address and a code, a browser elsewhere signs in at a real OpenID
//! provider, and the same login goes on.

use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::oidc::{CLIENT_SECRET, Provider, browse};
use portcullis_tests::process::free_port;
use portcullis_tests::{Scratch, Shown, SshOptions, SshWorld};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

/// A gateway of a company whose people sign in at a provider.
fn company(folder: &Scratch) -> Result<(SshWorld, Provider)> {
    let portal = free_port()?;
    let gateway = format!("https://localhost:{portal}");
    let provider = Provider::start(folder.path(), &gateway)?;
    let secret = folder.path().join("client-secret");
    portcullis_tests::scratch::private(&secret, CLIENT_SECRET)?;
    let world = SshWorld::start(&SshOptions {
        issuers: format!(
            "  - name: corp
    issuer: {}
    audiences: [portcullis]
    kind: {{ fixed: human }}
    groups_claim: groups
",
            provider.url()
        ),
        more: format!(
            "login:
  url: {gateway}
  session: 5m
  longest: 1h
  providers:
    - issuer: corp
      client_id: portcullis
      client_secret: file:{}
",
            secret.display()
        ),
        // Where browsers and `portcullis login` would come; nobody does here.
        listener: format!(
            "  - protocol: https
    address: 127.0.0.1:{portal}
    tls: {{ self_signed: true }}
"
        ),
        ..SshOptions::default()
    })?;
    // Somebody who presses Enter at the prompt.
    let nothing = world.folder().join("nothing");
    fs::write(&nothing, "#!/bin/sh\necho\n")?;
    fs::set_permissions(&nothing, fs::Permissions::from_mode(0o755))?;
    Ok((world, provider))
}

fn without_token(world: &SshWorld, command: &str) -> Command {
    let mut ssh = world.client("");
    ssh.env("SSH_ASKPASS", world.folder().join("nothing"))
        .args(["-o", "PreferredAuthentications=keyboard-interactive"])
        .arg(format!("{}@web-1@127.0.0.1", world.host.login))
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ssh
}

/// The address that a waiting client was shown, and the code.
fn shown_by(child: &mut Child) -> Result<(String, String)> {
    let stderr = child.stderr.take().context("an error stream")?;
    let mut lines = BufReader::new(stderr);
    let (mut all, mut address) = (String::new(), None);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            bail!("it ended without an invitation: {all}");
        }
        if let Some((_, url)) = line.split_once("to sign in, open ") {
            address = Some(url.trim().to_owned());
        }
        if let (Some(address), Some((_, code))) = (&address, line.split_once("the code ")) {
            let code = code.split(';').next().unwrap_or_default().to_owned();
            child.stderr = Some(lines.into_inner());
            return Ok((address.clone(), code));
        }
        all.push_str(&line);
    }
}

fn rest(mut child: Child) -> Result<Shown> {
    let mut err = String::new();
    let mut stderr = child.stderr.take().context("an error stream")?;
    let reading = std::thread::spawn(move || stderr.read_to_string(&mut err).map(|_| err));
    let output = child.wait_with_output()?;
    let err = reading
        .join()
        .map_err(|_| anyhow::anyhow!("it was lost"))??;
    Ok(Shown {
        err,
        ..Shown::from_output(&output)
    })
}

#[test]
fn who_has_no_token_signs_in_in_a_browser_and_the_login_goes_on() -> Result<()> {
    let folder = Scratch::new("sign-in")?;
    let (world, provider) = company(&folder)?;
    let mut child = without_token(&world, "echo signed-in").spawn()?;
    let (address, code) = shown_by(&mut child)?;
    ensure!(address.starts_with(&provider.url()), "{address}");
    ensure!(
        code.len() >= 8 && address.contains(&code),
        "{code} in {address}"
    );
    ensure!(child.try_wait()?.is_none(), "it waits");
    let page = browse(&address, &world.known_hosts())?;
    let shown = rest(child)?;
    ensure!(
        shown.code == 0 && shown.out == "signed-in\n",
        "{shown:?}\n{}\n{}",
        page.all(),
        world.gateway.log()
    );
    let sessions = world.gateway.admin(&["sessions", "list", "--recorded"])?;
    ensure!(sessions.out.contains("ana"), "{}", sessions.all());
    // The code is worth nothing any more, and nothing that is worth something stands in the record or the log.
    for secret in [CLIENT_SECRET, code.as_str()] {
        ensure!(
            !world.gateway.log().contains(secret),
            "the log holds {secret}"
        );
    }
    Ok(())
}

#[test]
fn who_signs_in_and_may_not_enter_is_told_so() -> Result<()> {
    let folder = Scratch::new("sign-in")?;
    let (world, provider) = company(&folder)?;
    provider.control("groups=")?;
    let mut child = without_token(&world, "id").spawn()?;
    let (address, _) = shown_by(&mut child)?;
    browse(&address, &world.known_hosts())?;
    let shown = rest(child)?;
    ensure!(
        shown.code == 126 && shown.err.contains("refused"),
        "{shown:?}"
    );
    // Somebody who is not at the provider at all stays outside.
    provider.control("lock=ana")?;
    let mut child = without_token(&world, "id").spawn()?;
    let (address, _) = shown_by(&mut child)?;
    let page = browse(&address, &world.known_hosts())?;
    std::thread::sleep(std::time::Duration::from_secs(6));
    ensure!(
        child.try_wait()?.is_none_or(|s| !s.success()),
        "{}",
        page.all()
    );
    child.kill()?;
    let shown = rest(child)?;
    ensure!(shown.out.is_empty(), "{shown:?}");
    Ok(())
}
