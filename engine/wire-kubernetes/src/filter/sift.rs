//! An answer on its way through a filter: lists item by item, tables row by row, watches event by event. Bytes go in in
//! any pieces, and come out without the objects that are not kept. No more than one object is held.
//!
//! It refuses lists that it cannot take apart, so that nothing passes unseen: members that no list has, and objects
//! that no list is. Counts of what is left out, and tokens of pages, do not pass.

use super::Sieve;
use super::event::{Seen, Told, renamed};
use super::shown::{Row, Shown};
use crate::json::{Broken, Scanner, Token, decode};
use bytes::{Buf as _, BytesMut};
use portcullis_model::{Blame, Fault, limits};
use serde_json::Value;
use std::ops::Range;

/// What follows each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One list, or one table.
    List,
    /// Events of a watch.
    Events,
}

/// Members of a list, of a table, and of what stands in the place of one.
const MEMBERS: [&str; 10] = [
    "apiVersion",
    "code",
    "columnDefinitions",
    "details",
    "items",
    "kind",
    "message",
    "metadata",
    "reason",
    "status",
];

/// An answer that is being sifted.
pub(crate) struct Sift {
    sieve: Sieve,
    shape: Shape,
    scanner: Scanner,
    buffer: BytesMut,
    out: Vec<u8>,
    depth: usize,
    /// Where the item, event or member began that is being read.
    start: usize,
    /// The member of the list that is being read.
    member: String,
    /// Within `items` or `rows`.
    listed: bool,
    /// Something stands before in the list, in what is listed.
    members: usize,
    items: usize,
    /// The type of the event.
    typed: Option<Range<usize>>,
    seen: Seen,
}

impl Sift {
    /// At the beginning.
    pub(crate) fn new(sieve: Sieve, shape: Shape) -> Self {
        Self {
            sieve,
            shape,
            scanner: Scanner::new(shape == Shape::Events),
            buffer: BytesMut::new(),
            out: Vec::new(),
            depth: 0,
            start: 0,
            member: String::new(),
            listed: false,
            members: 0,
            items: 0,
            typed: None,
            seen: Seen::default(),
        }
    }

    /// More of the answer.
    ///
    /// # Errors
    /// When it is no list or watch that can be taken apart.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.buffer.extend_from_slice(bytes);
        self.walk(false).map_err(|Broken| broken())?;
        match self.buffer.len() > limits::ANSWER_OBJECT_BYTES_MAX {
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
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.walk(true).map_err(|Broken| broken())?;
        match self.scanner.is_whole() {
            true => Ok(()),
            false => Err(Fault::bare(
                Blame::Upstream,
                "finish an answer: it ended in the middle of an object",
            )),
        }
    }

    /// What is shown.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn walk(&mut self, last: bool) -> Result<(), Broken> {
        while let Some(token) = self.scanner.next(&self.buffer, last)? {
            match self.shape {
                Shape::List => self.list(token)?,
                Shape::Events => self.event(token)?,
            }
        }
        Ok(())
    }

    fn list(&mut self, token: Token) -> Result<(), Broken> {
        match token {
            Token::Open { object } => self.open(object)?,
            Token::Close => {
                self.depth -= 1;
                match (self.depth, self.listed) {
                    (2, true) => self.item()?,
                    (1, true) => {
                        self.listed = false;
                        self.out.push(b']');
                    }
                    (1, false) => self.member()?,
                    (0, _) => self.out.push(b'}'),
                    _ => return Ok(()),
                }
                self.forget();
            }
            Token::Name if self.depth == 1 => {
                self.member = self.name()?;
                self.start = self.scanner.span().at().start.saturating_sub(1);
            }
            Token::Name => {}
            Token::Text | Token::Number | Token::Word => match (self.depth, self.listed) {
                (0, _) => return Err(Broken),
                (1, _) => {
                    self.member()?;
                    self.forget();
                }
                // An item that is no object is nobody's.
                (2, true) => self.forget(),
                _ => {}
            },
        }
        Ok(())
    }

    /// The name that was read last.
    fn name(&self) -> Result<String, Broken> {
        let span = self.scanner.span();
        let raw = self.buffer.get(span.at()).ok_or(Broken)?;
        Ok(String::from_utf8_lossy(&decode(raw, span.escaped)).into_owned())
    }

    fn open(&mut self, object: bool) -> Result<(), Broken> {
        let lists = matches!(self.member.as_str(), "items" | "rows");
        match self.depth {
            0 if !object => return Err(Broken),
            0 => self.out.push(b'{'),
            1 if lists && object => return Err(Broken),
            1 if lists => {
                let opening = format!("\"{}\":[", self.member);
                self.comma();
                self.out.extend_from_slice(opening.as_bytes());
                (self.listed, self.items) = (true, 0);
            }
            2 if self.listed => self.start = self.scanner.at().saturating_sub(1),
            _ => {}
        }
        self.depth += 1;
        Ok(())
    }

    fn comma(&mut self) {
        if self.members > 0 {
            self.out.push(b',');
        }
        self.members += 1;
    }

    /// An item of the list has ended.
    fn item(&mut self) -> Result<(), Broken> {
        let bytes = self.buffer.get(self.start..self.scanner.at());
        let bytes = bytes.ok_or(Broken)?;
        let kept = match self.member.as_str() {
            "rows" => {
                let row = serde_json::from_slice::<Row>(bytes).ok();
                row.is_some_and(|row| row.meta().is_some_and(|meta| self.sieve.keeps(meta)))
            }
            _ => {
                let item = serde_json::from_slice::<Shown>(bytes).ok();
                item.is_some_and(|i| i.metadata.is_some_and(|meta| self.sieve.keeps(&meta)))
            }
        };
        if kept {
            if self.items > 0 {
                self.out.push(b',');
            }
            self.items += 1;
            self.out.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// A member of the list itself has ended.
    fn member(&mut self) -> Result<(), Broken> {
        let name = self.member.as_str();
        if name != "rows" && !MEMBERS.contains(&name) {
            return Err(Broken);
        }
        let range = self.start..self.scanner.at();
        let text = self.buffer.get(range).ok_or(Broken)?.to_vec();
        let text = match name {
            "metadata" => uncounted(text)?,
            _ => text,
        };
        self.comma();
        self.out.extend_from_slice(&text);
        Ok(())
    }

    /// What was read is done with.
    fn forget(&mut self) {
        let gone = self.scanner.at().min(self.buffer.len());
        self.buffer.advance(gone);
        self.scanner.forget(gone);
        self.start = 0;
    }

    fn event(&mut self, token: Token) -> Result<(), Broken> {
        match token {
            Token::Open { .. } => {
                if self.depth == 0 {
                    self.start = self.scanner.at().saturating_sub(1);
                    self.typed = None;
                }
                self.depth += 1;
            }
            Token::Name if self.depth == 1 => self.member = self.name()?,
            Token::Text if self.depth == 1 && self.member == "type" => {
                self.typed = Some(self.scanner.span().at());
            }
            Token::Close => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.told()?;
                    self.forget();
                }
            }
            _ if self.depth == 0 => return Err(Broken),
            _ => {}
        }
        Ok(())
    }

    /// An event has ended.
    fn told(&mut self) -> Result<(), Broken> {
        let event = self.buffer.get(self.start..self.scanner.at());
        let event = event.ok_or(Broken)?;
        match self.seen.judge(&self.sieve, event)? {
            Told::Nothing => return Ok(()),
            Told::As => self.out.extend_from_slice(event),
            Told::Instead(other) => self.out.extend_from_slice(other.as_bytes()),
            Told::Named(name) => {
                let at = self.typed.clone().ok_or(Broken)?;
                let at = at.start - self.start..at.end - self.start;
                self.out.extend(renamed(event, &at, name)?);
            }
        }
        self.out.push(b'\n');
        Ok(())
    }
}

/// `"metadata": {…}` of a list without what counts the objects that are left out, or names one of them.
fn uncounted(text: Vec<u8>) -> Result<Vec<u8>, Broken> {
    let whole = [b"{", text.as_slice(), b"}"].concat();
    let mut whole: Value = serde_json::from_slice(&whole).map_err(|_| Broken)?;
    let Some(metadata) = whole.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Ok(text);
    };
    if metadata.contains_key("name") {
        // It is an object, whatever was asked for.
        return Err(Broken);
    }
    let counted = ["continue", "remainingItemCount"].map(|name| metadata.remove(name).is_some());
    match counted.contains(&true) {
        false => Ok(text),
        true => {
            let text = whole.to_string();
            let inner = text.get(1..text.len().saturating_sub(1));
            Ok(inner.unwrap_or_default().as_bytes().to_vec())
        }
    }
}

fn broken() -> Fault {
    Fault::bare(Blame::Upstream, "answer with what a filter can take apart")
}
