//! The doors. A listener takes a slot of its connection limit, accepts, and hands the socket to the
//! protocol in a task of its own: a client that is slow to shake hands keeps nobody else waiting. It
//! refuses to accept more than its limit; those wait in the kernel's queue, where they cost nothing.

use portcullis_console::Metrics;
use portcullis_gate::FrontDesk;
use portcullis_link::{Protocol, Socket};
use portcullis_model::Blame;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a door rests when the kernel is out of descriptors or memory.
const REST: Duration = Duration::from_millis(50);

/// One open door.
pub struct Door {
    /// What is spoken here, for messages.
    pub name: &'static str,
    listener: TcpListener,
    protocol: Arc<dyn Protocol>,
    slots: Arc<Semaphore>,
}

/// What the doors share.
#[derive(Clone)]
pub struct House {
    /// Who admits.
    pub desk: Arc<dyn FrontDesk>,
    /// Where failures are counted.
    pub metrics: Arc<Metrics>,
    /// The tasks of all connections.
    pub tasks: TaskTracker,
    /// Cancelled when no more connections are accepted.
    pub closing: CancellationToken,
}

impl Door {
    /// Binds the address.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn open(
        name: &'static str,
        address: SocketAddr,
        connections_max: usize,
        protocol: Arc<dyn Protocol>,
    ) -> io::Result<Self> {
        Ok(Self {
            name,
            listener: TcpListener::bind(address).await?,
            protocol,
            slots: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// Where it is: the port is the kernel's choice when 0 was asked for.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts until the house closes.
    pub async fn serve(self, house: House) {
        loop {
            let slot = tokio::select! {
                biased;
                () = house.closing.cancelled() => return,
                slot = Arc::clone(&self.slots).acquire_owned() => match slot {
                    Ok(slot) => slot,
                    Err(_) => return,
                },
            };
            let accepted = tokio::select! {
                biased;
                () = house.closing.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Held by the socket and by its task: the slot is free when both are gone.
                    let slot = Arc::new(slot);
                    let socket = Socket {
                        stream,
                        peer,
                        slot: Box::new(Arc::clone(&slot)),
                    };
                    self.receive(socket, slot, &house);
                }
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "cannot accept connections for now");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn receive(&self, socket: Socket, slot: Arc<OwnedSemaphorePermit>, house: &House) {
        let peer = socket.peer;
        prepare(&socket.stream);
        let serving = Arc::clone(&self.protocol).serve(socket, Arc::clone(&house.desk));
        let (metrics, name) = (Arc::clone(&house.metrics), self.name);
        house.tasks.spawn(async move {
            let served = serving.await;
            drop(slot);
            let Err(fault) = served else {
                return;
            };
            metrics.fault(&fault);
            match fault.blame {
                // Port scanners and broken clients are no reason to wake anybody.
                Blame::Client => {
                    tracing::debug!(listener = name, %peer, fault = fault.chain(), "connection ended");
                }
                _ => {
                    tracing::warn!(listener = name, %peer, fault = fault.chain(), "connection ended");
                }
            }
        });
    }
}

/// Small messages go out at once; a peer that vanished is noticed.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::{Admission, BoxFuture, Knock, Knocking};
    use portcullis_model::{Denial, Fault};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Nobody;
    impl FrontDesk for Nobody {
        fn admit<'a>(
            &'a self,
            _: Knock,
            _: Knocking<'a>,
        ) -> BoxFuture<'a, Result<Admission, Denial>> {
            Box::pin(async { Err(Denial::new("test/nobody", "nobody is admitted")) })
        }
    }

    /// Echoes one byte, and keeps the connection until the peer closes it.
    struct Echo;
    impl Protocol for Echo {
        fn serve(
            self: Arc<Self>,
            mut socket: Socket,
            _: Arc<dyn FrontDesk>,
        ) -> BoxFuture<'static, Result<(), Fault>> {
            Box::pin(async move {
                let mut byte = [0];
                while socket.stream.read(&mut byte).await.is_ok_and(|n| n > 0) {
                    let _ = socket.stream.write_all(&byte).await;
                }
                Ok(())
            })
        }
    }

    fn house() -> House {
        House {
            desk: Arc::new(Nobody),
            metrics: Arc::new(Metrics::new()),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }

    async fn echoes(stream: &mut TcpStream) -> bool {
        stream.write_all(b"x").await.expect("write");
        let mut byte = [0];
        let answer = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut byte));
        matches!(answer.await, Ok(Ok(1)))
    }

    #[tokio::test]
    async fn a_silent_client_keeps_nobody_else_waiting() {
        let door = Door::open("test", ([127, 0, 0, 1], 0).into(), 8, Arc::new(Echo)).await;
        let door = door.expect("binds");
        let address = door.address().expect("bound");
        let house = house();
        let serving = tokio::spawn(door.serve(house.clone()));
        let _silent = TcpStream::connect(address).await.expect("connect");
        let mut other = TcpStream::connect(address).await.expect("connect");
        assert!(echoes(&mut other).await);
        house.closing.cancel();
        serving.await.expect("stops");
    }

    #[tokio::test]
    async fn one_more_than_the_limit_waits_for_a_slot() {
        let door = Door::open("test", ([127, 0, 0, 1], 0).into(), 1, Arc::new(Echo)).await;
        let door = door.expect("binds");
        let address = door.address().expect("bound");
        let house = house();
        tokio::spawn(door.serve(house.clone()));
        let mut first = TcpStream::connect(address).await.expect("connect");
        assert!(echoes(&mut first).await);
        let mut second = TcpStream::connect(address).await.expect("connect");
        assert!(!echoes(&mut second).await, "the limit is one");
        drop(first);
        assert!(echoes(&mut second).await, "the slot is free again");
        house.closing.cancel();
    }
}
