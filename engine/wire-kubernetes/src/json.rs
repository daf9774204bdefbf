//! JSON that arrives in pieces, as tokens with their places (RFC 8259). It exists because an answer of a cluster may
//! be larger than memory: objects are read one by one, and every byte that nobody changes goes on as it came.
//!
//! Refuses whatever is no JSON, so that no client can read something else out of it than was looked at: nesting has a
//! bound, strings hold no control characters and only whole escapes, numbers are numbers.

#[cfg(test)]
mod tests;
mod text;

pub(crate) use text::{decode, encode};

use portcullis_model::limits;
use std::ops::Range;

/// One token. Where a name, a string or a number stands says [`Scanner::span`]: what is handed over with every token
/// costs more than reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// `{` or `[`.
    Open {
        /// `{`.
        object: bool,
    },
    /// `}` or `]`.
    Close,
    /// A member's name.
    Name,
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true`, `false`, `null`.
    Word,
}

/// A string without its quotes, or a number: its place in the buffer it was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: usize,
    end: usize,
    /// It holds escapes.
    pub escaped: bool,
}

impl Span {
    /// Where its raw text stands.
    pub(crate) fn at(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A value at the top, or the end.
    Top,
    /// Nothing more: the one value has ended.
    Nothing,
    /// A value.
    Value,
    /// A value, or the end of an empty array.
    FirstItem,
    /// A name, or the end of an empty object.
    FirstName,
    /// A name.
    Name,
    /// `:`.
    Colon,
    /// `,` or the end of what is open.
    Comma,
}

/// What is known of a string that has not ended.
#[derive(Clone, Copy, Debug)]
struct Inside {
    /// How far it was looked at.
    looked: usize,
    /// It holds escapes.
    escaped: bool,
    /// It holds more than ASCII.
    wide: bool,
}

/// Reads tokens off a buffer that grows at its end.
#[derive(Debug)]
pub(crate) struct Scanner {
    at: usize,
    expect: Expect,
    /// What is open: true for objects.
    open: Vec<bool>,
    /// More than one value may stand at the top.
    many: bool,
    /// A string that has not ended.
    inside: Option<Inside>,
    /// The name, string or number that was read last.
    span: Span,
}

impl Scanner {
    /// At the beginning. `many`: values follow each other, as the events of a watch.
    pub(crate) fn new(many: bool) -> Self {
        Self {
            at: 0,
            expect: Expect::Top,
            open: Vec::new(),
            many,
            inside: None,
            span: Span::default(),
        }
    }

    /// Where the name, string or number stands that was read last, until the buffer loses bytes.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Where the next token begins, at the earliest.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The buffer has lost so many bytes at its beginning.
    pub(crate) fn forget(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
        if let Some(inside) = &mut self.inside {
            inside.looked = inside.looked.saturating_sub(bytes);
        }
    }

    /// True where the input may end.
    pub(crate) fn is_whole(&self) -> bool {
        let ended = matches!(self.expect, Expect::Top | Expect::Nothing);
        ended && self.open.is_empty() && self.inside.is_none()
    }

    /// The next token, `None` when more bytes are needed. `last`: there are none.
    pub(crate) fn next(&mut self, buffer: &[u8], last: bool) -> Result<Option<Token>, Broken> {
        loop {
            self.skip_space(buffer);
            let Some(&byte) = buffer.get(self.at) else {
                return Ok(None);
            };
            match (self.expect, byte) {
                (Expect::Colon, b':') => {
                    self.at += 1;
                    self.expect = Expect::Value;
                }
                (Expect::Comma, b',') => {
                    self.at += 1;
                    self.expect = match self.open.last() {
                        Some(true) => Expect::Name,
                        _ => Expect::Value,
                    };
                }
                (Expect::Comma | Expect::FirstName, b'}') => return self.close(true),
                (Expect::Comma | Expect::FirstItem, b']') => return self.close(false),
                (Expect::Name | Expect::FirstName, b'"') => {
                    if !self.string(buffer)? {
                        return Ok(None);
                    }
                    self.expect = Expect::Colon;
                    return Ok(Some(Token::Name));
                }
                (Expect::Top | Expect::Value | Expect::FirstItem, _) => {
                    return self.value(buffer, byte, last);
                }
                _ => return Err(Broken),
            }
        }
    }

    fn skip_space(&mut self, buffer: &[u8]) {
        if self.inside.is_some() {
            return;
        }
        let rest = buffer.get(self.at..).unwrap_or_default();
        // Servers write none.
        if rest.first().is_some_and(|byte| *byte > b' ') {
            return;
        }
        let space = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += space.count();
    }

    fn value(&mut self, buffer: &[u8], byte: u8, last: bool) -> Result<Option<Token>, Broken> {
        match byte {
            b'{' | b'[' => {
                let object = byte == b'{';
                if self.open.len() >= limits::ANSWER_DEPTH_MAX {
                    return Err(Broken);
                }
                self.open.push(object);
                self.at += 1;
                self.expect = match object {
                    true => Expect::FirstName,
                    false => Expect::FirstItem,
                };
                Ok(Some(Token::Open { object }))
            }
            b'"' => Ok(self.string(buffer)?.then(|| {
                self.ended();
                Token::Text
            })),
            _ => self.word(buffer, last),
        }
    }

    fn close(&mut self, object: bool) -> Result<Option<Token>, Broken> {
        if self.open.pop() != Some(object) {
            return Err(Broken);
        }
        self.at += 1;
        self.ended();
        Ok(Some(Token::Close))
    }

    /// A value has ended.
    fn ended(&mut self) {
        self.expect = match (self.open.is_empty(), self.many) {
            (false, _) => Expect::Comma,
            (true, true) => Expect::Top,
            (true, false) => Expect::Nothing,
        };
    }

    /// A string; false when its end has not come.
    fn string(&mut self, buffer: &[u8]) -> Result<bool, Broken> {
        let begin = self.at + 1;
        let mut inside = self.inside.take().unwrap_or(Inside {
            looked: begin,
            escaped: false,
            wide: false,
        });
        loop {
            let rest = buffer.get(inside.looked..).unwrap_or_default();
            let stretch = text::stretch(rest);
            if stretch.control {
                return Err(Broken);
            }
            inside.wide |= stretch.wide;
            let place = inside.looked + stretch.length;
            inside.looked = place;
            if buffer.get(place) == Some(&b'"') {
                self.at = place + 1;
                self.span = Span {
                    start: begin,
                    end: place,
                    escaped: inside.escaped,
                };
                if inside.escaped || inside.wide {
                    let raw = buffer.get(begin..place).unwrap_or_default();
                    text::check(raw, inside.escaped, inside.wide)?;
                }
                return Ok(true);
            }
            if place + 1 >= buffer.len() {
                self.inside = Some(inside);
                return Ok(false);
            }
            inside.escaped = true;
            inside.looked = place + 2;
        }
    }

    /// A number or one of the three words, which end where something else begins.
    fn word(&mut self, buffer: &[u8], last: bool) -> Result<Option<Token>, Broken> {
        let rest = buffer.get(self.at..).unwrap_or_default();
        let ends = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']');
        let length = match rest.iter().position(ends) {
            Some(length) => length,
            None if last || rest.len() > text::WORD_BYTES_MAX => rest.len(),
            None => return Ok(None),
        };
        let word = rest.get(..length).unwrap_or_default();
        let token = match word {
            b"true" | b"false" | b"null" => Token::Word,
            number if text::is_number(number) => {
                self.span = Span {
                    start: self.at,
                    end: self.at + length,
                    escaped: false,
                };
                Token::Number
            }
            _ => return Err(Broken),
        };
        self.at += length;
        self.ended();
        Ok(Some(token))
    }
}
