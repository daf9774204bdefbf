//! The shape of a text: its bytes with the literals taken out, so that texts which differ only in literals can
//! share what was established about one of them. A lexer of its own for the plainest part of SQL, much quicker
//! than the grammar: ASCII words, quoted identifiers, plain operators, decimal numbers, `'…'`.
//!
//! Two texts of one shape are, to PostgreSQL's lexer, the same tokens but for the values of literals. Whether
//! the facts look at those values is not said here: see `literal_free`.
//!
//! Refuses: whatever could be read in two ways. Comments, dollars, backslashes, prefixed literals (`E''`, `U&''`,
//! `B''`, `N''`), literals that go on in another line, numbers in any but the plainest form, signs that are not
//! ASCII outside of literals, long texts. They have no shape, and go to the grammar.

use smallvec::SmallVec;
use std::ops::Range;

/// Longer texts have no shape. Short enough that no literal can bring a text over a limit of the pre-scan:
/// the square of this is [`crate::OPERATOR_STEPS_MAX`].
pub(crate) const SHAPE_BYTES_MAX: usize = 4096;

const _: () = assert!(SHAPE_BYTES_MAX * SHAPE_BYTES_MAX <= crate::OPERATOR_STEPS_MAX);
const _: () = assert!(SHAPE_BYTES_MAX <= crate::WORDS_MAX);

/// What stands in the key for a literal. Control characters stand nowhere else in a key.
const INTEGER: u8 = 1;
const NUMERIC: u8 = 2;
const STRING: u8 = 3;

/// A text without its literals.
pub(crate) struct Shape {
    key: SmallVec<[u8; 512]>,
    literals: SmallVec<[Range<u32>; 16]>,
}

impl Shape {
    /// The shape, if the text has one and holds literals: without any, the text itself is as good a key.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if text.len() > SHAPE_BYTES_MAX {
            return None;
        }
        let mut lexer = Lexer {
            text: text.as_bytes(),
            at: 0,
            shape: Self {
                key: SmallVec::new(),
                literals: SmallVec::new(),
            },
        };
        while let Some(first) = lexer.peek(0) {
            lexer.token(first)?;
        }
        Some(lexer.shape).filter(|shape| !shape.literals.is_empty())
    }

    /// Equal for texts that differ only in the values of their literals.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Where the literals stand, in order.
    pub(crate) fn literals(&self) -> &[Range<u32>] {
        &self.literals
    }
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    shape: Shape,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// Takes one token, or says that this text has no shape.
    fn token(&mut self, first: u8) -> Option<()> {
        match first {
            b' ' | b'\t' | b'\n' | b'\r' => self.keep(1),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            b'\'' => self.string(),
            b'"' => self.identifier(),
            b'(' | b')' | b',' | b';' | b'[' | b']' | b':' => self.keep(1),
            b'.' if !self.peek(1).is_some_and(|b| b.is_ascii_digit()) => self.keep(1),
            b'-' if self.peek(1) == Some(b'-') => None,
            b'/' if self.peek(1) == Some(b'*') => None,
            b'&' if matches!(self.peek(1), Some(b'\'' | b'"')) => None,
            b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=' | b'~' | b'!' | b'@' | b'#' | b'%'
            | b'^' | b'&' | b'|' | b'`' | b'?' => self.keep(1),
            _ => None,
        }
    }

    /// Takes so many bytes into the key as they are.
    fn keep(&mut self, count: usize) -> Option<()> {
        let kept = self.text.get(self.at..self.at + count)?;
        self.shape.key.extend_from_slice(kept);
        self.at += count;
        Some(())
    }

    fn literal(&mut self, kind: u8, count: usize) -> Option<()> {
        let start = u32::try_from(self.at).ok()?;
        let end = u32::try_from(self.at + count).ok()?;
        self.shape.key.push(kind);
        self.shape.literals.push(start..end);
        self.at += count;
        Some(())
    }

    fn run(&self, from: usize, belongs: fn(u8) -> bool) -> usize {
        let rest = self.text.get(self.at + from..).unwrap_or_default();
        rest.iter().take_while(|byte| belongs(**byte)).count()
    }

    /// A keyword or a name. A quote right behind it may make a literal of another kind of it.
    fn word(&mut self) -> Option<()> {
        let length = self.run(0, is_word);
        match self.peek(length) {
            Some(b'\'' | b'"') => None,
            Some(byte) if !byte.is_ascii() => None,
            _ => self.keep(length),
        }
    }

    /// `12` or `12.5`, with nothing behind it that could belong to it. What does not fit into four bytes is
    /// another kind of token to the grammar.
    fn number(&mut self) -> Option<()> {
        let whole = self.run(0, |byte| byte.is_ascii_digit());
        let (kind, length) = match self.peek(whole) {
            Some(b'.') => match self.run(whole + 1, |byte| byte.is_ascii_digit()) {
                0 => return None,
                fraction => (NUMERIC, whole + 1 + fraction),
            },
            _ => (self.integer(whole), whole),
        };
        match self.peek(length) {
            Some(b'.' | b'\'' | b'"') => None,
            Some(byte) if is_word(byte) || !byte.is_ascii() => None,
            _ => self.literal(kind, length),
        }
    }

    fn integer(&self, digits: usize) -> u8 {
        let digits = self.text.get(self.at..self.at + digits);
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse::<i32>().ok());
        match value {
            Some(_) => INTEGER,
            None => NUMERIC,
        }
    }

    /// `'…'`. Another quote behind it, with whitespace between them, may go on with the same literal.
    fn string(&mut self) -> Option<()> {
        let length = self.quoted(b'\'')?;
        let after = self.run(length, |byte| byte.is_ascii_whitespace() || byte == 0x0b);
        match self.peek(length + after) {
            Some(b'\'') => None,
            Some(byte) if after == 0 && (is_word(byte) || byte == b'"' || !byte.is_ascii()) => None,
            _ => self.literal(STRING, length),
        }
    }

    fn identifier(&mut self) -> Option<()> {
        // An empty name is none to the server either.
        let length = self.quoted(b'"').filter(|length| *length > 2)?;
        let name = self.text.get(self.at..self.at + length)?;
        match self.peek(length) {
            _ if name.iter().any(|byte| byte.is_ascii_control()) => None,
            Some(b'\'') => None,
            Some(byte) if is_word(byte) || !byte.is_ascii() => None,
            _ => self.keep(length),
        }
    }

    /// How long it is, quotes included. A doubled quote belongs to it; a backslash means that it has no shape.
    fn quoted(&self, quote: u8) -> Option<usize> {
        let mut length = 1;
        loop {
            match self.peek(length)? {
                b'\\' => return None,
                byte if byte != quote => length += 1,
                _ if self.peek(length + 1) == Some(quote) => length += 2,
                _ => return Some(length + 1),
            }
        }
    }
}

/// What may stand in a word, behind its first sign. A dollar may be in a name.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}
