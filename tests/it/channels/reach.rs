//! Receivers of which nobody has said that they stand in the own network: names that lead to this machine. It refuses to
//! look at what the configuration says alone: a socket stands where they lead, and nobody comes.

use anyhow::{Context, Result, ensure};
use portcullis_tests::channels::WHSEC;
use portcullis_tests::issuer::ANA;
use portcullis_tests::{World, WorldOptions, world};
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// Names that are no addresses as they are written, and lead here: every resolver reads the first as one, and the other is
/// this machine's own, where its hosts file says so.
fn names() -> Result<Vec<String>> {
    let own = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let own = own.trim().to_owned();
    let mut names = vec!["127.1".to_owned(), own];
    names.retain(|name| {
        let found = (name.as_str(), 443).to_socket_addrs();
        found.is_ok_and(|mut all| all.all(|a| a.ip() == Ipv4Addr::LOCALHOST))
    });
    Ok(names)
}

fn came(socket: &TcpListener) -> Result<bool> {
    match socket.accept() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error).context("accept"),
    }
}

fn socket() -> Result<(TcpListener, u16)> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let port = socket.local_addr()?.port();
    Ok((socket, port))
}

#[test]
fn a_name_that_leads_to_this_machine_is_gone_to_only_where_that_is_said() -> Result<()> {
    let names = names()?;
    ensure!(!names.is_empty(), "no name leads here");
    let ((inside, to), (said, private)) = (socket()?, socket()?);
    let mut more = format!(
        "approvals:
  webhooks:
    - {{ name: said, url: \"https://localhost:{private}/hook\", secret: \"env:WHSEC\", private: true }}
"
    );
    for (number, name) in names.iter().enumerate() {
        more += &format!(
            "    - {{ name: inside-{number}, url: \"https://{name}:{to}/hook\", secret: \"env:WHSEC\" }}\n"
        );
    }
    let world = World::start(&WorldOptions {
        more,
        data: world::DATA.replace(
            "approver_groups: [dba]}\n  mask",
            "approver_groups: [dba], mode: defer}\n  mask",
        ),
        environment: vec![("WHSEC".to_owned(), WHSEC.to_owned())],
        ..WorldOptions::default()
    })?;
    let shown = world.ask(&ANA, "orders", "DELETE FROM stale_carts WHERE id = 7")?;
    ensure!(shown.shows("\"ap-"), "{}", shown.all());
    let until = Instant::now() + Duration::from_secs(60);
    let refused = |log: &str, number: usize| {
        let about = format!("inside-{number}");
        log.lines()
            .any(|l| l.contains(&about) && l.contains("leads to no address that may be asked"))
    };
    let mut told = false;
    loop {
        told |= came(&said)?;
        let log = world.gateway.log();
        if told && (0..names.len()).all(|number| refused(&log, number)) {
            break;
        }
        ensure!(Instant::now() < until, "{names:?}: told {told}\n{log}");
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(!came(&inside)?, "somebody came");
    Ok(())
}
