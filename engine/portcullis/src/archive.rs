//! The record as the console reads it: lists from the index, one session from its own entries. Reading
//! blocks, so it is done on threads for that, and only so many at a time. Refuses to pass on foreign text unescaped, and
//! to read on for whoever has gone.

mod call;
mod events;
mod film;
#[cfg(test)]
mod long;
#[cfg(test)]
mod pages;
mod sessions;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use steps::{Steps as StepMaker, text};

use portcullis_console::Refused;
use portcullis_console::archive::{
    Archive, Ask, EventAsk, Events, Fact, Found, Judged, MayRead, Recorded, Reel, Said, Shot,
    Steps, Trial, Volume,
};
use portcullis_gate::{BoxFuture, EntryKind};
use portcullis_journal::index::{Index, IndexError};
use portcullis_journal::{Decisions, Entries, Error, Reader, RecordedDecision};
use portcullis_model::{Principal, Reason, SessionId, escape_line, limits};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc};

/// Shots that wait for whoever plays them.
const SHOTS: usize = 256;

/// Entries that are read of a session for what it is, whatever its page needs: however long it is, its first page is there at
/// once.
const GLANCE_ENTRIES_MAX: u32 = 10_000;

/// The record.
pub struct Shelf {
    dir: PathBuf,
    index: Arc<Index>,
    reading: Arc<Semaphore>,
    playing: Arc<Semaphore>,
}

/// How long a read goes on: until its time is up, or whoever asked has gone.
struct Patience {
    until: Instant,
    gone: Arc<AtomicBool>,
}

impl Patience {
    /// Refuses to read on once it is over.
    fn ask(&self) -> Result<(), Refused> {
        if self.gone.load(Ordering::Relaxed) || Instant::now() >= self.until {
            return Err(Refused::new(503, "this takes too long; nothing was shown")
                .hint("`portcullis sessions replay` reads the record without a bound on time"));
        }
        Ok(())
    }
}

/// Whoever asked: dropped with the request.
struct Asker(Arc<AtomicBool>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Shelf {
    /// The record in this folder, and its index.
    #[must_use]
    pub fn new(dir: PathBuf, index: Arc<Index>) -> Arc<Self> {
        Arc::new(Self {
            dir,
            index,
            reading: Arc::new(Semaphore::new(limits::ARCHIVE_READERS_MAX)),
            playing: Arc::new(Semaphore::new(limits::FILMS_MAX)),
        })
    }

    /// The entries of one session.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn entries(&self, id: SessionId) -> Result<Entries, Refused> {
        let reader = Reader::open(&self.dir).map_err(|error| broken(&error))?;
        // Where the index knows where it begins, nothing before is read.
        Ok(match self.index.first_leaf(id) {
            Ok(Some(leaf)) => reader.session_from(id, leaf),
            Ok(None) | Err(_) => reader.session(id),
        })
    }

    /// Reads on a thread that may block, no longer than an answer may take to begin.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self, &Patience) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let busy = || Refused::new(503, "the record cannot be read now");
        let asker = Asker(Arc::default());
        let patience = Patience {
            until: Instant::now() + limits::HANDSHAKE_MAX,
            gone: Arc::clone(&asker.0),
        };
        let place = Arc::clone(&self.reading).acquire_owned().await;
        let place = place.map_err(|_| busy())?;
        let shelf = Self {
            dir: self.dir.clone(),
            index: Arc::clone(&self.index),
            reading: Arc::clone(&self.reading),
            playing: Arc::clone(&self.playing),
        };
        let read = move || {
            let _place = place;
            patience.ask()?;
            read(&shelf, &patience)
        };
        let read = tokio::task::spawn_blocking(read).await;
        drop(asker);
        read.map_err(|_| busy())?
    }
}

/// What the record says when it cannot be read. The error's own words name files: they are for the log.
fn broken(error: &Error) -> Refused {
    tracing::error!(
        error = crate::cli::explain(error),
        "the console cannot read the record"
    );
    Refused::new(503, "the record cannot be read").hint("`portcullis journal verify` says why")
}

/// What the index says when it cannot be asked.
fn unindexed(error: &IndexError) -> Refused {
    match error {
        IndexError::Cursor => Refused::new(400, "`after` is no place in a list")
            .hint("take `next` of the page before, as it is"),
        IndexError::Late => Refused::new(503, "this takes too long; nothing was shown")
            .hint("narrow it by time, name or target"),
        IndexError::Missing | IndexError::Version | IndexError::Foreign => {
            Refused::new(503, "the index of the record is not there yet").hint(
                "wait until it is built; `journal: { index: false }` would switch it off, and the lists with it",
            )
        }
        other => {
            tracing::error!(error = crate::cli::explain(other), "the console cannot ask the index");
            Refused::new(503, "the index of the record cannot be asked")
                .hint("`portcullis journal index --rebuild` makes it anew")
        }
    }
}

impl Archive for Shelf {
    fn sessions<'a>(
        &'a self,
        ask: &'a Ask,
        whose: Option<&'a Principal>,
    ) -> BoxFuture<'a, Result<Found, Refused>> {
        let (ask, whose) = (ask.clone(), whose.cloned());
        Box::pin(self.read(move |shelf, _| sessions::find(shelf, &ask, whose.as_ref())))
    }

    fn row(&self, id: SessionId) -> BoxFuture<'_, Result<Option<Recorded>, Refused>> {
        Box::pin(self.read(move |shelf, _| sessions::one(shelf, id)))
    }

    fn session(&self, id: SessionId) -> BoxFuture<'_, Result<Option<Volume>, Refused>> {
        Box::pin(self.read(move |shelf, patience| {
            let opened = opened(shelf, id, |_| None, patience)?;
            Ok(opened.map(|(volume, _)| volume))
        }))
    }

    fn opened(
        &self,
        id: SessionId,
        may: MayRead,
        after: u64,
        most: u32,
    ) -> BoxFuture<'_, Result<Option<(Volume, Option<Steps>)>, Refused>> {
        let leaf = move |session: &Recorded| may(session).then(|| steps::Leaf::new(after, most));
        Box::pin(self.read(move |shelf, patience| opened(shelf, id, leaf, patience)))
    }

    fn film(
        &self,
        id: SessionId,
        stream: Option<u32>,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<Shot>, Refused>> {
        Box::pin(async move {
            let place = Arc::clone(&self.playing).try_acquire_owned().map_err(|_| {
                Refused::new(429, "too many films are being played (console/films)")
                    .hint("try again in a while")
            })?;
            let entries = self.read(move |shelf, _| shelf.entries(id)).await?;
            let (sender, receiver) = mpsc::channel(SHOTS);
            tokio::task::spawn_blocking(move || {
                let _place = place;
                film::play(entries, stream, &sender, limits::FILM_STALL_MAX);
            });
            Ok(receiver)
        })
    }

    fn events<'a>(&'a self, ask: &'a EventAsk) -> BoxFuture<'a, Result<Events, Refused>> {
        let ask = ask.clone();
        Box::pin(self.read(move |shelf, patience| events::find(shelf, &ask, patience)))
    }

    fn decision(&self, id: SessionId, sequence: u64) -> BoxFuture<'_, Result<Judged, Refused>> {
        Box::pin(self.read(move |shelf, patience| {
            for decision in Decisions::new(shelf.entries(id)?) {
                patience.ask()?;
                let decision = decision.map_err(|error| broken(&error))?;
                if decision.sequence == sequence {
                    return Ok(judged(&decision));
                }
            }
            Err(Refused::new(404, "there is no decision at this entry")
                .hint("the page of the session names those that there are"))
        }))
    }

    fn trial(&self) -> BoxFuture<'_, Result<Trial, Refused>> {
        Box::pin(self.read(events::trial))
    }
}

fn judged(decision: &RecordedDecision) -> Judged {
    let said = |reasons: &[Reason]| reasons.iter().map(said).collect();
    Judged {
        session: decision.session.to_string(),
        sequence: decision.sequence,
        at: decision.at.rfc3339(),
        stage: match decision.stage {
            portcullis_journal::DecisionStage::Connect => "connect".to_owned(),
            portcullis_journal::DecisionStage::Command => "command".to_owned(),
        },
        verdict: escape_line(&decision.verdict),
        rule: escape_line(&decision.rule),
        reasons: said(&decision.reasons),
        would: said(&decision.would),
        revision: escape_line(&decision.revision),
        input: decision.input.clone(),
    }
}

/// What a rule said, escaped.
pub(crate) fn said(reason: &Reason) -> Said {
    Said {
        pack: escape_line(&reason.pack),
        rule: escape_line(&reason.rule),
        msg: escape_line(&reason.msg),
    }
}

/// One session and, where `leaf` gives a page for it, what happened in it: its entries are read once for both, and not
/// to the end of a long one.
fn opened(
    shelf: &Shelf,
    id: SessionId,
    leaf: impl FnOnce(&Recorded) -> Option<steps::Leaf>,
    patience: &Patience,
) -> Result<Option<(Volume, Option<Steps>)>, Refused> {
    let Some(session) = sessions::one(shelf, id)? else {
        return Ok(None);
    };
    let mut leaf = leaf(&session);
    let mut volume = Volume {
        session,
        ..Volume::default()
    };
    let mut read = 0;
    for entry in shelf.entries(id)? {
        patience.ask()?;
        let entry = entry.map_err(|error| broken(&error))?;
        if let Some(leaf) = &mut leaf {
            leaf.take(&entry);
        }
        read += 1;
        // Terminals that are opened later stand on the later pages.
        if read >= GLANCE_ENTRIES_MAX && leaf.as_ref().is_none_or(steps::Leaf::is_full) {
            break;
        }
        if entry.kind == EntryKind::End as u8 {
            break;
        }
        let json = || serde_json::from_slice::<Value>(&entry.payload).unwrap_or_default();
        if entry.kind == EntryKind::Admit as u8 {
            volume.facts = admitted(&json());
        }
        if entry.kind == EntryKind::Opened as u8 {
            let json = json();
            let terminal = json
                .pointer("/stream/terminal")
                .is_some_and(Value::is_object);
            if terminal && volume.terminals.len() < limits::CONSOLE_TERMINALS_MAX {
                volume.terminals.push(Reel {
                    stream: entry.stream.0,
                    title: format!("terminal {}", entry.stream.0),
                });
            }
        }
    }
    Ok(Some((volume, leaf.map(steps::Leaf::done))))
}

fn admitted(json: &Value) -> Vec<Fact> {
    let session = json.get("session").unwrap_or(json);
    let mut facts = Vec::new();
    let mut tell = |name: &str, value: String| {
        if !value.is_empty() {
            facts.push(Fact::new(name, value));
        }
    };
    tell("Kind", text(session, "/identity/kind"));
    let groups = session
        .pointer("/identity/groups")
        .and_then(Value::as_array);
    let groups: Vec<_> = groups
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    tell("Groups", escape_line(&groups.join(", ")));
    let actors = session
        .pointer("/identity/actors")
        .and_then(Value::as_array);
    for actor in actors.into_iter().flatten() {
        let (subject, issuer) = (text(actor, "/subject"), text(actor, "/issuer"));
        tell("Acting through", format!("{subject} at {issuer}"));
    }
    tell("Login", text(session, "/login"));
    tell("From", text(session, "/client/address"));
    tell("Program", text(session, "/client/program"));
    tell("Because", text(session, "/reason"));
    tell("Ticket", text(session, "/ticket"));
    tell("Admitted by", text(json, "/connect/rule"));
    facts
}
