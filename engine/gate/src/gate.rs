//! The gate of one stream: judge, commit, reject, release, in that order and by nobody else.

use crate::house::House;
use crate::ledger::Ledger;
use crate::narrow::{Narrowing, narrow};
use crate::permit::{Housed, Permit, Refusal, Release};
use crate::ruling::{Allowed, Answer, Approved, Denied, Held, Judged, Ruling};
use crate::seams::{
    Catalog, Classify, Decide, Entry, EntryKind, Examine, History, HoldRequest, Mask, Outgoing,
    Plugins, Question, Record, Sequence, StreamId, Tripwire, Veils, Wish,
};
use crate::treatment::{Treatment, moved, treat, treat_object, treat_report};
use asked::Asked;
use bytes::{Bytes, BytesMut};
use lanes::Lanes;
use portcullis_model::facts::Parse;
use portcullis_model::message::{
    Body, Command, Context, Message, Parameter, Stage, Statement, Subject, Transaction,
};
use portcullis_model::rows::{Column, MASK_MARKER, mask_text};
use portcullis_model::verdict::{Decision, Denial, EntityRule, Obligations, RecordLevel, Verdict};
use portcullis_model::{
    Batch, BatchKind, Blame, Cell, Class, ColumnMask, DocumentMask, Edits, Effect, Facts, Fault,
    Object, Protocol, RowShape, Session, SpanEdit, StatementFacts, Strategy, Timestamp, Verbs,
    limits,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::Shared;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

mod asked;
mod decisions;
mod judge;
mod lanes;
mod leaks;
mod names;
mod opaque;
mod record;
mod release;
mod shared;
mod spend;
mod traces;

pub use release::Unreleased;
pub use shared::Gates;

/// What a gate is made of. Built by the front desk after admission.
pub struct Parts {
    /// The session.
    pub session: Arc<Session>,
    /// Host facts.
    pub examine: Arc<dyn Examine>,
    /// Classifiers of this stream.
    pub classify: Box<dyn Classify>,
    /// Policy.
    pub decide: Arc<dyn Decide>,
    /// Maskers of this stream.
    pub mask: Box<dyn Mask>,
    /// The session's record.
    pub record: Box<dyn Record>,
    /// Secrets that must never be shown.
    pub tripwire: Arc<dyn Tripwire>,
    /// The target's catalog.
    pub catalog: Arc<dyn Catalog>,
    /// Makes the veils of byte streams.
    pub veils: Arc<dyn Veils>,
    /// Opens the plugins of further streams.
    pub plugins: Arc<dyn Plugins>,
    /// What this identity did within the last hour, shared by its sessions.
    pub ledger: Arc<Ledger>,
    /// Obligations of the connect decision: they hold for what no statement caused.
    pub granted: Obligations,
}

/// The only maker of [`Permit`], [`Refusal`], [`Release`] and [`Housed`].
///
/// One for each stream of a session: the plugin instances, what is held and what is known of shapes are its own.
/// Record, counts and grant are the session's.
pub struct Gate {
    parts: Arc<Shared>,
    stream: StreamId,
    classify: Box<dyn Classify>,
    mask: Box<dyn Mask>,
    lanes: Lanes,
    /// By stage and text: a classifier is told both.
    classes: HashMap<(Stage, Arc<str>), Cached>,
    hasher: RandomState,
    shape: Option<Treated>,
    result_rows: u64,
    wrote: bool,
    /// The session has changed structure: what names stand for may differ from the catalog.
    reshaped: bool,
    granted: Arc<Obligations>,
    upload_tail: Vec<u8>,
    /// The end of the opaque stream that passed last: a secret may be split over two parts.
    opaque_tail: Vec<u8>,
    /// The end of what the client streamed last.
    sent_tail: leaks::Tail,
    /// It has sent a secret of the gateway's own.
    leaked: bool,
    /// The stream that may pass unread, and under what.
    unread: Option<(&'static str, Arc<Obligations>)>,
    secrets_only: Obligations,
    request_shape: Arc<RowShape>,
    bases: decisions::Wholes,
    grades: Grades,
    traces: traces::Traces,
}

/// Classes of facts and an opinion about them: a text differs from the one before often only in literals, and
/// its facts are then the same. An entry keeps its facts, so that no others can take their place.
#[derive(Default)]
struct Grades {
    known: VecDeque<Grade>,
}

struct Grade {
    facts: Arc<Facts>,
    /// The stage that this opinion holds for whatever the text, where plugins go by the facts alone.
    by_facts: Option<Stage>,
    opinion: Class,
    class: Arc<Class>,
}

/// The class of a text, for the state it was classified in.
struct Cached {
    state: u64,
    facts: Arc<Facts>,
    class: Arc<Class>,
    journal_text: Arc<str>,
}

/// The treatments of the shape that is being released.
struct Treated {
    shape: Arc<RowShape>,
    facts: Option<Arc<Facts>>,
    obligations: Obligations,
    reshaped: bool,
    treatments: Vec<Treatment>,
    documents: Vec<DocumentMask>,
    skip: Vec<bool>,
    wanted: bool,
}

impl Gate {
    /// Opens the gate: the admission is recorded first. `admit` is the JSON of the connect decision
    /// with its whole input and of the plugins in use.
    ///
    /// # Errors
    /// When the record cannot be written: then there is no session.
    pub fn open(parts: Parts, admit: Bytes, now: Timestamp) -> Result<Self, Fault> {
        let (shared, classify, mask) = Shared::of(parts);
        shared.append(
            StreamId(0),
            &[Entry {
                kind: EntryKind::Admit,
                at: now,
                payload: admit,
            }],
        )?;
        let one = portcullis_model::Tally {
            sessions: 1,
            ..Default::default()
        };
        shared.ledger.add(one, now);
        Ok(Self::of(Arc::new(shared), StreamId(0), classify, mask))
    }

    fn of(
        parts: Arc<Shared>,
        stream: StreamId,
        classify: Box<dyn Classify>,
        mask: Box<dyn Mask>,
    ) -> Self {
        let mut secrets_only = Obligations::none();
        secrets_only.entities.insert(EntityRule {
            entity: "SECRET".to_owned(),
            strategy: Strategy::Redact,
        });
        let text = Column {
            name: String::new(),
            type_oid: 25,
            table_oid: 0,
            attnum: 0,
            binary: false,
        };
        let granted = Arc::new(parts.granted.clone());
        Self {
            parts,
            stream,
            classify,
            mask,
            lanes: Lanes::default(),
            classes: HashMap::new(),
            hasher: RandomState::new(),
            shape: None,
            result_rows: 0,
            wrote: false,
            reshaped: false,
            granted,
            upload_tail: Vec::new(),
            opaque_tail: Vec::new(),
            sent_tail: leaks::Tail::default(),
            leaked: false,
            unread: None,
            secrets_only,
            request_shape: Arc::new(RowShape {
                serial: u32::MAX,
                columns: vec![text],
            }),
            bases: decisions::Wholes::default(),
            grades: Grades::default(),
            traces: traces::Traces::default(),
        }
    }

    /// Opens gates for further streams of the same session, from wherever they are asked for.
    #[must_use]
    pub fn gates(&self) -> Gates {
        Gates::of(self.parts.clone())
    }

    /// True once a second secret of the gateway's own has shown up in any stream of the session: all of it has to
    /// end then, not the one stream alone.
    #[must_use]
    pub fn betrayed(&self) -> bool {
        self.parts.betrayed()
    }

    /// The number of this gate's stream in the record.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.parts.session
    }

    /// What has been counted so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.parts.history()
    }

    /// Obligations of the admission.
    #[must_use]
    pub fn granted(&self) -> &Obligations {
        &self.parts.granted
    }

    /// The host's facts about a text, unjudged: for protocols that have to know which names a text runs
    /// before it can be judged.
    ///
    /// # Errors
    /// When they could not be established in bounds: judging the text will refuse it.
    pub async fn facts(&mut self, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        match self.parts.examine.cached(text) {
            Some(facts) => Ok(facts),
            None => {
                let who = &self.parts.session.identity.principal;
                self.parts.examine.examine(who, text).await
            }
        }
    }

    /// The revision of the policy set that is serving now.
    #[must_use]
    pub fn revision(&self) -> Arc<str> {
        self.parts.decide.revision()
    }

    /// Records that the gateway is about to say something on its own.
    ///
    /// # Errors
    /// When the record cannot be written: then it is not said.
    pub fn house(&mut self, house: House, wire: Bytes, now: Timestamp) -> Result<Housed, Fault> {
        let payload = Bytes::from(format!("{{\"house\":\"{}\"}}", house.name()));
        let sequence = self.append(&[Entry {
            kind: EntryKind::House,
            at: now,
            payload,
        }])?;
        Ok(Housed { wire, sequence })
    }

    /// Records a security event: broken protocol, unexpected message, quarantine.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn security(&mut self, event: &str, detail: &str, now: Timestamp) -> Result<(), Fault> {
        let payload = Bytes::from(json!({"event": event, "detail": detail}).to_string());
        self.append(&[Entry {
            kind: EntryKind::Security,
            at: now,
            payload,
        }])?;
        Ok(())
    }

    /// Ends the stream. That of the admission's own gate is the session: its record is sealed, and nothing moves
    /// afterwards through any gate of it.
    ///
    /// # Errors
    /// When the record cannot be written: the session then reads `interrupted`.
    pub fn finish(mut self, reason: &str, now: Timestamp) -> Result<(), Fault> {
        if self.stream != StreamId(0) {
            return self.close(&json!({"reason": reason}), now);
        }
        let done = self.parts.history().session;
        let payload = json!({
            "reason": reason, "commands": done.commands, "denied": done.denied,
            "rows": done.rows, "bytes": done.bytes, "effects": done.effects,
        });
        let payload = Bytes::from(payload.to_string());
        self.append(&[Entry {
            kind: EntryKind::End,
            at: now,
            payload,
        }])?;
        self.parts.seal();
        Ok(())
    }

    /// Ends a further stream, saying how: an exit status, a signal, a reason.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn close(mut self, how: &serde_json::Value, now: Timestamp) -> Result<(), Fault> {
        self.append(&[Entry {
            kind: EntryKind::Closed,
            at: now,
            payload: Bytes::from(how.to_string()),
        }])?;
        Ok(())
    }

    /// One append of this stream.
    fn append(&mut self, entries: &[Entry]) -> Result<Sequence, Fault> {
        match self.leaked {
            false => self.parts.append(self.stream, entries),
            true => {
                let entries = self.entries_without_own(entries);
                self.parts.append(self.stream, &entries)
            }
        }
    }
}
