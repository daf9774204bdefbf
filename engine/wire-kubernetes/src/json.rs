//! JSON that arrives in pieces, as tokens with their places (RFC 8259). It exists because an answer of a cluster may
//! be larger than memory: objects are read one by one, and every byte that nobody changes goes on as it came.
//!
//! Refuses whatever is no JSON, so that no client can read something else out of it than was looked at: nesting has a
//! bound, strings hold no control characters and only whole escapes, numbers are numbers.

#[cfg(test)]
mod tests;
mod text;

pub(crate) use text::{decode, encode};

use memchr::memchr2;
use portcullis_model::limits;
use std::ops::Range;

/// One token. Ranges are places in the buffer it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// `{` or `[`.
    Open {
        /// `{`.
        object: bool,
    },
    /// `}` or `]`.
    Close,
    /// A member's name.
    Name(Span),
    /// A string.
    Text(Span),
    /// A number.
    Number(Range<usize>),
    /// `true`, `false`, `null`.
    Word,
}

/// A string without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where its raw text stands.
    pub at: Range<usize>,
    /// It holds escapes.
    pub escaped: bool,
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

/// Reads tokens off a buffer that grows at its end.
#[derive(Debug)]
pub(crate) struct Scanner {
    at: usize,
    expect: Expect,
    /// What is open: true for objects.
    open: Vec<bool>,
    /// More than one value may stand at the top.
    many: bool,
    /// A string that has not ended: how far it was looked at, and whether it holds escapes.
    inside: Option<(usize, bool)>,
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
        }
    }

    /// Where the next token begins, at the earliest.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The buffer has lost so many bytes at its beginning.
    pub(crate) fn forget(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
        if let Some((looked, _)) = &mut self.inside {
            *looked = looked.saturating_sub(bytes);
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
                    return Ok(self.string(buffer)?.map(|span| {
                        self.expect = Expect::Colon;
                        Token::Name(span)
                    }));
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
            b'"' => Ok(self.string(buffer)?.map(|span| {
                self.ended();
                Token::Text(span)
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

    /// A string, `None` when its end has not come.
    fn string(&mut self, buffer: &[u8]) -> Result<Option<Span>, Broken> {
        let begin = self.at + 1;
        let (mut looked, mut escaped) = self.inside.take().unwrap_or((begin, false));
        loop {
            let rest = buffer.get(looked..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', rest) else {
                self.inside = Some((buffer.len().max(looked), escaped));
                return Ok(None);
            };
            let place = looked + found;
            if buffer.get(place) == Some(&b'"') {
                self.at = place + 1;
                let span = Span {
                    at: begin..place,
                    escaped,
                };
                return text::check(buffer.get(span.at.clone()).unwrap_or_default(), escaped)
                    .map(|()| Some(span));
            }
            if place + 1 >= buffer.len() {
                self.inside = Some((place, escaped));
                return Ok(None);
            }
            escaped = true;
            looked = place + 2;
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
            number if text::is_number(number) => Token::Number(self.at..self.at + length),
            _ => return Err(Broken),
        };
        self.at += length;
        self.ended();
        Ok(Some(token))
    }
}
