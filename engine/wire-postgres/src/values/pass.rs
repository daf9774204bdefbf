//! What goes over a value with [`super::walk`]: reading makes cells, writing applies edits. Both see the
//! same leaves in the same order, so the n-th cell of a batch is the n-th leaf of the rewrite. Refuses
//! to know any type.

use portcullis_model::Fault;
use std::ops::Range;

/// A stretch of bytes, and where it stands in the received frames if it does.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) bytes: &'a [u8],
    /// Offset of `bytes` in the frames; `None` when it was decoded.
    pub(super) at: Option<usize>,
}

impl<'a> Span<'a> {
    pub(super) fn received(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at: Some(at),
        }
    }

    pub(super) fn decoded(bytes: &'a [u8]) -> Self {
        Self { bytes, at: None }
    }

    /// A part of it; empty when the range does not fit.
    pub(super) fn part(&self, range: Range<usize>) -> Span<'a> {
        Span {
            at: self.at.map(|at| at + range.start),
            bytes: self.bytes.get(range).unwrap_or_default(),
        }
    }
}

/// One way to go over the leaves of values.
pub(super) trait Pass {
    /// A leaf. `Some` is what its text becomes. With `raw` the bytes need not be text: they are shown
    /// with a substitute for each byte that is no UTF-8, of the same length, so that ranges still fit.
    fn leaf(&mut self, text: Span<'_>, raw: bool) -> Result<Option<Vec<u8>>, Fault>;

    /// What is to be hidden in a document, whatever becomes of its leaves; in order and apart.
    fn parts(&mut self, _: &[u8]) -> Result<Vec<Part>, Fault> {
        Ok(Vec::new())
    }

    /// A leaf that is a document itself, of which these parts are hidden.
    fn leaf_in_part(&mut self, text: Span<'_>, _: Vec<Part>) -> Result<Option<Vec<u8>>, Fault> {
        self.leaf(text, false)
    }
}

/// A part of a document and what stands there instead: JSON.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) range: Range<usize>,
    pub(super) with: Vec<u8>,
}

/// What became of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing changed.
    Same,
    /// These bytes stand there now.
    New(Vec<u8>),
    /// NULL stands there now.
    Null,
}

impl From<Option<Vec<u8>>> for Outcome {
    fn from(changed: Option<Vec<u8>>) -> Self {
        changed.map_or(Self::Same, Self::New)
    }
}

/// How a part of a container is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Bare,
    /// Between quotes, nothing escaped inside.
    Quoted,
    /// Between quotes (or, in COPY text, without), with escapes.
    Escaped,
    /// NULL.
    Null,
}

/// A part of a container: an element, a field, a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Half-open range, with quotes or length prefix.
    pub(super) start: usize,
    /// See `start`.
    pub(super) end: usize,
    pub(super) form: Form,
}

impl Token {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Without the quotes.
    pub(super) fn within(&self) -> Range<usize> {
        match self.form {
            Form::Bare | Form::Null => self.range(),
            Form::Quoted | Form::Escaped => {
                self.start + 1..self.end.saturating_sub(1).max(self.start + 1)
            }
        }
    }
}

/// A copy with some parts replaced; copies nothing as long as nothing changes.
pub(super) struct Splice<'a> {
    source: &'a [u8],
    out: Vec<u8>,
    copied: usize,
    changed: bool,
}

impl<'a> Splice<'a> {
    pub(super) fn new(source: &'a [u8]) -> Self {
        Self {
            source,
            out: Vec::new(),
            copied: 0,
            changed: false,
        }
    }

    /// Replaces a range; ranges come in order.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &[u8]) {
        if !self.changed {
            self.out.reserve(self.source.len() + with.len());
        }
        self.changed = true;
        let kept = self.source.get(self.copied..range.start);
        self.out.extend_from_slice(kept.unwrap_or_default());
        self.out.extend_from_slice(with);
        self.copied = range.end;
    }

    /// The copy, if anything changed.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if !self.changed {
            return None;
        }
        let rest = self.source.get(self.copied..);
        self.out.extend_from_slice(rest.unwrap_or_default());
        Some(self.out)
    }
}
