//! JSON (RFC 8259) as far as masking needs it: where the strings, keys and numbers stand. Strict, and
//! without recursion: nesting costs one bit of a stack. Refuses what is no JSON, and nesting beyond a
//! bound; such a text is looked at as a whole.

use super::array::Tokens;
use super::pass::{Form, Token};
use portcullis_gate::document::number;
pub(super) use portcullis_gate::document::unescape;
use smallvec::SmallVec;

/// Deeper nesting is no document, it is an attack on whoever reads it.
const DEPTH_MAX: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Array,
    Object,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value.
    Value,
    /// A value or `]`.
    ValueOrEnd,
    /// A key.
    Key,
    /// A key or `}`.
    KeyOrEnd,
    /// `:`.
    Colon,
    /// `,` or the end of what is open.
    Next,
}

/// Strings, keys (`Quoted`, `Escaped`) and numbers (`Bare`), in order; `None` when it is no JSON.
pub(super) fn scan(text: &[u8]) -> Option<Tokens> {
    let mut scanner = Scanner {
        text,
        at: 0,
        open: SmallVec::new(),
        tokens: Tokens::new(),
    };
    let mut expect = Expect::Value;
    loop {
        scanner.blank();
        if scanner.open.is_empty() && expect == Expect::Next {
            return (scanner.at == text.len()).then_some(scanner.tokens);
        }
        expect = scanner.step(expect)?;
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    open: SmallVec<[Inside; 32]>,
    tokens: Tokens,
}

impl Scanner<'_> {
    fn blank(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().take_while(blank).count();
    }

    fn step(&mut self, expect: Expect) -> Option<Expect> {
        let byte = *self.text.get(self.at)?;
        match (expect, byte) {
            (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.close(byte),
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte),
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                self.string()?;
                Some(Expect::Colon)
            }
            (Expect::Colon, b':') => {
                self.at += 1;
                Some(Expect::Value)
            }
            (Expect::Next, b',') => {
                self.at += 1;
                Some(match self.open.last()? {
                    Inside::Array => Expect::Value,
                    Inside::Object => Expect::Key,
                })
            }
            (Expect::Next, b']' | b'}') => self.close(byte),
            _ => None,
        }
    }

    fn value(&mut self, byte: u8) -> Option<Expect> {
        match byte {
            b'[' => self.enter(Inside::Array, Expect::ValueOrEnd),
            b'{' => self.enter(Inside::Object, Expect::KeyOrEnd),
            b'"' => {
                self.string()?;
                Some(Expect::Next)
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn enter(&mut self, inside: Inside, expect: Expect) -> Option<Expect> {
        self.at += 1;
        self.open.push(inside);
        (self.open.len() <= DEPTH_MAX).then_some(expect)
    }

    fn close(&mut self, byte: u8) -> Option<Expect> {
        self.at += 1;
        match (self.open.pop()?, byte) {
            (Inside::Array, b']') | (Inside::Object, b'}') => Some(Expect::Next),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<Expect> {
        self.text.get(self.at..)?.strip_prefix(word)?;
        self.at += word.len();
        Some(Expect::Next)
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at;
        let mut at = start + 1;
        let mut form = Form::Quoted;
        loop {
            match *self.text.get(at)? {
                b'"' => break,
                b'\\' => {
                    form = Form::Escaped;
                    at += escape(self.text.get(at + 1..)?)? + 1;
                }
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.tokens.push(Token {
            start,
            end: at + 1,
            form,
        });
        Some(())
    }

    fn number(&mut self) -> Option<Expect> {
        let start = self.at;
        let length = number(self.text.get(start..)?)?;
        self.at += length;
        self.tokens.push(Token {
            start,
            end: self.at,
            form: Form::Bare,
        });
        Some(Expect::Next)
    }
}

/// Length of an escape behind its backslash.
fn escape(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(1),
        [b'u', rest @ ..] => {
            let digits = rest.get(..4)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(5)
        }
        _ => None,
    }
}

/// What a string or number has become: a number where it was one and still is, else a string.
pub(super) fn literal(text: &[u8], was: &[u8]) -> Vec<u8> {
    let was_number = was.trim_ascii_start().first() != Some(&b'"');
    match was_number && number(text) == Some(text.len()) {
        true => text.to_vec(),
        false => quote(text),
    }
}

/// A text as a JSON string, with its quotes.
pub(super) fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}
