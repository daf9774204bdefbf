//! How long what was said is kept: by age and by size, but for what is under a legal hold. What goes are payloads; who
//! came when, to what, how it ended and who approved stays, and so does every hash: `verify` proves the record as before,
//! and names the rule and the time of each shredding.
//!
//! Shredding is written down and signed first, then the sessions' keys are destroyed, then their payloads are dropped
//! from segments that are closed (one that holds such words in the clear is closed for that): in the place of each
//! stands the head of the chain after the entry it was. A crash in between is made good by the next run. Refuses
//! sessions that have not ended under a checkpoint, and held ones.

use crate::aside;
use crate::error::Error;
use crate::frame::{self, Frame};
use crate::holds::{Hold, Holds};
use crate::journal::{Journal, Shared};
use crate::payloads;
use crate::segment::{self, Segment};
use crate::tree::Hash;
use crate::wal::Unwritten;
use crate::{NODE, Reader};
use portcullis_gate::EntryKind;
use portcullis_model::{SessionId, Timestamp, limits};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

/// How long payloads are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// So long after a session has ended.
    pub age: Option<Duration>,
    /// So many bytes of log; then the oldest sessions go first.
    pub bytes: Option<u64>,
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retained {
    /// Sessions whose payloads went.
    pub shredded: u64,
    /// Sessions that a hold kept.
    pub held: u64,
    /// Bytes that the log became shorter by.
    pub freed: u64,
}

/// A session as retention sees it.
struct Aged {
    id: SessionId,
    identity: String,
    subject: String,
    /// Subjects of those who acted on its behalf.
    actors: Vec<String>,
    target: String,
    started: Timestamp,
    ended: Option<Timestamp>,
    signed: bool,
    /// Bytes of payloads that are still there.
    bytes: u64,
    /// The last entry whose payload stands there in the clear: destroying a key does not reach it.
    clear: Option<u64>,
}

/// What a walk over the log finds.
struct Seen {
    sessions: Vec<Aged>,
    /// Sessions whose shredding is on record.
    named: HashSet<SessionId>,
    bytes: u64,
}

impl Journal {
    /// Shreds what is older, or more, than `rules` keep.
    ///
    /// # Errors
    /// When the record cannot be read or written, or what is to be done cannot be recorded first.
    pub fn retain(&self, rules: &Retention, now: Timestamp) -> Result<Retained, Error> {
        let dir = self.dir().to_owned();
        let signed = self.shared.progress.borrow().signed;
        self.shred(look(&dir, signed)?, rules, now)
    }

    /// Shreds of what was seen what is older, or more, than `rules` keep.
    fn shred(&self, seen: Seen, rules: &Retention, now: Timestamp) -> Result<Retained, Error> {
        let mut retained = Retained::default();
        let (chosen, held) = {
            // A hold that was added since the look was answered as in force; none is added until it is said what goes.
            let _choosing = self.shared.choosing.lock();
            let holds = Holds::of(self.dir())?;
            let (chosen, held) = choose(&seen, &holds, rules, now);
            let close = self.is_in_the_way(&seen, &chosen)?;
            if close {
                self.close_segment()?;
            }
            self.announce(&chosen, rules)?;
            if close {
                self.close_segment()?;
            }
            (chosen, held)
        };
        retained.held = held;
        retained.shredded = chosen.len() as u64;
        let mut gone = seen.named;
        gone.extend(chosen.iter().map(|(id, _)| *id));
        if gone.is_empty() {
            return Ok(retained);
        }
        self.shared.wait_signed()?;
        // A key that cannot be found does not keep what it opens from being dropped here.
        let destroyed = payloads::destroy(self.dir(), &gone);
        retained.freed = compact(&self.shared, &gone)?;
        destroyed?;
        Ok(retained)
    }

    /// True when words that go stand, in the clear, where [`compact`] does not reach: in the segment that is written, or in
    /// the one before it. A gateway with little to do writes one for years.
    fn is_in_the_way(&self, seen: &Seen, chosen: &[Chosen]) -> Result<bool, Error> {
        let chosen: HashSet<SessionId> = chosen.iter().map(|(id, _)| *id).collect();
        let goes = |s: &&Aged| seen.named.contains(&s.id) || chosen.contains(&s.id);
        let last = seen.sessions.iter().filter(goes).filter_map(|s| s.clear);
        let Some(last) = last.max() else {
            return Ok(false);
        };
        let current = self.shared.inner.lock().wal.segment;
        let all = segment::list(self.dir())?;
        let before = all.iter().find(|(number, _)| number + 1 >= current);
        Ok(match before {
            Some((_, path)) => last >= segment::header_of(path)?.tree.size(),
            None => false,
        })
    }

    /// Closes the segment with words that go. A full disk has no room for another, and the rest of the run makes some: a
    /// later one closes it.
    fn close_segment(&self) -> Result<(), Error> {
        match self.shared.close_segment() {
            Err(Unwritten::Failed(error)) => Err(Error::WriteSegment(error)),
            Err(Unwritten::Full | Unwritten::Share) => {
                tracing::warn!("no room to close a segment: words in the clear go in a later run");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Puts on record which sessions go.
    fn announce(&self, chosen: &[Chosen], rules: &Retention) -> Result<(), Error> {
        for rule in ["age", "size"] {
            let of: Vec<SessionId> = chosen
                .iter()
                .filter(|(_, why)| *why == rule)
                .map(|(id, _)| *id)
                .collect();
            for part in of.chunks(limits::SHREDDED_PER_ENTRY_MAX) {
                let detail = json!({"rule": said(rule, rules), "sessions": part});
                self.node("payloads-shredded", &detail)
                    .map_err(|_| Error::Unrecorded)?;
            }
        }
        Ok(())
    }

    /// The holds that are in force.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn holds(&self) -> Result<Vec<Hold>, Error> {
        crate::holds::in_force(self.dir())
    }
}

impl Aged {
    fn view(&self) -> crate::holds::Held<'_> {
        crate::holds::Held {
            session: self.id,
            identity: &self.identity,
            subject: &self.subject,
            actors: &self.actors,
            target: &self.target,
            started: self.started,
            ended: self.ended,
        }
    }
}

fn said(rule: &str, rules: &Retention) -> String {
    match (rule, rules.age, rules.bytes) {
        ("age", Some(age), _) => format!("age over {} s", age.as_secs()),
        (_, _, Some(bytes)) => format!("size over {bytes} bytes"),
        _ => rule.to_owned(),
    }
}

/// A session that goes, and the rule that it goes by.
type Chosen = (SessionId, &'static str);

/// Which sessions go, and how many are held.
fn choose(seen: &Seen, holds: &Holds, rules: &Retention, now: Timestamp) -> (Vec<Chosen>, u64) {
    let (mut chosen, mut held, mut left) = (Vec::new(), 0, seen.bytes);
    for session in &seen.sessions {
        let Some(ended) = session.ended.filter(|_| session.signed) else {
            continue;
        };
        let old = rules.age.is_some_and(|age| now.since(ended) > age);
        let much = rules.bytes.is_some_and(|most| left > most);
        if session.bytes == 0 || seen.named.contains(&session.id) || !(old || much) {
            continue;
        }
        if holds.keeps(&session.view()) {
            held += 1;
            continue;
        }
        left = left.saturating_sub(session.bytes);
        chosen.push((session.id, if old { "age" } else { "size" }));
    }
    (chosen, held)
}

fn look(dir: &Path, signed: u64) -> Result<Seen, Error> {
    let mut seen = Seen {
        sessions: Vec::new(),
        named: HashSet::new(),
        bytes: 0,
    };
    let mut at: HashMap<SessionId, usize> = HashMap::new();
    Reader::open(dir)?.all().visit(|frame, leaf| {
        seen.bytes += frame.bytes.len() as u64;
        if frame.session == NODE {
            seen.named.extend(named(frame.payload));
            return;
        }
        let place = *at.entry(frame.session).or_insert_with(|| {
            seen.sessions.push(Aged::new(frame));
            seen.sessions.len() - 1
        });
        let session = &mut seen.sessions[place];
        if frame.kind == EntryKind::Admit as u8 {
            session.admit(frame.payload);
        } else if frame.kind == EntryKind::End as u8 {
            session.ended = Some(frame.at);
            session.signed = leaf < signed;
        }
        if is_payload(frame) {
            session.bytes += frame.payload.len() as u64;
            if !frame.sealed {
                session.clear = Some(leaf);
            }
        }
    })?;
    Ok(seen)
}

impl Aged {
    fn new(frame: &Frame<'_>) -> Self {
        Self {
            id: frame.session,
            identity: String::new(),
            subject: String::new(),
            actors: Vec::new(),
            target: String::new(),
            started: frame.at,
            ended: None,
            signed: false,
            bytes: 0,
            clear: None,
        }
    }

    fn admit(&mut self, payload: &[u8]) {
        let json: Value = serde_json::from_slice(payload).unwrap_or_default();
        let text = |at: &str| {
            let found = json.pointer(at).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        self.identity = text("/session/identity/name");
        self.subject = text("/session/identity/principal/subject");
        self.target = text("/session/target/name");
        let actors = json.pointer("/session/identity/actors");
        let actors = actors.and_then(Value::as_array).into_iter().flatten();
        self.actors = actors
            .filter_map(|actor| Some(actor.get("subject")?.as_str()?.to_owned()))
            .collect();
    }
}

/// True for what retention drops. A husk is no shorter than its chain's head.
fn is_payload(frame: &Frame<'_>) -> bool {
    !frame.husk && may_go(frame)
}

/// True for entries whose payloads retention may ever drop.
pub(crate) fn may_go(frame: &Frame<'_>) -> bool {
    frame.session != NODE && payloads::is_speech(frame.kind)
}

/// The sessions that an entry of the node says are shredded.
pub(crate) fn named(payload: &[u8]) -> Vec<SessionId> {
    shredding(payload).map_or_else(Vec::new, |(_, sessions)| sessions)
}

/// The rule and the sessions of a shredding on record.
pub(crate) fn shredding(payload: &[u8]) -> Option<(String, Vec<SessionId>)> {
    if !payload.starts_with(b"{\"event\":\"payloads-shredded\"") {
        return None;
    }
    let json: Value = serde_json::from_slice(payload).ok()?;
    let detail = json.get("detail")?;
    let sessions = detail.get("sessions")?.as_array()?;
    let ids = sessions.iter().filter_map(Value::as_str);
    Some((
        detail.get("rule")?.as_str()?.to_owned(),
        ids.filter_map(|id| id.parse().ok()).collect(),
    ))
}

/// Drops the payloads of these sessions from every segment that is closed and signed.
fn compact(shared: &Shared, gone: &HashSet<SessionId>) -> Result<u64, Error> {
    let (dir, current) = {
        let inner = shared.inner.lock();
        (inner.wal.dir.clone(), inner.wal.segment)
    };
    let signed = shared.progress.borrow().signed;
    let mut freed = 0;
    for (number, path) in segment::list(&dir)? {
        // A start after a crash reads the last segment before the end of what is signed.
        if number + 1 >= current {
            break;
        }
        let segment = Segment::read(&path)?;
        if segment.header.tree.size() >= signed {
            break;
        }
        if let Some(shorter) = husked(&segment, gone)? {
            freed += segment.bytes.len().saturating_sub(shorter.len()) as u64;
            aside::replace_for_good(&path, &shorter).map_err(Error::WriteSegment)?;
        }
    }
    Ok(freed)
}

/// The segment without the payloads of these sessions; none when it holds none of them.
fn husked(segment: &Segment, gone: &HashSet<SessionId>) -> Result<Option<Vec<u8>>, Error> {
    let mut chains: HashMap<SessionId, Hash> = segment
        .header
        .heads
        .iter()
        .map(|(id, head)| (*id, head.hash))
        .collect();
    let mut out = segment.bytes[..segment.body].to_vec();
    let mut offset = segment.body;
    let mut changed = false;
    while let Some(frame) = segment.frame_at(offset) {
        let frame = frame.map_err(|_| Error::SegmentHeader(segment.header.segment))?;
        let before = chains.get(&frame.session).copied();
        let before = before.unwrap_or_else(|| frame::genesis(frame.session));
        let link = frame.link(&before);
        chains.insert(frame.session, link);
        match gone.contains(&frame.session) && is_payload(&frame) {
            true => {
                frame::encode_husk(&mut out, &frame, &link);
                changed = true;
            }
            false => out.extend_from_slice(frame.bytes),
        }
        offset += frame.bytes.len();
    }
    Ok(changed.then_some(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::opened;
    use portcullis_gate::{Entry, StreamId};
    use portcullis_model::Principal;

    fn entry(kind: EntryKind, payload: &str) -> Entry {
        Entry {
            kind,
            at: Timestamp(5),
            payload: payload.to_owned().into(),
        }
    }

    #[test]
    fn a_hold_added_while_retention_looks_around_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let journal = opened(dir.path());
        let bea = Principal {
            issuer: "https://id.example".to_owned(),
            subject: "bea".to_owned(),
        };
        let mut record = journal.session(SessionId(1), &bea).unwrap();
        let admit = json!({"session": {"identity": {"name": "Bea", "principal": bea,
            "actors": [{"issuer": "https://id.example", "subject": "bot"}]}, "target": {"name": "orders"}}});
        let run = [
            entry(EntryKind::Admit, &admit.to_string()),
            entry(EntryKind::Request, "{}"),
            entry(EntryKind::End, "{}"),
        ];
        record.append(StreamId(0), &run).unwrap();
        journal.shared.wait_signed().unwrap();
        let rules = Retention {
            age: Some(Duration::ZERO),
            bytes: None,
        };
        let signed = journal.shared.progress.borrow().signed;
        let seen = look(journal.dir(), signed).unwrap();
        let hold = json!({"id": "hold-1", "reason": "case 7", "identity": "bot"});
        journal.node(crate::HOLD_ADDED, &hold).unwrap();
        let done = journal.shred(seen, &rules, Timestamp(9)).unwrap();
        assert_eq!((done.shredded, done.held), (0, 1), "its actor is held");

        journal.node(crate::HOLD_RELEASED, &hold).unwrap();
        let done = journal.retain(&rules, Timestamp(9)).unwrap();
        assert_eq!((done.shredded, done.held), (1, 0));
    }
}
