//! Waiting for the disk where nobody else has to wait with it. What the desk keeps is on stable storage before it counts,
//! so whoever asks the desk for something may wait for an fdatasync, and whoever looks at the desk for the one who writes.
//! On a runtime with several workers the other tasks of such a worker go on elsewhere meanwhile.
//!
//! Refuses nothing, and answers nothing before it is so.

use crate::store::{Keep, Shelf};
use parking_lot::{Mutex, MutexGuard};
use portcullis_model::{Fault, Timestamp};
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Does what may have to wait.
fn patiently<T>(work: impl FnOnce() -> T) -> T {
    let several = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    match several {
        true => tokio::task::block_in_place(work),
        // Nobody else is served by this thread, or nothing can be done about it.
        false => work(),
    }
}

/// A lock whose holder may be waiting for the disk.
#[derive(Default)]
pub(crate) struct PatientLock<T>(Mutex<T>);

impl<T> PatientLock<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(Mutex::new(inner))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        // Mostly nobody holds it, and then there is nothing to wait for.
        match self.0.try_lock() {
            Some(held) => held,
            None => patiently(|| self.0.lock()),
        }
    }
}

/// A store that is waited for where waiting is allowed.
#[derive(Debug)]
pub struct PatientKeep<K>(pub K);

impl<K: Keep> Keep for PatientKeep<K> {
    fn put(&self, shelf: Shelf, id: &str, value: Value, at: Timestamp) -> Result<(), Fault> {
        patiently(|| self.0.put(shelf, id, value, at))
    }

    fn remove(&self, shelf: Shelf, id: &str, at: Timestamp) -> Result<(), Fault> {
        patiently(|| self.0.remove(shelf, id, at))
    }
}
