//! Sinks: what happens, told to whoever collects it, as OCSF events in their masked form. Each sink follows the log on a
//! thread of its own from a cursor that is moved only after the collector has taken a batch: everything arrives at least
//! once, also over restarts of either side; a batch may arrive twice, and events have ids to tell by.
//!
//! Refuses to hold anything up: sessions do not wait for a sink, the log is the queue, and how far a sink is behind is told.

mod heard;
mod http;
mod syslog;

pub use http::{Http, Otlp, Token};
pub use syslog::Syslog;

use crate::aside;
use crate::error::Error;
use crate::export;
use crate::frame::Frame;
use crate::journal::{Journal, Shared};
use crate::payloads::PayloadKeys;
use crate::read::{ReadEntry, Reader};
use crate::segment::Segment;
use crate::tail::{Place, Tail};
use crate::whole::Wholes;
use crate::{NODE, segment};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use portcullis_gate::{BoxFuture, EntryKind};
use portcullis_model::{Timestamp, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One event on its way.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The number of the entry in the log: with it a collector tells a second arrival from a first.
    pub leaf: u64,
    /// The event.
    pub ocsf: Value,
}

/// A batch was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// So many of its events the collector refuses for good: they are not sent again.
    pub refused: u64,
    /// What it says of that, safe to show.
    pub why: String,
}

/// A batch was not taken: it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untaken {
    /// Why.
    pub why: String,
    /// How long the collector wants to be left alone.
    pub after: Option<Duration>,
}

impl From<String> for Untaken {
    fn from(why: String) -> Self {
        Self { why, after: None }
    }
}

/// Somewhere that events are sent to.
pub trait Deliver: Send + Sync {
    /// Sends a batch; it is taken when this returns well.
    fn deliver<'a>(&'a self, batch: &'a [Event]) -> BoxFuture<'a, Result<Taken, Untaken>>;
}

/// Whose an event is, or nothing.
fn user(ocsf: &Value) -> &str {
    let places = ["/actor/user/name", "/user/name"].into_iter();
    let mut names = places.filter_map(|at| ocsf.pointer(at).and_then(Value::as_str));
    names.next().unwrap_or_default()
}

/// After a failure it waits so long, and twice as long after the next; or as long as the collector asks for, where that is
/// longer. No collector keeps it away for more than the last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(200);

/// How a sink is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Entries that it has not seen yet.
    pub behind: u64,
    /// What keeps it from going on, if anything does.
    pub failing: Option<String>,
    /// What has to be known about it: its cursor could not be read, and it began anew; or the collector refuses events for
    /// good.
    pub remark: Option<String>,
}

#[derive(Default)]
struct State {
    leaf: u64,
    failing: Option<String>,
    remark: Option<String>,
    stop: bool,
}

/// Feeds one sink until it is dropped.
pub struct Sink {
    name: String,
    shared: Arc<Shared>,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Sink {
    /// Starts the thread. `name` names the cursor's file: letters, digits and dashes.
    ///
    /// # Errors
    /// When there can be no thread, or the name is none.
    pub fn start(journal: &Journal, name: &str, to: Arc<dyn Deliver>) -> io::Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = journal.shared.clone();
        let (theirs, own, file) = (
            state.clone(),
            shared.clone(),
            cursor_path(journal.dir(), name),
        );
        // What waits is told from the start, also where the collector does not answer.
        if let Cursor::At(place) = read_cursor(&file) {
            state.0.lock().leaf = place.leaf;
        }
        let named = name.to_owned();
        std::thread::Builder::new()
            .name(format!("sink-{name}"))
            .spawn(move || {
                let _ = rustix::process::nice(5);
                feed(&own, &named, &file, &*to, &theirs, &runtime);
            })?;
        Ok(Self {
            name: name.to_owned(),
            shared,
            state,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is doing.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let written = self.shared.inner.lock().wal.tree.size();
        let state = self.state.0.lock();
        Standing {
            behind: written.saturating_sub(state.leaf),
            failing: state.failing.clone(),
            remark: state.remark.clone(),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.state.0.lock().stop = true;
        // A collector may take its time: nobody waits for the thread. What it had in hand is sent again.
        self.state.1.notify_all();
    }
}

fn cursor_path(dir: &Path, name: &str) -> PathBuf {
    dir.join("sinks").join(format!("{name}.cursor"))
}

/// The thread.
fn feed(
    shared: &Shared,
    name: &str,
    file: &Path,
    to: &dyn Deliver,
    state: &(Mutex<State>, Condvar),
    runtime: &tokio::runtime::Runtime,
) {
    let mut stream: Option<Stream> = None;
    let mut wait = FIRST_WAIT;
    loop {
        let done = round(shared, file, to, runtime, &mut stream);
        let mut held = state.0.lock();
        let pause = match done {
            Ok((leaf, more, remark)) => {
                held.leaf = leaf;
                held.remark = remark.or(held.remark.take());
                if held.failing.take().is_some() {
                    tracing::info!(sink = name, "the sink takes events again");
                }
                wait = FIRST_WAIT;
                if more { Duration::ZERO } else { EVERY }
            }
            Err(Untaken { why, after }) => {
                if held.failing.is_none() {
                    tracing::error!(sink = name, why, "the sink does not take events");
                }
                held.failing = Some(why);
                let pause = after.map_or(wait, |after| wait.max(after).min(LAST_WAIT));
                wait = (wait * 2).min(LAST_WAIT);
                pause
            }
        };
        if !held.stop && !pause.is_zero() {
            state.1.wait_for(&mut held, pause);
        }
        if held.stop {
            return;
        }
    }
}

/// One batch. Returns where the sink stands, whether more is waiting, and what has to be said.
fn round(
    shared: &Shared,
    file: &Path,
    to: &dyn Deliver,
    runtime: &tokio::runtime::Runtime,
    stream: &mut Option<Stream>,
) -> Result<(u64, bool, Option<String>), Untaken> {
    let mut following = match stream.take() {
        Some(following) => following,
        None => Stream::open(shared, file).map_err(|error| error.to_string())?,
    };
    // What cannot be read is read anew from the cursor: it may have been half a batch.
    following.fill().map_err(|error| error.to_string())?;
    // What was read and not taken stays at hand: whoever fails is not an occasion to read the whole record again.
    let following = stream.insert(following);
    if !following.untaken.is_empty() {
        let sent = runtime.block_on(async {
            let delivery = to.deliver(&following.untaken);
            tokio::time::timeout(limits::SINK_DELIVERY_MAX, delivery).await
        });
        let taken = sent.map_err(|_| "the collector did not answer in time".to_owned())??;
        following.untaken.clear();
        following.mark(&taken);
    }
    let place = following.tail.place();
    if place != following.written {
        write_cursor(file, place).map_err(|error| format!("write the cursor: {error}"))?;
        following.written = place;
    }
    let more = following.tail.had_enough();
    Ok((place.leaf, more, following.remark.take()))
}

/// The log as events, from a place on.
struct Stream {
    tail: Tail,
    /// What was read up to the tail's place and not taken yet.
    untaken: Vec<Event>,
    /// Where the cursor stands.
    written: Place,
    /// What has to be said once it goes on.
    remark: Option<String>,
    /// Events that the collector has refused for good.
    refused: u64,
    keys: PayloadKeys,
    wholes: Wholes,
    actors: export::OcsfActors,
}

impl Stream {
    fn open(shared: &Shared, file: &Path) -> Result<Self, Error> {
        let dir = &shared.settings.dir;
        let (place, remark) = match read_cursor(file) {
            Cursor::At(place) => (place, None),
            Cursor::None => {
                let end = end_of(dir)?;
                write_cursor(file, end).map_err(Error::Cursor)?;
                (end, None)
            }
            Cursor::Broken => {
                let remark = "the cursor could not be read: everything is sent again";
                tracing::warn!(file = %file.display(), "{remark}");
                (Place::default(), Some(remark.to_owned()))
            }
        };
        let mut actors = export::OcsfActors::default();
        // Who the sessions belong to that were open there.
        if place.leaf > 0 {
            Reader::open(dir)?.all().visit(|frame, leaf| {
                let ends = [EntryKind::Admit as u8, EntryKind::End as u8];
                if leaf < place.leaf && frame.session != NODE && ends.contains(&frame.kind) {
                    let payload = Bytes::copy_from_slice(frame.payload);
                    export::ocsf_event(&entry(frame, leaf, Ok(payload)), &mut actors);
                }
            })?;
        }
        Ok(Self {
            tail: Tail::new(dir, place),
            untaken: Vec::new(),
            written: place,
            remark,
            refused: 0,
            keys: PayloadKeys::of(dir, Vec::new())?,
            wholes: Wholes::default(),
            actors,
        })
    }

    /// Reads on once everything that was read is taken, and written down as taken.
    fn fill(&mut self) -> Result<(), Error> {
        if self.untaken.is_empty() && self.tail.place() == self.written {
            self.untaken = self.next()?;
        }
        Ok(())
    }

    /// What is refused for good is said: nobody else has it from here.
    fn mark(&mut self, taken: &Taken) {
        if taken.refused > 0 {
            let (refused, why) = (taken.refused, taken.why.as_str());
            tracing::error!(refused, why, "the collector refuses some events for good");
            self.refused = self.refused.saturating_add(refused);
            self.remark = Some(format!(
                "the collector refuses events for good, {} so far: {why}",
                self.refused
            ));
        }
    }

    fn next(&mut self) -> Result<Vec<Event>, Error> {
        let mut batch = Vec::new();
        let (keys, wholes, actors) = (&self.keys, &mut self.wholes, &mut self.actors);
        let read = self.tail.read(limits::SINK_BATCH_BYTES, |frame, leaf| {
            if is_bytes(frame) {
                return Ok(());
            }
            let payload = keys.read(frame).map(|payload| {
                let whole = wholes.see(frame.session, frame.sequence, frame.kind, payload.clone());
                whole.unwrap_or(payload)
            });
            let event = export::ocsf_event(&entry(frame, leaf, payload), actors);
            batch.extend(event.map(|ocsf| Event {
                at: frame.at,
                leaf,
                ocsf,
            }));
            Ok(())
        });
        match read {
            // The log is another one: a copy was put in its place. Nothing is left out.
            Err(Error::Another) => {
                tracing::warn!("a sink's cursor is of another record: it begins anew");
                self.tail = Tail::new(self.tail.dir(), Place::default());
                self.actors = export::OcsfActors::default();
                self.next()
            }
            Err(error) => Err(error),
            Ok(_) => Ok(batch),
        }
    }
}

/// Entries that only carry bytes are no events.
fn is_bytes(frame: &Frame<'_>) -> bool {
    let kinds = [
        EntryKind::Release,
        EntryKind::Upload,
        EntryKind::Diagnostic,
        EntryKind::Request,
        EntryKind::House,
        EntryKind::Masked,
    ];
    kinds.iter().any(|kind| *kind as u8 == frame.kind)
}

fn entry(
    frame: &Frame<'_>,
    leaf: u64,
    payload: Result<Bytes, crate::payloads::Withheld>,
) -> ReadEntry {
    ReadEntry {
        session: frame.session,
        sequence: frame.sequence,
        at: frame.at,
        stream: frame.stream,
        kind: frame.kind,
        withheld: payload.as_ref().err().copied(),
        payload: payload.unwrap_or_default(),
        leaf,
    }
}

/// Where the log ends: a sink that was never there begins with what comes.
fn end_of(dir: &Path) -> Result<Place, Error> {
    let Some((number, path)) = segment::list(dir)?.pop() else {
        return Ok(Place::default());
    };
    let header = match Segment::read(&path) {
        Ok(segment) => segment.header,
        Err(Error::SegmentHeader(_)) => return Ok(Place::default()),
        Err(error) => return Err(error),
    };
    let mut tail = Tail::new(
        dir,
        Place {
            segment: number,
            leaf: header.tree.size(),
            mark: 0,
        },
    );
    while tail.read(usize::MAX, |_, _| Ok(()))? > 0 {}
    Ok(tail.place())
}

/// The cursor as it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    segment: u64,
    leaf: u64,
    mark: u32,
    /// Over the others: half a file is no cursor.
    sum: u32,
}

enum Cursor {
    None,
    At(Place),
    Broken,
}

fn sum(place: Place) -> u32 {
    crc32c::crc32c(format!("{} {} {}", place.segment, place.leaf, place.mark).as_bytes())
}

fn read_cursor(file: &Path) -> Cursor {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Cursor::None,
        Err(_) => return Cursor::Broken,
    };
    let Ok(written) = serde_json::from_slice::<Written>(&bytes) else {
        return Cursor::Broken;
    };
    let place = Place {
        segment: written.segment,
        leaf: written.leaf,
        mark: written.mark,
    };
    match sum(place) == written.sum {
        true => Cursor::At(place),
        false => Cursor::Broken,
    }
}

fn write_cursor(file: &Path, place: Place) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let written = Written {
        segment: place.segment,
        leaf: place.leaf,
        mark: place.mark,
        sum: sum(place),
    };
    aside::replace(file, &serde_json::to_vec(&written)?)
}

#[cfg(test)]
mod tests;
