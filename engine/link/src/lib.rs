//! The only writers to sockets. After admission nothing is written upstream but a `Permit` or a
//! `Housed`, and nothing to the client but a `Release`, a `Refusal` or a `Housed`.

use portcullis_gate::{BoxFuture, FrontDesk};
use portcullis_model::Fault;
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
