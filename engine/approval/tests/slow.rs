//! A disk that takes its time: whoever asked waits for it, and nobody else does.

mod world;

use parking_lot::Mutex;
use portcullis_approval::{Clocks, Desk, Hands, Keep, PatientKeep, Settings, Shelf};
use portcullis_gate::ApprovalDesk;
use portcullis_model::{Fault, Timestamp};
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use world::{Chest, Notes, Wants, start};

/// Nothing here takes long, but where something is broken.
const LONG: Duration = Duration::from_secs(60);

/// Says that it has begun to write, and has written when it is told so.
struct Slow {
    begun: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl Keep for Slow {
    fn put(&self, _: Shelf, _: &str, _: Value, _: Timestamp) -> Result<(), Fault> {
        self.begun.lock().send(()).expect("somebody listens");
        let told = self.go_on.lock().recv_timeout(LONG);
        told.expect("the disk is done in the end");
        Ok(())
    }

    fn remove(&self, _: Shelf, _: &str, _: Timestamp) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn a_slow_store_keeps_whoever_asked_waiting_and_nobody_else() {
    let ((begun, begins), (goes_on, go_on)) = (channel(), channel());
    let keep = PatientKeep(Slow {
        begun: Mutex::new(begun),
        go_on: Mutex::new(go_on),
    });
    let hands = Hands {
        notes: Arc::new(Notes::default()),
        keep: Arc::new(keep),
        tell: Arc::new(Chest::default()),
    };
    let clocks = Clocks::new(Arc::new(start), Arc::new(|| Duration::ZERO));
    let desk = Desk::new(clocks, hands, Settings::new());
    // One worker: whoever blocks it blocks everybody.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime");

    let theirs = Arc::clone(&desk);
    let asking =
        runtime.spawn(async move { theirs.open(Wants::people(1).deferred().request).await });
    begins.recv_timeout(LONG).expect("it is being written down");
    let (says, looks) = channel();
    let theirs = Arc::clone(&desk);
    let looking = runtime.spawn(async move {
        says.send(()).expect("somebody listens");
        theirs.list().len()
    });
    looks
        .recv_timeout(LONG)
        .expect("somebody looks at the desk");
    let (says, lives) = channel();
    runtime.spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        says.send(()).expect("somebody listens");
    });
    lives.recv_timeout(LONG).expect("others go on");
    assert!(
        !asking.is_finished() && !looking.is_finished(),
        "nothing counts before it is kept"
    );

    goes_on.send(()).expect("it writes");
    let (id, answer) = runtime
        .block_on(asking)
        .expect("it ends")
        .expect("it is kept");
    assert!(id.starts_with("ap-") && answer.is_none());
    assert_eq!(runtime.block_on(looking).expect("it ends"), 1);
}
