//! Words: quotes, escapes and expansions, each with the text that it stands for.

use super::parse::{Parsed, Parser, read};
use super::{Parameter, Part, Script, Span, Unreadable, Word};
use std::rc::Rc;

/// Text that is put together, and the parts before it.
#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn push(&mut self, c: char, quoted: bool) {
        match self.0.last_mut() {
            Some(Part::Text(text, same)) if *same == quoted => text.push(c),
            _ => self.0.push(Part::Text(c.to_string(), quoted)),
        }
    }

    fn push_str(&mut self, more: &str, quoted: bool) {
        match self.0.last_mut() {
            Some(Part::Text(text, same)) if *same == quoted => text.push_str(more),
            _ => self.0.push(Part::Text(more.to_owned(), quoted)),
        }
    }

    /// An unquoted character that makes a pattern of the parenthesis after it.
    fn opens_pattern(&self) -> bool {
        matches!(self.0.last(), Some(Part::Text(text, false)) if text.ends_with(['?', '*', '+', '@', '!']))
    }
}

impl Parser<'_> {
    /// The word that begins here; `None` where none can begin.
    pub(super) fn word(&mut self) -> Parsed<Option<Word>> {
        let start = self.at;
        let mut parts = Parts::default();
        while let Some(byte) = self.peek() {
            self.budget.spend(1)?;
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' => break,
                b'<' | b'>' if self.ahead(1) == Some(b'(') => {
                    self.at += 2;
                    let script = self.inner()?;
                    self.expect(")")?;
                    parts.0.push(Part::Process(Rc::new(script)));
                }
                b'<' | b'>' => break,
                b'(' if parts.opens_pattern() => self.pattern(&mut parts)?,
                b'(' => break,
                _ => self.piece(&mut parts)?,
            }
        }
        let span = Span {
            start,
            end: self.at,
        };
        let parts = parts.0;
        Ok((self.at > start).then_some(Word { parts, span }))
    }

    /// `@(a|b)`: a pattern, kept as it is written.
    fn pattern(&mut self, parts: &mut Parts) -> Parsed<()> {
        self.nested(|parser| {
            parser.expect("(")?;
            parts.push('(', false);
            loop {
                match parser.peek() {
                    None => return Err(Unreadable::Syntax),
                    Some(b')') => {
                        parser.at += 1;
                        parts.push(')', false);
                        return Ok(());
                    }
                    Some(b'(') => parser.pattern(parts)?,
                    _ => parser.piece(parts)?,
                }
            }
        })
    }

    /// One piece of an unquoted word.
    fn piece(&mut self, parts: &mut Parts) -> Parsed<()> {
        self.budget.spend(1)?;
        match self.peek() {
            Some(b'\\') => {
                self.at += 1;
                match self.next_char() {
                    Some('\n') => {}
                    Some(c) => parts.push(c, true),
                    None => parts.push('\\', true),
                }
            }
            Some(b'\'') => {
                self.at += 1;
                let rest = self.rest();
                let end = rest.find('\'').ok_or(Unreadable::Syntax)?;
                parts.push_str(&rest[..end], true);
                self.at += end + 1;
            }
            Some(b'"') => self.double(parts)?,
            Some(b'$') => self.dollar(parts, false)?,
            Some(b'`') => self.backticks(parts, false)?,
            _ => {
                let c = self.next_char().ok_or(Unreadable::Syntax)?;
                parts.push(c, false);
            }
        }
        Ok(())
    }

    fn double(&mut self, parts: &mut Parts) -> Parsed<()> {
        self.at += 1;
        parts.push_str("", true);
        loop {
            match self.peek() {
                None => return Err(Unreadable::Syntax),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => self.quoted_piece(parts, "$`\"\\\n")?,
            }
        }
    }

    /// One piece within double quotes or a here-document.
    fn quoted_piece(&mut self, parts: &mut Parts, escaped: &str) -> Parsed<()> {
        self.budget.spend(1)?;
        match self.peek() {
            Some(b'\\') => {
                self.at += 1;
                match self.rest().chars().next() {
                    Some('\n') => self.at += 1,
                    Some(c) if escaped.contains(c) => {
                        self.at += 1;
                        parts.push(c, true);
                    }
                    _ => parts.push('\\', true),
                }
            }
            Some(b'$') => self.dollar(parts, true)?,
            Some(b'`') => self.backticks(parts, true)?,
            _ => {
                let c = self.next_char().ok_or(Unreadable::Syntax)?;
                parts.push(c, true);
            }
        }
        Ok(())
    }

    /// The body of a here-document whose delimiter is not quoted.
    pub(super) fn document_body(&self, body: &str) -> Parsed<Word> {
        let mut parser = Parser {
            text: body,
            at: 0,
            depth: self.depth + 1,
            budget: self.budget,
            pending: Vec::new(),
            foreign: true,
        };
        parser.nested(|parser| {
            let mut parts = Parts::default();
            while parser.at < body.len() {
                parser.quoted_piece(&mut parts, "$`\\\n")?;
            }
            Ok(Word {
                parts: parts.0,
                span: Span::default(),
            })
        })
    }

    fn backticks(&mut self, parts: &mut Parts, quoted: bool) -> Parsed<()> {
        self.at += 1;
        let mut inner = String::new();
        loop {
            self.budget.spend(1)?;
            match self.next_char() {
                None => return Err(Unreadable::Syntax),
                Some('`') => break,
                Some('\\') => match self.next_char() {
                    Some(c) if "$`\\".contains(c) || (quoted && c == '"') => inner.push(c),
                    Some(c) => {
                        inner.push('\\');
                        inner.push(c);
                    }
                    None => return Err(Unreadable::Syntax),
                },
                Some(c) => inner.push(c),
            }
        }
        let (script, failed) = self.nested(|p| Ok(read(&inner, p.depth, p.budget, true)))?;
        if let Some(why) = failed {
            return Err(why);
        }
        parts.0.push(Part::Command(Rc::new(script), quoted));
        Ok(())
    }

    fn dollar(&mut self, parts: &mut Parts, quoted: bool) -> Parsed<()> {
        self.at += 1;
        match self.peek() {
            Some(b'(') => self.dollar_parenthesis(parts, quoted),
            Some(b'{') => {
                self.at += 1;
                if matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'|')) {
                    return self.function_substitution(parts, quoted);
                }
                let parameter = self.nested(|p| p.parameter(quoted))?;
                parts.0.push(Part::Parameter(Rc::new(parameter), quoted));
                Ok(())
            }
            Some(b'[') => {
                self.at += 1;
                let word = self.nested(|p| p.parts_until(b']', false))?;
                self.expect("]")?;
                parts.0.push(Part::Arithmetic(Rc::new(word), None, quoted));
                Ok(())
            }
            Some(b'\'') if !quoted => self.ansi(parts),
            Some(b'"') if !quoted => self.double(parts),
            Some(b) if b.is_ascii_alphanumeric() || b"_@*#?-$!".contains(&b) => {
                let rest = self.rest();
                let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let length = match b.is_ascii_alphabetic() || b == b'_' {
                    true => rest.find(|c| !name(c)).unwrap_or(rest.len()),
                    false => 1,
                };
                self.at += length;
                let parameter = plain(&rest[..length]);
                parts.0.push(Part::Parameter(Rc::new(parameter), quoted));
                Ok(())
            }
            _ => {
                parts.push('$', true);
                Ok(())
            }
        }
    }

    /// `${ …; }` and `${| …; }`: a substitution that runs in the shell itself.
    fn function_substitution(&mut self, parts: &mut Parts, quoted: bool) -> Parsed<()> {
        let _ = self.eat("|");
        let script = self.inner()?;
        self.expect("}")?;
        parts.0.push(Part::Command(Rc::new(script), quoted));
        Ok(())
    }

    /// `$((…))` where it is closed as one, `$(…)` otherwise.
    fn dollar_parenthesis(&mut self, parts: &mut Parts, quoted: bool) -> Parsed<()> {
        let start = self.at;
        if self.ahead(1) == Some(b'(') {
            self.at += 2;
            match self.nested(|p| p.parts_until(b')', false)) {
                Ok(word) if self.eat("))") => {
                    let inner = self.text.get(start + 2..self.at - 2).unwrap_or_default();
                    let other = match reads_as_command(inner) {
                        true => Some(Rc::new(self.as_command(inner)?)),
                        false => None,
                    };
                    parts.0.push(Part::Arithmetic(Rc::new(word), other, quoted));
                    return Ok(());
                }
                Err(Unreadable::TooComplex) => return Err(Unreadable::TooComplex),
                _ => self.at = start,
            }
        }
        self.at += 1;
        let script = self.inner()?;
        self.expect(")")?;
        parts.0.push(Part::Command(Rc::new(script), quoted));
        Ok(())
    }

    /// What looks like arithmetic, read as the command that it rather is.
    pub(super) fn as_command(&mut self, inner: &str) -> Parsed<Script> {
        match self.nested(|p| Ok(read(inner, p.depth, p.budget, true)))? {
            (script, None) => Ok(script),
            (_, Some(why)) => Err(why),
        }
    }

    /// Text and expansions up to this closing character, which stays; brackets of its kind are paired.
    pub(super) fn parts_until(&mut self, close: u8, quoted: bool) -> Parsed<Word> {
        let open = match close {
            b')' => Some(b'('),
            b']' => Some(b'['),
            _ => None,
        };
        let start = self.at;
        let mut parts = Parts::default();
        let mut within = 0_u32;
        loop {
            match self.peek() {
                None => return Err(Unreadable::Syntax),
                Some(b) if b == close && within == 0 => break,
                Some(b) if b == close => within -= 1,
                Some(b) if Some(b) == open => within += 1,
                _ => {}
            }
            match (quoted, self.peek()) {
                (true, Some(b'"')) => self.double(&mut parts)?,
                (true, _) => self.quoted_piece(&mut parts, "$`\"\\}\n")?,
                (false, _) => self.piece(&mut parts)?,
            }
        }
        let span = Span {
            start,
            end: self.at,
        };
        let parts = parts.0;
        Ok(Word { parts, span })
    }

    /// What stands in `${…}`, and the closing brace.
    fn parameter(&mut self, quoted: bool) -> Parsed<Parameter> {
        let mut parameter = plain("");
        let names = |b: Option<u8>| {
            b.is_some_and(|b| b.is_ascii_alphanumeric() || b"_@*#?-$!".contains(&b))
        };
        if self.peek() == Some(b'!') && names(self.ahead(1)) {
            self.at += 1;
            parameter.indirect = true;
        } else if self.peek() == Some(b'#') && names(self.ahead(1)) {
            self.at += 1;
            parameter.length = true;
        }
        let rest = self.rest();
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match rest.find(|c| !letter(c)).unwrap_or(rest.len()) {
            0 => rest.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        rest[..length].clone_into(&mut parameter.name);
        self.at += length;
        if self.peek() == Some(b'[') {
            self.at += 1;
            parameter.subscript = Some(self.parts_until(b']', false)?);
            self.expect("]")?;
        }
        let rest = self.rest();
        let operators = [
            ":-", ":=", ":?", ":+", "##", "%%", "//", "/#", "/%", "^^", ",,", "-", "=", "?", "+",
            "#", "%", "/", "^", ",", "@", ":", "*",
        ];
        if let Some(op) = operators.iter().find(|op| rest.starts_with(**op)) {
            (*op).clone_into(&mut parameter.op);
            self.at += op.len();
        }
        parameter.argument = self.parts_until(b'}', quoted)?;
        self.expect("}")?;
        if parameter.op.is_empty() && !parameter.argument.parts.is_empty() {
            return Err(Unreadable::Syntax);
        }
        Ok(parameter)
    }

    /// `$'…'`
    fn ansi(&mut self, parts: &mut Parts) -> Parsed<()> {
        self.at += 1;
        parts.push_str("", true);
        loop {
            self.budget.spend(1)?;
            match self.next_char() {
                None => return Err(Unreadable::Syntax),
                Some('\'') => return Ok(()),
                Some('\\') => {
                    let escaped = self.next_char().ok_or(Unreadable::Syntax)?;
                    match self.ansi_escape(escaped) {
                        Some(c) => parts.push(c, true),
                        None => {
                            parts.push('\\', true);
                            parts.push(escaped, true);
                        }
                    }
                }
                Some(c) => parts.push(c, true),
            }
        }
    }

    fn ansi_escape(&mut self, escaped: char) -> Option<char> {
        Some(match escaped {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'e' | 'E' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '?' => escaped,
            'x' => return self.number(16, 2),
            'u' => return self.number(16, 4),
            'U' => return self.number(16, 8),
            'c' => {
                let c = self.next_char()?;
                char::from_u32(u32::from(c) & 0x1f)?
            }
            '0'..='7' => {
                self.at -= 1;
                return self.number(8, 3);
            }
            _ => return None,
        })
    }

    /// A character by its number; NUL ends a string for a shell, and what it hides must not be hidden from us.
    fn number(&mut self, radix: u32, most: usize) -> Option<char> {
        let digits: String = self
            .rest()
            .chars()
            .take(most)
            .take_while(|c| c.is_digit(radix))
            .collect();
        self.at += digits.len();
        let number = u32::from_str_radix(&digits, radix).ok()?;
        let number = if radix == 8 { number & 0xff } else { number };
        char::from_u32(number).filter(|c| *c != '\0')
    }
}

/// Two words side by side are no arithmetic.
pub(super) fn reads_as_command(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || "_'\"\\/.$".contains(c);
    let pairs = text.split_whitespace().zip(text.split_whitespace().skip(1));
    pairs
        .into_iter()
        .any(|(left, right)| left.ends_with(word) && right.starts_with(|c| word(c) || c == '-'))
}

fn plain(name: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        indirect: false,
        length: false,
        subscript: None,
        op: String::new(),
        argument: Word::default(),
    }
}
