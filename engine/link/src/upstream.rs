//! The connection to the upstream. It is dialled after admission, so even its login is recorded: only a
//! `Housed` or a `Permit` can be written. What this file says itself is the eight bytes of an
//! SSLRequest. It refuses an upstream that answers anything but `S`, and bytes behind the `S`
//! (CVE-2021-23222).

use crate::LinkError;
use crate::end_point::tls_server_end_point;
use crate::half::{ReadHalf, Stream, WriteHalf};
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use bytes::{Bytes, BytesMut};
use portcullis_gate::{Housed, Permit, Upstream, UpstreamTls};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

/// How TLS is opened, where it is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// At once.
    Direct,
    /// After PostgreSQL's SSLRequest.
    PostgresRequest,
}

/// SSLRequest: length 8, code 80877103 (PostgreSQL protocol, section "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Connects, with TLS where it is required.
///
/// # Errors
/// When no address answers, or TLS cannot be opened as required: there is no way back to plain text.
pub async fn dial(upstream: &Upstream, opening: Opening) -> Result<UpstreamLobby, LinkError> {
    let tcp = connect_any(upstream).await?;
    tcp.set_nodelay(true)?;
    let UpstreamTls::Require(settings) = &upstream.tls else {
        return Ok(UpstreamLobby::new(Stream::Plain(tcp), None));
    };
    let config = client_config(settings).ok_or(LinkError::TlsSettings)?;
    let tcp = match opening {
        Opening::Direct => tcp,
        Opening::PostgresRequest => request_tls(tcp).await?,
    };
    let name = ServerName::try_from(upstream.host.clone()).map_err(|_| LinkError::TlsSettings)?;
    let tls = TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(LinkError::Handshake)?;
    let binding = tls
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .and_then(|leaf| tls_server_end_point(leaf));
    let stream = Stream::Tls(Box::new(TlsStream::Client(tls)));
    Ok(UpstreamLobby::new(stream, binding))
}

/// Connects for a protocol whose library writes to the socket itself (SSH): the proof is that its login was recorded.
///
/// # Errors
/// When no address answers, or TLS is wanted: nothing here would open it.
pub async fn connect(upstream: &Upstream, housed: Housed) -> Result<TcpStream, LinkError> {
    drop(housed);
    if let UpstreamTls::Require(_) = upstream.tls {
        return Err(LinkError::TlsSettings);
    }
    let tcp = connect_any(upstream).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// What a protocol's library reads and writes itself.
pub trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects for a protocol whose library writes to the stream itself (HTTP), with TLS where it is required: the proof
/// is that its login was recorded.
///
/// # Errors
/// When no address answers, or TLS cannot be opened as required: there is no way back to plain text.
pub async fn open(upstream: &Upstream, housed: Housed) -> Result<Box<dyn Duplex>, LinkError> {
    drop(housed);
    let lobby = dial(upstream, Opening::Direct).await?;
    Ok(Box::new(lobby.stream))
}

async fn connect_any(upstream: &Upstream) -> Result<TcpStream, LinkError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in &upstream.addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(LinkError::Connect(last))
}

/// The settings as `Arc<ClientConfig>`, whether they were erased themselves or their `Arc` was.
fn client_config(settings: &Arc<dyn Any + Send + Sync>) -> Option<Arc<ClientConfig>> {
    match settings.clone().downcast::<ClientConfig>() {
        Ok(config) => Some(config),
        Err(settings) => settings.downcast_ref::<Arc<ClientConfig>>().cloned(),
    }
}

/// Asks for TLS and reads exactly one byte, so that nothing behind it can be taken for TLS.
async fn request_tls(mut tcp: TcpStream) -> Result<TcpStream, LinkError> {
    tcp.write_all(&SSL_REQUEST).await?;
    if tcp.read_u8().await? != b'S' {
        return Err(LinkError::TlsRefused);
    }
    let mut behind = [0u8; 1];
    match tcp.try_read(&mut behind) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(tcp),
        Err(error) => Err(error.into()),
        Ok(_) => Err(LinkError::BytesBeforeTls),
    }
}

/// An upstream connection on which nobody has logged in yet.
pub struct UpstreamLobby {
    stream: Stream,
    inbox: Inbox,
    binding: Option<Vec<u8>>,
}

impl UpstreamLobby {
    fn new(stream: Stream, binding: Option<Vec<u8>>) -> Self {
        Self {
            stream,
            inbox: Inbox::new(),
            binding,
        }
    }

    /// True when the connection is TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// True when the server is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()),
            Stream::Tls(tls) => tls
                .get_ref()
                .0
                .peer_addr()
                .is_ok_and(|peer| peer.ip().is_loopback()),
            // Upstreams are dialled: none is inside of anything.
            Stream::Inner(_) => false,
        }
    }

    /// `tls-server-end-point` of the server's certificate, for channel binding.
    #[must_use]
    pub fn binding(&self) -> Option<&[u8]> {
        self.binding.as_deref()
    }

    /// What has been read and not yet been consumed.
    pub fn bytes(&mut self) -> &mut BytesMut {
        self.inbox.bytes()
    }

    /// Reads once; 0 is the end of the stream.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn fill(&mut self) -> Result<usize, LinkError> {
        Ok(poll_fn(|cx| self.inbox.poll_fill(cx, Pin::new(&mut self.stream), 0)).await?)
    }

    /// Writes what was recorded.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn say(&mut self, housed: Housed) -> Result<(), LinkError> {
        self.stream.write_all(&housed.into_wire()).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Writes what was recorded, then waits until the server has closed the connection: what it was
    /// asked to do has then been done (CancelRequest).
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn say_and_wait(mut self, housed: Housed) -> Result<(), LinkError> {
        self.say(housed).await?;
        while self.fill().await? > 0 {
            self.inbox.bytes().clear();
        }
        Ok(())
    }

    /// After login.
    #[must_use]
    pub fn entered(self) -> (UpstreamReader, UpstreamWriter) {
        let (read, write) = self.stream.split();
        (
            UpstreamReader {
                half: read,
                inbox: Inbox::with(self.inbox.into_bytes()),
            },
            UpstreamWriter {
                half: write,
                outbox: Outbox::default(),
            },
        )
    }
}

/// Reads what the upstream answers.
pub struct UpstreamReader {
    half: ReadHalf,
    inbox: Inbox,
}

impl UpstreamReader {
    /// What has been read and not yet been consumed.
    pub fn bytes(&mut self) -> &mut BytesMut {
        self.inbox.bytes()
    }

    /// Reads once; `Ok(0)` is the end of the stream. `more` is how much the unfinished frame still
    /// needs, 0 if that is not known.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, more: usize) -> Poll<io::Result<usize>> {
        self.inbox.poll_fill(cx, Pin::new(&mut self.half), more)
    }
}

/// Writes to the upstream, and nothing but what the gate has recorded.
pub struct UpstreamWriter {
    half: WriteHalf,
    outbox: Outbox,
}

impl UpstreamWriter {
    /// Requests that were classified, allowed and recorded.
    pub fn permit(&mut self, permit: Permit) {
        for frame in permit.into_frames() {
            self.outbox.push(frame);
        }
    }

    /// Something that the gateway says itself.
    pub fn say(&mut self, housed: Housed) {
        let wire: Bytes = housed.into_wire();
        self.outbox.push(wire);
    }

    /// Bytes that the kernel has not taken yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.outbox.pending()
    }

    /// True when everything has been written and flushed.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.outbox.idle()
    }

    /// Writes what is pending, in one call where the kernel takes it.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_flush(cx, Pin::new(&mut self.half))
    }

    /// Writes what is pending, waits for it, and closes the writing side.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn close(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        self.half.shutdown().await
    }
}
