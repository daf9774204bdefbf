//! The input as the exact bytes that are evaluated and recorded, cut into sections so that a pack's
//! answer can be cached under what that pack reads. Time and history belong to no section: what reads
//! them is not cached.

use super::build;
use super::{Command, Input, Request};
use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;
use portcullis_gate::Question;
use portcullis_model::{Likeness, Session};
use serde::Serialize;
use std::ops::Range;

/// A part of the document that a cache key may cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Section {
    Action,
    Identity,
    Connection,
    Session,
    Connect,
    Meaning,
    Wording,
    Context,
    Approval,
    Origin,
}

impl Section {
    /// How many there are.
    pub(crate) const COUNT: usize = 10;

    /// The section as a bit of a mask.
    pub(crate) fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// In the place of a pack's number: a digest for all packs together.
const ALL_PACKS: usize = usize::MAX;
/// In the place of a pack's number: a digest for the record.
const KIN: usize = usize::MAX - 1;

/// The rendered document.
pub(crate) struct Document {
    bytes: Bytes,
    sections: [Range<usize>; Section::COUNT],
    history: Range<usize>,
    time: Range<usize>,
    digests: [Option<[u8; 32]>; Section::COUNT],
}

/// What is the same in the documents of all commands of one session, rendered and digested once.
pub(crate) struct Standing {
    session: Session,
    /// It belongs to the session's section, and SET may change it.
    ticket: Option<String>,
    /// From the opening brace to the end of `connect`.
    head: Bytes,
    origin: Bytes,
    sections: [Range<usize>; Section::COUNT],
    digests: [Option<[u8; 32]>; Section::COUNT],
}

impl Standing {
    /// The sections that no command changes.
    const SECTIONS: [Section; 7] = [
        Section::Action,
        Section::Identity,
        Section::Connection,
        Section::Session,
        Section::Connect,
        Section::Approval,
        Section::Origin,
    ];

    /// Renders it, from the question about any command of the session.
    pub(crate) fn of(question: &Question<'_>) -> Result<Self, serde_json::Error> {
        let mut document = Document::render(&Input::command(question))?;
        for section in Self::SECTIONS {
            document.section(section as usize);
        }
        let mut digests = [None; Section::COUNT];
        for section in Self::SECTIONS {
            digests[section as usize] = document.digests[section as usize];
        }
        let section = |section: Section| document.sections[section as usize].clone();
        Ok(Self {
            session: question.session.clone(),
            ticket: ticket(question),
            head: document.bytes.slice(..section(Section::Connect).end),
            origin: document.bytes.slice(section(Section::Origin)),
            sections: document.sections.clone(),
            digests,
        })
    }

    /// True when it holds for this question. The session's id alone does not say so: everything is compared.
    pub(crate) fn is_of(&self, question: &Question<'_>) -> bool {
        self.session == *question.session && self.ticket == ticket(question)
    }
}

fn ticket(question: &Question<'_>) -> Option<String> {
    build::ticket(question.session, question.context).map(std::borrow::Cow::into_owned)
}

impl Document {
    /// Renders the input: the same bytes as `serde_json::to_vec`, in one pass.
    pub(crate) fn render(input: &Input<'_>) -> Result<Self, serde_json::Error> {
        let mut pen = Pen::new();
        pen.out.extend_from_slice(b"{\"version\":");
        serde_json::to_writer(&mut pen.out, &input.version)?;
        pen.field(Section::Action, "action", &input.action)?;
        pen.field(Section::Identity, "identity", &input.identity)?;
        pen.field(Section::Connection, "connection", &input.connection)?;
        pen.field(Section::Session, "session", &input.session)?;
        pen.field(Section::Connect, "connect", &input.connect)?;
        pen.command(input.command.as_ref())?;
        pen.field(Section::Context, "context", &input.context)?;
        pen.field(Section::Approval, "approval", &input.approval)?;
        pen.history(&input.history)?;
        pen.request(&input.request)?;
        Ok(pen.document([None; Section::COUNT]))
    }

    /// Renders a command: the same bytes as [`Self::render`] of its input, most of them copied.
    pub(crate) fn command(
        standing: &Standing,
        question: &Question<'_>,
    ) -> Result<Self, serde_json::Error> {
        let mut pen = Pen::new();
        pen.out.extend_from_slice(&standing.head);
        pen.sections = standing.sections.clone();
        pen.command(Some(&build::command(question)))?;
        pen.field(
            Section::Context,
            "context",
            &build::context(question.context),
        )?;
        pen.field(Section::Approval, "approval", &())?;
        let past = &question.history;
        pen.history(&build::history(past.session, past.hour, past.last_approval))?;
        pen.name("request");
        let start = pen.out.len();
        pen.out.extend_from_slice(&standing.origin);
        pen.sections[Section::Origin as usize] = start..pen.out.len();
        pen.time(question.now.0)?;
        Ok(pen.document(standing.digests))
    }

    /// How it differs from others that are alike but for wording, history and time.
    pub(crate) fn likeness(&mut self) -> Likeness {
        let all = (1 << Section::COUNT) - 1;
        let kin = self.key(KIN, all & !Section::Wording.bit());
        let parts: [&[u8]; 7] = [
            b"{\"command\":{",
            &self.bytes[self.sections[Section::Wording as usize].clone()],
            b",\"history\":",
            &self.bytes[self.history.clone()],
            b",\"request\":{\"time_ns\":",
            &self.bytes[self.time.clone()],
            b"}}",
        ];
        Likeness {
            kin,
            own: Bytes::from(parts.concat()),
        }
    }

    /// A digest over the sections in `mask`, for all packs together.
    pub(crate) fn key_of_all(&mut self, mask: u16) -> [u8; 32] {
        self.key(ALL_PACKS, mask)
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A digest over the sections in `mask`, for the pack `pack`.
    pub(crate) fn key(&mut self, pack: usize, mask: u16) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        context.update(&pack.to_le_bytes());
        for index in 0..Section::COUNT {
            if mask >> index & 1 == 1 {
                context.update(&self.section(index));
            }
        }
        sized(context.finish().as_ref())
    }

    fn section(&mut self, index: usize) -> [u8; 32] {
        if let Some(known) = self.digests[index] {
            return known;
        }
        let range = self.sections[index].clone();
        let fresh = sized(digest(&SHA256, &self.bytes[range]).as_ref());
        self.digests[index] = Some(fresh);
        fresh
    }
}

fn sized(digest: &[u8]) -> [u8; 32] {
    digest
        .try_into()
        .expect("invariant: a SHA-256 digest has 32 bytes")
}

struct Pen {
    out: Vec<u8>,
    sections: [Range<usize>; Section::COUNT],
    history: Range<usize>,
    time: Range<usize>,
}

impl Pen {
    fn new() -> Self {
        Self {
            out: Vec::with_capacity(4096),
            sections: std::array::from_fn(|_| 0..0),
            history: 0..0,
            time: 0..0,
        }
    }

    /// Closes the document.
    fn document(mut self, digests: [Option<[u8; 32]>; Section::COUNT]) -> Document {
        self.out.push(b'}');
        Document {
            bytes: Bytes::from(self.out),
            sections: self.sections,
            history: self.history,
            time: self.time,
            digests,
        }
    }

    fn field<T: Serialize>(
        &mut self,
        section: Section,
        name: &str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.name(name);
        self.value(section, value)
    }

    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn value<T: Serialize>(
        &mut self,
        section: Section,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        let start = self.out.len();
        serde_json::to_writer(&mut self.out, value)?;
        self.sections[section as usize] = start..self.out.len();
        Ok(())
    }

    /// Two objects as one: the brace between them becomes a comma.
    fn continued(&mut self, from: usize) {
        self.out[from - 1] = b',';
        self.out.remove(from);
    }

    fn command(&mut self, command: Option<&Command<'_>>) -> Result<(), serde_json::Error> {
        self.name("command");
        let Some(command) = command else {
            return self.value(Section::Meaning, &());
        };
        self.value(Section::Meaning, &command.meaning)?;
        let joint = self.out.len();
        serde_json::to_writer(&mut self.out, &command.wording)?;
        self.continued(joint);
        self.sections[Section::Wording as usize] = joint..self.out.len();
        Ok(())
    }

    fn history(&mut self, history: &super::History) -> Result<(), serde_json::Error> {
        self.name("history");
        let start = self.out.len();
        serde_json::to_writer(&mut self.out, history)?;
        self.history = start..self.out.len();
        Ok(())
    }

    fn request(&mut self, request: &Request<'_>) -> Result<(), serde_json::Error> {
        self.name("request");
        self.value(Section::Origin, &request.origin)?;
        // The time goes in before the closing brace, which the section leaves out.
        self.out.pop();
        self.sections[Section::Origin as usize].end -= 1;
        self.time(request.time_ns)
    }

    fn time(&mut self, time_ns: i64) -> Result<(), serde_json::Error> {
        self.name("time_ns");
        let start = self.out.len();
        serde_json::to_writer(&mut self.out, &time_ns)?;
        self.time = start..self.out.len();
        self.out.push(b'}');
        Ok(())
    }
}
