//! COPY's csv format (`CopyAttributeOutCSV`): a field is quoted as a whole or not at all, and may hold
//! newlines then. Refuses a quote in the middle of a field: the server writes none, so the options
//! are not what the statement said.

use super::copy::Progress;
use super::pass::{Form, Token};
use portcullis_model::facts::CopyFacts;

/// The options that matter.
pub(super) struct Csv {
    delimiter: u8,
    quote: u8,
    escape: u8,
    pub(super) null: Vec<u8>,
}

impl Csv {
    pub(super) fn new(facts: &CopyFacts) -> Option<Self> {
        let null = facts.null.as_bytes();
        let ends_a_row = |b: u8| matches!(b, b'\r' | b'\n' | 0);
        let options = [facts.delimiter, facts.quote, facts.escape];
        let lawful = options.iter().all(|b| b.is_ascii() && !ends_a_row(*b))
            && facts.delimiter != facts.quote
            && !null
                .iter()
                .any(|b| ends_a_row(*b) || *b == facts.delimiter || *b == facts.quote);
        lawful.then(|| Self {
            delimiter: facts.delimiter,
            quote: facts.quote,
            escape: facts.escape,
            null: null.to_vec(),
        })
    }

    /// Behind the newline of the first row.
    pub(super) fn end(&self, bytes: &[u8], progress: &mut Progress) -> Option<usize> {
        loop {
            if progress.escaped {
                if progress.at >= bytes.len() {
                    return None;
                }
                progress.at += 1;
                progress.escaped = false;
            }
            let rest = bytes.get(progress.at..)?;
            let found = match progress.quoted {
                true => memchr::memchr2(self.quote, self.escape, rest),
                false => memchr::memchr2(self.quote, b'\n', rest),
            };
            let Some(found) = found else {
                progress.at = bytes.len();
                return None;
            };
            progress.at += found + 1;
            match rest.get(found) {
                // A doubled quote leaves and enters again.
                Some(byte) if *byte == self.quote => progress.quoted = !progress.quoted,
                Some(_) if progress.quoted => progress.escaped = true,
                _ => return Some(progress.at),
            }
        }
    }

    /// The fields of the row at `start`, and where it ends; `None` when their number is wrong.
    pub(super) fn fields(
        &self,
        bytes: &[u8],
        start: usize,
        columns: usize,
        tokens: &mut Vec<Token>,
    ) -> Option<usize> {
        let mut at = start;
        loop {
            let token = match bytes.get(at) {
                Some(byte) if *byte == self.quote => self.quoted(bytes, at)?,
                _ => self.bare(bytes, at)?,
            };
            at = token.end;
            tokens.push(token);
            match bytes.get(at) {
                Some(byte) if *byte == self.delimiter => at += 1,
                None | Some(b'\n') => break,
                Some(_) => return None,
            }
        }
        // The row of a table without columns is an empty line.
        if columns == 0 && at == start {
            tokens.clear();
        }
        let end = at + usize::from(at < bytes.len());
        (tokens.len() == columns).then_some(end)
    }

    fn bare(&self, bytes: &[u8], start: usize) -> Option<Token> {
        let rest = bytes.get(start..)?;
        let found = memchr::memchr3(self.delimiter, b'\n', self.quote, rest);
        let end = start + found.unwrap_or(rest.len());
        if bytes.get(end) == Some(&self.quote) {
            return None;
        }
        let form = match bytes.get(start..end) == Some(&self.null) {
            true => Form::Null,
            false => Form::Bare,
        };
        Some(Token { start, end, form })
    }

    fn quoted(&self, bytes: &[u8], start: usize) -> Option<Token> {
        let mut at = start + 1;
        let mut form = Form::Quoted;
        loop {
            at += memchr::memchr2(self.quote, self.escape, bytes.get(at..)?)?;
            let byte = *bytes.get(at)?;
            let next = bytes.get(at + 1).copied();
            let escapes =
                byte == self.escape && next.is_some_and(|n| n == self.quote || n == self.escape);
            if escapes {
                form = Form::Escaped;
                at += 2;
            } else if byte == self.quote {
                return Some(Token {
                    start,
                    end: at + 1,
                    form,
                });
            } else {
                at += 1;
            }
        }
    }

    /// What stands between the quotes, without its escapes.
    pub(super) fn unescape(&self, within: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(within.len());
        let mut bytes = within.iter().peekable();
        while let Some(byte) = bytes.next() {
            let escaped = |next: &&u8| **next == self.quote || **next == self.escape;
            match *byte == self.escape {
                true => out.push(*bytes.next_if(escaped).unwrap_or(byte)),
                false => out.push(*byte),
            }
        }
        out
    }

    /// A value between quotes: always lawful, and never read as NULL.
    pub(super) fn quote(&self, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(value.len() + 8);
        out.push(self.quote);
        for byte in value {
            if *byte == self.quote || *byte == self.escape {
                out.push(self.escape);
            }
            out.push(*byte);
        }
        out.push(self.quote);
        out
    }
}
