//! Threads with big stacks that parse. A bounded queue in front, a deadline on each piece of work.
//!
//! C cannot be stopped: a thread that is late keeps its stack and its place until it comes back, and is
//! replaced up to [`REPLACEMENTS_MAX`] times meanwhile. When all are late, nobody gets an answer: closed.
//!
//! Refuses: an answer that comes too late is dropped, a panic is a fault, a full queue is a fault.

use crate::STACK_BYTES;
use crate::facts::{self, Examined};
use parking_lot::{Condvar, Mutex};
use portcullis_model::Fault;
use portcullis_model::fault::Blame;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Pieces of work that wait, for each thread.
pub const QUEUE_PER_THREAD: usize = 64;
/// Threads beyond the configured number while others are stuck in C.
pub const REPLACEMENTS_MAX: usize = 4;

/// Where the answer arrives.
pub(crate) type Answer = oneshot::Receiver<Result<Examined, Fault>>;

/// What a thread runs; tests put something slow or broken in its place.
pub(crate) type Work = fn(&str) -> Examined;

pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    threads: usize,
    deadline: Duration,
    work: Work,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: HashMap<u64, Running>,
    next: u64,
    alive: usize,
    stuck: usize,
    closed: bool,
}

struct Running {
    since: Instant,
    given_up: bool,
}

struct Job {
    id: u64,
    text: Arc<str>,
    answer: oneshot::Sender<Result<Examined, Fault>>,
    /// Freed when the work is over, however long the client waits for it.
    _charge: OwnedSemaphorePermit,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(threads: usize, deadline: Duration, work: Work) -> std::io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared {
                threads: threads.max(1),
                deadline,
                work,
                state: Mutex::default(),
                wake: Condvar::new(),
            }),
        };
        for _ in 0..pool.shared.threads {
            spawn(&pool.shared, &mut pool.shared.state.lock())?;
        }
        Ok(pool)
    }

    /// Puts a text in the queue.
    pub(crate) fn submit(
        &self,
        text: Arc<str>,
        charge: OwnedSemaphorePermit,
    ) -> Result<(u64, Answer), Fault> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.shared.state.lock();
        self.shared.replace_late(&mut state);
        state.queue.retain(|job| !job.answer.is_closed());
        if state.queue.len() >= self.shared.threads * QUEUE_PER_THREAD {
            return Err(Fault::bare(
                Blame::Gateway,
                "examine a statement: the queue is full",
            ));
        }
        let id = state.next;
        state.next += 1;
        state.queue.push_back(Job {
            id,
            text,
            answer,
            _charge: charge,
        });
        drop(state);
        self.shared.wake.notify_one();
        Ok((id, receiver))
    }

    /// Somebody has waited in vain: the thread that works on it, if one does, is replaced.
    pub(crate) fn late(&self, id: u64) {
        let mut state = self.shared.state.lock();
        if let Some(running) = state.running.get_mut(&id)
            && !std::mem::replace(&mut running.given_up, true)
        {
            state.stuck += 1;
        }
        self.shared.replace_late(&mut state);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn replace_late(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        let mut newly = 0;
        for running in state.running.values_mut().filter(|r| !r.given_up) {
            if now.saturating_duration_since(running.since) >= self.deadline {
                running.given_up = true;
                newly += 1;
            }
        }
        state.stuck += newly;
        while state.alive.saturating_sub(state.stuck) < self.threads
            && state.alive < self.threads + REPLACEMENTS_MAX
        {
            if spawn(self, state).is_err() {
                break;
            }
        }
    }

    /// Works until there is nothing left to do for this thread.
    fn serve(self: &Arc<Self>) {
        while let Some(job) = self.take() {
            let work = self.work;
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&job.text))).map_err(|_| {
                Fault::bare(Blame::Gateway, "examine a statement: the parser panicked")
            });
            // Nobody may wait any more: then the answer is dropped here.
            let _ = job.answer.send(outcome);
            if !self.back(job.id) {
                return;
            }
        }
    }

    /// The next piece of work somebody still waits for; none when the pool is closed.
    fn take(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                state.alive -= 1;
                return None;
            }
            match state.queue.pop_front() {
                Some(job) if job.answer.is_closed() => {}
                Some(job) => {
                    let running = Running {
                        since: Instant::now(),
                        given_up: false,
                    };
                    state.running.insert(job.id, running);
                    return Some(job);
                }
                None => self.wake.wait(&mut state),
            }
        }
    }

    /// True when the thread is still wanted.
    fn back(&self, id: u64) -> bool {
        let mut state = self.state.lock();
        if state.running.remove(&id).is_some_and(|r| r.given_up) {
            state.stuck = state.stuck.saturating_sub(1);
        }
        let wanted = state.alive.saturating_sub(state.stuck) <= self.threads;
        if !wanted {
            state.alive -= 1;
        }
        wanted
    }
}

fn spawn(shared: &Arc<Shared>, state: &mut State) -> std::io::Result<()> {
    let mine = shared.clone();
    std::thread::Builder::new()
        .name("sql".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || mine.serve())?;
    state.alive += 1;
    Ok(())
}

/// What the pool runs in earnest.
pub(crate) fn extract(text: &str) -> Examined {
    facts::examine(text)
}
