//! Lists, pipelines, simple commands and redirections; here-documents are read where a newline ends their line.

use super::{
    AndOr, Assign, Budget, Command, DEPTH_MAX, Kind, Part, Pipeline, Redirect, RedirectOp, Script,
    Simple, Span, Unreadable, Value, Word,
};
use std::cell::OnceCell;
use std::rc::Rc;

pub type Parsed<T> = Result<T, Unreadable>;

/// Words that end a list when a command could begin there.
const CLOSERS: [&str; 9] = [
    "then", "else", "elif", "fi", "do", "done", "esac", "}", "]]",
];

/// Reads a script. What stands before a mistake is returned with it: a shell may have run it by then.
pub fn parse(text: &str, depth: u32, budget: &Budget) -> (Script, Option<Unreadable>) {
    read(text, depth, budget, false)
}

/// The same for a text within a text.
pub(super) fn read(
    text: &str,
    depth: u32,
    budget: &Budget,
    foreign: bool,
) -> (Script, Option<Unreadable>) {
    let mut parser = Parser {
        text,
        at: 0,
        depth,
        budget,
        pending: Vec::new(),
        foreign,
    };
    let mut script = Script {
        foreign,
        lists: Vec::new(),
    };
    let failed = match parser.script(&mut script) {
        Ok(()) if parser.at < text.len() => Some(Unreadable::Syntax),
        Ok(()) => parser.documents().err(),
        Err(why) => Some(why),
    };
    (script, failed)
}

pub(super) struct Pending {
    body: Rc<OnceCell<Word>>,
    delimiter: String,
    quoted: bool,
    tabs: bool,
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) depth: u32,
    pub(super) budget: &'a Budget,
    pub(super) pending: Vec<Pending>,
    pub(super) foreign: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, by: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + by).copied()
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The character here, and past it.
    pub(super) fn next_char(&mut self) -> Option<char> {
        let found = self.rest().chars().next()?;
        self.at += found.len_utf8();
        Some(found)
    }

    /// Past this text, if it stands here.
    pub(super) fn eat(&mut self, what: &str) -> bool {
        let here = self.rest().starts_with(what);
        if here {
            self.at += what.len();
        }
        here
    }

    pub(super) fn expect(&mut self, what: &str) -> Parsed<()> {
        match self.eat(what) {
            true => Ok(()),
            false => Err(Unreadable::Syntax),
        }
    }

    /// One level deeper.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.budget.spend(1)?;
        if self.depth >= DEPTH_MAX {
            return Err(Unreadable::TooComplex);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Blanks, line continuations and comments.
    pub(super) fn blanks(&mut self) -> Parsed<()> {
        loop {
            self.budget.spend(1)?;
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.ahead(1) == Some(b'\n') => self.at += 2,
                Some(b'#') => {
                    let line = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.at += line;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Blanks and newlines.
    pub(super) fn lines(&mut self) -> Parsed<()> {
        loop {
            self.blanks()?;
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.newline()?;
        }
    }

    /// A newline: here-documents of the line before follow.
    fn newline(&mut self) -> Parsed<()> {
        self.at += 1;
        self.documents()
    }

    fn documents(&mut self) -> Parsed<()> {
        for document in std::mem::take(&mut self.pending) {
            let start = self.at;
            let mut body = String::new();
            while self.at < self.text.len() {
                self.budget.spend(1)?;
                let rest = self.rest();
                let (line, more) = rest.split_once('\n').unwrap_or((rest, ""));
                self.at = self.text.len() - more.len();
                let line = match document.tabs {
                    true => line.trim_start_matches('\t'),
                    false => line,
                };
                if line == document.delimiter {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let span = Span {
                start,
                end: self.at,
            };
            let mut word = match document.quoted {
                true => Word {
                    parts: vec![Part::Text(body, true)],
                    span,
                },
                false => self.document_body(&body)?,
            };
            word.span = span;
            let _ = document.body.set(word);
        }
        Ok(())
    }

    /// A command that begins here with this keyword, unquoted and whole.
    pub(super) fn keyword(&self) -> &'a str {
        let rest = self.rest();
        let ends = |c: char| " \t\n;&|<>()".contains(c);
        rest.split(ends).next().unwrap_or_default()
    }

    pub(super) fn closes(&self) -> bool {
        match self.peek() {
            None | Some(b')') => true,
            Some(b';') => self.ahead(1) == Some(b';') || self.ahead(1) == Some(b'&'),
            _ => CLOSERS.contains(&self.keyword()),
        }
    }

    /// Lists up to something that closes them.
    pub(super) fn script(&mut self, into: &mut Script) -> Parsed<()> {
        self.lines()?;
        while !self.closes() {
            let mut list = self.and_or()?;
            self.blanks()?;
            let more = match self.peek() {
                Some(b'&') => {
                    self.at += 1;
                    list.background = true;
                    true
                }
                Some(b';') if !self.closes() => {
                    self.at += 1;
                    true
                }
                Some(b'\n') => true,
                _ => false,
            };
            into.lists.push(list);
            if !more {
                break;
            }
            self.lines()?;
        }
        Ok(())
    }

    /// A script in its own right.
    pub(super) fn inner(&mut self) -> Parsed<Script> {
        self.nested(|parser| {
            let mut script = Script {
                foreign: parser.foreign,
                lists: Vec::new(),
            };
            parser.script(&mut script)?;
            Ok(script)
        })
    }

    fn and_or(&mut self) -> Parsed<AndOr> {
        let mut list = AndOr {
            first: self.pipeline()?,
            rest: Vec::new(),
            background: false,
        };
        loop {
            self.blanks()?;
            let and = match (self.peek(), self.ahead(1)) {
                (Some(b'&'), Some(b'&')) => true,
                (Some(b'|'), Some(b'|')) => false,
                _ => return Ok(list),
            };
            self.at += 2;
            self.lines()?;
            list.rest.push((and, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        loop {
            self.blanks()?;
            match self.keyword() {
                "!" => self.at += 1,
                "time" => {
                    self.at += 4;
                    self.blanks()?;
                    let _ = self.eat("-p ");
                }
                _ => break,
            }
        }
        let mut commands = Vec::new();
        loop {
            commands.push(self.command()?);
            self.blanks()?;
            if self.peek() != Some(b'|') || self.ahead(1) == Some(b'|') {
                return Ok(Pipeline { commands });
            }
            self.at += 1;
            let _ = self.eat("&");
            self.lines()?;
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.nested(|parser| {
            parser.blanks()?;
            let start = parser.at;
            let mut redirects = Vec::new();
            let kind = match parser.compound()? {
                Some(kind) => {
                    parser.blanks()?;
                    while let Some(redirect) = parser.redirect()? {
                        redirects.push(redirect);
                        parser.blanks()?;
                    }
                    kind
                }
                None => parser.simple(&mut redirects)?,
            };
            let end = parser.text[..parser.at].trim_end().len().max(start);
            Ok(Command {
                kind,
                redirects,
                span: Span { start, end },
            })
        })
    }

    pub(super) fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Parsed<Kind> {
        let mut simple = Simple::default();
        loop {
            self.blanks()?;
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if simple.words.is_empty()
                && let Some(assign) = self.assign()?
            {
                simple.assigns.push(assign);
                continue;
            }
            let Some(word) = self.word()? else { break };
            if simple.words.is_empty()
                && simple.assigns.is_empty()
                && redirects.is_empty()
                && self.rest().trim_start_matches([' ', '\t']).starts_with('(')
            {
                self.blanks()?;
                return self.definition(&word);
            }
            if let Some(array) = self.array_argument(&word)? {
                simple.assigns.push(array);
            }
            simple.words.push(word);
        }
        match simple.words.is_empty() && simple.assigns.is_empty() && redirects.is_empty() {
            true => Err(Unreadable::Syntax),
            false => Ok(Kind::Simple(simple)),
        }
    }

    /// `declare a=(…)`: the word ends in `=` and a parenthesis follows at once.
    fn array_argument(&mut self, word: &Word) -> Parsed<Option<Assign>> {
        if self.peek() != Some(b'(') {
            return Ok(None);
        }
        match word.bare().and_then(|text| text.strip_suffix('=')) {
            Some(name) => Ok(Some(Assign {
                name: name.trim_end_matches('+').to_owned(),
                partial: true,
                value: Value::Array(self.array()?),
            })),
            None => Err(Unreadable::Syntax),
        }
    }

    fn array(&mut self) -> Parsed<Vec<Word>> {
        self.expect("(")?;
        let mut words = Vec::new();
        loop {
            self.lines()?;
            if self.eat(")") {
                return Ok(words);
            }
            words.push(self.word()?.ok_or(Unreadable::Syntax)?);
        }
    }

    /// `name=`, `name+=`, `name[…]=` and its value.
    fn assign(&mut self) -> Parsed<Option<Assign>> {
        let rest = self.rest();
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = rest.find(|c| !letters(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let start = self.at;
        let mut partial = false;
        let value = match after.as_bytes() {
            [b'=', ..] => 1,
            [b'+', b'=', ..] => {
                partial = true;
                2
            }
            [b'[', ..] => {
                self.at += length + 1;
                let _ = self.parts_until(b']', false)?;
                partial = true;
                match (self.eat("]"), self.eat("+="), self.eat("=")) {
                    (true, true, _) | (true, _, true) => self.at - start - length,
                    _ => {
                        self.at = start;
                        return Ok(None);
                    }
                }
            }
            _ => return Ok(None),
        };
        self.at = start + length + value;
        let value = match self.peek() {
            Some(b'(') => Value::Array(self.array()?),
            _ => Value::Scalar(self.word()?.unwrap_or_default()),
        };
        Ok(Some(Assign {
            name: name.to_owned(),
            partial,
            value,
        }))
    }

    /// A redirection, with the descriptor before it.
    pub(super) fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let mut skip = digits;
        if digits == 0
            && rest.starts_with('{')
            && let Some(end) = rest.find('}')
            && rest[1..end]
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            skip = end + 1;
        }
        let operator = &rest[skip..];
        if operator.starts_with("<(") || operator.starts_with(">(") {
            return Ok(None);
        }
        let table = [
            ("<<<", RedirectOp::Text),
            ("<<", RedirectOp::Document),
            ("<>", RedirectOp::ReadWrite),
            ("<&", RedirectOp::Duplicate),
            ("<", RedirectOp::Read),
            ("&>>", RedirectOp::Append),
            ("&>", RedirectOp::Write),
            (">>", RedirectOp::Append),
            (">&", RedirectOp::Duplicate),
            (">|", RedirectOp::Write),
            (">", RedirectOp::Write),
        ];
        let found = table.iter().find(|(sign, _)| operator.starts_with(sign));
        let Some((sign, op)) = found else {
            return Ok(None);
        };
        if sign.starts_with('&') && skip > 0 {
            return Ok(None);
        }
        self.at += skip + sign.len();
        if *op == RedirectOp::Document {
            return self.here_document().map(Some);
        }
        self.blanks()?;
        let target = self.word()?.ok_or(Unreadable::Syntax)?;
        let descriptor = target.bare().is_some_and(|t| {
            t == "-" || t.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit())
        });
        let op = match (op, descriptor) {
            (RedirectOp::Duplicate, false) if *sign == ">&" => RedirectOp::Write,
            (op, _) => *op,
        };
        Ok(Some(Redirect {
            op,
            target,
            body: None,
        }))
    }

    fn here_document(&mut self) -> Parsed<Redirect> {
        let tabs = self.eat("-");
        self.blanks()?;
        let target = self.word()?.ok_or(Unreadable::Syntax)?;
        let mut delimiter = String::new();
        let mut quoted = false;
        for part in &target.parts {
            let Part::Text(text, within) = part else {
                return Err(Unreadable::Syntax);
            };
            delimiter.push_str(text);
            quoted |= within;
        }
        let body = Rc::new(OnceCell::new());
        self.pending.push(Pending {
            body: body.clone(),
            delimiter,
            quoted,
            tabs,
        });
        Ok(Redirect {
            op: RedirectOp::Document,
            target,
            body: Some(body),
        })
    }
}
