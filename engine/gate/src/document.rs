//! Finds the parts of a JSON document that are masked by path: text in, ranges of it out. Pure, in one pass over
//! the text and without recursion, for the values of a column and for bodies of requests alike.
//!
//! Errs on the side of hiding. A name met on an array means the members of its elements; a number met on what is
//! no array means that itself; every one of several members of one name counts; a string that holds a document
//! of its own is looked into, and hidden whole where something in it has to be. It refuses what is no strict JSON
//! (RFC 8259), nesting and numbers of parts beyond their bounds: whoever asks then hides all of it.

mod text;

pub use text::{number, unescape};

use portcullis_model::rows::PathMask;
use portcullis_model::{PathStep, limits};
use std::ops::Range;
use text::{Shape, looks_like, string};

/// A part that has to be hidden: a whole value, with its quotes or brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Where it stands.
    pub range: Range<usize>,
    /// Which of the parts that were asked for it is; of several the first.
    pub part: usize,
}

/// It is no document, or none in bounds: nobody can say what is where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The parts of a document, in order and apart. What is `null` shows nothing and stays.
///
/// # Errors
/// When the text cannot be read as one object or array in bounds. A number or words alone are no document: whoever
/// asks for a part of them does not know what is there.
pub fn hidden(text: &[u8], parts: &[PathMask]) -> Result<Vec<Hidden>, Unreadable> {
    let found = Reader::new(text, parts, &vec![1; parts.len()], 0).run()?;
    match !found.is_empty() || holds_parts(text, 0) {
        true => Ok(found),
        false => Err(Unreadable),
    }
}

/// An object, an array, `null`, or a text of one; `within` texts stand around this one.
fn holds_parts(text: &[u8], within: usize) -> bool {
    let text = text.trim_ascii();
    match text.first() {
        Some(b'{' | b'[' | b'n') => true,
        Some(b'"') => {
            let quoted = text.get(1..text.len().saturating_sub(1));
            let inner = unescape(quoted.unwrap_or_default());
            match looks_like(&inner) {
                Shape::Document => true,
                Shape::Quoted => {
                    within < limits::DOCUMENT_TEXTS_MAX && holds_parts(&inner, within + 1)
                }
                Shape::Words => false,
            }
        }
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Object,
    /// With the number of its next element.
    Array(u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    Next,
}

/// The value that is being hidden.
struct Hiding {
    start: usize,
    part: usize,
    depth: usize,
}

/// Where a value stands in the one around it.
enum Place<'a> {
    Member(&'a [u8]),
    Element(u32),
}

struct Reader<'a> {
    text: &'a [u8],
    parts: &'a [PathMask],
    at: usize,
    open: Vec<Open>,
    /// For each open value, outermost first, and then the one that begins next: a set for each part, of how many
    /// of its steps may have been taken.
    taken: Vec<u32>,
    hiding: Option<Hiding>,
    found: Vec<Hidden>,
    /// How many texts there are around this one.
    within: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8], parts: &'a [PathMask], taken: &[u32], within: usize) -> Self {
        Self {
            text,
            parts,
            at: 0,
            open: Vec::new(),
            taken: taken.to_vec(),
            hiding: None,
            found: Vec::new(),
            within,
        }
    }

    fn run(mut self) -> Result<Vec<Hidden>, Unreadable> {
        let mut expect = Expect::Value;
        loop {
            self.blank();
            if self.open.is_empty() && expect == Expect::Next {
                return match self.at == self.text.len() {
                    true => Ok(self.found),
                    false => Err(Unreadable),
                };
            }
            expect = self.step(expect).ok_or(Unreadable)?;
            if self.found.len() > limits::DOCUMENT_PARTS_MAX {
                return Err(Unreadable);
            }
        }
    }

    fn blank(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().take_while(blank).count();
    }

    fn step(&mut self, expect: Expect) -> Option<Expect> {
        let byte = *self.text.get(self.at)?;
        match (expect, byte) {
            (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.close(byte),
            (Expect::Value | Expect::ValueOrEnd, _) => {
                if let Some(Open::Array(next)) = self.open.last().copied() {
                    self.descend(&Place::Element(next));
                }
                self.value(byte)
            }
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                let name = string(self.text, self.at)?;
                let within = self.text.get(name.start + 1..name.end - 1)?;
                self.at = name.end;
                self.descend(&Place::Member(&unescape(within)));
                Some(Expect::Colon)
            }
            (Expect::Colon, b':') => {
                self.at += 1;
                Some(Expect::Value)
            }
            (Expect::Next, b',') => {
                self.at += 1;
                match self.open.last_mut()? {
                    Open::Object => Some(Expect::Key),
                    Open::Array(next) => {
                        *next = next.saturating_add(1);
                        Some(Expect::Value)
                    }
                }
            }
            (Expect::Next, b']' | b'}') => self.close(byte),
            _ => None,
        }
    }

    fn value(&mut self, byte: u8) -> Option<Expect> {
        self.arrive(byte);
        match byte {
            b'[' => self.enter(Open::Array(0), Expect::ValueOrEnd),
            b'{' => self.enter(Open::Object, Expect::KeyOrEnd),
            b'"' => {
                let range = string(self.text, self.at)?;
                self.look_into(&range);
                self.at = range.end;
                self.leave()
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => {
                self.at += number(self.text.get(self.at..)?)?;
                self.leave()
            }
        }
    }

    fn enter(&mut self, open: Open, expect: Expect) -> Option<Expect> {
        self.at += 1;
        self.open.push(open);
        (self.open.len() <= limits::DOCUMENT_DEPTH_MAX).then_some(expect)
    }

    fn close(&mut self, byte: u8) -> Option<Expect> {
        match (self.open.pop()?, byte) {
            (Open::Object, b'}') | (Open::Array(_), b']') => {
                self.at += 1;
                self.leave()
            }
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<Expect> {
        self.text.get(self.at..)?.starts_with(word).then_some(())?;
        self.at += word.len();
        self.leave()
    }

    /// A value begins: is it one that has to be hidden?
    fn arrive(&mut self, byte: u8) {
        if self.hiding.is_some() {
            return;
        }
        let base = self.taken.len().saturating_sub(self.parts.len());
        let sets = self.taken.get_mut(base..).unwrap_or_default();
        let mut hit = None;
        for (part, (mask, set)) in self.parts.iter().zip(sets).enumerate() {
            let steps = mask.path.steps();
            if byte != b'[' {
                for (taken, step) in steps.iter().enumerate() {
                    if matches!(step, PathStep::Index(_) | PathStep::Each) {
                        *set |= (*set >> taken & 1) << (taken + 1);
                    }
                }
            }
            if *set >> steps.len() & 1 == 1 {
                hit = hit.or(Some(part));
            }
        }
        if let Some(part) = hit.filter(|_| byte != b'n') {
            self.hiding = Some(Hiding {
                start: self.at,
                part,
                depth: self.open.len(),
            });
        }
    }

    /// A value has ended.
    fn leave(&mut self) -> Option<Expect> {
        let left = self.taken.len().checked_sub(self.parts.len())?;
        self.taken.truncate(left);
        if let Some(hiding) = self.hiding.take_if(|h| h.depth == self.open.len()) {
            self.found.push(Hidden {
                range: hiding.start..self.at,
                part: hiding.part,
            });
        }
        Some(Expect::Next)
    }

    /// The sets of a value inside the one that was entered last.
    fn descend(&mut self, place: &Place<'_>) {
        let base = self.taken.len().saturating_sub(self.parts.len());
        for (part, mask) in self.parts.iter().enumerate() {
            let outer = self.taken.get(base + part).copied().unwrap_or_default();
            let inner = match self.hiding {
                Some(_) => 0,
                None => further(mask.path.steps(), outer, place),
            };
            self.taken.push(inner);
        }
    }

    /// A string that is a document itself is hidden whole where a part of it has to be, or where it cannot be
    /// read.
    fn look_into(&mut self, range: &Range<usize>) {
        if self.hiding.is_some() {
            return;
        }
        let base = self.taken.len().saturating_sub(self.parts.len());
        let sets = self.taken.get(base..).unwrap_or_default();
        let Some(alive) = sets.iter().position(|set| *set != 0) else {
            return;
        };
        let within = self.text.get(range.start + 1..range.end - 1);
        let inner = unescape(within.unwrap_or_default());
        let part = match looks_like(&inner) {
            Shape::Words => None,
            _ if self.within >= limits::DOCUMENT_TEXTS_MAX => Some(alive),
            shape => {
                match (
                    Reader::new(&inner, self.parts, sets, self.within + 1).run(),
                    shape,
                ) {
                    (Ok(found), _) => found.iter().map(|hidden| hidden.part).min(),
                    (Err(Unreadable), Shape::Quoted) => None,
                    (Err(Unreadable), _) => Some(alive),
                }
            }
        };
        if let Some(part) = part {
            self.found.push(Hidden {
                range: range.clone(),
                part,
            });
        }
    }
}

/// How many steps may have been taken one value further in.
fn further(steps: &[PathStep], outer: u32, place: &Place<'_>) -> u32 {
    let mut inner = 0;
    for (taken, step) in steps.iter().enumerate() {
        if outer >> taken & 1 == 0 {
            continue;
        }
        let (stay, go) = (1_u32 << taken, 1_u32 << (taken + 1));
        inner |= match (step, place) {
            (PathStep::Name(name), Place::Member(member)) if name.as_bytes() == *member => go,
            (PathStep::Name(_), Place::Element(_)) => stay,
            (PathStep::Index(index), Place::Element(element)) if index == element => go,
            (PathStep::Name(_) | PathStep::Index(_), _) => 0,
            (PathStep::Each | PathStep::Any, _) => go,
            (PathStep::Deep(name), Place::Member(member)) if name.as_bytes() == *member => {
                stay | go
            }
            (PathStep::Deep(_), _) => stay,
            (PathStep::DeepAny, _) => stay | go,
        };
    }
    inner
}

#[cfg(test)]
#[path = "document/tests.rs"]
mod tests;
