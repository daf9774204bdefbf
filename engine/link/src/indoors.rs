//! Streams inside of another protocol's connection that lead to a server of the configuration: PostgreSQL in a forward of
//! SSH. The protocol around them asks who stands behind an address, and hands the stream over; neither knows the other.
//!
//! It refuses nothing itself: what is known has to be handed over, and what is not is for policy to let pass.

use crate::Duplex;
use portcullis_gate::BoxFuture;
use portcullis_model::{Fault, Identity, SessionId, Target};
use std::net::SocketAddr;
use std::sync::Arc;

/// Where a stream is to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name or address, as the client wrote it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The target from which it would be dialled: `localhost` is that machine then, and this one without.
    pub through: Option<String>,
}

/// Who stands there.
#[derive(Clone, Debug)]
pub enum Behind {
    /// A server of the configuration, by the connections that lead to it: whoever serves their protocol has to read it.
    Known(Vec<Arc<Target>>),
    /// Somebody else.
    Other,
    /// Nobody can say: the name means nothing here.
    Unresolved,
}

/// A stream to a known server.
pub struct Inner {
    /// The stream.
    pub stream: Box<dyn Duplex>,
    /// Who is at the other end of the connection around it.
    pub peer: SocketAddr,
    /// Who that has proved to be.
    pub identity: Arc<Identity>,
    /// The session around it, where there is one.
    pub session: Option<SessionId>,
    /// The connections it may be for.
    pub targets: Vec<Arc<Target>>,
}

/// Whoever serves such streams.
pub trait Indoors: Send + Sync {
    /// Who stands there. Bounded in time.
    fn behind<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Behind>;
    /// Serves a stream to its end. It ends when the stream does.
    fn serve(self: Arc<Self>, inner: Inner) -> BoxFuture<'static, Result<(), Fault>>;
}
