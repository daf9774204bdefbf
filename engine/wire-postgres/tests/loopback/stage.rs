//! The stage: a scripted server that keeps to the protocol, the gateway, and raw clients.

use crate::fakes::{Desk, World, clock};
use portcullis_gate::{Upstream, UpstreamTls};
use portcullis_link::{Protocol as _, Socket};
use portcullis_wire_postgres::{Listener, Postgres};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What the scripted server was sent after its login, as tags and bodies.
pub type Seen = Arc<Mutex<Vec<(char, Vec<u8>)>>>;

pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![tag];
    frame.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

fn text(parts: &[&str]) -> Vec<u8> {
    parts
        .iter()
        .flat_map(|p| [p.as_bytes(), b"\0"].concat())
        .collect()
}

const ERROR: &[u8] = b"SERROR\0VERROR\0C42601\0Msyntax error\0\0";

fn column() -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend_from_slice(b"a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
    body
}

fn row(value: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
    body.extend_from_slice(value.as_bytes());
    frame(b'D', &body)
}

/// A server that keeps to the protocol and knows a handful of statements.
pub struct Server<S> {
    stream: S,
    seen: Seen,
    status: u8,
    skipping: bool,
    out: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Server<S> {
    pub async fn login(mut stream: S, seen: Seen) -> Option<Self> {
        let length = stream.read_u32().await.ok()?;
        let mut startup = vec![0; length as usize - 4];
        stream.read_exact(&mut startup).await.ok()?;
        if startup.starts_with(&80_877_102_u32.to_be_bytes()) {
            seen.lock().unwrap().push(('!', startup[4..].to_vec()));
            return None;
        }
        assert!(startup.windows(20).any(|w| w == b"client_encoding\0UTF8"));
        let mut hello = frame(b'R', &[0, 0, 0, 0]);
        hello.extend(frame(b'S', &text(&["client_encoding", "UTF8"])));
        hello.extend(frame(b'K', &[0, 0, 0, 9, 1, 2, 3, 4]));
        hello.extend(frame(b'Z', b"I"));
        stream.write_all(&hello).await.ok()?;
        Some(Self {
            stream,
            seen,
            status: b'I',
            skipping: false,
            out: Vec::new(),
        })
    }

    pub async fn run(mut self) -> Option<()> {
        loop {
            let tag = self.stream.read_u8().await.ok()?;
            let length = self.stream.read_u32().await.ok()?;
            let mut body = vec![0; length as usize - 4];
            self.stream.read_exact(&mut body).await.ok()?;
            self.seen
                .lock()
                .unwrap()
                .push((char::from(tag), body.clone()));
            if tag == b'X' {
                return None;
            }
            self.answer(tag, &body);
            if matches!(tag, b'Q' | b'S' | b'H') {
                let out = std::mem::take(&mut self.out);
                self.stream.write_all(&out).await.ok()?;
            }
        }
    }

    fn answer(&mut self, tag: u8, body: &[u8]) {
        if self.skipping && tag != b'S' {
            return;
        }
        let body = String::from_utf8_lossy(body).into_owned();
        match tag {
            b'Q' => self.query(body.trim_end_matches('\0')),
            b'P' if body.contains("PORTCULLIS") => {
                self.out.extend(frame(b'E', ERROR));
                self.skipping = true;
                if self.status == b'T' {
                    self.status = b'E';
                }
            }
            b'P' => self.out.extend(frame(b'1', b"")),
            b'B' => self.out.extend(frame(b'2', b"")),
            b'C' => self.out.extend(frame(b'3', b"")),
            b'D' => self.out.extend(frame(b'T', &column())),
            // The gateway's probe asks for three columns.
            b'E' if body.starts_with("portcullis$") => {
                let mut probed = vec![0, 3];
                for value in ["ana", "public"] {
                    probed.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
                    probed.extend_from_slice(value.as_bytes());
                }
                probed.extend_from_slice(&[255; 4]);
                self.out.extend(frame(b'D', &probed));
                self.out.extend(frame(b'C', b"SELECT 1\0"));
            }
            b'E' => {
                self.out.extend(row("extended"));
                self.out.extend(frame(b'C', b"SELECT 1\0"));
            }
            b'S' => {
                self.skipping = false;
                self.ready();
            }
            _ => {}
        }
    }

    fn ready(&mut self) {
        self.out.extend(frame(b'Z', &[self.status]));
    }

    fn query(&mut self, text: &str) {
        if text.contains("PORTCULLIS") {
            self.out.extend(frame(b'E', ERROR));
            if self.status == b'T' {
                self.status = b'E';
            }
        } else if text.contains("garbage") {
            self.out.extend(b"\xffgarbage");
        } else if text.contains("undescribed") {
            self.out.extend(row("leak"));
        } else if text.contains("encoding") {
            self.out.extend(frame(b'S', b"client_encoding\0SJIS\0"));
        } else if text.contains("sleep") {
            return;
        } else if text.starts_with("BEGIN") {
            self.status = b'T';
            self.out.extend(frame(b'C', b"BEGIN\0"));
        } else {
            self.out.extend(frame(b'T', &column()));
            for line in 0..if text.contains("many") { 10 } else { 1 } {
                self.out.extend(row(&format!("{text}/{line}")));
            }
            self.out.extend(frame(b'C', b"SELECT 1\0"));
        }
        self.ready();
    }
}

/// A gateway between a scripted server and raw clients.
pub struct Stage {
    pub world: Arc<World>,
    pub seen: Seen,
    pub gateway: SocketAddr,
}

impl Stage {
    /// Plain text on both sides.
    pub async fn set(change: impl FnOnce(&mut World)) -> Self {
        Self::with(None, change).await
    }

    /// With TLS in front; without it, clients of this machine may come in the clear.
    pub async fn with(
        tls: Option<Arc<rustls::ServerConfig>>,
        change: impl FnOnce(&mut World),
    ) -> Self {
        let seen: Seen = Arc::default();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream {
            host: "127.0.0.1".into(),
            addresses: vec![server.local_addr().unwrap()],
            tls: UpstreamTls::Disable,
        };
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = server.accept().await {
                let log = log.clone();
                tokio::spawn(async move {
                    if let Some(server) = Server::login(stream, log).await {
                        server.run().await;
                    }
                });
            }
        });
        let mut world = World::new(upstream);
        change(&mut world);
        let world = Arc::new(world);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        let postgres = Arc::new(Postgres::new(Listener {
            bearer: None,
            allow_plaintext_on_loopback: tls.is_none(),
            tls,
            certificate: None,
            clock: clock(),
            handshake: Duration::from_secs(5),
        }));
        let desk = Arc::new(Desk(world.clone()));
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let socket = Socket {
                    stream,
                    peer,
                    slot: Box::new(()),
                };
                tokio::spawn(postgres.clone().serve(socket, desk.clone()));
            }
        });
        Self {
            world,
            seen,
            gateway,
        }
    }

    pub async fn connect(&self) -> Raw {
        let mut raw = Raw(TcpStream::connect(self.gateway).await.unwrap());
        raw.startup().await;
        assert_eq!(raw.0.read_u8().await.unwrap(), b'R');
        raw.0.read_exact(&mut [0; 8]).await.unwrap();
        raw.0.write_all(&frame(b'p', b"token\0")).await.unwrap();
        raw
    }

    pub async fn client(&self) -> Raw {
        let mut raw = self.connect().await;
        assert_eq!(raw.until_ready().await.0, "RSKZ(I)");
        raw
    }

    /// Tags of what went upstream.
    pub fn sent(&self) -> String {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(tag, _)| *tag)
            .collect()
    }
}

pub struct Raw<S = TcpStream>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub async fn startup(&mut self) {
        let body = [&[0, 3, 0, 0][..], b"user\0ana\0database\0orders\0\0"].concat();
        let length = u32::try_from(body.len() + 4).unwrap();
        self.0.write_u32(length).await.unwrap();
        self.0.write_all(&body).await.unwrap();
    }

    pub async fn send(&mut self, frames: &[Vec<u8>]) {
        self.0.write_all(&frames.concat()).await.unwrap();
    }

    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let tag = self.0.read_u8().await.ok()?;
            let length = self.0.read_u32().await.ok()?;
            let mut body = vec![0; length as usize - 4];
            self.0.read_exact(&mut body).await.ok()?;
            Some((tag, body))
        };
        timeout(Duration::from_secs(10), read)
            .await
            .expect("an answer in time")
    }

    /// Tags up to ReadyForQuery or the end, and all strings.
    pub async fn until_ready(&mut self) -> (String, String) {
        let (mut tags, mut strings) = (String::new(), String::new());
        while let Some((tag, body)) = self.next().await {
            tags.push(char::from(tag));
            strings.push_str(&String::from_utf8_lossy(&body).replace('\0', "|"));
            if tag == b'Z' {
                tags.push_str(&format!("({})", char::from(body[0])));
                return (tags, strings);
            }
        }
        tags.push('.');
        (tags, strings)
    }
}

pub fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', &text(&[sql]))
}

pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', &[text(&[name, sql]), vec![0, 0]].concat())
}

pub fn bind(portal: &str, name: &str) -> Vec<u8> {
    frame(b'B', &[text(&[portal, name]), vec![0; 6]].concat())
}

pub fn describe(portal: &str) -> Vec<u8> {
    frame(b'D', &[b"P".to_vec(), text(&[portal])].concat())
}

pub fn execute(portal: &str) -> Vec<u8> {
    frame(b'E', &[text(&[portal]), vec![0; 4]].concat())
}

pub fn close(statement: &str) -> Vec<u8> {
    frame(b'C', &[b"S".to_vec(), text(&[statement])].concat())
}

pub fn sync() -> Vec<u8> {
    frame(b'S', b"")
}
