//! The input as the exact bytes that are evaluated and recorded, cut into sections so that a pack's
//! answer can be cached under what that pack reads, and so that it is given nothing else. What reads time or
//! history is not cached.

use super::build;
use super::values::Values;
use super::{Command, Input, Request};
use crate::failure::Failure;
use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;
use portcullis_gate::Question;
use portcullis_model::{Likeness, Session, TicketCheck};
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
    History,
    Time,
}

impl Section {
    /// How many there are.
    pub(crate) const COUNT: usize = 12;
    /// Those that differ from one decision to the next.
    pub(crate) const CHANGING: u16 = 1 << Self::History as u16 | 1 << Self::Time as u16;
    /// All of them.
    pub(crate) const ALL: u16 = (1 << Self::COUNT) - 1;

    /// The section as a bit of a mask.
    pub(crate) fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// In the place of a pack's number: a digest for the record.
const KIN: usize = usize::MAX;
/// In the place of a pack's number: the first of the digests for several packs together.
const TOGETHER: usize = usize::MAX / 2;

/// The rendered document.
pub(crate) struct Document {
    bytes: Bytes,
    sections: [Range<usize>; Section::COUNT],
    digests: [Option<[u8; 32]>; Section::COUNT],
    /// What has been parsed of it already.
    values: Values,
}

/// What is the same in the documents of all commands of one session, rendered and digested once.
pub(crate) struct Standing {
    session: Session,
    /// It belongs to the session's section, and SET may change it.
    ticket: Option<String>,
    /// Its system may say something else of it at any time.
    check: Option<TicketCheck>,
    /// From the opening brace to the end of `connect`.
    head: Bytes,
    origin: Bytes,
    sections: [Range<usize>; Section::COUNT],
    digests: [Option<[u8; 32]>; Section::COUNT],
    values: Values,
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
        let values = Values::of(&document, &Self::SECTIONS);
        Ok(Self {
            session: question.session.clone(),
            ticket: ticket(question),
            check: question.ticket.cloned(),
            head: document.bytes.slice(..section(Section::Connect).end),
            origin: document.bytes.slice(section(Section::Origin)),
            sections: document.sections.clone(),
            digests,
            values,
        })
    }

    /// True when it holds for this question. The session's id alone does not say so: everything is compared.
    pub(crate) fn is_of(&self, question: &Question<'_>) -> bool {
        self.session == *question.session
            && self.ticket == ticket(question)
            && self.check.as_ref() == question.ticket
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
        Ok(pen.document([None; Section::COUNT], Values::default()))
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
        Ok(pen.document(standing.digests, standing.values.clone()))
    }

    /// How it differs from others that are alike but for wording, history and time.
    pub(crate) fn likeness(&mut self) -> Likeness {
        let kin = self.key(
            KIN,
            Section::ALL & !Section::CHANGING & !Section::Wording.bit(),
        );
        let parts: [&[u8]; 7] = [
            b"{\"command\":{",
            self.text(Section::Wording),
            b",\"history\":",
            self.text(Section::History),
            b",\"request\":{\"time_ns\":",
            self.text(Section::Time),
            b"}}",
        ];
        Likeness {
            kin,
            own: Bytes::from(parts.concat()),
        }
    }

    /// A digest over the sections in `mask`, for the packs that are asked together as the `number`th group.
    pub(crate) fn key_of_group(&mut self, number: usize, mask: u16) -> [u8; 32] {
        self.key(TOGETHER + number, mask)
    }

    /// The bytes of a section. `Meaning` lacks its closing brace, `Wording` its opening one, `Origin` its closing
    /// one: two of them make one object.
    pub(super) fn text(&self, section: Section) -> &[u8] {
        &self.bytes[self.sections[section as usize].clone()]
    }

    /// The document as the engine takes it, without the sections that are not in `mask`.
    ///
    /// # Errors
    /// When the engine cannot read what has been rendered.
    pub(crate) fn value(&mut self, mask: u16) -> Result<regorus::Value, Failure> {
        let mut values = std::mem::take(&mut self.values);
        let value = values.document(self, mask);
        self.values = values;
        value
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
}

impl Pen {
    fn new() -> Self {
        Self {
            out: Vec::with_capacity(4096),
            sections: std::array::from_fn(|_| 0..0),
        }
    }

    /// Closes the document.
    fn document(mut self, digests: [Option<[u8; 32]>; Section::COUNT], values: Values) -> Document {
        self.out.push(b'}');
        Document {
            bytes: Bytes::from(self.out),
            sections: self.sections,
            digests,
            values,
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
        self.value(Section::History, history)
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
        self.value(Section::Time, &time_ns)?;
        self.out.push(b'}');
        Ok(())
    }
}
