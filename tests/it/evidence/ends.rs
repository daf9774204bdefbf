//! The other ends: a way to the bucket that can be cut, and a collector that keeps what it is sent and can refuse.

use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Passes bytes on to a port of this machine, unless it is cut.
pub(super) struct Wire {
    pub(super) port: u16,
    cut: Arc<AtomicBool>,
}

impl Wire {
    pub(super) fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own = listener.local_addr()?.port();
        let cut = Arc::new(AtomicBool::new(false));
        let theirs = cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if theirs.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let (Ok(back), Ok(from)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                thread::spawn(move || pass(client, server));
                thread::spawn(move || pass(from, back));
            }
        });
        Ok(Self { port: own, cut })
    }

    pub(super) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }
}

/// One direction; the other goes on until it ends by itself, unless this one broke.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    match std::io::copy(&mut from, &mut to) {
        Ok(_) => drop(to.shutdown(Shutdown::Write)),
        Err(_) => {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}

/// Takes POSTs and keeps their bodies.
pub(super) struct Collector {
    pub(super) port: u16,
    pub(super) bodies: Arc<Mutex<Vec<String>>>,
    refusing: Arc<AtomicBool>,
}

impl Collector {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
        let refusing = Arc::new(AtomicBool::new(false));
        let (kept, refuses) = (bodies.clone(), refusing.clone());
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                // Whoever says nothing keeps the others waiting no longer than this.
                let _ = client.set_read_timeout(Some(Duration::from_secs(60)));
                let Some(body) = body(&mut client) else {
                    continue;
                };
                let refuse = refuses.load(Ordering::SeqCst);
                let status = if refuse { "503 Later" } else { "200 OK" };
                if !refuse {
                    kept.lock().unwrap().push(body);
                }
                let _ = write!(client, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
            }
        });
        Ok(Self {
            port,
            bodies,
            refusing,
        })
    }

    pub(super) fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::SeqCst);
    }

    pub(super) fn all(&self) -> String {
        self.bodies.lock().unwrap().join("\n")
    }
}

/// The body of a request with a length.
fn body(client: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65536];
    loop {
        let read = client.read(&mut chunk).ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_lowercase();
        let length = length
            .lines()
            .find_map(|l| l.strip_prefix("content-length:"));
        let length: usize = length?.trim().parse().ok()?;
        if body.len() >= length {
            return Some(body.to_owned());
        }
    }
}
