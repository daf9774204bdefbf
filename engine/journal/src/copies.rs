//! Copies outside of the gateway's power: every closed segment, and the latest checkpoint once a minute, so that a record
//! which was rolled back together with its checkpoints shows. Where the store locks objects, nobody can take them back.
//!
//! ```text
//! segments/00000001.wal      closed segments, locked where the store can
//! checkpoints/00000000042    the latest signed checkpoint of a minute, locked too
//! payload-keys               the wrapped keys of payloads, never locked: shredding has to reach them
//! ```
//!
//! Refuses to forget a segment that was not taken: what the store has is written down after it has said so, and what was
//! not written down is sent again. A segment that is small but old is closed early, so that no copy waits for traffic.

use crate::error::Error;
use crate::journal::{Journal, Shared};
use crate::{aside, note, payloads, segment};
use parking_lot::{Condvar, Mutex};
use portcullis_gate::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where copies go. Implemented by the binary.
pub trait Depot: Send + Sync {
    /// Stores an object; `locked` ones are not to be changed for as long as the store is configured to keep them.
    fn put(&self, key: String, bytes: Vec<u8>, locked: bool) -> BoxFuture<'_, Result<(), String>>;
}

/// What happens while copies cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is said, and sessions go on.
    Warn,
    /// After so long nobody is admitted any more.
    Block(Duration),
}

/// How copies are made.
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    /// A segment that is open for so long is closed, to be copied.
    pub segment_every: Duration,
    /// The latest checkpoint is copied so often.
    pub checkpoint_every: Duration,
    /// What happens while copies cannot be made.
    pub on_failure: OnFailure,
}

impl Default for Copying {
    fn default() -> Self {
        Self {
            segment_every: Duration::from_secs(15 * 60),
            checkpoint_every: Duration::from_secs(60),
            on_failure: OnFailure::Warn,
        }
    }
}

/// How copies are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Closed segments that are not copied.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The number of the last checkpoint that was copied.
    pub checkpoint: u64,
    /// What keeps it from going on, if anything does.
    pub failing: Option<String>,
    /// For how many seconds.
    pub failing_for: u64,
    /// Nobody is admitted because of it.
    pub blocking: bool,
}

/// What the store has, as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    /// All segments up to this one.
    segment: u64,
    /// The last checkpoint.
    checkpoint: u64,
    /// Length of the keys' file when it was last sent, and when that was changed.
    keys: (u64, i64),
}

/// After a failure it waits so long, and twice as long after the next, up to a minute.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(60);
/// Looks for something to copy so often.
const EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    backlog: Backlog,
    failing_since: Option<Instant>,
    stop: bool,
}

/// Makes copies until it is dropped.
pub struct Copier {
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Copier {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(journal: &Journal, depot: Arc<dyn Depot>, copying: Copying) -> io::Result<Self> {
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let taken = Taken::read(&journal.shared.settings.dir);
        let mut work = Work {
            shared: journal.shared.clone(),
            depot,
            copying,
            written: taken.clone(),
            taken,
            opened: Instant::now(),
            checked: None,
        };
        let theirs = state.clone();
        std::thread::Builder::new()
            .name("journal-copies".to_owned())
            .spawn(move || runtime.block_on(work.run(&theirs)))?;
        Ok(Self { state })
    }

    /// How it is doing.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let state = self.state.0.lock();
        Backlog {
            failing_for: state
                .failing_since
                .map_or(0, |since| since.elapsed().as_secs()),
            ..state.backlog.clone()
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.state.0.lock().stop = true;
        // An object may be on its way: nobody waits for the thread. What it had in hand is sent again.
        self.state.1.notify_all();
    }
}

struct Work {
    shared: Arc<Shared>,
    depot: Arc<dyn Depot>,
    copying: Copying,
    taken: Taken,
    /// As much of it as stands in the file.
    written: Taken,
    /// When the open segment was begun, as far as is known here.
    opened: Instant,
    /// When a checkpoint was last copied.
    checked: Option<Instant>,
}

impl Work {
    async fn run(&mut self, state: &(Mutex<State>, Condvar)) {
        let mut wait = FIRST_WAIT;
        loop {
            let done = self.round(state).await;
            let pause = match done {
                Ok(()) => {
                    wait = FIRST_WAIT;
                    EVERY
                }
                Err(_) => {
                    let pause = wait;
                    wait = (wait * 2).min(LAST_WAIT);
                    pause
                }
            };
            let mut held = state.0.lock();
            match done {
                Ok(()) => {
                    if held.failing_since.take().is_some() {
                        tracing::info!("copies of the record are made again");
                    }
                    held.backlog.failing = None;
                }
                Err(why) => {
                    if held.failing_since.is_none() {
                        tracing::error!(why, "the record cannot be copied");
                    }
                    held.failing_since.get_or_insert_with(Instant::now);
                    held.backlog.failing = Some(why);
                }
            }
            let blocked = match (self.copying.on_failure, held.failing_since) {
                (OnFailure::Block(after), Some(since)) => since.elapsed() >= after,
                _ => false,
            };
            self.shared.hold_up(blocked);
            held.backlog.blocking = blocked;
            if held.stop {
                return;
            }
            state.1.wait_for(&mut held, pause);
            if held.stop {
                return;
            }
        }
    }

    /// Everything that is due; ends with the first failure.
    async fn round(&mut self, state: &(Mutex<State>, Condvar)) -> Result<(), String> {
        self.close_old_segment();
        // What a full disk did not take is not forgotten over a restart either, once there is room.
        self.write_down()?;
        let waiting = self.waiting().map_err(|error| error.to_string())?;
        {
            let mut held = state.0.lock();
            held.backlog.segments = waiting.len() as u64;
            held.backlog.bytes = waiting.iter().map(|(_, _, bytes)| bytes).sum();
            held.backlog.checkpoint = self.taken.checkpoint;
        }
        for (number, path, _) in waiting {
            let bytes = fs::read(&path).map_err(|error| error.to_string())?;
            let length = bytes.len() as u64;
            let key = format!("segments/{number:08}.wal");
            self.depot.put(key, bytes, true).await?;
            self.taken.segment = number;
            self.write_down()?;
            let mut held = state.0.lock();
            held.backlog.segments = held.backlog.segments.saturating_sub(1);
            held.backlog.bytes = held.backlog.bytes.saturating_sub(length);
            if held.stop {
                return Ok(());
            }
        }
        self.keys().await?;
        self.checkpoint().await?;
        state.0.lock().backlog.checkpoint = self.taken.checkpoint;
        Ok(())
    }

    /// Segments that are closed and not taken yet.
    fn waiting(&self) -> Result<Vec<(u64, PathBuf, u64)>, Error> {
        let current = self.shared.inner.lock().wal.segment;
        let all = segment::list(&self.shared.settings.dir)?;
        let closed = all
            .into_iter()
            .filter(|(number, _)| *number < current && *number > self.taken.segment);
        Ok(closed
            .map(|(number, path)| {
                let bytes = fs::metadata(&path).map_or(0, |file| file.len());
                (number, path, bytes)
            })
            .collect())
    }

    fn close_old_segment(&mut self) {
        let begun = self.shared.inner.lock().wal.begun.unwrap_or(self.opened);
        let due = begun.elapsed() >= self.copying.segment_every;
        if due && self.shared.close_segment().is_err() {
            tracing::error!("a segment could not be closed early");
        }
        self.shared.wake.notify_one();
    }

    /// The wrapped keys, whenever their file has changed.
    async fn keys(&mut self) -> Result<(), String> {
        let path = payloads::path_of(&self.shared.settings.dir);
        let Ok(file) = fs::metadata(&path) else {
            return Ok(());
        };
        use std::os::unix::fs::MetadataExt as _;
        let now = (
            file.len(),
            file.mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(file.mtime_nsec()),
        );
        if now == self.taken.keys {
            return Ok(());
        }
        let bytes = fs::read(&path).map_err(|error| error.to_string())?;
        self.depot
            .put("payload-keys".to_owned(), bytes, false)
            .await?;
        self.taken.keys = now;
        self.write_down()
    }

    async fn checkpoint(&mut self) -> Result<(), String> {
        let due = self
            .checked
            .is_none_or(|at| at.elapsed() >= self.copying.checkpoint_every);
        if !due {
            return Ok(());
        }
        let dir = &self.shared.settings.dir;
        let latest = note::last_of(dir, self.shared.key.public());
        let latest = latest.map_err(|error| error.to_string())?;
        // Right after the start there is none yet: it is not waited a minute for.
        let Some((checkpoint, note)) = latest else {
            return Ok(());
        };
        if checkpoint.number > self.taken.checkpoint {
            let key = format!("checkpoints/{:011}", checkpoint.number);
            self.depot.put(key, note.into_bytes(), true).await?;
            self.taken.checkpoint = checkpoint.number;
            self.write_down()?;
        }
        self.checked = Some(Instant::now());
        Ok(())
    }

    fn write_down(&mut self) -> Result<(), String> {
        if self.taken == self.written {
            return Ok(());
        }
        let written = self.taken.write(&self.shared.settings.dir);
        written.map_err(|error| format!("write down what was copied: {error}"))?;
        self.written = self.taken.clone();
        Ok(())
    }
}

impl Taken {
    fn path(dir: &Path) -> PathBuf {
        dir.join("copies.json")
    }

    /// What cannot be read is sent again.
    fn read(dir: &Path) -> Self {
        match fs::read(Self::path(dir)) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "what was copied is not known: everything is sent again");
                Self::default()
            }),
            Err(_) => Self::default(),
        }
    }

    fn write(&self, dir: &Path) -> io::Result<()> {
        aside::replace(&Self::path(dir), &serde_json::to_vec(self)?)
    }
}
