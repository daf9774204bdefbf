//! Whether a collector that acknowledges nothing has read everything: it closes behind us, without a reset, after its kernel
//! has acknowledged our last byte. A kernel answers with a reset where its program closes before it has read what came.
//!
//! Refuses to take a close alone for a yes: it may have crossed what was still on its way. What it cannot know is what a
//! collector does with what it has read.

use portcullis_fetch::Secured;
use rustix::ioctl::{Getter, ioctl};
use std::ffi::c_int;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// A collector that does not close by then has not said that it read everything.
const CLOSES_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at what is not acknowledged yet.
const LOOK: Duration = Duration::from_millis(10);
/// tcp(7), SIOCOUTQ: bytes that the other side's kernel has not acknowledged, our end included.
const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;

/// Waits for the end of a connection on which we have said everything and closed our side.
pub(super) async fn everything(socket: Secured) -> Result<(), String> {
    match tokio::time::timeout(CLOSES_WITHIN, ended(socket)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(broke_off(&error)),
        // Silence is no answer: it may have read nothing of it.
        Err(_) => Err("the collector has not closed the connection behind a batch".to_owned()),
    }
}

/// What is said of one that went within a batch.
pub(super) fn broke_off(error: &io::Error) -> String {
    format!("the collector broke off within a batch: {error}")
}

async fn ended(mut socket: Secured) -> io::Result<()> {
    let mut rest = [0; 256];
    loop {
        match socket.read(&mut rest).await {
            Ok(0) => break,
            Ok(_) => {}
            // Many close without a word of TLS.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    // That it will close is said before a reset as well.
    let (mut plain, _) = socket.into_inner();
    while plain.read(&mut rest).await? > 0 {}
    loop {
        if let Some(error) = plain.take_error()? {
            return Err(error);
        }
        if unacknowledged(&plain)? == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn unacknowledged(socket: &TcpStream) -> io::Result<c_int> {
    // SAFETY: SIOCOUTQ writes one `int` and nothing else, and the descriptor is open for as long as it is borrowed.
    let queued = unsafe { ioctl(socket, Getter::<SIOCOUTQ, c_int>::new()) };
    Ok(queued?)
}
