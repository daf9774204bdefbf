//! TLS on both sides: opened over an empty buffer only, by SSLRequest or directly, and never given up.

use crate::stage::{Raw, Seen, Server, Stage, frame, query};
use portcullis_gate::UpstreamTls;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];

fn pair() -> (Arc<ServerConfig>, ClientConfig) {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), client)
}

fn name() -> ServerName<'static> {
    ServerName::try_from("127.0.0.1").unwrap()
}

async fn selects<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S) {
    let mut raw = Raw(stream);
    raw.startup().await;
    assert_eq!(raw.next().await.unwrap().0, b'R');
    raw.send(&[frame(b'p', b"token\0")]).await;
    assert_eq!(raw.until_ready().await.0, "RSKZ(I)");
    raw.send(&[query("select 1")]).await;
    assert_eq!(raw.until_ready().await.0, "TDCZ(I)");
}

#[tokio::test]
async fn a_client_may_ask_for_tls() {
    let (server, client) = pair();
    let stage = Stage::with(Some(server), |_| ()).await;
    let mut tcp = TcpStream::connect(stage.gateway).await.unwrap();
    tcp.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(tcp.read_u8().await.unwrap(), b'S');
    let tls = TlsConnector::from(Arc::new(client))
        .connect(name(), tcp)
        .await
        .unwrap();
    selects(tls).await;
}

#[tokio::test]
async fn direct_tls_needs_the_protocol_by_name() {
    let (server, mut client) = pair();
    let stage = Stage::with(Some(server), |_| ()).await;
    for (alpn, accepted) in [(vec![b"postgresql".to_vec()], true), (Vec::new(), false)] {
        client.alpn_protocols = alpn;
        let tcp = TcpStream::connect(stage.gateway).await.unwrap();
        let connector = TlsConnector::from(Arc::new(client.clone()));
        let tls = connector.connect(name(), tcp).await.unwrap();
        if accepted {
            selects(tls).await;
        } else {
            let mut raw = Raw(tls);
            raw.startup().await;
            assert_eq!(raw.next().await, None);
        }
    }
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(stage.gateway).await.unwrap();
    assert!(
        TlsConnector::from(Arc::new(client))
            .connect(name(), tcp)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn bytes_in_the_clear_never_count_as_said_inside_tls() {
    let (server, _) = pair();
    let stage = Stage::with(Some(server), |_| ()).await;
    let mut tcp = TcpStream::connect(stage.gateway).await.unwrap();
    let startup = b"\0\0\0\x13\0\x03\0\0user\0ana\0\0\0";
    tcp.write_all(&[&SSL_REQUEST[..], startup].concat())
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A reset is as good an end as any.
    let _ended = tcp.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn without_tls_there_is_no_proof() {
    let (server, _) = pair();
    let stage = Stage::with(Some(server), |_| ()).await;
    let mut raw = Raw(TcpStream::connect(stage.gateway).await.unwrap());
    raw.startup().await;
    let (tags, strings) = raw.until_ready().await;
    assert_eq!(tags, "E.");
    assert!(
        strings.contains("C28000") && strings.contains("sslmode="),
        "{strings}"
    );
}

/// An upstream that answers an SSLRequest with these bytes, then speaks TLS.
async fn upstream(answer: &'static [u8]) -> (std::net::SocketAddr, ClientConfig, Seen) {
    let (server, client) = pair();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut request = [0; 8];
            tcp.read_exact(&mut request).await.unwrap();
            assert_eq!(request, SSL_REQUEST);
            tcp.write_all(answer).await.unwrap();
            if let Ok(tls) = TlsAcceptor::from(server.clone()).accept(tcp).await
                && let Some(server) = Server::login(tls, log.clone()).await
            {
                server.run().await;
            }
        }
    });
    (address, client, seen)
}

#[tokio::test]
async fn the_upstream_is_reached_over_tls() {
    let (address, client, seen) = upstream(b"S").await;
    let stage = Stage::set(|world| {
        world.upstream.addresses = vec![address];
        world.upstream.tls = UpstreamTls::Require(Arc::new(client));
    })
    .await;
    let mut raw = stage.client().await;
    raw.send(&[query("select 1")]).await;
    assert_eq!(raw.until_ready().await.0, "TDCZ(I)");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_upstream_without_tls_or_with_early_bytes_is_not_entered() {
    for answer in [&b"N"[..], b"E", b"SE\0\0\0\x04"] {
        let (address, client, seen) = upstream(answer).await;
        let stage = Stage::set(|world| {
            world.upstream.addresses = vec![address];
            world.upstream.tls = UpstreamTls::Require(Arc::new(client));
        })
        .await;
        let mut raw = stage.connect().await;
        let (tags, strings) = raw.until_ready().await;
        assert_eq!(tags, "E.", "{answer:?}");
        assert!(strings.contains("C08001"), "{strings}");
        assert!(seen.lock().unwrap().is_empty());
    }
}
