//! The last of a forward that its client has closed: it waits for a host that takes some of it, and not without end for one that
//! takes none. What is lost then is on record, since the far end sees the end of a stream like any other.

use crate::ssh_uploads::nameless;
use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::process::free_port;
use portcullis_tests::{SshOptions, SshWorld};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// More than whatever stands between the gateway and the far end takes in by itself.
const SENT: usize = 32 * 1024 * 1024;

/// Somebody beside the host who says that there is no answer, and reads only once told to; how much there was then.
fn deaf() -> Result<(u16, Sender<()>, Receiver<u64>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (tell, told) = channel();
    let (count, counted) = channel();
    std::thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.shutdown(Shutdown::Write)?;
        told.recv()?;
        count.send(std::io::copy(&mut stream, &mut std::io::sink())?)?;
        Ok(())
    });
    Ok((port, tell, counted))
}

fn connected(port: u16) -> Result<TcpStream> {
    let until = Instant::now() + MINUTE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return Ok(stream),
            Err(error) => ensure!(Instant::now() < until, "nobody listens: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the record says of how it ended.
fn lost(world: &SshWorld) -> Result<u64> {
    let until = Instant::now() + MINUTE;
    loop {
        let sessions = world.gateway.json(&["sessions", "list", "--recorded"])?;
        let id = sessions[0]["id"].as_str().context("a session")?;
        let replay = world
            .gateway
            .admin(&["sessions", "replay", id, "--verbose", "--json"])?;
        let end = replay
            .out
            .lines()
            .find(|line| line.contains("the host took no more"));
        if let Some(end) = end {
            let number = end.split("\"lost\":").nth(1).context("a number")?;
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            return digits.parse().with_context(|| end.to_owned());
        }
        ensure!(
            Instant::now() < until,
            "no end on record\n{}",
            world.gateway.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_closed_forward_of_which_its_host_takes_no_more_ends_and_the_record_says_what_is_lost()
-> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let (far, tell, counted) = deaf()?;
    let port = free_port()?;
    let wish = format!("{port}:127.0.0.1:{far}");
    let mut ssh = world
        .ssh(&ANA, &["-N", "-L", &wish], &[])?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut near = connected(port)?;
    near.set_read_timeout(Some(MINUTE))?;
    near.set_write_timeout(Some(MINUTE))?;
    near.write_all(&vec![7; SENT])?;
    near.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    near.read_to_end(&mut answer)?;
    ensure!(answer.is_empty(), "nobody has said anything");
    drop(near);
    // The client has closed it and goes on; what its host has not taken is kept, and then is not.
    let until = Instant::now() + MINUTE;
    while nameless(&world)?.is_empty() {
        ensure!(Instant::now() < until, "nothing is kept");
        std::thread::sleep(Duration::from_millis(50));
    }
    let until = Instant::now() + 2 * MINUTE;
    while !nameless(&world)?.is_empty() {
        ensure!(
            Instant::now() < until,
            "it is kept for a host that reads no more\n{}",
            world.gateway.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    ensure!(ssh.try_wait()?.is_none(), "the connection goes on");
    let lost = lost(&world)?;
    tell.send(())?;
    let came = counted.recv_timeout(MINUTE)?;
    ensure!(
        lost > 0 && came > 0 && lost + came <= SENT as u64,
        "{lost} lost, {came} came"
    );
    ensure!(
        world
            .gateway
            .log()
            .contains("did not take the last of a forward"),
        "{}",
        world.gateway.log()
    );
    ssh.kill()?;
    ssh.wait()?;
    Ok(())
}
