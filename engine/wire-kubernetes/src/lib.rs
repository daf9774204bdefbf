//! Kubernetes: HTTP requests become calls that policy can judge, and answers go back masked.
//!
//! [`Kubernetes`] serves one listener. Below it: `call` reads the request line and the headers, `body` what is written,
//! `json` and `mask` what is answered, `filter` what of it is shown at all, `stream` the frames of exec, attach and port-forward, and `proxy` brings them
//! together. What has two readings is turned away, what cannot be read is never forwarded unread.

mod body;
mod call;
mod filter;
#[cfg(fuzzing)]
pub mod fuzzing;
mod json;
mod mask;
mod proxy;
mod schema;
mod secrets;
mod spdy;
mod status;
mod stream;
mod turned;

pub use proxy::{Kubernetes, Listener};
