//! The whole protocol over loopback: a scripted server behind, a raw client in front, and a gate of
//! small fakes between them.

mod fakes;
mod names;
mod stage;
mod step;
mod tls;
