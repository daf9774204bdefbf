//! Bad input on the wire: a clear error for whoever made it, an entry where a session exists, and no harm to
//! anybody else.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::ANA;
use portcullis_tests::{World, WorldOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

fn connect(world: &World) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", world.gateway.port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// Everything the gateway answers until it closes.
fn answer(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read) = stream.read(&mut chunk) {
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
    bytes
}

fn startup(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (key, value) in pairs {
        body.extend(key.as_bytes());
        body.push(0);
        body.extend(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut packet = u32::try_from(body.len() + 4)
        .unwrap_or(0)
        .to_be_bytes()
        .to_vec();
    packet.extend(body);
    packet
}

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![tag];
    frame.extend(u32::try_from(body.len() + 4).unwrap_or(0).to_be_bytes());
    frame.extend(body);
    frame
}

#[derive(Debug)]
struct AnyCertificate;

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn secure(stream: TcpStream) -> Result<Tls> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost")?;
    let connection = rustls::ClientConnection::new(Arc::new(config), name)?;
    Ok(rustls::StreamOwned::new(connection, stream))
}

/// TLS as libpq asks for it.
fn over_tls(world: &World) -> Result<Tls> {
    let mut stream = connect(world)?;
    stream.write_all(&SSL_REQUEST)?;
    let mut yes = [0];
    stream.read_exact(&mut yes)?;
    ensure!(yes == *b"S", "TLS is offered");
    secure(stream)
}

/// A session that is logged in and idle.
fn logged_in(world: &World, token: &str) -> Result<Tls> {
    let mut tls = over_tls(world)?;
    tls.write_all(&startup(&[("user", "x"), ("database", "orders")]))?;
    let mut password = token.as_bytes().to_vec();
    password.push(0);
    tls.write_all(&frame(b'p', &password))?;
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    while !seen.ends_with(&[b'Z', 0, 0, 0, 5, b'I']) {
        let read = tls.read(&mut chunk)?;
        ensure!(
            read > 0,
            "closed before it was ready: {}",
            String::from_utf8_lossy(&seen)
        );
        seen.extend_from_slice(&chunk[..read]);
    }
    Ok(tls)
}

#[test]
fn bad_startups_are_refused_and_harm_nobody() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let mut early = SSL_REQUEST.to_vec();
    early.extend(b"injected before TLS");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a length of zero", vec![0, 0, 0, 0, 0, 3, 0, 0]),
        (
            "a length of four gigabytes",
            vec![255, 255, 255, 255, 0, 3, 0, 0],
        ),
        ("a length that is too long", vec![0, 1, 0, 0, 0, 3, 0, 0]),
        ("an unknown protocol", vec![0, 0, 0, 8, 9, 9, 9, 9]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        (
            "a startup without TLS",
            startup(&[("user", "x"), ("database", "orders")]),
        ),
        ("bytes before TLS", early),
        (
            "an unterminated pair",
            vec![0, 0, 0, 13, 0, 3, 0, 0, b'u', b's', b'e', b'r', 0],
        ),
        (
            "an unknown cancel key",
            vec![0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2],
        ),
    ];
    for (what, bytes) in cases {
        let mut stream = connect(&world)?;
        stream.write_all(&bytes)?;
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let text = String::from_utf8_lossy(&answer(&stream)).into_owned();
        ensure!(
            !text.contains("AuthenticationOk") && !text.contains("R\0\0\0\u{8}\0\0\0\0"),
            "{what}: let in"
        );
    }
    let shown = world.ask(&ANA, "orders", "SELECT 1")?;
    ensure!(shown.code == 0, "others are unharmed: {}", shown.all());
    Ok(())
}

#[test]
fn startup_parameters_and_second_startups_are_refused() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    for (what, pairs) in [
        (
            "replication",
            vec![
                ("user", "x"),
                ("database", "orders"),
                ("replication", "database"),
            ],
        ),
        (
            "two users",
            vec![("user", "x"), ("user", "y"), ("database", "orders")],
        ),
        ("no user", vec![("database", "orders")]),
        (
            "another encoding",
            vec![
                ("user", "x"),
                ("database", "orders"),
                ("client_encoding", "SJIS"),
            ],
        ),
        (
            "an empty option",
            vec![("user", "x"), ("database", "orders"), ("options", "-c =")],
        ),
        (
            "a role",
            vec![("user", "x"), ("database", "orders"), ("role", "postgres")],
        ),
    ] {
        let mut tls = over_tls(&world)?;
        tls.write_all(&startup(&pairs))?;
        let mut password = world.token(&ANA)?.into_bytes();
        password.push(0);
        let _ = tls.write_all(&frame(b'p', &password));
        let text = answer(&mut tls);
        ensure!(
            text.contains(&b'E') && !text.ends_with(b"Z\0\0\0\x05I"),
            "{what}: {}",
            String::from_utf8_lossy(&text)
        );
    }
    let mut tls = over_tls(&world)?;
    tls.write_all(&startup(&[("user", "x"), ("database", "orders")]))?;
    tls.write_all(&startup(&[("user", "y"), ("database", "orders")]))?;
    let text = String::from_utf8_lossy(&answer(&mut tls)).into_owned();
    ensure!(
        text.contains("FATAL") || text.contains('E'),
        "a second startup packet: {text}"
    );
    Ok(())
}

#[test]
fn malformed_frames_end_their_own_session_only() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let token = world.token(&ANA)?;
    let mut bystander = logged_in(&world, &token)?;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an unknown tag", frame(b'!', b"x")),
        ("a length below four", vec![b'Q', 0, 0, 0, 3]),
        ("a negative length", vec![b'Q', 255, 255, 255, 255]),
        ("a frame that is too long", vec![b'Q', 127, 255, 255, 255]),
        ("a query without NUL", frame(b'Q', b"SELECT 1")),
        (
            "a query with an embedded NUL",
            frame(b'Q', b"SELECT 1\0; DROP TABLE customers\0"),
        ),
        (
            "a query that is not UTF-8",
            frame(b'Q', b"SELECT '\xff\xfe'\0"),
        ),
        (
            "a bind that lies about its counts",
            frame(b'B', b"\0\0\x7f\xff\0\0"),
        ),
        (
            "a parse with trailing bytes",
            frame(b'P', b"\0SELECT 1\0\0\0junk"),
        ),
        (
            "a second startup packet",
            startup(&[("user", "postgres"), ("database", "orders")]),
        ),
        ("a password after login", frame(b'p', b"again\0")),
    ];
    for (what, bytes) in cases {
        let mut tls = logged_in(&world, &token)?;
        tls.write_all(&bytes)?;
        let _ = tls.write_all(&frame(b'S', b""));
        tls.conn.send_close_notify();
        let _ = tls.flush();
        let text = String::from_utf8_lossy(&answer(&mut tls)).into_owned();
        ensure!(
            text.contains("ERROR") || text.contains("FATAL"),
            "{what}: {text:?}"
        );
    }
    bystander.write_all(&frame(b'Q', b"SELECT 'unharmed'\0"))?;
    let mut chunk = [0; 4096];
    let mut seen = Vec::new();
    while !seen.ends_with(&[b'Z', 0, 0, 0, 5, b'I']) {
        let read = bystander.read(&mut chunk)?;
        ensure!(read > 0, "the bystander was disconnected");
        seen.extend_from_slice(&chunk[..read]);
    }
    ensure!(String::from_utf8_lossy(&seen).contains("unharmed"));
    let shown = world.gateway.admin(&["journal", "verify"])?;
    ensure!(shown.code == 0, "the record is whole: {}", shown.all());
    Ok(())
}

#[test]
fn silent_clients_hold_nothing_up() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let silent: Vec<TcpStream> = (0..50).map(|_| connect(&world)).collect::<Result<_>>()?;
    let began = Instant::now();
    let shown = world.ask(&ANA, "orders", "SELECT 1")?;
    ensure!(shown.code == 0, "{}", shown.all());
    ensure!(
        began.elapsed() < Duration::from_secs(5),
        "it waited for the silent ones"
    );
    // The handshake deadline frees their slots.
    for stream in silent {
        let text = answer(&stream);
        ensure!(
            began.elapsed() < Duration::from_secs(28),
            "still open after {:?}: {text:?}",
            began.elapsed()
        );
    }
    Ok(())
}

/// The same text with one letter in the middle exchanged.
fn another(text: &str) -> String {
    let (head, tail) = text.split_at(text.len() / 2);
    let letter = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{letter}{}", &tail[1..])
}

/// A token whose second is over, at a gateway that from now on forgives no clock: it was good, and is no longer.
fn expired(world: &World) -> Result<String> {
    let config = world.folder().join("portcullis.yaml");
    let text = std::fs::read_to_string(&config)?;
    let strict = text.replace(
        "    groups_claim: groups\n",
        "    groups_claim: groups\n    clock_skew: 0s\n",
    );
    ensure!(strict != text, "the issuer is there");
    std::fs::write(&config, strict)?;
    let reloaded = world.gateway.admin(&["reload"])?;
    ensure!(reloaded.code == 0, "{}", reloaded.all());
    let until = Instant::now() + Duration::from_secs(60);
    let mut good = world.ask(&ANA, "orders", "SELECT 1")?;
    while good.code != 0 {
        ensure!(Instant::now() < until, "{}", good.all());
        good = world.ask(&ANA, "orders", "SELECT 1")?;
    }
    let token = world.issuer.token_with(&ANA, &["--ttl", "1"])?;
    std::thread::sleep(Duration::from_secs(2));
    Ok(token)
}

#[test]
fn bad_tokens_are_refused_with_a_hint() -> Result<()> {
    let world = World::start(&WorldOptions::default())?;
    let good = world.token(&ANA)?;
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts.as_slice() else {
        anyhow::bail!("a token has three parts")
    };
    let none = format!("eyJhbGciOiJub25lIn0.{body}.");
    let other = world
        .issuer
        .token_with(&ANA, &["--audience", "somebody-else"])?;
    let expired = expired(&world)?;
    let cases = [
        ("no token", String::from("password")),
        ("empty", String::from(" ")),
        ("none", none),
        (
            "a cut signature",
            format!("{head}.{body}.{}", &signature[..signature.len() - 3]),
        ),
        (
            "another body",
            format!("{head}.{}.{signature}", another(body)),
        ),
        ("another audience", other),
        ("long", "x".repeat(20_000)),
        ("expired", expired),
    ];
    for (what, token) in cases {
        let mut command = world.psql("anybody", &token, "orders");
        let shown =
            portcullis_tests::Shown::by(command.args(["-c", "SELECT 1"])).context("run psql")?;
        ensure!(
            shown.code == 2 && shown.err.contains("FATAL") && shown.err.contains("HINT"),
            "{what}: {}",
            shown.all()
        );
        ensure!(
            what != "expired" || shown.shows("identity/expired"),
            "{}",
            shown.all()
        );
        ensure!(
            !shown.all().contains(signature),
            "{what}: the token is not repeated"
        );
    }
    Ok(())
}
