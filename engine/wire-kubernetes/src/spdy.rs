//! SPDY/3.1 as Kubernetes uses it: frames from bytes and back, header blocks under zlib with SPDY's own dictionary, and
//! what the streams of exec, attach and port-forward mean. No I/O. A frame is never passed on: it is taken apart, and
//! another one is written for the other side, with header blocks of the gateway's own.
//!
//! It refuses frames that the protocol does not have, header blocks that inflate beyond their bound, streams that nobody
//! here knows, and streams that a server opens. There is no flow control, as there is none in any peer of the API server.

mod block;
mod dictionary;
mod frame;
mod streams;
#[cfg(test)]
mod tests;

pub use block::Writer;
pub use frame::{Frame, Reader, data, go_away, ping, reply, reset, syn};
pub use streams::{Place, Role, Streams, Use};

/// The status of a RST_STREAM: the receiver takes no more streams.
pub const REFUSED_STREAM: u32 = 3;
