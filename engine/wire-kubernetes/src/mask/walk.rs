//! Through an answer from its first byte to its last: which values stand where, and where it may be cut. Only what
//! is whole is handed on: an object that has ended, with all that was to be known of it.
//!
//! Refuses what is no JSON, and an object longer than [`limits::ANSWER_OBJECT_BYTES_MAX`].

use super::leaf::{Copied, Form, Leaf};
use super::piece::Piece;
use super::role::{Kind, Name, Role, holds_object, tells_a_secret};
use super::{Expected, dump};
use crate::json::{Broken, Scanner, Span, Token, decode};
use bytes::BytesMut;
use portcullis_model::{Blame, Fault, limits};
use std::ops::Range;

/// Digits of the shortest number that is shown to detectors.
const NUMBER_BYTES_MIN: usize = 9;

/// How deep copies of objects stand in one another. Each writes its quotes twice as long, so that nobody nests them far.
const COPIES_DEPTH_MAX: u8 = 4;

/// Bytes that names of members are made of. Names with others in them are shown to detectors.
const fn is_usual(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'-'..=b':' | b'_' | b'$')
}

/// An answer that is being read.
pub struct Walk {
    expected: Expected,
    scanner: Scanner,
    buffer: BytesMut,
    frames: Vec<Frame>,
    leaves: Vec<Leaf>,
    /// Up to here everything is whole.
    cut: usize,
    /// Leaves in front of it.
    cut_leaves: usize,
    /// Objects in front of it.
    objects: u32,
    /// It is a copy within so many others.
    depth: u8,
}

/// Something open.
#[derive(Debug, Default)]
struct Frame {
    object: bool,
    /// The name under which it stands.
    under: Name,
    /// The name that was read last.
    name: Name,
    /// The same, as it is read.
    called: String,
    kind: Kind,
    /// The first leaf in it.
    first: usize,
    /// Leaves that mean something once the kind is known. Most objects have none.
    marks: Option<Box<Marks>>,
    /// `name` and `value`, of a variable.
    variable: (Option<usize>, Option<usize>),
}

/// Leaves by the name under which they stand.
#[derive(Debug, Default)]
struct Marks {
    data: Vec<Range<usize>>,
    string_data: Vec<Range<usize>>,
    binary_data: Vec<Range<usize>>,
    tokens: Vec<Range<usize>>,
}

impl Marks {
    fn all(&mut self) -> [&mut Vec<Range<usize>>; 4] {
        [
            &mut self.data,
            &mut self.string_data,
            &mut self.binary_data,
            &mut self.tokens,
        ]
    }

    fn is_empty(&self) -> bool {
        let Self {
            data,
            string_data,
            binary_data,
            tokens,
        } = self;
        [data, string_data, binary_data, tokens]
            .iter()
            .all(|marks| marks.is_empty())
    }
}

impl Frame {
    fn marks(&mut self) -> &mut Marks {
        self.marks.get_or_insert_default()
    }

    /// So many leaves were handed on: what is remembered of those behind them moves forward.
    fn forget(&mut self, gone: usize) {
        self.first = self.first.saturating_sub(gone);
        for ranges in self.marks.iter_mut().flat_map(|marks| marks.all()) {
            for range in ranges.iter_mut() {
                *range = range.start.saturating_sub(gone)..range.end.saturating_sub(gone);
            }
            ranges.retain(|range| !range.is_empty());
        }
        let moved = |at: Option<usize>| at.and_then(|at| at.checked_sub(gone));
        self.variable = (moved(self.variable.0), moved(self.variable.1));
    }
}

impl Walk {
    /// At the beginning.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Self {
            expected,
            scanner: Scanner::new(expected.events),
            buffer: BytesMut::new(),
            frames: Vec::new(),
            leaves: Vec::new(),
            cut: 0,
            cut_leaves: 0,
            objects: 0,
            depth: 0,
        }
    }

    /// More of it.
    ///
    /// # Errors
    /// When it is no JSON, or an object does not end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.buffer.extend_from_slice(bytes);
        self.walk(false).map_err(|Broken| broken())?;
        if self.expected.events && self.frames.is_empty() && self.scanner.is_whole() {
            // Many clients read events by line: what ends it goes with it, or they wait for the next one.
            self.cut = self.scanner.at();
        }
        match self.buffer.len() - self.cut > limits::ANSWER_OBJECT_BYTES_MAX {
            false => Ok(()),
            true => Err(Fault::bare(
                Blame::Upstream,
                "send objects within the bound",
            )),
        }
    }

    /// That was all of it.
    ///
    /// # Errors
    /// When it ends in the middle.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.walk(true).map_err(|Broken| broken())?;
        if !self.scanner.is_whole() {
            return Err(Fault::bare(
                Blame::Upstream,
                "finish an answer: it ended in the middle of an object",
            ));
        }
        self.cut = self.buffer.len();
        self.cut_leaves = self.leaves.len();
        Ok(())
    }

    /// Bytes that are whole and have not been taken.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.cut
    }

    /// What is whole.
    pub fn take(&mut self) -> Option<Piece> {
        if self.cut == 0 {
            return None;
        }
        let wire = self.buffer.split_to(self.cut).freeze();
        let rest = self.leaves.split_off(self.cut_leaves);
        let leaves = std::mem::replace(&mut self.leaves, rest);
        let gone = self.cut;
        let moved = |at: &Range<usize>| at.start.saturating_sub(gone)..at.end.saturating_sub(gone);
        for leaf in &mut self.leaves {
            leaf.at = moved(&leaf.at);
        }
        for frame in &mut self.frames {
            frame.forget(self.cut_leaves);
        }
        self.scanner.forget(gone);
        let objects = std::mem::take(&mut self.objects);
        self.cut = 0;
        self.cut_leaves = 0;
        Some(Piece::new(wire, leaves, objects))
    }

    fn walk(&mut self, last: bool) -> Result<(), Broken> {
        while let Some(token) = self.scanner.next(&self.buffer, last)? {
            match token {
                Token::Open { object } => self.open(object),
                Token::Close => self.close(),
                Token::Name => self.name(),
                Token::Text => {
                    self.text();
                    self.remember();
                    self.ended();
                }
                Token::Number => {
                    let at = self.scanner.span().at();
                    // Shorter ones are ports, sizes and versions, and no detector takes them for anything.
                    if at.len() >= NUMBER_BYTES_MIN {
                        self.number(at);
                        self.remember();
                    }
                    self.ended();
                }
                Token::Word => self.ended(),
            }
        }
        Ok(())
    }

    fn open(&mut self, object: bool) {
        let under = self.frames.last().map_or(Name::Other, |f| match f.object {
            true => f.name,
            false => f.under,
        });
        self.frames.push(Frame {
            object,
            under,
            first: self.leaves.len(),
            ..Frame::default()
        });
    }

    fn name(&mut self) {
        let span = self.scanner.span();
        let raw = self.buffer.get(span.at()).unwrap_or_default();
        let name = decode(raw, span.escaped);
        let scanned = name.len() > 64 || !name.iter().all(|b| is_usual(*b));
        if let Some(frame) = self.frames.last_mut() {
            frame.name = Name::of(&name);
            // Only what stands there is shown to maskers with its name.
            if matches!(frame.under, Name::Data | Name::StringData) {
                frame.called.clear();
                frame.called.push_str(&String::from_utf8_lossy(&name));
            }
        }
        if scanned {
            self.leaves.push(Leaf::text(span, Role::Plain));
        }
    }

    fn text(&mut self) {
        let span = self.scanner.span();
        let raw = self.buffer.get(span.at()).unwrap_or_default();
        let index = self.leaves.len();
        self.leaves.push(Leaf::text(span, Role::Plain));
        let mut copied = false;
        let mut called = None;
        let mut dumped = false;
        if let Some(frame) = self.frames.last_mut() {
            match frame.name {
                Name::Kind if frame.object => {
                    let kind = Kind::of(&decode(raw, span.escaped));
                    // Should it stand twice, the worse counts.
                    if frame.kind != Kind::Secret {
                        frame.kind = kind;
                    }
                }
                Name::Called => frame.variable.0 = Some(index),
                Name::Value => frame.variable.1 = Some(index),
                Name::Copy => copied = true,
                _ if matches!(frame.under, Name::Data | Name::StringData) => {
                    called = Some(frame.called.as_str().into());
                }
                // The words of an error, in which no detector knows a value.
                _ if frame.name == Name::Message || frame.under == Name::Cells => {
                    dumped = dump::is_in(&decode(raw, span.escaped));
                }
                _ => {}
            }
        }
        let opens = !self.frames.is_empty() && opens(raw, span.escaped);
        if copied || called.is_some() || opens {
            let leaf = self.unusual(span, (copied, opens), called);
            if let Some(last) = self.leaves.last_mut() {
                *last = leaf;
            }
        }
        if let (true, Some(last)) = (dumped, self.leaves.last_mut()) {
            last.role = Role::Secret;
        }
    }

    /// A string with a name to be shown, or with an object in it.
    fn unusual(&self, span: Span, (copied, opens): (bool, bool), called: Option<Box<str>>) -> Leaf {
        let mut leaf = match copied {
            true => self.nested(span),
            false => Leaf {
                called,
                ..Leaf::text(span, Role::Plain)
            },
        };
        // What calls itself a copy was read already, whatever came of it.
        if opens && !copied && self.depth < COPIES_DEPTH_MAX {
            // Tools keep copies of objects under other names as well, and in ConfigMaps.
            let copy = self.nested(span);
            if matches!(copy.form, Form::Nested(_)) && copy.is_secret() {
                leaf = copy;
            }
        }
        if self.depth > 0 && leaf.is_secret() {
            // What stands in a copy of a copy is not taken apart.
            leaf.role = Role::Secret;
        }
        leaf
    }

    /// The copy of an object, as kubectl keeps one in an annotation.
    fn nested(&self, span: Span) -> Leaf {
        #[cfg(test)]
        tests::READ.with(|read| read.set(read.get() + 1));
        let raw = self.buffer.get(span.at()).unwrap_or_default();
        let text = decode(raw, span.escaped).into_owned();
        let mut inner = Self::new(Expected {
            events: false,
            ..self.expected
        });
        inner.depth = self.depth.saturating_add(1);
        let read = match inner.depth > COPIES_DEPTH_MAX {
            true => Err(broken()),
            false => inner.push(&text).and_then(|()| inner.end()),
        };
        let mut leaf = Leaf::text(span, Role::Plain);
        match read {
            Ok(()) => {
                leaf.form = Form::Nested(Box::new(Copied {
                    text,
                    leaves: inner.leaves,
                }));
            }
            // Nobody knows what it is.
            Err(_) => leaf.role = Role::Secret,
        }
        leaf
    }

    fn number(&mut self, at: Range<usize>) {
        self.leaves.push(Leaf {
            at,
            form: Form::Number,
            role: Role::Plain,
            called: None,
        });
    }

    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if frame.object {
            self.settle(&frame);
        }
        self.bequeath(&frame);
        self.ended();
    }

    /// What an object's kind says about its values.
    fn settle(&mut self, frame: &Frame) {
        if let Some(marks) = &frame.marks {
            let listed = || self.frames.iter().any(|f| f.kind == Kind::SecretList);
            if self.expected.secrets || frame.kind == Kind::Secret || listed() {
                self.mark(&marks.data, Role::SecretBlob);
                self.mark(&marks.string_data, Role::Secret);
            } else if frame.kind == Kind::ConfigMap {
                self.mark(&marks.binary_data, Role::Blob);
            }
            if self.expected.token || matches!(frame.kind, Kind::TokenRequest | Kind::TokenReview) {
                self.mark(&marks.tokens, Role::Secret);
            }
        }
        if let (Name::Env, (Some(name), Some(value))) = (frame.under, frame.variable) {
            self.variable(name, value);
        }
    }

    fn mark(&mut self, ranges: &[Range<usize>], role: Role) {
        for range in ranges {
            let leaves = self.leaves.get_mut(range.clone()).unwrap_or_default();
            leaves.iter_mut().for_each(|leaf| leaf.role = role);
        }
    }

    fn variable(&mut self, name: usize, value: usize) {
        let bytes = &self.buffer;
        let name = self.leaves.get(name).map(|leaf| leaf.says(bytes));
        let Some(name) = name.map(|name| String::from_utf8_lossy(&name).into_owned()) else {
            return;
        };
        if let Some(leaf) = self.leaves.get_mut(value) {
            if tells_a_secret(&name) {
                leaf.role = Role::Secret;
            }
            leaf.called = Some(name.into());
        }
    }

    /// What the object around it remembers of it.
    fn bequeath(&mut self, frame: &Frame) {
        let leaves = frame.first..self.leaves.len();
        let Some(around) = self.frames.last_mut().filter(|f| f.object) else {
            return;
        };
        match around.name {
            Name::Data => around.marks().data.push(leaves),
            Name::StringData => around.marks().string_data.push(leaves),
            Name::BinaryData => around.marks().binary_data.push(leaves),
            Name::Spec | Name::Status => {
                if let Some(marks) = &frame.marks {
                    let tokens = marks.tokens.iter().cloned();
                    around.marks().tokens.extend(tokens);
                }
            }
            Name::Value if self.expected.patch => self.mark(&[leaves], Role::Secret),
            _ => {}
        }
    }

    /// The leaf that was pushed last, under its name.
    fn remember(&mut self) {
        let count = self.leaves.len();
        let last = count.saturating_sub(1)..count;
        let Some(frame) = self.frames.last_mut().filter(|f| f.object) else {
            return;
        };
        match frame.name {
            Name::Token => frame.marks().tokens.push(last),
            Name::Data => frame.marks().data.push(last),
            Name::StringData => frame.marks().string_data.push(last),
            Name::BinaryData => frame.marks().binary_data.push(last),
            Name::Value if self.expected.patch => self.mark(&[last], Role::Secret),
            _ => {}
        }
    }

    /// A value has ended: the answer may be cut here where it is an object of its own.
    fn ended(&mut self) {
        let whole = match self.frames.as_slice() {
            [] => true,
            [root, list] => {
                let listed = matches!(list.under, Name::Items | Name::Rows) && !list.object;
                // What its kind will say about the root's own values is not known yet.
                let known = root.marks.as_ref().is_none_or(|marks| marks.is_empty());
                listed && known && root.object
            }
            _ => false,
        };
        if whole {
            self.cut = self.scanner.at();
            self.cut_leaves = self.leaves.len();
            self.objects = self.objects.saturating_add(1);
        }
    }
}

/// A string may hold objects, by its raw text. Nearly none begins with what has to be decoded to tell.
fn opens(raw: &[u8], escaped: bool) -> bool {
    match raw.first() {
        Some(b'{' | b'[') => true,
        Some(b' ' | b'\\') => holds_object(&decode(raw, escaped)),
        _ => false,
    }
}

fn broken() -> Fault {
    Fault::bare(Blame::Upstream, "answer in JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::cell::Cell;

    thread_local! {
        /// Copies that were read.
        pub(super) static READ: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn a_copy_that_is_broken_off_is_read_once_at_every_depth() {
        // The innermost is whole, so that each of the others is read to its end.
        for name in ["kubectl.kubernetes.io/last-applied-configuration", "a"] {
            let broken = |text: String, _| format!("{{\"{name}\":{}", Value::from(text));
            let text = (0..6).fold("{}".to_owned(), broken);
            READ.set(0);
            let mut walk = Walk::new(Expected::default());
            walk.push(format!("{text}}}").as_bytes()).unwrap();
            walk.end().unwrap();
            let most = u32::from(COPIES_DEPTH_MAX) + 1;
            assert!((1..=most).contains(&READ.get()), "{name}: {}", READ.get());
        }
    }
}
