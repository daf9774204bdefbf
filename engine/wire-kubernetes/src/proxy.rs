//! One Kubernetes listener: from an accepted socket to the end of its connection. A client is an HTTP client with a
//! token; `https://gateway/<target>` is a cluster's address. Each connection is one session per target and token, each
//! request a stream of it with a gate of its own.
//!
//! It refuses to say anything to a cluster before somebody was admitted, and to answer with a byte that no gate has
//! released: refusals, releases and permits are what requests and answers are built from.

mod answer;
mod exchange;
mod exec;
mod form;
mod hold;
mod line;
mod live;
mod outlet;
mod pump;
mod refuse;
mod repeats;
mod ticket;
mod visit;
mod within;

use bytes::Bytes;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_gate::{BoxFuture, Clock, FrontDesk, claims_to_be_ours};
use portcullis_link::{Protocol as WireProtocol, Socket};
use portcullis_model::{Blame, Client, Fault, limits};
use repeats::Repeats;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use visit::Visit;

/// What a listener is made of.
pub struct Listener {
    /// Certificate and key. None: clients on this machine only, without TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// The time.
    pub clock: Clock,
}

/// The Kubernetes API on one listener.
pub struct Kubernetes {
    tls: Option<Arc<ServerConfig>>,
    clock: Clock,
    /// Refused streams: kubectl asks again in another protocol.
    repeats: Repeats,
}

impl Kubernetes {
    /// Opens it.
    #[must_use]
    pub fn new(listener: Listener) -> Self {
        let tls = listener.tls.map(|config| {
            let mut config = (*config).clone();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        });
        Self {
            tls,
            clock: listener.clock,
            repeats: Repeats::default(),
        }
    }

    async fn converse(
        self: Arc<Self>,
        socket: Socket,
        desk: Arc<dyn FrontDesk>,
    ) -> Result<(), Fault> {
        let Socket { stream, peer, slot } = socket;
        let served = match &self.tls {
            Some(config) => {
                let accepting = TlsAcceptor::from(Arc::clone(config)).accept(stream);
                let tls = timeout(limits::HANDSHAKE_MAX, accepting)
                    .await
                    .map_err(|_| Fault::bare(Blame::Client, "finish the handshake in time"))?
                    .map_err(|e| Fault::new(Blame::Client, "shake hands over TLS", e))?;
                let session = tls.get_ref().1;
                let version = match session.protocol_version() {
                    Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                    _ => "TLSv1.3",
                };
                let chain = session.peer_certificates();
                let leaf = chain.and_then(|chain| chain.first().map(|leaf| leaf.to_vec()));
                let leaf = leaf.filter(|certificate| claims_to_be_ours(certificate));
                let client = client(peer, Some(version));
                self.answer(tls, (client, leaf), desk).await
            }
            None if peer.ip().is_loopback() => {
                self.answer(stream, (client(peer, None), None), desk).await
            }
            None => Err(Fault::bare(Blame::Client, "come over TLS")),
        };
        drop(slot);
        served
    }

    async fn answer(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        (client, certificate): (Client, Option<Vec<u8>>),
        desk: Arc<dyn FrontDesk>,
    ) -> Result<(), Fault> {
        let visit = Arc::new(Visit::new(self, desk, client, certificate));
        let serving = Arc::clone(&visit);
        let each = hyper::service::service_fn(move |request| {
            let visit = Arc::clone(&serving);
            async move { Ok::<_, std::convert::Infallible>(visit.answer(request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::REQUEST_HEAD_MAX)
            .max_buf_size(limits::TARGET_BYTES_MAX * 2)
            .serve_connection(TokioIo::new(stream), each)
            .with_upgrades()
            .await;
        visit.leave().await;
        served.map_err(|e| Fault::new(Blame::Client, "speak HTTP", e))
    }
}

impl WireProtocol for Kubernetes {
    fn serve(
        self: Arc<Self>,
        socket: Socket,
        desk: Arc<dyn FrontDesk>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(self.converse(socket, desk))
    }
}

fn client(address: SocketAddr, tls: Option<&str>) -> Client {
    Client {
        address,
        program: None,
        tls: tls.map(str::to_owned),
    }
}

/// Bytes of frames behind each other.
fn joined(frames: Vec<Bytes>) -> Bytes {
    let mut frames = frames.into_iter();
    match (frames.next(), frames.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only,
        (Some(first), Some(second)) => {
            let mut all = first.to_vec();
            all.extend_from_slice(&second);
            frames.for_each(|frame| all.extend_from_slice(&frame));
            all.into()
        }
    }
}
