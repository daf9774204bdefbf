//! The only writers to sockets. After admission nothing is written upstream but a `Permit` or a
//! `Housed`, and nothing to the client but a `Release`, a `Refusal`, a `Housed`, or the one constant
//! that says that the journal is dead.
//!
//! Before admission a connection is a [`Lobby`], where the protocol may write what it likes: nothing of
//! an upstream exists yet. This crate refuses to turn bytes that were sent in the clear into bytes of a
//! TLS session (CVE-2021-23214 and its kin), on both sides.

mod client;
mod end_point;
mod half;
mod inbox;
mod indoors;
mod lobby;
mod outbox;
mod outlet;
mod upstream;

pub use client::{ClientReader, ClientWriter};
pub use end_point::tls_server_end_point;
pub use indoors::{Behind, Indoors, Inner, Place};
pub use lobby::{Handshaken, Lobby};
pub use outlet::{ClientOutlet, Sink, UpstreamOutlet};
pub use upstream::{
    Duplex, Opening, UpstreamLobby, UpstreamReader, UpstreamWriter, connect, dial, open,
};

use portcullis_gate::{BoxFuture, FrontDesk};
use portcullis_model::{Blame, Fault};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// An accepted connection, not yet spoken to. It holds a slot of the connection limit until dropped.
pub struct Socket {
    /// The stream.
    pub stream: TcpStream,
    /// The peer.
    pub peer: SocketAddr,
    /// The slot of the listener's connection limit.
    pub slot: Box<dyn Send + Sync>,
}

/// What one protocol provides. The front desk is all it is given: no configuration, no store.
pub trait Protocol: Send + Sync {
    /// Serves one connection to its end. The future is spawned by the listener and never blocks the
    /// accept loop; the handshake inside has a deadline of its own.
    fn serve(
        self: Arc<Self>,
        socket: Socket,
        desk: Arc<dyn FrontDesk>,
    ) -> BoxFuture<'static, Result<(), Fault>>;
}

/// What can go wrong with a socket. Named after what was being done.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No address of the upstream could be reached.
    #[error("connect to the upstream")]
    Connect(#[source] std::io::Error),
    /// The upstream answered an SSLRequest with something else than `S`.
    #[error("open TLS to the upstream: it refuses TLS")]
    TlsRefused,
    /// Bytes stood in the clear behind the point where TLS begins.
    #[error("open TLS: unencrypted bytes came before the handshake")]
    BytesBeforeTls,
    /// The TLS handshake failed.
    #[error("shake hands over TLS")]
    Handshake(#[source] std::io::Error),
    /// A direct TLS connection did not negotiate the protocol's name (ALPN).
    #[error("open TLS: the peer did not negotiate the protocol by ALPN")]
    Alpn,
    /// The TLS settings are not what this crate can use.
    #[error("read the TLS settings of the upstream")]
    TlsSettings,
    /// A socket could not be set up, read or written.
    #[error("use a socket")]
    Socket(#[from] std::io::Error),
}

impl LinkError {
    /// As a fault of whoever was at the other end.
    #[must_use]
    pub fn blame(self, blame: Blame) -> Fault {
        let doing = match self {
            Self::Connect(_) => "connect to the upstream",
            Self::TlsRefused => "open TLS to the upstream",
            Self::BytesBeforeTls => "open TLS with an empty buffer",
            Self::Handshake(_) => "shake hands over TLS",
            Self::Alpn => "negotiate the protocol by ALPN",
            Self::TlsSettings => "read the TLS settings of the upstream",
            Self::Socket(_) => "use a socket",
        };
        Fault::new(blame, doing, self)
    }
}
