//! The server's connection breaks after any number of bytes: in the login, between frames, inside a row.
//! The client gets a clear error or a whole answer, never half of one taken for whole; the gateway lives
//! and its record verifies.

use anyhow::{Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{Shown, World, WorldOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Forwards to the server and cuts each connection after so many bytes of the server's.
struct Cutter {
    port: u16,
    after: Arc<AtomicUsize>,
}

impl Cutter {
    fn start(server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let after = Arc::new(AtomicUsize::new(usize::MAX));
        let limit = after.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let limit = limit.load(Ordering::Relaxed);
                std::thread::spawn(move || {
                    if let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) {
                        forward(client, upstream, limit);
                    }
                });
            }
        });
        Ok(Self { port, after })
    }
}

fn forward(client: TcpStream, upstream: TcpStream, limit: usize) {
    let (Ok(mut from), Ok(mut to)) = (client.try_clone(), upstream.try_clone()) else {
        return;
    };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut upstream, mut client) = (upstream, client);
    let mut left = limit;
    let mut chunk = [0; 16 * 1024];
    while left > 0 {
        let most = left.min(chunk.len());
        match upstream.read(&mut chunk[..most]) {
            Ok(0) | Err(_) => break,
            Ok(read) => {
                if client.write_all(&chunk[..read]).is_err() {
                    break;
                }
                left -= read;
            }
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = upstream.shutdown(Shutdown::Both);
}

#[test]
fn a_server_that_breaks_off_after_any_byte_breaks_nothing_else() -> Result<()> {
    let world = World::start(&WorldOptions {
        credential: "static",
        ..WorldOptions::default()
    })?;
    let cutter = Cutter::start(world.cluster.port)?;
    let config = world.folder().join("portcullis.yaml");
    let text = std::fs::read_to_string(&config)?;
    let port = format!("port: {}", world.cluster.port);
    std::fs::write(
        &config,
        text.replace(&port, &format!("port: {}", cutter.port)),
    )?;
    let reloaded = world.gateway.admin(&["reload"])?;
    ensure!(reloaded.code == 0, "{}", reloaded.all());
    world.cluster.sql("orders", "GRANT app_rw TO pc_admin")?;
    let token = world.token(&ANA)?;
    let ask = || -> Result<Shown> {
        let mut command = world.psql("anybody", &token, "orders");
        Ok(Shown::by(command.args([
            "-A",
            "-t",
            "-c",
            "SELECT id, placed FROM orders ORDER BY id LIMIT 50",
        ]))?)
    };
    let whole = ask()?;
    ensure!(
        whole.code == 0 && whole.out.lines().count() == 50,
        "{}\n{}",
        whole.all(),
        world.gateway.log()
    );
    let cuts = (0..40)
        .chain((40..900).step_by(37))
        .chain((900..2600).step_by(101));
    for cut in cuts {
        cutter.after.store(cut, Ordering::Relaxed);
        let shown = ask()?;
        let complete = shown.code == 0 && shown.out == whole.out;
        let refused = shown.code != 0
            && (shown.err.contains("portcullis")
                || shown.err.contains("FATAL")
                || shown.err.contains("closed"));
        ensure!(
            complete || refused,
            "after {cut} bytes (exit {}): {}",
            shown.code,
            shown.all()
        );
    }
    cutter.after.store(usize::MAX, Ordering::Relaxed);
    ensure!(ask()?.out == whole.out, "afterwards it works again");
    let verified = world.gateway.admin(&["journal", "verify"])?;
    ensure!(verified.code == 0, "{}", verified.all());
    Ok(())
}
