//! The input as the exact bytes that are evaluated and recorded, cut into sections so that a pack's
//! answer can be cached under what that pack reads. Time and history belong to no section: what reads
//! them is not cached.

use super::{Command, Input, Request};
use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;
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

/// The rendered document.
pub(crate) struct Document {
    bytes: Bytes,
    sections: [Range<usize>; Section::COUNT],
    digests: [Option<[u8; 32]>; Section::COUNT],
}

impl Document {
    /// Renders the input: the same bytes as `serde_json::to_vec`, in one pass.
    pub(crate) fn render(input: &Input<'_>) -> Result<Self, serde_json::Error> {
        let mut pen = Pen {
            out: Vec::with_capacity(2048),
            sections: std::array::from_fn(|_| 0..0),
        };
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
        pen.out.extend_from_slice(b",\"history\":");
        serde_json::to_writer(&mut pen.out, &input.history)?;
        pen.request(&input.request)?;
        pen.out.push(b'}');
        Ok(Self {
            bytes: Bytes::from(pen.out),
            sections: pen.sections,
            digests: [None; Section::COUNT],
        })
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

    fn request(&mut self, request: &Request<'_>) -> Result<(), serde_json::Error> {
        self.name("request");
        self.value(Section::Origin, &request.origin)?;
        self.out.pop();
        self.name("time_ns");
        serde_json::to_writer(&mut self.out, &request.time_ns)?;
        self.out.push(b'}');
        // The closing brace of the origin has become a comma: leave it out of the section.
        let origin = &mut self.sections[Section::Origin as usize];
        origin.end -= 1;
        Ok(())
    }
}
