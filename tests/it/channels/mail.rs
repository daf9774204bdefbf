//! Mail over TLS, with a login, to a real SMTP server; and servers that are not whom they should be, or somebody on the way.
//! It refuses to take an error for proof: what counts is what the server heard in the clear, and what it did not get.

use anyhow::{Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::mail::{MailServer, MailServers, PASSWORD, USER, certificate};
use portcullis_tests::process::free_port;
use portcullis_tests::{Scratch, World, WorldOptions, world};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The certificates: one for this machine, one of an authority that is trusted for another host, one of a stranger's.
fn certificates(folder: &Path) -> Result<()> {
    certificate(folder, "good", "localhost")?;
    certificate(folder, "elsewhere", "mail.elsewhere.example")?;
    certificate(folder, "stranger", "localhost")?;
    let mut trusted = fs::read_to_string(folder.join("good.crt"))?;
    trusted += &fs::read_to_string(folder.join("elsewhere.crt"))?;
    fs::write(folder.join("trusted.pem"), trusted)?;
    Ok(())
}

fn server(name: &'static str, how: &'static str, certificate: &'static str) -> Result<MailServer> {
    Ok(MailServer {
        name,
        port: free_port()?,
        how,
        certificate,
        only: None,
    })
}

/// A gateway that sends mail to each of these.
fn gateway(folder: &Path, servers: &[MailServer]) -> Result<World> {
    let mut more = "approvals:\n  mail:\n".to_owned();
    for server in servers {
        let tls = match server.how {
            "implicit" => "implicit",
            _ => "starttls",
        };
        writeln!(
            more,
            "    - {{ name: {}, host: localhost, port: {}, tls: {tls}, user: {USER}, password: \"env:MAIL\", ca_file: {}, \
             from: gw@example.org, to: [sre@example.org], events: [approval.opened] }}",
            server.name,
            server.port,
            folder.join("trusted.pem").display(),
        )?;
    }
    World::start(&WorldOptions {
        more,
        data: world::DATA.replace(
            "approver_groups: [dba]}\n  mask",
            "approver_groups: [dba], mode: defer}\n  mask",
        ),
        environment: vec![("MAIL".to_owned(), PASSWORD.to_owned())],
        ..WorldOptions::default()
    })
}

/// Ana asks for something that somebody has to be told of: its id.
fn ask(world: &World) -> Result<String> {
    let shown = world.ask(&ANA, "orders", "DELETE FROM stale_carts WHERE id = 7")?;
    let all = shown.all();
    let start = all.find("\"ap-").map(|at| at + 1);
    ensure!(start.is_some(), "{all}");
    Ok(start
        .and_then(|at| all.get(at..at + 11))
        .unwrap_or_default()
        .to_owned())
}

/// Nothing was said in the clear but what asks for TLS; nobody saw the password.
fn nothing_given_away(world: &World, servers: &MailServers) -> Result<()> {
    for said in servers.got("plain") {
        let text = said["text"].as_str().unwrap_or_default();
        ensure!(
            ["EHLO [127.0.0.1]\r\n", "STARTTLS\r\n"].contains(&text),
            "in the clear: {said}"
        );
    }
    for kind in ["login", "mail"] {
        for entry in servers.got(kind) {
            let tls = entry["tls"].as_str().unwrap_or_default();
            ensure!(tls.starts_with("TLSv1."), "in the clear: {entry}");
        }
    }
    let record = world.gateway.admin(&["journal", "node"])?.all();
    for text in [world.gateway.log(), record] {
        ensure!(!text.contains(PASSWORD), "the password: {text}");
    }
    Ok(())
}

#[test]
fn mail_comes_over_tls_with_the_login() -> Result<()> {
    let folder = Scratch::new("mail")?;
    certificates(folder.path())?;
    let all = [
        server("by-starttls", "starttls", "good")?,
        server("implicit", "implicit", "good")?,
        MailServer {
            only: Some("LOGIN"),
            ..server("asked", "starttls", "good")?
        },
    ];
    let servers = MailServers::start(folder.path(), &all)?;
    let world = gateway(folder.path(), &all)?;
    let id = ask(&world)?;
    for server in &all {
        let mail = servers.mail(server.name, &id)?;
        ensure!(mail["login"] == USER, "{mail}");
        let text = mail["body"].as_str().unwrap_or_default();
        ensure!(text.contains("DELETE FROM stale_carts"), "{mail}");
        ensure!(
            mail["subject"] == format!("Portcullis: approval.opened {id}"),
            "{mail}"
        );
        let logins = servers.got("login").into_iter();
        let logins: Vec<_> = logins.filter(|l| l["server"] == server.name).collect();
        let mechanism = server.only.unwrap_or("PLAIN");
        ensure!(
            matches!(logins.as_slice(), [one] if one["good"] == true && one["mechanism"] == mechanism),
            "{logins:?}"
        );
    }
    nothing_given_away(&world, &servers)
}

/// Waits for a line of the gateway's log about a receiver, which says why it got nothing.
fn failed(world: &World, receiver: &str, why: &str) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let log = world.gateway.log();
        let about = |line: &&str| line.contains("not taken in") && line.contains(receiver);
        if log.lines().filter(about).any(|line| line.contains(why)) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{receiver}: {why}\n{log}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A name, how it is wrong, its certificate, and what the log says of it.
const BROKEN: [(&str, &str, &str, &str); 7] = [
    ("of-a-stranger", "starttls", "stranger", "UnknownIssuer"),
    ("of-another", "starttls", "elsewhere", "not valid for name"),
    ("stranger-at-once", "implicit", "stranger", "UnknownIssuer"),
    (
        "another-at-once",
        "implicit",
        "elsewhere",
        "not valid for name",
    ),
    ("cut-out", "stripped", "good", "it offers no STARTTLS"),
    (
        "injected",
        "injects",
        "good",
        "it answers before it is asked",
    ),
    (
        "refusing",
        "starttls",
        "good",
        "log in to the mail server: its answer was 535",
    ),
];

/// All of them got nothing, and the gateway says so.
fn none_got_anything(world: &World, servers: &MailServers) -> Result<()> {
    for (name, _, _, why) in BROKEN {
        failed(world, name, why)?;
    }
    nothing_given_away(world, servers)?;
    ensure!(servers.got("mail").is_empty(), "{:?}", servers.got("mail"));
    for login in servers.got("login") {
        ensure!(
            login["server"] == "refusing" && login["good"] == false,
            "the password went to {login}"
        );
    }
    let metrics = world.gateway.page("/metrics")?;
    let waiting = format!(
        "portcullis_approvals{{state=\"undelivered\"}} {}",
        BROKEN.len()
    );
    ensure!(metrics.contains(&waiting), "{metrics}");
    Ok(())
}

#[test]
fn a_server_that_is_not_as_it_should_be_gets_no_mail_and_gets_it_once_it_is() -> Result<()> {
    let folder = Scratch::new("mail-evil")?;
    certificates(folder.path())?;
    let mut all = Vec::new();
    for (name, how, certificate, _) in BROKEN {
        all.push(server(name, how, certificate)?);
    }
    MailServers::refuse(folder.path(), true)?;
    let servers = MailServers::start(folder.path(), &all)?;
    let world = gateway(folder.path(), &all)?;
    let id = ask(&world)?;
    none_got_anything(&world, &servers)?;
    let shown = world.gateway.json(&["approvals", "show", &id])?;
    ensure!(shown["state"] == "pending", "{shown}");

    drop(servers);
    MailServers::refuse(folder.path(), false)?;
    for server in &mut all {
        server.certificate = "good";
        if server.how != "implicit" {
            server.how = "starttls";
        }
    }
    let servers = MailServers::start(folder.path(), &all)?;
    for server in &all {
        let mail = servers.mail(server.name, &id)?;
        ensure!(mail["login"] == USER, "{mail}");
    }
    nothing_given_away(&world, &servers)
}
