//! Streams of exec, attach and port-forward over WebSocket: frames (RFC 6455) and the channels in them
//! (`v4.channel.k8s.io`, `v5.channel.k8s.io`). No I/O: bytes in, messages out, and back.
//!
//! It refuses frames that the RFC does not allow, and never passes on a frame that it has not taken apart.

mod channel;
pub mod exit;
mod size;
mod socket;
#[cfg(test)]
mod tests;

pub use channel::{Channel, Part, Subprotocol};
pub use size::Size;
pub use socket::{Frames, From, Said, Saying, frame};
