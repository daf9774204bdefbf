//! Proving the record with the public key alone. Walks the log once, compares every signed root, every
//! signed chain head, every sequence and every crc, and names each problem's session, sequence, file and
//! offset. Refuses to believe anything in the directory that is not signed, and to stop at the first
//! problem.

use crate::error::Error;
use crate::frame::{self, Broken, Frame};
use crate::key::VerifyKey;
use crate::note::{self, Checkpoint};
use crate::segment::{self, Head, Segment};
use crate::tree::{Hash, Tree, leaf_hash};
use crate::{NODE, journal, retention};
use portcullis_gate::EntryKind;
use portcullis_model::{SessionId, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Something that is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What, in a sentence.
    pub what: String,
    /// The session, where one can be named.
    pub session: Option<SessionId>,
    /// The first sequence concerned.
    pub sequence: Option<u64>,
    /// The file.
    pub file: Option<PathBuf>,
    /// The byte offset in the file.
    pub offset: Option<u64>,
}

/// Payloads of some sessions were shredded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shredding {
    /// By which rule.
    pub rule: String,
    /// When that was recorded.
    pub at: Timestamp,
    /// How many sessions.
    pub sessions: u64,
}

/// How the log ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Closed in order; a checkpoint covers everything.
    Closed,
    /// A gateway is writing it. Entries after the last checkpoint are not proved yet.
    Live {
        /// How many these are.
        unproved: u64,
    },
    /// A crash, or a cut after the last checkpoint: nothing after it is proved.
    Interrupted {
        /// Number of the last checkpoint.
        after_checkpoint: u64,
        /// Entries after it.
        unproved: u64,
    },
    /// There is nothing.
    Empty,
}

/// What verification found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Sessions seen.
    pub sessions: u64,
    /// Entries seen, the node's own included.
    pub entries: u64,
    /// Bytes of the log.
    pub bytes: u64,
    /// Signed checkpoints.
    pub checkpoints: u64,
    /// Everything that is not as it was signed. Empty means that the record is proved up to the last
    /// checkpoint.
    pub problems: Vec<Problem>,
    /// Payloads that were shredded, as the record itself says; their hashes are proved like all others.
    pub shredded: Vec<Shredding>,
    /// How the log ends.
    pub tail: Tail,
    /// The last checkpoint: number, size and root in hex.
    pub last_checkpoint: Option<(u64, u64, String)>,
}

impl Report {
    /// True when nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Verifies the record in `dir`.
///
/// # Errors
/// When it cannot be read, or its checkpoints are not signed by `key`. What is wrong with the record
/// itself is in the report.
pub fn verify(dir: &Path, key: &VerifyKey) -> Result<Report, Error> {
    verify_against(dir, key, &[])
}

/// As [`verify`], and against checkpoints that were kept elsewhere: shows a record that was rolled back
/// together with its checkpoints. `anchors` are signed notes as [`crate::latest_checkpoint`] returns them.
///
/// # Errors
/// As [`verify`]; also when an anchor is not signed by `key`.
pub fn verify_against(dir: &Path, key: &VerifyKey, anchors: &[String]) -> Result<Report, Error> {
    let live = journal::is_live(dir);
    // Checkpoints first: what a live gateway signs later is of no concern here.
    let mut notes = note::read_all(dir, key)?.notes;
    let own = notes.len() as u64;
    for anchor in anchors {
        let (note, _) = Checkpoint::read(anchor, key)?.ok_or(Error::CheckpointSignature)?;
        notes.push(note);
    }
    notes.sort_by_key(|note| (note.size, note.number));
    let mut walk = Walk::new(&notes);
    let mut expected = 1;
    for (number, path) in segment::list(dir)? {
        if number != expected {
            walk.report(
                format!("segments {expected} to {} are missing", number - 1),
                None,
                None,
            );
            walk.tree_is_lost = true;
        }
        expected = number.saturating_add(1);
        match Segment::read(&path) {
            Ok(segment) => walk.segment(&segment),
            Err(Error::SegmentHeader(_)) => walk.headless(&path),
            Err(other) => return Err(other),
        }
    }
    Ok(walk.finish(own, live))
}

/// A chain head that was signed.
struct Signed {
    sequence: u64,
    hash: Hash,
    checkpoint: u64,
}

/// Where a frame stands.
#[derive(Clone)]
struct Place {
    sequence: u64,
    file: PathBuf,
    offset: u64,
}

struct Walk<'n> {
    notes: &'n [Checkpoint],
    next_note: usize,
    signed: HashMap<SessionId, Vec<Signed>>,
    tree: Tree,
    /// A root did not come out: the tree is of no use until the next segment says where it stood.
    tree_is_lost: bool,
    chains: HashMap<SessionId, (u64, Hash)>,
    ended: HashSet<SessionId>,
    seen: HashSet<SessionId>,
    /// The first entry of each session whose payload is gone.
    husks: HashMap<SessionId, Place>,
    /// Sessions whose shredding is on record.
    named: HashSet<SessionId>,
    shredded: Vec<Shredding>,
    /// The first frame of each session since its chain was last found right.
    since: HashMap<SessionId, Place>,
    window: Option<(SessionId, Place)>,
    window_has_problem: bool,
    last: Option<Place>,
    closed: bool,
    started: bool,
    entries: u64,
    bytes: u64,
    problems: Vec<Problem>,
}

impl<'n> Walk<'n> {
    fn new(notes: &'n [Checkpoint]) -> Self {
        let mut signed: HashMap<SessionId, Vec<Signed>> = HashMap::new();
        for note in notes {
            for (session, sequence, hash) in &note.heads {
                signed.entry(*session).or_default().push(Signed {
                    sequence: *sequence,
                    hash: *hash,
                    checkpoint: note.number,
                });
            }
        }
        Self {
            notes,
            next_note: 0,
            signed,
            tree: Tree::default(),
            tree_is_lost: false,
            chains: HashMap::new(),
            ended: HashSet::new(),
            seen: HashSet::new(),
            husks: HashMap::new(),
            named: HashSet::new(),
            shredded: Vec::new(),
            since: HashMap::new(),
            window: None,
            window_has_problem: false,
            last: None,
            closed: false,
            started: false,
            entries: 0,
            bytes: 0,
            problems: Vec::new(),
        }
    }

    fn segment(&mut self, segment: &Segment) {
        self.bytes += segment.bytes.len() as u64;
        self.enter(segment);
        let mut offset = segment.body;
        while let Some(read) = segment.frame_at(offset) {
            let place = |frame: &Frame<'_>| Place {
                sequence: frame.sequence,
                file: segment.path.clone(),
                offset: offset as u64,
            };
            match read {
                Ok(frame) => {
                    self.frame(&frame, || place(&frame));
                    offset += frame.bytes.len();
                }
                Err(Broken::Checksum { frame_len }) => {
                    if let Ok(frame) = frame::decode_unchecked(&segment.bytes[offset..]) {
                        let at = place(&frame);
                        self.report(
                            "the checksum of an entry does not match: its bytes were altered"
                                .into(),
                            Some(frame.session),
                            Some(&at),
                        );
                        self.frame(&frame, || at.clone());
                    }
                    offset += frame_len;
                }
                Err(Broken::Torn | Broken::Length) => {
                    self.unreadable(segment, offset);
                    break;
                }
            }
        }
    }

    /// Takes over where the segment says it begins; what it says is proved by the next signed root.
    fn enter(&mut self, segment: &Segment) {
        let header = &segment.header;
        let heads: BTreeMap<SessionId, Head> = header.heads.iter().copied().collect();
        let continues = header.tree == self.tree
            && heads
                .iter()
                .all(|(id, head)| self.chains.get(id) == Some(&(head.sequence, head.hash)));
        if self.started && !continues && !self.tree_is_lost && !self.window_has_problem {
            let place = Place {
                sequence: 0,
                file: segment.path.clone(),
                offset: 0,
            };
            self.report(
                "the segment does not go on where the one before it ends".into(),
                None,
                Some(&place),
            );
        }
        self.started = true;
        if header.tree != self.tree || self.tree_is_lost {
            self.tree = header.tree.clone();
            self.tree_is_lost = false;
            self.next_note = self.notes.partition_point(|n| n.size < self.tree.size());
        }
        for (id, head) in heads {
            self.chains.insert(id, (head.sequence, head.hash));
            self.seen.insert(id);
        }
        self.check_roots();
    }

    fn frame(&mut self, frame: &Frame<'_>, place: impl Fn() -> Place) {
        let id = frame.session;
        self.entries += 1;
        self.seen.insert(id);
        let (before, previous) = self
            .chains
            .get(&id)
            .copied()
            .unwrap_or_else(|| (0, frame::genesis(id)));
        if frame.sequence != before + 1 {
            let what = match frame.sequence > before {
                true => format!(
                    "entries {} to {} are missing",
                    before + 1,
                    frame.sequence - 1
                ),
                false => format!("entry {} stands after entry {before}", frame.sequence),
            };
            self.report(what, Some(id), Some(&place()));
        }
        if self.ended.contains(&id) && frame.kind != EntryKind::End as u8 {
            self.report(
                "an entry stands after the end of its session".into(),
                Some(id),
                Some(&place()),
            );
        }
        let hash = frame.link(&previous);
        self.chains.insert(id, (frame.sequence, hash));
        self.tree.push(leaf_hash(&hash));
        self.since.entry(id).or_insert_with(&place);
        if self.window.is_none() {
            self.window = Some((id, place()));
        }
        self.last = Some(place());
        if frame.kind == EntryKind::End as u8 {
            self.ended.insert(id);
        }
        if frame.husk && !retention::may_go(frame) {
            let what = "an entry is gone that no shredding drops";
            self.report(what.into(), Some(id), Some(&place()));
        }
        if frame.husk {
            self.husks.entry(id).or_insert_with(&place);
        }
        if id == NODE && !frame.husk {
            self.shredding(frame);
        }
        self.closed = id == NODE && frame.payload.starts_with(b"{\"event\":\"closed\"");
        self.check_head(id, frame.sequence, hash);
        self.check_roots();
    }

    /// An entry that says whose payloads were shredded.
    fn shredding(&mut self, frame: &Frame<'_>) {
        let Some((rule, sessions)) = retention::shredding(frame.payload) else {
            return;
        };
        self.shredded.push(Shredding {
            rule,
            at: frame.at,
            sessions: sessions.len() as u64,
        });
        self.named.extend(sessions);
    }

    /// Compares with the head that was signed at this very entry, if there is one.
    fn check_head(&mut self, id: SessionId, sequence: u64, hash: Hash) {
        let Some(signed) = self.signed.get(&id) else {
            return;
        };
        let found = signed.binary_search_by_key(&sequence, |s| s.sequence);
        let Some(signed) = found.ok().and_then(|index| signed.get(index)) else {
            return;
        };
        let (checkpoint, right) = (signed.checkpoint, signed.hash);
        let since = self.since.remove(&id);
        if right != hash {
            // From here on the chain is judged on its own again.
            self.chains.insert(id, (sequence, right));
            self.report(
                format!("an entry up to {sequence} is not the one that checkpoint {checkpoint} has signed"),
                Some(id),
                since.as_ref(),
            );
        }
    }

    fn check_roots(&mut self) {
        while let Some(note) = self.notes.get(self.next_note) {
            if note.size > self.tree.size() {
                break;
            }
            self.next_note += 1;
            if note.size < self.tree.size() {
                continue;
            }
            if note.root != self.tree.root() && !self.tree_is_lost {
                self.tree_is_lost = true;
                if !self.window_has_problem {
                    let (session, place) = self.window.clone().unzip();
                    let what = format!(
                        "the entries up to here are not those that checkpoint {} has signed: one was altered, added or removed",
                        note.number
                    );
                    self.report(what, session, place.as_ref());
                }
            }
            self.window = None;
            self.window_has_problem = false;
        }
    }

    fn unreadable(&mut self, segment: &Segment, offset: usize) {
        let place = Place {
            sequence: 0,
            file: segment.path.clone(),
            offset: offset as u64,
        };
        let covered = self.notes.last().is_some_and(|n| n.size > self.tree.size());
        // A crash leaves half a frame behind what is signed: that is the tail, no problem.
        if covered {
            self.report(
                "the log cannot be read from here on".into(),
                None,
                Some(&place),
            );
        }
    }

    fn headless(&mut self, path: &Path) {
        let covered = self.notes.last().is_some_and(|n| n.size > self.tree.size());
        if covered {
            let place = Place {
                sequence: 0,
                file: path.to_owned(),
                offset: 0,
            };
            self.report(
                "the segment has no readable header".into(),
                None,
                Some(&place),
            );
            self.tree_is_lost = true;
        }
    }

    fn report(&mut self, what: String, session: Option<SessionId>, place: Option<&Place>) {
        self.window_has_problem = true;
        self.problems.push(Problem {
            what,
            session,
            sequence: place.map(|p| p.sequence).filter(|s| *s > 0),
            file: place.map(|p| p.file.clone()),
            offset: place.map(|p| p.offset),
        });
    }

    fn finish(mut self, own: u64, live: bool) -> Report {
        self.check_missing();
        self.check_husks();
        let last = self.notes.last();
        let size = self.tree.size();
        if let Some(note) = last
            && note.size > size
            && !self.tree_is_lost
        {
            let what = format!(
                "the tail is cut: checkpoint {} has signed {} entries, {} are missing after this one",
                note.number,
                note.size,
                note.size - size
            );
            let place = self.last.clone();
            self.report(what, None, place.as_ref());
        }
        let unproved = size.saturating_sub(last.map_or(0, |n| n.size));
        let tail = match (self.entries, live, self.closed && unproved == 0) {
            (0, false, _) => Tail::Empty,
            (_, true, _) => Tail::Live { unproved },
            (_, false, true) => Tail::Closed,
            (_, false, false) => Tail::Interrupted {
                after_checkpoint: last.map_or(0, |n| n.number),
                unproved,
            },
        };
        self.seen.remove(&NODE);
        Report {
            sessions: self.seen.len() as u64,
            entries: self.entries,
            bytes: self.bytes,
            checkpoints: own,
            problems: self.problems,
            shredded: self.shredded,
            tail,
            last_checkpoint: last.map(|n| (n.number, n.size, hex::encode(n.root))),
        }
    }

    /// A payload may be gone, but only where the record says that it was to go.
    fn check_husks(&mut self) {
        let husks = std::mem::take(&mut self.husks);
        let mut unnamed: Vec<_> = husks
            .into_iter()
            .filter(|(id, _)| !self.named.contains(id))
            .collect();
        unnamed.sort_by_key(|(id, _)| *id);
        for (id, place) in unnamed {
            let what =
                "payloads of the session were dropped, and no shredding of them is on record";
            self.report(what.into(), Some(id), Some(&place));
        }
    }

    /// Sessions, and ends of sessions, that a checkpoint has signed and that are not there.
    fn check_missing(&mut self) {
        let mut missing: Vec<(SessionId, u64, u64)> = Vec::new();
        for (id, signed) in &self.signed {
            let Some(last) = signed.last() else {
                continue;
            };
            let there = self.chains.get(id).map_or(0, |(sequence, _)| *sequence);
            if there < last.sequence {
                missing.push((*id, there, last.sequence));
            }
        }
        missing.sort_unstable();
        for (id, there, signed) in missing {
            let what = match there {
                0 => format!("the whole session is missing; {signed} entries of it were signed"),
                _ => format!("entries {} to {signed} are missing", there + 1),
            };
            self.report(what, Some(id), None);
            if let Some(problem) = self.problems.last_mut() {
                problem.sequence = Some(there + 1);
            }
        }
    }
}
