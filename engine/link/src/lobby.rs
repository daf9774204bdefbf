//! A client's connection before admission. The protocol reads and writes freely here, because there is
//! no upstream yet that a byte could reach. TLS is opened in place, and only over an empty buffer: what
//! came in the clear never counts as said inside TLS.

use crate::client::{ClientReader, ClientWriter};
use crate::half::Stream;
use crate::inbox::Inbox;
use crate::upstream::Duplex;
use crate::{LinkError, Socket};
use bytes::BytesMut;
use rustls::ServerConfig;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::{TlsAcceptor, TlsStream};

/// How long a closed connection is read on, so that the last words arrive.
const LINGER: std::time::Duration = std::time::Duration::from_millis(200);

/// A connection on which nobody has been admitted yet.
pub struct Lobby {
    stream: Stream,
    inbox: Inbox,
    peer: SocketAddr,
    slot: Box<dyn Send + Sync>,
}

/// What is known of a TLS session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshaken {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: String,
    /// The protocol negotiated by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// The client's certificate (DER), whose key it holds.
    pub certificate: Option<Vec<u8>>,
}

impl Lobby {
    /// Takes over an accepted connection.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn new(socket: Socket) -> Result<Self, LinkError> {
        socket.stream.set_nodelay(true)?;
        Ok(Self {
            stream: Stream::Plain(socket.stream),
            inbox: Inbox::new(),
            peer: socket.peer,
            slot: socket.slot,
        })
    }

    /// Takes over a stream inside of another protocol's connection, which holds the slot for it. What protects that
    /// connection protects this one.
    #[must_use]
    pub fn within(stream: Box<dyn Duplex>, peer: SocketAddr) -> Self {
        Self {
            stream: Stream::Inner(stream),
            inbox: Inbox::new(),
            peer,
            slot: Box::new(()),
        }
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What has been read and not yet been consumed.
    pub fn bytes(&mut self) -> &mut BytesMut {
        self.inbox.bytes()
    }

    /// The first byte that the client has sent, left where it is. `None` when it hung up.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn peek(&mut self) -> Result<Option<u8>, LinkError> {
        if let Some(first) = self.inbox.bytes().first() {
            return Ok(Some(*first));
        }
        let Stream::Plain(tcp) = &self.stream else {
            return Ok(match self.fill().await? {
                0 => None,
                _ => self.inbox.bytes().first().copied(),
            });
        };
        let mut first = [0u8; 1];
        Ok(match tcp.peek(&mut first).await? {
            0 => None,
            _ => first.first().copied(),
        })
    }

    /// Reads once; 0 is the end of the stream. Safe to drop at any time.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn fill(&mut self) -> Result<usize, LinkError> {
        Ok(poll_fn(|cx| self.inbox.poll_fill(cx, Pin::new(&mut self.stream), 0)).await?)
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Closes the writing side, so that what was written arrives.
    pub async fn close(mut self) {
        self.part().await;
    }

    /// Closes the writing side and throws away what still comes, for a moment: closing a socket with unread
    /// bytes resets it, and a reset takes along what was written last.
    pub async fn part(&mut self) {
        // The peer may be gone already; there is nobody left to tell.
        let _: io::Result<()> = self.stream.shutdown().await;
        let rest = async {
            loop {
                self.inbox.bytes().clear();
                if !matches!(self.fill().await, Ok(1..)) {
                    return;
                }
            }
        };
        let _: Result<(), _> = tokio::time::timeout(LINGER, rest).await;
    }

    /// Opens TLS in place.
    ///
    /// # Errors
    /// When bytes were sent before the handshake, when TLS is open already, or when the handshake fails.
    pub async fn upgrade(mut self, config: Arc<ServerConfig>) -> Result<Self, LinkError> {
        if !self.inbox.bytes().is_empty() {
            return Err(LinkError::BytesBeforeTls);
        }
        let Stream::Plain(tcp) = self.stream else {
            return Err(LinkError::BytesBeforeTls);
        };
        let tls = TlsAcceptor::from(config)
            .accept(tcp)
            .await
            .map_err(LinkError::Handshake)?;
        Ok(Self {
            stream: Stream::Tls(Box::new(TlsStream::Server(tls))),
            ..self
        })
    }

    /// What is known of the TLS session, if there is one.
    #[must_use]
    pub fn handshaken(&self) -> Option<Handshaken> {
        let Stream::Tls(tls) = &self.stream else {
            return None;
        };
        let (_, session) = tls.get_ref();
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLS",
        };
        Some(Handshaken {
            version: version.to_owned(),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            certificate: session
                .peer_certificates()
                .and_then(|chain| chain.first().map(|leaf| leaf.to_vec())),
        })
    }

    /// After admission: from here on only proofs are written.
    #[must_use]
    pub fn admitted(self) -> (ClientReader, ClientWriter) {
        let (read, write) = self.stream.split();
        (
            ClientReader::new(read, self.inbox),
            ClientWriter::new(write, self.slot),
        )
    }
}
