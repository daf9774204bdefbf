//! Kubernetes: HTTP requests become calls that policy can judge, and answers go back masked.
//!
//! `call` reads the request line and the headers, `body` what is written, `json` and `mask` what is answered, `stream`
//! the frames of exec, attach and port-forward. What has two readings is turned away, what cannot be read is never
//! forwarded unread.

pub mod body;
pub mod call;
mod json;
pub mod mask;
pub mod secrets;
pub mod status;
pub mod stream;
pub mod turned;
