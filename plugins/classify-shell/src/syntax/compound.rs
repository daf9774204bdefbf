//! Compound commands: groups, conditions, loops, cases, functions.

use super::parse::{Parsed, Parser};
use super::word::reads_as_command;
use super::{Command, Kind, Part, Redirect, Script, Span, Unreadable, Word};
use std::rc::Rc;

impl Parser<'_> {
    /// The compound command that begins here, if one does.
    pub(super) fn compound(&mut self) -> Parsed<Option<Kind>> {
        if self.rest().starts_with("((")
            && let Some(kind) = self.arithmetic()?
        {
            return Ok(Some(kind));
        }
        if self.eat("(") {
            let script = self.inner()?;
            self.expect(")")?;
            return Ok(Some(Kind::Subshell(script)));
        }
        let word = self.keyword();
        let kind = match word {
            "{" => {
                self.at += 1;
                let script = self.inner()?;
                self.closing("}")?;
                Kind::Group(script)
            }
            "[[" => self.conditional()?,
            "if" => self.branches()?,
            "while" | "until" => {
                self.at += word.len();
                let test = self.inner()?;
                Kind::Loop(test, self.body()?)
            }
            "for" | "select" => {
                self.at += word.len();
                self.iteration()?
            }
            "case" => self.case()?,
            "function" => {
                self.at += word.len();
                self.blanks()?;
                let name = self.word()?.ok_or(Unreadable::Syntax)?;
                self.blanks()?;
                if self.peek() == Some(b'(') {
                    return self.definition(&name).map(Some);
                }
                self.function(&name)?
            }
            "coproc" => {
                self.at += word.len();
                self.coproc()?
            }
            _ => return Ok(None),
        };
        Ok(Some(kind))
    }

    /// This keyword, which must follow.
    fn closing(&mut self, word: &str) -> Parsed<()> {
        self.lines()?;
        match self.keyword() == word {
            true => self.expect(word),
            false => Err(Unreadable::Syntax),
        }
    }

    fn branches(&mut self) -> Parsed<Kind> {
        let mut branches = Vec::new();
        self.at += "if".len();
        loop {
            let test = self.inner()?;
            self.closing("then")?;
            branches.push((test, self.inner()?));
            self.lines()?;
            match self.keyword() {
                "elif" => self.at += "elif".len(),
                "else" => {
                    self.at += "else".len();
                    let otherwise = self.inner()?;
                    self.closing("fi")?;
                    return Ok(Kind::If(branches, Some(otherwise)));
                }
                "fi" => {
                    self.at += "fi".len();
                    return Ok(Kind::If(branches, None));
                }
                _ => return Err(Unreadable::Syntax),
            }
        }
    }

    /// `do … done`, or `{ … }` as bash also takes it.
    fn body(&mut self) -> Parsed<Script> {
        self.lines()?;
        if self.eat(";") {
            self.lines()?;
        }
        let (open, close) = match self.keyword() {
            "do" => ("do", "done"),
            "{" => ("{", "}"),
            _ => return Err(Unreadable::Syntax),
        };
        self.expect(open)?;
        let script = self.inner()?;
        self.closing(close)?;
        Ok(script)
    }

    fn iteration(&mut self) -> Parsed<Kind> {
        self.blanks()?;
        if self.eat("((") {
            let head = self.parts_until(b')', false)?;
            self.expect("))")?;
            return Ok(Kind::ForArithmetic(head, self.body()?));
        }
        let name = self.word()?.ok_or(Unreadable::Syntax)?;
        let name = name.bare().ok_or(Unreadable::Syntax)?.to_owned();
        self.lines()?;
        let mut words = None;
        if self.keyword() == "in" {
            self.at += "in".len();
            let mut list = Vec::new();
            loop {
                self.blanks()?;
                match self.word()? {
                    Some(word) => list.push(word),
                    None => break,
                }
            }
            words = Some(list);
        }
        Ok(Kind::For(name, words, self.body()?))
    }

    fn case(&mut self) -> Parsed<Kind> {
        self.at += "case".len();
        self.blanks()?;
        let subject = self.word()?.ok_or(Unreadable::Syntax)?;
        self.closing("in")?;
        let mut arms = Vec::new();
        loop {
            self.lines()?;
            if self.keyword() == "esac" {
                self.at += "esac".len();
                return Ok(Kind::Case(subject, arms));
            }
            let _ = self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks()?;
                patterns.push(self.word()?.ok_or(Unreadable::Syntax)?);
                self.blanks()?;
                if !self.eat("|") {
                    break;
                }
            }
            self.expect(")")?;
            arms.push((patterns, self.inner()?));
            self.lines()?;
            if !(self.eat(";;&") || self.eat(";;") || self.eat(";&")) && self.keyword() != "esac" {
                return Err(Unreadable::Syntax);
            }
        }
    }

    /// `name ()`, at the parenthesis.
    pub(super) fn definition(&mut self, name: &Word) -> Parsed<Kind> {
        self.expect("(")?;
        self.blanks()?;
        self.expect(")")?;
        self.function(name)
    }

    fn function(&mut self, name: &Word) -> Parsed<Kind> {
        let [Part::Text(name, false)] = name.parts.as_slice() else {
            return Err(Unreadable::Syntax);
        };
        self.lines()?;
        let start = self.at;
        let kind = self.nested(Self::compound)?.ok_or(Unreadable::Syntax)?;
        let mut redirects: Vec<Redirect> = Vec::new();
        loop {
            self.blanks()?;
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => break,
            }
        }
        let span = Span {
            start,
            end: self.at,
        };
        let body = Command {
            kind,
            redirects,
            span,
        };
        Ok(Kind::Function(name.clone(), Rc::new(body)))
    }

    fn coproc(&mut self) -> Parsed<Kind> {
        self.blanks()?;
        let start = self.at;
        let mut redirects = Vec::new();
        // `coproc NAME { …; }` has a name, `coproc command word` has none.
        let name = self.keyword().len();
        let after = self.rest().get(name..).unwrap_or_default();
        if after
            .trim_start_matches([' ', '\t'])
            .starts_with(['{', '('])
        {
            self.at += name;
            self.blanks()?;
        }
        let kind = match self.nested(Self::compound)? {
            Some(kind) => kind,
            None => self.simple(&mut redirects)?,
        };
        let span = Span {
            start,
            end: self.at,
        };
        Ok(Kind::Coproc(Box::new(Command {
            kind,
            redirects,
            span,
        })))
    }

    /// `[[ … ]]`: words and operators; what they compare does not matter, what they expand does.
    fn conditional(&mut self) -> Parsed<Kind> {
        self.at += 2;
        let mut words = Vec::new();
        loop {
            self.lines()?;
            if self.keyword() == "]]" {
                self.at += 2;
                return Ok(Kind::Conditional(words));
            }
            let start = self.at;
            if let Some(word) = self.word()? {
                words.push(word);
                continue;
            }
            let Some(sign) = self.next_char().filter(|c| "<>&|()".contains(*c)) else {
                return Err(Unreadable::Syntax);
            };
            let span = Span {
                start,
                end: self.at,
            };
            words.push(Word {
                parts: vec![Part::Text(sign.to_string(), false)],
                span,
            });
        }
    }

    /// `((…))` where it is closed as one. A shell that does not know it sees two subshells: both are read.
    fn arithmetic(&mut self) -> Parsed<Option<Kind>> {
        let start = self.at;
        self.at += 2;
        match self.nested(|p| p.parts_until(b')', false)) {
            Ok(word) if self.eat("))") => {
                let inner = self.text.get(start + 2..self.at - 2).unwrap_or_default();
                let other = match self.as_command(inner) {
                    Err(Unreadable::Syntax) if !reads_as_command(inner) => None,
                    other => Some(other?),
                };
                Ok(Some(Kind::Arithmetic(word, other)))
            }
            Err(Unreadable::TooComplex) => Err(Unreadable::TooComplex),
            _ => {
                self.at = start;
                Ok(None)
            }
        }
    }
}
