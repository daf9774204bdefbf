//! SSH: russh at both edges, and what happens above the channel.

pub mod sftp;
pub mod transfer;
