//! The policy decisions of a record, each with the whole input it was made on: what `policy replay`,
//! `policy report` and `policy explain` read. Where an entry stands for a part of its input by reference,
//! the part is put back here and nowhere else, so that readers see one form. Refuses to make an input up:
//! a decision whose input is not on record is told apart.

use crate::error::Error;
use crate::read::{Entries, ReadEntry};
use portcullis_gate::EntryKind;
use portcullis_model::{Reason, SessionId, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// The stage at which a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The session was opened.
    Connect,
    /// A command was judged.
    Command,
}

/// One decision on record.
#[derive(Clone, Debug)]
pub struct RecordedDecision {
    /// Its session.
    pub session: SessionId,
    /// The place of its entry in the session.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// At which stage.
    pub stage: Stage,
    /// What became of it: `allow`, `deny` or `hold`.
    pub verdict: String,
    /// The rule that decided; `approval` when people did.
    pub rule: String,
    /// Everything that was said.
    pub reasons: Vec<Reason>,
    /// What packs on trial would have said.
    pub would: Vec<Reason>,
    /// What came with it.
    pub obligations: Value,
    /// Revision of the policy set that decided.
    pub revision: String,
    /// True when people had approved it.
    pub approved: bool,
    /// The whole input document; null when the record does not hold it.
    pub input: Value,
    /// Bytes of the entry, for whoever shows how far a reader has come.
    pub bytes: usize,
}

/// The decisions among some entries, in order.
pub struct Decisions {
    entries: Entries,
}

impl Decisions {
    /// The decisions among these entries.
    #[must_use]
    pub fn new(entries: Entries) -> Self {
        Self { entries }
    }

    fn read(entry: &ReadEntry) -> Option<RecordedDecision> {
        match entry.kind {
            kind if kind == EntryKind::Decision as u8 => {
                let said: Said = serde_json::from_slice(&entry.payload).ok()?;
                let approved = said.approval.is_some();
                Some(said.decision(entry, Stage::Command, approved))
            }
            kind if kind == EntryKind::Admit as u8 => {
                let admit: Admit = serde_json::from_slice(&entry.payload).ok()?;
                let approved = admit.session.access_request.is_some();
                Some(admit.connect?.decision(entry, Stage::Connect, approved))
            }
            _ => None,
        }
    }
}

impl Iterator for Decisions {
    type Item = Result<RecordedDecision, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.entries.next()? {
                Err(error) => return Some(Err(error)),
                Ok(entry) => {
                    if let Some(decision) = Self::read(&entry) {
                        return Some(Ok(decision));
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Admit {
    #[serde(default)]
    session: AdmittedSession,
    connect: Option<Said>,
}

#[derive(Default, Deserialize)]
struct AdmittedSession {
    #[serde(default)]
    access_request: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    /// Admit entries of an older record have none.
    verdict: Option<String>,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    reasons: Vec<Reason>,
    #[serde(default)]
    would: Vec<Reason>,
    #[serde(default)]
    obligations: Value,
    #[serde(default)]
    revision: String,
    approval: Option<Value>,
    #[serde(default)]
    input: Value,
}

impl Said {
    fn decision(self, entry: &ReadEntry, stage: Stage, approved: bool) -> RecordedDecision {
        RecordedDecision {
            session: entry.session,
            sequence: entry.sequence,
            at: entry.at,
            stage,
            verdict: self.verdict.unwrap_or_else(|| {
                // A session whose opening people had approved was held before.
                let held = stage == Stage::Connect && approved;
                let word = if held { "hold" } else { "allow" };
                word.to_owned()
            }),
            rule: self.rule,
            reasons: self.reasons,
            would: self.would,
            obligations: self.obligations,
            revision: self.revision,
            approved,
            input: self.input,
            bytes: entry.payload.len(),
        }
    }
}
