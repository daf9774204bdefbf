//! Paths into JSON documents: `$.customer.ssn`, as in RFC 9535 without filters and slices. What masks say about a
//! part of a document, parsed once, so that nothing behind the loader meets a path that does not mean anything.
//!
//! Refuses what it would have to guess: a path without `$`, an empty name, filters, slices, numbers from the
//! end; and `$` alone, which is no part.

use crate::limits::{JSON_PATH_BYTES_MAX, JSON_PATH_STEPS_MAX};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A path into a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPath {
    steps: Vec<PathStep>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathStep {
    /// `.name`, `['name']`: the member of this name; of an array the members of its elements.
    Name(String),
    /// `[3]`: the element with this number. What is no array counts as its own only element.
    Index(u32),
    /// `[*]`: every element, also every member of an object. What is no array counts as its own only element.
    Each,
    /// `.*`: everything directly inside.
    Any,
    /// `..name`: members of this name at any depth, this level included.
    Deep(String),
    /// `..*`: everything at any depth below.
    DeepAny,
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// Where, in characters from the beginning.
    pub at: usize,
    /// What is wrong there.
    pub why: &'static str,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.why)
    }
}

impl std::error::Error for PathError {}

impl JsonPath {
    /// Its steps, at least one.
    #[must_use]
    pub fn steps(&self) -> &[PathStep] {
        &self.steps
    }
}

impl FromStr for JsonPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > JSON_PATH_BYTES_MAX {
            return Err(PathError {
                at: 0,
                why: "the path is longer than any document needs",
            });
        }
        let mut reader = Reader {
            characters: text.chars().collect(),
            at: 0,
        };
        if reader.next() != Some('$') {
            return Err(reader.wrong_before("a path begins with `$`, the whole document"));
        }
        let mut steps = Vec::new();
        while reader.peek().is_some() {
            steps.push(reader.step()?);
            if steps.len() > JSON_PATH_STEPS_MAX {
                return Err(reader.wrong_before("the path has more steps than any document needs"));
            }
        }
        match steps.is_empty() {
            true => Err(reader.wrong("`$` is all of it: leave the path out and name the column")),
            false => Ok(Self { steps }),
        }
    }
}

struct Reader {
    characters: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += 1;
        next
    }

    fn takes(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn wrong(&self, why: &'static str) -> PathError {
        PathError { at: self.at, why }
    }

    fn wrong_before(&self, why: &'static str) -> PathError {
        let at = self.at.saturating_sub(1);
        PathError { at, why }
    }

    fn step(&mut self) -> Result<PathStep, PathError> {
        match self.next() {
            Some('.') if self.takes('.') => match self.peek() {
                Some('*') => {
                    self.at += 1;
                    Ok(PathStep::DeepAny)
                }
                Some('[') => {
                    self.at += 1;
                    match self.bracket()? {
                        PathStep::Name(name) => Ok(PathStep::Deep(name)),
                        PathStep::Each => Ok(PathStep::DeepAny),
                        _ => Err(self.wrong_before("`..` takes a name or `*`, no number")),
                    }
                }
                _ => Ok(PathStep::Deep(self.name()?)),
            },
            Some('.') if self.takes('*') => Ok(PathStep::Any),
            Some('.') => Ok(PathStep::Name(self.name()?)),
            Some('[') => self.bracket(),
            _ => {
                Err(self
                    .wrong_before("a step is `.name`, `..name`, `['name']`, `[0]`, `[*]` or `.*`"))
            }
        }
    }

    /// RFC 9535 `member-name-shorthand`: letters, digits, `_`, and everything beyond ASCII; `-` as well, which many
    /// documents have in their names and the RFC wants quoted.
    fn name(&mut self) -> Result<String, PathError> {
        let start = self.at;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || !c.is_ascii();
        let mut name = String::new();
        while let Some(character) = self.peek().filter(|c| plain(*c)) {
            name.push(character);
            self.at += 1;
        }
        match name.is_empty() {
            true => Err(PathError {
                at: start,
                why: "a name is missing; quote what is no plain name: ['a b']",
            }),
            false => Ok(name),
        }
    }

    /// Behind `[`.
    fn bracket(&mut self) -> Result<PathStep, PathError> {
        let step = match self.peek() {
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                PathStep::Name(self.quoted(quote)?)
            }
            Some('*') => {
                self.at += 1;
                PathStep::Each
            }
            Some('0'..='9') => PathStep::Index(self.number()?),
            Some('-') => {
                return Err(self.wrong("count from the front, or take [*] for all elements"));
            }
            Some('?') => {
                return Err(self.wrong("filters are not supported: take [*] for all elements"));
            }
            _ => return Err(self.wrong("expected a quoted name, a number or `*`")),
        };
        match self.takes(']') {
            true => Ok(step),
            false => Err(self
                .wrong("expected `]`; slices and lists are not supported, write a rule for each")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, PathError> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some(character) if character == quote => return Ok(name),
                Some('\\') => match self.next() {
                    Some(escaped @ ('\\' | '\'' | '"')) => name.push(escaped),
                    _ => {
                        return Err(self.wrong_before("only quotes and `\\` are escaped here"));
                    }
                },
                Some(character) => name.push(character),
                None => return Err(self.wrong_before("the quote is not closed")),
            }
        }
    }

    fn number(&mut self) -> Result<u32, PathError> {
        let start = self.at;
        let mut number: u32 = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let larger = number.checked_mul(10).and_then(|n| n.checked_add(digit));
            number = larger.ok_or(PathError {
                at: start,
                why: "no array is that long",
            })?;
            self.at += 1;
        }
        Ok(number)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                PathStep::Name(name) => write!(f, "['{}']", escaped(name))?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
                PathStep::Each => f.write_str("[*]")?,
                PathStep::Any => f.write_str(".*")?,
                PathStep::Deep(name) => write!(f, "..['{}']", escaped(name))?,
                PathStep::DeepAny => f.write_str("..*")?,
            }
        }
        Ok(())
    }
}

fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\'', "\\'")
}

impl TryFrom<String> for JsonPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<JsonPath> for String {
    fn from(path: JsonPath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<PathStep> {
        text.parse::<JsonPath>().unwrap().steps
    }

    fn name(text: &str) -> PathStep {
        PathStep::Name(text.to_owned())
    }

    #[test]
    fn every_kind_of_step_is_read() {
        assert_eq!(parsed("$.customer.ssn"), [name("customer"), name("ssn")]);
        assert_eq!(
            parsed("$['a b'][\"it's\"][0][*].*"),
            [
                name("a b"),
                name("it's"),
                PathStep::Index(0),
                PathStep::Each,
                PathStep::Any
            ]
        );
        assert_eq!(
            parsed(r"$..ssn..['x\'y']..*"),
            [
                PathStep::Deep("ssn".to_owned()),
                PathStep::Deep("x'y".to_owned()),
                PathStep::DeepAny
            ]
        );
        assert_eq!(parsed("$.größe.app-id"), [name("größe"), name("app-id")]);
    }

    #[test]
    fn what_is_no_path_is_refused_at_its_place() {
        for (text, at) in [
            ("", 0),
            ("customer.ssn", 0),
            ("$", 1),
            ("$customer", 1),
            ("$.", 2),
            ("$.a..", 5),
            ("$.a b", 3),
            ("$[", 2),
            ("$[-1]", 2),
            ("$[?@.a]", 2),
            ("$[0:2]", 3),
            ("$[0,1]", 3),
            ("$['a", 4),
            (r"$['\u0041']", 4),
            ("$[99999999999]", 2),
            ("$..[0]", 5),
        ] {
            let error = text.parse::<JsonPath>().unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
        }
        let long = format!("${}", ".a".repeat(JSON_PATH_STEPS_MAX + 1));
        assert!(long.parse::<JsonPath>().is_err());
        let wide = format!("$.{}", "a".repeat(JSON_PATH_BYTES_MAX));
        assert!(wide.parse::<JsonPath>().is_err());
    }

    #[test]
    fn a_path_that_is_shown_reads_as_the_same_path() {
        for text in [r"$.a['b\'c'][3][*].*..d..*", r"$['\\']", "$.größe"] {
            let path: JsonPath = text.parse().unwrap();
            assert_eq!(path.to_string().parse::<JsonPath>().unwrap(), path);
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<JsonPath>(&json).unwrap(), path);
        }
        assert!(serde_json::from_str::<JsonPath>("\"ssn\"").is_err());
    }
}
