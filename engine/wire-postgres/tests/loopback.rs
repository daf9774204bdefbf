//! The whole protocol over loopback: a scripted server behind, a raw client in front, and a gate of
//! small fakes between them.

mod fakes;

use fakes::{Desk, World, clock};
use portcullis_gate::{EntryKind, Upstream, UpstreamTls};
use portcullis_link::{Protocol as _, Socket};
use portcullis_wire_postgres::{Listener, Postgres};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What the scripted server was sent after its login, as tags and bodies.
type Seen = Arc<Mutex<Vec<(char, Vec<u8>)>>>;

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
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
struct Server {
    stream: TcpStream,
    seen: Seen,
    status: u8,
    skipping: bool,
    out: Vec<u8>,
}

impl Server {
    async fn login(mut stream: TcpStream, seen: Seen) -> Option<Self> {
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

    async fn run(mut self) -> Option<()> {
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
struct Stage {
    world: Arc<World>,
    seen: Seen,
    gateway: SocketAddr,
}

impl Stage {
    async fn set(change: impl FnOnce(&mut World)) -> Self {
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
            tls: None,
            allow_plaintext_on_loopback: true,
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

    async fn connect(&self) -> Raw {
        let mut raw = Raw(TcpStream::connect(self.gateway).await.unwrap());
        raw.startup().await;
        assert_eq!(raw.0.read_u8().await.unwrap(), b'R');
        raw.0.read_exact(&mut [0; 8]).await.unwrap();
        raw.0.write_all(&frame(b'p', b"token\0")).await.unwrap();
        raw
    }

    async fn client(&self) -> Raw {
        let mut raw = self.connect().await;
        assert_eq!(raw.until_ready().await.0, "RSKZ(I)");
        raw
    }

    /// Tags of what went upstream.
    fn sent(&self) -> String {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(tag, _)| *tag)
            .collect()
    }
}

struct Raw(TcpStream);

impl Raw {
    async fn startup(&mut self) {
        let body = [&[0, 3, 0, 0][..], b"user\0ana\0database\0orders\0\0"].concat();
        let length = u32::try_from(body.len() + 4).unwrap();
        self.0.write_u32(length).await.unwrap();
        self.0.write_all(&body).await.unwrap();
    }

    async fn send(&mut self, frames: &[Vec<u8>]) {
        self.0.write_all(&frames.concat()).await.unwrap();
    }

    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
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
    async fn until_ready(&mut self) -> (String, String) {
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

fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', &text(&[sql]))
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', &[text(&[name, sql]), vec![0, 0]].concat())
}

fn bind(portal: &str, name: &str) -> Vec<u8> {
    frame(b'B', &[text(&[portal, name]), vec![0; 6]].concat())
}

fn describe(portal: &str) -> Vec<u8> {
    frame(b'D', &[b"P".to_vec(), text(&[portal])].concat())
}

fn execute(portal: &str) -> Vec<u8> {
    frame(b'E', &[text(&[portal]), vec![0; 4]].concat())
}

fn sync() -> Vec<u8> {
    frame(b'S', b"")
}

#[tokio::test]
async fn a_select_passes_and_is_recorded_first() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("select 1")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "TDCZ(I)");
    assert!(strings.contains("select 1/0"), "{strings}");
    let kinds = stage.world.kinds();
    let at = |kind| kinds.iter().position(|k| *k == kind).unwrap();
    assert!(at(EntryKind::Decision) < at(EntryKind::Request));
    client.send(&[frame(b'X', b"")]).await;
    assert_eq!(client.next().await, None);
    assert_eq!(stage.world.kinds().last(), Some(&EntryKind::End));
}

#[tokio::test]
async fn a_denied_query_is_answered_here_and_the_session_goes_on() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("forbidden"), query("select 2")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(
        strings.contains("C42501|Mportcullis: it is forbidden|D{\"rule\":\"test/forbidden\""),
        "{strings}"
    );
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(stage.sent(), "Q");
}

#[tokio::test]
async fn a_denial_in_a_transaction_makes_the_server_abort_it() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[query("BEGIN"), query("forbidden"), query("select 3")])
        .await;
    assert_eq!(client.until_ready().await.0, "CZ(T)");
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(E)");
    assert!(strings.contains("it is forbidden") && !strings.contains("syntax error"));
    assert_eq!(client.until_ready().await.0, "TDCZ(E)");
    let seen = stage.seen.lock().unwrap();
    assert!(!seen.iter().any(|(_, body)| body.starts_with(b"forbidden")));
}

#[tokio::test]
async fn a_denied_pipeline_answers_in_order_and_applies_nothing_after_it() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[
            parse("", "select 1"),
            bind("", ""),
            describe(""),
            execute(""),
            parse("", "forbidden"),
            bind("", ""),
            execute(""),
            sync(),
            query("select 4"),
        ])
        .await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "12TDCEZ(I)");
    assert!(strings.contains("it is forbidden"), "{strings}");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    // The abort stands where the denied Parse stood, and the client's own Sync follows.
    assert_eq!(stage.sent(), "PBDEPSQ");
}

#[tokio::test]
async fn rows_nobody_described_are_described_by_the_gateway() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[parse("", "select 1"), bind("", ""), execute(""), sync()])
        .await;
    assert_eq!(client.until_ready().await.0, "12DCZ(I)");
    assert_eq!(stage.sent(), "PBDES");
}

#[tokio::test]
async fn a_name_keeps_its_statement_until_the_server_says_otherwise() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    // Prepared in SQL; EXECUTE is judged by what it runs.
    client
        .send(&[query("PREPARE x AS select 1"), query("EXECUTE x")])
        .await;
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    client.send(&[query("EXECUTE y")]).await;
    assert_eq!(client.until_ready().await.0, "EZ(I)");
    client
        .send(&[query("DEALLOCATE x"), query("EXECUTE x")])
        .await;
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(client.until_ready().await.0, "EZ(I)");
}

#[tokio::test]
async fn a_held_query_waits_and_runs_once_approved() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[query("select approval"), query("select 5")])
        .await;
    let (tag, notice) = client.next().await.unwrap();
    assert_eq!(tag, b'N');
    assert!(String::from_utf8_lossy(&notice).contains("approval AP-1"));
    assert!(!stage.sent().contains('Q'));
    let held = stage.world.held.lock().unwrap()[0].clone();
    assert_eq!(held.context.role.as_deref(), Some("ana"));
    assert_eq!(held.context.search_path.as_deref(), Some("public"));
    stage.world.approve();
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
    assert_eq!(stage.sent(), "PBECCSPBECCSQQ");
}

#[tokio::test]
async fn a_hold_stands_before_bind_and_a_no_keeps_step() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[
            parse("s", "select approval"),
            bind("", "s"),
            execute(""),
            sync(),
        ])
        .await;
    assert_eq!(client.next().await.unwrap().0, b'1');
    assert_eq!(client.next().await.unwrap().0, b'N');
    stage.world.refuse();
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(strings.contains("bea said no"), "{strings}");
    client.send(&[query("select 6")]).await;
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
}

#[tokio::test]
async fn a_hold_in_a_transaction_is_refused() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client
        .send(&[query("BEGIN"), query("select approval")])
        .await;
    assert_eq!(client.until_ready().await.0, "CZ(T)");
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(E)");
    assert!(strings.contains("locks"), "{strings}");
}

#[tokio::test]
async fn defer_mode_refuses_with_the_approval() {
    let stage = Stage::set(|world| world.defer = true).await;
    let mut client = stage.client().await;
    client.send(&[query("select approval")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "EZ(I)");
    assert!(strings.contains("\"approval\":\"AP-1\""), "{strings}");
}

#[tokio::test]
async fn hanging_up_ends_the_hold() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("select approval")]).await;
    assert_eq!(client.next().await.unwrap().0, b'N');
    drop(client);
    for _ in 0..200 {
        if stage.world.kinds().last() == Some(&EntryKind::End) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        stage
            .world
            .withdrawn
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );
    assert!(!stage.sent().contains('Q'));
}

#[tokio::test]
async fn a_dead_journal_stops_everything_with_one_constant() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    stage
        .world
        .journal_dead
        .store(true, std::sync::atomic::Ordering::Relaxed);
    client.send(&[query("select 1")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "E.");
    assert!(strings.contains("C58030"), "{strings}");
    assert!(!stage.sent().contains('Q'));
}

#[tokio::test]
async fn a_budget_ends_the_result_and_not_the_session() {
    let stage = Stage::set(|world| world.row_limit = Some(3)).await;
    let mut client = stage.client().await;
    client.send(&[query("many"), query("select 7")]).await;
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "TEZ(I)");
    assert!(strings.contains("obligation/row-limit"), "{strings}");
    assert_eq!(client.until_ready().await.0, "TDCZ(I)");
}

#[tokio::test]
async fn a_severed_admission_ends_at_once() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.client().await;
    client.send(&[query("sleep")]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stage.world.sever.notify_one();
    let (tags, strings) = client.until_ready().await;
    assert_eq!(tags, "E.");
    assert!(
        strings.contains("C57P01") && strings.contains("session/killed"),
        "{strings}"
    );
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_session_and_is_recorded() {
    let stage = Stage::set(|_| ()).await;
    for bytes in [
        &b"z\0\0\0\x04"[..],
        b"Q\0\0\0\x03",
        b"Q\x7f\xff\xff\xff",
        b"Q\0\0\0\x06\xff\0",
        b"Q\0\0\0\x07a\0b",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
    ] {
        let mut client = stage.client().await;
        client.send(&[bytes.to_vec()]).await;
        let (tags, strings) = client.until_ready().await;
        assert_eq!(tags, "E.", "{bytes:?}");
        assert!(strings.contains("C08P01"), "{strings}");
        assert!(stage.world.kinds().contains(&EntryKind::Security));
    }
    assert_eq!(stage.sent().replace('X', ""), "");
}

#[tokio::test]
async fn an_upstream_that_breaks_the_protocol_leaks_nothing() {
    for sql in ["garbage", "undescribed", "encoding"] {
        let stage = Stage::set(|_| ()).await;
        let mut client = stage.client().await;
        client.send(&[query(sql)]).await;
        let (tags, strings) = client.until_ready().await;
        assert_eq!(tags, "E.", "{sql}");
        assert!(strings.contains("C08P01"), "{strings}");
        assert!(!strings.contains("leak"));
    }
}

#[tokio::test]
async fn a_second_startup_packet_is_no_proof() {
    let stage = Stage::set(|_| ()).await;
    let mut raw = Raw(TcpStream::connect(stage.gateway).await.unwrap());
    raw.startup().await;
    assert_eq!(raw.next().await.unwrap().0, b'R');
    raw.startup().await;
    let (tags, strings) = raw.until_ready().await;
    assert_eq!(tags, "E.");
    assert!(strings.contains("unexpected message"), "{strings}");
    assert_eq!(stage.sent(), "");
}

#[tokio::test]
async fn an_access_request_is_shown_as_a_notice_while_it_waits() {
    let stage = Stage::set(|world| *world.slow_admission.get_mut() = true).await;
    let mut raw = stage.connect().await;
    let (tags, strings) = raw.until_ready().await;
    assert_eq!(tags, "RNSKZ(I)");
    assert!(strings.contains("AR-1"), "{strings}");
}

#[tokio::test]
async fn a_cancel_reaches_the_statement_of_its_own_key_only() {
    let stage = Stage::set(|_| ()).await;
    let mut client = stage.connect().await;
    let mut key = Vec::new();
    while let Some((tag, body)) = client.next().await {
        if tag == b'K' {
            key = body;
        } else if tag == b'Z' {
            break;
        }
    }
    assert_ne!(
        key[..4],
        [0, 0, 0, 9],
        "the upstream's number must not show"
    );
    client.send(&[query("sleep")]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut wrong = key.clone();
    wrong[4] ^= 1;
    for (key, expected) in [(wrong, false), (key, true)] {
        let mut raw = TcpStream::connect(stage.gateway).await.unwrap();
        raw.write_all(&[&[0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e][..], &key].concat())
            .await
            .unwrap();
        assert_eq!(raw.read(&mut [0; 1]).await.unwrap(), 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(stage.sent().contains('!'), expected);
    }
    let seen = stage.seen.lock().unwrap();
    assert!(
        seen.iter()
            .any(|(tag, body)| *tag == '!' && body[..] == [0, 0, 0, 9, 1, 2, 3, 4])
    );
}
